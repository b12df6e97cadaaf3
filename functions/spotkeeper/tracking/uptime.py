"""How long an instance ran in one hour, and which readings of it are valid."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR
from spotkeeper.tracking.billing import SHORTEST_RUN_SECONDS

SAMPLE = timedelta(minutes=1)
"""How often Cloud Monitoring samples the uptime."""

_HOUR_SECONDS = HOUR.total_seconds()
_FULL_SAMPLE_SECONDS = 59.0
"""An instance that ran through a sample has 60 s in it, give or take some milliseconds."""


class Uptime(NamedTuple):
    """How long one instance ran in one UTC hour, in seconds, as Cloud Monitoring counted it."""

    key: InstanceKey
    instance_name: str
    hour: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """How long one instance ran in the minute that ends at `end`, in seconds."""

    key: InstanceKey
    end: datetime
    seconds: float


def valid_seconds(seconds: float) -> bool:
    """Whether a reading can be an uptime: a finite number, not below 0."""
    return 0 <= seconds < math.inf


class Ran(NamedTuple):
    """The uptime of one instance in one hour, and its seconds in the next; None when that hour is not read."""

    uptime: Uptime
    next_hour: float | None


class Totals:
    """The uptime of each instance in each hour, summed over its time series; a run holds those of its largest project.

    `hours` are those in which any instance has a time series.
    """

    def __init__(self) -> None:
        self._by_instance: dict[InstanceKey, tuple[Uptime, ...]] = {}
        self.hours: set[datetime] = set()

    def add(self, series: Uptime) -> bool:
        """Add one time series, and return whether it is valid; an instance that was renamed within an hour has two.

        An invalid reading makes the total NaN: a sum that includes it is not known.
        """
        key, _, hour, seconds = series
        valid = valid_seconds(seconds)
        if not valid:
            series = series._replace(seconds=math.nan)
        self.hours.add(hour)
        earlier = self._by_instance.get(key)
        self._by_instance[key] = (series,) if earlier is None else _with_series(earlier, series)
        return valid

    def ran(self, hours: Collection[datetime]) -> Iterator[Ran]:
        """Yield the totals that are known and above 0, none of them longer than its hour, instance by instance.

        One shorter than the shortest run that is billed comes with the total of the next hour, if that is in `hours`.
        """
        for uptimes in self._by_instance.values():
            for uptime in uptimes:
                if uptime.seconds > _HOUR_SECONDS:
                    yield Ran(uptime._replace(seconds=_HOUR_SECONDS), None)
                elif uptime.seconds >= SHORTEST_RUN_SECONDS:
                    yield Ran(uptime, None)
                elif uptime.seconds > 0:
                    yield Ran(uptime, _next_hour(uptime, uptimes) if uptime.hour + HOUR in hours else None)


def _next_hour(uptime: Uptime, uptimes: Iterable[Uptime]) -> float:
    return next((each.seconds for each in uptimes if each.hour == uptime.hour + HOUR), 0.0)


def _with_series(uptimes: tuple[Uptime, ...], series: Uptime) -> tuple[Uptime, ...]:
    for number, earlier in enumerate(uptimes):
        if earlier.hour == series.hour:
            total = earlier._replace(seconds=earlier.seconds + series.seconds)
            return *uptimes[:number], total, *uptimes[number + 1 :]
    return *uptimes, series


def silent_hours(hours: Collection[datetime], totals: Totals, running_since: datetime | None) -> list[datetime]:
    """Return the hours without any uptime through which some instance ran: Cloud Monitoring must have lost them."""
    if running_since is None:
        return []
    return sorted(hour for hour in hours if hour not in totals.hours and running_since <= hour)


def divided(uptime: Uptime, samples: Mapping[datetime, float], starts: Sequence[datetime]) -> list[float]:
    """Return the seconds of an hour before the first of these starts, between one and the next, and after the last.

    `samples` are the seconds by the end of their minute. The uptime that they lack counts as before the first start;
    without any, the instance is taken to have run from each start to the end of the hour.
    """
    end = uptime.hour + HOUR
    since = [
        min(_seconds_since(samples, start, end) if samples else (end - start).total_seconds(), uptime.seconds)
        for start in starts
    ]
    bounds = [uptime.seconds, *since, 0.0]
    # To the microsecond: sums of samples differ from the uptime in the last binary digits.
    return [round(max(earlier - later, 0.0), 6) for earlier, later in pairwise(bounds)]


def _seconds_since(samples: Mapping[datetime, float], start: datetime, end: datetime) -> float:
    """How long an instance ran since a start, up to the end of the hour.

    The samples are taken at any second of the minute, up to a minute late. The one that ends after the start is the
    first of the new run, as far as it fits in; but when the next one is not full and the run goes on after it, that
    next one is the first, and this one still belongs to the run before.
    """
    first = start.replace(second=0, microsecond=0) + SAMPLE
    following, then = samples.get(first + SAMPLE, 0.0), samples.get(first + 2 * SAMPLE, 0.0)
    seconds = sum(value for stamp, value in samples.items() if first < stamp <= end)
    if first > end or (0 < following < _FULL_SAMPLE_SECONDS and then > 0):
        return seconds
    return seconds + min(samples.get(first, 0.0), (first - start).total_seconds())
