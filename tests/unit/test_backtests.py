"""A mix over recorded time, against an hour-by-hour calculation."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.advice.backtests import PoolHour, PriceSpan, backtest_cost, backtest_floor, mean_price
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


changes = st.lists(st.tuples(st.integers(1, 29), st.sampled_from(["0.1", "0.25", "0.3"])), max_size=4).map(
    lambda found: history((0, "0.2"), *sorted(dict(found).items()), end=30)
)


@given(st.lists(changes, min_size=1, max_size=3), st.integers(0, 14), st.integers(15, 30))
def test_the_lowest_price_is_the_mean_of_each_hour_s_lowest(
    histories: list[list[PriceSpan]], first: int, end: int
) -> None:
    lowest = [
        min(span.price for spans in histories for span in spans if span.start <= at(hour) < span.end)
        for hour in range(first, end)
    ]

    assert mean_price(histories, at(first), at(end)) == pytest.approx(sum(lowest) / len(lowest))


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
