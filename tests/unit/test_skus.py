import gc
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.skus import CatalogReading, ForeignCurrencyError, RateUnit, Sku
from tests.unit.sku_samples import (
    AMERICAS,
    CAROLINA,
    CORE,
    GPU,
    IOWA,
    ON_DEMAND,
    OREGON,
    RAM,
    SPOT,
    components,
    priced,
    reasons,
    usd_by_region,
)


@pytest.mark.parametrize(
    "description",
    [
        "Preemptible N2 Instance Core running in Iowa",
        "Spot Preemptible N2 Instance Core running in Iowa",
        "N2 Instance Core running in Iowa",
    ],
)
def test_the_market_comes_from_the_usage_type_however_the_description_is_worded(description: str) -> None:
    (rate,) = read_catalog([replace(CORE, description=description, usage_type="Preemptible")]).rates

    assert (rate.component, rate.market) == ("n2:core", SPOT)


@pytest.mark.parametrize(
    "description",
    [
        "Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas",
        "A4 Nvidia B200 (1 gpu slice) attached to Spot Preemptible VMs running in Americas",
    ],
)
def test_a_sku_worded_as_spot_is_never_the_price_on_demand_though_its_usage_type_says_so(description: str) -> None:
    on_demand = replace(GPU, sku_id="OD", description="A4 Nvidia B200 (1 gpu slice) running in Americas")
    mislabelled = replace(GPU, sku_id="SPOT", description=description, tiers=priced("4.9542"))

    rates = read_catalog([mislabelled, on_demand]).rates

    assert [(rate.market, rate.sku_id) for rate in rates] == [(ON_DEMAND, "OD"), (SPOT, "SPOT")]


@pytest.mark.parametrize("usd", ["0.01", "0.05"])
def test_a_usage_type_that_says_spot_beats_words_that_say_so_whatever_they_cost(usd: str) -> None:
    labelled = replace(CORE, sku_id="ZZZ", usage_type="Preemptible", service_regions=AMERICAS, tiers=priced("0.03"))
    worded = replace(CORE, sku_id="AAA", description=f"Spot Preemptible {CORE.description}", tiers=priced(usd))

    reading = read_catalog([worded, labelled])

    assert {rate.sku_id for rate in reading.rates} == {"ZZZ"}
    assert [each.dropped.sku_id for each in reading.duplicates] == ["AAA"]


@pytest.mark.parametrize("usage_type", ["Commit1Yr", "Commit3Yr", "Commit", "CmtCudPremium"])
def test_commitments_are_no_market_of_ours(usage_type: str) -> None:
    assert read_catalog([replace(CORE, usage_type=usage_type)]) == CatalogReading(())


@pytest.mark.parametrize("usage_type", ["Spot", "onDemand", ""])
def test_a_usage_type_nobody_knows_is_reported_and_not_taken_for_a_market(usage_type: str) -> None:
    reading = read_catalog([replace(CORE, usage_type=usage_type)])

    assert reading.rates == ()
    assert [each.reason for each in reading.unmatched] == [
        f"its usage type {usage_type!r} is neither on-demand nor Spot"
    ]


def test_a_rate_holds_in_all_of_its_service_regions_and_not_only_in_the_first() -> None:
    americas = replace(CORE, description="N2 Instance Core running in Americas", service_regions=AMERICAS)

    assert usd_by_region(read_catalog([americas])) == dict.fromkeys(AMERICAS, Decimal("0.03"))


def test_the_text_of_a_place_is_never_the_region() -> None:
    misleading = replace(CORE, description="N2 Instance Core running in Iowa", service_regions=("asia-east1",))

    assert usd_by_region(read_catalog([misleading])) == {"asia-east1": Decimal("0.03")}


@pytest.mark.parametrize("own_price", ["0.02", "0.03", "0.05"])
def test_a_regions_own_sku_beats_one_of_a_continent_whether_dearer_or_not(own_price: str) -> None:
    continent = replace(CORE, sku_id="AAA", service_regions=AMERICAS, tiers=priced("0.03"))
    own = replace(CORE, sku_id="ZZZ", service_regions=(CAROLINA,), tiers=priced(own_price))

    usd = usd_by_region(read_catalog([continent, own]))

    assert usd == {IOWA: Decimal("0.03"), CAROLINA: Decimal(own_price), OREGON: Decimal("0.03")}


def test_a_component_that_names_no_region_is_reported() -> None:
    assert reasons(replace(CORE, service_regions=())) == ["it names no region"]


@pytest.mark.parametrize(
    ("usage_unit", "factor"),
    [
        ("GiBy.h", Decimal(1)),
        ("GBy.h", Decimal("1.073741824")),
        ("GiBy.mo", 1 / Decimal(730)),
        ("GBy.mo", Decimal("1.073741824") / 730),
    ],
)
def test_memory_is_priced_per_gibibyte_and_hour_whatever_the_catalog_counts(usage_unit: str, factor: Decimal) -> None:
    (rate,) = read_catalog([replace(RAM, usage_unit=usage_unit, tiers=priced("0.08"))]).rates

    assert rate.unit is RateUnit.GIB_HOUR
    assert abs(rate.usd - Decimal("0.08") * factor) < Decimal("1e-20")
    assert rate.by_month is usage_unit.endswith(".mo")


@pytest.mark.parametrize(
    ("sku", "usage_unit"),
    [
        (CORE, "mo"),
        (CORE, "GiBy.h"),
        (CORE, ""),
        (RAM, "h"),
        (RAM, "TiBy.h"),
        (RAM, "giby.h"),
        (GPU, "GiBy.mo"),
    ],
)
def test_a_unit_that_is_not_known_for_a_component_is_refused_and_named(sku: Sku, usage_unit: str) -> None:
    reading = read_catalog([replace(sku, usage_unit=usage_unit)])

    assert reading.rates == ()
    assert repr(usage_unit) in reading.unmatched[0].reason


@pytest.mark.parametrize(
    ("starts", "named"), [((0, 30), "0, 30"), ((0, 1, 2), "0, 1, 2"), ((30,), "30")], ids=["two", "three", "late"]
)
def test_a_price_that_depends_on_the_amount_is_refused(starts: tuple[int, ...], named: str) -> None:
    tiered = replace(CORE, tiers=tuple((Decimal(start), Decimal("0.03")) for start in starts))

    assert read_catalog([tiered]).rates == ()
    assert reasons(tiered) == [f"its price has tiers that start at {named}"]


@pytest.mark.parametrize("usd", ["0", "-0.0055", "-0"])
def test_a_price_of_nothing_or_less_is_no_price(usd: str) -> None:
    assert read_catalog([replace(CORE, tiers=priced(usd))]) == CatalogReading(())


def test_a_placeholder_of_zero_does_not_hide_the_price_beside_it() -> None:
    placeholder = replace(CORE, sku_id="AAA", tiers=priced("0"))

    reading = read_catalog([placeholder, CORE])

    assert usd_by_region(reading) == {IOWA: Decimal("0.03")}
    assert reading.duplicates == ()


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("sku", [CORE, replace(CORE, currency="EUR")], ids=["read", "refused"])
def test_the_garbage_collector_is_left_as_it_was(sku: Sku, *, is_on: bool) -> None:
    found_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        with suppress(ForeignCurrencyError):
            read_catalog([sku])
        left_on = gc.isenabled()
    finally:
        (gc.enable if found_on else gc.disable)()

    assert left_on is is_on


def test_all_skus_are_counted_whatever_they_are() -> None:
    disk = replace(CORE, resource_group="PDStandard", description="Storage PD Capacity")

    assert read_catalog([CORE, disk, CORE]).skus_read == 3


def test_a_sku_without_any_price_is_no_price() -> None:
    assert read_catalog([replace(CORE, tiers=(), currency="")]).rates == ()


@pytest.mark.parametrize("currency", ["EUR", "IDR", "usd", ""])
def test_another_currency_is_refused_and_named(currency: str) -> None:
    foreign = replace(CORE, sku_id="CF4E-A0C7-E3BF", currency=currency)

    with pytest.raises(ForeignCurrencyError, match=f"CF4E-A0C7-E3BF .*'{currency}', not in USD"):
        read_catalog([RAM, foreign])


def test_the_currency_of_what_is_no_component_does_not_matter() -> None:
    disk = replace(CORE, resource_group="PDStandard", currency="EUR")

    assert components(disk, CORE) == ["n2:core"]


def test_of_two_skus_for_one_component_the_dearer_counts_and_the_other_is_reported() -> None:
    cheap = replace(CORE, sku_id="AAA", tiers=priced("0.0348"))
    dear = replace(CORE, sku_id="BBB", tiers=priced("0.0422"))

    reading = read_catalog([cheap, dear])

    assert [(rate.sku_id, rate.usd) for rate in reading.rates] == [("BBB", Decimal("0.0422"))]
    assert [(each.kept.sku_id, each.dropped.sku_id) for each in reading.duplicates] == [("BBB", "AAA")]


def test_of_two_skus_at_one_price_the_lower_id_counts() -> None:
    reading = read_catalog([replace(CORE, sku_id="BBB"), replace(CORE, sku_id="AAA")])

    assert [rate.sku_id for rate in reading.rates] == ["AAA"]
    assert [each.dropped.sku_id for each in reading.duplicates] == ["BBB"]


def test_of_three_skus_two_are_reported() -> None:
    skus = [replace(CORE, sku_id=str(number), tiers=priced(f"0.0{number}")) for number in (1, 3, 2)]

    (kept,) = read_catalog(skus).rates

    assert kept.sku_id == "3"
    assert [(each.kept, each.dropped.sku_id) for each in read_catalog(skus).duplicates] == [(kept, "2"), (kept, "1")]


def test_a_sku_that_is_listed_twice_does_not_collide_with_itself() -> None:
    assert read_catalog([CORE, RAM, CORE]) == read_catalog([CORE, RAM])


def test_a_sku_that_is_listed_twice_at_two_prices_collides() -> None:
    later = replace(CORE, tiers=priced("0.02"))

    assert read_catalog([CORE, later]) == read_catalog([later, CORE])
    assert [each.dropped.usd for each in read_catalog([CORE, later]).duplicates] == [Decimal("0.02")]


def test_two_markets_or_two_regions_do_not_collide() -> None:
    spot = replace(CORE, sku_id="AAA", usage_type="Preemptible")
    elsewhere = replace(CORE, sku_id="BBB", service_regions=("europe-west4",))

    reading = read_catalog([CORE, spot, elsewhere])

    assert len(reading.rates) == 3
    assert reading.duplicates == ()


ANY_SKU = st.builds(
    Sku,
    sku_id=st.sampled_from("ABCDEF"),
    description=st.builds(
        lambda market, wording, place: market + wording + place,
        st.sampled_from(["", "Spot Preemptible ", "Sole Tenancy ", "Reserved "]),
        st.sampled_from(["N2 Instance Core", "N2 Instance Ram", "Compute optimized Core", "C5 Instance Core"]),
        st.sampled_from(["", " running in Iowa", " running in Americas"]),
    ),
    resource_family=st.just("Compute"),
    resource_group=st.sampled_from(["CPU", "RAM", "PDStandard"]),
    usage_type=st.sampled_from(["OnDemand", "Preemptible", "Commit1Yr"]),
    service_regions=st.sampled_from([(), (IOWA,), (CAROLINA,), (IOWA, CAROLINA), AMERICAS]),
    usage_unit=st.sampled_from(["h", "GiBy.h", "GBy.h", "GiBy.mo", "mo"]),
    currency=st.just("USD"),
    tiers=st.lists(
        st.tuples(
            st.sampled_from([Decimal(0), Decimal(30)]),
            st.decimals(-5, 5, places=9, allow_nan=False) | st.just(Decimal(0)) | st.just(Decimal("0.03")),
        ),
        max_size=2,
    ).map(tuple),
)
ANY_CATALOG = st.lists(ANY_SKU, max_size=12)


def test_unmatched_skus_that_differ_only_in_usage_type_or_regions_are_in_one_order() -> None:
    """A set iterates by hash, so that a part of the fields as the sort key gives another order in each process."""
    regions = [f"region-{number:02}" for number in range(40)]
    skus = [
        replace(CORE, description="C99 Instance Core", usage_type=usage_type, service_regions=(region,))
        for usage_type in ("OnDemand", "Preemptible")
        for region in regions
    ]

    unmatched = read_catalog(reversed(skus)).unmatched

    assert [(each.usage_type, each.regions) for each in unmatched] == [
        (sku.usage_type, sku.service_regions) for sku in skus
    ]


@given(ANY_CATALOG.flatmap(lambda skus: st.tuples(st.just(skus), st.permutations(skus))))
def test_the_order_of_the_catalog_changes_nothing(catalogs: tuple[list[Sku], list[Sku]]) -> None:
    one, other = catalogs

    assert read_catalog(one) == read_catalog(other)


@given(ANY_CATALOG)
def test_no_catalog_gives_a_rate_of_nothing_or_two_rates_for_one_component(skus: list[Sku]) -> None:
    reading = read_catalog(skus)

    keys = [(rate.component, rate.market, rate.region) for rate in reading.rates]
    assert all(rate.usd > 0 for rate in reading.rates)
    assert len(set(keys)) == len(keys)


@given(ANY_CATALOG)
def test_a_duplicate_rate_is_reported_beside_the_rate_that_counts_in_its_place(skus: list[Sku]) -> None:
    reading = read_catalog(skus)

    for each in reading.duplicates:
        assert each.kept in reading.rates
        assert each.dropped not in reading.rates
        assert (each.kept.component, each.kept.market, each.kept.region) == (
            each.dropped.component,
            each.dropped.market,
            each.dropped.region,
        )
