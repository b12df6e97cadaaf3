"""Contract prices as the Pricing API has them, over time, and the price of a VM that they make up."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Shape
from spotkeeper.pricing.contract_history import ContractHistory, DatedContractPrice
from spotkeeper.pricing.contract_prices import ContractPrice, contract_price_from_json, contract_rates, sku_of
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import Market, Rate, RateUnit
from tests.unit.tracker_fakes import at

REGION = "us-central1"
CORE = Rate("n2:core", Market.SPOT, REGION, "CORE", "N2 core", RateUnit.VCPU_HOUR, Decimal("0.01"))
RAM = Rate("n2:ram", Market.SPOT, REGION, "RAM", "N2 ram", RateUnit.GIB_HOUR, Decimal("0.001"))
DISK = Rate(
    "pd-balanced:capacity",
    Market.ON_DEMAND,
    REGION,
    "DISK",
    "disk",
    RateUnit.GIB_HOUR,
    Decimal("0.0001"),
    by_month=True,
)
SSD = Rate("local-ssd", Market.SPOT, REGION, "SSD", "ssd", RateUnit.GIB_HOUR, Decimal("0.00004"), by_month=True)
N2 = Shape("n2-standard-4", Decimal(4), Decimal(16))
LIST = PriceBook([CORE, RAM]).price(N2, REGION, Market.SPOT)


def money(units: str = "0", nanos: int = 0, currency: str = "USD") -> dict[str, object]:
    return {"currencyCode": currency, "units": units, "nanos": nanos}


def resource(**changes: object) -> dict[str, Any]:
    """A price as Google describes it, of 0.0095 USD an hour."""
    return {
        "name": "billingAccounts/012345-6789AB-CDEF01/skus/CORE/price",
        "currencyCode": "USD",
        "valueType": "rate",
        "priceReason": {"type": "fixed-price", "fixedPrice": {}},
        "rate": {
            "tiers": [
                {
                    "startAmount": {"value": "0"},
                    "listPrice": money(nanos=10_000_000),
                    "contractPrice": money(nanos=9_500_000),
                }
            ],
            "unitInfo": {"unit": "h", "unitDescription": "hour", "unitQuantity": {"value": "1"}},
            "aggregationInfo": {"level": "LEVEL_ACCOUNT", "interval": "INTERVAL_MONTHLY"},
        },
        **changes,
    }


def with_rate(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The price with another value somewhere in its rate; None takes it out."""
    changed = deepcopy(resource())
    holder: Any = changed["rate"]
    for step in path[:-1]:
        holder = holder[step]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def tier(start: str, nanos: int) -> dict[str, object]:
    return {"startAmount": {"value": start}, "contractPrice": money(nanos=nanos)}


def test_a_price_is_that_of_the_contract_per_unit_of_the_list_rate() -> None:
    found = contract_price_from_json(resource(), CORE)

    assert found == ContractPrice("CORE", RateUnit.VCPU_HOUR, Decimal("0.0095"), "USD", "fixed-price")
    assert found.usd == (Decimal("0.0095"), "")


@pytest.mark.parametrize(
    ("rate", "unit", "quantity", "usd"),
    [
        (CORE, "h", "1", Fraction(95, 10_000)),
        (CORE, "h", "1000", Fraction(95, 10_000_000)),
        (CORE, "h", "1e3", Fraction(95, 10_000_000)),
        (RAM, "GiBy.h", "1", Fraction(95, 10_000)),
        (RAM, "GBy.h", "1", Fraction(95, 10_000) * Fraction("1.073741824")),
        (SSD, "GiBy.mo", "1", Fraction(95, 10_000) / 730),
        (DISK, "GiBy.mo", "1", Fraction(95, 10_000) / 730),
    ],
)
def test_units_are_converted_as_those_of_list_prices(rate: Rate, unit: str, quantity: str, usd: Fraction) -> None:
    changed = resource()
    changed["rate"]["unitInfo"] = {"unit": unit, "unitQuantity": {"value": quantity}}

    found = contract_price_from_json(changed, rate)

    assert found.amount is not None
    assert abs(Fraction(found.amount) - usd) <= Fraction(1, 2 * 10**18)
    assert found.by_month == (unit == "GiBy.mo")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (resource(valueType="unspecified"), 'its contract price is of the type "unspecified", which has no rate'),
        (
            with_rate(("unitInfo", "unit"), "GiBy.h"),
            'its contract price is per "GiBy.h", which does not measure a vcpu_hour',
        ),
        (with_rate(("unitInfo", "unitQuantity"), {"value": "0"}), 'its contract price is of 0 "h"'),
        (
            with_rate(("unitInfo", "unitQuantity"), {"value": "one"}),
            "rate.unitInfo.unitQuantity is ",
        ),
        (with_rate(("unitInfo", "unitQuantity"), {"value": "1e99"}), "its contract price is 9.50e-102 per vcpu_hour"),
        (with_rate(("unitInfo", "unitQuantity"), {"value": "1e-20"}), "its contract price is 9.50e+17 per vcpu_hour"),
        (with_rate(("tiers",), []), "its contract price is 0, which is not believed"),
        (with_rate(("tiers",), [tier("0", 0)]), "its contract price is 0, which is not believed"),
        (with_rate(("tiers",), [tier("0", 9), tier("100", 8)]), "its contract price has tiers that start at 0, 100"),
        (with_rate(("tiers",), [tier("0", 0), tier("100", 8)]), "its contract price has tiers that start at 0, 100"),
        (with_rate(("tiers", 0, "contractPrice"), money(nanos=-1)), "its contract price is -1E-9, below 0"),
        (with_rate(("tiers", 0, "contractPrice"), None), "rate.tiers.contractPrice is missing"),
        (with_rate(("tiers", 0, "contractPrice", "nanos"), "many"), "contractPrice.nanos is"),
        (with_rate(("unitInfo",), None), "rate.unitInfo is missing"),
        ({"name": "billingAccounts/A/skus/CORE/price"}, "valueType is missing"),
    ],
)
def test_a_price_that_cannot_be_used_is_not_known_and_says_why(changed: dict[str, Any], reason: str) -> None:
    found = contract_price_from_json(changed, CORE)

    assert (found.amount, found.usd.usd) == (None, None)
    assert found.reason.startswith(reason)


def test_an_attachment_may_have_a_free_first_tier_as_its_list_price() -> None:
    changed = with_rate(("tiers",), [tier("0", 0), tier("1", 730)])
    changed["rate"]["unitInfo"] = {"unit": "GiBy.mo"}

    assert contract_price_from_json(changed, DISK).amount == Decimal("0.000000001")


def test_a_sku_of_which_the_contract_says_nothing_costs_the_list_price_only_where_google_says_so() -> None:
    without = with_rate(("tiers", 0, "contractPrice"), None)
    default = {**without, "priceReason": {"type": "default-price", "defaultPrice": {}}}

    assert contract_price_from_json(without, CORE).usd.usd is None
    assert contract_price_from_json(default, CORE).usd.usd == Decimal("0.01")


def test_a_price_in_another_currency_is_kept_and_not_converted() -> None:
    found = contract_price_from_json(with_rate(("tiers", 0, "contractPrice"), money("1", 5, "EUR")), CORE)

    assert (found.amount, found.currency) == (Decimal("1.000000005"), "EUR")
    assert found.usd == (None, "its contract price is in EUR, which is not converted")


@pytest.mark.parametrize("name", ["", "skus/CORE/price", "billingAccounts/A/skus//price", "a/b/c/d/e", 7])
def test_a_price_without_the_id_of_its_sku_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="name"):
        sku_of(resource(name=name))


def test_only_what_a_spot_vm_is_billed_by_is_asked_for() -> None:
    on_demand = replace(CORE, market=Market.ON_DEMAND, sku_id="ON-DEMAND")

    assert contract_rates([CORE, on_demand, DISK, RAM]).keys() == {"CORE", "DISK", "RAM"}


def price(sku_id: str, usd: str | None, **more: Any) -> ContractPrice:  # noqa: ANN401 (fields)
    return ContractPrice(sku_id, RateUnit.VCPU_HOUR, None if usd is None else Decimal(usd), **more)


def history_of(readings: Mapping[datetime, Mapping[str, str]]) -> ContractHistory:
    history = ContractHistory()
    for moment, prices in readings.items():
        reading = {sku_id: price(sku_id, usd) for sku_id, usd in prices.items()}
        history = history.after(history.observe(reading, moment), moment)
    return history


BOTH = {"CORE": "0.008", "RAM": "0.0009"}


def test_an_amount_is_the_sum_of_the_quantities_times_the_prices_of_the_same_skus() -> None:
    history = history_of({at(1, 7): BOTH})

    assert history.amount(LIST, at(0)) == (Decimal("0.0464"), "")


def test_what_is_sold_by_the_month_costs_by_the_length_of_the_month() -> None:
    shape = replace(N2, local_ssd_gib=375)
    listed = PriceBook([CORE, RAM, SSD]).price(shape, REGION, Market.SPOT)
    reading = {name: price(name, usd) for name, usd in BOTH.items()} | {"SSD": price("SSD", "0.00003", by_month=True)}
    history = ContractHistory().after(ContractHistory().observe(reading, at(1, 7)), at(1, 7))

    found = history.amount(listed, at(0)).usd

    assert found is not None
    assert round(found, 15) == round(Decimal("0.0464") + Decimal("0.00003") * 375 * 730 / 744, 15)


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (ContractHistory(), "contract prices have not been read yet"),
        (history_of({at(1, 7): {"CORE": "0.008"}}), "n2:ram: no contract price of SKU RAM"),
        (history_of({at(9, 7): BOTH}), "contract prices were not read within a day before the hour ended"),
        (
            history_of({at(0, 7): BOTH}).without_refresh(),
            "contract prices could not be read after 2026-07-21T00:07:00Z",
        ),
    ],
    ids=["never read", "a SKU lacks", "read later", "stale"],
)
def test_what_is_not_known_has_no_amount_and_says_why(history: ContractHistory, reason: str) -> None:
    assert history.amount(LIST, at(1)) == (None, reason)


def test_an_unknown_list_price_has_no_contract_price() -> None:
    unknown = PriceBook([CORE]).price(N2, REGION, Market.SPOT)

    assert history_of({at(1, 7): BOTH}).amount(unknown, at(0)) == (
        None,
        "no list price: no Spot rate for n2:ram in us-central1",
    )


def test_a_change_counts_from_the_midnight_between_two_readings() -> None:
    """Midnight in Los Angeles is 07:00 UTC."""
    history = history_of({at(6, 7): BOTH, at(8, 7): {**BOTH, "CORE": "0.004"}})

    assert [history.amount(LIST, at(hour)).usd for hour in (5, 6, 7, 8)] == [
        Decimal("0.0464"),
        Decimal("0.0464"),
        Decimal("0.0304"),
        Decimal("0.0304"),
    ]


def test_a_reading_without_a_change_changes_nothing() -> None:
    history = history_of({at(1, 7): BOTH})

    assert history.observe({name: price(name, usd) for name, usd in BOTH.items()}, at(2, 7)) == []


def test_a_price_that_is_gone_ends() -> None:
    history = history_of({at(1, 7): {**BOTH, "SSD": "1"}})

    [ended] = history.observe({name: price(name, usd) for name, usd in BOTH.items()}, at(2, 7))

    assert ended == DatedContractPrice(price("SSD", "1"), at(0), at(2))


@pytest.mark.parametrize("left", [(), ("CORE",)])
def test_a_reading_that_lacks_more_than_half_of_the_prices_is_incomplete(left: tuple[str, ...]) -> None:
    history = history_of({at(1, 7): {**BOTH, "SSD": "1"}})

    with pytest.raises(UnavailableError, match="lacks"):
        history.observe({name: price(name, "1") for name in left}, at(2, 7))


def test_prices_that_were_read_long_ago_are_taken_for_no_hour_between() -> None:
    """As when contract prices are switched off for a month, and on again with other terms."""
    history = history_of({at(1, 7): BOTH, at(101, 7): {**BOTH, "CORE": "0.004"}})

    found = {hour: history.amount(LIST, at(hour)).usd for hour in (0, 25, 26, 99, 100, 125, 126)}

    old, new = Decimal("0.0464"), Decimal("0.0304")
    assert found == {0: old, 25: old, 26: None, 99: None, 100: new, 125: new, 126: None}


def test_prices_of_an_earlier_time_without_a_known_reading_end_before_the_hour_that_a_new_one_covers() -> None:
    before = history_of({at(1, 7): BOTH})
    known = [DatedContractPrice(price(name, usd), at(0)) for name, usd in BOTH.items()]
    forgotten = ContractHistory(known)
    reading = {name: price(name, usd) for name, usd in {**BOTH, "CORE": "0.004"}.items()}

    history = forgotten.after(forgotten.observe(reading, at(101, 7)), at(101, 7))

    assert before.amount(LIST, at(0)).usd == Decimal("0.0464")
    assert [history.amount(LIST, at(hour)).usd for hour in (99, 100)] == [None, Decimal("0.0304")]


def test_it_is_due_when_the_catalog_is() -> None:
    history = history_of({datetime(2026, 7, 21, 8, 7, tzinfo=UTC): BOTH})

    due = [history.readings.is_due(at(hour, 7), timedelta(hours=6)) for hour in (9, 13, 14)]

    assert due == [False, False, True]
