"""The estimate: what is spent so far, what an hour costs, and where the period ends, each with its uncertainty."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from spotkeeper.enforcement.estimates.fits import Fit, fit
from spotkeeper.enforcement.estimates.running_totals import RunningTotal, longest_gap
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedStops, Spending
from spotkeeper.periods import HOUR, Period, rfc3339

ONE_SIDED_95 = 1.64
"""Standard deviations below the mean that a normal quantity exceeds in 95 of 100 cases."""

MIN_REPORTS = 8
MIN_HOURS = 36
MAX_REPORTS = 60
SPACING_HOURS = 3
"""Reports are kept this far apart, or further: a delay is a matter of hours, and a month has 1,500 of them."""

_MAX_ROW_AGE_HOURS = 5
_RECORDED_WITHIN_HOURS = 2
_MAX_GAP_HOURS = 24
_FACTORS = (0.3, 1.5)
_CREDIT_HOURS = 36
"""A bill that stays below an earlier one for so long has fallen by a credit; a shorter fall is late news, or a credit:
until then, what is spent is uncertain by all of it.
"""

_DAY = 24
_LATELY = 3
_BURST_SHARE = 0.15
_ROWS_SD_SHARE = 0.01
_TREND_DAYS = 7
_MIN_RISES = 6
_REFILL_HOURS = 2
_SMALLEST_FALL = 0.5


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """Why there is no estimate: the forecast from list prices applies."""

    basis: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of a period's spending, in the budget's currency.

    `spent` includes the hours that the bill lacks. `rate` is the cost of our own rows per hour, in USD, over the last
    day and without what was stopped. `refilled` says that groups started again what was stopped.
    """

    billed: float
    spent: float
    spent_sd: float
    rate: float
    hours_left: float
    fit: Fit
    unbilled_rows: float
    refilled: str | None = None

    @property
    def at_least(self) -> float:
        """What is spent in 95 of 100 cases, and never less than the bill."""
        return max(self.billed, self.spent - ONE_SIDED_95 * self.spent_sd)

    def hourly(self, saved: float = 0.0) -> float:
        """Return the cost per hour on the bill when so much of our own rows is saved per hour."""
        return self.fit.factor * max(self.rate - saved, 0.0) + self.fit.other

    def end(self, saved: float = 0.0) -> float:
        """Return the cost at the end of the period when so much is saved per hour from now on."""
        return self.spent + self.hourly(saved) * self.hours_left

    @property
    def end_sd(self) -> float:
        """The standard deviation of the cost at the end when nothing is stopped."""
        left, fitted = self.hours_left, self.fit
        terms = fitted.covariance.along(self.unbilled_rows + self.rate * left, fitted.delay + left)
        rows = _ROWS_SD_SHARE * fitted.factor * self.rate * left
        by_delay = fitted.variance([(each.factor * self.rate + each.other) * left for each in fitted.by_delay])
        return math.sqrt(terms + self.spent_sd**2 + rows**2 + by_delay)

    def terms(self) -> Iterator[tuple[str, float]]:
        """Yield each term by the name of its column."""
        yield "estimated_spent", self.spent
        yield "estimated_spent_sd", self.spent_sd
        yield "estimated_end", self.end()
        yield "estimated_end_sd", self.end_sd
        yield "estimated_rate", self.rate
        yield "contract_factor", self.fit.factor
        yield "contract_factor_sd", math.sqrt(self.fit.covariance.factor)
        yield "other_rate", self.fit.other
        yield "other_rate_sd", math.sqrt(self.fit.covariance.other)
        yield "bill_delay_hours", self.fit.delay

    @property
    def basis(self) -> str:
        """Where each term comes from, in a sentence."""
        fitted = self.fit
        return (
            f"the bill of {self.billed:,.2f} is about {fitted.delay:.0f} h late (fitted to its own reports); "
            f"{fitted.factor:.2f} ± {math.sqrt(fitted.covariance.factor):.2f} is billed for a dollar of the tracker's "
            f"rows and {fitted.other:,.2f} ± {math.sqrt(fitted.covariance.other):,.2f} an hour beside them (fitted, "
            f"list prices assumed: {fitted.prior:.2f}); the rows cost {self.rate:,.2f} USD/h (the last 24 hours, "
            f"without what was stopped)"
        )


def estimate(
    spending: Spending, said: BilledCost, period: Period, *, hypothetical: bool = False
) -> Estimate | NoEstimate:
    """Estimate the spending of a period when a report arrives.

    A hypothetical report, which a person makes up, takes the place of the last one, and adjusts nothing. Without enough
    history there is none: it takes 8 reports, 3 hours apart, over 36 hours, and complete cost rows.
    """
    now = _hours(said.published_at - period.start)
    reports, fall = _reports(spending.billed if hypothetical else (*spending.billed, said), period.start)
    points = [each for each in _spaced(reports) if each[1] > 0] if reports else []
    if len(points) < MIN_REPORTS or points[-1][0] - points[0][0] < MIN_HOURS:
        return NoEstimate(f"no estimate before {MIN_REPORTS} reports of the bill over {MIN_HOURS} hours")
    costs, stopped = _hourly_costs(spending, period.start, int(now))
    if problem := _incomplete(costs, now):
        return NoEstimate(f"no estimate: {problem}")
    rows, kept = RunningTotal(costs), RunningTotal(stopped)
    if rows.at(now) <= 0:
        return NoEstimate("no estimate: the tracker has no cost rows of this budget")
    fitted = fit(_spaced(reports), rows)
    if not _FACTORS[0] <= fitted.factor <= _FACTORS[1]:
        return NoEstimate(f"no estimate: {fitted.factor:.2f} times the tracker's rows on the bill is not plausible")
    by_delay = [each.factor * rows.at(now) + each.other * now + each.residual for each in fitted.by_delay]
    made_up = said.cost - reports[-1][1] if hypothetical else 0.0
    unrecorded = fitted.factor * _unrecorded(rows, now)
    return Estimate(
        billed=said.cost,
        spent=max(said.cost, fitted.mean(by_delay) + made_up),
        spent_sd=math.sqrt((fitted.bill_sd / 2) ** 2 + fitted.variance(by_delay) + fall**2 + unrecorded**2),
        rate=_rate(kept, _hours(period.end - said.published_at)),
        hours_left=max(_hours(period.end - said.published_at), 0.0),
        fit=fitted,
        unbilled_rows=rows.at(now) - rows.at(now - fitted.delay),
        refilled=_refilled(spending.group_stops, rows, period.start),
    )


def _reports(billed: Sequence[BilledCost], start: datetime) -> tuple[list[tuple[float, float]], float]:
    """Return hours and costs in order of time, without falls that are not credits, and the fall that may be one."""
    ordered = sorted({(_hours(each.published_at - start), each.cost) for each in billed})
    peaks: list[tuple[float, float]] = []
    fallen: list[int] = []
    for index, (hour, cost) in enumerate(ordered):
        peak = peaks[-1][1] if peaks else cost
        fallen = [*fallen, index] if cost < peak else []
        if fallen and hour - ordered[fallen[0]][0] >= _CREDIT_HOURS:
            for place in fallen[:-1]:
                peaks[place] = (peaks[place][0], max(ordered[each][1] for each in fallen if each <= place))
            peak = max(ordered[each][1] for each in fallen)
            fallen = []
        peaks.append((hour, max(cost, peak)))
    return peaks, max((peaks[each][1] - ordered[each][1] for each in fallen), default=0.0)


def _spaced(reports: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return reports at least three hours apart and not too many, the last one among them."""
    kept: list[tuple[float, float]] = []
    apart = max(SPACING_HOURS, (reports[-1][0] - reports[0][0]) / MAX_REPORTS)
    for report in reversed(reports):
        if not kept or kept[-1][0] - report[0] >= apart:
            kept.append(report)
    return kept[::-1]


def _hourly_costs(spending: Spending, start: datetime, hours: int) -> tuple[list[float | None], list[float | None]]:
    """Return the costs of each hour, and those without what was stopped since; None where they are not recorded."""
    costs: list[float | None] = [None] * hours
    kept: list[float | None] = [None] * hours
    for each in spending.hours:
        index = int((each.start - start) // HOUR)
        if 0 <= index < hours and each.cost is not None:
            costs[index], kept[index] = each.cost, each.cost - each.stopped_cost
    while costs and costs[-1] is None:
        del costs[-1], kept[-1]
    return costs, kept


def _incomplete(costs: Sequence[float | None], now: float) -> str | None:
    if now - len(costs) > _MAX_ROW_AGE_HOURS + 1:
        return f"the tracker's rows end {now - len(costs):.0f} hours ago"
    if (gap := longest_gap(costs)) > _MAX_GAP_HOURS:
        return f"the tracker's rows miss {gap} hours in a row"
    return None


def _unrecorded(rows: RunningTotal, now: float) -> float:
    """Return how far the hours that should be on record by now may be from the cost of the last one, in USD."""
    late = now - rows.end
    if late <= _RECORDED_WITHIN_HOURS:
        return 0.0
    return late * abs(rows.hourly[-1] - rows.mean(rows.end - _DAY, rows.end))


def _rate(rows: RunningTotal, hours_left: float) -> float:
    """Return the mean of the last day; with a burst of the last hours, and half of what a steady trend will add.

    A burst is above the same hours of the day before and of the week before: many fleets rest at weekends.
    """
    end = rows.end
    mean, earlier = rows.mean(end - _DAY, end), rows.mean(end - 2 * _DAY, end - _DAY)
    before = [_DAY, _TREND_DAYS * _DAY] if end >= _TREND_DAYS * _DAY + _LATELY else [_DAY]
    usual = max(rows.mean(end - hours - _LATELY, end - hours) for hours in before)
    burst = rows.mean(end - _LATELY, end) - usual - max(mean - earlier, 0.0)
    rate = mean + burst if burst > _BURST_SHARE * mean and end >= _DAY + _LATELY else mean
    if end < (_TREND_DAYS + 1) * _DAY:
        return rate
    days = [rows.mean(end - (day + 1) * _DAY, end - day * _DAY) for day in range(_TREND_DAYS, -1, -1)]
    changes = [later - before for before, later in pairwise(days)]
    if sum(change > 0 for change in changes) >= _MIN_RISES:
        rate += statistics.median(changes) / _DAY * hours_left / 2
    return rate


def _refilled(stops: Sequence[RecordedStops], rows: RunningTotal, start: datetime) -> str | None:
    """Say so if the cost fell by less than half of what stops of group members were to save.

    The last recorded hour is compared with the hour before the stops and with the same hour a day before: a fleet that
    works by day rises and falls by itself. It takes two hours, and stops that save more than a tenth of the cost.
    """
    hour = rows.end - 1
    old = [each for each in stops if _hours(each.stopped_at - start) <= hour - _REFILL_HOURS]
    saved = sum(each.hourly_savings for each in old)
    if not old or hour < _DAY:
        return None
    first = min(each.stopped_at for each in old)
    before = int(_hours(first - start)) - 1
    present = rows.hourly[hour]
    falls = (rows.hourly[max(before, 0)] - present, rows.hourly[hour - _DAY] - present)
    if saved < present / 10 or max(falls) >= _SMALLEST_FALL * saved:
        return None
    return (
        f"the cost did not fall by the {saved:,.2f} USD/h that stops since {rfc3339(first)} were to save: "
        "groups started other instances"
    )


def _hours(time: timedelta) -> float:
    return time / HOUR
