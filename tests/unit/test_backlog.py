from datetime import UTC, datetime, timedelta

from spotkeeper.tracking.backlog import HourState, full_backlog, pending_hours

LATEST = datetime(2026, 7, 21, 13, tzinfo=UTC)
PROJECTS = ("blue", "green")
DAY = timedelta(days=1)


def state(hours_ago: int, *, complete: bool = True, projects: tuple[str, ...] = PROJECTS) -> HourState:
    return HourState(LATEST - timedelta(hours=hours_ago), complete, frozenset(projects))


def due(*states: HourState, catch_up: timedelta = DAY) -> dict[int, set[str]]:
    """The work, by how many hours ago it is."""
    work = pending_hours(states, LATEST, catch_up, PROJECTS)
    return {(LATEST - hour) // timedelta(hours=1): set(projects) for hour, projects in work.items()}


def test_a_first_run_does_the_latest_closed_hour() -> None:
    assert due() == {0: {"blue", "green"}}


def test_the_next_run_does_the_next_hour() -> None:
    assert due(state(1), state(2)) == {0: {"blue", "green"}}


def test_nothing_is_left_when_the_latest_hour_is_complete() -> None:
    assert due(state(0), state(1)) == {}


def test_missed_hours_are_caught_up_with() -> None:
    assert due(state(4), state(2)).keys() == {3, 1, 0}


def test_catching_up_ends_at_its_limit() -> None:
    assert due(state(100), catch_up=timedelta(hours=3)).keys() == {3, 2, 1, 0}
    assert due(state(100), catch_up=timedelta(0)).keys() == {0}


def test_hours_before_the_first_recorded_one_are_not_missed() -> None:
    assert due(state(2)).keys() == {1, 0}


def test_an_incomplete_hour_is_done_again_for_the_projects_that_lack() -> None:
    assert due(state(1, complete=False, projects=("blue",)), state(0)) == {1: {"green"}}


def test_an_hour_whose_alerts_failed_is_done_again_without_reading_any_project() -> None:
    assert due(state(1, complete=False), state(0)) == {1: set()}


def test_a_project_that_is_new_in_the_settings_is_caught_up_with() -> None:
    assert due(state(1, projects=("blue",)), state(0, projects=("blue",))) == {1: {"green"}, 0: {"green"}}


def test_a_call_that_comes_late_does_nothing_for_later_hours() -> None:
    assert due(state(-1), state(0)) == {}


def test_requested_hours_are_done_whatever_is_recorded() -> None:
    assert full_backlog([LATEST], PROJECTS) == {LATEST: frozenset(PROJECTS)}
