"""A run that has read for long enough records what it has, and leaves the rest to the next one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tests.adapters.conftest import MakeTracker, Tracker


def slow(tracker: Tracker, *seconds: float) -> Tracker:
    """Let a tracker's stopwatch show these seconds, each time it is looked at, and the last ones for ever."""
    shown = _ever(seconds)
    return replace(tracker, ports=replace(tracker.ports, stopwatch=lambda: timedelta(seconds=next(shown))))


def _ever(seconds: tuple[float, ...]) -> Iterator[float]:
    yield from seconds
    while True:
        yield seconds[-1]


def test_what_a_run_has_no_time_for_is_a_gap_that_the_next_run_fills(make_tracker: MakeTracker) -> None:
    tracker = make_tracker({"READING_SECONDS": "100"})
    two_projects_fit = (0, 0, 99.9, 99.9, 99.9, 100)

    summary = slow(tracker, *two_projects_fit).run(0)

    assert [(gap.source, gap.detail, gap.project_id) for gap in summary.gaps] == [
        ("time", "not read: the run had read for 100 s", "web-frontend")
    ]
    assert {row["project_id"] for row in tracker.costs()} == {"data-platform", "research-ml"}
    read_next = [sorted(hour.projects) for hour in tracker.run(1).hours]
    assert read_next == [["web-frontend"], list(tracker.settings.projects)]


def test_hours_of_one_project_that_a_run_has_no_time_for_are_left_to_the_next(make_tracker: MakeTracker) -> None:
    tracker = make_tracker({"PROJECTS": "web-frontend", "READING_SECONDS": "100"})
    tracker.run(0)
    the_first_four_hours_fit = (0, 0, 50, 100)

    summary = slow(tracker, *the_first_four_hours_fit).run(6)

    assert [hour.complete for hour in summary.hours] == [True, True, True, True, False, False]
    assert len({row["usage_start_time"] for row in tracker.costs()}) == 5
    assert [(hour.hour, hour.complete) for hour in tracker.run(6).hours] == [
        (hour.hour, True) for hour in summary.hours if not hour.complete
    ]
