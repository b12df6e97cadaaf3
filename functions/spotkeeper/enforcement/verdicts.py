"""Verdicts: what a budget notification means under the policy and by what is on record, with a name and a reason."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from spotkeeper.enforcement.history import History
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.policies import BudgetRule, Policy, Priority, Response
from spotkeeper.periods import Period, PeriodKind, budget_period, latest_closed_hour, rfc3339

_ONE_DAY = timedelta(days=1)


class VerdictName(StrEnum):
    """What a notification means; only the first two may stop anything."""

    OVER_BUDGET = "over_budget"
    NEARING_BUDGET = "nearing_budget"
    UNDER_BUDGET = "under_budget"
    WARN_ONLY = "warn_only"
    SNOOZED = "snoozed"
    REDELIVERED = "redelivered"
    SUPERSEDED = "superseded"
    EARLIER_PERIOD = "earlier_period"
    UNKNOWN_BUDGET = "unknown_budget"
    OTHER_CURRENCY = "other_currency"
    UNUSABLE_AMOUNT = "unusable_amount"
    MALFORMED = "malformed"


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
        return self.name in (VerdictName.OVER_BUDGET, VerdictName.NEARING_BUDGET)


def first_verdict(notification: BudgetNotification | Malformed, policy: Policy, now: datetime) -> Verdict:
    """Return the verdict on a notification by itself; `verdict_with` takes the history into account."""
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
    return _of_period(notification, policy, rule, max(now, notification.published_at))


def verdict_with(history: History, verdict: Verdict, notification: BudgetNotification) -> Verdict:
    """Return the verdict once the history is known: redelivered, superseded, or as it was."""
    if history.received_before:
        return replace(verdict, name=VerdictName.REDELIVERED, reason="this message was received before")
    if history.latest is not None and history.latest > notification.published_at:
        newer = f"superseded by a newer notification of this budget ({rfc3339(history.latest)})"
        return replace(verdict, name=VerdictName.SUPERSEDED, reason=newer)
    return verdict


def _of_period(notification: BudgetNotification, policy: Policy, rule: BudgetRule, now: datetime) -> Verdict:
    period = current_period(notification.period, rule, now)
    start = notification.interval_start
    if start < period.start:
        began = f"{rfc3339(start)}); the current {period.kind} started {rfc3339(period.start)}"
        earlier = f"notification for an earlier {period.kind} ({began}"
        return Verdict(VerdictName.EARLIER_PERIOD, earlier, rule, period)
    if period.kind is PeriodKind.CUSTOM and now >= period.end:
        over = f"the budget ended {rfc3339(period.end)}"
        return Verdict(VerdictName.EARLIER_PERIOD, over, rule, period)
    if start - period.start >= _ONE_DAY and start < period.end:
        other = f"costIntervalStart is {rfc3339(start)}, but the {period.kind} of the policy started "
        return Verdict(VerdictName.MALFORMED, f"{other}{rfc3339(period.start)}: set the budget's period", rule, period)
    if start >= period.end:
        later = (
            f"costIntervalStart {rfc3339(start)} is after the end of the current {period.kind}, {rfc3339(period.end)}"
        )
        return Verdict(VerdictName.MALFORMED, later, rule, period)
    return _of_amounts(notification, policy, rule, period, now)


def _of_amounts(
    notification: BudgetNotification, policy: Policy, rule: BudgetRule, period: Period, now: datetime
) -> Verdict:
    spent = (
        f"{_money(notification.cost, rule)} of {_money(notification.budget, rule)} spent "
        f"({notification.cost / notification.budget:.1%})"
    )
    reached = [step for step in rule.steps if notification.cost >= notification.budget * step.threshold]
    if not reached:
        lowest = rule.steps[0].threshold
        return Verdict(VerdictName.UNDER_BUDGET, f"{spent}; the lowest threshold is {lowest:.1%}", rule, period)
    if policy.snooze_until is not None and policy.snoozed(now):
        snoozed = f"{spent}, but snoozed until {rfc3339(policy.snooze_until)}"
        return Verdict(VerdictName.SNOOZED, snoozed, rule, period)
    if rule.responses[notification.source] is Response.WARN:
        warned = f"{spent}, but source {notification.source} may only warn"
        return Verdict(VerdictName.WARN_ONLY, warned, rule, period)
    name = VerdictName.OVER_BUDGET if notification.cost >= notification.budget else VerdictName.NEARING_BUDGET
    priorities = frozenset[Priority]().union(*(step.priorities for step in reached))
    allowed = " and ".join(priority for priority in Priority if priority in priorities)
    reason = f"{spent}; at {reached[-1].threshold:.1%}, {allowed} priority may be stopped"
    return Verdict(name, reason, rule, period, priorities)


def current_period(kind: PeriodKind | None, rule: BudgetRule, now: datetime) -> Period:
    """Return the period that a notification must be about now; for an hour, the last one that is over."""
    if kind is None:
        return rule.period_at(now)
    return budget_period(kind, latest_closed_hour(now) if kind is PeriodKind.HOUR else now)


def _money(amount: Decimal, rule: BudgetRule) -> str:
    return f"{amount:,.2f} {rule.currency}"
