"""The days of Google's capacity history: from midnight to midnight in Los Angeles, 23 to 25 hours long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from spotkeeper.periods import Period, PeriodKind, budget_period, local_day


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
    that no interval covers was not observed, which does not mean that nothing was preempted. Of several intervals in
    one day the one that covers most of it counts, if that is half of what has passed of the day: where clocks change,
    days of 24 hours would reach an hour into the next one.
    """
    found: dict[date, tuple[timedelta, Decimal]] = {}
    for span in sorted(spans, key=lambda each: (each.start, each.end)):
        for day, covered in _days(span.start, min(span.end, read_at)):
            passed = min(day.end, read_at) - day.start
            key = local_day(day.start)
            if 2 * covered >= passed and (key not in found or covered >= found[key][0]):
                found[key] = covered, span.rate
    today = local_day(read_at)
    for key in sorted(found):
        yield PreemptionDay(key, found[key][1], key >= today)


def _days(start: datetime, end: datetime) -> Iterator[tuple[Period, timedelta]]:
    """Yield the days that any part of the time is in, and how long that part is."""
    at = start
    while at < end:
        day = budget_period(PeriodKind.DAY, at)
        yield day, min(end, day.end) - at
        at = day.end
