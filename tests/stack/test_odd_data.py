"""A fleet of oddities, all the way: Compute Engine, the tracker, the tables, the views, the report, and a plan."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.local.bigquery.tables import create_views
from infra.local.fleet.fleet import Vm
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.report import write_report
from spotkeeper.enforcement.enforce import enforce
from spotkeeper.enforcement.notifications import read_notification
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.gcp.enforcer import enforcer_ports
from spotkeeper.report.csv_files import safe
from spotkeeper.tracking.run_summary import Summary
from tests.adapters.conftest import ALL_PRIORITIES, Tracker, new_dataset, new_tracker
from tests.faults.deliveries import envelope
from tests.report.reading import read
from tests.stack.odd_fleet import HALF_A_PAIR, NOWHERE, ODD_UPTIMES, TEXTS, at, odd_cloud

BUDGET = "budget-of-oddities"
NOW = at(1, 7)
UNKNOWN_UPTIMES = {"no-number", "endless", "less-than-nothing", "made-good-by-another-series"}
WITHOUT_ROWS = {*UNKNOWN_UPTIMES, "nothing", "stranger"}
LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Played:
    """What one hour of the fleet came to: the run, the tables, and the files of the report."""

    tracker: Tracker
    vms: tuple[Vm, ...]
    summary: Summary
    costs: dict[str, dict[str, Any]]
    plan: dict[str, dict[str, Any]]
    report: Path

    def cells(self, name: str, column: str) -> Counter[str]:
        """Return how often each value stands in a column of one of the CSV files."""
        with (self.report / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return Counter(row[column] for row in csv.DictReader(file))


@pytest.fixture(scope="module")
def played(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """One hour of the odd fleet, tracked, planned for and reported."""
    with odd_cloud() as cloud, new_dataset(stack, "odd") as dataset:
        own = dict.fromkeys(("COMPUTE_ENDPOINT", "BILLING_ENDPOINT", "ASSETS_ENDPOINT"), cloud.rest_url)
        own |= {"MONITORING_ENDPOINT": f"http://{cloud.grpc_target}", "PROJECTS": HOME_PROJECT, "DATASET": dataset}
        own |= {"ASSET_HISTORY": "true", "CUSTOM_METRICS": "false", "BUDGET_TOPIC": "", "BUDGET_ID": ""}
        there = replace(stack, rest=cloud.rest_url, grpc=cloud.grpc_target, settings={**stack.settings, **own})
        tracker = new_tracker(there, dataset)
        summary = tracker.run(0)
        plan_without_stopping(there)
        create_views(stack.client(), dataset, NOW)
        folder = tmp_path_factory.mktemp("report")
        write_report(dict(there.settings), 30, NOW, folder / "report.html", csv=folder, labels=True)
        vms = cloud.state.fleet.vms
        costs = {row["instance_id"]: row for row in tracker.costs()}
        planned = {row["instance_id"]: row for row in tracker.rows("SELECT * FROM enforcement_actions")}
        yield Played(tracker, vms, summary, costs, planned, folder)


def plan_without_stopping(stack: Stack) -> None:
    rule = {"projects": [HOME_PROJECT], "steps": ALL_PRIORITIES, "max_stops_per_alert": 500}
    policy = {"budgets": {BUDGET: {**rule, "max_stops_per_day": 500}}, "max_stops_per_day_total": 500}
    overrides = {"ENFORCEMENT_MODE": "dry_run", "ENFORCEMENT_POLICY": json.dumps(policy)}
    settings = EnforcerSettings.from_mapping({**stack.settings, **overrides})
    enforce(settings, enforcer_ports(settings), "delivery", read_notification(envelope(BUDGET, "1", NOW, 1100)), NOW)


def recordable(text: str) -> str:
    """Return a text as tables can hold it."""
    return text.replace("\ud800", "?")


def labels_of(row: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in json.loads(row["labels"])}


def test_every_name_label_and_id_is_recorded_as_it_is(played: Played) -> None:
    up = [vm for vm in played.vms if vm.name not in WITHOUT_ROWS]

    found = {number: (row["instance_name"], labels_of(row)) for number, row in played.costs.items()}
    assert found == {
        str(vm.instance_id): (
            vm.name,
            {key: recordable(value) for key, value in sorted(vm.labels_at(NOW).items())},
        )
        for vm in up
    }
    assert len(up) > 70
    assert str(LARGEST) in found


def test_ids_above_every_signed_number_join_and_are_written_with_all_their_digits(played: Played) -> None:
    large = {str(number) for number in (2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, LARGEST)}

    joined = played.tracker.rows(
        "SELECT known.instance_id, COUNT(*) AS times FROM spot_vm_costs AS costs "
        "INNER JOIN vm_inventory AS known USING (project_id, zone, instance_id) "
        "WHERE costs.usage_start_time >= '2026-07-01' AND known.last_seen >= '2026-07-01' GROUP BY 1"
    )
    written = played.tracker.rows(
        "SELECT TO_JSON_STRING(focus) AS row FROM focus_costs AS focus WHERE focus.x_UptimeHours IS NOT NULL"
    )

    assert {row["times"] for row in joined if row["instance_id"] in large} == {1}
    assert large <= {row["instance_id"] for row in joined}
    assert all(sum(number in row["row"] for row in written) == 1 for number in large)


def test_uptimes_that_cannot_be_are_gaps_that_name_the_vm_and_cost_nothing(played: Played) -> None:
    [hour] = played.summary.hours

    details = " ".join(gap.detail for gap in hour.gaps)
    assert {
        name for name in {each.name for each in ODD_UPTIMES} if f"uptime of {name} is" in details
    } == UNKNOWN_UPTIMES
    assert {gap.source for gap in hour.gaps} == {"monitoring"}
    assert [(each.key.instance_id, each.instance_name) for each in hour.unresolved] == [("not-a-number", "stranger")]
    assert WITHOUT_ROWS.isdisjoint(row["instance_name"] for row in played.costs.values())


@pytest.mark.parametrize(
    ("name", "hours"),
    [("more-than-an-hour", 1), ("whole", "0.5"), ("in-two-points", "0.5"), ("in-two-series", "0.333333333")],
)
def test_uptime_of_any_form_is_summed_up_to_an_hour(played: Played, name: str, hours: str) -> None:
    [row] = [row for row in played.costs.values() if row["instance_name"] == name]

    assert row["uptime_hours"] == Decimal(hours)
    assert row["cost"] == (row["spot_price"] * Decimal(hours)).quantize(Decimal("1e-9"))


def test_a_place_and_a_shape_that_nobody_knows_have_no_price_and_no_cost(played: Played) -> None:
    unknown = {row["instance_name"]: row for row in played.costs.values() if row["price_status"] == "unknown"}

    assert unknown.keys() == {"unheard-of", "nowhere"}
    assert [(row["cost"], row["spot_price"]) for row in unknown.values()] == [(None, None)] * 2
    assert "n9-standard-4" in unknown["unheard-of"]["price_reason"]
    assert NOWHERE.rpartition("-")[0] in unknown["nowhere"]["price_reason"]


def test_every_vm_has_a_place_in_the_plan_and_a_reason(played: Played) -> None:
    assert {number: row["instance_name"] for number, row in played.plan.items()} == {
        str(vm.instance_id): vm.name for vm in played.vms
    }
    assert {row["event"] for row in played.plan.values()} == {"planned"}
    assert all("priority (" in row["reason"] for row in played.plan.values())


def test_the_views_have_every_label_as_it_is(played: Played) -> None:
    teams = played.tracker.rows("SELECT team FROM daily_cost_by_team")
    labels = played.tracker.rows("SELECT label_key, label_value FROM cost_by_label WHERE label_key != 'priority'")

    texts = {recordable(text) for text in (*TEXTS.values(), HALF_A_PAIR) if text}
    assert texts | {"(unlabelled)"} <= {row["team"] for row in teams}
    assert {("team", text) for text in texts} <= {(row["label_key"], row["label_value"]) for row in labels}
    assert {(f"key-{number:02}", f"value-{number}") for number in range(64)} <= {
        (row["label_key"], row["label_value"]) for row in labels
    }


def test_the_report_s_files_have_every_text_and_no_formula(played: Played) -> None:
    texts = {safe(recordable(text)) for text in (*TEXTS.values(), HALF_A_PAIR) if text}

    assert texts <= played.cells("teams", "team").keys()
    assert texts - {safe(HALF_A_PAIR.replace("\ud800", "?"))} <= played.cells("actions", "instance_name").keys()


def test_the_report_is_whole_and_shows_texts_as_texts(played: Played) -> None:
    page = read((played.report / "report.html").read_text(encoding="utf-8"))

    assert page.unclosed == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)] == []
    shown = {row["instance"] for row in page.tables["enforcement"]}
    assert {TEXTS[kind] for kind in ("script", "attribute", "comment", "entity", "template", "emoji", "sql")} <= shown
