"""Billing Catalog SKUs become component rates: what a vCPU, a GiB or a GPU costs an hour in a region and a market.

A SKU is claimed only when its description, without market and place, is one of those in `data/components.csv`, from the
first word to the last: prefixes swallow one another (N2 and N2D, Custom and N2 Custom), and much that is no part of an
instance is worded almost the same. What looks like a component and is claimed by no row is reported, never guessed.
"""

import gc
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

from spotkeeper.sku_json import fault_of
from spotkeeper.tables import rows

CURRENCY = "USD"


class ForeignCurrencyError(ValueError):
    """The catalogue is not in US dollars; a conversion would be a guess."""


class MalformedSkuError(ValueError):
    """A SKU is not as the catalogue's API describes it."""


class Market(StrEnum):
    """How a component is bought."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"


class RateUnit(StrEnum):
    """What a rate is the price of."""

    VCPU_HOUR = "vcpu_hour"
    GIB_HOUR = "gib_hour"
    GPU_HOUR = "gpu_hour"
    INSTANCE_HOUR = "instance_hour"


@dataclass(frozen=True, slots=True)
class Sku:
    """What the catalogue says of a SKU now; `tiers` are pairs of the amount a tier starts at and its unit price."""

    sku_id: str
    description: str
    resource_family: str
    resource_group: str
    usage_type: str
    service_regions: tuple[str, ...]
    usage_unit: str
    currency: str
    tiers: tuple[tuple[Decimal, Decimal], ...]

    @property
    def may_be_component(self) -> bool:
        """Whether it is sold by the hour and is in a group of components, or worded like one."""
        if self.usage_type.startswith(_COMMITMENTS):
            return False
        return self.resource_group in _COMPONENT_GROUPS or (
            self.resource_family in _COMPONENT_FAMILIES and bool(_LOOKS_LIKE_COMPONENT.search(self.description))
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of one unit of a component, such as `n2:core`, in one region and market, in USD."""

    component: str
    market: Market
    region: str
    sku_id: str
    description: str
    unit: RateUnit
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A SKU that looks like a component of an instance and could not be read, and why."""

    sku_id: str
    description: str
    reason: str
    usage_type: str = ""
    regions: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the SKU and say why."""
        return f"{self.sku_id} ({self.description}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Collision:
    """Two SKUs for one component, region and market: the one that counts, and the one that does not."""

    kept: Rate
    dropped: Rate

    def __str__(self) -> str:
        """Name both SKUs, and what they are the price of."""
        kept, dropped = self.kept, self.dropped
        what = f"{kept.component} {kept.market} in {kept.region}"
        return f"{what}: {kept.sku_id} at {kept.usd} counts, {dropped.sku_id} at {dropped.usd} does not"


@dataclass(frozen=True, slots=True)
class CatalogReading:
    """A whole catalogue, as far as it is about instances."""

    rates: tuple[Rate, ...]
    unclaimed: tuple[Unclaimed, ...] = ()
    collisions: tuple[Collision, ...] = ()
    skus_read: int = field(default=0, compare=False)


def money(units: str | int, nanos: int) -> Decimal:
    """Return a catalogue price in full.

    The catalogue splits a price in two fields; reading only the nanos makes a price of a dollar look almost free.
    """
    return Decimal(int(units) * _NANOS + nanos).scaleb(-9)


def sku_from_json(resource: Mapping[str, Any]) -> Sku:
    """Read a SKU in the catalogue's JSON form; its last pricing info is the present one.

    Raises MalformedSkuError naming the SKU and the field that is wrong.
    """
    if fault := fault_of(resource):
        name = resource.get("skuId", "without an id") if isinstance(resource, Mapping) else "that is none"
        message = f"SKU {name} is malformed: {fault}"
        raise MalformedSkuError(message)
    category = resource["category"]
    expression = resource["pricingInfo"][-1]["pricingExpression"] if resource.get("pricingInfo") else {}
    tiers = expression.get("tieredRates", ())
    return Sku(
        sku_id=resource["skuId"],
        description=resource["description"],
        resource_family=category["resourceFamily"],
        resource_group=category["resourceGroup"],
        usage_type=category["usageType"],
        service_regions=tuple(resource.get("serviceRegions", ())),
        usage_unit=expression.get("usageUnit", ""),
        currency=tiers[0]["unitPrice"].get("currencyCode", "") if tiers else "",
        tiers=tuple(
            (
                Decimal(str(tier.get("startUsageAmount", 0))),
                money(tier["unitPrice"].get("units", 0), tier["unitPrice"].get("nanos", 0)),
            )
            for tier in tiers
        ),
    )


def read_catalog(skus: Iterable[Sku]) -> CatalogReading:
    """Return the rates that a complete catalogue holds, whatever the order of its SKUs.

    Where two SKUs price the same, one whose usage type names the market beats one that only words it; then the one of
    fewer regions counts, so that a region's own SKU beats one of a continent; of two that reach equally far the dearer
    one, so that no cost is understated; then the lower id.
    Raises ForeignCurrencyError when a component is not priced in US dollars.
    """
    offers: dict[_Component, list[_Offer]] = defaultdict(list)
    unclaimed: set[Unclaimed] = set()
    skus_read = 0
    with _without_collections():
        for skus_read, sku in enumerate(skus, start=1):  # noqa: B007 (the count is kept)
            if not sku.may_be_component:
                continue
            found = _rates(sku)
            if isinstance(found, str):
                unclaimed.add(Unclaimed(sku.sku_id, sku.description, found, sku.usage_type, sku.service_regions))
                continue
            for rate in found:
                worded_only = rate.market is not _MARKETS[sku.usage_type]
                rank = worded_only, len(sku.service_regions), -rate.usd, rate.sku_id, rate.description
                offers[rate.component, rate.market, rate.region].append((rank, rate))
    rates, collisions = [], []
    for component in sorted(offers):
        kept, *dropped = _best_first(offers[component])
        rates.append(kept)
        collisions += [Collision(kept, rate) for rate in dropped]
    ordered = sorted(unclaimed, key=lambda each: (each.sku_id, each.description, each.reason))
    return CatalogReading(tuple(rates), tuple(ordered), tuple(collisions), skus_read)


type _Component = tuple[str, Market, str]
type _Offer = tuple[tuple[bool, int, Decimal, str, str], Rate]

_NANOS = 10**9
_MARKETS = {"Preemptible": Market.SPOT, "OnDemand": Market.ON_DEMAND}
"""The market is the usage type; descriptions were reworded more than once."""

_COMMITMENTS = ("Commit", "Cmt")
"""How the usage types of committed use begin, whatever its term."""

_COMPONENT_GROUPS = {"CPU", "RAM", "GPU", "LocalSSD", "N1Standard", "F1Micro", "G1Small"}
_COMPONENT_FAMILIES = {"Compute", "Storage"}
_LOOKS_LIKE_COMPONENT = re.compile(r"\b(?:instance (?:core|ram)|gpu|local (?:ssd|storage))\b", re.IGNORECASE)
_SPOT_WORDS = re.compile(r"^(?:spot )?preemptible |^spot | attached to (?:(?:spot )?preemptible|spot) vms?\b")
_PLACE = re.compile(r" (?:running )?in (?!.* in ).*$")
_GIB_PER_GB = Decimal("1.073741824")
_HOURS_PER_MONTH = Decimal(730)
_PER_HOUR = {"h": Decimal(1)}
_PER_GIB_HOUR = {
    "GiBy.h": Decimal(1),
    "GBy.h": _GIB_PER_GB,
    "GiBy.mo": 1 / _HOURS_PER_MONTH,
    "GBy.mo": _GIB_PER_GB / _HOURS_PER_MONTH,
}
_FACTORS = {
    RateUnit.VCPU_HOUR: _PER_HOUR,
    RateUnit.GIB_HOUR: _PER_GIB_HOUR,
    RateUnit.GPU_HOUR: _PER_HOUR,
    RateUnit.INSTANCE_HOUR: _PER_HOUR,
}


@contextmanager
def _without_collections() -> Iterator[None]:
    """Let the garbage collector rest, which would look through every SKU again and again: none is in a cycle."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _best_first(offers: list[_Offer]) -> list[Rate]:
    """The rates of one component by rank, each once: a SKU may be listed on two pages."""
    if len(offers) == 1:
        return [offers[0][1]]
    return list(dict.fromkeys(rate for _, rate in sorted(offers, key=lambda offer: offer[0])))


def _rates(sku: Sku) -> tuple[Rate, ...] | str:
    """The rates of a SKU, one for each of its regions; none when it is no component; or why it could not be read."""
    description = " ".join(sku.description.casefold().split())
    if _is_decoy(description):
        return ()
    claim = _components().get(_PLACE.sub("", _SPOT_WORDS.sub("", description)))
    if claim is None:
        return "no component is worded like this"
    component, unit = claim
    if reason := _unreadable(sku, unit):
        return reason
    if sku.tiers and sku.currency != CURRENCY:
        message = f"SKU {sku.sku_id} ({sku.description}) is priced in {sku.currency!r}, not in {CURRENCY}"
        raise ForeignCurrencyError(message)
    if not sku.tiers or sku.tiers[0][1] <= 0:
        return ()
    usd = sku.tiers[0][1] * _FACTORS[unit][sku.usage_unit]
    market = _market(sku.usage_type, description)
    return tuple(
        Rate(component, market, region, sku.sku_id, sku.description, unit, usd) for region in sku.service_regions
    )


def _market(usage_type: str, description: str) -> Market:
    """The market of a SKU; a few that are sold as Spot, such as that of A4, have the usage type of on-demand."""
    return Market.SPOT if _SPOT_WORDS.search(description) else _MARKETS[usage_type]


def _unreadable(sku: Sku, unit: RateUnit) -> str:
    """Why the price of a component cannot be read; empty when it can."""
    if sku.resource_group not in _COMPONENT_GROUPS:
        return f"its group {sku.resource_group!r} is not one of components"
    if sku.usage_type not in _MARKETS:
        return f"its usage type {sku.usage_type!r} is neither on-demand nor Spot"
    if sku.usage_unit not in _FACTORS[unit]:
        return f"its unit {sku.usage_unit!r} is not one of a {unit}"
    if len(sku.tiers) > 1 or any(start for start, _ in sku.tiers):
        starts = ", ".join(str(start) for start, _ in sku.tiers)
        return f"its price has tiers that start at {starts}"
    if not sku.service_regions:
        return "it names no region"
    return ""


def _is_decoy(description: str) -> bool:
    return any(words in description for words in _decoys())


@cache
def _components() -> dict[str, tuple[str, RateUnit]]:
    return {row["wording"].casefold(): (row["component"], RateUnit(row["unit"])) for row in rows("components")}


@cache
def _decoys() -> tuple[str, ...]:
    return tuple(row["words"] for row in rows("decoys"))
