"""Which hours of which projects are pending."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.periods import HOUR, hours_between

type Backlog = Mapping[datetime, frozenset[str]]
"""The projects whose usage is still to be recorded, by hour: empty for an hour of which only the alerts failed."""


@dataclass(frozen=True, slots=True)
class HourState:
    """What earlier runs recorded of one hour: whether any completed it, and the projects recorded in full."""

    hour: datetime
    complete: bool
    projects: frozenset[str]


def full_backlog(hours: Iterable[datetime], projects: Collection[str]) -> Backlog:
    """Return all projects for each hour, whatever was recorded before."""
    return {hour: frozenset(projects) for hour in hours}


def pending_hours(
    states: Iterable[HourState], latest: datetime, catch_up: timedelta, projects: Collection[str]
) -> Backlog:
    """Return the latest closed hour, and the earlier ones since the first recorded hour that are not complete.

    It reaches back by `catch_up` at most. A first run has nothing to catch up on: only the latest hour is due. A
    project that is new in the settings is caught up on as well.
    """
    recorded = {state.hour: state for state in states}
    first = max(min(recorded, default=latest), latest - catch_up)
    wanted = frozenset(projects)
    return {
        hour: pending
        for hour in hours_between(min(first, latest), latest + HOUR)
        if (pending := wanted - _recorded_projects(recorded.get(hour))) or not _complete(recorded.get(hour))
    }


def projects_of(backlog: Backlog) -> list[str]:
    """Return every project with a pending hour, in order."""
    return sorted(frozenset[str]().union(*backlog.values()))


def hours_of(backlog: Backlog, project_id: str) -> list[datetime]:
    """Return the pending hours of one project."""
    return [hour for hour, projects in backlog.items() if project_id in projects]


def _recorded_projects(state: HourState | None) -> frozenset[str]:
    return state.projects if state else frozenset()


def _complete(state: HourState | None) -> bool:
    return state is not None and state.complete
