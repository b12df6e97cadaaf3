"""Judgements: each compares one promise of the tracker with the truth and yields every case that breaks it.

`worlds.py` names the judgements that are still pending in a world: measured and printed there, but no failure.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from tests.simulation.tracker.calls import Call
from tests.simulation.tracker.lives import HOUR, Vm
from tests.simulation.tracker.machines import LOCAL_SSD_GIB, WORKSTATION, Machine, has_history
from tests.simulation.tracker.prices import BILLING_TIME, midnight_in_billing_time, nine_digits
from tests.simulation.tracker.records import CostRow, Records
from tests.simulation.tracker.truth import Segment, segments
from tests.simulation.tracker.world import Access, Service, World

type Key = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that breaks a promise, with the seconds of usage or the US dollars that it concerns."""

    what: str
    seconds: Fraction = Fraction(0)
    usd: Fraction = Fraction(0)


@dataclass(frozen=True)
class Outcome:
    """A world, what was recorded of it, and the calls that recorded it."""

    world: World
    records: Records
    calls: tuple[Call, ...]
    audit_log: bool = False

    @cached_property
    def truth(self) -> Mapping[Key, list[Segment]]:
        """The segments of every VM and hour."""
        found: dict[Key, list[Segment]] = defaultdict(list)
        for segment in segments(self.world):
            found[segment.key].append(segment)
        return found

    @cached_property
    def rows(self) -> Mapping[Key, list[CostRow]]:
        """The rows of every VM and hour."""
        found: dict[Key, list[CostRow]] = defaultdict(list)
        for row in self.records.rows:
            found[row.project_id, row.instance_id, row.hour].append(row)
        return found

    @cached_property
    def spot_truth(self) -> Mapping[Key, list[Segment]]:
        """The segments of the hours in which a VM ran as a Spot VM, and in no other way."""
        return {key: every for key, every in self.truth.items() if all(each.run.machine.spot for each in every)}

    def recorded_seconds(self, key: Key) -> Fraction:
        """Return the uptime in the rows of a VM and hour."""
        return sum((Fraction(row.uptime_hours) * 3600 for row in self.rows.get(key, ())), Fraction(0))


type Judgement = Callable[[Outcome], Iterator[Finding]]

SHARES = (Decimal("0.5"), Decimal("0.8"), Decimal("1.0"))
SAMPLE = Fraction(60)
SURE = {"exact", "confirmed", "from_history"}
NANO_HOUR = Fraction(3600, 10**9)


def rows_have_uptime(outcome: Outcome) -> Iterator[Finding]:
    """Every row is of a VM that ran as a Spot VM in that hour."""
    for key, rows in outcome.rows.items():
        if not any(segment.run.machine.spot for segment in outcome.truth.get(key, ())):
            seconds = outcome.recorded_seconds(key)
            yield Finding(f"{_named(key)}: {len(rows)} rows, but it ran as no Spot VM", seconds, _cost(rows))


def rows_hold_what_was_metered(outcome: Outcome) -> Iterator[Finding]:
    """A row's uptime is all that Cloud Monitoring ever says of the hour, to nine digits."""
    for key, every in outcome.spot_truth.items():
        if key in outcome.rows:
            metered = sum((segment.metered for segment in every), Fraction(0))
            missing = metered - outcome.recorded_seconds(key)
            if abs(missing) > NANO_HOUR:
                yield Finding(f"{_named(key)}: {float(missing):.3f} s of {float(metered):.3f} s are missing", missing)


def rows_are_within_one_sample(outcome: Outcome) -> Iterator[Finding]:
    """A row's uptime is what really ran in the hour, but for a minute at each end, where no point was lost or late."""
    for key, every in outcome.spot_truth.items():
        if key in outcome.rows and not every[0].vm.withheld:
            ran = sum((segment.ran for segment in every), Fraction(0))
            wrong = abs(ran - outcome.recorded_seconds(key))
            if wrong > SAMPLE:
                yield Finding(f"{_named(key)}: {float(wrong):.0f} s from what ran", wrong)


def seconds_are_accounted_for(outcome: Outcome) -> Iterator[Finding]:
    """Metered Spot seconds are in a row, named as unresolved, or in an hour with a named gap."""
    for key, every in outcome.truth.items():
        metered = sum((segment.metered for segment in every if segment.run.machine.spot), Fraction(0))
        project_id, instance_id, hour = key
        state = outcome.records.hours.get((project_id, hour))
        if metered and key not in outcome.rows and (state is None or not state.gaps):
            if state is None:
                yield Finding(f"{_named(key)}: nothing is recorded of the hour", metered, _true_cost(every))
            elif instance_id not in state.unresolved:
                yield Finding(f"{_named(key)}: neither a row nor unresolved", metered, _true_cost(every))


def unresolved_seconds_are_true(outcome: Outcome) -> Iterator[Finding]:
    """Seconds recorded as unresolved are those that Cloud Monitoring says of a VM without a row."""
    for (project_id, hour), state in outcome.records.hours.items():
        for instance_id, seconds in state.unresolved.items():
            key = project_id, instance_id, hour
            metered = sum((segment.metered for segment in outcome.truth.get(key, ())), Fraction(0))
            if abs(metered - seconds) > NANO_HOUR or key in outcome.rows:
                yield Finding(f"{_named(key)}: unresolved with {float(seconds):.3f} of {float(metered):.3f} s", metered)


def vms_are_identified(outcome: Outcome) -> Iterator[Finding]:
    """Nothing is unresolved: the sources know every VM by the time the world is over."""
    for (project_id, hour), state in outcome.records.hours.items():
        for instance_id, seconds in state.unresolved.items():
            yield Finding(f"{_named((project_id, instance_id, hour))}: unresolved", seconds)


def hours_are_filled(outcome: Outcome) -> Iterator[Finding]:
    """Every hour of a project that may be read is complete in the end, or what it lacks is named as final."""
    for project_id, access in outcome.world.projects.items():
        if access is not Access.DENIED:
            for hour in outcome.world.hours:
                state = outcome.records.hours.get((project_id, hour))
                if state is None or not (state.complete or state.final):
                    every = [
                        segment
                        for key, some in outcome.truth.items()
                        if (key[0], key[2]) == (project_id, hour)
                        for segment in some
                    ]
                    seconds = sum((segment.metered for segment in every if segment.run.machine.spot), Fraction(0))
                    why = "; ".join(state.gaps) if state else "not recorded"
                    yield Finding(f"{project_id} {hour:%d %H:%M}: {why}", seconds, _true_cost(every))


def machines_are_as_they_ran(outcome: Outcome) -> Iterator[Finding]:
    """A machine in the rows of an hour ran as a Spot VM for as long as the rows say, at least."""
    for key, rows in outcome.rows.items():
        ran = [segment for segment in outcome.truth.get(key, ()) if segment.run.machine.spot]
        for machine in dict.fromkeys(_Recorded.of(row) for row in rows):
            fitting = [segment for segment in ran if machine.is_like(segment.run.machine)]
            alike = [row for row in rows if _Recorded.of(row) == machine]
            recorded = sum((Fraction(row.uptime_hours) * 3600 for row in alike), Fraction(0))
            excess = recorded - sum((segment.metered for segment in fitting), Fraction(0))
            if excess > NANO_HOUR:
                true = ", ".join(
                    dict.fromkeys(_described(segment.run.machine) for segment in outcome.truth.get(key, ()))
                )
                usd = _cost(alike) - _true_cost(fitting)
                yield Finding(
                    f"{_named(key)}: {machine.machine_type} {float(excess):.0f} s more of {true}", excess, usd
                )


def labels_are_as_observed(outcome: Outcome) -> Iterator[Finding]:
    """A row has the labels that the VM had in the hour, or at the first scan after it."""
    last = max(call.at for call in outcome.calls)
    for key, rows in outcome.rows.items():
        for segment in outcome.truth.get(key, ())[:1]:
            vm, hour = segment.vm, key[2]
            scans = (call.at for call in outcome.calls if call.at >= hour + HOUR and _scanned(outcome.world, vm, call))
            until = min(scans, default=last)
            held = [labels for since, labels in vm.labels if hour < since <= until]
            allowed = [vm.labels_at(max(hour, vm.created)), *held]
            for row in rows:
                if dict(row.labels) not in [dict(labels) for labels in allowed]:
                    yield Finding(f"{_named(key)}: labels {dict(row.labels)}, but it had {allowed}", segment.metered)


def prices_are_true_or_marked(outcome: Outcome) -> Iterator[Finding]:
    """A price that is not marked as doubtful is the one that held while the VM ran; local SSD is priced apart."""
    for key, row, segment in _unambiguous(outcome):
        if row.price_status in SURE and not row.local_ssd_gib:
            usd = _mean_price(outcome.truth[key])
            true = nine_digits(usd)
            if row.price != true:
                wrong = Fraction(row.price or 0) - usd
                yield Finding(
                    f"{_named(key)}: {row.price_status} {row.price}, but {true}",
                    segment.metered,
                    wrong * segment.metered / 3600,
                )


def moves_that_google_recorded_are_priced(outcome: Outcome) -> Iterator[Finding]:
    """No price of a machine type that Google's history has is doubtful, once the history of the hour was read."""
    known = max((at for at in history_readings(outcome.world, outcome.calls[:-1])), default=outcome.world.start)
    for key, row, segment in _unambiguous(outcome):
        if has_history(segment.run.machine) and row.hour + HOUR <= known and row.price_status not in SURE:
            yield Finding(f"{_named(key)}: {row.price_status} {row.price}", segment.metered)


def history_readings(world: World, calls: Iterable[Call]) -> Iterator[datetime]:
    """Yield when Google's price history is read: by the first call from 3 o'clock on in Los Angeles, once a day."""
    days = set()
    for call in calls if world.capacity_history else ():
        local = call.at.astimezone(BILLING_TIME)
        if local.hour in range(3, 7) and local.date() not in days:
            days.add(local.date())
            yield call.at


def local_ssd_is_priced_by_the_month(outcome: Outcome) -> Iterator[Finding]:
    """What is priced by the month costs by the length of the real month."""
    for key, row, segment in _unambiguous(outcome):
        if row.price_status == "exact" and row.local_ssd_gib and row.price is not None:
            wrong = Fraction(row.price) - segment.usd_per_hour
            if row.price != nine_digits(segment.usd_per_hour):
                yield Finding(
                    f"{_named(key)}: {row.price} USD an hour", segment.metered, wrong * segment.metered / 3600
                )


def all_machines_are_priced(outcome: Outcome) -> Iterator[Finding]:
    """Every machine of the world has a price: the catalog sells all of its parts."""
    for key, row, segment in _unambiguous(outcome):
        if row.price is None:
            kind = _described(segment.run.machine)
            yield Finding(f"{_named(key)}: {kind} has no price", segment.metered, _true_cost([segment]))


def costs_are_price_times_billed_hours(outcome: Outcome) -> Iterator[Finding]:
    """Cost is price times billed hours, to nine digits."""
    for key, rows in outcome.rows.items():
        for row in rows:
            if row.price is not None:
                low, high = (Fraction(row.billed_hours) + Fraction(side, 2 * 10**9) for side in (-1, 1))
                rounding = Fraction(1, 2 * 10**9)
                cost, price = Fraction(row.cost or 0), Fraction(row.price)
                if not low * price - rounding <= cost <= high * price + rounding:
                    yield Finding(f"{_named(key)}: {row.cost} is not {row.price} times {row.billed_hours}")


def first_minute_is_billed_as_google_does(outcome: Outcome) -> Iterator[Finding]:
    """Billed hours are at least a minute for each run, and none of a VM preempted in its first minute."""
    by_run: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in outcome.spot_truth:
        by_run[key[:2]].append(key)
    for (project_id, instance_id), keys in by_run.items():
        vm = outcome.truth[keys[0]][0].vm
        if (
            len(vm.runs) == 1
            and not vm.withheld
            and vm.runs[0].end <= outcome.world.end
            and all(key in outcome.rows for key in keys)
        ):
            billed = vm.billed_seconds(vm.runs[0])
            rows = [row for key in keys for row in outcome.rows[key]]
            recorded = sum((Fraction(row.billed_hours) * 3600 for row in rows), Fraction(0))
            if abs(billed - recorded) > NANO_HOUR * len(rows):
                wrong = recorded - billed
                usd = wrong / 3600 * outcome.truth[keys[0]][0].usd_per_hour
                yield Finding(
                    f"{project_id}/{instance_id}: {float(recorded):.3f} s, billed {float(billed):.3f} s", wrong, usd
                )


def complete_hours_are_not_read_again(outcome: Outcome) -> Iterator[Finding]:
    """A project's hour that was read in full is read once more at most, unless it is requested or a run is killed.

    While the asset inventory does not know all of its VMs yet, it is read again in every hour, and once for each time
    that Google's price history was read.
    """
    asked = Counter(hour for call in outcome.calls for hour in call.hours)
    killed = sum(call.kill is not None for call in outcome.calls)
    for (project_id, hour), reads in outcome.records.reads.items():
        waiting = 0 if outcome.audit_log else outcome.world.asset_delay // HOUR
        waiting += len(list(history_readings(outcome.world, outcome.calls)))
        if reads > 2 + asked[hour] + killed + waiting:
            yield Finding(f"{project_id} {hour:%d %H:%M}: read in full {reads} times")


def rows_are_unique(outcome: Outcome) -> Iterator[Finding]:
    """A VM has one row for each hour and start."""
    found = Counter((row.project_id, row.zone, row.instance_id, row.start) for row in outcome.records.rows)
    for key, count in found.items():
        if count > 1:
            yield Finding(f"{key}: {count} rows")


def alerts_are_sent(outcome: Outcome) -> Iterator[Finding]:
    """Every share of the budget in force that the month's rows reach is announced, as is every one of a later day."""
    last = outcome.calls[-1]
    since = min(call.at for call in outcome.calls if call.budgets == last.budgets)
    sent = {(alert.kind, alert.start, alert.threshold, alert.budget) for alert in outcome.records.alerts}
    for kind, budget in last.budgets.items():
        for start, cost in _costs_of_periods(outcome.records, kind).items():
            for share in SHARES:
                if (
                    cost >= share * budget
                    and (kind == "month" or start >= since)
                    and (kind, start, share, budget) not in sent
                ):
                    yield Finding(
                        f"{kind} from {start:%d %H:%M}: {cost} USD, and no alert at {share} of {budget}",
                        usd=Fraction(cost),
                    )


def _costs_of_periods(records: Records, kind: str) -> Mapping[datetime, Decimal]:
    costs: dict[datetime, Decimal] = defaultdict(Decimal)
    for row in records.rows:
        start = midnight_in_billing_time(row.hour)
        if kind == "month":
            start = midnight_in_billing_time(start - timedelta(days=start.astimezone(BILLING_TIME).day - 1) + HOUR)
        costs[start] += row.known_cost
    return costs


def alerts_are_sent_once(outcome: Outcome) -> Iterator[Finding]:
    """An alert is sent once; a second time only when a run was killed before it was closed."""
    killed = any(call.kill for call in outcome.calls)
    sent = Counter((alert.kind, alert.start, alert.threshold, alert.budget) for alert in outcome.records.alerts)
    for (kind, start, threshold, _), count in sent.items():
        if count > 1 + killed:
            yield Finding(f"{kind} {start:%d %H:%M}: {threshold} was sent {count} times")


def _mean_price(every: Sequence[Segment]) -> Fraction:
    seconds = sum((each.ran for each in every), Fraction(0))
    paid = sum((each.ran * each.usd_per_hour for each in every), Fraction(0))
    return paid / seconds if seconds else every[0].usd_per_hour


def _unambiguous(outcome: Outcome) -> Iterator[tuple[Key, CostRow, Segment]]:
    """Every row of an hour in which its VM was one machine only, and is recorded as it, with the segment."""
    for key, rows in outcome.rows.items():
        every = outcome.truth.get(key, ())
        if every and len({segment.run.machine for segment in every}) == 1 and every[0].run.machine.spot:
            for row in rows:
                if _Recorded.of(row).is_like(every[0].run.machine):
                    yield key, row, every[0]


class _Recorded(NamedTuple):
    """The machine that a row names; a virtual workstation may be recorded as the plain GPU that it is billed as."""

    machine_type: str
    gpus: tuple[str, int] | None
    local_ssd_gib: int

    @classmethod
    def of(cls, row: CostRow) -> "_Recorded":
        return cls(row.machine_type, _plain(row.gpus), row.local_ssd_gib)

    def is_like(self, machine: Machine) -> bool:
        local_ssd_gib = machine.scratch_disks * LOCAL_SSD_GIB
        return self == (machine.machine_type.name, _plain(machine.accelerator), local_ssd_gib)


def _plain(accelerator: tuple[str, int] | None) -> tuple[str, int] | None:
    return accelerator and (accelerator[0].removesuffix(WORKSTATION), accelerator[1])


def _described(machine: Machine) -> str:
    parts = [machine.machine_type.name, "Spot" if machine.spot else "Standard"]
    if machine.gpu is not None:
        parts.append(f"{machine.gpus} {machine.gpu}")
    return " ".join(parts)


def _true_cost(every: list[Segment]) -> Fraction:
    return sum((each.metered / 3600 * each.usd_per_hour for each in every if each.run.machine.spot), Fraction(0))


def _cost(rows: list[CostRow]) -> Fraction:
    return sum((Fraction(row.cost or Decimal(0)) for row in rows), Fraction(0))


def _scanned(world: World, vm: Vm, call: Call) -> bool:
    """Whether Compute Engine lists the project and zone of a VM at a call."""
    outages = world.out_of_order(Service.COMPUTE, call.at, vm.project_id)
    return all(outage.zone not in {"", vm.zone} for outage in outages)


def _named(key: Key) -> str:
    project_id, instance_id, hour = key
    return f"{project_id}/{instance_id} {hour:%d %H:%M}"


JUDGEMENTS: Mapping[str, Judgement] = {
    judgement.__name__: judgement
    for judgement in (
        rows_have_uptime,
        rows_are_unique,
        rows_hold_what_was_metered,
        rows_are_within_one_sample,
        seconds_are_accounted_for,
        unresolved_seconds_are_true,
        vms_are_identified,
        hours_are_filled,
        machines_are_as_they_ran,
        labels_are_as_observed,
        prices_are_true_or_marked,
        moves_that_google_recorded_are_priced,
        local_ssd_is_priced_by_the_month,
        all_machines_are_priced,
        costs_are_price_times_billed_hours,
        first_minute_is_billed_as_google_does,
        complete_hours_are_not_read_again,
        alerts_are_sent,
        alerts_are_sent_once,
    )
}
