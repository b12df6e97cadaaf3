"""Views and checks are GoogleSQL, and say what their cases expect on Google's own evaluator."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from zetasql.api import PreparedQuery

from spotkeeper.gcp.bigquery.rollups import ROLLUPS
from tests.sql.cases import (
    NOW,
    SQL,
    Case,
    answer,
    canonical,
    cases,
    queries,
    recorded_tables,
    rendered,
    rollup_query,
    sources_in_order,
    table_fields,
    table_names,
)
from tests.sql.googlesql import evaluate, prepare, rows_type, rows_value, simple, value
from tests.sql.query_costs import VMS_OF_A_KIND, bytes_read

CASES = [*cases("views"), *cases("checks")]
PRESENT = {"type": "TIMESTAMP"}


@cache
def prepared(query: Path, views: tuple[Path, ...], rollups: tuple[str, ...]) -> PreparedQuery:
    """Return a query whose tables and present are parameters, and which yields each row as JSON.

    The views and rollups it reads stand inside; those that are given take the place of the product's.
    """
    own = {path.stem: path for path in views}
    read = [name for name in sources_in_order(query) if name not in table_names()]
    # Rollups read the label keys too.
    names = dict.fromkeys(["label_keys", *recorded_tables(query, rollups), *read])
    steps = "".join(f"{name} AS (\n{_source(name, own, rollups)}\n),\n" for name in names)
    text = f"WITH {steps} answer AS (\n{_at_present(query)}\n)\nSELECT TO_JSON_STRING(answer) FROM answer"
    tables = {name: rows_type(table_fields(name)) for name in _tables_of(query, rollups)}
    return prepare(text, {"now": simple("TIMESTAMP"), **tables})


def on_google(case: Case) -> list[tuple[tuple[str, str], ...]]:
    rollups = tuple(name for name in ROLLUPS if name in case.tables)
    tables = {
        name: rows_value(table_fields(name), case.tables.get(name, ())) for name in _tables_of(case.query, rollups)
    }
    given = {"now": value(PRESENT, case.now), **tables}
    query = prepared(case.query, tuple(case.views.values()), rollups)
    rows = (json.loads(row, parse_float=str, parse_int=str) for row in evaluate(query, given))
    found = [{name: canonical(each) for name, each in row.items()} for row in rows]
    return answer([row for row in found if case.is_about(row)])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_comes_out_on_google_s_evaluator(case: Case) -> None:
    assert on_google(case) == answer(case.expected)


def test_every_query_has_cases_on_google_s_evaluator() -> None:
    assert {case.query for case in CASES} == {*queries("views"), *queries("checks")}


def test_a_query_is_charged_for_the_columns_that_its_view_needs() -> None:
    [view] = [path for path in queries("views") if path.stem == "daily_cost_breakdown"]
    dates, instances, hours, money = 2 * 8, 8, 6 * 16, 4 * 16
    machine_type, region, zone, project_id = 2 + 13, 2 + 11, 2 + 13, 2 + 12
    row = dates + instances + hours + money + machine_type + region + zone + project_id

    assert bytes_read(view, vms=100_000) == 100_000 / VMS_OF_A_KIND * 2 * 30 * row


def _tables_of(query: Path, rollups: Sequence[str]) -> list[str]:
    """The tables whose rows a case gives."""
    return [name for name in recorded_tables(query, rollups) if name in rollups or name not in ROLLUPS]


def _source(name: str, own: Mapping[str, Path], rollups: Sequence[str]) -> str:
    if name in ROLLUPS and name not in rollups:
        return rollup_query(name)
    if name in table_names():
        return f"SELECT * FROM UNNEST(@{name})"
    return _at_present(own.get(name, SQL / "views" / f"{name}.sql"))


def _at_present(query: Path) -> str:
    return rendered(query, NOW).replace(f"TIMESTAMP '{NOW}'", "@now")
