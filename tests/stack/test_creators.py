"""Who created VMs without a team, all the way: emulated Compute Engine, tracker, tables, view and report."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.bigquery.tables import create_views
from infra.local.fleet.fleet import FLEET_START
from infra.local.fleet.scenario import PROJECTS
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from tests.adapters.conftest import new_dataset

TRACKER = "track_spot_costs"
NOW = FLEET_START + timedelta(hours=8, minutes=7)
BUILDER = "builder@example.com"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    """The tracker with records of its own, which may name people."""
    with new_dataset(stack, "creators") as name:
        stack.set_time(NOW)
        stack.serve_function(TRACKER, {"DATASET": name, "RECORD_CREATORS": "true"})
        yield name
        stack.control("POST", "reset")
        stack.serve_function(TRACKER)


def creators(stack: Stack, dataset: str) -> dict[str, str]:
    """Who created which VM, by its name."""
    sql = (
        f"SELECT instance_name, created_by FROM `{HOME_PROJECT}.{dataset}.vm_creators` WHERE created_at >= '2026-01-01'"
    )
    return {row.instance_name: row.created_by for row in stack.client().query(sql).result()}


def asked(stack: Stack, dataset: str) -> set[tuple[str | None, str, str | None]]:
    """The creators of VMs without a team, their kinds and groups."""
    create_views(stack.client(), dataset, NOW)
    rows = stack.client().query(f"SELECT * FROM `{HOME_PROJECT}.{dataset}.unattributed_creators`").result()
    return {(row.created_by, row.creator_kind, row.created_by_group) for row in rows}


def test_the_creators_of_vms_without_a_team_are_on_record_and_in_the_report(
    stack: Stack, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = stack.schedule(NOW)
    first = creators(stack, dataset)
    stack.schedule(NOW)
    rows = asked(stack, dataset)
    for name, value in stack.settings.items():
        monkeypatch.setenv(name, value)
    page = tmp_path / "report.html"
    code = main(["report", "--project", HOME_PROJECT, "--dataset", dataset, "--output", str(page)])

    assert answer.status == 200
    assert BUILDER in first.values()
    assert any(who.endswith("@cloudservices.gserviceaccount.com") for who in first.values())
    assert creators(stack, dataset) == first
    assert {kind for _, kind, _ in rows} <= {"person", "google_service_agent", "not_recorded"}
    assert (BUILDER, "person", None) in rows
    assert code == 0
    assert BUILDER in page.read_text(encoding="utf-8")


def test_an_hour_is_complete_though_operations_of_creations_are_refused(stack: Stack, dataset: str) -> None:
    # Preemptions are read before, with one call for each project.
    rule = {"service": "compute", "kind": "status", "method": "globalOperations.aggregatedList", "status": 403}
    stack.control("POST", "faults", [{**rule, "first": len(PROJECTS) + 1}])
    answer = stack.schedule(NOW)

    assert (answer.status, answer.body["complete"], answer.body["gaps"]) == (200, True, [])
    assert creators(stack, dataset) == {}
