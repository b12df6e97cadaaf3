"""What is to be done to an instance, and what came of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.policies import Priority
from spotkeeper.enforcement.restarts import Restart
from spotkeeper.instances import Instance, InstanceKey

_NAMESPACE = uuid.UUID("6b0c4c1e-4a4b-4b0e-9a57-5d0f0f2f6c11")


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
    hourly_savings: Decimal | None = None
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
    return Order(key, name, str(uuid.uuid5(_NAMESPACE, "/".join((verb, message_id, *key)))))


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
