"""Which instances to stop, in which order, and why each was stopped or spared: a pure function of what is known."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from spotkeeper.enforcement.policies import BudgetRule, Caps, Policy, Priority
from spotkeeper.enforcement.protection import importance, protection
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.instances import Instance
from spotkeeper.periods import HOUR, Period, rfc3339

RUNNING = "RUNNING"
_AT_REST = frozenset({"TERMINATED", "STOPPED", "SUSPENDED"})
_GKE_LABEL = "goog-gke-node"
_GKE_GROUP = "/instanceGroupManagers/gke-"
_PRICED_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class SpotVm:
    """A Spot instance as it is now: what it does, since when, and what it costs in USD an hour, if that is known.

    `planned_by` is another message whose plan has it stopped at this very moment.
    """

    instance: Instance
    status: str
    started: datetime
    hourly_cost_usd: Decimal | None = None
    planned_by: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an instance is to be stopped, and why; `rank` is its place among those stopped, from 1."""

    vm: SpotVm
    priority: Priority
    reason: str
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """The money side of a decision: what is spent of a budget, in its currency, in a period, and what the time is."""

    cost: Decimal
    budget: Decimal
    period: Period
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about every Spot instance in scope that is not at rest.

    Money is in USD per hour, of instances whose price is known; `unpriced` counts the others. `runs_out` is when the
    budget is or was used up with nothing stopped, `runs_out_with_plan` when it is with the plan carried out; None is
    not within this period, or not known for a budget in another currency. `left` counts those that a cap spared.
    """

    stops: tuple[Decision, ...] = ()
    spared: tuple[Decision, ...] = ()
    hourly_cost_usd: Decimal = Decimal(0)
    hourly_savings: Decimal = Decimal(0)
    unpriced: int = 0
    runs_out: datetime | None = None
    runs_out_with_plan: datetime | None = None
    left: int = 0


@dataclass(frozen=True, slots=True)
class _Eligible:
    """An instance that may be stopped, and what speaks for it."""

    vm: SpotVm
    priority: Priority
    source: str


def plan(verdict: Verdict, situation: Situation, vms: Iterable[SpotVm], policy: Policy, stops_today: int) -> Plan:
    """Return what to do, and for every instance in scope why.

    Least important first, then what saves most, then the youngest; names settle ties, so that the same input always
    gives the same plan. Never more than the caps allow. While the budget is not used up, no more than is needed to keep
    the whole period below it.
    """
    rule = verdict.rule
    if rule is None or not verdict.may_stop:
        return Plan()
    awake = [vm for vm in vms if vm.status not in _AT_REST and rule.covers(vm.instance)]
    running = [vm for vm in awake if vm.status == RUNNING and vm.planned_by is None]
    hourly_cost = _hourly_cost(running)
    eligible, spared = _sorted_out(awake, verdict, policy, situation.now)
    enough = len(eligible)
    if verdict.name is VerdictName.NEARING_BUDGET:
        eligible, unfit = _forecast_candidates(eligible, rule)
        spared += unfit
        enough = _smallest_prefix(eligible, situation, hourly_cost)
    allowance, cap = _allowance(rule.caps, len(running), stops_today)
    count = min(enough, allowance)
    stops = tuple(_stop(each, place, count) for place, each in enumerate(eligible[:count], 1))
    spared += _not_needed(eligible[enough:], enough)
    spared += _left(eligible[count:enough], count, cap)
    savings = _hourly_cost(decision.vm for decision in stops)
    known = rule.currency == _PRICED_CURRENCY
    return Plan(
        stops=stops,
        spared=tuple(spared),
        hourly_cost_usd=hourly_cost,
        hourly_savings=savings,
        unpriced=sum(vm.hourly_cost_usd is None for vm in running),
        runs_out=_runs_out(situation, hourly_cost) if known else None,
        runs_out_with_plan=_runs_out(situation, hourly_cost - savings) if known else None,
        left=enough - count,
    )


def why_not(vm: SpotVm, policy: Policy, now: datetime) -> str | None:
    """Return why this instance may not be stopped whatever the budget; None when it may."""
    labels = vm.instance.labels
    if vm.status != RUNNING:
        return f"its status is {vm.status}, and only {RUNNING} ones are stopped"
    if _is_gke_node(vm.instance):
        return "it is a node of a GKE cluster, which would replace it: make its node pool smaller instead"
    if protected := protection(labels, policy, now):
        return protected
    if now - vm.started < timedelta(minutes=policy.minimum_age_minutes):
        least = policy.minimum_age_minutes
        return f"it runs since {rfc3339(vm.started)} only, and the policy's minimum age is {least} minutes"
    return None


def _sorted_out(
    vms: Iterable[SpotVm], verdict: Verdict, policy: Policy, now: datetime
) -> tuple[list[_Eligible], list[Decision]]:
    eligible, spared = [], []
    for vm in vms:
        important = importance(vm.instance.labels, policy)
        reason = why_not(vm, policy, now)
        if reason is None and vm.planned_by is not None:
            reason = f"message {vm.planned_by} has planned its stop, which is under way"
        if reason is None and important.priority not in verdict.priorities:
            reason = f"its priority is {important.priority} ({important.source}), which this step does not stop"
        if reason is None:
            eligible.append(_Eligible(vm, important.priority, important.source))
        else:
            spared.append(Decision(vm, important.priority, reason))
    eligible.sort(key=_order)
    return eligible, spared


def _order(each: _Eligible) -> tuple[object, ...]:
    cost, instance = each.vm.hourly_cost_usd, each.vm.instance
    saves = (1, Decimal(0)) if cost is None else (0, -cost)
    return each.priority.rank, saves, -each.vm.started.timestamp(), instance.name, instance.key


def _forecast_candidates(eligible: Iterable[_Eligible], rule: BudgetRule) -> tuple[list[_Eligible], list[Decision]]:
    """Those whose stop a forecast can count on: their saving is known, and in the budget's currency."""
    fit, unfit = [], []
    for each in eligible:
        if rule.currency != _PRICED_CURRENCY:
            reason = f"the budget is not used up, and prices in USD make no forecast in {rule.currency}"
            unfit.append(Decision(each.vm, each.priority, reason))
        elif each.vm.hourly_cost_usd is None:
            reason = "the budget is not used up, and without a known price its stop changes no forecast"
            unfit.append(Decision(each.vm, each.priority, reason))
        else:
            fit.append(each)
    return fit, unfit


def _smallest_prefix(eligible: Sequence[_Eligible], situation: Situation, hourly_cost: Decimal) -> int:
    """How many of the first must go to keep the period below its budget; all of them where that is not enough."""
    hours_left = _hours(situation.period.end - situation.now)
    projected = situation.cost + hourly_cost * hours_left
    for count, each in enumerate(eligible):
        if projected < situation.budget:
            return count
        projected -= (each.vm.hourly_cost_usd or Decimal(0)) * hours_left
    return len(eligible)


def _allowance(caps: Caps, running: int, stops_today: int) -> tuple[int, str]:
    """How many may be stopped now, and the cap that says so."""
    of_fleet = int((caps.fleet_share * (running + stops_today)).to_integral_value(ROUND_FLOOR))
    used = f"and {stops_today} were planned today"
    share = f"{caps.fleet_share:.0%} of the fleet, which is {of_fleet}"
    allowances = (
        (caps.per_alert, f"one alert stops at most {caps.per_alert}"),
        (caps.per_day - stops_today, f"one day stops at most {caps.per_day}, {used}"),
        (of_fleet - stops_today, f"one day stops at most {share}, {used}"),
    )
    allowance, cap = min(allowances, key=lambda each: each[0])
    return max(allowance, 0), cap


def _stop(each: _Eligible, place: int, count: int) -> Decision:
    cost = each.vm.hourly_cost_usd
    saves = "what it saves is not known" if cost is None else f"it saves {cost:.4f} USD an hour"
    reason = (
        f"place {place} of {count} in the order of stopping: {each.priority} priority ({each.source}), {saves}, "
        f"running since {rfc3339(each.vm.started)}"
    )
    return Decision(each.vm, each.priority, reason, place)


def _not_needed(eligible: Iterable[_Eligible], enough: int) -> Iterator[Decision]:
    reason = f"the first {enough} in the order of stopping are enough to keep the period below its budget"
    if not enough:
        reason = "the period stays below its budget as it is"
    return (Decision(each.vm, each.priority, reason) for each in eligible)


def _left(eligible: Iterable[_Eligible], count: int, cap: str) -> Iterator[Decision]:
    return (
        Decision(each.vm, each.priority, f"place {place} in the order of stopping, left for the next alert: {cap}")
        for place, each in enumerate(eligible, count + 1)
    )


def _hourly_cost(vms: Iterable[SpotVm]) -> Decimal:
    return sum((vm.hourly_cost_usd for vm in vms if vm.hourly_cost_usd is not None), Decimal(0))


def _runs_out(situation: Situation, hourly_cost: Decimal) -> datetime | None:
    left = situation.budget - situation.cost
    if left <= 0:
        return situation.now
    hours = _hours(situation.period.end - situation.now)
    if hourly_cost * hours <= left:
        return None
    return situation.now + timedelta(hours=float(left / hourly_cost))


def _hours(time: timedelta) -> Decimal:
    return Decimal(time // timedelta(microseconds=1)) / (HOUR // timedelta(microseconds=1))


def _is_gke_node(instance: Instance) -> bool:
    managed = instance.managed_by is not None and _GKE_GROUP in instance.managed_by
    return managed or any(key.startswith(_GKE_LABEL) for key, _ in instance.labels)
