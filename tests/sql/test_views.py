"""Views and checks say what their cases expect, in the BigQuery of this machine with the real tables."""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset
from infra.local.stack.stack import HOME_PROJECT, Stack
from tests.sql.cases import (
    BILLING_EXPORT,
    BILLING_EXPORT_FIELDS,
    NOW,
    SQL,
    Case,
    answer,
    canonical,
    cases,
    queries,
    rendered,
    table_names,
)

DATASET = "cases"


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A BigQuery with the product's tables, empty between cases, and its views."""

    client: bigquery.Client

    def load(self, case: Case) -> None:
        """Put the rows of a case into the tables."""
        for name, rows in case.tables.items():
            if not rows:
                continue
            lines = "\n".join(
                json.dumps({key: value for key, value in row.items() if value is not None}) for row in rows
            )
            configuration = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
            table = f"{DATASET}.{name}"
            self.client.load_table_from_file(io.BytesIO(lines.encode()), table, job_config=configuration).result()
        for view in case.views.values():
            self.deploy(view)

    def clear(self, case: Case) -> None:
        """Take the rows of a case out again."""
        for name in case.tables:
            self.run(f"TRUNCATE TABLE {DATASET}.{name}")
        for name in case.views:
            self.deploy(SQL / "views" / f"{name}.sql")

    def deploy(self, view: Path) -> None:
        """Make a view, or make it anew."""
        text = rendered(view, NOW, f"{HOME_PROJECT}.{DATASET}")
        self.client.query(f"CREATE OR REPLACE VIEW `{HOME_PROJECT}.{DATASET}.{view.stem}` AS\n{text}").result()

    def run(self, statement: str) -> list[dict[str, str]]:
        """Return the rows of a query, as a case writes them."""
        rows = self.client.query_and_wait(statement)
        return [{name: canonical(value) for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Warehouse:
    """One dataset for all cases."""
    client = stack.client()
    create_dataset(client, DATASET)
    schema = [bigquery.SchemaField.from_api_repr(dict(field)) for field in BILLING_EXPORT_FIELDS]
    client.create_table(bigquery.Table(f"{HOME_PROJECT}.{DATASET}.{BILLING_EXPORT}", schema=schema))
    served = Warehouse(client)
    for view in queries("views"):
        served.deploy(view)
    return served


@pytest.mark.parametrize("case", [*cases("views"), *cases("checks")], ids=str)
def test_a_case_comes_out_on_this_machine_s_bigquery(warehouse: Warehouse, case: Case) -> None:
    warehouse.load(case)
    try:
        rows = warehouse.run(rendered(case.query, case.now, DATASET))
    finally:
        warehouse.clear(case)

    assert answer(rows) == answer(case.expected)


def test_a_deployed_view_prunes_by_itself(warehouse: Warehouse) -> None:
    unfiltered = [view.stem for view in queries("views") if warehouse.run(f"SELECT * FROM {DATASET}.{view.stem}")]

    assert unfiltered == []


@pytest.mark.parametrize("query", [*queries("views"), *queries("checks")], ids=lambda path: path.stem)
def test_a_query_has_cases_and_says_what_it_is_about(query: Path) -> None:
    text = query.read_text()
    names = {path.name for path in (Path(__file__).parent / query.stem).glob("*") if (path / "expected.csv").exists()}

    assert text.startswith("-- ")
    assert "\n-- One row is " in text
    assert names


@pytest.mark.parametrize("query", [*queries("views"), *queries("checks")], ids=lambda path: path.stem)
def test_a_query_is_a_template_that_terraform_can_fill(query: Path) -> None:
    text = query.read_text()

    assert "${dataset}" in text
    assert set(re.findall(r"\$\{(.*?)\}", text)) <= {"dataset", "now", "billing_export_table"}
    assert "%{" not in text
    assert "CURRENT_" not in text


def test_every_table_of_a_case_is_a_table_of_the_product() -> None:
    named = {name for case in (*cases("views"), *cases("checks")) for name in case.tables}

    assert named <= set(table_names())
