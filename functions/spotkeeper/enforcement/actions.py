"""Stop and start requests, and their outcomes."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from spotkeeper.enforcement.history import AttachedCost, RecordedAction
from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.policies import Priority
from spotkeeper.enforcement.restarts import Restart, Spared
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape

_NAMESPACE = uuid.UUID("6b0c4c1e-4a4b-4b0e-9a57-5d0f0f2f6c11")


class Verb(StrEnum):
    """What a request does to an instance."""

    STOP = "stop"
    START = "start"


class ActionEvent(StrEnum):
    """An event on record for an instance, or for the autoscaler of a group: what was planned, and the outcome."""

    PLANNED = "planned"
    RETRIED = "retried"
    WAITING = "waiting"
    EXPIRED = "expired"
    SPARED = "spared"
    STOPPED = "stopped"
    FAILED = "failed"
    CHANGED = "changed"
    RESTART_PLANNED = "restart_planned"
    RESTARTED = "restarted"
    RESTART_FAILED = "restart_failed"
    NOT_RESTARTED = "not_restarted"
    FREEZE_PLANNED = "freeze_planned"
    FREEZE_SPARED = "freeze_spared"
    FROZEN = "frozen"
    FREEZE_FAILED = "freeze_failed"
    FREEZE_SKIPPED = "freeze_skipped"
    THAWED = "thawed"
    THAW_FAILED = "thaw_failed"
    THAW_SKIPPED = "thaw_skipped"

    @property
    def may_be_repeated(self) -> bool:
        """Whether the next delivery of the message retries the request, or follows it up."""
        return self in (ActionEvent.FAILED, ActionEvent.WAITING, ActionEvent.RESTART_FAILED)


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One instance in a plan, as it is recorded, and the reason.

    Of the autoscaler of a group, `instance` has its id and the name of the group, and `autoscaling_mode` is the mode
    that it had.
    """

    instance: Instance
    event: ActionEvent
    reason: str
    priority: Priority
    hourly_savings: Decimal | None = None
    rank: int | None = None
    attached: AttachedCost | None = None
    autoscaling_mode: str | None = None


@dataclass(frozen=True, slots=True)
class VmRequest:
    """A message's request to stop or start one instance; Compute Engine treats requests with the same id as one."""

    message_id: str
    key: InstanceKey
    name: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request, when, and by which operation; `exception` is an unexpected error.

    One that has not `begun` was not sent, and nobody could look at its instance: what an earlier delivery of the
    message came to is unknown.
    """

    request: VmRequest
    event: ActionEvent
    reason: str
    happened_at: datetime
    operation: str | None = None
    error: str | None = None
    exception: Exception | None = None
    begun: bool = True


def vm_request(verb: Verb, message_id: str, key: InstanceKey, name: str) -> VmRequest:
    """Return the request of one message for one instance; every delivery of the message makes the same one."""
    return VmRequest(message_id, key, name, str(uuid.uuid5(_NAMESPACE, "/".join((verb, message_id, *key)))))


def stop_events(made: Plan | None) -> list[PlannedEvent]:
    """Return a plan as it is recorded: the stops in order, then the spared instances."""
    decisions = (*made.stops, *made.spared) if made else ()
    return [
        PlannedEvent(
            decision.vm.instance,
            ActionEvent.SPARED if decision.rank is None else ActionEvent.PLANNED,
            decision.reason,
            decision.priority,
            decision.vm.hourly_cost_usd,
            decision.rank,
            decision.vm.attached,
        )
        for decision in decisions
    ]


def retry_event(failed: RecordedAction) -> PlannedEvent:
    """Return a stop as it is recorded before it is requested again."""
    return PlannedEvent(
        Instance(
            failed.key,
            failed.name,
            ProvisioningModel.SPOT,
            Shape(failed.machine_type, None, None),
            managed_by=failed.managed_by,
        ),
        ActionEvent.RETRIED,
        "requested again: it failed before",
        failed.priority,
        failed.hourly_savings,
        failed.rank,
    )


def not_started_event(spared: Spared) -> PlannedEvent:
    """Return as it is recorded why a stopped instance is not started yet."""
    stopped = spared.stopped
    return PlannedEvent(stopped.instance, ActionEvent.SPARED, spared.reason, stopped.priority, stopped.hourly_cost_usd)


def restart_event(restart: Restart) -> PlannedEvent:
    """Return a planned restart as it is recorded."""
    stopped = restart.stopped
    return PlannedEvent(
        stopped.instance,
        ActionEvent.RESTART_PLANNED,
        restart.reason,
        stopped.priority,
        stopped.hourly_cost_usd,
        restart.rank,
    )
