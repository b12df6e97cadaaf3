"""Resource-based commitments: which SKUs are read as one, and that none is ever taken for a price of use."""

from dataclasses import replace
from decimal import Decimal

import pytest

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.price_list import known_shape
from spotkeeper.pricing.skus import CatalogReading, Market, Sku
from tests.unit.sku_samples import AMERICAS, CORE, IOWA, RAM, priced

YEAR = replace(
    CORE,
    sku_id="YEAR",
    description="Commitment v1: N2 Cpu in Americas for 1 Year",
    usage_type="Commit1Yr",
    service_regions=AMERICAS,
    tiers=priced("0.019915"),
)


def worded(description: str, base: Sku = YEAR) -> tuple[str, Market] | None:
    rates = read_catalog([replace(base, description=description)]).commitments
    return (rates[0].component, rates[0].market) if rates else None


def test_a_commitment_is_a_rate_of_its_own_market_in_all_of_its_regions() -> None:
    reading = read_catalog([YEAR, CORE])

    assert [(rate.component, rate.market, rate.region, rate.usd) for rate in reading.commitments] == [
        ("n2:core", Market.COMMITMENT_1YR, region, Decimal("0.019915")) for region in sorted(AMERICAS)
    ]
    assert [rate.sku_id for rate in reading.rates] == ["CORE"]


@pytest.mark.parametrize(
    ("description", "component"),
    [
        ("Commitment v1: Cpu in Montreal for 1 Year", "n1:core"),
        ("Commitment v1: A2 Cpu in APAC for 1 Year", "a2:core"),
        ("Commitment v1: N2D AMD Cpu in Americas for 1 Year", "n2d:core"),
        ("Commitment v1: T2D AMD Cpu in Americas for 1 Year", "t2d:core"),
        ("Commitment v1: C2D AMD Cpu in EMEA for 1 Year", "c2d:core"),
        ("Commitment v1: C4A Arm Cpu in Iowa for 1 Year", "c4a:core"),
        ("Commitment v1: Compute optimized Cpu in Iowa for 1 Year", "c2:core"),
        ("Commitment: Compute optimized Core running in Americas for 1 Year", "c2:core"),
        ("Commitment v1: Memory-optimized Cpu in Frankfurt for 1 Year", "m1:core"),
        ("Commitment v1: M3 Memory-optimized Cpu in Frankfurt for 1 Year", "m3:core"),
        ("Commitment v1: M4Ultramem224 Cpu in Americas for 1 Year", "m4-ultramem-224:core"),
        ("COMMITMENT V1:  n2 cpu in Salt Lake City for 1 year", "n2:core"),
    ],
)
def test_each_wording_of_the_catalog_is_its_component(description: str, component: str) -> None:
    assert worded(description) == (component, Market.COMMITMENT_1YR)


@pytest.mark.parametrize("term", ["3 Year", "3 Years"])
def test_both_spellings_of_three_years_are_one_term(term: str) -> None:
    ram = replace(YEAR, usage_type="Commit3Yr", resource_group="RAM", usage_unit="GiBy.h")

    assert worded(f"Commitment v1: N2 Ram in Americas for {term}", ram) == ("n2:ram", Market.COMMITMENT_3YR)


def test_local_ssd_is_committed_to_by_the_month_and_rated_by_the_hour() -> None:
    disk = replace(
        YEAR,
        description="Commitment v1: Local SSD in Iowa for 1 Year",
        resource_group="LocalSSD",
        usage_unit="GiBy.mo",
        tiers=priced("0.0511"),
    )

    [rate] = read_catalog([replace(disk, service_regions=(IOWA,))]).commitments

    assert (rate.component, rate.usd.quantize(Decimal("1e-12"))) == ("local-ssd", Decimal("0.000070000000"))


@pytest.mark.parametrize(
    "description",
    [
        "Commitment - dollar based v1: GCE for 1 year",
        "Commitment v1: Memory Optimized Upgrade Premium for Memory-optimized Instance Cpu in Americas for 1 Year",
        "Commitment v1: vGPU G4 Local SSD in Iowa for 1 Year",
        "Commitment v1: N2 Cpu in Americas for 5 Years",
        "Reserved Commitment v1: N2 Cpu in Americas for 1 Year",
        "Commitment v1: SLES for SAP for VM with 4 VCPU for 1 Year",
    ],
)
def test_what_is_no_commitment_to_a_part_of_an_instance_is_left_out_in_silence(description: str) -> None:
    assert read_catalog([replace(YEAR, description=description)]) == CatalogReading(())


@pytest.mark.parametrize("usage_type", ["Commit", "CmtCudPremium", "Commit1Mo"])
def test_a_usage_type_of_committed_use_without_a_term_that_we_know_is_left_out(usage_type: str) -> None:
    assert read_catalog([replace(YEAR, usage_type=usage_type)]) == CatalogReading(())


def test_a_commitment_in_a_unit_nobody_knows_is_reported() -> None:
    [unmatched] = read_catalog([replace(YEAR, usage_unit="mo")]).unmatched

    assert (unmatched.sku_id, unmatched.reason) == ("YEAR", "its unit 'mo' is not one of a vcpu_hour")


def test_a_commitment_without_price_is_none() -> None:
    assert read_catalog([replace(YEAR, tiers=priced("0"))]).commitments == ()


def test_of_two_commitments_the_one_of_fewer_regions_counts_and_it_is_no_duplicate() -> None:
    own = replace(YEAR, sku_id="OWN", service_regions=(IOWA,), tiers=priced("0.05"))

    reading = read_catalog([YEAR, own])

    assert {rate.region: rate.sku_id for rate in reading.commitments} == {
        region: "OWN" if region == IOWA else "YEAR" for region in AMERICAS
    }
    assert reading.duplicates == ()


def test_the_commitment_of_predefined_types_has_no_price_without_the_memory() -> None:

    shape = known_shape("n2-standard-8")
    assert shape is not None
    reading = read_catalog([YEAR, CORE, RAM])

    price = PriceBook([*reading.rates, *reading.commitments]).price(shape, IOWA, Market.COMMITMENT_1YR)

    assert price.usd_per_hour is None
    assert price.reason == "no 1-year commitment rate for n2:ram in us-central1"
