import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.skus import (
    CatalogReading,
    ForeignCurrencyError,
    MalformedSkuError,
    Market,
    RateUnit,
    Sku,
    money,
    read_catalog,
    sku_from_json,
)
from spotkeeper.tables import rows

CATALOG = Path(__file__).parents[2].parent / "shared" / "data" / "catalog"
real_catalog = pytest.mark.skipif(
    not CATALOG.is_dir(), reason=f"THE REAL CATALOGUE PAGES ARE NOT READ: there is no {CATALOG}"
)

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
IOWA, CAROLINA, OREGON = "us-central1", "us-east1", "us-west1"
AMERICAS = (IOWA, CAROLINA, OREGON)

CORE = Sku(
    sku_id="CORE",
    description="N2 Instance Core running in Iowa",
    resource_family="Compute",
    resource_group="CPU",
    usage_type="OnDemand",
    service_regions=(IOWA,),
    usage_unit="h",
    currency="USD",
    tiers=((Decimal(0), Decimal("0.03")),),
)
RAM = replace(
    CORE, sku_id="RAM", description="N2 Instance Ram running in Iowa", resource_group="RAM", usage_unit="GiBy.h"
)
GPU = replace(CORE, sku_id="GPU", description="Nvidia L4 GPU running in Iowa", resource_group="GPU")

WORDINGS = [(row["component"], RateUnit(row["unit"]), row["wording"]) for row in rows("components")]
PLACES = [
    *(f"{link} {place}" for link in (" running in", " in") for place in ("Americas", "Sydney", "Netherlands")),
    " running in Northern Virginia",
    " running in São Paulo",
    " running in Montréal",
    "",
]
CASES: list[Callable[[str], str]] = [str, str.upper, str.lower]
MARKET_WORDINGS: dict[str, tuple[str, Callable[[str], str]]] = {
    "on-demand": ("OnDemand", lambda wording: wording),
    "preemptible of 2021": ("Preemptible", lambda wording: f"Preemptible {wording}"),
    "Spot": ("Preemptible", lambda wording: f"Spot Preemptible {wording}"),
    "attached, of 2021": ("Preemptible", lambda wording: f"{wording} attached to Preemptible VMs"),
    "attached to Spot": ("Preemptible", lambda wording: f"{wording} attached to Spot Preemptible VMs"),
    "no market at all": ("Preemptible", lambda wording: wording),
}


def priced(usd: str) -> tuple[tuple[Decimal, Decimal], ...]:
    return ((Decimal(0), Decimal(usd)),)


def sku_of(unit: RateUnit, description: str) -> Sku:
    return replace(RAM if unit is RateUnit.GIB_HOUR else CORE, description=description)


def components(*skus: Sku) -> list[str]:
    return [rate.component for rate in read_catalog(skus).rates]


def the_component(description: str, base: Sku = CORE) -> str | None:
    return next(iter(components(replace(base, description=description))), None)


def usd_by_region(reading: CatalogReading) -> dict[str, Decimal]:
    return {rate.region: rate.usd for rate in reading.rates}


def reasons(*skus: Sku) -> list[str]:
    return [each.reason for each in read_catalog(skus).unclaimed]


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


def test_a_description_of_spot_that_is_sold_on_demand_is_reported_and_not_read() -> None:
    contradictory = replace(CORE, description="Spot Preemptible N2 Instance Core running in Iowa")

    reading = read_catalog([contradictory])

    assert reading.rates == ()
    assert [each.reason for each in reading.unclaimed] == ["worded as Spot and sold as on-demand"]


@pytest.mark.parametrize("usage_type", ["Commit1Yr", "Commit3Yr", "CmtCudPremium", ""])
def test_other_usage_types_are_no_market_of_ours(usage_type: str) -> None:
    assert read_catalog([replace(CORE, usage_type=usage_type)]) == CatalogReading(())


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


@pytest.mark.parametrize(("component", "unit", "wording"), WORDINGS)
@pytest.mark.parametrize("market_wording", MARKET_WORDINGS)
def test_every_wording_is_its_own_component_in_every_market_and_place(
    component: str, unit: RateUnit, wording: str, market_wording: str
) -> None:
    usage_type, words = MARKET_WORDINGS[market_wording]

    for place, case in product(PLACES, CASES):
        sku = replace(sku_of(unit, case(words(wording) + place)), usage_type=usage_type)
        reading = read_catalog([sku])
        assert [(rate.component, rate.unit) for rate in reading.rates] == [(component, unit)], sku.description


def test_no_wording_belongs_to_two_components() -> None:
    wordings = [wording.casefold() for _, _, wording in WORDINGS]

    assert len(set(wordings)) == len(wordings)


def test_a_component_has_one_unit() -> None:
    units = {(component, unit) for component, unit, _ in WORDINGS}

    assert len(units) == len({component for component, _ in units})


def test_no_wording_is_a_decoy_too() -> None:
    decoys = [row["words"] for row in rows("decoys")]

    assert [
        (decoy, wording) for decoy, (_, _, wording) in product(decoys, WORDINGS) if decoy in wording.casefold()
    ] == []


@pytest.mark.parametrize(("component", "unit", "wording"), WORDINGS)
def test_a_wording_with_a_word_more_at_either_end_is_not_claimed(component: str, unit: RateUnit, wording: str) -> None:
    before = sku_of(unit, f"New {wording} running in Iowa")
    after = sku_of(unit, f"{wording} New running in Iowa")

    assert component not in components(before, after)


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("N1 Predefined Instance Core running in Americas", "n1:core"),
        ("N1 Predefined Instance Ram running in Americas", "n1:ram"),
        ("Custom Instance Core running in Americas", "n1-custom:core"),
        ("Custom Instance Ram running in Americas", "n1-custom:ram"),
    ],
)
def test_n1_is_predefined_and_its_custom_types_are_bare_custom(description: str, component: str) -> None:
    n1 = replace(CORE, resource_group="N1Standard", usage_unit="GiBy.h" if component.endswith("ram") else "h")

    assert the_component(description, n1) == component


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("Custom Instance Ram running in Americas", "n1-custom:ram"),
        ("Custom Extended Instance Ram running in Americas", "n1-custom:ram-extended"),
        ("N2 Custom Instance Ram running in Americas", "n2-custom:ram"),
        ("N2 Custom Extended Instance Ram running in Americas", "n2-custom:ram-extended"),
        ("N2D AMD Custom Instance Ram running in Americas", "n2d-custom:ram"),
        ("N2D AMD Custom Extended Instance Ram running in Americas", "n2d-custom:ram-extended"),
        ("N2D AMD Custom Extended Ram running in Americas", "n2d-custom:ram-extended"),
        ("E2 Custom Instance Ram running in Americas", "e2-custom:ram"),
        ("N4 Custom Instance Ram running in Americas", "n4-custom:ram"),
        ("N4A Custom Instance Ram running in Iowa", "n4a-custom:ram"),
        ("N4D Custom Instance Ram running in Iowa", "n4d-custom:ram"),
    ],
)
def test_custom_types_have_rates_of_their_own_and_others_for_extended_memory(description: str, component: str) -> None:
    assert the_component(description, RAM) == component


@pytest.mark.parametrize(
    "description", ["Compute optimized Core running in Americas", "Compute optimized Instance Core running in Jakarta"]
)
def test_c2_is_spelled_in_two_ways(description: str) -> None:
    assert the_component(description) == "c2:core"


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("Memory-optimized Instance Core running in Americas", "m1:core"),
        (
            "Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas",
            "m2-premium:core",
        ),
        ("M3 Memory-optimized Instance Core running in Americas", "m3:core"),
        ("M4 Instance Core running in Americas", "m4:core"),
        ("M4N Instance Core running in Americas", "m4n:core"),
        ("M4Ultramem224 Instance Core running in Americas", "m4-ultramem-224:core"),
        ("A3 Instance Core running in Americas", "a3:core"),
        ("A3Plus Instance Core running in Americas", "a3plus:core"),
        ("A3Ultra Instance Core running in Americas", "a3ultra:core"),
    ],
)
def test_families_whose_names_contain_one_another_are_kept_apart(description: str, component: str) -> None:
    assert the_component(description) == component


@pytest.mark.parametrize(
    ("description", "component"),
    [
        (f"{words} Instance Core running in Iowa", f"{family}:core")
        for words, family in [
            ("N2", "n2"),
            ("N2D AMD", "n2d"),
            ("N2 Custom", "n2-custom"),
            ("N2D AMD Custom", "n2d-custom"),
            ("N4", "n4"),
            ("N4A", "n4a"),
            ("N4D", "n4d"),
            ("C3", "c3"),
            ("C3D", "c3d"),
            ("C4", "c4"),
            ("C4A Arm", "c4a"),
            ("C4D", "c4d"),
            ("C4N", "c4n"),
        ]
    ],
)
def test_no_family_swallows_another_that_begins_like_it(description: str, component: str) -> None:
    assert the_component(description) == component


@pytest.mark.parametrize(
    ("wording", "component"),
    [
        ("Nvidia Tesla T4 GPU", "gpu:nvidia-tesla-t4"),
        ("Nvidia Tesla A100 GPU", "gpu:nvidia-tesla-a100"),
        ("Nvidia Tesla A100 80GB GPU", "gpu:nvidia-a100-80gb"),
        ("Nvidia H100 80GB GPU", "gpu:nvidia-h100-80gb"),
        ("Nvidia H100 80GB Mega GPU", "gpu:nvidia-h100-mega-80gb"),
        ("Nvidia H100 80GB Plus GPU", "gpu:nvidia-h100-mega-80gb"),
        ("H200 141GB GPU", "gpu:nvidia-h200-141gb"),
        ("Nvidia H100 Mega 80GB GPU", "gpu:nvidia-h100-mega-80gb"),
        ("RTX 6000 96GB", "gpu:nvidia-rtx-pro-6000"),
    ],
)
def test_gpus_are_skus_of_their_own_and_named_in_more_than_one_way(wording: str, component: str) -> None:
    spot = replace(
        GPU, usage_type="Preemptible", description=f"{wording} attached to Spot Preemptible VMs running in Iowa"
    )
    on_demand = replace(GPU, description=f"{wording} running in Iowa")

    rates = read_catalog([spot, on_demand]).rates

    assert [(rate.component, rate.market) for rate in rates] == [(component, ON_DEMAND), (component, SPOT)]


@pytest.mark.parametrize(
    ("description", "usage_type", "component"),
    [
        ("SSD backed Local Storage", "OnDemand", "local-ssd"),
        ("SSD backed Local Storage in Northern Virginia", "OnDemand", "local-ssd"),
        ("SSD backed Local Storage attached to Spot Preemptible VMs", "Preemptible", "local-ssd"),
        ("SSD backed Local Storage attached to Spot Preemptible VMs in Sydney", "Preemptible", "local-ssd"),
        ("C4 Instance Local SSD running in Iowa", "OnDemand", "c4:local-ssd"),
        ("Spot Preemptible C4D Instance Local SSD running in Iowa", "Preemptible", "c4d:local-ssd"),
    ],
)
def test_local_ssd_is_ordinary_or_that_of_a_family(description: str, usage_type: str, component: str) -> None:
    ssd = replace(RAM, resource_group="LocalSSD", usage_type=usage_type, usage_unit="GiBy.mo")

    assert the_component(description, ssd) == component


@pytest.mark.parametrize(
    ("group", "description", "component"),
    [
        ("F1Micro", "Micro Instance with burstable CPU running in Americas", "f1-micro:instance"),
        ("G1Small", "Small Instance with 1 VCPU running in Americas", "g1-small:instance"),
    ],
)
def test_a_shared_core_instance_of_the_first_generation_is_one_flat_rate(
    group: str, description: str, component: str
) -> None:
    (rate,) = read_catalog([replace(CORE, resource_group=group, description=description)]).rates

    assert (rate.component, rate.unit) == (component, RateUnit.INSTANCE_HOUR)


@pytest.mark.parametrize(
    "description",
    [
        "Sole Tenancy Instance Core running in Iowa",
        "N2 Sole Tenancy Instance Core running in Iowa",
        "M3 Memory-optimized Sole Tenancy Instance Core running in Frankfurt",
        "Sole Tenancy Premium for N4A Sole Tenancy Instance Core running in Iowa",
        "Reserved N4D Core in Iowa",
        "Reserved N2 Instance Core running in Iowa",
        "Commitment v1: N2 Cpu in Americas for 1 Year",
        "CmtCudPremium: N2 Instance Core running in Iowa",
        "VM state: Suspended Instance Ram running in Iowa",
        "Licensing Fee for Windows Server 2019 Datacenter Edition (CPU cost)",
        "N2 Instance Core with Tier_1 networking running in Iowa",
        "Calendar Mode A3 Instance Core running in Iowa",
        "DWS Calendar Mode H4D Instance Local SSD running in Iowa",
        "DWS Defined Duration A3Ultra Core",
        "N2 Instance Core free tier discount",
        "N2 Instance Core running in Iowa, reserved",
        "N2 Instance Core running in Iowa (Sole Tenancy)",
        "Nvidia L4 GPU attached to DWS Defined Duration VMs running in Iowa",
        "Nvidia Tesla T4 GPU attached to Sole Tenancy VMs running in Americas",
        "Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode",
        "DWS Calendar Mode A4 Nvidia B200 (1 gpu slice) running in Americas",
        "C3 Instance Local SSD attached to Calendar mode reservations running in Iowa",
        "Committed Use Discount Premium for E2 Custom Instance Core running in Johannesburg",
        "Capacity Optimized A3 Instance Core running in Iowa",
        "vGPU G4 Instance Local SSD running in Oregon",
    ],
)
def test_a_decoy_is_neither_a_component_nor_worth_a_report(description: str) -> None:
    assert read_catalog([replace(CORE, description=description)]) == CatalogReading(())


def test_what_is_in_no_group_of_components_is_passed_over() -> None:
    assert read_catalog(
        [replace(CORE, resource_group="PDStandard", description="Storage PD Capacity")]
    ) == CatalogReading(())


def test_only_the_place_is_left_out_of_a_description() -> None:
    qualified = replace(CORE, description="N2 Instance Core in preview running in Iowa")

    assert reasons(qualified) == ["no component is worded like this"]


def test_what_looks_like_a_component_and_is_worded_as_none_is_reported_by_name() -> None:
    new_family = replace(CORE, sku_id="NEW", description="C5 Instance Core running in Iowa")

    reading = read_catalog([new_family, CORE])

    assert [rate.component for rate in reading.rates] == ["n2:core"]
    assert [(each.sku_id, each.description, each.reason) for each in reading.unclaimed] == [
        ("NEW", "C5 Instance Core running in Iowa", "no component is worded like this")
    ]


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


@pytest.mark.parametrize(
    ("usage_unit", "factor"),
    [
        ("GiBy.h", Decimal(1)),
        ("GBy.h", Decimal("1.073741824")),
        ("GiBy.mo", 1 / Decimal(730)),
        ("GBy.mo", Decimal("1.073741824") / 730),
    ],
)
def test_memory_is_priced_per_gibibyte_and_hour_whatever_the_catalogue_counts(usage_unit: str, factor: Decimal) -> None:
    (rate,) = read_catalog([replace(RAM, usage_unit=usage_unit, tiers=priced("0.08"))]).rates

    assert rate.unit is RateUnit.GIB_HOUR
    assert abs(rate.usd - Decimal("0.08") * factor) < Decimal("1e-20")


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
    assert repr(usage_unit) in reading.unclaimed[0].reason


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
    assert reading.collisions == ()


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


def test_of_two_skus_for_one_component_the_dearer_counts_and_the_other_is_told() -> None:
    cheap = replace(CORE, sku_id="AAA", tiers=priced("0.0348"))
    dear = replace(CORE, sku_id="BBB", tiers=priced("0.0422"))

    reading = read_catalog([cheap, dear])

    assert [(rate.sku_id, rate.usd) for rate in reading.rates] == [("BBB", Decimal("0.0422"))]
    assert [(each.kept.sku_id, each.dropped.sku_id) for each in reading.collisions] == [("BBB", "AAA")]


def test_of_two_skus_at_one_price_the_lower_id_counts() -> None:
    reading = read_catalog([replace(CORE, sku_id="BBB"), replace(CORE, sku_id="AAA")])

    assert [rate.sku_id for rate in reading.rates] == ["AAA"]
    assert [each.dropped.sku_id for each in reading.collisions] == ["BBB"]


def test_of_three_skus_two_are_told() -> None:
    skus = [replace(CORE, sku_id=str(number), tiers=priced(f"0.0{number}")) for number in (1, 3, 2)]

    (kept,) = read_catalog(skus).rates

    assert kept.sku_id == "3"
    assert [(each.kept, each.dropped.sku_id) for each in read_catalog(skus).collisions] == [(kept, "2"), (kept, "1")]


def test_a_sku_that_is_listed_twice_does_not_collide_with_itself() -> None:
    assert read_catalog([CORE, RAM, CORE]) == read_catalog([CORE, RAM])


def test_a_sku_that_is_listed_twice_at_two_prices_collides() -> None:
    later = replace(CORE, tiers=priced("0.02"))

    assert read_catalog([CORE, later]) == read_catalog([later, CORE])
    assert [each.dropped.usd for each in read_catalog([CORE, later]).collisions] == [Decimal("0.02")]


def test_two_markets_or_two_regions_do_not_collide() -> None:
    spot = replace(CORE, sku_id="AAA", usage_type="Preemptible")
    elsewhere = replace(CORE, sku_id="BBB", service_regions=("europe-west4",))

    reading = read_catalog([CORE, spot, elsewhere])

    assert len(reading.rates) == 3
    assert reading.collisions == ()


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


@given(ANY_CATALOG.flatmap(lambda skus: st.tuples(st.just(skus), st.permutations(skus))))
def test_the_order_of_the_catalogue_changes_nothing(catalogs: tuple[list[Sku], list[Sku]]) -> None:
    one, other = catalogs

    assert read_catalog(one) == read_catalog(other)


@given(ANY_CATALOG)
def test_no_catalogue_gives_a_rate_of_nothing_or_two_rates_for_one_component(skus: list[Sku]) -> None:
    reading = read_catalog(skus)

    keys = [(rate.component, rate.market, rate.region) for rate in reading.rates]
    assert all(rate.usd > 0 for rate in reading.rates)
    assert len(set(keys)) == len(keys)


@given(ANY_CATALOG)
def test_what_collides_is_told_beside_the_rate_that_counts_in_its_place(skus: list[Sku]) -> None:
    reading = read_catalog(skus)

    for each in reading.collisions:
        assert each.kept in reading.rates
        assert each.dropped not in reading.rates
        assert (each.kept.component, each.kept.market, each.kept.region) == (
            each.dropped.component,
            each.dropped.market,
            each.dropped.region,
        )


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


@pytest.mark.parametrize(
    "malformed",
    [
        resource(category=None),
        resource(category={"resourceGroup": "CPU"}),
        resource(serviceRegions=None),
        resource(pricingInfo=[{}]),
        resource(pricingInfo={"pricingExpression": {}}),
        {key: value for key, value in resource().items() if key != "description"},
        with_unit_price(None),
        with_unit_price({"currencyCode": "USD", "units": "one", "nanos": 0}),
        with_unit_price({"currencyCode": "USD", "units": "NaN", "nanos": 0}),
        with_unit_price({"currencyCode": "USD", "units": "Infinity", "nanos": 0}),
        with_unit_price({"currencyCode": "USD", "units": "0", "nanos": None}),
        with_unit_price({"currencyCode": "USD", "units": "0", "nanos": "many"}),
    ],
)
def test_a_malformed_sku_is_named(malformed: dict[str, Any]) -> None:
    with pytest.raises(MalformedSkuError, match="SKU CORE is malformed"):
        sku_from_json(malformed)


def test_a_sku_without_an_id_is_said_to_have_none() -> None:
    with pytest.raises(MalformedSkuError, match="SKU without an id is malformed"):
        sku_from_json({"description": "N2 Instance Core"})


N4_PAGE = [
    ("n4a-custom:core", "on_demand", IOWA, "0.027783"),
    ("n4a-custom:ram", "on_demand", IOWA, "0.003161"),
    ("n4a:core", "on_demand", IOWA, "0.02646"),
    ("n4a:core", "spot", IOWA, "0.01055"),
    ("n4a:ram", "on_demand", IOWA, "0.00301"),
    ("n4a:ram", "spot", IOWA, "0.001201"),
    ("n4d-custom:core", "on_demand", IOWA, "0.030566"),
    ("n4d-custom:ram", "on_demand", IOWA, "0.003476"),
    ("n4d:core", "on_demand", IOWA, "0.02911"),
    ("n4d:core", "spot", IOWA, "0.01553"),
    ("n4d:ram", "on_demand", IOWA, "0.00331"),
    ("n4d:ram", "spot", IOWA, "0.001767"),
]
FIXINVENTORY_PAGE = [
    *(("a2:core", "on_demand", region, "0.031611") for region in AMERICAS),
    *(("a2:ram", "on_demand", region, "0.004237") for region in AMERICAS),
    ("c2d:core", "on_demand", "europe-west3", "0.038088"),
    ("c2d:ram", "on_demand", "europe-west3", "0.0051"),
    *(("f1-micro:instance", "on_demand", region, "0.0076") for region in AMERICAS),
    *(("n2d:core", "on_demand", region, "0.027502") for region in AMERICAS),
    *(("n2d:ram", "on_demand", region, "0.003686") for region in AMERICAS),
    ("t2d:core", "on_demand", "europe-west3", "0.035435"),
    ("t2d:ram", "on_demand", "europe-west3", "0.004748"),
]
OPENCOST_PAGE_IN_USD = [
    *(("a2:core", "on_demand", region, "0.031611") for region in AMERICAS),
    *(("a2:ram", "on_demand", region, "0.004237") for region in AMERICAS),
    *(("gpu:nvidia-tesla-a100", "on_demand", region, "2.933908") for region in AMERICAS),
]


def real_skus(name: str) -> list[Sku]:
    page = json.loads((CATALOG / name).read_text(encoding="utf-8"))
    return [sku_from_json(each) for each in page["skus"]]


def as_read(skus: list[Sku]) -> list[tuple[str, str, str, Decimal]]:
    reading = read_catalog(skus)
    assert (reading.unclaimed, reading.collisions) == ((), ())
    return [(rate.component, rate.market.value, rate.region, rate.usd) for rate in reading.rates]


@real_catalog
@pytest.mark.parametrize(
    ("name", "expected"),
    [("opencost_n4_skus.json", N4_PAGE), ("fixinventory_skus.json", FIXINVENTORY_PAGE)],
    ids=["N4A and N4D in Iowa", "a mixture of 2023"],
)
def test_a_real_page_is_read_as_a_person_reads_it(name: str, expected: list[tuple[str, str, str, str]]) -> None:
    assert as_read(real_skus(name)) == [(*key, Decimal(usd)) for *key, usd in expected]


@real_catalog
def test_a_real_page_with_prices_in_rupiah_is_refused() -> None:
    with pytest.raises(ForeignCurrencyError, match=r"4756-01E4-0F32 .*Singapore.*'IDR'"):
        read_catalog(real_skus("opencost_skus.json"))


@real_catalog
def test_the_dollar_part_of_that_page_is_read_as_a_person_reads_it() -> None:
    in_dollars = [sku for sku in real_skus("opencost_skus.json") if sku.currency == "USD"]

    assert as_read(in_dollars) == [(*key, Decimal(usd)) for *key, usd in OPENCOST_PAGE_IN_USD]
