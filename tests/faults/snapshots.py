"""All tables of a dataset as plain rows, to be compared with those of an undisturbed reference."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.cloud import bigquery

from infra.local.bigquery.tables import SQL

type Row = Mapping[str, Any]
type Snapshot = Mapping[str, Sequence[Row]]

OF_THE_RUN = frozenset(
    {"run_id", "message_id", "delivery_id", "repeated_by", "duration_seconds", "locked_at", "resources_listed"}
)
"""What differs between two runs that found the same at the same time."""

OF_THE_TIME = OF_THE_RUN | {
    "recorded_at",
    "sent_at",
    "reserved_until",
    "repeated_at",
    "received_at",
    "happened_at",
    "first_seen",
    "last_seen",
    "operation_id",
    "price_as_of",
    "prices_as_of",
    "prices_age_hours",
}
"""What differs as well when one of them found it an hour later; the log has an operation's name for its id."""

NOT_COMPARED = frozenset({"tracker_lock"})


@cache
def partition_columns() -> Mapping[str, str | None]:
    """Return the name of every table, with the column by which it is partitioned."""
    described = {path.stem: json.loads(path.read_text()) for path in sorted((SQL / "tables").glob("*.json"))}
    return {name: table.get("timePartitioning", {}).get("field") for name, table in described.items()}


def snapshot(client: bigquery.Client, dataset: str) -> Snapshot:
    """Read all tables, with one query, which is the same for all datasets: the local BigQuery knows it by then."""
    parts = []
    for name, column in partition_columns().items():
        where = f" WHERE t.{column} >= '2000-01-01'" if column else ""
        parts.append(f"SELECT '{name}' AS name, TO_JSON_STRING(t) AS line FROM {name} AS t{where}")
    found: dict[str, list[Row]] = {name: [] for name in partition_columns()}
    configuration = bigquery.QueryJobConfig(default_dataset=f"{client.project}.{dataset}")
    for row in client.query("\nUNION ALL\n".join(parts), job_config=configuration).result():
        found[row["name"]].append(json.loads(row["line"]))
    return found


def without(found: Snapshot, columns: frozenset[str]) -> dict[str, list[str]]:
    """Return the rows as sorted lines without some columns, so that two snapshots can be compared."""
    return {
        name: sorted(
            json.dumps({key: value for key, value in row.items() if key not in columns}, sort_keys=True) for row in rows
        )
        for name, rows in found.items()
        if name not in NOT_COMPARED
    }


def differences(found: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> list[str]:
    """Say in which tables two snapshots differ, with one row that only one of them has."""
    found_differences = []
    for name, rows in wanted.items():
        if found[name] != rows:
            extra = [row for row in found[name] if row not in rows]
            lacking = [row for row in rows if row not in found[name]]
            shown = f"has {extra[0]}" if extra else f"lacks {lacking[0]}" if lacking else "has doubles"
            found_differences.append(f"{name}: {len(found[name])} rows, not {len(rows)}; {shown}"[:1200])
    return found_differences


@dataclass(frozen=True, slots=True)
class HourOnRecord:
    """What all runs together recorded of an hour."""

    complete: bool
    projects: frozenset[str]


def hours(found: Snapshot) -> dict[str, HourOnRecord]:
    """Return what is on record of every hour."""
    runs: dict[str, list[Row]] = defaultdict(list)
    for row in found["tracker_runs"]:
        runs[row["hour"]].append(row)
    return {
        hour: HourOnRecord(
            any(row["complete"] for row in rows), frozenset(name for row in rows for name in row["projects"])
        )
        for hour, rows in runs.items()
    }
