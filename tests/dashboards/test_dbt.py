"""The sources of dbt say of tables and views what sql/ says."""

import csv
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.dbt import definition, keys, sources, values
from dashboards.view_columns import described_columns
from tests.sql.cases import HERE, SQL, queries, table_names
from tests.sql.googlesql import analyze

SOURCE = definition()
BY_NAME: Mapping[str, Any] = {table["name"]: table for table in SOURCE["tables"]}
TABLES = {path.stem: json.loads(path.read_text()) for path in (SQL / "tables").glob("*.json")}


def promises_of(table: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What is tested of a table, by column and kind; those of the whole table have no column."""
    whole = {("", kind): test for each in BY_NAME[table].get("data_tests", ()) for kind, test in each.items()}
    return whole | {
        (column["name"], kind): test
        for column in BY_NAME[table]["columns"]
        for each in column.get("data_tests", ())
        for kind, test in each.items()
    }


def test_every_table_and_view_is_a_source_with_all_columns_described() -> None:
    assert list(BY_NAME) == [*sorted(TABLES), *(view.stem for view in queries("views"))]
    for name, table in TABLES.items():
        assert [each["name"] for each in BY_NAME[name]["columns"]] == [
            each["name"] for each in table["schema"]["fields"]
        ]
    for view in queries("views"):
        assert [each["name"] for each in BY_NAME[view.stem]["columns"]] == [
            column.name for column in described_columns(view)
        ]
    for table in BY_NAME.values():
        assert table["description"]
        assert all(column["description"] and column["data_type"] for column in table["columns"])


def test_the_project_and_the_dataset_are_variables_with_defaults() -> None:
    assert SOURCE["database"] == "{{ var('spotkeeper_project', target.database) }}"
    assert SOURCE["schema"] == "{{ var('spotkeeper_dataset', 'cost_tracking') }}"


def test_the_key_of_every_table_in_the_check_is_unique_and_not_null() -> None:
    checked = set(re.findall(r"'(\w+)' AS table_name", (SQL / "checks" / "keys_are_unique.sql").read_text()))

    assert set(keys()) == checked == {name for name in BY_NAME if ("", "unique") in promises_of(name)}
    for table, key in keys().items():
        analyze(f"SELECT {key} FROM {table}", {})
        required = {each["name"] for each in TABLES[table]["schema"]["fields"] if each.get("mode") == "REQUIRED"} & set(
            re.findall(r"\w+", re.sub(r"'[^']*'", "", key))
        )
        assert required
        assert {column for column, kind in promises_of(table) if kind == "not_null"} == required


@pytest.mark.parametrize("table", sorted(name for name in TABLES if TABLES[name].get("timePartitioning")))
def test_a_test_of_a_partitioned_table_reads_45_days(table: str) -> None:
    column = TABLES[table]["timePartitioning"]["field"]
    wheres = [test.get("config", {}).get("where", "") for test in promises_of(table).values()]

    assert all(where.startswith(f"{column} >= ") and "INTERVAL 45 DAY" in where for where in wheres)


@pytest.mark.parametrize("view", sorted(view.stem for view in queries("views") if values(view.stem)))
def test_a_state_that_a_case_of_the_view_has_is_accepted(view: str) -> None:
    for column, accepted in values(view).items():
        assert promises_of(view)[column, "accepted_values"]["arguments"]["values"] == accepted
        found = {
            row[column]
            for expected in (HERE / view).glob("*/expected.csv")
            for row in csv.DictReader(expected.read_text().splitlines())
        }
        assert found
        assert found - {""} <= set(accepted)


def test_the_states_of_now_are_known() -> None:
    assert {view.stem: list(values(view.stem)) for view in queries("views") if values(view.stem)} == {
        "budget_status": ["state"],
        "data_quality": ["state"],
        "enforcement_log": ["decision"],
        "hourly_burn_rate": ["state"],
        "unusual_cost_by_team": ["state"],
    }


def test_the_price_status_that_a_check_accepts_is_the_one_that_dbt_accepts() -> None:
    check = (SQL / "checks" / "price_status_is_consistent.sql").read_text()
    [listed] = re.findall(r"price_status NOT IN \((.+)\)", check)

    accepted = promises_of("spot_vm_costs")["price_status", "accepted_values"]["arguments"]["values"]
    assert sorted(accepted) == sorted(re.findall(r"'(\w+)'", listed))


def test_tables_with_rows_for_every_hour_are_stale_after_three_hours() -> None:
    fresh = {name: table["config"] for name, table in BY_NAME.items() if "config" in table}

    assert set(fresh) == {"project_hours", "tracker_runs"}
    for config in fresh.values():
        assert config["loaded_at_field"] == "hour"
        assert config["freshness"]["warn_after"] == {"count": 3, "period": "hour"}


def test_the_file_is_valid_where_a_text_has_quotes_or_colons() -> None:
    descriptions = re.findall(r"(?m)^ +description: (.+)$", sources())

    assert len(descriptions) > 600
    assert all(isinstance(json.loads(each), str) for each in descriptions)
    assert table_names()
