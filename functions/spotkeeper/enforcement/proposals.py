"""Plans that wait for approval: until when, and whether one may still be executed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.freezes import Autoscaler, FreezeDecision, group_key
from spotkeeper.enforcement.history import AttachedCost, History, ProposedPlan, RecordedAction, order_of_stop
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.plans import Decision, Plan
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.spot_vms import RUNNING, SpotVm
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, allowed_priorities, newest_credible, reported_until
from spotkeeper.instances import Instance, ProvisioningModel, Shape
from spotkeeper.periods import Period, PeriodKind, rfc3339


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recorded plan with the notification that led to it."""

    plan: ProposedPlan
    notification: BudgetNotification

    def as_of(self, history: History) -> "Proposal":
        """Return it as the history has it: a plan that is recorded after the history was read refuses the approval."""
        latest = history.proposed
        if latest is None or latest.message_id == self.plan.message_id:
            return replace(self, plan=latest or self.plan)
        return replace(self, plan=replace(self.plan, newer_plan=latest.message_id))


def proposed(delivery: Delivery, policy: Policy) -> Delivery:
    """Return a delivery whose plan waits for approval; one that stops and freezes nothing needs none."""
    decisions = delivery.plan.stops if delivery.plan else ()
    freezes = tuple(_freeze(delivery, each) for each in delivery.freezes if each.freeze)
    if not decisions and not freezes:
        return delivery
    expires_at = delivery.received_at + timedelta(minutes=policy.approval_minutes)
    if delivery.verdict.period is not None:
        expires_at = min(expires_at, reported_until(delivery.verdict.period))
    expires_at = expires_at.replace(microsecond=0)
    stops = tuple(_action(delivery, each) for each in decisions)
    made = ProposedPlan(delivery.message_id, "", expires_at, stops, freezes)
    return replace(delivery, proposed=replace(made, plan_hash=made.hash_of_record()))


def with_pending_plan(delivery: Delivery, history: History) -> Verdict:
    """Return the verdict on a notification in the mode `approve`: while a plan waits, its budget gets no other."""
    verdict, plan = delivery.verdict, history.proposed
    if not verdict.may_stop or plan is None:
        return verdict
    if not plan.is_open(delivery.received_at) or not plan.is_intact:
        return verdict
    waits = f"plan {plan.plan_id} waits for approval until {rfc3339(plan.expires_at)}"
    return replace(verdict, name=VerdictName.PLAN_PENDING, reason=f"{verdict.reason}, but {waits}")


def unapproved_plan(delivery: Delivery, history: History, policy: Policy) -> ProposedPlan | None:
    """Return the plan that this notification executes, or has begun to, because nobody answered in time."""
    plan, now = history.proposed, delivery.received_at
    if not policy.execute_unapproved or plan is None:
        return None
    if delivery.verdict.name is VerdictName.REDELIVERED:
        return plan if plan.executed_by == delivery.message_id else None
    is_due = plan.is_unanswered and plan.expires_at <= now and policy.is_news(plan.expires_at, now)
    continues = delivery.verdict.may_stop and _continues(plan, delivery.verdict.period)
    return plan if continues and is_due and plan.is_intact else None


def _continues(plan: ProposedPlan, period: Period | None) -> bool:
    """Whether a message about a period may execute a plan: one of the same period, or of the hour before.

    An hour is over when its plan is made, so that no message about it comes after the plan has expired; plans of other
    periods expire with them.
    """
    if period is None:
        return False
    is_of_hour = plan.period_end is not None and plan.expires_at > plan.period_end
    follows = period.kind is PeriodKind.HOUR and is_of_hour and plan.period_end == period.start
    return plan.period_end == period.end or follows


def approval_refusal(proposal: Proposal, given_hash: str | None, now: datetime) -> tuple[VerdictName, str] | None:
    """Return why an approval is refused by what is on record of the plan; None if it is not."""
    plan = proposal.plan
    if plan.plan_hash != given_hash:
        return VerdictName.WRONG_HASH, f"the plan of message {plan.message_id} has another hash"
    if not plan.is_intact:
        return VerdictName.PLAN_CHANGED, f"the record of plan {plan.plan_id} was changed after it was proposed"
    if plan.executed_by is not None:
        return VerdictName.PLAN_EXECUTED, f"plan {plan.plan_id} was executed by message {plan.executed_by}"
    if now >= plan.expires_at:
        return VerdictName.PLAN_EXPIRED, f"plan {plan.plan_id} expired {rfc3339(plan.expires_at)}"
    if plan.newer_plan is not None:
        return VerdictName.PLAN_SUPERSEDED, f"message {plan.newer_plan} planned for this budget since"
    return None


def overtaken(
    proposal: Proposal, history: History, policy: Policy, estimate: Estimate | None
) -> tuple[VerdictName, str] | None:
    """Return why an approval is refused by what a newer notification says: it allows none of the plan's stops."""
    rule = policy.budgets.get(proposal.notification.budget_id)
    newest = newest_credible(history.newer, rule, policy)
    if newest is None or rule is None:
        return None
    # A newer report that is lower contradicts the estimate that was made of this one.
    holds = estimate if newest.cost >= proposal.notification.cost else None
    allowed = allowed_priorities(newest.cost, newest.budget, rule, holds)
    if any(each.priority in allowed for each in (*proposal.plan.stops, *proposal.plan.freezes)):
        return None
    said = f"a newer notification ({rfc3339(newest.published_at)}) reports {newest.cost:,.2f} of {newest.budget:,.2f}"
    return VerdictName.PLAN_SUPERSEDED, f"{said}: none of the plan's stops is allowed"


def executed_plan(stops: Iterable[RecordedAction], attached: Mapping[str, AttachedCost]) -> Plan:
    """Return a proposed plan as one to record again: the same stops, in the same order."""
    decisions = tuple(_decision(each, attached.get(each.key.instance_id)) for each in sorted(stops, key=order_of_stop))
    return Plan(
        decisions, hourly_savings=sum((each.vm.hourly_cost_usd or Decimal(0) for each in decisions), Decimal(0))
    )


def executed_freezes(freezes: Iterable[RecordedAction]) -> tuple[FreezeDecision, ...]:
    """Return the freezes of a proposed plan as those of the plan that executes it."""
    found = []
    for each in freezes:
        group = group_key(each.key.project_id, each.managed_by)
        if group is not None:
            autoscaler = Autoscaler(group, each.key.instance_id, group.name, each.autoscaling_mode or "")
            reason = f"planned by message {each.message_id}: {each.reason}"
            found.append(FreezeDecision(autoscaler, freeze=True, reason=reason, priority=each.priority))
    return tuple(found)


def _freeze(delivery: Delivery, decision: FreezeDecision) -> RecordedAction:
    autoscaler = decision.autoscaler
    return RecordedAction(
        message_id=delivery.message_id,
        key=autoscaler.key,
        name=autoscaler.group.name,
        planned_at=delivery.received_at,
        done=False,
        priority=decision.priority,
        managed_by=autoscaler.group.path,
        reason=decision.reason,
        autoscaling_mode=autoscaler.mode,
    )


def _decision(action: RecordedAction, attached: AttachedCost | None) -> Decision:
    shape = Shape(action.machine_type, None, None)
    instance = Instance(action.key, action.name, ProvisioningModel.SPOT, shape, managed_by=action.managed_by)
    vm = SpotVm(instance, RUNNING, action.planned_at, action.hourly_savings, attached=attached)
    return Decision(vm, action.priority, f"planned by message {action.message_id}: {action.reason}", action.rank)


def _action(delivery: Delivery, decision: Decision) -> RecordedAction:
    instance = decision.vm.instance
    return RecordedAction(
        message_id=delivery.message_id,
        key=instance.key,
        name=instance.name,
        planned_at=delivery.received_at,
        done=False,
        priority=decision.priority,
        rank=decision.rank,
        machine_type=instance.shape.machine_type,
        managed_by=instance.managed_by,
        hourly_savings=decision.vm.hourly_cost_usd,
        reason=decision.reason,
    )
