"""A mix over recorded time: what it would have cost by Google's prices, and when it would have held its floor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import ceil

from spotkeeper.advice.mixes import Mix, Wanted

_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_NANO = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """A Spot price in USD per VM-hour from `start` up to, but without, `end`."""

    start: datetime
    end: datetime
    price: Decimal


@dataclass(frozen=True, slots=True)
class PoolHour:
    """An hour in which VMs of ours ran in a zone, and how often they were preempted."""

    zone: str
    hour: datetime
    preemptions: int


@dataclass(frozen=True, slots=True)
class _Step:
    """A time in which no price changes, and the price of each region that has one, in USD per VM-hour."""

    start: datetime
    length: timedelta
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class CostTest:
    """Mean cost over the time that all its regions have prices of, in USD per hour, and the savings in percent.

    From `start` to `end`, without the time between in which a region has no price.

    Savings are against on demand at its present price, of which there is no history: of the mix, of Spot alone where it
    runs, of 70 % Spot and 30 % on demand there, and of Spot in whichever region was cheapest at each time.
    """

    start: datetime
    end: datetime
    mix_cost: Decimal
    mix_percent: Decimal
    spot_percent: Decimal
    spot_70_percent: Decimal
    cheapest_region_percent: Decimal


@dataclass(frozen=True, slots=True)
class FloorTest:
    """The hours in which VMs of ours ran in every pool of the mix, and in how many of them it would have held."""

    hours: int
    held: int


_SEVENTY = Decimal("0.7")


def backtest_cost(
    mix: Mix, wanted: Wanted, here: str, ondemand_price: Decimal, history: Mapping[str, Sequence[PriceSpan]]
) -> CostTest | None:
    """Return what the mix would have cost; None when a region of the mix, or `here`, has no price at a common time.

    The mix is compared with the VMs that are wanted, not with those that it overprovisions.
    """
    regions = {here, *(pool.region for pool, _ in mix.spot)}
    steps = [step for step in _steps(history) if regions <= step.prices.keys()]
    if not steps:
        return None
    spot = {region: _mean((step.prices[region], step.length) for step in steps) for region in regions}
    mix_cost = mix.ondemand * ondemand_price + sum(count * spot[pool.region] for pool, count in mix.spot)
    alone = _saved(spot[here], ondemand_price)
    return CostTest(
        steps[0].start,
        steps[-1].start + steps[-1].length,
        mix_cost.quantize(_NANO),
        _saved(mix_cost, wanted.size * ondemand_price),
        alone,
        alone * _SEVENTY,
        _saved(_mean((min(step.prices.values()), step.length) for step in steps), ondemand_price),
    )


def _steps(history: Mapping[str, Sequence[PriceSpan]]) -> Iterator[_Step]:
    """Yield the times in which no price changes, in order."""
    times = sorted({at for spans in history.values() for span in spans for at in (span.start, span.end)})
    for start, end in pairwise(times):
        prices = {
            region: span.price for region, spans in history.items() for span in spans if span.start <= start < span.end
        }
        yield _Step(start, end - start, prices)


def _mean(prices: Iterable[tuple[Decimal, timedelta]]) -> Decimal:
    paid, seconds = Decimal(0), Decimal(0)
    for price, length in prices:
        weight = Decimal(length // _MICROSECOND)
        paid += price * weight
        seconds += weight
    return paid / seconds


def backtest_floor(mix: Mix, wanted: Wanted, hours: Sequence[PoolHour], recovery: timedelta) -> FloorTest:
    """Return in how many recorded hours the floor would have held.

    The minute of a preemption is not looked at: a pool counts as out in the whole hour, and in as many more as the
    recovery time has begun after the first.
    """
    zones = {pool.zone: count for pool, count in mix.spot}
    ran: dict[datetime, set[str]] = {}
    out: dict[datetime, set[str]] = {}
    for each in hours:
        if each.zone not in zones:
            continue
        ran.setdefault(each.hour, set()).add(each.zone)
        if each.preemptions:
            for later in range(ceil(recovery / _HOUR)):
                out.setdefault(each.hour + later * _HOUR, set()).add(each.zone)
    common = [hour for hour, seen in ran.items() if seen == zones.keys()]
    held = sum(mix.size - sum(zones[zone] for zone in out.get(hour, ())) >= wanted.floor for hour in common)
    return FloorTest(len(common), held)


def _saved(price: Decimal, ondemand_price: Decimal) -> Decimal:
    return (1 - price / ondemand_price) * 100
