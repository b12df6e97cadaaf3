"""The port of the commands: what BigQuery has of the plan or of the stops that a command is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.proposals import Proposal
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.instances import InstanceKey


@dataclass(frozen=True, slots=True)
class StopsOfMessage:
    """What a message was to stop: all its instances, and those that it stopped and that nothing started since.

    `notification` is the budget notification that led to its plan, `until` the end of the period of its stops;
    `starts` counts the starts planned for its budget in the last 24 hours.
    """

    notification: BudgetNotification
    until: datetime
    planned: tuple[InstanceKey, ...] = ()
    stopped: tuple[StoppedVm, ...] = ()
    starts: int = 0


class CommandRecords(Protocol):
    """BigQuery, for commands of operators; every verb raises UnavailableError."""

    def proposal(self, message_id: str, now: datetime) -> Proposal | None:
        """Return the plan of a message that was to be approved; None if it made none."""
        ...

    def stops_of(self, message_id: str, now: datetime) -> StopsOfMessage | None:
        """Return what a message was to stop; None if that is nothing."""
        ...

    def snooze(self, delivery: Delivery, instances: Iterable[InstanceKey], until: datetime) -> None:
        """Record that instances are not to be stopped until then; running it again changes nothing."""
        ...
