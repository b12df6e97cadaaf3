"""Two days of the small fleet, tracked as `make run` tracks its month, against an independent calculation."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from rich.console import Console

from infra.local.bigquery.tables import create_views
from infra.local.demo.costs import show_costs
from infra.local.demo.month import MINUTE_OF_CALL, Call, track
from infra.local.emulators.compute.capacity_api import DISAGREES
from infra.local.fleet.fleet import FLEET_START
from infra.local.fleet.scenario import living_fleet
from infra.local.stack.stack import DATASET, HOME_PROJECT, Stack, running_stack
from spotkeeper.cli.main import main
from spotkeeper.report.rows import UNRESOLVED
from tests.end_to_end import report_figures as figures
from tests.end_to_end.independent import (
    Expected,
    expected_preemptions,
    expected_readings,
    expected_rows,
    expected_type_prices,
    expected_unresolved,
    expected_unresolved_uptime,
    rounded,
    scans_after,
)
from tests.report.browsers import needs_chromium, opened, running_browser
from tests.report.reading import read
from tests.sql.usual_rows import complete

type Rows = dict[tuple[datetime, str, str, str], Expected]

HOURS = [FLEET_START + timedelta(hours=number) for number in range(48)]
CALLS = [1, 2, 3, *range(7, 48, 6), 48]
"""The first calls are hourly; then five of six are left out, as in an outage, and the next call catches up."""
UNTRACED = "probe-untraced"
"""The VM that came and went between two scans and that the asset inventory does not know."""

UNTRACED_HOUR = HOURS[13]
"""The hour in which it ran: read in the next call, and in the one after, which no longer waits to learn of it."""

CHANGED = HOURS[25:32]
"""The hours from that of the reading of the catalog at 01:07 to that at 07:07: the price of N2 changed at 07:00."""

SCANS = scans_after(HOURS[number - 1] for number in CALLS)
WINDOW = "usage_start_time >= '2026-07-21' AND usage_start_time < '2026-07-23'"
STOP = {
    "instance_name": "made-up",
    "happened_at": "2026-07-22T12:30:00Z",
    "hourly_savings": "0.5",
    "reason": "place 1 of 1 in the order of stopping",
}
"""A VM that was stopped eleven hours and a half before the end of the two days."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("demo")) as stack:
        track(
            stack,
            Console(file=io.StringIO()),
            [Call(FLEET_START + timedelta(hours=at) + MINUTE_OF_CALL) for at in CALLS],
        )
        yield stack


@pytest.fixture(scope="module")
def expected() -> Rows:
    rows = expected_rows(living_fleet(), HOURS, SCANS)
    return {(row.start, row.project_id, row.zone, row.instance_id): row for row in rows}


def rows_of(stack: Stack, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in stack.client().query(sql.replace("DATASET", DATASET)).result()]


def test_every_row_is_what_the_scenario_and_the_list_prices_make_it(demo: Stack, expected: Rows) -> None:
    found = {
        (row["usage_start_time"], row["project_id"], row["zone"], row["instance_id"]): Expected(
            start=row["usage_start_time"],
            labels=tuple(sorted((label["key"], label["value"]) for label in row["labels"])),
            **{name: row[name] for name in Expected.__slots__ if name not in {"start", "labels"}},
        )
        for row in rows_of(demo, f"SELECT * FROM DATASET.spot_vm_costs WHERE {WINDOW}")
    }

    assert found.keys() == expected.keys()
    differing = [(found[key], expected[key]) for key in expected if found[key] != expected[key]]
    assert differing == []
    assert len(expected) > 2000


def test_every_row_has_its_key_alone(demo: Stack) -> None:
    [row] = rows_of(
        demo,
        "SELECT COUNT(*) AS all_rows, "
        "COUNT(DISTINCT FORMAT('%t/%s/%s/%s', usage_start_time, project_id, zone, instance_id)) "
        f"AS keys FROM DATASET.spot_vm_costs WHERE {WINDOW}",
    )

    assert row["all_rows"] == row["keys"]


def test_vms_that_no_source_knows_are_named_and_not_guessed(demo: Stack) -> None:
    rows = rows_of(
        demo,
        "SELECT DISTINCT instance.instance_name "
        "FROM DATASET.tracker_runs AS runs, UNNEST(runs.unresolved_instances) AS instance "
        "WHERE runs.hour >= '2026-07-21'",
    )

    assert {row["instance_name"] for row in rows} == expected_unresolved(living_fleet(), HOURS, SCANS)
    assert {row["instance_name"] for row in rows} == {UNTRACED}


def test_the_uptime_that_no_source_could_identify_is_on_record_by_project_and_hour(demo: Stack) -> None:
    rows = rows_of(demo, "SELECT * FROM DATASET.project_hours WHERE hour >= '2026-07-21' AND unresolved > 0")

    unseen = expected_unresolved_uptime(living_fleet(), HOURS, SCANS)
    assert {(row["hour"], row["project_id"]): (row["unresolved"], row["unresolved_hours"]) for row in rows} == {
        key: (len(uptimes), rounded(sum(uptimes, Fraction(0)))) for key, uptimes in unseen.items()
    }
    assert unseen.keys() == {(UNTRACED_HOUR, "research-ml")}


def test_only_the_machine_type_without_a_list_price_has_no_cost(demo: Stack) -> None:
    rows = rows_of(
        demo,
        "SELECT DISTINCT machine_type, spot_price, cost, price_status, price_reason FROM DATASET.spot_vm_costs "
        f"WHERE {WINDOW} AND cost IS NULL",
    )

    assert [(row["machine_type"], row["price_status"]) for row in rows] == [("n9-standard-4", "unknown")]
    assert rows[0]["spot_price"] is None
    assert "n9" in rows[0]["price_reason"]


def test_every_hour_is_complete_and_every_price_exact_or_says_what_is_not_known(demo: Stack) -> None:
    readings = rows_of(demo, "SELECT hour, complete, gaps FROM DATASET.tracker_runs WHERE hour >= '2026-07-21'")
    states = rows_of(demo, "SELECT hour, project_id, state FROM DATASET.project_hours WHERE hour >= '2026-07-21'")
    statuses = rows_of(demo, f"SELECT DISTINCT price_status FROM DATASET.spot_vm_costs WHERE {WINDOW}")
    changed = rows_of(
        demo,
        "SELECT DISTINCT TIMESTAMP_TRUNC(usage_start_time, HOUR) AS hour, "
        "SPLIT(machine_type, '-')[OFFSET(0)] AS family, local_ssd_gib > 0 AS has_ssd, price_status "
        f"FROM DATASET.spot_vm_costs WHERE {WINDOW} AND price_status NOT IN ('exact', 'unknown')",
    )

    assert sorted(row["hour"] for row in readings) == sorted(
        [*expected_readings(HOURS, CALLS), UNTRACED_HOUR, *CHANGED]
    )
    assert [
        (row["hour"], [(gap["source"], gap["final"]) for gap in row["gaps"]]) for row in readings if row["gaps"]
    ] == [(UNTRACED_HOUR, [("asset history", True)])]
    assert len(states) == len(HOURS) * len(living_fleet().projects)
    assert {(row["hour"], row["project_id"]): row["state"] for row in states} == {
        (hour, project.project_id): "provisional" if hour == HOURS[-1] else "complete"
        for hour in HOURS
        for project in living_fleet().projects
    } | {(UNTRACED_HOUR, "research-ml"): "final"}
    assert {row["price_status"] for row in statuses} == {"exact", "confirmed", "uncertain", "unknown"}
    assert {(row["hour"], row["family"]) for row in changed} == {(hour, "n2") for hour in CHANGED}
    # Google's history has no price with local SSD, and the calls of a day do not reach every type in every region.
    assert {row["price_status"] for row in changed} == {"confirmed", "uncertain"}
    assert not any(row["has_ssd"] for row in changed if row["price_status"] == "confirmed")


def test_prices_changed_when_the_catalog_did(demo: Stack) -> None:
    rows = rows_of(
        demo,
        "SELECT region, valid_from, rate FROM DATASET.spot_prices WHERE component = 'n2:core' AND market = 'spot' "
        "AND region IN ('us-central1', 'europe-west4') ORDER BY region, valid_from",
    )

    assert [(row["region"], row["valid_from"] - FLEET_START, row["rate"]) for row in rows] == [
        ("europe-west4", timedelta(0), Decimal("0.01332")),
        ("europe-west4", timedelta(hours=31), Decimal("0.01265")),
        ("us-central1", timedelta(0), Decimal("0.01363")),
        ("us-central1", timedelta(hours=31), Decimal("0.01499")),
    ]


def test_every_preemption_is_recorded_with_the_type_the_vm_had(demo: Stack) -> None:
    rows = rows_of(demo, "SELECT * FROM DATASET.spot_preemptions WHERE preempted_at >= '2026-07-01'")
    names = ("preempted_at", "project_id", "zone", "instance_id", "instance_name", "machine_type")

    found = [tuple(row[name] for name in names) for row in rows]

    assert set(found) == expected_preemptions(living_fleet(), HOURS, SCANS)
    assert len(found) == len(set(found)) > 40
    assert {row["zone"].startswith(row["region"]) for row in rows} == {True}


def test_the_price_list_is_what_the_latest_catalog_makes_it(demo: Stack) -> None:
    rows = rows_of(demo, "SELECT * FROM DATASET.machine_type_prices")
    columns = ("spot_price", "ondemand_price", "commitment_1yr_price", "commitment_3yr_price")
    listed = {(row["machine_type"], row["region"]): tuple(row[name] for name in columns) for row in rows}

    expected = expected_type_prices(living_fleet(), HOURS[-1])

    assert len(listed) == len(rows)
    assert {pair: listed[pair][:2] for pair in expected} == {pair: prices[:2] for pair, prices in expected.items()}
    # The catalog rounds the rate of each part of a commitment to a billionth of a dollar, and a VM has many of each.
    assert {pair: [None if price is None else round(price, 6) for price in listed[pair][2:]] for pair in expected} == {
        pair: [None if price is None else round(price, 6) for price in prices[2:]] for pair, prices in expected.items()
    }
    assert len(expected) > 50
    assert {row["architecture"] for row in rows if row["machine_type"].startswith("t2a")} == {"ARM64"}


def test_one_machine_type_disagrees_with_google_s_own_price_history_and_is_found(demo: Stack) -> None:
    rows = demo.client().query_and_wait(
        f"SELECT DISTINCT machine_type, region, status FROM {DATASET}.price_checks WHERE status != 'uncertain'"
    )
    found = {(row["machine_type"], row["region"]): row["status"] for row in rows}

    assert [place for place, status in found.items() if status == "differs"] == [DISAGREES]
    assert len(found) > 9


def test_the_budgets_are_those_of_the_settings(demo: Stack) -> None:
    rows = rows_of(demo, "SELECT period, budget, budget_id FROM DATASET.budgets")

    named = {"hour": "HOURLY_BUDGET_USD", "day": "DAILY_BUDGET_USD", "month": "MONTHLY_BUDGET_USD"}
    expected = {period: Decimal(demo.settings[name]) for period, name in named.items() if name in demo.settings}
    assert {row["period"]: row["budget"] for row in rows} == expected != {}
    assert {row["budget_id"] for row in rows} == {demo.settings["BUDGET_ID"]}


def test_each_share_of_each_budget_is_alerted_once(demo: Stack) -> None:
    rows = rows_of(
        demo,
        "SELECT period, period_start, kind, threshold, COUNT(*) AS times, COUNT(message_id) AS sent "
        "FROM DATASET.budget_alerts WHERE period_start >= '2026-06-01' "
        "GROUP BY period, period_start, kind, threshold",
    )

    assert rows
    assert [row for row in rows if (row["times"], row["sent"]) != (1, 1)] == []


def test_no_staging_table_is_left(demo: Stack) -> None:
    assert [table.table_id for table in demo.client().list_tables(DATASET) if "staging" in table.table_id] == []


def test_the_summary_shows_the_same_sums(demo: Stack, expected: Rows) -> None:
    screen = io.StringIO()

    show_costs(demo, HOURS[0], HOURS[-1] + timedelta(hours=1), Console(file=screen, width=200))

    text = screen.getvalue()
    total = sum((row.cost for row in expected.values() if row.cost is not None), Decimal(0))
    assert f"{total:.4f}" in text
    assert "early-bird" in text
    assert UNTRACED in text
    assert "Complete hours: 46 of 48; provisional, to be read once more: 1." in text
    unseen = figures.unresolved(expected_unresolved_uptime(living_fleet(), HOURS, SCANS))
    assert f"({figures.priced_share(list(expected.values()), unseen.hours):.2%})" in text
    assert f"{unseen.hours:.2f} could not be identified" in text
    listed = text.partition("VMs that came and went")[2].partition("Alerts sent")[0]
    ran = [Decimal(hours) for hours in re.findall(r", ([0-9.]+) h$", listed, re.MULTILINE)]
    assert len(ran) == len(expected_unresolved(living_fleet(), HOURS, SCANS))
    assert abs(sum(ran) - unseen.hours) <= len(ran) * Decimal("0.005")


def test_the_real_bq_client_shows_the_same_sums(demo: Stack, expected: Rows) -> None:
    bq = shutil.which("bq")
    if bq is None:
        pytest.skip("the bq client is not installed here")
    sql = f"SELECT project_id, SUM(cost) AS cost FROM {DATASET}.spot_vm_costs WHERE {WINDOW} GROUP BY project_id"
    command = [bq, "--api", demo.bigquery, "--project_id", HOME_PROJECT, "--oauth_access_token=x", "--format=csv"]
    answer = subprocess.run(  # noqa: S603
        [*command, "query", "--use_legacy_sql=false", sql], capture_output=True, text=True, check=True, timeout=60
    )

    sums: dict[str, Decimal] = {}
    for row in expected.values():
        sums[row.project_id] = sums.get(row.project_id, Decimal(0)) + (row.cost or 0)
    lines = answer.stdout[answer.stdout.index("project_id") :]
    assert {row["project_id"]: Decimal(row["cost"]) for row in csv.DictReader(io.StringIO(lines))} == sums


@pytest.fixture(scope="module")
def report(demo: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the two days, as the command writes it, with a stop that was made up for it."""
    stopped = complete("enforcement_actions", {"message_id": "m-1", "instance_id": "1", **STOP, "event": "stopped"})
    planned = complete("enforcement_actions", {"message_id": "m-1", "instance_id": "1", **STOP, "event": "planned"})
    for row in (planned, stopped):
        line = io.BytesIO(json.dumps({name: value for name, value in row.items() if value is not None}).encode())
        configuration = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
        table = f"{DATASET}.enforcement_actions"
        demo.client().load_table_from_file(line, table, job_config=configuration).result()
    create_views(demo.client(), DATASET, HOURS[-1] + timedelta(hours=1, minutes=10))
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BIGQUERY_ENDPOINT", demo.bigquery)
        environment.setenv("PROJECT_ID", HOME_PROJECT)
        assert main(["report", "--dataset", DATASET, "--output", str(path), "--csv", str(path.parent)]) == 0
    return path


def test_the_sums_of_the_report_are_those_of_the_scenario(report: Path, expected: Rows) -> None:
    page, rows = read(report.read_text(encoding="utf-8")), list(expected.values())
    savings = figures.savings_by_day(rows, expected_preemptions(living_fleet(), HOURS, SCANS))
    places = {
        **figures.costs_by(rows, lambda row: f"{row.machine_type} {row.zone}"),
        f"{UNRESOLVED} {UNRESOLVED}": None,
    }

    assert page.amounts("teams", "team") == {**figures.costs_by(rows, figures.team_of), UNRESOLVED: None}
    assert page.amounts("days", "day") == figures.costs_by(rows, figures.day_of)
    for day, (saved, net) in savings.items():
        assert page.amounts("savings", "day", "savings")[day] == saved
        assert page.amounts("savings", "day", "net_savings")[day] == net
    listed = {
        f"{row['machine_type']} {row['zone']}".strip(): Decimal(row["cost"]) if row["cost"] else None
        for row in page.tables["places"]
    }
    rest = listed.pop(f"other ({len(places) - len(listed) + 1})")
    assert listed == {name: places[name] for name in listed}
    assert rest == places["all"] - sum(amount or 0 for name, amount in listed.items() if name != "all")  # type: ignore[operator]
    assert Decimal(page.cards["spent"]) == places["all"]
    assert Decimal(page.cards["saved"]) == sum(saved for saved, _ in savings.values())
    unseen = figures.unresolved(expected_unresolved_uptime(living_fleet(), HOURS, SCANS))
    priced = figures.priced_share(rows, unseen.hours)
    assert float(page.cards["known"]) == pytest.approx(float(priced), abs=1e-6)


def test_what_the_report_says_of_budgets_prices_and_interruptions_is_what_the_scenario_makes(
    demo: Stack, report: Path, expected: Rows
) -> None:
    fleet, rows = living_fleet(), list(expected.values())
    page = read(report.read_text(encoding="utf-8"))
    preempted = expected_preemptions(fleet, HOURS, SCANS)
    by_type = figures.preemptions_by_type(preempted)

    # The check idle_resources_equal_rows compares these sums with the rows of disks and addresses.
    sums = rows_of(
        demo, "SELECT usage_hour, SUM(cost) AS cost FROM `DATASET.hourly_idle_resources` GROUP BY usage_hour"
    )
    for period, budget in figures.budgets(rows, {each["usage_hour"]: each["cost"] for each in sums}).items():
        assert page.amounts("budgets", "budget", "spent")[period] == budget.spent
        assert float(page.amounts("budgets", "budget", "projected_cost")[period] or 0) == pytest.approx(
            float(budget.projected), abs=1e-3
        )
    assert page.amounts("budgets", "budget", "amount") == {
        "month": Decimal(demo.settings["MONTHLY_BUDGET_USD"]),
        "day": Decimal(demo.settings["DAILY_BUDGET_USD"]),
    }
    changes = [Decimal(row["monthly_cost_change"]) for row in page.tables["prices"] if row["monthly_cost_change"]]
    wanted = figures.cost_of_price_changes(fleet, rows, SCANS, HOURS[0])
    assert float(sum(changes)) == pytest.approx(float(wanted), abs=1e-3)
    assert int(page.cards["interrupted"]) == len(preempted)
    listed = page.amounts("interruptions", "name", "preemptions")
    assert {name: by_type[name] for name in listed if not name.startswith("other (")} == {
        name: number for name, number in listed.items() if not name.startswith("other (")
    }
    uptime = expected_unresolved_uptime(fleet, HOURS, SCANS)
    unseen, estimate = figures.unresolved(uptime), figures.estimated_cost(rows, uptime)
    assert (
        f"{unseen.times} time no source could identify a VM that ran in an hour: {unseen.hours:.1f} VM-hours "
        f"in all, Spot or not, that are not in the cost. About ${estimate:.2f} if they are Spot VMs"
    ) in page.text
    about = Decimal(page.cards["spent"]) + estimate
    assert f"at least this, about ${about:,.2f} if the unidentified VMs are Spot" in page.text
    assert "46 of 48 hours are complete. 1 hour is provisional: late points may still raise the cost." in page.text


def test_whom_to_ask_and_what_would_be_cheaper_is_what_the_scenario_makes(report: Path, expected: Rows) -> None:
    fleet, rows = living_fleet(), list(expected.values())
    page = read(report.read_text(encoding="utf-8"))
    nobody = figures.costs_by(
        (row for row in rows if figures.team_of(row) == "(unlabelled)"), lambda row: row.project_id
    )
    prices = expected_type_prices(fleet, HOURS[-1])
    hours = figures.vm_hours(fleet, rows)

    asked: dict[str, Decimal] = {}
    identified = [row for row in page.tables["unattributed"] if row["name_pattern"] != UNRESOLVED]
    assert len(identified) < len(page.tables["unattributed"])
    for row in identified:
        asked[row["project_id"]] = asked.get(row["project_id"], Decimal(0)) + Decimal(row["cost"])
    assert asked == {project: cost for project, cost in nobody.items() if project != "all"} != {}
    assert len(page.tables["cheaper"]) > 10
    for row in page.tables["cheaper"]:
        place, option = (row["machine_type"], row["region"]), (row["option_machine_type"], row["option_region"])
        here, there = Decimal(row["spot_price"]), Decimal(row["option_spot_price"])
        assert (here, Decimal(row["weekly_vm_hours"])) == (prices[place][0], hours[place])
        assert there == prices.get(option, (there,))[0]
        assert float(row["monthly_savings"]) == pytest.approx(
            float((here - there) * hours[place] * 730 / 168), abs=1e-5
        )


def test_the_report_lists_the_stop_with_its_reason_and_what_it_avoided(report: Path) -> None:
    page = read(report.read_text(encoding="utf-8"))

    assert [(row["instance"], row["outcome"], row["reason"]) for row in page.tables["enforcement"]] == [
        (STOP["instance_name"], "stopped", STOP["reason"])
    ]
    assert page.tables["effects"][0]["avoided"] == "5.75"


@needs_chromium
def test_the_figures_that_a_browser_shows_are_those_of_the_views(demo: Stack, report: Path) -> None:
    days = rows_of(demo, "SELECT usage_date, SUM(cost) AS cost FROM DATASET.daily_cost_breakdown GROUP BY usage_date")
    teams = rows_of(demo, "SELECT team, SUM(cost) AS cost FROM DATASET.daily_cost_by_team GROUP BY team")
    [saved] = rows_of(demo, "SELECT SUM(savings) AS amount FROM DATASET.daily_spot_savings")
    budgets = rows_of(demo, "SELECT period, projected_cost FROM DATASET.budget_status")
    [burn] = rows_of(demo, "SELECT MAX_BY(burn_rate, usage_start_time) AS amount FROM DATASET.hourly_burn_rate")

    with running_browser() as browser, opened(browser, report) as window:
        window.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        cards = {name: window.locator(f"#card-{name} .figure").inner_text() for name in ("spent", "saved", "burn")}
        shown = {name: window.locator(f"#table-{name}").inner_text() for name in ("days", "teams", "budgets")}

    assert cards == {
        "spent": f"${sum(row['cost'] for row in days):,.2f}",
        "saved": f"${saved['amount']:,.2f}",
        "burn": f"${burn['amount']:,.2f}",
    }
    for row in days:
        assert re.search(rf"{row['usage_date'].day}\sJul\s2026\s+\${row['cost']:,.2f}\s", shown["days"])
    for row in teams:
        cost = "unknown" if row["cost"] is None else f"${row['cost']:,.2f}"
        assert re.search(rf"{re.escape(row['team'])}\s+{re.escape(cost)}\s", shown["teams"])
    for row in budgets:
        assert f"${row['projected_cost']:,.2f}" in shown["budgets"]
