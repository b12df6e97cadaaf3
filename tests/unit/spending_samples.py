"""Spending of a month as it is on record: a fleet whose cost rows, bill and delay are known exactly."""

from collections.abc import Callable
from datetime import timedelta

from spotkeeper.enforcement.estimates.estimate import Estimate, NoEstimate, estimate
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedHour, RecordedStops, Spending
from tests.unit.enforcer_samples import JULY, NOW

HOUR = timedelta(hours=1)
HOURS = int((NOW - JULY.start) / HOUR)
"""How many hours of July are over: 487."""

type HourlyCost = Callable[[int], float]


def steady(_: int) -> float:
    return 10.0


def total(costs: HourlyCost, hours: float) -> float:
    """Return the running total after so many hours."""
    whole = max(int(hours), 0)
    return sum(map(costs, range(whole))) + costs(whole) * max(hours - whole, 0.0)


def spending(  # noqa: PLR0913 (every test names only what it is about)
    costs: HourlyCost = steady,
    *,
    factor: float = 1.0,
    other: float = 0.0,
    delay: float = 12,
    hours: int = HOURS - 1,
    missing: range = range(0),
    stopped: HourlyCost = lambda _: 0.0,
    stops: tuple[RecordedStops, ...] = (),
    first_report: int = 1,
) -> Spending:
    """Return the record: a report of the bill every third hour, and the rows of the hours that are over."""

    def bill(at: float) -> float:
        return factor * total(costs, at - delay) + other * max(at - delay, 0.0)

    return Spending(
        tuple(BilledCost(JULY.start + at * HOUR, bill(at)) for at in range(first_report, HOURS, 3)),
        tuple(
            RecordedHour(JULY.start + at * HOUR, None if at in missing else costs(at), stopped(at))
            for at in range(hours)
        ),
        group_stops=stops,
    )


def estimated(record: Spending, cost: float | None = None) -> Estimate:
    """Return the estimate that must be there."""
    made = asked(record, cost)
    assert isinstance(made, Estimate), made
    return made


def asked(record: Spending, cost: float | None = None) -> Estimate | NoEstimate:
    """Return the estimate when a report arrives now; by default it says what the last one said."""
    said = max((each.cost for each in record.billed), default=0.0) if cost is None else cost
    return estimate(record, BilledCost(NOW, said), JULY)
