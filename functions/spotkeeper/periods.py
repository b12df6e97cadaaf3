"""Closed UTC hours, and the days and months of a budget."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from spotkeeper.errors import RefusedRequestError
from spotkeeper.values import parsed
from spotkeeper.values import time as time_of

HOUR = timedelta(hours=1)

CLOSING_DELAY = timedelta(minutes=6)
"""An hour is closed once its last uptime samples can be read: they are taken every 60 s and visible after up to 240 s
(the metric's own description in https://cloud.google.com/monitoring/api/metrics_gcp_c), and one minute is spare."""

RETENTION = timedelta(weeks=6)
"""Cloud Monitoring keeps the metric at full resolution for six weeks; an older hour would look as if nothing ran."""

LONGEST_RANGE = timedelta(days=7)
"""The most that one request may ask for, so that it ends within the deadline of a function."""

YEARS = range(2000, 3000)
"""In which a period can be counted forth and back from every day; no other year is taken from outside."""

_BUDGET_TIME = ZoneInfo("America/Los_Angeles")


class PeriodKind(StrEnum):
    """The lengths of time that a budget can be set for."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    CUSTOM = "custom"


_MONTHS = {PeriodKind.MONTH: 1, PeriodKind.QUARTER: 3, PeriodKind.YEAR: 12}


class Period(NamedTuple):
    """A stretch of time from `start` up to, but without, `end`; both aware and in UTC."""

    kind: PeriodKind
    start: datetime
    end: datetime


def latest_closed_hour(now: datetime) -> datetime:
    """Return the start of the last hour whose uptime is complete at `now`."""
    return floor_hour(now - CLOSING_DELAY) - HOUR


def requested_hours(start: str, end: str, now: datetime) -> tuple[datetime, ...]:
    """Return the closed hours from `start` up to, but without, `end`.

    Both are RFC 3339 in UTC and at a full hour. Raises RefusedRequestError when they are not, are reversed, reach into
    the future, further back than the metric is kept, or over more than a week.
    """
    first, last = _full_hour("start", start), _full_hour("end", end)
    closed = latest_closed_hour(now) + HOUR
    if first >= last:
        message = f"start {start} must be before end {end}"
    elif last > closed:
        message = f"end {end} is too late: the latest closed hour ends at {rfc3339(closed)}"
    elif first < floor_hour(now - RETENTION) + HOUR:
        message = f"start {start} is too old: Cloud Monitoring keeps the uptime metric for six weeks"
    elif last - first > LONGEST_RANGE:
        message = f"{start} to {end} is too long: ask for at most {LONGEST_RANGE.days} days at once"
    else:
        return hours_between(first, last)
    raise RefusedRequestError(message)


def floor_hour(at: datetime) -> datetime:
    """Return the start of the hour that `at` is in."""
    return at.replace(minute=0, second=0, microsecond=0)


@lru_cache(maxsize=256)
def end_of_hour(hour: datetime) -> datetime:
    """Return the end of an hour; all that is looked up by it has one object, whose hash is worked out once."""
    return hour + HOUR


def full_hours(after: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the full hours after one time, and up to or at another."""
    return hours_between(floor_hour(after) + HOUR, floor_hour(until) + HOUR)


def hours_between(start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Return the starts of the hours from `start` up to, but without, `end`."""
    return tuple(start + HOUR * number for number in range((end - start) // HOUR))


def spans(hours: Iterable[datetime], longest: int) -> list[tuple[datetime, ...]]:
    """Return the hours in order, as runs of consecutive hours of at most `longest` each."""
    runs: list[list[datetime]] = []
    for hour in sorted(set(hours)):
        if runs and runs[-1][-1] + HOUR == hour and len(runs[-1]) < longest:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return [tuple(run) for run in runs]


def budget_periods(at: datetime) -> Sequence[Period]:
    """Return the hour, the day and the month that `at` is in."""
    return tuple(budget_period(kind, at) for kind in (PeriodKind.HOUR, PeriodKind.DAY, PeriodKind.MONTH))


def periods_of(hours: Iterable[datetime]) -> Sequence[Period]:
    """Return every hour, day and month that any of the hours is in, once."""
    return tuple(dict.fromkeys(period for hour in sorted(hours) for period in budget_periods(hour)))


def budget_period(kind: PeriodKind, at: datetime) -> Period:
    """Return the period of this kind that `at` is in.

    All but hours begin at midnight in America/Los_Angeles, as those of Cloud Billing budgets do, so that a figure here
    and a figure there are about the same time: https://cloud.google.com/billing/docs/how-to/budgets
    """
    if kind is PeriodKind.HOUR:
        return Period(kind, floor_hour(at), floor_hour(at) + HOUR)
    day = at.astimezone(_BUDGET_TIME).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind is PeriodKind.DAY:
        return Period(kind, day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC))
    length = _MONTHS[kind]
    start = day.replace(day=1, month=(day.month - 1) // length * length + 1)
    return Period(kind, start.astimezone(UTC), _months_later(start, length).astimezone(UTC))


def days_of(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the start and the end of each day of Cloud Billing from one time to another, whole."""
    day = budget_period(PeriodKind.DAY, since)
    while day.start < until:
        yield day.start, day.end
        day = budget_period(PeriodKind.DAY, day.end)


def is_monday(at: datetime) -> bool:
    """Return whether it is a Monday in the time of budgets."""
    return at.astimezone(_BUDGET_TIME).weekday() == 0


def hours_of_month(at: datetime) -> int:
    """Return the hours of the month of Cloud Billing that `at` is in: 671 to 745, for clocks change in it."""
    month = budget_period(PeriodKind.MONTH, at)
    return (month.end - month.start) // HOUR


def local_day(at: datetime) -> date:
    """Return the calendar day in the time of budgets."""
    return at.astimezone(_BUDGET_TIME).date()


def local_hour(at: datetime) -> int:
    """Return the hour of the day in the time of budgets, 0 to 23."""
    return at.astimezone(_BUDGET_TIME).hour


def end_of_day(day: date) -> datetime:
    """Return the end of a calendar day in the time of budgets, in UTC; the last day there is has no end."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(day + timedelta(days=1), time(), _BUDGET_TIME).astimezone(UTC)


def start_of_day(day: date) -> datetime:
    """Return the start of a calendar day in the time of budgets, in UTC."""
    return datetime.combine(day, time(), _BUDGET_TIME).astimezone(UTC)


def parse_time(name: str, value: object) -> datetime:
    """Return an RFC 3339 time in UTC, whatever its offset; raises RefusedRequestError naming it.

    A year that is not one of YEARS is refused as well.
    """
    found = parsed(name, value, time_of, RefusedRequestError)
    if found.year not in YEARS:
        message = f"{name} {value} is not in the years {YEARS.start} to {YEARS.stop - 1}"
        raise RefusedRequestError(message)
    return found


@lru_cache(maxsize=1024)
def rfc3339(at: datetime) -> str:
    """Return a time as RFC 3339 with Z: `2026-07-21T05:00:00Z`."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return f"{utc.isoformat().removesuffix('+00:00')}Z"


def _full_hour(name: str, value: str) -> datetime:
    at = parse_time(name, value)
    if datetime.fromisoformat(value).utcoffset():
        message = f"{name} {value} is not in UTC: write it with Z"
        raise RefusedRequestError(message)
    if at != floor_hour(at):
        message = f"{name} {value} is not a full hour"
        raise RefusedRequestError(message)
    return at


def _months_later(month: datetime, count: int) -> datetime:
    years, months = divmod(month.month - 1 + count, 12)
    return month.replace(year=month.year + years, month=months + 1)
