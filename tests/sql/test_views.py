"""Each view in a BigQuery with the real tables, by one case; test_views_on_google.py runs all cases."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset
from infra.local.stack.stack import HOME_PROJECT, Stack
from tests.sql.cases import (
    BILLING_EXPORT,
    BILLING_EXPORT_FIELDS,
    Case,
    answer,
    canonical,
    cases,
    queries,
    rendered,
    table_names,
    views_read,
    with_views,
)
from tests.sql.columns import described_columns
from tests.sql.googlesql import columns_of, table
from tests.sql.views_page import HEADING, PAGE, columns_section

DATASET = "cases"
EXPORT = table(BILLING_EXPORT, BILLING_EXPORT_FIELDS)


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
    """Return the case with the most values that come out of a view."""
    return max(
        (case for case in cases("views") if case.query == view and not case.leaves_out),
        key=lambda case: sum(value != "" for row in case.expected for value in row.values()),
    )


@pytest.mark.parametrize("view", queries("views"), ids=lambda path: path.stem)
def test_a_deployed_view_reads_the_tables_by_itself(client: bigquery.Client, view: Path) -> None:
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
    for path in (*views_read(view), view):
        query = rendered(path, case.now, f"{HOME_PROJECT}.{DATASET}")
        client.query_and_wait(f"CREATE OR REPLACE VIEW `{HOME_PROJECT}.{DATASET}.{path.stem}` AS\n{query}")
    try:
        result = client.query_and_wait(f"SELECT * FROM `{HOME_PROJECT}.{DATASET}.{view.stem}`")
        found = [{name: canonical(value) for name, value in row.items()} for row in result]
    finally:
        for name in case.tables:
            client.query_and_wait(f"TRUNCATE TABLE {DATASET}.{name}")

    assert answer(found) == answer(case.expected)


@pytest.mark.parametrize("view", queries("views"), ids=lambda path: path.stem)
def test_every_column_of_a_view_has_a_description_and_the_type_that_google_s_analyzer_finds(view: Path) -> None:
    described = described_columns(view)

    assert [(column.name, column.type) for column in described] == columns_of(with_views(view), [EXPORT])
    assert [column for column in described if not re.fullmatch(r"\S.{5,}\.", column.description)] == []


def test_the_page_of_views_describes_every_column() -> None:
    page = PAGE.read_text()

    assert page[page.index(HEADING) :] == columns_section()


def test_a_query_says_what_it_answers_and_its_grain() -> None:
    silent = [
        query.name
        for query in (*queries("views"), *queries("checks"))
        if not re.match(r"-- .+\n(-- .*\n)*-- Grain: .+\.\n", query.read_text())
    ]

    assert silent == []


def test_a_query_is_a_template_that_terraform_can_fill() -> None:
    placeholders = {"dataset", "now", "billing_account", "billing_export_table"}
    odd = [
        query.name
        for query in (*queries("views"), *queries("checks"))
        if not {"dataset"} <= set(re.findall(r"\$\{(.*?)\}", text := query.read_text())) <= placeholders
        or re.search(r"%\{|CURRENT_", text)
    ]

    assert odd == []


def test_every_table_of_a_case_is_a_table_of_the_product() -> None:
    named = {name for case in (*cases("views"), *cases("checks")) for name in case.tables}

    assert named <= set(table_names())
