"""The rollups: sums of the cost rows that views read in place of the rows.

Each is written by a statement of its own that replaces its rows of some UTC days, or of the months of Cloud Billing
that these days are part of, by what the cost rows give. So a run, a repeated run and a rebuild leave the same rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import batched

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter

ROLLUPS = (
    "daily_vm_costs",
    "daily_costs",
    "monthly_costs",
    "hourly_costs",
    "hourly_label_costs",
    "hourly_fleet",
    "hourly_idle_resources",
    "hourly_preemptions",
    "stopped_vm_costs",
)
"""The tables, in the order in which they are written: some are sums of the first one."""

ROLLUP_STATEMENTS = tuple(f"rollup_{name}" for name in ROLLUPS)

_DAY = timedelta(days=1)
_DAYS_AT_ONCE = 7
"""A week of a large fleet is written well within the time of one job; a month is not."""


def days_between(first: datetime, last: datetime) -> Iterator[date]:
    """Yield the UTC days from that of one time to that of another."""
    day = first.astimezone(UTC).date()
    while day <= last.astimezone(UTC).date():
        yield day
        day += _DAY


def rollup_parameters(days: Iterable[date]) -> Sequence[Parameter]:
    """Return the parameters of the statements for these UTC days, at least one."""
    chosen = sorted(set(days))
    months = _months(chosen)
    after_last = (months[-1] + timedelta(days=31)).replace(day=1)
    return [
        ArrayQueryParameter("rollup_days", "DATE", chosen),
        ScalarQueryParameter("rollup_since", "TIMESTAMP", _midnight(chosen[0])),
        ScalarQueryParameter("rollup_until", "TIMESTAMP", _midnight(chosen[-1] + _DAY)),
        ArrayQueryParameter("rollup_months", "DATE", months),
        ScalarQueryParameter("months_since", "DATE", months[0]),
        ScalarQueryParameter("months_until", "DATE", after_last),
    ]


class Rollups:
    """The rollups of a dataset, as a whole."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def first_day(self, now: datetime) -> date | None:
        """Return the first UTC day whose rollups can be written anew; None when cost rows never expire.

        The month of Cloud Billing that a day is part of is summed from all of its days. Raises UnavailableError.
        """
        expiration = self._jobs.partition_expiration("spot_vm_costs")
        if expiration is None:
            return None
        kept_since = (now - expiration).astimezone(UTC).date() + _DAY
        return next(day for day in days_between(now - expiration, now) if _months([day])[0] >= kept_since)

    def rebuild(self, days: Iterable[date], now: datetime) -> Iterator[date]:
        """Write these UTC days anew, seven in one transaction, and yield the last day of each that is written.

        Raises UnavailableError.
        """
        for chosen in batched(sorted(set(days)), _DAYS_AT_ONCE, strict=False):
            parameters = [*rollup_parameters(chosen), ScalarQueryParameter("recorded_at", "TIMESTAMP", now)]
            self._jobs.transaction("rebuild", parameters, parts=ROLLUP_STATEMENTS)
            yield chosen[-1]


def _months(days: Iterable[date]) -> list[date]:
    """Return the first days of the months of Cloud Billing that UTC days are part of, in order."""
    # A UTC day begins on the day of Cloud Billing before it: https://cloud.google.com/billing/docs/reports
    return sorted({each.replace(day=1) for day in days for each in (day - _DAY, day)})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
