"""Views and checks are GoogleSQL, and say what their cases expect on Google's own evaluator."""

import json
import re
from pathlib import Path

import pytest

from tests.sql.cases import (
    BILLING_EXPORT,
    NOW,
    Case,
    answer,
    canonical,
    cases,
    queries,
    rendered,
    sources,
    table_fields,
    table_names,
)
from tests.sql.googlesql import analyze, evaluate, table
from tests.sql.literals import self_contained
from tests.sql.query_costs import bytes_read

QUERIES = [*queries("views"), *queries("checks")]
CASES = [*cases("views"), *cases("checks")]


def on_google(case: Case) -> list[tuple[tuple[str, str], ...]]:
    rows = (json.loads(row, parse_float=str, parse_int=str) for row in evaluate(self_contained(case)))
    return answer([{name: canonical(value) for name, value in row.items()} for row in rows])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_comes_out_on_google_s_evaluator(case: Case) -> None:
    assert on_google(case) == answer(case.expected)


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_bigquery_takes_the_query_as_it_is_deployed(query: Path) -> None:
    views = [name for name in sources(query) if name not in table_names()]
    inner = "".join(
        f"{name} AS ({rendered(path, NOW)}),\n" for path in queries("views") if (name := path.stem) in views
    )
    text = rendered(query, NOW)
    statement = f"WITH {inner} answer AS ({text}) SELECT * FROM answer" if inner else text

    analyze(
        re.sub(r"--.*", "", statement),
        {},
        [table(BILLING_EXPORT, table_fields(BILLING_EXPORT))],
    )


def test_a_query_is_charged_for_the_columns_that_its_view_needs() -> None:
    [view] = [path for path in queries("views") if path.stem == "daily_cost_breakdown"]
    start, hours, money = 8, 16, 16
    instance_id, machine_type, region, zone = 2 + 19, 2 + 13, 2 + 11, 2 + 13
    row = start + hours + money + instance_id + machine_type + region + zone

    assert bytes_read(view, vms=100_000) == 100_000 * 24 * 30 * row
