"""Verdicts: what a budget notification means under the policy and by what is on record, with a name and a reason."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum

from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.history import History, Reported
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.policies import (
    PRICED_CURRENCY,
    BudgetRule,
    CustomPeriod,
    Policy,
    Priority,
    Response,
    Source,
    Step,
)
from spotkeeper.periods import CLOSING_DELAY, HOUR, Period, PeriodKind, budget_period, latest_closed_hour, rfc3339

_ONE_DAY = timedelta(days=1)
_EARLIEST_START = timedelta(hours=8)
"""A budget whose period starts at midnight UTC starts up to eight hours before midnight in America/Los_Angeles."""

_LAST_REPORTS = timedelta(days=3)
"""For two days a budget goes on reporting the period before; a day is spare.

https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications
"""

_NEAR_STEP = Decimal("0.15")
"""How much of a budget the bill may lack: a bill that is 40 hours late lacks a twelfth of a steady month."""

_MOST_DECIMALS = 9


class VerdictName(StrEnum):
    """What a notification means."""

    OVER_BUDGET = "over_budget"
    NEARING_BUDGET = "nearing_budget"
    UNDER_BUDGET = "under_budget"
    WARN_ONLY = "warn_only"
    SNOOZED = "snoozed"
    REDELIVERED = "redelivered"
    SUPERSEDED = "superseded"
    TOO_OLD = "too_old"
    CONTRADICTED = "contradicted"
    EARLIER_PERIOD = "earlier_period"
    PERIOD_MISMATCH = "period_mismatch"
    UNKNOWN_BUDGET = "unknown_budget"
    OTHER_CURRENCY = "other_currency"
    UNUSABLE_AMOUNT = "unusable_amount"
    MALFORMED = "malformed"
    PLAN_PENDING = "plan_pending"
    APPROVED = "approved"
    UNKNOWN_PLAN = "unknown_plan"
    WRONG_HASH = "wrong_hash"
    PLAN_CHANGED = "plan_changed"
    PLAN_EXECUTED = "plan_executed"
    PLAN_EXPIRED = "plan_expired"
    PLAN_SUPERSEDED = "plan_superseded"
    UNDONE = "undone"
    NOTHING_TO_UNDO = "nothing_to_undo"
    THAWED = "thawed"
    NOTHING_TO_THAW = "nothing_to_thaw"
    COMMAND_REFUSED = "command_refused"


PLANNING = frozenset({VerdictName.OVER_BUDGET, VerdictName.NEARING_BUDGET})
"""The verdicts that may stop instances: a plan is made."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a notification means and why; `priorities` are those that may be stopped."""

    name: VerdictName
    reason: str
    rule: BudgetRule | None = None
    period: Period | None = None
    priorities: frozenset[Priority] = frozenset()

    @property
    def may_stop(self) -> bool:
        """Whether instances may be stopped because of it."""
        return self.name in PLANNING


def first_verdict(
    notification: BudgetNotification | Malformed, policy: Policy, now: datetime, estimate: Estimate | None = None
) -> Verdict:
    """Return the verdict on a notification by itself or with an estimate; `verdict_with` adds the history."""
    if isinstance(notification, Malformed):
        return Verdict(VerdictName.MALFORMED, notification.reason)
    rule = policy.budgets.get(notification.budget_id)
    if rule is None:
        return Verdict(VerdictName.UNKNOWN_BUDGET, f"the policy has no budget {notification.budget_id!r}")
    if policy.billing_account_id not in (None, notification.billing_account_id):
        stranger = f"billing account {notification.billing_account_id!r} is not the policy's"
        return Verdict(VerdictName.UNKNOWN_BUDGET, stranger)
    if notification.currency != rule.currency:
        other = f"amounts are in {notification.currency}, but the policy's budget is in {rule.currency}"
        return Verdict(VerdictName.OTHER_CURRENCY, other, rule)
    if notification.budget <= 0:
        nothing = f"no threshold can be reached of a budget of {_money(notification.budget, rule)}"
        return Verdict(VerdictName.UNUSABLE_AMOUNT, nothing, rule)
    return _of_period(notification, policy, rule, max(now, notification.published_at), estimate)


def verdict_with(history: History, verdict: Verdict, notification: BudgetNotification, policy: Policy) -> Verdict:
    """Return the verdict once the history is known: redelivered, superseded, contradicted, or as it was."""
    if history.received_before:
        return replace(verdict, name=VerdictName.REDELIVERED, reason="this message was received before")
    newest = newest_credible(history.newer, verdict.rule, policy)
    if newest is not None and newest.published_at > notification.published_at:
        newer = f"superseded by a newer notification of this budget ({rfc3339(newest.published_at)})"
        return replace(verdict, name=VerdictName.SUPERSEDED, reason=newer)
    own = history.tracker_cost
    if verdict.name is VerdictName.UNDER_BUDGET and contradicts(notification.cost, own, verdict.rule, policy):
        low = f"{verdict.reason}; less than {policy.min_share_of_tracker_cost:.0%} of the {own:,.2f} USD of the tracker"
        return replace(verdict, name=VerdictName.CONTRADICTED, reason=low)
    return verdict


def newest_credible(reported: Iterable[Reported], rule: BudgetRule | None, policy: Policy) -> Reported | None:
    """Return the newest of these that does not contradict the tracker's rows."""
    credible = (each for each in reported if not contradicts(each.cost, each.tracker_cost, rule, policy))
    return max(credible, key=lambda each: each.published_at, default=None)


def contradicts(cost: Decimal, tracker_cost: Decimal | None, rule: BudgetRule | None, policy: Policy) -> bool:
    """Whether a message reports so much less than the tracker's rows that it is not believed; they are in USD."""
    if tracker_cost is None or rule is None or rule.currency != PRICED_CURRENCY:
        return False
    return cost < tracker_cost * policy.min_share_of_tracker_cost


def allowed_priorities(
    cost: Decimal, budget: Decimal, rule: BudgetRule, estimate: Estimate | None = None
) -> frozenset[Priority]:
    """Return the priorities that may be stopped once so much of the budget is spent."""
    reached = [step.priorities for step in _reached_steps(cost, budget, rule, estimate)]
    return frozenset[Priority]().union(*reached)


def is_near_step(verdict: Verdict, notification: BudgetNotification, policy: Policy, now: datetime) -> bool:
    """Whether the hours that the bill lacks may reach the first step, which the bill does not."""
    rule = verdict.rule
    return (
        verdict.name is VerdictName.UNDER_BUDGET
        and rule is not None
        and rule.currency == PRICED_CURRENCY
        and notification.source is Source.BILLING
        and rule.responses[notification.source] is Response.STOP
        and policy.is_news(notification.published_at, now)
        and not policy.snoozed(now)
        and notification.cost > 0
        and notification.cost >= notification.budget * (rule.steps[0].threshold - _NEAR_STEP)
    )


def _reached_steps(cost: Decimal, budget: Decimal, rule: BudgetRule, estimate: Estimate | None) -> list[Step]:
    """Return the steps reached by the bill, or by an estimate.

    The first one below the budget is reached when the mean is: what it leads to is decided by another look at the
    estimate. The others, which add a class or stop all of it, only with confidence.
    """
    likely = certain = cost
    if estimate is not None:
        likely, certain = (max(cost, Decimal(value)) for value in (estimate.spent, estimate.at_least))
    return [
        step
        for place, step in enumerate(rule.steps)
        if (likely if place == 0 and step.threshold < 1 else certain) >= budget * step.threshold
    ]


def _of_period(
    notification: BudgetNotification, policy: Policy, rule: BudgetRule, now: datetime, estimate: Estimate | None
) -> Verdict:
    period = current_period(notification.period, rule, now)
    start = notification.interval_start
    early = _EARLIEST_START if period.kind not in (PeriodKind.HOUR, PeriodKind.DAY) else timedelta(0)
    if notification.period is None and not _fits(notification, rule, period, early):
        return Verdict(VerdictName.PERIOD_MISMATCH, _mismatch(notification, period), rule, period)
    if start < period.start - early:
        began = f"{rfc3339(start)}); the current {period.kind} started {rfc3339(period.start)}"
        earlier = f"notification for an earlier {period.kind} ({began}"
        return Verdict(VerdictName.EARLIER_PERIOD, earlier, rule, period)
    if period.kind is PeriodKind.CUSTOM and now >= period.end:
        over = f"the budget ended {rfc3339(period.end)}"
        return Verdict(VerdictName.EARLIER_PERIOD, over, rule, period)
    if start >= period.end:
        later = (
            f"costIntervalStart {rfc3339(start)} is after the end of the current {period.kind}, {rfc3339(period.end)}"
        )
        return Verdict(VerdictName.MALFORMED, later, rule, period)
    return _of_amounts(notification, policy, period, now, estimate)


def _fits(notification: BudgetNotification, rule: BudgetRule, period: Period, early: timedelta) -> bool:
    """Whether a budget with the rule's period can have sent this.

    A budget reports its own period, and for two days after its end still that one. A period that starts within one of
    the rule's, or ended longer before the message was published, is that of another kind of budget.
    """
    start = notification.interval_start
    if isinstance(rule.period, CustomPeriod):
        return -early <= start - period.start < _ONE_DAY
    own = rule.period_at(start + early)
    return start - own.start < _ONE_DAY and notification.published_at < own.end + _LAST_REPORTS


def _mismatch(notification: BudgetNotification, period: Period) -> str:
    start = notification.interval_start
    kinds = [
        kind
        for kind in (PeriodKind.MONTH, PeriodKind.QUARTER, PeriodKind.YEAR)
        if abs(budget_period(kind, notification.published_at).start - start) < _ONE_DAY
    ]
    advice = f"set period to {' or '.join(kinds)}" if kinds else "set period to that of the budget"
    return (
        f"the rule's period does not fit this budget: costIntervalStart is {rfc3339(start)}, but the {period.kind} of "
        f"the policy started {rfc3339(period.start)}: {advice}"
    )


def _of_amounts(
    notification: BudgetNotification,
    policy: Policy,
    period: Period,
    now: datetime,
    estimate: Estimate | None,
) -> Verdict:
    rule = policy.budgets[notification.budget_id]
    spent = _spent(notification.cost, notification.budget, rule) + _estimated(estimate)
    reached = _reached_steps(notification.cost, notification.budget, rule, estimate)
    if not reached:
        lowest = _percent(rule.steps[0].threshold)
        spent += ", or credits cover the cost" if notification.cost <= 0 else ""
        return Verdict(VerdictName.UNDER_BUDGET, f"{spent}; the lowest threshold is {lowest}", rule, period)
    if not policy.is_news(notification.published_at, now):
        limit = f"a message older than {policy.max_message_age_minutes} minutes stops nothing"
        old = f"{spent}, but published {rfc3339(notification.published_at)}: {limit}"
        return Verdict(VerdictName.TOO_OLD, old, rule, period)
    if policy.snooze_until is not None and policy.snoozed(now):
        snoozed = f"{spent}, but snoozed until {rfc3339(policy.snooze_until)}"
        return Verdict(VerdictName.SNOOZED, snoozed, rule, period)
    if rule.responses[notification.source] is Response.WARN:
        warned = f"{spent}, but source {notification.source} may only warn"
        return Verdict(VerdictName.WARN_ONLY, warned, rule, period)
    certain = notification.cost if estimate is None else max(notification.cost, Decimal(estimate.at_least))
    name = VerdictName.OVER_BUDGET if certain >= notification.budget else VerdictName.NEARING_BUDGET
    priorities = allowed_priorities(notification.cost, notification.budget, rule, estimate)
    allowed = " and ".join(priority for priority in Priority if priority in priorities)
    reason = f"{spent}; at {_percent(reached[-1].threshold)}, {allowed} priority may be stopped"
    return Verdict(name, reason, rule, period, priorities)


def current_period(kind: PeriodKind | None, rule: BudgetRule, now: datetime) -> Period:
    """Return the period that a notification must be about now; for an hour, the last one that is over."""
    if kind is None:
        return rule.period_at(now)
    return budget_period(kind, latest_closed_hour(now) if kind is PeriodKind.HOUR else now)


def reported_until(period: Period) -> datetime:
    """Return until when notifications are about a period: for an hour, until the next one is over."""
    return period.end if period.kind is not PeriodKind.HOUR else period.end + HOUR + CLOSING_DELAY


def _spent(cost: Decimal, budget: Decimal, rule: BudgetRule) -> str:
    """Say how much is spent, rounded down: what is below a threshold never reads as if it had reached it."""
    share = _percent((cost / budget).quantize(Decimal("0.001"), ROUND_FLOOR))
    decimals = next((places for places in range(2, _MOST_DECIMALS) if _apart(cost, budget, places)), _MOST_DECIMALS)
    return f"{cost:,.{decimals}f} {rule.currency} of {budget:,.{decimals}f} {rule.currency} spent ({share})"


def _estimated(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f" by the bill, an estimated {estimate.spent:,.2f} ± {estimate.spent_sd:,.2f} with the hours it lacks"


def _apart(cost: Decimal, budget: Decimal, places: int) -> bool:
    """Whether two amounts read as different with so many decimals, or are the same."""
    return cost == budget or round(cost, places) != round(budget, places)


def _percent(share: Decimal) -> str:
    """Return a share in percent, with one decimal or as many as it has."""
    decimals = max(1, -int((share * 100).normalize().as_tuple().exponent))
    return f"{share:.{decimals}%}"


def _money(amount: Decimal, rule: BudgetRule) -> str:
    return f"{amount:,.2f} {rule.currency}"
