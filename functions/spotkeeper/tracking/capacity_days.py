"""The days of Google's capacity history: from midnight to midnight in Los Angeles, 23 to 25 hours long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from spotkeeper.periods import PeriodKind, budget_period, local_day


@dataclass(frozen=True, slots=True)
class PreemptionSpan:
    """A preemption rate, 0 to 1, in days from `start` up to, but without, `end`."""

    start: datetime
    end: datetime
    rate: Decimal


@dataclass(frozen=True, slots=True)
class PreemptionDay:
    """The preemption rate of one day; a provisional one was read before the day was over, and still changes."""

    day: date
    rate: Decimal
    provisional: bool


def preemption_days(spans: Sequence[PreemptionSpan], read_at: datetime) -> Iterator[PreemptionDay]:
    """Yield each observed day once, in order.

    Google answers equal rates of neighbouring days as one interval, so an interval stands for each day in it. A day
    that no interval covers was not observed, which does not mean that nothing was preempted. Of two intervals in one
    day, the later one counts.
    """
    found: dict[date, Decimal] = {}
    for span in sorted(spans, key=lambda each: (each.start, each.end)):
        for day in _days(span.start, min(span.end, read_at)):
            found[day] = span.rate
    today = local_day(read_at)
    for day in sorted(found):
        yield PreemptionDay(day, found[day], day >= today)


def _days(start: datetime, end: datetime) -> Iterator[date]:
    """Yield the days that any part of the time is in."""
    at = start
    while at < end:
        yield local_day(at)
        at = budget_period(PeriodKind.DAY, at).end
