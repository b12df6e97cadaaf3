"""Which hours of which projects are pending."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from spotkeeper.periods import HOUR, hours_between

type Backlog = dict[datetime, frozenset[str]]
"""The projects whose usage is still to be recorded, by hour: empty for an hour of which only the alerts failed."""


@dataclass(frozen=True, slots=True)
class HourState:
    """What earlier runs recorded of one hour: whether its alerts were sent, and the projects by state.

    A settled project is complete, or lacks only what no run can fill any more. A provisional one was read when the hour
    had just closed: points of its uptime may still have come. `recorded` has each settled project, and when the run was
    that read it last; of the `unlisted` projects no run that read the hour could list all disks and addresses.
    """

    hour: datetime
    notified: bool
    settled: frozenset[str] = frozenset()
    provisional: frozenset[str] = frozenset()
    incomplete: frozenset[str] = frozenset()
    recorded: frozenset[tuple[str, datetime]] = frozenset()
    unlisted: frozenset[str] = frozenset()

    @property
    def projects(self) -> frozenset[str]:
        """Every project that is recorded, in any state."""
        return self.settled | self.provisional | self.incomplete


class RecordedHours(NamedTuple):
    """The states of recorded hours, and the times at which the catalog and the contract prices were read."""

    states: list[HourState]
    catalog_readings: list[datetime]
    contract_readings: list[datetime]


def full_backlog(hours: Iterable[datetime], projects: Collection[str]) -> Backlog:
    """Return all projects for each hour, whatever was recorded before."""
    return {hour: frozenset(projects) for hour in hours}


def pending_hours(
    states: Iterable[HourState], latest: datetime, catch_up: timedelta, projects: Collection[str]
) -> Backlog:
    """Return the latest closed hour, and the earlier ones since the first recorded hour that are not settled.

    An hour that is provisional is read a second time, once a later hour has closed. It reaches back by `catch_up` at
    most. A first run has nothing to catch up on: only the latest hour is due. A project that is new in the settings is
    caught up on as well.
    """
    recorded = {state.hour: state for state in states}
    first = max(min(recorded, default=latest), latest - catch_up)
    wanted = frozenset(projects)
    return {
        hour: pending
        for hour in hours_between(min(first, latest), latest + HOUR)
        if (pending := wanted - _settled(recorded.get(hour), is_latest=hour == latest))
        or not _notified(recorded.get(hour))
    }


def lost_hours(
    states: Iterable[HourState], latest: datetime, catch_up: timedelta, projects: Collection[str]
) -> Backlog:
    """Return the projects that were not settled in the hours before those that runs catch up on.

    Only the hours since a project was first recorded count: nothing was promised for earlier ones.
    """
    recorded = {state.hour: state for state in states}
    tracked: set[str] = set()
    lost: dict[datetime, frozenset[str]] = {}
    for hour in hours_between(min(recorded, default=latest), latest - catch_up):
        state = recorded.get(hour)
        tracked |= state.projects if state else frozenset()
        if missing := tracked.intersection(projects) - _settled(state, is_latest=False):
            lost[hour] = frozenset(missing)
    return lost


def with_learned(
    backlog: Backlog, states: Iterable[HourState], learned: Mapping[datetime, datetime], projects: Collection[str]
) -> Backlog:
    """Return the backlog with the projects that were last read before a price of their hour was learned.

    `learned` is when the last such price was known, by hour. A project that was read later is not pending any more,
    whether or not its rows changed.
    """
    wanted = frozenset(projects)
    again = {
        state.hour: wanted.intersection(project_id for project_id, at in state.recorded if at <= learned[state.hour])
        for state in states
        if state.hour in learned
    }
    hours = sorted(backlog.keys() | {hour for hour, some in again.items() if some})
    return {hour: backlog.get(hour, frozenset()) | again.get(hour, frozenset()) for hour in hours}


class EarlierRuns(NamedTuple):
    """Which hours earlier runs recorded, by project.

    `first` is the first hour, where nothing was recorded for so long before it that what was observed then matters no
    more: no run had looked at the project before the hour ended. `latest` is the latest hour that was read, and
    `listed` the latest after which disks and addresses were listed in full; none before those that runs catch up on.
    """

    first: Mapping[str, datetime]
    latest: Mapping[str, datetime]
    listed: Mapping[str, datetime]


def earlier_runs(states: Collection[HourState], first_known: datetime, catch_up_from: datetime) -> EarlierRuns:
    """Return what is known of earlier runs; from `first_known` on a project's first hour is the first of all."""
    first: dict[str, datetime] = {}
    latest: dict[str, datetime] = {}
    listed: dict[str, datetime] = {}
    for state in states:
        for project_id in state.projects:
            first[project_id] = min(state.hour, first.get(project_id, state.hour))
        for project_id in state.settled | state.provisional:
            latest[project_id] = max(state.hour, latest.get(project_id, state.hour))
            if project_id not in state.unlisted:
                listed[project_id] = max(state.hour, catch_up_from, listed.get(project_id, state.hour))
    known = {project_id: hour for project_id, hour in first.items() if hour >= first_known}
    return EarlierRuns(known, latest, listed)


def projects_of(backlog: Backlog) -> list[str]:
    """Return every project with a pending hour, in order."""
    return sorted(frozenset[str]().union(*backlog.values()))


def hours_of(backlog: Backlog, project_id: str) -> list[datetime]:
    """Return the pending hours of one project."""
    return [hour for hour, projects in backlog.items() if project_id in projects]


def _settled(state: HourState | None, *, is_latest: bool) -> frozenset[str]:
    if state is None:
        return frozenset()
    return state.settled | state.provisional if is_latest else state.settled


def _notified(state: HourState | None) -> bool:
    return state is not None and state.notified
