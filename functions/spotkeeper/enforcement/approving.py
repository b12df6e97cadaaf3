"""Approving: a plan that a person approved is executed as it was recorded, or refused with the reason."""

from dataclasses import dataclass, replace

from spotkeeper.enforcement.command_ports import CommandRecords
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Executor
from spotkeeper.enforcement.history import History
from spotkeeper.enforcement.notifications import BudgetNotification, Command
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.proposals import Proposal, approval_refusal, overtaken
from spotkeeper.enforcement.recording import (
    MAX_PLANNING_ATTEMPTS,
    planned_meanwhile,
    record_delivery,
    waiting_for_records,
    with_estimate,
)
from spotkeeper.enforcement.stopping import Stopping
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, first_verdict


@dataclass(frozen=True, slots=True)
class Approving:
    """The way of one approval from its verdict to the stops and their record."""

    policy: Policy
    ports: EnforcerPorts
    records: CommandRecords
    command: Command

    def run(self, delivery: Delivery, executor: Executor) -> Verdict:
        """Execute the plan, or finish what an earlier delivery of the approval began; or record why not.

        Raises UnavailableError when nothing could be recorded, and an ExceptionGroup of what failed after that.
        """
        for _ in range(MAX_PLANNING_ATTEMPTS):
            with waiting_for_records(delivery.message_id):
                proposal = self.records.proposal(self.command.target, delivery.received_at)
            if proposal is None:
                return self._refused(delivery, VerdictName.UNKNOWN_PLAN, "no plan of this message waits for approval")
            rule = self.policy.budgets.get(proposal.notification.budget_id)
            if rule is None:
                gone = f"the policy has no budget {proposal.notification.budget_id!r}"
                return self._refused(delivery, VerdictName.PLAN_SUPERSEDED, gone)
            said = replace(proposal.notification, message=self.command.message)
            history, current = self._judged(delivery, proposal, said, rule)
            stopping = Stopping(self.policy, self.ports, said, rule, proposal.plan.planned_at)
            plan = proposal.plan if current.verdict.name is VerdictName.APPROVED else None
            requests = stopping.requests(current, history, executor, plan)
            if requests is not None:
                stopping.stop(current, requests, history, executor)
                return current.verdict
        raise planned_meanwhile()

    def _judged(
        self, delivery: Delivery, proposal: Proposal, said: BudgetNotification, rule: BudgetRule
    ) -> tuple[History, Delivery]:
        """Return the history, and the delivery with its verdict.

        The notification of the plan is judged anew, by the present policy; it may be as old as a plan may wait.
        """
        with waiting_for_records(delivery.message_id):
            history = self.ports.records.history(said, rule, delivery.received_at)
        proposal = proposal.as_of(history)
        waited = replace(
            self.policy, max_message_age_minutes=self.policy.max_message_age_minutes + self.policy.approval_minutes
        )
        first = replace(delivery, verdict=first_verdict(said, waited, delivery.received_at))
        current = with_estimate(first, said, waited, history.spending)
        verdict, plan_id = current.verdict, proposal.plan.plan_id
        if history.received_before:
            name, reason = VerdictName.REDELIVERED, "this message was received before"
        elif refusal := approval_refusal(proposal, self.command.plan_hash, delivery.received_at):
            name, reason = refusal
        elif not verdict.may_stop:
            name, reason = VerdictName.PLAN_SUPERSEDED, f"the plan is no longer allowed: {verdict.reason}"
        elif refusal := overtaken(proposal, history, self.policy, current.known_estimate):
            name, reason = refusal
        else:
            name, reason = VerdictName.APPROVED, f"plan {plan_id} approved: {verdict.reason}"
        verdict = replace(verdict, name=name, reason=reason, rule=rule)
        return history, replace(current, verdict=verdict, tracker_cost=history.tracker_cost)

    def _refused(self, delivery: Delivery, name: VerdictName, reason: str) -> Verdict:
        verdict = Verdict(name, reason)
        record_delivery(self.ports.records, replace(delivery, verdict=verdict))
        return verdict
