from datetime import UTC, datetime, timedelta

from spotkeeper.tracking.backlog import HourState, earlier_runs, full_backlog, lost_hours, pending_hours

LATEST = datetime(2026, 7, 21, 13, tzinfo=UTC)
PROJECTS = ("blue", "green")
DAY = timedelta(days=1)


def state(
    hours_ago: int,
    settled: tuple[str, ...] = PROJECTS,
    provisional: tuple[str, ...] = (),
    incomplete: tuple[str, ...] = (),
    *,
    notified: bool = True,
) -> HourState:
    hour = LATEST - timedelta(hours=hours_ago)
    return HourState(hour, notified, frozenset(settled), frozenset(provisional), frozenset(incomplete))


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
    assert due(state(1, ("blue",), incomplete=("green",)), state(0)) == {1: {"green"}}


def test_an_hour_whose_alerts_failed_is_done_again_without_reading_any_project() -> None:
    assert due(state(1, notified=False), state(0)) == {1: set()}


def test_a_project_that_is_new_in_the_settings_is_caught_up_with() -> None:
    assert due(state(1, ("blue",)), state(0, ("blue",))) == {1: {"green"}, 0: {"green"}}


def test_a_call_that_comes_late_does_nothing_for_later_hours() -> None:
    assert due(state(-1), state(0)) == {}


def test_requested_hours_are_done_whatever_is_recorded() -> None:
    assert full_backlog([LATEST], PROJECTS) == {LATEST: frozenset(PROJECTS)}


def test_the_hour_that_has_just_closed_is_settled_by_one_reading() -> None:
    assert due(state(0, (), PROJECTS), state(1)) == {}


def test_a_provisional_hour_is_read_once_more_when_a_later_one_has_closed() -> None:
    assert due(state(1, (), PROJECTS), state(2)) == {1: {"blue", "green"}, 0: {"blue", "green"}}
    assert due(state(5, ("blue",), ("green",)), *map(state, range(5))) == {5: {"green"}}


def lost(*states: HourState, catch_up: int) -> dict[int, set[str]]:
    """The hours that are lost, by how many hours ago they were."""
    found = lost_hours(states, LATEST, timedelta(hours=catch_up), PROJECTS)
    return {(LATEST - hour) // timedelta(hours=1): set(projects) for hour, projects in found.items()}


def test_hours_before_those_that_runs_catch_up_on_are_lost_unless_they_are_settled() -> None:
    states = state(7), state(6, (), PROJECTS), state(5, ("blue",), incomplete=("green",))

    assert lost(*states, catch_up=2) == {6: {"blue", "green"}, 5: {"green"}, 4: {"blue", "green"}, 3: {"blue", "green"}}
    assert lost(*states, catch_up=5) == {6: {"blue", "green"}}
    assert lost(*states, catch_up=7) == {}


def test_no_hour_is_lost_before_a_project_was_tracked_nor_of_one_that_is_tracked_no_more() -> None:
    assert lost(catch_up=0) == {}
    assert lost(state(4, ("blue", "red")), state(3, ("blue",)), state(2, ("blue", "green")), catch_up=0) == {
        1: {"blue", "green"}
    }


def test_the_first_hour_of_a_project_is_known_where_nothing_was_recorded_for_long_before_it() -> None:
    states = [state(9, ("blue",)), state(4, ("blue",), incomplete=("green",)), state(2)]

    first = earlier_runs(states, LATEST - timedelta(hours=9), LATEST).first
    assert first == {"blue": LATEST - timedelta(hours=9), "green": LATEST - timedelta(hours=4)}
    # What was recorded before the states that are read is not known: blue may have been looked at then.
    assert earlier_runs(states, LATEST - timedelta(hours=8), LATEST).first == {"green": LATEST - timedelta(hours=4)}
