from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.price_book import InstancePrice, PriceStatus
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import CostRow, Usage, cost_row, hourly_rates

HOUR = datetime(2026, 7, 21, 5, tzinfo=UTC)
READ_AT = datetime(2026, 7, 21, 6, 7, tzinfo=UTC)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")
NOTHING = AttachedPrices(*(NOTHING_ATTACHED,) * 4)
WORKER = Instance(KEY, "worker-1", ProvisioningModel.SPOT, Shape("n2-standard-4", Decimal(4), Decimal(16)))


def row(seconds: float, spot: str | Decimal | None, ondemand: str | Decimal | None = None) -> CostRow:
    prices = [None if price is None else Decimal(price) for price in (spot, ondemand)]
    status = PriceStatus.UNKNOWN if spot is None else PriceStatus.EXACT
    price = InstancePrice(prices[0], prices[1], status, READ_AT, "why")
    return cost_row(
        Usage(WORKER, HOUR, HOUR + timedelta(hours=1), seconds), Billed(seconds, seconds), hourly_rates(price, NOTHING)
    )


def half_up(exact: Fraction) -> Decimal:
    """The amount with nine decimals, worked out in whole billionths."""
    return Decimal(floor(exact * 10**9 + Fraction(1, 2))).scaleb(-9)


def test_a_row_says_whose_it_is_and_where_its_price_comes_from() -> None:
    found = row(3600, "0.056", "0.184")

    assert (found.hour, found.instance) == (HOUR, WORKER)
    assert found.price == InstancePrice(Decimal("0.056"), Decimal("0.184"), PriceStatus.EXACT, READ_AT, "why")


@pytest.mark.parametrize(
    ("seconds", "price", "hours", "cost"),
    [
        (3600.0, "0.056", "1", "0.056"),
        (0.0, "0.056", "0", "0"),
        (1800.0, "0.056", "0.5", "0.028"),
        (1.0, "1", "0.000277778", "0.000277778"),
        (1200.0, "3", "0.333333333", "1"),
        (2400.0, "0.3", "0.666666667", "0.2"),
        (59.999999, "0.01", "0.016666666", "0.000166667"),
        (1800.0, "0.000000001", "0.5", "0.000000001"),
        (1799.0, "0.000000001", "0.499722222", "0"),
        (75.0, "0.000000024", "0.020833333", "0.000000001"),
        (3600.0, "0.0000000015", "1", "0.000000002"),
        (3600.0, "123456789.123456789", "1", "123456789.123456789"),
    ],
)
def test_hours_and_cost_are_rounded_half_up_to_nine_decimals(seconds: float, price: str, hours: str, cost: str) -> None:
    found = row(seconds, price, price)

    assert (found.uptime_hours, found.cost, found.ondemand_cost) == (Decimal(hours), Decimal(cost), Decimal(cost))


def test_the_cost_is_of_the_price_that_the_row_shows() -> None:
    found = row(3600, "0.0123456785")

    assert found.price.spot == found.cost == Decimal("0.012345679")


@given(
    st.floats(0, 3600, allow_subnormal=False) | st.integers(0, 60).map(lambda minutes: minutes * 60.0),
    st.decimals(0, 1000, places=12),
    st.decimals(0, 1000, places=18),
)
def test_every_figure_is_the_exact_one_rounded_once(seconds: float, spot: Decimal, ondemand: Decimal) -> None:
    found = row(seconds, spot, ondemand)
    hours = Fraction(repr(seconds)) / 3600

    assert found.uptime_hours == half_up(hours)
    assert (found.price.spot, found.price.ondemand) == (half_up(Fraction(spot)), half_up(Fraction(ondemand)))
    assert found.cost == half_up(hours * Fraction(half_up(Fraction(spot))))
    assert found.ondemand_cost == half_up(hours * Fraction(half_up(Fraction(ondemand))))
    for figure in (found.uptime_hours, found.price.spot, found.cost, found.ondemand_cost):
        assert figure is not None
        assert figure.as_tuple().exponent == -9


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
@pytest.mark.parametrize("ondemand", [None, "0.184"])
def test_an_unknown_price_is_an_unknown_cost_and_never_zero(seconds: float, ondemand: str | None) -> None:
    found = row(seconds, None, ondemand)

    assert (found.price.spot, found.cost, found.price.status) == (None, None, PriceStatus.UNKNOWN)
    assert (found.ondemand_cost is None) == (ondemand is None)


def test_an_unknown_on_demand_price_leaves_the_cost_known() -> None:
    found = row(3600, "0.056", None)

    assert (found.cost, found.price.ondemand, found.ondemand_cost) == (Decimal("0.056"), None, None)


def test_a_cost_is_that_of_the_billed_hours() -> None:
    price = InstancePrice(Decimal("0.6"), Decimal("1.2"), PriceStatus.EXACT, READ_AT)

    found = cost_row(
        Usage(WORKER, HOUR, HOUR + timedelta(hours=1), 30.0), Billed(60.0, 60.0), hourly_rates(price, NOTHING)
    )

    assert (found.uptime_hours, found.billed_hours) == (Decimal("0.008333333"), Decimal("0.016666667"))
    assert (found.cost, found.ondemand_cost) == (Decimal("0.01"), Decimal("0.02"))


def test_a_row_of_a_part_of_an_hour_is_in_that_hour() -> None:
    price = InstancePrice(Decimal(1), None, PriceStatus.EXACT, READ_AT)
    start, end = HOUR + timedelta(minutes=1), HOUR + timedelta(minutes=50)

    found = cost_row(Usage(WORKER, start, end, 60.0), Billed(60.0, 60.0), hourly_rates(price, NOTHING))

    assert (found.hour, found.start, found.end) == (HOUR, start, end)


@pytest.mark.parametrize("billed", [Billed(60.0, 60.0), Billed(0.0, 60.0), Billed(30.0, 30.0)])
def test_contract_prices_that_are_the_list_prices_cost_the_same_whatever_is_billed(billed: Billed) -> None:
    def priced(usd: str) -> AttachedPrice:
        return AttachedPrice(Decimal(usd), AttachedStatus.EXACT, contract=ContractAmount(Decimal(usd)))

    attached = AttachedPrices(priced("0.3"), priced("0.0025"), priced("0.07"), priced("0.11"))
    price = InstancePrice(Decimal("0.6"), None, PriceStatus.EXACT, READ_AT, contract=ContractAmount(Decimal("0.6")))

    found = cost_row(Usage(WORKER, HOUR, HOUR + timedelta(hours=1), 30.0), billed, hourly_rates(price, attached))

    assert found.contract is not None
    assert found.contract == (found.cost_billionths, *found.attached[1:])
