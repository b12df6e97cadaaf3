"""Restarting: in a new budget period, instances that the enforcer stopped in an earlier one are started again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from spotkeeper.enforcement.actions import Verb, not_started_event, restart_event, vm_request
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Executor
from spotkeeper.enforcement.following_up import follow_up
from spotkeeper.enforcement.history import History, ReportedPeriod
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Policy, Response, Source
from spotkeeper.enforcement.ports import Records
from spotkeeper.enforcement.preconditions import start_precondition
from spotkeeper.enforcement.protection import importance
from spotkeeper.enforcement.recording import (
    MAX_PLANNING_ATTEMPTS,
    planned_meanwhile,
    record_delivery,
    record_outcomes,
    record_plan,
    waiting_for_records,
    with_history,
)
from spotkeeper.enforcement.restarts import (
    IN_EARLIER_PERIOD,
    Spared,
    StoppedVm,
    allowed_starts,
    restart_order,
    restarts,
)
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, allowed_priorities, contradicts, newest_credible
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey


def may_restart(policy: Policy, delivery: Delivery, notification: BudgetNotification) -> bool:
    """Whether the policy lets this notification start instances: under budget, new, from a source that may stop."""
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
    """The way of one notification, or of a command, from its verdict to the starts and their record."""

    policy: Policy
    records: Records
    executor: Executor
    notification: BudgetNotification
    rule: BudgetRule
    occasion: str = IN_EARLIER_PERIOD
    is_command: bool = False

    def run(self, delivery: Delivery) -> Verdict:
        """Plan and start; or finish the starts that an earlier delivery of the message planned.

        Raises UnavailableError when the plan could not be recorded, and an ExceptionGroup of what failed after it.
        """
        for _ in range(MAX_PLANNING_ATTEMPTS):
            current, history = with_history(self.records, delivery, self.notification, self.rule, self.policy)
            resumed = current.verdict.name is VerdictName.REDELIVERED
            if not self._may_start(history):
                record_delivery(self.records, current)
                follow_up(self.records, current, history, self.policy, self.executor)
                return current.verdict
            with waiting_for_records(delivery.message_id):
                stopped, starts = self.records.stopped(self.rule, delivery.received_at)
                blocked = self.blocked(self.records.latest(delivery.received_at, self.policy.min_share_of_tracker_cost))
            planned = (
                self.resume(current, history, stopped)
                if resumed
                else self.begin(current, history, stopped, starts, blocked)
            )
            if planned is not None:
                follow_up(self.records, current, history, self.policy, self.executor)
                self.start(current, planned, blocked, resumed=resumed)
                return current.verdict
        raise planned_meanwhile()

    def _may_start(self, history: History) -> bool:
        """Whether neither a newer notification nor the tracker's rows say otherwise; a redelivery is asked again."""
        newest = newest_credible(history.newer, self.rule, self.policy)
        superseded = newest is not None and newest.published_at > self.notification.published_at
        return not superseded and not contradicts(self.notification.cost, history.tracker_cost, self.rule, self.policy)

    def resume(
        self, delivery: Delivery, history: History, stopped: Iterable[StoppedVm]
    ) -> Mapping[InstanceKey, StoppedVm]:
        """Record a delivery, and return the starts of its message that are unfinished."""
        known = {vm.instance.key: vm for vm in stopped}
        unfinished = [each.key for each in history.plan if each.restart and not each.done]
        record_delivery(self.records, delivery)
        return {key: known[key] for key in unfinished if key in known}

    def begin(
        self,
        delivery: Delivery,
        history: History,
        stopped: Iterable[StoppedVm],
        starts: int,
        blocked: Callable[[SpotVm], str | None],
    ) -> Mapping[InstanceKey, StoppedVm] | None:
        """Record a new plan and return what it starts; None if another plan was recorded meanwhile."""
        ordered = restart_order(stopped)
        waiting = self._waiting(ordered, allowed_starts(self.rule.caps, starts)[0], blocked)
        free = [vm for vm in ordered if vm.instance.key not in waiting]
        planned, deferred = restarts(free, self.rule.caps, starts, self.occasion)
        spared = [Spared(vm, reason) for vm in ordered if (reason := waiting.get(vm.instance.key))]
        events = [*map(restart_event, planned), *map(not_started_event, (*spared, *deferred))]
        if not events:
            record_delivery(self.records, delivery)
        elif not record_plan(self.records, delivery, events, history):
            return None
        return {each.stopped.instance.key: each.stopped for each in planned}

    def _waiting(
        self, ordered: Sequence[StoppedVm], needed: int, blocked: Callable[[SpotVm], str | None]
    ) -> Mapping[InstanceKey, str]:
        """Return what keeps instances stopped; they are looked at in order until as many as needed are free."""
        waiting: dict[InstanceKey, str] = {}
        free = 0
        for some in batched(ordered, self.executor.parallel, strict=False):
            if free >= needed or not self.executor.deadline.allows_request:
                break
            found = self.executor.find([each.instance.key for each in some])
            kept = {key: f"stays stopped: {why}" for key, vm in found.items() if (why := _reason_to_wait(vm, blocked))}
            free += len(some) - len(kept)
            waiting |= kept
        return waiting

    def blocked(self, latest: Iterable[ReportedPeriod]) -> Callable[[SpotVm], str | None]:
        """Return which budget or period still keeps an instance stopped."""
        reached = [
            (each, rule, allowed_priorities(each.reported.cost, each.reported.budget, rule))
            for each in latest
            if (rule := self.policy.budgets.get(each.budget_id)) is not None
            and rule.responses[Source(each.source)] is Response.STOP
        ]

        def blocked(vm: SpotVm) -> str | None:
            priority = importance(vm.instance.labels, self.policy).priority
            for each, rule, allowed in reached:
                if priority in allowed and rule.covers(vm.instance):
                    return f"budget {rule.budget_id} ({each.source}) has reached a threshold for {priority} priority"
            return None

        return blocked

    def start(
        self,
        delivery: Delivery,
        starts: Mapping[InstanceKey, StoppedVm],
        blocked: Callable[[SpotVm], str | None],
        *,
        resumed: bool,
    ) -> None:
        """Start them, and record the outcomes; raises an ExceptionGroup of what failed."""
        if delivery.mode is not Mode.ENFORCE or not starts:
            return
        requests = {
            vm_request(Verb.START, delivery.message_id, key, vm.instance.name): start_precondition(
                vm, blocked, resumed=resumed
            )
            for key, vm in starts.items()
        }
        outcomes = self.executor.execute(Verb.START, requests)
        record_outcomes(self.records, delivery, outcomes, retries_starts=self.is_command)


def _reason_to_wait(vm: SpotVm | UnavailableError | None, blocked: Callable[[SpotVm], str | None]) -> str | None:
    """Return why an instance is not started yet; one that is gone is planned, which records that it is."""
    if isinstance(vm, UnavailableError):
        return f"could not be read: {vm}"
    return None if vm is None else blocked(vm)
