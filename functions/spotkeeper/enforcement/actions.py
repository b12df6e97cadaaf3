"""What is to be done to an instance, and what came of it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.policies import Priority
from spotkeeper.enforcement.restarts import Restart
from spotkeeper.instances import Instance, InstanceKey

_NAMESPACE = uuid.UUID("6b0c4c1e-4a4b-4b0e-9a57-5d0f0f2f6c11")
_FIRST_HALF = len("6b0c4c1e-4a4b-4b0e")


class Verb(StrEnum):
    """What the enforcer can do to an instance."""

    STOP = "stop"
    START = "start"


class Event(StrEnum):
    """What is recorded of an instance in a plan: what was meant to be, and what came of it."""

    PLANNED = "planned"
    SPARED = "spared"
    STOPPED = "stopped"
    FAILED = "failed"
    CHANGED = "changed"
    RESTART_PLANNED = "restart_planned"
    RESTARTED = "restarted"
    RESTART_FAILED = "restart_failed"
    NOT_RESTARTED = "not_restarted"

    @property
    def may_be_repeated(self) -> bool:
        """Whether it leaves the instance to the next delivery of the message."""
        return self in (Event.FAILED, Event.RESTART_FAILED)


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """A line of a plan as it is recorded: one instance, what is meant for it, and why."""

    instance: Instance
    event: Event
    reason: str
    priority: Priority
    hourly_savings_usd: Decimal | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One instance to stop or to start; Compute Engine takes a request with the same id as the same request."""

    key: InstanceKey
    name: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order, when, and by which operation; `error` is what went wrong, `fault` what nobody foresaw."""

    order: Order
    event: Event
    reason: str
    happened_at: datetime
    operation: str | None = None
    error: str | None = None
    fault: Exception | None = None


def order(verb: Verb, message_id: str, key: InstanceKey, name: str) -> Order:
    """Return the order that one message gives for one instance: the same one however often it is delivered."""
    first_half = _of_message(verb, message_id)
    second_half = uuid.uuid5(first_half, "/".join(key))
    return Order(key, name, str(uuid.UUID(bytes=first_half.bytes[:8] + second_half.bytes[8:])))


def requests_of(verb: Verb, message_id: str, request_ids: Iterable[str]) -> frozenset[str]:
    """Return those requests that one message has led to: they begin alike, also when their instances are gone."""
    beginning = str(_of_message(verb, message_id))[:_FIRST_HALF]
    return frozenset(each for each in request_ids if each.startswith(beginning))


def stop_events(made: Plan | None) -> list[PlannedEvent]:
    """Return a plan as it is recorded: first what it stops, in order, then what it spares."""
    decisions = (*made.stops, *made.spared) if made else ()
    return [
        PlannedEvent(
            decision.vm.instance,
            Event.SPARED if decision.rank is None else Event.PLANNED,
            decision.reason,
            decision.priority,
            decision.vm.hourly_cost_usd,
            decision.rank,
        )
        for decision in decisions
    ]


def restart_event(restart: Restart) -> PlannedEvent:
    """Return an instance that is to be started again, as it is recorded."""
    stopped = restart.stopped
    return PlannedEvent(
        stopped.instance, Event.RESTART_PLANNED, restart.reason, stopped.priority, stopped.hourly_cost_usd, restart.rank
    )


def _of_message(verb: Verb, message_id: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{verb}/{message_id}")
