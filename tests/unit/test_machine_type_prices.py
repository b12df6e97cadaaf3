"""The price list of one reading of the catalog: which rows it has, and what is in them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.price_list import MachineTypePrice, machine_type_prices
from spotkeeper.pricing.skus import Market, Sku
from tests.unit.sku_samples import CAROLINA, CORE, IOWA, RAM, priced

READ_AT = datetime(2026, 7, 21, 6, 7, tzinfo=UTC)


def sold(core: Sku, ram: Sku, factor: str) -> list[Sku]:
    """A core for 0.03 and a GiB for 0.004, at some part of that."""
    part = Decimal(factor)
    return [
        replace(core, sku_id=f"{core.sku_id}{factor}", tiers=priced(str(Decimal("0.03") * part))),
        replace(ram, sku_id=f"{ram.sku_id}{factor}", tiers=priced(str(Decimal("0.004") * part))),
    ]


def committed(years: int, factor: str) -> list[Sku]:
    wording = "Commitment v1: N2 {} in Iowa for " + f"{years} Year"
    core = replace(CORE, description=wording.format("Cpu"), usage_type=f"Commit{years}Yr")
    ram = replace(RAM, description=wording.format("Ram"), usage_type=f"Commit{years}Yr")
    return sold(core, ram, factor)


def listed(skus: list[Sku]) -> dict[tuple[str, str], MachineTypePrice]:
    rows = list(machine_type_prices(read_catalog(skus), READ_AT))
    found = {(row.shape.machine_type, row.region): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_machine_type_has_a_row_in_each_region_that_sells_it() -> None:
    rows = listed(sold(CORE, RAM, "1"))
    dearer = [replace(sku, service_regions=(CAROLINA,)) for sku in sold(CORE, RAM, "1.1")]
    elsewhere = listed([*sold(CORE, RAM, "1"), *dearer])

    assert {region for _, region in rows} == {IOWA}
    assert ("n2-standard-8", IOWA) in rows
    assert {name.partition("-")[0] for name, _ in rows} == {"n2"}
    assert {region for _, region in elsewhere} == {IOWA, CAROLINA}


def test_a_row_has_a_price_for_each_way_to_buy_and_none_where_it_is_not_sold() -> None:
    spot = [replace(sku, usage_type="Preemptible") for sku in sold(CORE, RAM, "0.4")]
    skus = [*sold(CORE, RAM, "1"), *spot, *committed(1, "0.63")]

    row = listed(skus)["n2-standard-8", IOWA]

    assert row.prices == {
        Market.ON_DEMAND: Decimal("0.368000000"),
        Market.SPOT: Decimal("0.147200000"),
        Market.COMMITMENT_1YR: Decimal("0.231840000"),
        Market.COMMITMENT_3YR: None,
    }
    assert (row.architecture, row.as_of, row.shape.vcpus) == ("X86_64", READ_AT, Decimal(8))


def test_a_type_that_is_only_committed_to_has_no_row() -> None:
    assert listed(committed(1, "0.63")) == {}


def test_shared_core_types_are_sold_without_commitment() -> None:
    def as_e2(sku: Sku) -> Sku:
        return replace(sku, description=sku.description.replace("N2", "E2"))

    rows = listed([as_e2(sku) for sku in [*sold(CORE, RAM, "1"), *committed(3, "0.45")]])

    assert rows["e2-medium", IOWA].prices[Market.COMMITMENT_3YR] is None
    assert rows["e2-medium", IOWA].prices[Market.ON_DEMAND] is not None
    assert rows["e2-standard-2", IOWA].prices[Market.COMMITMENT_3YR] == Decimal("0.041400000")


def test_an_arm_type_says_so() -> None:
    def as_t2a(sku: Sku) -> Sku:
        return replace(sku, description=sku.description.replace("N2", "T2A Arm"))

    rows = listed([as_t2a(sku) for sku in sold(CORE, RAM, "1")])

    assert {row.architecture for row in rows.values()} == {"ARM64"}


def test_a_price_is_rounded_half_up_to_what_bigquery_keeps() -> None:
    half = [replace(CORE, tiers=priced("0.0000000001")), replace(RAM, tiers=priced("0.0000000000375"))]

    assert listed(half)["n2-standard-2", IOWA].prices[Market.ON_DEMAND] == Decimal("0.000000001")
