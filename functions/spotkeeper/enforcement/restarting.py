"""Restarting: in a new budget period, instances that the enforcer stopped in an earlier one are started again."""

from collections.abc import Mapping
from dataclasses import dataclass

from spotkeeper.enforcement.actions import Verb, restart_event, vm_request
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Executor
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Policy, Response
from spotkeeper.enforcement.ports import Records
from spotkeeper.enforcement.preconditions import start_precondition
from spotkeeper.enforcement.recording import (
    record_delivery,
    record_outcomes,
    record_plan,
    waiting_for_records,
    with_history,
)
from spotkeeper.enforcement.restarts import StoppedVm, restarts
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey


def may_restart(policy: Policy, delivery: Delivery, notification: BudgetNotification) -> bool:
    """Whether the policy lets this notification start instances: under budget, from a source that may stop."""
    verdict = delivery.verdict
    return (
        policy.restart
        and not policy.snoozed(delivery.received_at)
        and policy.is_news(notification.published_at, delivery.received_at)
        and verdict.name is VerdictName.UNDER_BUDGET
        and verdict.rule is not None
        and verdict.rule.responses[notification.source] is Response.STOP
    )


@dataclass(frozen=True, slots=True)
class Restarting:
    """The way of one notification from its verdict to the starts and their record."""

    policy: Policy
    records: Records
    executor: Executor
    notification: BudgetNotification
    rule: BudgetRule

    def run(self, delivery: Delivery) -> Verdict:
        """Plan and start; or finish the starts that an earlier delivery of the message planned.

        Raises UnavailableError when the plan could not be recorded, and an ExceptionGroup of what failed after it.
        """
        delivery, history = with_history(self.records, delivery, self.notification, self.rule, self.policy)
        if delivery.verdict.name in (VerdictName.SUPERSEDED, VerdictName.CONTRADICTED):
            record_delivery(self.records, delivery)
            return delivery.verdict
        with waiting_for_records(delivery.message_id):
            stopped, starts_today = self.records.stopped(self.rule, delivery.received_at)
        resumed = delivery.verdict.name is VerdictName.REDELIVERED
        if resumed:
            known = {vm.instance.key: vm for vm in stopped}
            unfinished = [each.key for each in history.plan if each.restart and not each.done]
            starts = {key: known[key] for key in unfinished if key in known}
            record_delivery(self.records, delivery)
        else:
            planned = restarts(stopped, self.rule.caps, starts_today)
            starts = {each.stopped.instance.key: each.stopped for each in planned}
            if not planned:
                record_delivery(self.records, delivery)
            elif not record_plan(self.records, delivery, [restart_event(each) for each in planned], history):
                message = "another notification was planned at the same time"
                raise UnavailableError(message)
        if delivery.mode is Mode.ENFORCE and starts:
            self._start(delivery, starts, resumed=resumed)
        return delivery.verdict

    def _start(self, delivery: Delivery, starts: Mapping[InstanceKey, StoppedVm], *, resumed: bool) -> None:
        requests = {
            vm_request(Verb.START, delivery.message_id, key, vm.instance.name): start_precondition(vm, resumed=resumed)
            for key, vm in starts.items()
        }
        record_outcomes(self.records, delivery, self.executor.execute(Verb.START, requests))
