"""Who created the instances: the principals of the requests that made them, as Google Cloud recorded them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from spotkeeper.logs import log_event
from spotkeeper.periods import HOUR
from spotkeeper.ports import Report
from spotkeeper.tracking.preemptions import OPERATIONS_KEPT, OPERATIONS_TRUSTED

READ_AGAIN = timedelta(days=1)
"""How long before its first hour a run reads: what a source did not answer, a later run of the day asks for again."""


class CreatorSource(StrEnum):
    """Where a creator is known from: Compute Engine's operation, or the admin activity audit log."""

    OPERATION = "operation"
    AUDIT_LOG = "audit_log"


@dataclass(frozen=True, slots=True)
class Creation:
    """The creation of one instance, and by whom.

    `created_by` is the principal of the request: an e-mail address, or the identifier of a federated identity. For the
    members of a managed group it is Google's service agent of the project, whoever made or resized the group.
    """

    key: InstanceKey
    instance_name: str
    created_at: datetime
    created_by: str
    source: CreatorSource


class CreationReader(Protocol):
    """Compute Engine's operations, or the audit log, which keeps creations for longer."""

    def creations(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Creation]:
        """Yield the creations from `start` up to, but without, `end` whose principal is recorded.

        Raises UnavailableError.
        """
        ...


class CreationStage(Protocol):
    """Where a run stages what it read."""

    def add(self, record: Creation) -> None:
        """Stage a record."""
        ...


@dataclass(frozen=True, slots=True)
class Creators:
    """Reads who created the instances of a project, with one list; `log` is None where it may not be read."""

    operations: CreationReader
    log: CreationReader | None = None

    def stage(
        self,
        stage: CreationStage,
        project_id: str,
        hours: Sequence[datetime],
        now: datetime,
        recorded: Mapping[str, datetime],
    ) -> None:
        """Stage the creations since a day before the first of the hours; of a project that is new, all that are kept.

        Hours whose operations Compute Engine may have forgotten are read from the log, where there is one. What cannot
        be read is logged and is no gap of the hours: their costs are complete without it.
        """
        first = min(hours)
        since = first - READ_AGAIN if project_id in recorded else min(first, now - OPERATIONS_KEPT)
        reader = self.log if self.log and first + HOUR <= now - OPERATIONS_TRUSTED else self.operations

        def report(detail: str) -> None:
            log_event("creators not read in full", logging.WARNING, project_id=project_id, detail=detail)

        try:
            for creation in reader.creations(project_id, since, now, report):
                stage.add(creation)
        except UnavailableError as error:
            report(str(error))
