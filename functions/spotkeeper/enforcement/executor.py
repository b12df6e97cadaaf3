"""Carrying out orders: many at once, each to its end, and none of them kept from its turn by another one's failure."""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spotkeeper.enforcement.actions import Event, Order, Outcome, Verb
from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from spotkeeper.logs import log_event

type Settled = tuple[Event, str]
"""What has become of an instance without anything being done to it now, and the reason in a sentence."""

type Check = Callable[[SpotVm | None], Settled | None]
"""Looks at an instance right before it is acted on; None means to go on. It is given None for one that is gone."""


class Actuator(Protocol):
    """Compute Engine, for one instance at a time; every verb raises UnavailableError."""

    def find(self, key: InstanceKey) -> SpotVm | None:
        """Return the instance with this id as it is now, None when it is gone."""
        ...

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        """Tell the guest when it will be stopped, and return the time it is told: an earlier one if told since then."""
        ...

    def act(self, verb: Verb, vm: SpotVm, request_id: str, patience: timedelta) -> str | None:
        """Stop or start it, follow that to its end, and return the operation's name; None when it was gone by then."""
        ...


@dataclass(frozen=True, slots=True)
class Clockwork:
    """The time of one delivery: when it began, how long it may take, and how to wait."""

    now: datetime
    limit: timedelta
    stopwatch: Callable[[], timedelta]
    wait: Callable[[timedelta], None]
    began: timedelta

    def time(self) -> datetime:
        """Return the present time."""
        return self.now + self.stopwatch() - self.began

    def left(self) -> timedelta:
        """Return what is left of the time."""
        return max(self.limit - (self.stopwatch() - self.began), timedelta(0))


@dataclass(frozen=True, slots=True)
class Crew:
    """Carries out orders, so many at once."""

    actuator: Actuator
    clock: Clockwork
    size: int

    def carry_out(self, verb: Verb, orders: Mapping[Order, Check]) -> list[Outcome]:
        """Return what came of every order, in their order; what fails is an outcome like any other, foreseen or not."""
        with ThreadPoolExecutor(max_workers=self.size) as pool:
            futures = {
                each: pool.submit(copy_context().run, self._one, verb, each, check) for each, check in orders.items()
            }
        return [self._outcome(verb, each, future) for each, future in futures.items()]

    def warn(self, orders: Iterable[Order], grace: timedelta, since: datetime) -> None:
        """Tell the guests that they will be stopped, and wait until the last of them has had its time."""
        with ThreadPoolExecutor(max_workers=self.size) as pool:
            futures = {
                each: pool.submit(copy_context().run, self.actuator.warn, each.key, self.clock.time() + grace, since)
                for each in orders
            }
        stop_at = max((self._told(each, future) for each, future in futures.items()), default=self.clock.time())
        self.clock.wait(min(max(stop_at - self.clock.time(), timedelta(0)), grace))

    def _told(self, each: Order, future: Future[datetime]) -> datetime:
        fault = _fault(future)
        if fault is None:
            return future.result()
        log_event(
            "guest not warned", logging.WARNING, instance=each.name, instance_id=each.key.instance_id, error=fault
        )
        return self.clock.time()

    def _outcome(self, verb: Verb, each: Order, future: Future[Outcome]) -> Outcome:
        fault = _fault(future)
        if fault is None:
            return future.result()
        _, failed = _ENDS[verb]
        outcome = Outcome(
            each, failed, "nobody foresaw this failure", self.clock.time(), error=repr(fault), fault=fault
        )
        _tell(outcome)
        return outcome

    def _one(self, verb: Verb, each: Order, check: Check) -> Outcome:
        done, failed = _ENDS[verb]
        operation = error = None
        try:
            vm = self.actuator.find(each.key)
            settled = check(vm)
            if settled is None and vm is not None:
                operation = self.actuator.act(verb, vm, each.request_id, self.clock.left())
                settled = check(None) if operation is None else (done, "done as planned")
        except UnavailableError as fault:
            settled, error = (failed, "the next delivery of the message tries again"), str(fault)
        what, reason = settled or (Event.CHANGED, "it is gone")
        outcome = Outcome(each, what, reason, self.clock.time(), operation, error)
        _tell(outcome)
        return outcome


_ENDS = {Verb.STOP: (Event.STOPPED, Event.FAILED), Verb.START: (Event.RESTARTED, Event.RESTART_FAILED)}


def _fault[Result](future: Future[Result]) -> Exception | None:
    """What went wrong; raises what is to end the whole process."""
    fault = future.exception()
    if fault is None or isinstance(fault, Exception):
        return fault
    raise fault


def _tell(outcome: Outcome) -> None:
    log_event(
        f"instance {outcome.event}",
        logging.ERROR if outcome.event.may_be_repeated else logging.WARNING,
        project_id=outcome.order.key.project_id,
        zone=outcome.order.key.zone,
        instance_id=outcome.order.key.instance_id,
        instance=outcome.order.name,
        reason=outcome.reason,
        operation=outcome.operation,
        error=outcome.error,
    )
