"""The running total of our own cost rows, at any hour of the period."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

_DAY = 24


class RunningTotal:
    """The sum of hourly costs from the start of the period; an hour without a cost takes that of its neighbors.

    The neighbors are the same hours of the days before and after, or else the hours beside it.
    """

    def __init__(self, costs: Sequence[float | None]) -> None:
        self.hourly = _filled(costs)
        self.missing = sum(cost is None for cost in costs)
        self._totals = [0.0, *accumulate(self.hourly)]

    @property
    def end(self) -> int:
        """How many hours it covers."""
        return len(self.hourly)

    def at(self, hour: float) -> float:
        """Return the total at an hour; 0 before the period, and at the rate of the last hour after the last one."""
        if hour <= 0 or not self.hourly:
            return 0.0
        if hour >= self.end:
            return self._totals[-1] + self.hourly[-1] * (hour - self.end)
        whole = int(hour)
        return self._totals[whole] + self.hourly[whole] * (hour - whole)

    def at_each(self, hours: Sequence[float]) -> list[float]:
        """Return the totals at hours that are not negative."""
        beyond = max(hours, default=0.0)
        if beyond >= self.end:
            return [self.at(hour) for hour in hours]
        totals, hourly = self._totals, self.hourly
        return [totals[whole] + hourly[whole] * (hour - whole) for hour in hours for whole in (int(hour),)]

    def mean(self, start: float, end: float) -> float:
        """Return the mean cost per hour from one hour to another."""
        return (self.at(end) - self.at(start)) / (end - start)


def _filled(costs: Sequence[float | None]) -> list[float]:
    known = [index for index, cost in enumerate(costs) if cost is not None]
    filled = [cost or 0.0 for cost in costs]
    for index, cost in enumerate(costs):
        if cost is None and known:
            place = bisect_right(known, index)
            same_hour = [costs[each] for each in (index - _DAY, index + _DAY) if 0 <= each < len(costs)]
            beside = [costs[each] for each in known[max(place - 1, 0) : place + 1]]
            neighbors = [each for each in same_hour if each is not None] or [
                each for each in beside if each is not None
            ]
            filled[index] = sum(neighbors) / len(neighbors)
    return filled


def longest_gap(costs: Sequence[float | None]) -> int:
    """Return the number of hours in the longest stretch without a cost."""
    known = [-1, *(index for index, cost in enumerate(costs) if cost is not None), len(costs)]
    return max(later - earlier - 1 for earlier, later in pairwise(known))
