"""Execution of stop and start requests: many at once, each followed to its end, each with an outcome."""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from spotkeeper.enforcement.actions import ActionEvent, Outcome, Verb, VmRequest
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.errors import UnavailableError, UnfinishedError
from spotkeeper.instances import InstanceKey
from spotkeeper.logs import log_event


class Skip(NamedTuple):
    """A request that is not sent: the event to record for the instance instead, the reason, and a known operation.

    `happened_at` is when it came to that; None for now.
    """

    event: ActionEvent
    reason: str
    operation: str | None = None
    happened_at: datetime | None = None


type Precondition = Callable[[SpotVm | None], Skip | None]
"""Checks an instance right before a request; None means to send it. The instance is None if it no longer exists."""


class Actuator(Protocol):
    """Compute Engine, for one instance at a time; every verb raises UnavailableError."""

    def find(self, key: InstanceKey) -> SpotVm | None:
        """Return the instance with this id as it is now, None if it no longer exists."""
        ...

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        """Announce the stop to the guest and return the time announced: an earlier one if set since then."""
        ...

    def act(self, verb: Verb, vm: SpotVm, request_id: str, timeout: timedelta) -> str | None:
        """Stop or start it, wait for the end, and return the operation's name; None if it no longer existed.

        Raises UnfinishedError when it was accepted, but did not finish in time.
        """
        ...

    def operation_of(self, request: VmRequest, managed_by: str | None) -> str | None:
        """Return the operation of a stop, by its group or by itself, if it was accepted and did not fail.

        The instance may no longer exist; Compute Engine keeps an operation for an hour at least.
        """
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time of one delivery: the present time, and how much of `limit` remains.

    `stopwatch` counts from an arbitrary moment; it showed `started` at `received_at`. A call that fails is tried again
    for `retry_timeout`.
    """

    received_at: datetime
    limit: timedelta
    stopwatch: Callable[[], timedelta]
    wait: Callable[[timedelta], None]
    started: timedelta
    retry_timeout: timedelta = timedelta(0)

    @property
    def allows_request(self) -> bool:
        """Whether there is time to look at another instance and to send its request, both tried again to the end."""
        return self.remaining() > min(2 * self.retry_timeout, self.limit / 2)

    def now(self) -> datetime:
        """Return the present time."""
        return self.received_at + self.stopwatch() - self.started

    def remaining(self) -> timedelta:
        """Return the time that is left, never less than zero."""
        return max(self.limit - (self.stopwatch() - self.started), timedelta(0))


@dataclass(frozen=True, slots=True)
class Executor:
    """Sends requests, up to `parallel` at a time."""

    actuator: Actuator
    deadline: Deadline
    parallel: int

    def find(self, keys: Iterable[InstanceKey]) -> dict[InstanceKey, SpotVm | UnavailableError | None]:
        """Return instances as they are now: None if one no longer exists, and the error if one cannot be read."""
        with ThreadPoolExecutor(max_workers=self.parallel) as pool:
            futures = {key: pool.submit(copy_context().run, self._find, key) for key in keys}
        return {key: future.result() for key, future in futures.items()}

    def execute(self, verb: Verb, requests: Mapping[VmRequest, Precondition]) -> list[Outcome]:
        """Return the outcome of every request, in order; a failure is an outcome and stops no other request."""
        with ThreadPoolExecutor(max_workers=self.parallel) as pool:
            futures = {
                request: pool.submit(copy_context().run, self._execute_one, verb, request, precondition)
                for request, precondition in requests.items()
            }
        return [self._outcome(verb, request, future) for request, future in futures.items()]

    def warn(self, requests: Iterable[VmRequest], grace: timedelta, since: datetime) -> dict[VmRequest, str]:
        """Announce the stop to every guest, wait until the last grace period is over, and return what failed."""
        stop_at = self.deadline.now() + grace
        with ThreadPoolExecutor(max_workers=self.parallel) as pool:
            futures = {
                request: pool.submit(copy_context().run, self._warn, request.key, stop_at, since)
                for request in requests
            }
        problems = {request: error for request, future in futures.items() if (error := _exception(future)) is not None}
        for request, error in problems.items():
            log_event(
                "guest not warned",
                logging.WARNING,
                instance=request.name,
                instance_id=request.key.instance_id,
                error=error,
            )
        announced = (future.result() for request, future in futures.items() if request not in problems)
        latest = max(announced, default=self.deadline.now())
        self.deadline.wait(min(max(latest - self.deadline.now(), timedelta(0)), grace))
        return {request: str(error) for request, error in problems.items()}

    def _warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        if not self.deadline.allows_request:
            message = "no time left"
            raise UnavailableError(message)
        return self.actuator.warn(key, stop_at, since)

    def _find(self, key: InstanceKey) -> SpotVm | UnavailableError | None:
        try:
            return self.actuator.find(key)
        except UnavailableError as error:
            return error

    def _outcome(self, verb: Verb, request: VmRequest, future: Future[Outcome]) -> Outcome:
        exception = _exception(future)
        if exception is None:
            return future.result()
        _, failed = _EVENTS[verb]
        outcome = Outcome(
            request, failed, "unexpected error", self.deadline.now(), error=repr(exception), exception=exception
        )
        _log(outcome)
        return outcome

    def _execute_one(self, verb: Verb, request: VmRequest, precondition: Precondition) -> Outcome:
        done, failed = _EVENTS[verb]
        if not self.deadline.allows_request:
            return Outcome(request, failed, _NO_TIME, self.deadline.now(), begun=False)
        vm = error = None
        begun = False
        try:
            vm = self.actuator.find(request.key)
            skip = precondition(vm)
            begun = True
            if skip is None and vm is not None:
                operation = self.actuator.act(verb, vm, request.request_id, self.deadline.remaining())
                skip = precondition(None) if operation is None else Skip(done, "done as planned", operation)
        except UnfinishedError as exception:
            event = ActionEvent.WAITING if verb is Verb.STOP else failed
            skip, error = Skip(event, _ACCEPTED, exception.operation), str(exception)
        except UnavailableError as exception:
            skip, error = self._failure(verb, request, vm), str(exception)
        event, reason, operation, happened_at = skip or Skip(ActionEvent.CHANGED, "the instance no longer exists")
        outcome = Outcome(request, event, reason, happened_at or self.deadline.now(), operation, error, begun=begun)
        _log(outcome)
        return outcome

    def _failure(self, verb: Verb, request: VmRequest, vm: SpotVm | None) -> Skip:
        """Return what a failed call came to: a stop that was accepted all the same is followed to its end."""
        if verb is Verb.STOP and vm is not None:
            with suppress(UnavailableError):
                operation = self.actuator.operation_of(request, vm.instance.managed_by)
                if operation is not None:
                    return Skip(ActionEvent.WAITING, _ACCEPTED, operation)
        return Skip(_EVENTS[verb][1], _FAILED)


_FAILED = "request failed; the next delivery of the message retries it"
_NO_TIME = "not requested: the time of this delivery was over; the next delivery of the message requests it"
_ACCEPTED = "accepted, but not finished yet; the next delivery of the message looks again"

_EVENTS = {
    Verb.STOP: (ActionEvent.STOPPED, ActionEvent.FAILED),
    Verb.START: (ActionEvent.RESTARTED, ActionEvent.RESTART_FAILED),
}
"""The events of a request that succeeded and of one that failed."""

_FAILURES = frozenset(failed for _, failed in _EVENTS.values())


def _exception[Result](future: Future[Result]) -> Exception | None:
    """Return what a call raised; raises it if it ends the process."""
    exception = future.exception()
    if exception is None or isinstance(exception, Exception):
        return exception
    raise exception


def _log(outcome: Outcome) -> None:
    log_event(
        f"instance {outcome.event}",
        logging.ERROR if outcome.event in _FAILURES else logging.WARNING,
        project_id=outcome.request.key.project_id,
        zone=outcome.request.key.zone,
        instance_id=outcome.request.key.instance_id,
        instance=outcome.request.name,
        reason=outcome.reason,
        operation=outcome.operation,
        error=outcome.error,
    )
