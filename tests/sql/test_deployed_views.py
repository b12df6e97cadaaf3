"""Each view in a BigQuery with the real tables, by one case; test_views_on_google.py runs all cases on Google's own."""

import io
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset, roll_up
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.rollups import ROLLUPS
from tests.sql.cases import (
    BILLING_EXPORT,
    BILLING_EXPORT_FIELDS,
    Case,
    answer,
    canonical,
    cases,
    queries,
    rendered,
    views_read,
)

DATASET = "cases"


@pytest.fixture(scope="module")
def client(stack: Stack) -> bigquery.Client:
    """Return a client of a BigQuery that has the product's tables and the billing export, all empty."""
    client = stack.client()
    create_dataset(client, DATASET)
    columns = ", ".join(_column(field) for field in BILLING_EXPORT_FIELDS if not is_pseudo(field["name"]))
    # By the day of arrival, as Google's is.
    client.query_and_wait(f"CREATE TABLE {DATASET}.{BILLING_EXPORT} ({columns}) PARTITION BY _PARTITIONDATE")
    return client


def _column(field: Mapping[str, Any]) -> str:
    """Return a column as a statement declares it."""
    kind = str(field["type"]).replace("FLOAT", "FLOAT64")
    if kind == "RECORD":
        kind = f"STRUCT<{', '.join(map(_column, field['fields']))}>"
    return f"{field['name']} {f'ARRAY<{kind}>' if field.get('mode') == 'REPEATED' else kind}"


def is_pseudo(column: str) -> bool:
    """Return whether BigQuery adds the column by itself."""
    return column.startswith("_")


def fullest(view: Path) -> Case:
    """Return the case with the most values that come out of a view, of those that replace no other view."""
    return max(
        (case for case in cases("views") if case.query == view and not case.leaves_out and not case.views),
        key=lambda case: sum(value != "" for row in case.expected for value in row.values()),
    )


def days_of(case: Case) -> set[date]:
    """Return the UTC days of the rows that are rolled up."""
    times = {"spot_vm_costs": "usage_start_time", "project_hours": "hour", "spot_preemptions": "preempted_at"}
    return {
        datetime.fromisoformat(row[column]).date()
        for name, column in times.items()
        for row in case.tables.get(name, ())
    }


@pytest.mark.parametrize("view", queries("views"), ids=lambda path: path.stem)
def test_a_deployed_view_reads_the_tables_by_itself(stack: Stack, client: bigquery.Client, view: Path) -> None:
    """Without a filter of the caller's: BigQuery refuses that of a table unless the view itself filters."""
    case = fullest(view)
    for name, rows in case.tables.items():
        lines = "\n".join(
            json.dumps({key: value for key, value in row.items() if value is not None and not is_pseudo(key)})
            for row in rows
        )
        appended = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
        table = f"{DATASET}.{name}"
        client.load_table_from_file(io.BytesIO(lines.encode()), table, job_config=appended).result()
    if days := days_of(case):
        roll_up(stack.bigquery, HOME_PROJECT, DATASET, days)
    for path in (*views_read(view), view):
        query = rendered(path, case.now, f"{HOME_PROJECT}.{DATASET}")
        client.query_and_wait(f"CREATE OR REPLACE VIEW `{HOME_PROJECT}.{DATASET}.{path.stem}` AS\n{query}")
    try:
        result = client.query_and_wait(f"SELECT * FROM `{HOME_PROJECT}.{DATASET}.{view.stem}`")
        found = [{name: canonical(value) for name, value in row.items()} for row in result]
    finally:
        for name in (*case.tables, *ROLLUPS):
            client.query_and_wait(f"TRUNCATE TABLE {DATASET}.{name}")

    assert answer(found) == answer(case.expected)
