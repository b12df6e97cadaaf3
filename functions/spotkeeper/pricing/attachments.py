"""What a VM costs beside its machine type: licenses, addresses, disks and bandwidth, each with its own price."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache

from spotkeeper.instances import Attachments, Disk, Shape
from spotkeeper.pricing.price_book import Price
from spotkeeper.pricing.reference_data import rows
from spotkeeper.pricing.skus import Market, Rate

GLOBAL = "global"
"""The region of what costs the same everywhere."""

_SHARED_CORE = (
    *("f1-micro", "g1-small", "e2-micro", "e2-small", "e2-medium"),
    *("e2-custom-micro-", "e2-custom-small-", "e2-custom-medium-"),
)


class AttachmentKind(StrEnum):
    """What is priced by itself."""

    LICENSE = "license"
    ADDRESS = "address"
    DISK = "disk"
    BANDWIDTH = "bandwidth"


NO_ATTACHMENTS = Attachments()


class AttachmentBook:
    """The rates of attachments at one time."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates = {(rate.component, rate.market, rate.region): rate for rate in rates}

    def prices(
        self, attachments: Attachments, shape: Shape, region: str, market: Market
    ) -> dict[AttachmentKind, Price]:
        """Return the price of each kind that is attached, in USD per hour; None with its reason if it is unknown."""
        parts = {
            AttachmentKind.LICENSE: list(_parts_of_licenses(attachments.licenses, shape)),
            AttachmentKind.ADDRESS: list(_address_parts(attachments.addresses, market)),
            AttachmentKind.DISK: list(_parts_of_disks(attachments.disks)),
            AttachmentKind.BANDWIDTH: list(_bandwidth_parts(attachments, shape)),
        }
        return {kind: self._sum(wanted, region, market) for kind, wanted in parts.items() if wanted}

    def reserved_address(self, region: str) -> Price:
        """Return the price of a reserved address that no running VM uses, in USD per hour."""
        return self._sum([_Part("address:reserved", Decimal(1))], region, Market.ON_DEMAND)

    def _sum(self, parts: list["_Part"], region: str, market: Market) -> Price:
        unknown = [part.unknown for part in parts if part.unknown]
        if unknown:
            return Price(None, reason="; ".join(dict.fromkeys(unknown)))
        found = [(part, self._rate(part.component, region, market)) for part in parts]
        missing = tuple(dict.fromkeys(part.component for part, rate in found if rate is None and not part.optional))
        if missing:
            return Price(None, reason=f"no rate for {', '.join(missing)} in {region}", missing=missing)
        priced = [(rate, part.quantity) for part, rate in found if rate is not None]
        return Price(
            sum((rate.usd * quantity for rate, quantity in priced), Decimal(0)),
            tuple(rate for rate, _ in priced),
            tuple(quantity for _, quantity in priced),
            usd_by_month=sum((rate.usd * quantity for rate, quantity in priced if rate.by_month), Decimal(0)),
        )

    def _rate(self, component: str, region: str, market: Market) -> Rate | None:
        """Return the rate of a component in a region, or that of everywhere; only bandwidth has a Spot price."""
        bought = market if component.startswith(f"{AttachmentKind.BANDWIDTH}:") else Market.ON_DEMAND
        return self._rates.get((component, bought, region)) or self._rates.get((component, bought, GLOBAL))


@dataclass(frozen=True, slots=True)
class _Part:
    """A component and its quantity; `optional` if billed only where it is sold, `unknown` says why it has no rule."""

    component: str
    quantity: Decimal = field(default=Decimal(0))
    optional: bool = False
    unknown: str = ""


def disk_types() -> tuple[str, ...]:
    """Return the types of disks that have a rule."""
    return tuple(dict.fromkeys(row["disk_type"] for row in rows("disks")))


def bandwidths() -> tuple[int, ...]:
    """Return the bandwidths of Tier_1 in Gbps that have a SKU."""
    prefix = f"{AttachmentKind.BANDWIDTH}:"
    found = (row["component"] for row in rows("attachments") if row["component"].startswith(prefix))
    return tuple(int(component.removeprefix(prefix)) for component in found)


def license_names() -> tuple[str, ...]:
    """Return the names of licenses that have a rule."""
    return tuple(dict.fromkeys(row["license"] for row in rows("licenses")))


def attached_components() -> frozenset[str]:
    """Return the components that are no part of a machine type."""
    return frozenset(row["component"] for row in _rows("attachments"))


def billed_licenses(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of `data/licenses.csv` of some licenses, each once; what no row has keeps the name it has."""
    return tuple(dict.fromkeys(filter(None, map(_billed_license, sorted(names)))))


@cache
def _billed_license(name: str) -> str:
    project_id, written, resource = name.partition("/")
    if not written:
        return name
    for row in _rows("license_resources"):
        if row["project"] == project_id and re.fullmatch(row["pattern"], resource):
            return row["license"]
    return name


def _parts_of_licenses(names: Iterable[str] | None, shape: Shape) -> Iterator[_Part]:
    if names is None:
        yield _Part("", unknown="the licenses of its disks are not recorded")
        return
    for name in billed_licenses(names):
        yield from _license_parts(name, shape)


def _parts_of_disks(disks: Iterable[Disk] | None) -> Iterator[_Part]:
    if disks is None:
        yield _Part("", unknown="its disks were not all listed")
        return
    for disk in disks:
        yield from _disk_parts(disk)


def _disk_parts(disk: Disk) -> Iterator[_Part]:
    quantities = {
        "capacity": disk.size_gib,
        "iops": Decimal(disk.iops),
        "throughput": Decimal(disk.throughput_mibps),
    }
    fitting = [row for row in _rows("disks") if row["disk_type"] == disk.name]
    if not fitting:
        yield _Part("", unknown=f"no rule for disks of type {disk.name}")
    for row in fitting:
        billed = quantities[row["part"]] - Decimal(row["included"])
        if billed > 0:
            yield _Part(row["component"], billed / disk.users)


def _address_parts(addresses: int | None, market: Market) -> Iterator[_Part]:
    if addresses is None:
        yield _Part("", unknown="its addresses are not recorded")
    elif addresses:
        yield _Part("address:spot" if market is Market.SPOT else "address:standard", Decimal(addresses))


def _bandwidth_parts(attachments: Attachments, shape: Shape) -> Iterator[_Part]:
    if attachments.bandwidth_gbps:
        yield _Part(f"bandwidth:{attachments.bandwidth_gbps}", Decimal(1))
    elif attachments.tier_1 is None:
        yield _Part("", unknown="whether it has Tier_1 bandwidth is not recorded")
    elif attachments.tier_1:
        yield _Part("", unknown=f"which bandwidth of Tier_1 is billed for {shape.machine_type} is not known")


def _license_parts(name: str, shape: Shape) -> Iterator[_Part]:
    row = next((row for row in _rows("licenses") if row["license"] == name and _fits(row, shape)), None)
    if row is None:
        unknown = f"no rule for the license {name} on {shape.machine_type}"
        yield _Part("", unknown=unknown)
        return
    quantities = {
        "instance": Decimal(1),
        "vcpu": shape.vcpus,
        "gib": shape.memory_gib,
        "gpu": Decimal(shape.gpu_count),
    }
    for component, per in zip(row["component"].split(), row["per"].split(), strict=True):
        quantity = quantities[per]
        if quantity is None:
            yield _Part("", unknown=f"the size of machine type {shape.machine_type} is not known")
        else:
            yield _Part(component.removeprefix("+"), quantity, optional=component.startswith("+"))


def _fits(row: dict[str, str], shape: Shape) -> bool:
    if row["machine_type"]:
        return row["machine_type"] == shape.machine_type
    if shape.vcpus is None or shape.machine_type.startswith(_SHARED_CORE):
        return False
    return int(row["from_vcpus"]) <= shape.vcpus and (not row["to_vcpus"] or shape.vcpus <= int(row["to_vcpus"]))


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    return tuple(rows(name))
