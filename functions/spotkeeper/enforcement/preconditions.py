"""Preconditions: whether an instance is still what was planned, checked right before it is stopped or started."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spotkeeper.enforcement.actions import ActionEvent, VmRequest
from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.executor import Precondition, Skip
from spotkeeper.enforcement.history import RecordedAction, Reported
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.protection import importance
from spotkeeper.enforcement.recorded_stops import GONE, OperationOf, RecordedStop
from spotkeeper.enforcement.restarts import StoppedVm, reason_not_to_restart
from spotkeeper.enforcement.spot_vms import SpotVm, reason_to_spare, snooze
from spotkeeper.enforcement.verdicts import Verdict, allowed_priorities, current_period, newest_credible
from spotkeeper.instances import InstanceKey, ProvisioningModel
from spotkeeper.periods import rfc3339

NEWER_TTL = timedelta(seconds=30)
"""How long the answer holds whether a newer notification has said otherwise: 300 stops in that time ask once."""

_STARTED = frozenset({"PROVISIONING", "STAGING", "RUNNING"})


@dataclass(slots=True)
class NewerNotifications:
    """The newest newer notification, read before the first stop and whenever the last answer is 30 seconds old."""

    read: Callable[[], tuple[Reported, ...]]
    now: Callable[[], datetime]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: datetime | None = None
    _newer: tuple[Reported, ...] = ()

    def __call__(self) -> tuple[Reported, ...]:
        """Return the newer notifications; raises UnavailableError."""
        with self._lock:
            now = self.now()
            if self._read_at is None or now - self._read_at >= NEWER_TTL:
                self._newer, self._read_at = self.read(), now
            return self._newer


@dataclass(frozen=True, slots=True)
class StopPreconditions:
    """The preconditions of the stops of one notification under the present policy."""

    policy: Policy
    rule: BudgetRule
    verdict: Verdict
    notification: BudgetNotification
    now: Callable[[], datetime]
    newer: Callable[[], tuple[Reported, ...]]
    operation_of: OperationOf
    estimate: Estimate | None = None
    snoozed: Mapping[InstanceKey, datetime] = field(default_factory=dict)
    proposed_at: datetime | None = None

    def planned(self, planned_at: datetime) -> Precondition:
        """Return the precondition of a stop that was planned then, or proposed earlier."""
        decided_at = min(planned_at, self.proposed_at or planned_at)

        def precondition(vm: SpotVm | None) -> Skip | None:
            reason = GONE if vm is None else self._changed(vm, decided_at) or self._overtaken(vm)
            return Skip(ActionEvent.CHANGED, reason) if reason else None

        return precondition

    def resumed(self, action: RecordedAction, request: VmRequest) -> Precondition:
        """Return that of a stop of an earlier delivery, which may have stopped the instance already."""
        planned = self.planned(action.planned_at)
        recorded = RecordedStop(action, request, self.now, self.operation_of)

        def precondition(vm: SpotVm | None) -> Skip | None:
            if skip := recorded.outcome(vm):
                return skip
            if action.operation is not None:
                return recorded.waiting(action.operation)
            skip = planned(vm)
            # What has changed since the request was accepted takes no request back.
            if skip is not None and (operation := recorded.operation()) is not None:
                return recorded.waiting(operation)
            return skip

        return precondition

    def _changed(self, vm: SpotVm, planned_at: datetime) -> str | None:
        if vm.instance.provisioning_model is not ProvisioningModel.SPOT:
            return f"no longer a Spot VM, but {vm.instance.provisioning_model}"
        if vm.started > planned_at:
            return f"started {rfc3339(vm.started)}, after the plan of {rfc3339(planned_at)}"
        now = self.now()
        if reason := reason_to_spare(vm, self.policy, now) or snooze(self.snoozed.get(vm.instance.key), now):
            return reason
        if not self.rule.covers(vm.instance):
            return f"budget {self.rule.budget_id} no longer covers it"
        important = importance(vm.instance.labels, self.policy)
        if important.priority not in self.verdict.priorities:
            return f"now {important.priority} priority ({important.source}): not stopped at this step"
        return None

    def _overtaken(self, vm: SpotVm) -> str | None:
        now, period = self.now(), self.verdict.period
        if self.policy.snoozed(now):
            return "the policy is snoozed"
        if period is not None and current_period(self.notification.period, self.rule, now).start != period.start:
            return f"the {period.kind} of the notification is over"
        newest = newest_credible(self.newer(), self.rule, self.policy)
        if newest is None:
            return None
        priority = importance(vm.instance.labels, self.policy).priority
        # A newer report that is lower contradicts the estimate that was made of this one.
        estimate = self.estimate if newest.cost >= self.notification.cost else None
        if priority in allowed_priorities(newest.cost, newest.budget, self.rule, estimate):
            return None
        said = f"{newest.cost:,.2f} of {newest.budget:,.2f} spent"
        return (
            f"a newer notification ({rfc3339(newest.published_at)}) reports {said}: {priority} priority is not stopped"
        )


def limited(precondition: Precondition, limit: str) -> Precondition:
    """Return a precondition that sends nothing, for this reason; what it finds stopped it says."""

    def with_limit(vm: SpotVm | None) -> Skip | None:
        return precondition(vm) or Skip(ActionEvent.CHANGED, f"left for the next alert: {limit}")

    return with_limit


def start_precondition(stopped: StoppedVm, blocked: Callable[[SpotVm], str | None], *, resumed: bool) -> Precondition:
    """Return the precondition of a start; a resumed plan may have started the instance already."""

    def precondition(vm: SpotVm | None) -> Skip | None:
        if vm is None:
            return Skip(ActionEvent.NOT_RESTARTED, GONE)
        if resumed and vm.status in _STARTED:
            return Skip(ActionEvent.RESTARTED, f"found {vm.status} when the plan was resumed")
        if reason := reason_not_to_restart(vm, stopped):
            return Skip(ActionEvent.NOT_RESTARTED, reason)
        reason = blocked(vm)
        return Skip(ActionEvent.RESTART_FAILED, reason) if reason else None

    return precondition
