"""The fit of the bill to our own cost rows: contract factor, other cost per hour, and how late the bill is.

Model: `bill(t) = factor x rows(t - delay) + other x (t - delay)`, with t in hours from the start of the period, where
both sides are zero: that is what tells the delay on a steady fleet. Factor and other cost look alike there; a prior on
the factor decides between them until the fleet changes. Ridge regression for each delay, delays weighted by likelihood.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spotkeeper.enforcement.estimates.running_totals import RunningTotal

PRIOR_SD = 0.12
"""How far a contract factor may be from the prior one: discounts on Spot prices are rarely above a quarter."""

_LONGEST_DELAY_HOURS = 40
"""Cost data usually reaches the budget within 24 hours, sometimes later.
https://cloud.google.com/billing/docs/how-to/budgets#budget-notifications
"""

_ALIKE_HOURS = 12
"""Errors of the bill within so many hours are alike, and count as one."""

_RESIDUAL_HOURS = 36
_RIDGE = 1e-6
_MIN_FACTOR = 0.05
_HALF_AN_HOUR = 0.5


@dataclass(frozen=True, slots=True)
class DelayFit:
    """The fit for one delay in hours: its weight, and the mean residual of the last reports."""

    delay: int
    factor: float
    other: float
    weight: float
    residual: float


@dataclass(frozen=True, slots=True)
class Covariance:
    """Of factor and other cost per hour."""

    factor: float
    both: float
    other: float

    def along(self, factor: float, other: float) -> float:
        """Return the variance of a sum with these coefficients."""
        return factor * factor * self.factor + 2 * factor * other * self.both + other * other * self.other


@dataclass(frozen=True, slots=True)
class Fit:
    """The fits by delay, weighted means of their terms, and the uncertainty; `bill_sd` is that of one report."""

    by_delay: tuple[DelayFit, ...]
    covariance: Covariance
    bill_sd: float
    prior: float

    def mean(self, values: Sequence[float]) -> float:
        """Return the weighted mean of one value for each delay."""
        return math.sumprod([each.weight for each in self.by_delay], values)

    def variance(self, values: Sequence[float]) -> float:
        """Return the weighted variance of one value for each delay."""
        mean = self.mean(values)
        return self.mean([(value - mean) ** 2 for value in values])

    @property
    def factor(self) -> float:
        """What is billed for a dollar of our own rows."""
        return self.mean([each.factor for each in self.by_delay])

    @property
    def other(self) -> float:
        """What is billed an hour beside our own rows."""
        return self.mean([each.other for each in self.by_delay])

    @property
    def delay(self) -> float:
        """How many hours the bill is late."""
        return self.mean([float(each.delay) for each in self.by_delay])


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sums of products of rows (x), hours (u) and the bill (c) for one delay."""

    delay: int
    xx: float
    xu: float
    uu: float
    xc: float
    uc: float
    cc: float

    def solved(self, penalty: float, prior: float) -> tuple[float, float]:
        """Return factor and other cost with the least squares, neither of them negative."""
        xx, xc = self.xx + penalty, self.xc + penalty * prior
        determinant = xx * self.uu - self.xu**2
        if determinant <= 0:
            return max(xc / xx, _MIN_FACTOR) if xx > 0 else prior, 0.0
        factor = (xc * self.uu - self.xu * self.uc) / determinant
        other = (xx * self.uc - self.xu * xc) / determinant
        if other < 0:
            factor, other = xc / xx, 0.0
        if factor < _MIN_FACTOR:
            factor, other = _MIN_FACTOR, max((self.uc - _MIN_FACTOR * self.xu) / self.uu, 0.0)
        return factor, other

    def squares(self, factor: float, other: float) -> float:
        """Return the sum of squared residuals."""
        crossed = 2 * (factor * self.xc + other * self.uc - factor * other * self.xu)
        return max(self.cc - crossed + factor**2 * self.xx + other**2 * self.uu, 0.0)


def fit(points: Sequence[tuple[float, float]], rows: RunningTotal, prior: float | None = None) -> Fit:
    """Fit the bill, given as hours and costs in order of time.

    Without a prior, list prices are assumed: a factor of 1, or less where the bill is below our own rows.
    """
    hours, bill = [hour for hour, _ in points], [cost for _, cost in points]
    sums = [_sums(delay, hours, bill, rows) for delay in range(_LONGEST_DELAY_HOURS + 1)]
    ridge = _RIDGE * math.fsum(each.xx for each in sums) / len(sums)
    least = min(sums, key=lambda each: each.squares(*each.solved(ridge, 0.0)))
    half_an_hour = _HALF_AN_HOUR * bill[-1] / hours[-1]
    noise = max(least.squares(*least.solved(ridge, 0.0)) / (len(points) - 3), half_an_hour**2)
    spacing = (hours[-1] - hours[0]) / (len(points) - 1)
    alike = noise * max(_ALIKE_HOURS / spacing, 1.0)
    assumed = min(1.0, least.xc / least.xx if least.xx > 0 else 1.0) if prior is None else prior
    penalty = alike / PRIOR_SD**2
    solved = [each.solved(penalty, assumed) for each in sums]
    misfits = [
        each.squares(*terms) + penalty * (terms[0] - assumed) ** 2 for each, terms in zip(sums, solved, strict=True)
    ]
    best = min(misfits)
    weights = [math.exp(-(misfit - best) / (2 * alike)) for misfit in misfits]
    late = [point for point in points if point[0] > hours[-1] - _RESIDUAL_HOURS]
    residuals = [_residual(each.delay, *terms, late, rows) for each, terms in zip(sums, solved, strict=True)]
    return Fit(
        tuple(
            DelayFit(each.delay, *terms, weight / math.fsum(weights), residual)
            for each, terms, weight, residual in zip(sums, solved, weights, residuals, strict=True)
        ),
        _covariance(sums[misfits.index(best)], alike),
        math.sqrt(noise),
        assumed,
    )


def _sums(delay: int, hours: Sequence[float], bill: Sequence[float], rows: RunningTotal) -> _Sums:
    billed_hours = [max(hour - delay, 0.0) for hour in hours]
    totals = rows.at_each(billed_hours)
    product = math.sumprod
    return _Sums(
        delay,
        product(totals, totals),
        product(totals, billed_hours),
        product(billed_hours, billed_hours),
        product(totals, bill),
        product(billed_hours, bill),
        product(bill, bill),
    )


def _residual(
    delay: int, factor: float, other: float, points: Sequence[tuple[float, float]], rows: RunningTotal
) -> float:
    billed_hours = [max(hour - delay, 0.0) for hour, _ in points]
    predicted = factor * math.fsum(rows.at_each(billed_hours)) + other * math.fsum(billed_hours)
    return (math.fsum(cost for _, cost in points) - predicted) / len(points)


def _covariance(sums: _Sums, variance: float) -> Covariance:
    xx, xu, uu = sums.xx / variance + 1 / PRIOR_SD**2, sums.xu / variance, sums.uu / variance
    determinant = xx * uu - xu**2
    if determinant <= 0:
        return Covariance(PRIOR_SD**2, 0.0, 0.0)
    return Covariance(uu / determinant, -xu / determinant, xx / determinant)
