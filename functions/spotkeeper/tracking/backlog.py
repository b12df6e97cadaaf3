"""Which hours of which projects are still to do."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.periods import HOUR, hours_between

type Work = Mapping[datetime, frozenset[str]]
"""The projects whose usage is still to be recorded, by hour: none in an hour of which only the alerts failed."""


@dataclass(frozen=True, slots=True)
class HourState:
    """What earlier runs recorded of one hour: whether one was complete, and the projects that were done in full."""

    hour: datetime
    complete: bool
    projects: frozenset[str]


def work_of(hours: Iterable[datetime], projects: Collection[str]) -> Work:
    """Return the work of doing whole hours, whatever was recorded before."""
    return {hour: frozenset(projects) for hour in hours}


def missing_work(states: Iterable[HourState], latest: datetime, catch_up: timedelta, projects: Collection[str]) -> Work:
    """Return the latest closed hour, and the earlier ones since the first recorded hour that are not complete.

    It reaches back by `catch_up` at most. On a first run there is nothing to catch up with: the latest hour is due.
    A project that is new in the settings is caught up with too.
    """
    recorded = {state.hour: state for state in states}
    first = max(min(recorded, default=latest), latest - catch_up)
    wanted = frozenset(projects)
    return {
        hour: left
        for hour in hours_between(min(first, latest), latest + HOUR)
        if (left := wanted - _done(recorded.get(hour))) or not _complete(recorded.get(hour))
    }


def _done(state: HourState | None) -> frozenset[str]:
    return state.projects if state else frozenset()


def _complete(state: HourState | None) -> bool:
    return state is not None and state.complete
