"""What a run cannot read is a gap of its hours, and the next run fills it; tests/faults tries every fault."""

from typing import Any

import pytest

from spotkeeper.errors import UnavailableError
from tests.adapters.conftest import MakeTracker, Tracker

WITH_HISTORY = {"ASSET_HISTORY": "true"}
"""With it, nothing is lost when Compute Engine was not readable at the only look that would have found a VM."""

STALE = "SELECT price_as_of FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01' AND price_status = 'stale'"

CASES = {
    "a project whose uptime is refused": [
        {"service": "monitoring", "kind": "status", "status": 403, "project": "web-frontend"}
    ],
    "uptime that says it is incomplete": [
        {"service": "monitoring", "kind": "execution_errors", "project": "research-ml"}
    ],
    "a zone that does not answer": [{"service": "compute", "kind": "unreachable_zone", "zone": "us-central1-a"}],
}


@pytest.fixture(scope="module")
def undisturbed_costs() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def undisturbed(make_tracker: MakeTracker, undisturbed_costs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not undisturbed_costs:
        tracker = make_tracker(WITH_HISTORY)
        tracker.run(0)
        tracker.run(1)
        undisturbed_costs.extend(tracker.costs())
    return undisturbed_costs


@pytest.mark.parametrize("faults", CASES.values(), ids=CASES.keys())
def test_a_gap_is_recorded_and_filled_by_the_next_run(
    make_tracker: MakeTracker, undisturbed: list[dict[str, Any]], faults: list[dict[str, Any]]
) -> None:
    tracker = make_tracker(WITH_HISTORY)
    tracker.stack.control("POST", "faults", faults)
    disturbed = tracker.run(0)
    wrong = [row for row in tracker.costs() if row["cost"] is not None and row not in undisturbed]
    tracker.stack.control("DELETE", "faults")
    [recorded] = tracker.rows("SELECT complete, gaps FROM tracker_runs WHERE hour >= '2026-07-01'")
    tracker.run(1)

    assert not disturbed.complete
    assert [gap.source for gap in disturbed.gaps] == [gap["source"] for gap in recorded["gaps"]]
    assert not recorded["complete"]
    assert wrong == []
    assert tracker.costs() == undisturbed
    hours = tracker.rows(
        "SELECT hour, LOGICAL_OR(complete) AS complete FROM tracker_runs WHERE hour >= '2026-07-01' GROUP BY hour"
    )
    assert [row["complete"] for row in hours] == [True, True]


def test_a_catalog_that_ends_in_the_middle_leaves_stale_prices_until_the_next_run(
    make_tracker: MakeTracker, undisturbed: list[dict[str, Any]]
) -> None:
    tracker = make_tracker({**WITH_HISTORY, "PRICE_REFRESH_HOURS": "1"})
    tracker.run(0)
    tracker.stack.control("POST", "faults", [{"service": "catalog", "kind": "truncated"}])
    disturbed = tracker.run(1)
    stale = tracker.costs()
    read_at = {row["price_as_of"] for row in tracker.rows(STALE)}
    tracker.stack.control("DELETE", "faults")
    tracker.run(2)

    assert [gap.source for gap in disturbed.gaps] == ["billing catalog"]
    assert {row["price_status"] for row in stale} == {"exact", "stale", "unknown"}
    assert read_at == {tracker.look_at(0)}
    assert [row["cost"] for row in stale] == [row["cost"] for row in undisturbed]
    assert [
        row for row in tracker.costs() if row["usage_start_time"] <= undisturbed[-1]["usage_start_time"]
    ] == undisturbed


def test_passing_faults_are_tried_again_and_leave_no_trace(
    make_tracker: MakeTracker, undisturbed: list[dict[str, Any]]
) -> None:
    tracker = make_tracker(WITH_HISTORY)
    tracker.stack.control(
        "POST",
        "faults",
        [
            {"service": "monitoring", "kind": "status", "status": 503, "first": 1, "last": 1},
            {"service": "compute", "kind": "status", "status": 429, "first": 2, "last": 2},
            {"service": "compute", "kind": "reset", "first": 1, "last": 1},
            {"service": "catalog", "kind": "status", "status": 500, "first": 1, "last": 1},
        ],
    )

    summary = tracker.run(0)

    assert summary.complete
    hour = min(row["usage_start_time"] for row in undisturbed)
    assert tracker.costs() == [row for row in undisturbed if row["usage_start_time"] == hour]


def test_a_gap_never_takes_away_what_an_earlier_run_knew(
    make_tracker: MakeTracker, undisturbed: list[dict[str, Any]]
) -> None:
    tracker = make_tracker(WITH_HISTORY)
    tracker.run(0)
    tracker.run(1)
    tracker.stack.control("POST", "faults", CASES["a project whose uptime is refused"])

    tracker.run(1, 0, 1)

    assert tracker.costs() == undisturbed


def test_only_the_project_that_lacked_is_read_again(tracker: Tracker) -> None:
    tracker.stack.control("POST", "faults", CASES["a project whose uptime is refused"])
    tracker.run(0)
    tracker.stack.control("DELETE", "faults")

    tracker.run(1)

    hours = tracker.rows(
        "SELECT hour, projects FROM tracker_runs WHERE hour >= '2026-07-01' ORDER BY recorded_at, hour"
    )
    assert [row["projects"] for row in hours] == [
        ["data-platform", "research-ml"],
        ["web-frontend"],
        ["data-platform", "research-ml", "web-frontend"],
    ]


def test_without_any_catalog_every_cost_is_unknown_and_none_is_zero(tracker: Tracker) -> None:
    tracker.stack.control("POST", "faults", [{"service": "catalog", "kind": "status", "status": 503}])

    summary = tracker.run(0)

    rows = tracker.rows(
        "SELECT DISTINCT cost, price_status, price_reason FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01'"
    )
    assert [tuple(row.values()) for row in rows] == [(None, "unknown", "no price catalog has been read yet")]
    assert summary.unpriced.total() == summary.rows > 0


def test_an_hour_before_the_first_reading_is_priced_by_it_and_says_so(tracker: Tracker) -> None:
    tracker.run(5)

    tracker.run(5, 2)

    rows = tracker.rows(
        "SELECT DISTINCT price_status FROM spot_vm_costs WHERE usage_start_time = '2026-07-21T02:00:00Z' "
        "ORDER BY price_status"
    )
    assert [row["price_status"] for row in rows] == ["fallback", "unknown"]


def test_asset_history_that_does_not_answer_is_a_gap_until_it_names_vms_that_no_look_found(
    make_tracker: MakeTracker,
) -> None:
    tracker = make_tracker({"ASSET_HISTORY": "true"})
    tracker.run(9)
    tracker.stack.control("POST", "faults", [{"service": "assets", "kind": "status", "status": 403}])
    probe = (
        "SELECT uptime_hours FROM spot_vm_costs "
        "WHERE instance_name = 'probe-20min' AND usage_start_time >= '2026-07-01'"
    )

    summary = tracker.run(10)
    unnamed = tracker.rows(probe)
    tracker.stack.control("DELETE", "faults")
    tracker.run(11)

    assert [(gap.source, gap.project_id) for gap in summary.gaps] == [("asset history", "research-ml")]
    assert [uptime.instance_name for uptime in summary.unresolved] == ["probe-20min"]
    assert unnamed == []
    assert len(tracker.rows(probe)) == 1


def test_one_vm_that_asset_history_does_not_know_hides_no_other(make_tracker: MakeTracker) -> None:
    tracker = make_tracker({"ASSET_HISTORY": "true", "CATCH_UP_HOURS": "6"})
    tracker.run(9)

    summary = tracker.run(13)

    assert {uptime.instance_name for uptime in summary.unresolved} == {"probe-untraced"}
    assert summary.complete


def test_without_bigquery_nothing_is_recorded_and_the_cause_is_named(make_tracker: MakeTracker) -> None:
    tracker = make_tracker({"BIGQUERY_ENDPOINT": "http://127.0.0.1:9"})

    with pytest.raises(UnavailableError, match=r"BigQuery: .*ConnectionError"):
        tracker.run(0)


def test_a_missing_topic_makes_the_hour_incomplete_and_the_alert_is_sent_later(make_tracker: MakeTracker) -> None:
    topic = "projects/data-platform/topics/not-there"
    disturbed = make_tracker({"HOURLY_BUDGET_USD": "0.01", "BUDGET_TOPIC": topic})
    summary = disturbed.run(0)
    mended = make_tracker({"MONTHLY_BUDGET_USD": "0.01"}, dataset=disturbed.dataset)

    mended.run(1)

    assert [gap.source for gap in summary.gaps] == ["alerts"]
    alerts = mended.rows(
        "SELECT period, threshold FROM budget_alerts WHERE period_start >= '2026-07-01' ORDER BY threshold"
    )
    assert [row["period"] for row in alerts] == ["month"] * 3
    hours = mended.rows("SELECT hour FROM tracker_runs WHERE complete AND hour >= '2026-07-01' ORDER BY hour")
    assert len(hours) == 2
