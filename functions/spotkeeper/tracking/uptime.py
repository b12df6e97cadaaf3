"""How long an instance ran in one hour, and which readings of it are valid."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR

_HOUR_SECONDS = HOUR.total_seconds()


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long one instance ran in one UTC hour, in seconds, as Cloud Monitoring counted it."""

    key: InstanceKey
    instance_name: str
    hour: datetime
    seconds: float


type Totals = dict[tuple[InstanceKey, datetime], Uptime]
"""The uptime of each instance in each hour, summed over its time series."""


def valid_seconds(seconds: float) -> bool:
    """Whether a reading can be an uptime: a finite number, not below 0."""
    return math.isfinite(seconds) and seconds >= 0


def add_series(totals: Totals, series: Uptime) -> None:
    """Add one time series; an instance that was renamed within an hour has two.

    An invalid reading makes the total NaN: a sum that includes it is not known.
    """
    place = (series.key, series.hour)
    earlier = totals.get(place)
    seconds = series.seconds if valid_seconds(series.seconds) else math.nan
    if earlier is not None:
        seconds += earlier.seconds
    totals[place] = series if series.seconds == seconds else replace(series, seconds=seconds)


def capped(totals: Iterable[Uptime]) -> Iterator[Uptime]:
    """Yield the totals that are known and above 0, none of them longer than its hour."""
    for uptime in totals:
        if uptime.seconds > _HOUR_SECONDS:
            yield replace(uptime, seconds=_HOUR_SECONDS)
        elif uptime.seconds > 0:
            yield uptime


def silent_hours(hours: Collection[datetime], totals: Totals, running_since: datetime | None) -> list[datetime]:
    """Return the hours without any uptime through which some instance ran: Cloud Monitoring must have lost them."""
    if running_since is None:
        return []
    hours_without_uptime = set(hours) - {hour for _, hour in totals}
    return sorted(hour for hour in hours_without_uptime if running_since <= hour)
