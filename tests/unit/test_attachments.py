from dataclasses import replace
from decimal import Decimal

import pytest

from spotkeeper.instances import Attachments, Disk, Shape
from spotkeeper.pricing.attachments import AttachmentBook, AttachmentKind
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import ForeignCurrencyError, Market, RateUnit, Sku
from tests.unit.sku_samples import CORE, IOWA, ON_DEMAND, SPOT

LICENSE, ADDRESS, DISK, BANDWIDTH = AttachmentKind
UNITS = {
    RateUnit.GIB_HOUR: "GiBy.mo",
    RateUnit.IOPS_HOUR: "mo",
    RateUnit.MIBPS_HOUR: "mo",
}
E2_MEDIUM = Shape("e2-medium", Decimal(1), Decimal(4))
N2_STANDARD_8 = Shape("n2-standard-8", Decimal(8), Decimal(32))
C2D_HIGHCPU_4 = Shape("c2d-highcpu-4", Decimal(4), Decimal(8))


def sku(description: str, usd: str, unit: str = "h", *, family: str = "License") -> Sku:
    priced = ((Decimal(0), Decimal(usd)),)
    regions = (IOWA,) if family == "Storage" else ("global",)
    made = replace(CORE, sku_id=description, description=description, resource_family=family)
    return replace(made, usage_unit=unit, tiers=priced, service_regions=regions)


def disk_sku(description: str, usd: str, unit: str = "GiBy.mo") -> Sku:
    return sku(description, usd, unit, family="Storage")


def network_sku(description: str, usd: str) -> Sku:
    return sku(description, usd, family="Network")


BALANCED = disk_sku("Balanced PD Capacity", "0.10")
SPOT_ADDRESS = network_sku("External IP Charge on a Spot Preemptible VM", "0.0025")
STANDARD_ADDRESS = network_sku("External IP Charge on a Standard VM", "0.005")
WINDOWS = sku("Licensing Fee for Windows Server 2019 Datacenter Edition (CPU cost)", "0.046")
RHEL = sku("Licensing Fee for Red Hat Enterprise Linux 9 on VM with up to 8 VCPU", "0.0144")
RHEL_LARGE = sku("Licensing Fee for Red Hat Enterprise Linux 9 on VM with 9 to 127 VCPU", "0.0108")
SLES = sku("Licensing Fee for SUSE Linux Enterprise Server 15 (CPU cost)", "0.11")
PUBLISHED = (BALANCED, SPOT_ADDRESS, STANDARD_ADDRESS, WINDOWS, RHEL, RHEL_LARGE, SLES)
"""Prices of us-central1 that Google published in July 2026."""


def hourly(
    attachments: Attachments, *skus: Sku, shape: Shape = N2_STANDARD_8, market: Market = SPOT
) -> dict[AttachmentKind, Decimal | None]:
    book = AttachmentBook(read_catalog(skus or PUBLISHED).attachments.rates)
    return {kind: price.usd_per_hour for kind, price in book.prices(attachments, shape, IOWA, market).items()}


@pytest.mark.parametrize(
    ("compute", "shape", "attachments", "total"),
    [
        ("0.18424", N2_STANDARD_8, Attachments((Disk("pd-balanced", Decimal(50)),)), "0.191"),
        ("0.05036", C2D_HIGHCPU_4, Attachments((Disk("pd-balanced", Decimal(100)),), addresses=1), "0.067"),
        ("0.020106", E2_MEDIUM, Attachments((Disk("pd-balanced", Decimal(30)),), addresses=1), "0.027"),
        ("0.18424", N2_STANDARD_8, Attachments((Disk("pd-balanced", Decimal(20)),), 1, ("rhel",)), "0.305"),
        ("0.18424", N2_STANDARD_8, Attachments((Disk("pd-balanced", Decimal(50)),), 1, ("windows-server",)), "0.562"),
    ],
)
def test_what_a_vm_costs_in_all_is_more_than_its_machine_type(
    compute: str, shape: Shape, attachments: Attachments, total: str
) -> None:
    parts = hourly(attachments, shape=shape).values()

    assert None not in parts
    assert (Decimal(compute) + sum(part or Decimal(0) for part in parts)).quantize(Decimal("0.001")) == Decimal(total)


def test_an_address_on_a_spot_vm_has_a_price_of_its_own() -> None:
    two = Attachments(addresses=2)

    assert hourly(two) == {ADDRESS: Decimal("0.005")}
    assert hourly(two, market=ON_DEMAND) == {ADDRESS: Decimal("0.010")}


def test_a_license_costs_the_same_on_spot() -> None:
    windows = Attachments(licenses=("windows-server",))

    assert hourly(windows) == hourly(windows, market=ON_DEMAND) == {LICENSE: Decimal("0.368")}


@pytest.mark.parametrize(
    ("license_name", "vcpus", "usd"),
    [("rhel", 8, "0.1152"), ("rhel", 9, "0.0972"), ("sles", 2, "0.11"), ("sles", 64, "0.11")],
)
def test_a_license_is_billed_by_size_or_by_vm(license_name: str, vcpus: int, usd: str) -> None:
    shape = replace(N2_STANDARD_8, vcpus=Decimal(vcpus))

    assert hourly(Attachments(licenses=(license_name,)), shape=shape) == {LICENSE: Decimal(usd)}


def test_the_newest_version_of_a_system_is_read_without_a_row_of_its_own() -> None:
    newest = sku("Licensing Fee for Windows Server 2031 R2 Datacenter Edition (CPU cost)", "0.05")

    assert hourly(Attachments(licenses=("windows-server",)), newest) == {LICENSE: Decimal("0.40")}


def test_the_memory_of_a_license_is_billed_where_it_has_a_price() -> None:
    memory = sku("Licensing Fee for Windows Server 2019 Datacenter Edition (RAM cost)", "0.001", "GiBy.h")

    assert hourly(Attachments(licenses=("windows-server",)), WINDOWS, memory) == {LICENSE: Decimal("0.400")}


@pytest.mark.parametrize("machine_type", ["f1-micro", "e2-micro", "e2-medium", "e2-custom-small-2048"])
def test_the_license_of_a_shared_core_is_unknown_without_a_row_of_its_own(machine_type: str) -> None:
    book = AttachmentBook(read_catalog(PUBLISHED).attachments.rates)
    [price] = book.prices(
        Attachments(licenses=("rhel",)), Shape(machine_type, Decimal(1), Decimal(1)), IOWA, SPOT
    ).values()

    assert (price.usd_per_hour, price.reason) == (None, f"no rule for the license rhel on {machine_type}")


def test_a_license_that_is_billed_by_a_size_nobody_knows_is_unknown() -> None:
    memory = sku("Licensing Fee for Windows Server 2019 Datacenter Edition (RAM cost)", "0.001", "GiBy.h")
    shape = replace(N2_STANDARD_8, memory_gib=None)

    assert hourly(Attachments(licenses=("windows-server",)), WINDOWS, memory, shape=shape) == {LICENSE: None}


def test_hyperdisk_balanced_is_billed_for_what_is_provisioned_above_what_it_includes() -> None:
    skus = (
        disk_sku("Hyperdisk Balanced Capacity in Iowa", "0.08"),
        disk_sku("Hyperdisk Balanced IOPS in Iowa", "0.005", "mo"),
        disk_sku("Hyperdisk Balanced Throughput in Iowa", "0.04", "mo"),
    )
    included = Disk("hyperdisk-balanced", Decimal(730), iops=3000, throughput_mibps=140)
    more = replace(included, iops=3730, throughput_mibps=213)

    assert hourly(Attachments((included,)), *skus) == {DISK: pytest.approx(Decimal("0.08"))}
    assert hourly(Attachments((more,)), *skus) == {DISK: pytest.approx(Decimal("0.089"))}


def test_all_of_what_is_provisioned_of_an_extreme_disk_is_billed() -> None:
    skus = (disk_sku("Extreme PD Capacity in Iowa", "0.125"), disk_sku("Extreme PD IOPS in Iowa", "0.065", "mo"))
    disk = Disk("pd-extreme", Decimal(730), iops=730)

    assert hourly(Attachments((disk,)), *skus) == {DISK: pytest.approx(Decimal("0.19"))}


def test_a_regional_disk_has_a_price_of_its_own() -> None:
    skus = (BALANCED, disk_sku("Regional Balanced PD Capacity in Iowa", "0.20"))
    disk = Disk("pd-balanced", Decimal(730))

    assert hourly(Attachments((disk,)), *skus) == {DISK: pytest.approx(Decimal("0.10"))}
    assert hourly(Attachments((replace(disk, regional=True),)), *skus) == {DISK: pytest.approx(Decimal("0.20"))}


def test_the_free_amount_of_an_account_lowers_no_price() -> None:
    tiers = ((Decimal(0), Decimal(0)), (Decimal(30), Decimal("0.04")))
    standard = replace(disk_sku("Storage PD Capacity", "0"), tiers=tiers)

    assert hourly(Attachments((Disk("pd-standard", Decimal(730)),)), standard) == {DISK: pytest.approx(Decimal("0.04"))}


def test_bandwidth_has_a_spot_price() -> None:
    words = "fee for total VM network bandwidth up to 100 Gbps running in Iowa"
    skus = (
        replace(network_sku(f"Preemptible {words}", "0.2155"), usage_type="Preemptible", service_regions=(IOWA,)),
        replace(network_sku(f"On-demand {words}", "0.8979"), service_regions=(IOWA,)),
    )
    fast = Attachments(bandwidth_gbps=100)

    assert hourly(fast, *skus) == {BANDWIDTH: Decimal("0.2155")}
    assert hourly(fast, *skus, market=ON_DEMAND) == {BANDWIDTH: Decimal("0.8979")}
    assert hourly(fast, skus[1]) == {BANDWIDTH: None}


def test_one_unknown_part_leaves_its_kind_without_a_price_and_the_others_with_theirs() -> None:
    both = Attachments((Disk("pd-balanced", Decimal(10)), Disk("pd-ssd", Decimal(10))), addresses=1)
    book = AttachmentBook(read_catalog(PUBLISHED).attachments.rates)

    prices = book.prices(both, N2_STANDARD_8, IOWA, SPOT)

    assert prices[ADDRESS].usd_per_hour == Decimal("0.0025")
    assert prices[DISK].usd_per_hour is None
    assert prices[DISK].reason == "no rate for pd-ssd:capacity in us-central1"


@pytest.mark.parametrize(
    "description",
    [
        "Storage PD Snapshot in Iowa",
        "Hyperdisk Balanced Storage Pools Advanced Capacity in Iowa",
        "Confidential Mode for Hyperdisk Balanced Capacity in Iowa",
        "Asynchronous Replication Protection for PD Capacity in Iowa",
        "Commitment v1: Hyperdisk Balanced Capacity in Iowa for 1 Year",
        "Network Internet Data Transfer Out from Americas to Americas",
    ],
)
def test_what_is_no_disk_of_one_vm_is_passed_over(description: str) -> None:
    reading = read_catalog([disk_sku(description, "0.1")]).attachments

    assert (reading.rates, reading.unmatched) == ((), ())


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (disk_sku("Hyperdisk Quantum Capacity in Iowa", "0.1"), "no disk, address or license is worded like this"),
        (disk_sku("Balanced PD Capacity in Iowa", "0.1", "GiBy.d"), "its unit 'GiBy.d' is not one of a gib_hour"),
        (
            replace(BALANCED, tiers=((Decimal(0), Decimal("0.1")), (Decimal(9), Decimal("0.2")))),
            "its price has tiers that start at 0, 9",
        ),
        (replace(BALANCED, service_regions=()), "it names no region"),
    ],
)
def test_what_looks_like_a_disk_and_cannot_be_read_is_reported(made: Sku, reason: str) -> None:
    reading = read_catalog([made]).attachments

    assert (reading.rates, [each.reason for each in reading.unmatched]) == ((), [reason])


def test_licenses_without_a_row_are_counted() -> None:
    others = [sku(f"Licensing Fee for {name} (CPU cost)", "0.3") for name in ("SQL Server 2022 Standard", "Odd OS 7")]

    reading = read_catalog([*others, WINDOWS]).attachments

    assert (len(reading.rates), reading.unmatched, reading.licenses) == (1, (), 2)


def test_another_currency_is_refused() -> None:
    with pytest.raises(ForeignCurrencyError, match="priced in 'EUR'"):
        read_catalog([replace(BALANCED, currency="EUR")])


def test_a_price_of_a_region_is_preferred_and_the_order_of_skus_makes_no_difference() -> None:
    own = replace(BALANCED, sku_id="OWN", description="Balanced PD Capacity in Iowa", tiers=((Decimal(0), Decimal(1)),))
    wide = replace(BALANCED, service_regions=(IOWA, "us-east1"))

    one, other = (read_catalog(skus).attachments for skus in ([own, wide], [wide, own]))

    assert one == other
    assert {(rate.region, rate.sku_id) for rate in one.rates} == {(IOWA, "OWN"), ("us-east1", BALANCED.sku_id)}


def test_every_rule_names_components_that_have_a_wording_and_every_wording_is_used() -> None:
    worded = {row["component"] for row in rows("attachments")}
    of_licenses = {component.removeprefix("+") for row in rows("licenses") for component in row["component"].split()}
    of_disks = {row["component"] for row in rows("disks")}
    others = {component for component in worded if component.startswith(("address:", "bandwidth:"))}

    assert of_licenses | of_disks | others == worded
