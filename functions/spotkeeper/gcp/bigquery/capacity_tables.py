"""Google's history of Spot capacity in BigQuery: one query, one load and one transaction a day."""

import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from google.cloud.bigquery import ScalarQueryParameter, SchemaField

from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.periods import local_day, rfc3339
from spotkeeper.tracking.capacity import (
    Candidate,
    PriceCheck,
    PriceDifference,
    Reading,
    ReadingStatus,
    Target,
)
from spotkeeper.tracking.capacity_days import preemption_days
from spotkeeper.tracking.capacity_prices import prices_held

IN_USE = timedelta(days=7)
"""What had a cost in this time is in use."""

CHECKED = timedelta(days=3)
"""How far back prices are compared again: late hours and prices read later change what was found."""

CAPACITY_RECORDS = {"reading": "capacity_readings", "preemption": "capacity_preemptions", "span": "capacity_prices"}
"""The records of the staging table; each has the columns of its table, as they are deployed."""


class CapacityTables:
    """The recorded histories; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def candidates(self, now: datetime) -> list[Candidate]:
        """Return what is in use and what could replace it, with the last reading and the calls of its day."""
        parameters = [
            ScalarQueryParameter("in_use_since", "TIMESTAMP", now - IN_USE),
            ScalarQueryParameter("day", "DATE", local_day(now)),
        ]
        with translate_errors("BigQuery"):
            return [
                Candidate(
                    Target(row["machine_type"], row["region"], row["zone"]),
                    row["weekly_cost"],
                    row["read_at"],
                    ReadingStatus(row["status"]) if row["status"] else None,
                    row["calls_today"],
                )
                for row in self._jobs.query("capacity_targets", parameters)
            ]

    def record(self, run_id: str, now: datetime, readings: Sequence[Reading]) -> PriceCheck:
        """Record what was read in one transaction, and return the comparison with our prices of the last days."""
        table = f"staging_{run_id}_capacity"
        columns = [SchemaField(name, "RECORD", fields=self._jobs.fields(of)) for name, of in CAPACITY_RECORDS.items()]
        try:
            with tempfile.TemporaryFile() as file:
                with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as lines:
                    for row in _rows(run_id, now, readings):
                        lines.write(f"{json.dumps(row)}\n".encode())
                self._jobs.load(table, columns, file)
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            parameters = [
                ScalarQueryParameter("run_id", "STRING", run_id),
                ScalarQueryParameter("recorded_at", "TIMESTAMP", now),
                ScalarQueryParameter("checked_since", "TIMESTAMP", midnight - CHECKED),
            ]
            with translate_errors("BigQuery"):
                rows = self._jobs.transaction("commit_capacity", parameters, table)
                return PriceCheck(
                    len(rows), tuple(map(_difference, (row for row in rows if row["status"] == "differs")))
                )
        finally:
            self._jobs.drop(table)


def _difference(row: Mapping[str, Any]) -> PriceDifference:
    return PriceDifference(row["machine_type"], row["region"], row["day"], row["our_price"], row["google_price"])


def _rows(run_id: str, now: datetime, readings: Sequence[Reading]) -> Iterator[dict[str, dict[str, object]]]:
    """Yield the rows of the staging table: each has one of its records."""
    by_run = {"read_at": rfc3339(now), "run_id": run_id}
    for reading in readings:
        target = reading.target
        place = {"machine_type": target.machine_type, "region": target.region}
        days = list(preemption_days(reading.preemptions, now))
        yield {
            "reading": {
                **place,
                "zone": target.zone or None,
                "day": local_day(now).isoformat(),
                "status": reading.status,
                "detail": reading.detail or None,
                "observed_days": len(days) if reading.status is ReadingStatus.READ else None,
                **by_run,
            }
        }
        for each in days:
            yield {
                "preemption": {
                    **place,
                    "zone": target.zone or None,
                    "day": each.day.isoformat(),
                    "preemption_rate": format(round(each.rate, 9), "f"),
                    "provisional": each.provisional,
                    **by_run,
                }
            }
        for span in prices_held(reading.prices, now):
            yield {
                "span": {
                    **place,
                    "valid_from": rfc3339(span.start),
                    "valid_to": rfc3339(span.end) if span.end else None,
                    "price": format(span.usd, "f"),
                    **by_run,
                }
            }
