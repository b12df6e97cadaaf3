"""Stops on record without an outcome: what became of each, by its instance and by its operation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.enforcement.actions import ActionEvent, VmRequest
from spotkeeper.enforcement.executor import Skip
from spotkeeper.enforcement.history import WAITING_STOP_TTL, RecordedAction
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.periods import rfc3339

OPERATION_TTL = timedelta(hours=1)
"""How long Compute Engine keeps an operation for sure: after that, no operation proves nothing.

https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses
"""

GONE = "the instance no longer exists (no instance has this id)"
STOPPED_STATUSES = frozenset({"PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"})

type OperationOf = Callable[[VmRequest, str | None], str | None]
"""Returns the operation of a stop that Compute Engine accepted, by the request and the group; None if it did not."""


@dataclass(frozen=True, slots=True)
class RecordedStop:
    """A planned stop without an outcome; every method that asks Compute Engine raises UnavailableError."""

    action: RecordedAction
    request: VmRequest
    now: Callable[[], datetime]
    operation_of: OperationOf

    def operation(self) -> str | None:
        """Return the operation of the accepted request, None if there is none."""
        return self.action.operation or self.operation_of(self.request, self.action.managed_by)

    def outcome(self, vm: SpotVm | None) -> Skip | None:
        """Return the outcome that the instance shows as it is now; None while it runs as it did when it was planned."""
        if vm is None:
            return self._gone()
        if vm.started > self.action.planned_at:
            return self._started_since(vm)
        return self._found_stopped(vm) if vm.status in STOPPED_STATUSES else None

    def waiting(self, operation: str) -> Skip:
        """Return that an accepted stop is waited for, or after WAITING_STOP_TTL that it has failed.

        It failed when that time was over, however late somebody looks: from then on it is tried again in its turn.
        """
        failed_at = self.action.planned_at + WAITING_STOP_TTL
        if self.now() < failed_at:
            return Skip(ActionEvent.WAITING, "accepted, but not stopped yet", operation)
        minutes = WAITING_STOP_TTL // timedelta(minutes=1)
        return Skip(ActionEvent.FAILED, f"accepted, but not stopped within {minutes} minutes", operation, failed_at)

    def followed_up(self, vm: SpotVm | None, policy: Policy) -> Skip:
        """Return the outcome of a stop of another message, of which nothing is requested again."""
        found = self.outcome(vm)
        if found is not None:
            return found
        operation = self.operation()
        if operation is not None:
            return self.waiting(operation)
        if not policy.is_news(self.action.planned_at, self.now()):
            return Skip(ActionEvent.EXPIRED, "the plan expired before it was finished")
        ended = f"the deliveries of message {self.action.message_id} ended before it was stopped"
        return Skip(ActionEvent.FAILED, ended)

    def _gone(self) -> Skip:
        """Return `stopped` if the request was accepted, `changed` if surely not; else it counts against the limits."""
        operation = self.operation()
        if operation is not None:
            return Skip(ActionEvent.STOPPED, f"accepted, and {GONE}", operation)
        if self.now() - self.action.planned_at < OPERATION_TTL:
            return Skip(ActionEvent.CHANGED, GONE)
        return Skip(ActionEvent.EXPIRED, GONE)

    def _started_since(self, vm: SpotVm) -> Skip:
        """Return `changed`; or `expired`, which counts against the limits, if the request was accepted.

        Whether it took effect before the start, or will yet, is unknown: a group may delay it.
        """
        started = f"started {rfc3339(vm.started)}, after the plan of {rfc3339(self.action.planned_at)}"
        operation = self.operation()
        if operation is not None:
            return Skip(ActionEvent.EXPIRED, f"accepted, and {started}", operation)
        return Skip(ActionEvent.CHANGED, started)

    def _found_stopped(self, vm: SpotVm) -> Skip:
        operation = self.operation()
        if operation is None:
            return Skip(ActionEvent.CHANGED, f"found {vm.status}, but no request of this message stopped it")
        return Skip(ActionEvent.STOPPED, f"found {vm.status} when the plan was resumed", operation)
