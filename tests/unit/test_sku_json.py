from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import MalformedSkuError, money, sku_from_json
from tests.unit.sku_samples import CORE, IOWA, priced


@pytest.mark.parametrize(
    ("units", "nanos", "usd"),
    [
        ("1", 200_000_000, "1.2"),
        ("2", 933_908_000, "2.933908"),
        ("0", 26_460_000, "0.02646"),
        ("0", 1, "0.000000001"),
        ("0", -5_500_000, "-0.0055"),
        ("-1", -750_000_000, "-1.75"),
        (9_223_372_036_854_775_807, 999_999_999, "9223372036854775807.999999999"),
    ],
)
def test_money_is_its_units_and_its_nanos(units: str | int, nanos: int, usd: str) -> None:
    assert money(units, nanos) == Decimal(usd)


@given(st.integers(0, 2**63 - 1), st.integers(0, 999_999_999), st.sampled_from([1, -1]))
def test_money_is_exact_to_the_last_nano(units: int, nanos: int, sign: int) -> None:
    amount = money(str(sign * units), sign * nanos)

    assert int(amount.as_integer_ratio()[0] * 10**9 // amount.as_integer_ratio()[1]) == sign * (units * 10**9 + nanos)


def resource(**changes: object) -> dict[str, Any]:
    """A SKU in the API's form."""
    pricing = {
        "pricingExpression": {
            "usageUnit": "h",
            "tieredRates": [{"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "1", "nanos": 2}}],
        },
        "effectiveTime": "2026-07-30T07:00:00Z",
    }
    whole: dict[str, Any] = {
        "skuId": "CORE",
        "description": "N2 Instance Core running in Iowa",
        "category": {"resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": "OnDemand"},
        "serviceRegions": [IOWA],
        "pricingInfo": [pricing],
    }
    return whole | changes


def pricing(usd: int, effective_time: str = "2026-07-30T07:00:00Z") -> dict[str, Any]:
    info: dict[str, Any] = resource()["pricingInfo"][0]
    info["pricingExpression"]["tieredRates"][0]["unitPrice"]["units"] = str(usd)
    return info | {"effectiveTime": effective_time}


def test_json_is_read_in_full() -> None:
    assert sku_from_json(resource()) == replace(CORE, tiers=priced("1.000000002"))


def test_the_last_pricing_info_is_the_present_one() -> None:
    sku = sku_from_json(resource(pricingInfo=[pricing(7), pricing(3)]))

    assert sku.tiers == priced("3.000000002")


def test_the_effective_time_plays_no_part_in_a_rate() -> None:
    published_daily = [
        sku_from_json(resource(pricingInfo=[pricing(1, f"2026-07-{day}T07:00:00Z")])) for day in (29, 30, 31)
    ]

    assert len({read_catalog([sku]).rates for sku in published_daily}) == 1


@pytest.mark.parametrize("absent", [{"pricingInfo": []}, {"pricingInfo": None}])
def test_json_without_pricing_is_a_sku_without_a_price(absent: dict[str, object]) -> None:
    assert sku_from_json(resource(**absent)).tiers == ()


def test_json_leaves_out_what_is_zero() -> None:
    free = pricing(1)
    free["pricingExpression"]["tieredRates"] = [{"unitPrice": {"currencyCode": "USD"}}]

    assert sku_from_json(resource(pricingInfo=[free])).tiers == priced("0")


def with_unit_price(unit_price: object) -> dict[str, Any]:
    info = pricing(1)
    info["pricingExpression"]["tieredRates"][0]["unitPrice"] = unit_price
    return resource(pricingInfo=[info])


def with_tier(**tier: object) -> dict[str, Any]:
    info = pricing(1)
    info["pricingExpression"]["tieredRates"][0] |= tier
    return resource(pricingInfo=[info])


def with_expression(**expression: object) -> dict[str, Any]:
    info = pricing(1)
    info["pricingExpression"] |= expression
    return resource(pricingInfo=[info])


USD = {"currencyCode": "USD", "units": "0", "nanos": 0}
WHOLE = f"but must be a whole number from -{2**63 - 1} to {2**63 - 1}"
NUMBER = WHOLE.replace("whole ", "")
NANOS = "but must be a whole number from -999999999 to 999999999"
MALFORMED: list[tuple[dict[str, Any], str]] = [
    (resource(description=None), "description is null, but must be a string"),
    (resource(description=7), "description is 7, but must be a string"),
    ({key: value for key, value in resource().items() if key != "description"}, "description is missing"),
    (resource(category=None), "category is null, but must be an object"),
    (resource(category={"resourceGroup": "CPU"}), "category.resourceFamily is missing"),
    (
        resource(category={"resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": None}),
        "category.usageType is null, but must be a string",
    ),
    (resource(serviceRegions=None), "serviceRegions is null, but must be a list"),
    (resource(serviceRegions="us-central1"), 'serviceRegions is "us-central1", but must be a list'),
    (resource(serviceRegions=[None]), "serviceRegions is [null], but must be a list, each item a string"),
    (resource(pricingInfo={"pricingExpression": {}}), 'pricingInfo is {"pricingExpression": {}}, but must be a list'),
    (resource(pricingInfo=[None]), "the last pricingInfo is null, but must be an object"),
    (resource(pricingInfo=[{}]), "pricingInfo.pricingExpression is missing"),
    (with_expression(usageUnit=None), "usageUnit is null, but must be a string"),
    (with_expression(tieredRates={}), "tieredRates is {}, but must be a list"),
    (with_expression(tieredRates=[3]), "tieredRates is [3], but must be a list, each item an object"),
    (with_tier(startUsageAmount="0"), f'startUsageAmount is "0", {NUMBER}'),
    (with_tier(startUsageAmount=float("nan")), f"startUsageAmount is nan, {NUMBER}"),
    (with_tier(unitPrice=None), "tieredRates.unitPrice is null, but must be an object"),
    (with_tier(unitPrice=USD | {"units": "one"}), f'unitPrice.units is "one", {WHOLE}'),
    (with_tier(unitPrice=USD | {"units": "NaN"}), f'unitPrice.units is "NaN", {WHOLE}'),
    (with_tier(unitPrice=USD | {"units": "Infinity"}), f'unitPrice.units is "Infinity", {WHOLE}'),
    (with_tier(unitPrice=USD | {"units": "1.5"}), f'unitPrice.units is "1.5", {WHOLE}'),
    (with_tier(unitPrice=USD | {"units": 1.5}), f"unitPrice.units is 1.5, {WHOLE}"),
    (with_tier(unitPrice=USD | {"units": None}), f"unitPrice.units is null, {WHOLE}"),
    (with_tier(unitPrice=USD | {"nanos": None}), f"unitPrice.nanos is null, {NANOS}"),
    (with_tier(unitPrice=USD | {"nanos": "many"}), f'unitPrice.nanos is "many", {NANOS}'),
    (with_tier(unitPrice=USD | {"nanos": True}), f"unitPrice.nanos is true, {NANOS}"),
    (with_tier(unitPrice=USD | {"currencyCode": 840}), "unitPrice.currencyCode is 840, but must be a string"),
]


@pytest.mark.parametrize(("malformed", "fault"), MALFORMED, ids=[fault for _, fault in MALFORMED])
def test_a_malformed_sku_is_named_with_the_field_that_is_wrong(malformed: dict[str, Any], fault: str) -> None:
    with pytest.raises(MalformedSkuError) as error:
        sku_from_json(malformed)

    assert str(error.value) == f"SKU CORE is malformed: {fault}"


@pytest.mark.parametrize(("thing", "shown"), [(None, "null"), ("a text", '"a text"'), ([], "[]")])
def test_what_is_no_object_is_no_sku(thing: Any, shown: str) -> None:  # noqa: ANN401 (anything that JSON can hold)
    with pytest.raises(MalformedSkuError, match="SKU that is none is malformed") as error:
        sku_from_json(thing)

    assert str(error.value).endswith(f"it is {shown}, but must be an object")


def test_a_sku_without_an_id_is_said_to_have_none() -> None:
    with pytest.raises(MalformedSkuError, match="SKU without an id is malformed: skuId is missing"):
        sku_from_json({"description": "N2 Instance Core"})


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
PATHS: list[tuple[str | int, ...]] = [
    *((name,) for name in resource()),
    *(("category", name) for name in resource()["category"]),
    ("pricingInfo", 0),
    ("pricingInfo", 0, "pricingExpression"),
    ("pricingInfo", 0, "pricingExpression", "usageUnit"),
    ("pricingInfo", 0, "pricingExpression", "tieredRates"),
    ("pricingInfo", 0, "pricingExpression", "tieredRates", 0),
    ("pricingInfo", 0, "pricingExpression", "tieredRates", 0, "startUsageAmount"),
    *(("pricingInfo", 0, "pricingExpression", "tieredRates", 0, "unitPrice", name) for name in USD),
]


@given(st.sampled_from(PATHS), ANY_JSON)
def test_whatever_stands_in_a_field_a_sku_is_read_or_refused_and_nothing_else(
    path: tuple[str | int, ...], value: object
) -> None:
    whole = resource()
    holder: Any = whole
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value

    prices: list[Decimal] = []
    with suppress(MalformedSkuError):
        prices = [price for _, price in sku_from_json(whole).tiers]

    assert all(price.is_finite() for price in prices)
