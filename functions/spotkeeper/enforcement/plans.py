"""The plan: which instances to stop, in which order, with a reason for each one stopped or spared. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache

from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.history import AttachedCost, StopCounts
from spotkeeper.enforcement.policies import PRICED_CURRENCY, BudgetRule, Policy, Priority
from spotkeeper.enforcement.protection import Importance, importance, lapsed_protection
from spotkeeper.enforcement.spot_vms import RUNNING, STOPPED_STATES, SpotVm, reason_to_spare, snooze
from spotkeeper.enforcement.steering import Candidate, needed_stops
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR, Period, rfc3339

_LATEST = datetime.max.replace(tzinfo=UTC)

_NEXT_NOTIFICATION_HOURS = 1
"""Notifications come several times a day, usually every 20 to 40 minutes; an hour leaves room.
https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an instance is to be stopped, and why; `rank` is its position among the stops, from 1."""

    vm: SpotVm
    priority: Priority
    reason: str
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """The cost so far and the budget, in its currency, the period, the present time, and whether the fleet has gaps.

    Without an estimate, the cost and the prices of what runs make the forecast.
    """

    cost: Decimal
    budget: Decimal
    period: Period
    now: datetime
    has_gaps: bool = False
    estimate: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision for every Spot instance in scope that is not stopped.

    Money is in USD per hour, of instances whose price is known; `unpriced` counts the others. `runs_out` is when the
    budget is used up if nothing is stopped, `runs_out_with_plan` when it is if the plan is executed; None means not in
    this period, or unknown for a budget in another currency. `deferred` counts the stops that a limit deferred.
    `going_on` is what the disks of the stopped instances go on costing, `addresses` what their external addresses cost,
    which a stop ends unless they are reserved; `attached_unknown` counts the stops without all of that.
    """

    stops: tuple[Decision, ...] = ()
    spared: tuple[Decision, ...] = ()
    hourly_cost_usd: Decimal = Decimal(0)
    hourly_savings: Decimal = Decimal(0)
    unpriced: int = 0
    going_on: Decimal = Decimal(0)
    addresses: Decimal = Decimal(0)
    attached_unknown: int = 0
    runs_out: datetime | None = None
    runs_out_with_plan: datetime | None = None
    deferred: int = 0


@dataclass(frozen=True, slots=True)
class _Eligible:
    """An instance that may be stopped, its priority, where that comes from, and what else its reason says."""

    vm: SpotVm
    priority: Priority
    source: str
    held_back: bool
    failed: bool
    notes: str


def plan(verdict: Verdict, situation: Situation, vms: Iterable[SpotVm], policy: Policy, counts: StopCounts) -> Plan:
    """Return a decision for every instance in scope.

    Least important first, then the largest savings, then the youngest; names break ties, so that the same input gives
    the same plan. What failed lately comes behind what was not tried. Never more than the limits allow. Below the
    budget, no more than keep the period below it, by the estimate or a forecast. With gaps in the fleet, only the least
    important class.
    """
    rule = verdict.rule
    if rule is None or not verdict.may_stop:
        return Plan()
    covered = [vm for vm in vms if _may_be_covered(vm, rule)]
    not_stopped = [vm for vm in covered if vm.status not in STOPPED_STATES]
    running = [vm for vm in not_stopped if vm.status == RUNNING and vm.pending_stop is None]
    hourly_cost = _hourly_cost(running)
    eligible, spared = _partition(not_stopped, verdict, policy, situation)
    needed = len(eligible)
    if verdict.name is VerdictName.NEARING_BUDGET:
        eligible, unfit = _forecast_candidates(eligible, rule)
        spared += unfit
        needed = _needed(eligible, covered, situation, verdict, policy)
    burst = policy.burst and _is_used_up_within_the_hour(situation, hourly_cost)
    allowance, limit = allowed_stops(policy, rule, {vm.instance.key for vm in running}, counts, burst=burst)
    count = min(needed, allowance)
    stops = tuple(_stop(each, rank, count) for rank, each in enumerate(eligible[:count], 1))
    spared += _not_needed(eligible[needed:], eligible[:needed], situation)
    spared += _deferred(eligible[count:needed], count, limit)
    savings = _hourly_cost(decision.vm for decision in stops)
    saved = sum(decision.vm.daily_rate for decision in stops)
    attached = [decision.vm.attached for decision in stops if decision.vm.attached is not None]
    known = rule.currency == PRICED_CURRENCY
    return Plan(
        stops=stops,
        spared=tuple(spared),
        hourly_cost_usd=hourly_cost,
        hourly_savings=savings,
        unpriced=sum(vm.hourly_cost_usd is None for vm in running),
        going_on=_sum(each.disks for each in attached),
        addresses=_sum(each.addresses for each in attached),
        attached_unknown=sum(_is_attached_unknown(decision.vm) for decision in stops),
        runs_out=_runs_out(situation, hourly_cost) if known else None,
        runs_out_with_plan=_runs_out(situation, hourly_cost - savings, saved) if known else None,
        deferred=needed - count,
    )


def _is_attached_unknown(vm: SpotVm) -> bool:
    """Whether anything is not known of what is attached to an instance."""
    attached = vm.attached
    return attached is None or None in {attached.ending, attached.disks, attached.addresses}


def allowed_stops(
    policy: Policy, rule: BudgetRule, running: set[InstanceKey], counts: StopCounts, *, burst: bool = False
) -> tuple[int, str]:
    """Return how many may be stopped now, and the limit that says so; in a burst, one alert may stop those of a day.

    The share is one of the instances that run in scope and of those stopped for this budget in the last 24 hours, each
    once; all of them are no limit, also where one of them was started again.
    """
    caps, stopped = rule.caps, counts.budget
    of_fleet = int((caps.fleet_share * len(running | counts.instances)).to_integral_value(ROUND_FLOOR))
    used = f"{stopped} planned or stopped in the last 24 hours"
    total = f"{counts.total} planned or stopped in the last 24 hours"
    per_alert = caps.per_day if burst else caps.per_alert
    allowances = [
        (per_alert, f"limit of {per_alert} stops per alert"),
        (caps.per_day - stopped, f"limit of {caps.per_day} stops per day ({used})"),
        (
            policy.max_stops_per_day_total - counts.total,
            f"limit of {policy.max_stops_per_day_total} stops per day for all budgets ({total})",
        ),
    ]
    if caps.fleet_share < 1:
        share = f"limit of {caps.fleet_share:.0%} of the fleet per day, {of_fleet} stops ({used})"
        allowances.insert(2, (of_fleet - stopped, share))
    allowance, limit = min(allowances, key=lambda each: each[0])
    return max(allowance, 0), limit


def _may_be_covered(vm: SpotVm, rule: BudgetRule) -> bool:
    """Whether a rule covers an instance; one that could not be read, and shows no label, may have any."""
    if vm.unreadable is not None and not vm.instance.labels:
        return vm.instance.key.project_id in rule.projects
    return rule.covers(vm.instance)


def _partition(
    vms: Iterable[SpotVm], verdict: Verdict, policy: Policy, situation: Situation
) -> tuple[list[_Eligible], list[Decision]]:
    eligible, spared, now = [], [], situation.now
    least = min(verdict.priorities, key=lambda each: each.rank, default=None)
    by_labels: dict[tuple[tuple[str, str], ...], Importance] = {}
    for vm in vms:
        labels = vm.instance.labels
        important = by_labels.get(labels) or by_labels.setdefault(labels, importance(labels, policy))
        reason = f"could not be read: {vm.unreadable}" if vm.unreadable else reason_to_spare(vm, policy, now)
        reason = reason or snooze(vm.snoozed_until, now)
        if reason is None and vm.pending_stop is not None:
            reason = f"stop pending: planned by message {vm.pending_stop}"
        if reason is None and important.priority not in verdict.priorities:
            reason = f"{important.priority} priority ({important.source}): not stopped at this step"
        if reason is None and situation.has_gaps and important.priority is not least:
            reason = f"part of the fleet could not be read: only {least} priority may be stopped"
        is_replaced = vm.instance.managed_by and not vm.in_frozen_group
        if reason is None and is_replaced and situation.estimate and situation.estimate.refilled:
            reason = f"not stopped again: {situation.estimate.refilled}"
        if reason is None:
            notes = _notes(vm, policy, now)
            held_back, failed = vm.is_held_back(now), vm.failed_lately(now)
            eligible.append(_Eligible(vm, important.priority, important.source, held_back, failed, notes))
        else:
            spared.append(Decision(vm, important.priority, reason))
    eligible.sort(key=_sort_key)
    return eligible, spared


def _notes(vm: SpotVm, policy: Policy, now: datetime) -> str:
    """Return what a person should know of a stop besides the order: lost data, a lapsed protection, a failure."""
    ssd, failed = vm.instance.shape.local_ssd_gib, vm.failed_stop
    notes = [f"discards {ssd} GiB of local SSD"] if ssd else []
    notes += [lapsed] if (lapsed := lapsed_protection(vm.instance.labels, policy, now)) else []
    if failed is not None and vm.failed_lately(now):
        until = f"those not tried until {rfc3339(failed.retry_at)}"
        if not vm.is_held_back(now):
            until = f"those of its priority that were not tried until {rfc3339(failed.forgotten_at)}"
        notes.append(f"its stop failed {rfc3339(failed.failed_at)}, so it ranks behind {until}")
    return "".join(f"; {note}" for note in notes)


def _sort_key(each: _Eligible) -> tuple[object, ...]:
    cost, instance = each.vm.hourly_cost_usd, each.vm.instance
    return (
        each.held_back,
        each.priority.rank,
        each.failed,
        cost is None,
        -(cost or 0),
        _LATEST - each.vm.started,
        instance.name,
        instance.key,
    )


def _forecast_candidates(eligible: Iterable[_Eligible], rule: BudgetRule) -> tuple[list[_Eligible], list[Decision]]:
    """Split off the instances whose savings are unknown, or not in the budget's currency."""
    fit, unfit = [], []
    for each in eligible:
        if rule.currency != PRICED_CURRENCY:
            reason = f"below the budget, and prices in USD allow no forecast in {rule.currency}"
            unfit.append(Decision(each.vm, each.priority, reason))
        elif each.vm.hourly_cost_usd is None:
            reason = "below the budget, and without a price its savings are unknown"
            unfit.append(Decision(each.vm, each.priority, reason))
        else:
            fit.append(each)
    return fit, unfit


def _smallest_prefix(eligible: Sequence[_Eligible], situation: Situation, hourly_cost: Decimal) -> int:
    """Return how many of the first to stop to keep the period below its budget; all if that is not enough."""
    hours_left = _hours(situation.period.end - situation.now)
    projected = situation.cost + hourly_cost * hours_left
    for count, each in enumerate(eligible):
        if projected < situation.budget:
            return count
        projected -= (each.vm.hourly_cost_usd or Decimal(0)) * hours_left
    return len(eligible)


def _needed(
    eligible: Sequence[_Eligible],
    covered: Sequence[SpotVm],
    situation: Situation,
    verdict: Verdict,
    policy: Policy,
) -> int:
    """Return how many of the first to stop, by the estimate or a forecast; stops that are pending are taken as made."""
    pending, asleep = 0.0, dict.fromkeys(verdict.priorities, 0.0)
    if situation.estimate is None:
        running = (vm for vm in covered if vm.status == RUNNING and vm.pending_stop is None)
        return _smallest_prefix(eligible, situation, _hourly_cost(running))
    for vm in covered:
        priority = importance(vm.instance.labels, policy).priority
        if vm.pending_stop is not None:
            pending += vm.daily_rate
        elif vm.status in STOPPED_STATES and priority in asleep:
            woken = replace(vm, status=RUNNING)
            asleep[priority] += vm.daily_rate if reason_to_spare(woken, policy, situation.now) is None else 0.0
    remaining = replace(situation.estimate, rate=max(situation.estimate.rate - pending, 0.0))
    candidates = [Candidate(each.priority, each.vm.daily_rate) for each in eligible]
    return needed_stops(remaining, float(situation.budget), candidates, asleep)


def _stop(each: _Eligible, rank: int, count: int) -> Decision:
    cost = each.vm.hourly_cost_usd
    saves = "savings unknown" if cost is None else f"saves {cost:.4f} USD/h{_split(each.vm.attached)}"
    priority = f"{each.priority} priority ({each.source})"
    reason = f"stop {rank} of {count}: {priority}, {saves}, running since {rfc3339(each.vm.started)}{each.notes}"
    return Decision(each.vm, each.priority, reason, rank)


@lru_cache(maxsize=4096)
def _split(attached: AttachedCost | None) -> str:
    """Return what of the savings is not the machine type's, and what a stop does not end; nothing where all is."""
    if attached is None:
        return ""
    disks, ending, addresses = attached.disks, attached.ending, attached.addresses
    parts = [
        "licenses not known" if ending is None else f"{ending:.4f} of it licenses and Tier_1" if ending else "",
        "what disks go on costing not known" if disks is None else f"disks go on at {disks:.4f}" if disks else "",
        "addresses not known"
        if addresses is None
        else f"addresses {addresses:.4f}, ended unless reserved"
        if addresses
        else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _not_needed(eligible: Iterable[_Eligible], needed: Sequence[_Eligible], situation: Situation) -> Iterator[Decision]:
    reason = f"not needed: {len(needed)} stops keep the period below its budget"
    if not needed:
        reason = "not needed: the forecast stays below the budget"
    if situation.estimate is not None:
        end = situation.estimate.end(sum(each.vm.daily_rate for each in needed))
        reason = (
            f"not needed yet: with {len(needed)} stops, the period ends at an estimated {end:,.2f} "
            f"± {situation.estimate.end_sd:,.2f} of {situation.budget:,.2f}, and later stops can keep it"
        )
    return (Decision(each.vm, each.priority, reason) for each in eligible)


def _deferred(eligible: Iterable[_Eligible], count: int, limit: str) -> Iterator[Decision]:
    return (
        Decision(each.vm, each.priority, f"deferred to the next alert (rank {rank}): {limit}{each.notes}")
        for rank, each in enumerate(eligible, count + 1)
    )


def _hourly_cost(vms: Iterable[SpotVm]) -> Decimal:
    return _sum(vm.hourly_cost_usd for vm in vms)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _is_used_up_within_the_hour(situation: Situation, hourly_cost: Decimal) -> bool:
    """Whether the budget is used up before the next notification can come, at the present rate."""
    if situation.estimate is not None:
        left, hourly = float(situation.budget) - situation.estimate.spent, situation.estimate.hourly()
        return left <= hourly * _NEXT_NOTIFICATION_HOURS
    return situation.budget - situation.cost <= hourly_cost * _NEXT_NOTIFICATION_HOURS


def _runs_out(situation: Situation, hourly_cost: Decimal, saved: float = 0.0) -> datetime | None:
    left, estimated = situation.budget - situation.cost, situation.estimate
    if estimated is not None:
        left = situation.budget - Decimal(estimated.spent)
        hourly_cost = Decimal(estimated.hourly(saved))
    if left <= 0:
        return situation.now
    hours = _hours(situation.period.end - situation.now)
    if hourly_cost * hours <= left:
        return None
    return situation.now + timedelta(hours=float(left / hourly_cost))


def _hours(time: timedelta) -> Decimal:
    return Decimal(time // timedelta(microseconds=1)) / (HOUR // timedelta(microseconds=1))
