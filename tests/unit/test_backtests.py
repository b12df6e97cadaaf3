"""A mix over recorded time, against an hour-by-hour calculation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.advice.backtests import PoolHour, PriceSpan, backtest_cost, backtest_floor
from spotkeeper.advice.mixes import Mix, Pool, Wanted

START = datetime(2026, 1, 1, tzinfo=UTC)
ONDEMAND = Decimal("0.4")
A = Pool("us-east1", "us-east1-b", Decimal("0.1"), 1, Decimal(100))
B = Pool("us-west1", "us-west1-a", Decimal("0.2"), 1, Decimal(100))
WANTED = Wanted(6, 3, 0.99)
MIX = Mix(1, ((A, 3), (B, 2)), 0.99, Decimal("1.1"))


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def history(*prices: tuple[int, str], end: int) -> list[PriceSpan]:
    """Return prices by the hour from which they hold."""
    ends = [hour for hour, _ in prices[1:]] + [end]
    return [PriceSpan(at(hour), at(until), Decimal(price)) for (hour, price), until in zip(prices, ends, strict=True)]


def test_the_guides_shares_come_out_of_a_price_that_is_91_percent_below_on_demand() -> None:
    """A guide's 64 % for 70 % Spot and 30 % on demand is 0.7 times the largest discount that Google names."""
    known = {"us-east1": history((0, "0.036"), end=10), "us-west1": history((0, "0.08"), end=10)}

    found = backtest_cost(MIX, WANTED, "us-east1", ONDEMAND, known)

    assert found is not None
    assert (found.spot_percent, found.spot_70_percent) == (Decimal(91), Decimal("63.7"))


def test_a_mix_costs_the_mean_of_its_regions_over_the_time_that_both_have_prices() -> None:
    known = {"us-east1": history((0, "0.1"), (10, "0.3"), end=20), "us-west1": history((5, "0.2"), end=15)}

    found = backtest_cost(MIX, WANTED, "us-east1", ONDEMAND, known)

    assert found is not None
    assert (found.start, found.end) == (at(5), at(15))
    assert found.mix_cost == 1 * ONDEMAND + 3 * Decimal("0.2") + 2 * Decimal("0.2")
    assert found.mix_percent == (1 - found.mix_cost / (6 * ONDEMAND)) * 100
    assert found.cheapest_region_percent == (1 - Decimal("0.15") / ONDEMAND) * 100


def test_a_mix_is_compared_with_the_vms_that_are_wanted() -> None:
    known = {"us-east1": history((0, "0.1"), end=20), "us-west1": history((0, "0.2"), end=20)}

    found = backtest_cost(MIX, Wanted(4, 3, 0.99), "us-east1", ONDEMAND, known)

    assert found is not None
    assert found.mix_percent == (1 - Decimal("1.1") / (4 * ONDEMAND)) * 100


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"us-east1": history((0, "0.1"), end=5)},
        {"us-east1": history((0, "0.1"), end=5), "us-west1": history((5, "0.1"), end=9)},
    ],
)
def test_without_prices_of_every_region_at_one_time_there_is_no_backtest(known: dict[str, list[PriceSpan]]) -> None:
    assert backtest_cost(MIX, WANTED, "us-east1", ONDEMAND, known) is None


prices = st.lists(st.one_of(st.none(), st.sampled_from(["0.1", "0.25", "0.3"])), min_size=12, max_size=12)
"""The price of each hour of one region; None where the history does not say."""


@given(st.fixed_dictionaries({"us-east1": prices, "us-west1": prices}, optional={"us-central1": prices}))
def test_a_backtest_is_the_mean_of_the_hours_in_which_its_regions_have_prices(
    hourly: dict[str, list[str | None]],
) -> None:
    known = {
        region: [
            PriceSpan(at(hour), at(hour + 1), Decimal(price)) for hour, price in enumerate(some) if price is not None
        ]
        for region, some in hourly.items()
    }
    common = [hour for hour in range(12) if hourly["us-east1"][hour] and hourly["us-west1"][hour]]

    found = backtest_cost(MIX, WANTED, "us-east1", ONDEMAND, known)

    def mean(paid: Callable[[int], float]) -> float:
        return sum(map(paid, common)) / len(common)

    def price(region: str, hour: int) -> float:
        return float(hourly[region][hour] or "nan")

    if not common:
        assert found is None
        return
    assert found is not None
    assert (found.start, found.end) == (at(common[0]), at(common[-1] + 1))
    cost = mean(lambda hour: 0.4 + 3 * price("us-east1", hour) + 2 * price("us-west1", hour))
    lowest = mean(lambda hour: min(float(some[hour] or "inf") for some in hourly.values()))
    assert float(found.mix_cost) == pytest.approx(cost)
    assert float(found.spot_percent) == pytest.approx((1 - mean(lambda hour: price("us-east1", hour)) / 0.4) * 100)
    assert float(found.cheapest_region_percent) == pytest.approx((1 - lowest / 0.4) * 100)


def test_the_floor_is_held_while_what_is_not_out_is_enough() -> None:
    hours = [PoolHour(zone, at(hour), 0) for hour in range(6) for zone in (A.zone, B.zone)]
    hours[0] = PoolHour(A.zone, at(0), 2)
    hours[5] = PoolHour(B.zone, at(2), 1)

    def held(floor: int, recovery_hours: float) -> int:
        return backtest_floor(MIX, Wanted(6, floor, 0.99), hours, timedelta(hours=recovery_hours)).held

    assert [held(floor, 1) for floor in (3, 4, 5)] == [6, 5, 4]
    assert held(4, 1.5) == 4
    # Both pools are out in the third hour.
    assert [held(floor, 3) for floor in (1, 2)] == [6, 5]


def test_hours_in_which_a_pool_of_the_mix_had_no_vm_say_nothing() -> None:
    hours = [PoolHour(A.zone, at(0), 0), PoolHour(A.zone, at(1), 0), PoolHour(B.zone, at(1), 0)]
    elsewhere = PoolHour("us-east4-a", at(1), 5)

    found = backtest_floor(MIX, Wanted(6, 6, 0.99), [*hours, elsewhere], timedelta(hours=1))

    assert (found.hours, found.held) == (1, 1)
