"""Preemptions through the real client: once each, whatever happens to the run that should have recorded them."""

from tests.adapters.conftest import MakeTracker, Tracker

ALL = "SELECT * FROM spot_preemptions WHERE preempted_at >= '2026-07-01' ORDER BY preempted_at, operation_id"


def recorded(tracker: Tracker) -> list[tuple[str, str]]:
    return [(row["instance_name"], row["preempted_at"].isoformat()) for row in tracker.rows(ALL)]


def test_preemptions_that_may_not_be_read_make_a_gap_that_the_next_run_fills(make_tracker: MakeTracker) -> None:
    orderly = make_tracker()
    orderly.run(3)
    tracker = make_tracker()
    denied = [{"project": "research-ml", "denied": ["compute.globalOperations.list"]}]
    tracker.stack.control("POST", "permissions", denied)

    disturbed = tracker.run(3, 3)
    tracker.stack.control("DELETE", "permissions")
    lacking = recorded(tracker)
    tracker.run(3, 3)

    assert {(gap.source, gap.project_id) for gap in disturbed.gaps} == {("preemptions", "research-ml")}
    assert "sweep-worker-1" not in dict(lacking)
    assert recorded(tracker) == [one for one in recorded(orderly) if one[1] >= "2026-07-21T03"]
    assert ("sweep-worker-1", "2026-07-21T03:47:12+00:00") in recorded(tracker)


def test_an_hour_that_is_done_twice_has_its_preemptions_once(tracker: Tracker) -> None:
    tracker.run(3, 2, 3)
    once = recorded(tracker)
    tracker.run(4, 3, 4)

    assert len(once) == len(set(once)) > 0
    assert [one for one in recorded(tracker) if one[1] < "2026-07-21T04"] == once
    assert len(recorded(tracker)) == len(set(recorded(tracker)))


def test_a_zone_that_does_not_answer_is_told_apart(tracker: Tracker) -> None:
    tracker.stack.control(
        "POST", "faults", [{"service": "compute", "kind": "unreachable_zone", "zone": "us-central1-a"}]
    )

    summary = tracker.run(3, 3)

    assert {"compute", "preemptions"} <= {gap.source for gap in summary.gaps}
    assert "sweep-worker-1" not in dict(recorded(tracker))
