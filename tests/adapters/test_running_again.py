"""Late, repeated, missed and simultaneous runs leave the tables of an orderly run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.stack.stack import HOME_PROJECT, Stack
from tests.adapters.conftest import MakeTracker, Tracker, new_dataset, new_tracker

HOURS = range(3)


@pytest.fixture(scope="module")
def orderly_tracker(stack: Stack) -> Iterator[Tracker]:
    """Return a tracker whose three hours were each done at their time; others may look at it, and not run it."""
    with new_dataset(stack, "orderly") as dataset:
        tracker = new_tracker(stack, dataset)
        for number in HOURS:
            tracker.run(number)
        yield tracker


@pytest.fixture
def orderly(orderly_tracker: Tracker) -> list[dict[str, Any]]:
    """Return its rows."""
    costs = orderly_tracker.costs()
    assert len(costs) > 100
    return costs


def test_the_same_hours_twice(make_tracker: MakeTracker, orderly: list[dict[str, Any]]) -> None:
    tracker = make_tracker()
    for number in HOURS:
        tracker.run(number)
    tracker.run(2, 2)
    tracker.run(2, *HOURS)

    assert tracker.costs() == orderly
    components = tracker.rows(
        "SELECT machine_type, gpu_type, gpu_count, local_ssd_gib, component FROM shape_components"
    )
    assert len(components) == len(set(map(repr, components))) > 30


def test_hours_out_of_order(make_tracker: MakeTracker, orderly: list[dict[str, Any]]) -> None:
    tracker = make_tracker()
    tracker.run(0)
    for number in (2, 1, 0):
        tracker.run(2, number)

    assert tracker.costs() == orderly


def test_missed_runs_are_caught_up_with(make_tracker: MakeTracker, orderly: list[dict[str, Any]]) -> None:
    tracker = make_tracker()
    tracker.run(0)
    summary = tracker.run(2)

    assert len(summary.hours) == 2
    assert tracker.costs() == orderly


def test_a_call_that_comes_late_does_the_hour_it_was_due_for(
    make_tracker: MakeTracker, orderly: list[dict[str, Any]]
) -> None:
    tracker = make_tracker()
    tracker.run(0)
    tracker.run_late(2, due=1)
    assert [hour.hour.hour for hour in tracker.run(2).hours] == [2]

    assert tracker.costs() == orderly


def test_an_hour_asked_for_again_later_keeps_the_labels_it_had(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    for number in (9, 10):
        tracker.run(number)
    before = tracker.costs()
    tracker.run(14)

    tracker.run(14, 9, 10)

    after = [row for row in tracker.costs() if row["usage_start_time"] <= before[-1]["usage_start_time"]]
    assert after == before
    teams = {row["labels"] for row in before if row["instance_name"] == "notebook-relabelled"}
    assert len(teams) == 2


def test_a_vm_that_is_gone_by_now_is_still_known(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    tracker.run(2)
    summary = tracker.run(3)

    rows = tracker.rows(
        "SELECT instance_id, uptime_hours FROM spot_vm_costs "
        "WHERE usage_start_time = '2026-07-21T03:00:00Z' AND instance_name = 'sweep-worker-1'"
    )
    assert len({row["instance_id"] for row in rows}) == 2
    assert summary.unresolved == []


def test_four_runs_at_the_same_time(make_tracker: MakeTracker, orderly: list[dict[str, Any]]) -> None:
    first = make_tracker()
    trackers = [first, *(make_tracker(dataset=first.dataset) for _ in range(3))]
    with ThreadPoolExecutor(len(trackers)) as pool:
        summaries = list(pool.map(lambda tracker: tracker.run(0, 0), trackers))
    for number in (1, 2):
        first.run(number)

    assert all(summary.complete for summary in summaries)
    assert first.costs() == orderly
    assert [name for name in first.tables() if name.startswith("staging")] == []


def test_prices_are_recorded_once_however_often_the_catalog_is_read(make_tracker: MakeTracker) -> None:
    tracker = make_tracker({"PRICE_REFRESH_HOURS": "1"})
    for number in (0, 1):
        tracker.run(number)

    [row] = tracker.rows(
        "SELECT COUNT(*) AS all_rows, COUNT(DISTINCT FORMAT('%s/%s', sku_id, region)) AS rates, "
        "COUNTIF(valid_to IS NULL) AS held "
        "FROM spot_prices"
    )
    assert row["all_rows"] == row["rates"] == row["held"] > 100


def test_a_complete_hour_is_not_done_again_nor_is_the_catalog_read_between_refreshes(tracker: Tracker) -> None:
    tracker.run(0)
    again = tracker.run(0)
    tracker.stack.control("DELETE", "requests")

    tracker.run(1)

    assert again.hours == ()
    assert "catalog" not in tracker.stack.control("GET", "state")["requests"]


def test_on_demand_vms_are_known_and_not_counted(orderly_tracker: Tracker) -> None:
    models = orderly_tracker.rows(
        "SELECT DISTINCT provisioning_model FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01'"
    )
    known = orderly_tracker.rows("SELECT DISTINCT provisioning_model FROM vm_inventory ORDER BY provisioning_model")

    assert [row["provisioning_model"] for row in models] == ["SPOT"]
    assert [row["provisioning_model"] for row in known] == ["FLEX_START", "SPOT", "STANDARD"]


def test_a_metrics_scope_that_shows_other_projects_counts_nothing_twice(
    make_tracker: MakeTracker, orderly: list[dict[str, Any]]
) -> None:
    tracker = make_tracker()
    others = [name for name in tracker.settings.projects if name != HOME_PROJECT]
    tracker.stack.control("POST", "metrics-scopes", {HOME_PROJECT: others})
    try:
        for number in HOURS:
            tracker.run(number)
    finally:
        tracker.stack.control("POST", "metrics-scopes", {})

    assert tracker.costs() == orderly
