"""The table of work in BigQuery: one load into a staging table and one transaction, whatever the number of records."""

import gzip
import json
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO
from uuid import uuid4

from google.cloud.bigquery import ScalarQueryParameter

from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.periods import rfc3339
from spotkeeper.work.records import WorkRecord

_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class WorkTables:
    """The table work of one dataset; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def write(self, records: Iterable[WorkRecord], recorded_at: datetime) -> int:
        """Write records; those of the same attempts are replaced. Returns how many were written.

        They pass through a file: none is kept in memory, and none is written when the next one raises.
        """
        first, last = _LATEST, _EARLIEST
        with tempfile.TemporaryFile() as lines:
            with gzip.open(lines, "wt", compresslevel=1, encoding="utf-8") as text:
                for record in records:
                    text.write(work_line(record, recorded_at))
                    first, last = min(first, record.start_time), max(last, record.start_time)
            lines.seek(0)
            return self._commit(lines, first, last) if first <= last else 0

    def _commit(self, lines: IO[bytes], first: datetime, last: datetime) -> int:
        staging = f"staging_work_{uuid4().hex}"
        try:
            self._jobs.load(staging, self._jobs.fields("work"), lines)
            [row] = self._jobs.transaction(
                "commit_work", [_time("first_start", first), _time("last_start", last)], staging
            )
        finally:
            self._jobs.drop(staging)
        return int(row["records"])


def work_line(record: WorkRecord, recorded_at: datetime) -> str:
    """Return a record as a line of JSON."""
    return (
        json.dumps(
            {
                "work_id": record.work_id,
                "attempt": record.attempt,
                "kind": record.kind,
                "project_id": record.project_id,
                "zone": record.zone,
                "instance_id": record.instance_id,
                "instance_name": record.instance_name,
                "vm_label": record.vm_label,
                "start_time": rfc3339(record.start_time),
                "end_time": _text(record.end_time),
                "weight": _text(record.weight),
                "outcome": record.outcome,
                "saved_at": _text(record.saved_at),
                "checkpoint_interval_seconds": _text(record.checkpoint_interval_seconds),
                "checkpoint_seconds": _text(record.checkpoint_seconds),
                "keys": [{"key": key, "value": value} for key, value in record.keys],
                "recorded_at": rfc3339(recorded_at),
            }
        )
        + "\n"
    )


def _text(value: datetime | Decimal | None) -> str | None:
    match value:
        case datetime():
            return rfc3339(value)
        case Decimal():
            return format(value, "f")
        case None:
            return None


def _time(name: str, value: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "TIMESTAMP", value)
