"""The ports of freezes: the autoscalers of groups, and what is on record of freezes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.freezes import Autoscaler, RecordedFreeze
from spotkeeper.ports import Report


class Autoscalers(Protocol):
    """Compute Engine: the autoscalers of managed instance groups; every verb raises UnavailableError."""

    def autoscalers(self, project_id: str, report: Report) -> Sequence[Autoscaler]:
        """Return all of a project, zonal and regional; a zone that does not answer is reported."""
        ...

    def find(self, freeze: RecordedFreeze) -> Autoscaler | None:
        """Return the autoscaler of a freeze as it is now, None if it no longer exists."""
        ...

    def set_mode(self, autoscaler: Autoscaler, mode: str, request_id: str, timeout: timedelta) -> str:
        """Set its mode and nothing else, wait for the end, and return the operation's name."""
        ...

    def operation_of(self, freeze: RecordedFreeze, request_id: str) -> str | None:
        """Return the operation that a request began, if it was accepted and did not fail.

        Compute Engine keeps an operation for an hour at least. Raises UnfinishedError while it has not ended.
        """
        ...


class FreezeRecords(Protocol):
    """BigQuery: freezes and what came of them; every verb raises UnavailableError."""

    def freezes(self, now: datetime) -> Sequence[RecordedFreeze]:
        """Return a freeze of every autoscaler ever to be frozen: one that has not ended, or else the latest."""
        ...

    def record_freezes(self, delivery: Delivery, outcomes: Sequence["FreezeOutcome"]) -> None:
        """Record what came of freezes; one that has ended keeps its end."""
        ...


@dataclass(frozen=True, slots=True)
class FreezeOutcome:
    """What came of a freeze, when, and by which operation."""

    freeze: RecordedFreeze
    event: ActionEvent
    reason: str
    happened_at: datetime
    operation: str | None = None
    error: str | None = None
