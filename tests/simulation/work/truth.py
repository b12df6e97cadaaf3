"""What every figure of a month has to be, counted second by second with fractions.

It shares no code with the product. A second belongs to the attempts that ran in it, by weight; where attempts claim
more than the VM ran in an hour, they share what it ran; what nobody claims is idle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from zoneinfo import ZoneInfo

from tests.simulation.work.month import HOUR, Attempt, Month, Vm

_LOS_ANGELES = ZoneInfo("America/Los_Angeles")
MONEY = ("cost", "ondemand", "license", "disk", "known")

type Figure = Fraction | int | str | None
type Figures = Mapping[str, Figure]
type Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class VmHour:
    """A VM and the start of an hour in which it ran."""

    vm: Vm
    start: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one attempt, or nobody, had of one VM in one hour; `money` leaves out what is not known."""

    vm: Vm
    hour: int
    attempt: Attempt | None
    hours: Fraction
    claimed: Fraction
    lost_share: Fraction
    money: Mapping[str, Fraction]

    @property
    def lost_hours(self) -> Fraction:
        """The part of the hours that was lost."""
        return self.hours * self.lost_share

    def lost(self, name: str) -> Fraction | None:
        """The part of an amount that was lost."""
        return self.money[name] * self.lost_share if name in self.money else None

    @property
    def team(self) -> str:
        """The team of the work, or of the VM."""
        return self._key("team") or "(unlabelled)"

    @property
    def experiment(self) -> str | None:
        """The experiment of the work, or of the VM."""
        return self._key("experiment")

    def _key(self, name: str) -> str | None:
        of_work = dict(self.attempt.keys).get(name) if self.attempt else None
        return of_work or self.vm.label(name)


def parts(month: Month) -> list[Part]:
    """Return the parts of all VMs and hours."""
    on_vm: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in month.attempts:
        if attempt.vm is not None:
            on_vm[attempt.vm.id].append(attempt)
    return [part for vm in month.vms for hour in hours_of(vm) for part in _of_hour(vm, hour, on_vm[vm.id])]


def hours_of(vm: Vm) -> range:
    """Return the starts of the hours in which a VM ran."""
    return range(vm.start // HOUR * HOUR, vm.end, HOUR)


def uptime(vm: Vm, hour: int) -> int:
    """Return how many seconds a VM ran in an hour."""
    return min(vm.end, hour + HOUR) - max(vm.start, hour)


def works(month: Month, found: Sequence[Part]) -> dict[str, dict[str, Figure]]:
    """Return what has to come out for each piece of work."""
    by_work: dict[str, list[Part]] = defaultdict(list)
    for part in found:
        if part.attempt is not None:
            by_work[part.attempt.work].append(part)
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in month.attempts:
        attempts[attempt.work].append(attempt)
    return {work: {**_of_attempts(each, by_work[work]), **_sums(by_work[work])} for work, each in attempts.items()}


def idle_by_owner(found: Sequence[Part]) -> dict[Key, dict[str, Figure]]:
    """Return what has to come out for idle time, by system, cluster and team."""
    return _grouped((part for part in found if part.attempt is None), lambda part: (*owner(part.vm)[:2], part.team))


def days(found: Sequence[Part], key: Callable[[Part], Key]) -> dict[Key, dict[str, Figure]]:
    """Return what has to come out by UTC day, day of Cloud Billing and a key, with what of it was idle."""
    sums = _grouped(found, lambda part: (*_days(part.hour), *key(part)))
    for group, idle in _grouped(
        (each for each in found if each.attempt is None), lambda p: (*_days(p.hour), *key(p))
    ).items():
        sums[group] |= {f"idle_{name}": idle[name] for name in ("cost", "known_cost")} | {
            "idle_hours": idle["vm_hours"]
        }
    return {group: {"idle_hours": Fraction(0), "idle_cost": None, **each} for group, each in sums.items()}


def experiments(month: Month, found: Sequence[Part]) -> dict[Key, dict[str, Figure]]:
    """Return what has to come out by experiment and team, with the interval that costs least."""
    sums = _grouped(found, lambda part: (part.experiment, part.team))
    groups: dict[Key, set[int]] = defaultdict(set)
    costs: dict[Key, Fraction] = defaultdict(Fraction)
    for part in found:
        if part.attempt is not None:
            groups[part.experiment, part.team].add(id(part.attempt))
            costs[part.experiment, part.team] += part.money.get("cost", Fraction(0))
    by_identity = {id(attempt): attempt for attempt in month.attempts}
    for key, identities in groups.items():
        sums[key] |= _intervals([by_identity[each] for each in identities], float(costs[key]))
    return sums


def owner(vm: Vm) -> tuple[str, str | None, str | None]:
    """Return the system, cluster and job of a VM: the rule of the month names CI runners by their name."""
    if vm.name.startswith("ci-runner-"):
        return "ci", "-".join(vm.name.split("-")[:3]), None
    if cluster := vm.label("slurm_cluster_name"):
        return "slurm", cluster, None
    return "(none)", None, None


def _of_hour(vm: Vm, hour: int, attempts: Sequence[Attempt]) -> Iterator[Part]:
    ran = Fraction(uptime(vm, hour))
    spans = [
        (max(each.start, hour), min(each.real_end, hour + HOUR), each)
        for each in attempts
        if min(each.real_end, hour + HOUR) > max(each.start, hour)
    ]
    used: dict[int, Fraction] = defaultdict(Fraction)
    lost: dict[int, Fraction] = defaultdict(Fraction)
    busy = Fraction(0)
    edges = sorted({edge for first, last, _ in spans for edge in (first, last)} | _saves(spans))
    for first, last in pairwise(edges):
        running = [each for start, end, each in spans if start <= first and last <= end]
        weight = sum(each.weight or 1 for each in running)
        busy += last - first if running else 0
        for each in running:
            share = Fraction((last - first) * (each.weight or 1), weight)
            used[id(each)] += share
            lost[id(each)] += share if each.preempted and first >= (each.saved_at or each.start) else 0
    # Attempts that claim more than the VM ran share what it ran.
    scale = ran / busy if busy > ran else Fraction(1)
    for first, last, each in spans:
        own = used[id(each)] * scale
        yield _part(VmHour(vm, hour), each, own, Fraction(last - first, HOUR), lost[id(each)] / used[id(each)])
    if busy < ran:
        yield _part(VmHour(vm, hour), None, ran - busy, Fraction(0), Fraction(0))


def _saves(spans: Iterable[tuple[int, int, Attempt]]) -> set[int]:
    return {each.saved_at for first, last, each in spans if each.saved_at is not None and first < each.saved_at < last}


def _part(hour: VmHour, attempt: Attempt | None, seconds: Fraction, claimed: Fraction, lost: Fraction) -> Part:
    share = seconds / uptime(hour.vm, hour.start)
    row = amounts(hour.vm, hour.start)
    money = {name: share * Fraction(amount) for name, amount in row.items() if amount is not None}
    return Part(hour.vm, hour.start, attempt, seconds / HOUR, claimed, lost, money)


def amounts(vm: Vm, hour: int) -> dict[str, Decimal | None]:
    """Return what a VM cost in an hour, to nine decimals."""
    rates = {"cost": vm.spot, "ondemand": vm.ondemand, "license": vm.license, "disk": vm.disk}
    seconds = uptime(vm, hour)
    found = {name: None if rate is None else round(rate * seconds / HOUR, 9) for name, rate in rates.items()}
    known = [found[name] for name in ("cost", "license", "disk") if found[name] is not None]
    return {**found, "known": sum((each for each in known if each is not None), Decimal(0)) if known else None}


def _of_attempts(attempts: Sequence[Attempt], found: Sequence[Part]) -> dict[str, Figure]:
    claimed: dict[int, Fraction] = defaultdict(Fraction)
    for part in found:
        claimed[part.attempt.number if part.attempt else 0] += part.claimed
    ordered = sorted(attempts, key=lambda each: each.number)
    stated = {each.number: Fraction(each.end - each.start, HOUR) for each in ordered if each.end is not None}
    of_preempted = [
        part.money["cost"] for part in found if part.attempt and part.attempt.preempted and "cost" in part.money
    ]
    return {
        "attempts": len(attempts),
        "preempted_attempts": sum(each.preempted for each in attempts),
        "waiting_hours": sum((Fraction(max(b.start - a.real_end, 0), HOUR) for a, b in pairwise(ordered)), Fraction(0)),
        "unrecorded_hours": sum(
            (max(hours - claimed[number], Fraction(0)) for number, hours in stated.items()), Fraction(0)
        ),
        "preempted_cost": sum(of_preempted, Fraction(0)) if of_preempted else None,
    }


def _sums(found: Sequence[Part]) -> dict[str, Figure]:
    both = [part for part in found if {"cost", "ondemand"} <= part.money.keys()]
    saved = sum((part.money["ondemand"] * (1 - part.lost_share) - part.money["cost"] for part in both), Fraction(0))
    lost_costs = [lost for part in found if (lost := part.lost("cost")) is not None]
    return {
        "vms": len({part.vm.id for part in found}),
        "vm_hours": sum((part.hours for part in found), Fraction(0)),
        "cost": _known(found, "cost"),
        "ondemand_cost": _known(found, "ondemand"),
        "license_cost": _known(found, "license"),
        "disk_cost": _known(found, "disk"),
        "known_cost": _known(found, "known"),
        "lost_hours": sum((part.lost_hours for part in found), Fraction(0)),
        "lost_cost": sum(lost_costs, Fraction(0)) if lost_costs else None,
        "net_savings": saved if both else None,
    }


def _known(found: Sequence[Part], name: str) -> Fraction | None:
    amounts = [part.money[name] for part in found if name in part.money]
    return sum(amounts, Fraction(0)) if amounts else None


def _grouped(found: Iterable[Part], key: Callable[[Part], Key]) -> dict[Key, dict[str, Figure]]:
    groups: dict[Key, list[Part]] = defaultdict(list)
    for part in found:
        groups[key(part)].append(part)
    return {group: _sums(each) for group, each in groups.items()}


def _intervals(attempts: Sequence[Attempt], cost: float) -> dict[str, Figure]:
    """Daly's interval from the mean time between preemptions, and what another costs: a share of the cost."""
    preempted = sum(each.preempted for each in attempts)
    saves = [each.checkpoint for each in attempts if each.checkpoint is not None]
    figures: dict[str, Figure] = {"attempts": len(attempts), "preempted_attempts": preempted}
    if not preempted or not saves:
        return figures
    mean = sum(each.real_end - each.start for each in attempts) / preempted
    save = sum(saves) / len(saves)
    intervals = [each.interval for each in attempts if each.interval is not None]
    actual = sum(intervals) / len(intervals)
    ratio = save / (2 * mean)
    best = sqrt(2 * save * mean) * (1 + sqrt(ratio) / 3 + ratio / 9) - save

    def overhead(interval: float) -> float:
        return save / interval + interval / (2 * mean)

    excess = cost * max(overhead(actual) - overhead(best), 0)
    return figures | {
        "mean_hours_between": Fraction(mean / HOUR),
        "checkpoint_minutes": Fraction(actual / 60),
        "recommended_minutes": Fraction(best / 60),
        "interval_excess_cost": Fraction(excess),
    }


def _days(second: int) -> tuple[str, str]:
    utc, billing = (datetime.fromtimestamp(second, zone).date().isoformat() for zone in (UTC, _LOS_ANGELES))
    return utc, billing
