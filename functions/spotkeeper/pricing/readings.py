"""When prices were read: which hours a reading serves, when the next one is due, and from when on a change counts.

Google changes Spot prices at midnight in America/Los_Angeles: on Mondays, measured in 2026; once a day at most
(https://cloud.google.com/spot-vms/pricing). Two readings around midnight tell the hour of a change.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.periods import HOUR, PeriodKind, budget_period, floor_hour, full_hours, is_monday, latest_closed_hour


@dataclass(frozen=True, slots=True)
class Readings:
    """The times of the readings in order, each once; `failed`: a newer one was due and failed."""

    times: tuple[datetime, ...] = ()
    failed: bool = False

    @classmethod
    def at(cls, times: Iterable[datetime], *, failed: bool = False) -> "Readings":
        """Return the readings at these times, whatever their order."""
        return cls(tuple(sorted(set(times))), failed)

    def and_at(self, read_at: datetime) -> "Readings":
        """Return these readings with another one that succeeded."""
        return Readings.at((*self.times, read_at))

    def and_failed(self) -> "Readings":
        """Return these readings after another one that was due and failed."""
        return Readings(self.times, failed=True)

    @property
    def last_covered(self) -> datetime | None:
        """The latest hour that a reading covers; None when there was none."""
        return latest_closed_hour(self.times[-1]) if self.times else None

    def is_due(self, now: datetime, max_age: timedelta) -> bool:
        """Whether to read again: after `max_age`, in the last hour before midnight, and first after it."""
        if self.last_covered is None or latest_closed_hour(now) - self.last_covered >= max_age:
            return True
        day = budget_period(PeriodKind.DAY, now)
        is_last_hour = now >= day.end - HOUR and latest_closed_hour(now) > self.last_covered
        return is_last_hour or self.times[-1] < day.start

    def is_stale(self, hour: datetime) -> bool:
        """Whether a reading that would cover this hour was due and failed."""
        return self.failed and (self.last_covered is None or hour > self.last_covered)

    def as_of(self, hour: datetime) -> datetime | None:
        """Return the time of the reading that covers this hour; None when there was none."""
        if not self.times:
            return None
        return self.times[max(bisect_right(self.times, hour, key=latest_closed_hour) - 1, 0)]

    def time_of_change(self, read_at: datetime) -> datetime:
        """Return the full hour from which on a price counts that the reading at this time is the first to have.

        The only Monday's midnight of those that are possible, else the only midnight, else the latest full hour.
        """
        found = _midnights(self.times[-1], read_at) if self.times else []
        mondays = [hour for hour in found if is_monday(hour)]
        for possible in (mondays, found):
            if len(possible) == 1:
                return possible[0]
        return floor_hour(read_at)


def _midnights(before: datetime, after: datetime) -> list[datetime]:
    """Return the full hours between two readings at which a day of Cloud Billing begins."""
    return [hour for hour in full_hours(before, after) if budget_period(PeriodKind.DAY, hour).start == hour]
