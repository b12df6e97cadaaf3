"""Two days of the fleet, played as `make run` plays them, against an independent calculation."""

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from infra.local.fleet import FLEET_START
from infra.local.play import play, show
from infra.local.scenario import living_fleet
from infra.local.stack import DATASET, HOME_PROJECT, Stack, running_stack
from tests.end_to_end.independent import (
    Expected,
    expected_preemptions,
    expected_rows,
    expected_type_prices,
    expected_unresolved,
    looks_after,
)

type Rows = dict[tuple[datetime, str, str, str], Expected]

HOURS = [FLEET_START + timedelta(hours=number) for number in range(48)]
LOOKS = looks_after(HOURS)
WINDOW = "usage_start_time >= '2026-07-21' AND usage_start_time < '2026-07-23'"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("played")) as stack:
        play(stack, Console(file=io.StringIO()))
        yield stack


@pytest.fixture(scope="module")
def expected() -> Rows:
    rows = expected_rows(living_fleet(), HOURS, LOOKS)
    return {(row.hour, row.project_id, row.zone, row.instance_id): row for row in rows}


def rows_of(stack: Stack, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in stack.client().query(sql.replace("DATASET", DATASET)).result()]


def test_every_row_is_what_the_scenario_and_the_list_prices_make_it(played: Stack, expected: Rows) -> None:
    found = {
        (row["usage_start_time"], row["project_id"], row["zone"], row["instance_id"]): Expected(
            hour=row["usage_start_time"],
            labels=tuple(sorted((label["key"], label["value"]) for label in row["labels"])),
            **{name: row[name] for name in Expected.__slots__ if name not in {"hour", "labels"}},
        )
        for row in rows_of(played, f"SELECT * FROM DATASET.spot_vm_costs WHERE {WINDOW}")
    }

    assert found.keys() == expected.keys()
    differing = [(found[key], expected[key]) for key in expected if found[key] != expected[key]]
    assert differing == []
    assert len(expected) > 2000


def test_every_row_has_its_key_alone(played: Stack) -> None:
    [row] = rows_of(
        played,
        "SELECT COUNT(*) AS all_rows, "
        "COUNT(DISTINCT FORMAT('%t/%s/%s/%s', usage_start_time, project_id, zone, instance_id)) "
        f"AS keys FROM DATASET.spot_vm_costs WHERE {WINDOW}",
    )

    assert row["all_rows"] == row["keys"]


def test_vms_that_no_look_found_are_named_and_not_guessed(played: Stack) -> None:
    rows = rows_of(
        played,
        "SELECT DISTINCT instance.instance_name "
        "FROM DATASET.tracker_runs AS runs, UNNEST(runs.unresolved_instances) AS instance "
        "WHERE runs.hour >= '2026-07-21'",
    )

    assert {row["instance_name"] for row in rows} == expected_unresolved(living_fleet(), HOURS, LOOKS)
    assert {"probe-20min", "twenty-minutes"} <= {row["instance_name"] for row in rows}


def test_only_the_machine_type_without_a_list_price_has_no_cost(played: Stack) -> None:
    rows = rows_of(
        played,
        "SELECT DISTINCT machine_type, spot_price, cost, price_status, price_reason FROM DATASET.spot_vm_costs "
        f"WHERE {WINDOW} AND cost IS NULL",
    )

    assert [(row["machine_type"], row["price_status"]) for row in rows] == [("n9-standard-4", "unknown")]
    assert rows[0]["spot_price"] is None
    assert "n9" in rows[0]["price_reason"]


def test_every_hour_is_complete_and_every_price_exact(played: Stack) -> None:
    hours = rows_of(played, "SELECT hour, complete, gaps FROM DATASET.tracker_runs WHERE hour >= '2026-07-21'")
    statuses = rows_of(played, f"SELECT DISTINCT price_status FROM DATASET.spot_vm_costs WHERE {WINDOW}")

    assert sorted(row["hour"] for row in hours) == HOURS
    assert [row for row in hours if not row["complete"]] == []
    assert {row["price_status"] for row in statuses} == {"exact", "unknown"}


def test_prices_changed_when_the_catalogue_did(played: Stack) -> None:
    rows = rows_of(
        played,
        "SELECT region, valid_from, rate FROM DATASET.spot_prices WHERE component = 'n2:core' AND market = 'spot' "
        "AND region IN ('us-central1', 'europe-west4') ORDER BY region, valid_from",
    )

    assert [(row["region"], row["valid_from"] - FLEET_START, row["rate"]) for row in rows] == [
        ("europe-west4", timedelta(0), Decimal("0.01332")),
        ("europe-west4", timedelta(hours=36), Decimal("0.01265")),
        ("us-central1", timedelta(0), Decimal("0.01363")),
        ("us-central1", timedelta(hours=30), Decimal("0.01499")),
    ]


def test_every_preemption_is_recorded_with_the_type_the_vm_had(played: Stack) -> None:
    rows = rows_of(played, "SELECT * FROM DATASET.spot_preemptions WHERE preempted_at >= '2026-07-01'")
    names = ("preempted_at", "project_id", "zone", "instance_id", "instance_name", "machine_type")

    found = [tuple(row[name] for name in names) for row in rows]

    assert set(found) == expected_preemptions(living_fleet(), HOURS, LOOKS)
    assert len(found) == len(set(found)) > 40
    assert {row["zone"].startswith(row["region"]) for row in rows} == {True}


def test_the_price_list_is_what_the_latest_catalogue_makes_it(played: Stack) -> None:
    rows = rows_of(played, "SELECT * FROM DATASET.machine_type_prices")
    columns = ("spot_price", "ondemand_price", "commitment_1yr_price", "commitment_3yr_price")
    listed = {(row["machine_type"], row["region"]): tuple(row[name] for name in columns) for row in rows}

    expected = expected_type_prices(living_fleet(), HOURS[-1])

    assert len(listed) == len(rows)
    assert {pair: listed[pair][:2] for pair in expected} == {pair: prices[:2] for pair, prices in expected.items()}
    # The catalogue rounds the rate of each part of a commitment to a billionth of a dollar, and a VM has many of each.
    assert {pair: [None if price is None else round(price, 6) for price in listed[pair][2:]] for pair in expected} == {
        pair: [None if price is None else round(price, 6) for price in prices[2:]] for pair, prices in expected.items()
    }
    assert len(expected) > 50
    assert {row["architecture"] for row in rows if row["machine_type"].startswith("t2a")} == {"ARM64"}


def test_the_budgets_are_those_of_the_settings(played: Stack) -> None:
    rows = rows_of(played, "SELECT period, budget, budget_id FROM DATASET.budgets")

    named = {"hour": "HOURLY_BUDGET_USD", "day": "DAILY_BUDGET_USD", "month": "MONTHLY_BUDGET_USD"}
    expected = {period: Decimal(played.settings[name]) for period, name in named.items() if name in played.settings}
    assert {row["period"]: row["budget"] for row in rows} == expected != {}
    assert {row["budget_id"] for row in rows} == {played.settings["BUDGET_ID"]}


def test_each_share_of_each_budget_is_told_once(played: Stack) -> None:
    rows = rows_of(
        played,
        "SELECT period, period_start, threshold, COUNT(*) AS times FROM DATASET.budget_alerts "
        "WHERE period_start >= '2026-06-01' GROUP BY period, period_start, threshold",
    )

    assert rows
    assert [row for row in rows if row["times"] != 1] == []


def test_no_staging_table_is_left(played: Stack) -> None:
    assert [table.table_id for table in played.client().list_tables(DATASET) if "staging" in table.table_id] == []


def test_the_summary_shows_the_same_sums(played: Stack, expected: Rows) -> None:
    screen = io.StringIO()

    show(played, Console(file=screen, width=200))

    text = screen.getvalue()
    total = sum((row.cost for row in expected.values() if row.cost is not None), Decimal(0))
    assert f"{total:.4f}" in text
    assert "early-bird" in text
    assert "probe-20min" in text
    assert "Complete hours: 48 of 48" in text


def test_the_real_bq_client_shows_the_same_sums(played: Stack, expected: Rows) -> None:
    bq = shutil.which("bq")
    if bq is None:
        pytest.skip("the bq client is not installed here")
    sql = f"SELECT project_id, SUM(cost) AS cost FROM {DATASET}.spot_vm_costs WHERE {WINDOW} GROUP BY project_id"
    command = [bq, "--api", played.bigquery, "--project_id", HOME_PROJECT, "--oauth_access_token=x", "--format=csv"]
    answer = subprocess.run(  # noqa: S603
        [*command, "query", "--use_legacy_sql=false", sql], capture_output=True, text=True, check=True, timeout=60
    )

    sums: dict[str, Decimal] = {}
    for row in expected.values():
        sums[row.project_id] = sums.get(row.project_id, Decimal(0)) + (row.cost or 0)
    lines = answer.stdout[answer.stdout.index("project_id") :]
    assert {row["project_id"]: Decimal(row["cost"]) for row in csv.DictReader(io.StringIO(lines))} == sums
