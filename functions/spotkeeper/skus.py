"""Billing Catalog SKUs become component rates: what a vCPU, a GiB or a GPU costs an hour in a region and a market.

A SKU is claimed only when its description, without market and place, is one of those in `data/components.csv`, from the
first word to the last: prefixes swallow one another (N2 and N2D, Custom and N2 Custom), and much that is no part of an
instance is worded almost the same. What looks like a component and is claimed by no row is reported, never guessed.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Collision:
    """Two SKUs for one component, region and market: the one that counts, and the one that does not."""

    kept: Rate
    dropped: Rate


@dataclass(frozen=True, slots=True)
class CatalogReading:
    """A whole catalogue, as far as it is about instances."""

    rates: tuple[Rate, ...]
    unclaimed: tuple[Unclaimed, ...] = ()
    collisions: tuple[Collision, ...] = ()


def money(units: str | int, nanos: int) -> Decimal:
    """Return a catalogue price in full.

    The catalogue splits a price in two fields; reading only the nanos makes a price of a dollar look almost free.
    """
    return Decimal(int(units)) + Decimal(nanos).scaleb(-9)


def sku_from_json(resource: Mapping[str, Any]) -> Sku:
    """Read a SKU in the catalogue's JSON form; its last pricing info is the present one.

    Raises MalformedSkuError naming the SKU.
    """
    try:
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
                    money(tier["unitPrice"].get("units", 0) or 0, tier["unitPrice"].get("nanos", 0)),
                )
                for tier in tiers
            ),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        name = resource.get("skuId", "without an id") if isinstance(resource, Mapping) else repr(resource)
        message = f"SKU {name} is malformed: {error!r}"
        raise MalformedSkuError(message) from error


def read_catalog(skus: Iterable[Sku]) -> CatalogReading:
    """Return the rates that a complete catalogue holds, whatever the order of its SKUs.

    Where two SKUs price the same, the one of fewer regions counts, so that a region's own SKU beats one of a continent;
    of two that reach equally far the dearer one, so that no cost is understated; then the lower id.
    Raises ForeignCurrencyError when a component is not priced in US dollars.
    """
    offers: dict[_Component, list[_Offer]] = defaultdict(list)
    unclaimed: set[Unclaimed] = set()
    for sku in skus:
        found = _rates(sku)
        if isinstance(found, Unclaimed):
            unclaimed.add(found)
            continue
        for rate in found:
            rank = len(sku.service_regions), -rate.usd, rate.sku_id, rate.description
            offers[rate.component, rate.market, rate.region].append((rank, rate))
    rates, collisions = [], []
    for component in sorted(offers):
        kept, *dropped = _best_first(offers[component])
        rates.append(kept)
        collisions += [Collision(kept, rate) for rate in dropped]
    ordered = sorted(unclaimed, key=lambda each: (each.sku_id, each.description, each.reason))
    return CatalogReading(tuple(rates), tuple(ordered), tuple(collisions))


type _Component = tuple[str, Market, str]
type _Offer = tuple[tuple[int, Decimal, str, str], Rate]

_MARKETS = {"Preemptible": Market.SPOT, "OnDemand": Market.ON_DEMAND}
"""The market is the usage type; descriptions were reworded more than once."""

_COMPONENT_GROUPS = {"CPU", "RAM", "GPU", "LocalSSD", "N1Standard", "F1Micro", "G1Small"}
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


def _best_first(offers: list[_Offer]) -> list[Rate]:
    """The rates of one component by rank, each once: a SKU may be listed on two pages."""
    if len(offers) == 1:
        return [offers[0][1]]
    return list(dict.fromkeys(rate for _, rate in sorted(offers, key=lambda offer: offer[0])))


def _rates(sku: Sku) -> tuple[Rate, ...] | Unclaimed:
    """The rates of a SKU, one for each of its regions; none when it is no component; or why it could not be read."""
    market = _MARKETS.get(sku.usage_type)
    description = " ".join(sku.description.casefold().split())
    if market is None or sku.resource_group not in _COMPONENT_GROUPS or _is_decoy(description):
        return ()
    claim = _components().get(_PLACE.sub("", _SPOT_WORDS.sub("", description)))
    if claim is None:
        return Unclaimed(sku.sku_id, sku.description, "no component is worded like this")
    if sku.tiers and sku.currency != CURRENCY:
        message = f"SKU {sku.sku_id} ({sku.description}) is priced in {sku.currency!r}, not in {CURRENCY}"
        raise ForeignCurrencyError(message)
    component, unit = claim
    if market is Market.ON_DEMAND and _SPOT_WORDS.search(description):
        return Unclaimed(sku.sku_id, sku.description, "worded as Spot and sold as on-demand")
    if reason := _unreadable(sku, unit):
        return Unclaimed(sku.sku_id, sku.description, reason)
    if not sku.tiers or sku.tiers[0][1] <= 0:
        return ()
    usd = sku.tiers[0][1] * _FACTORS[unit][sku.usage_unit]
    return tuple(
        Rate(component, market, region, sku.sku_id, sku.description, unit, usd) for region in sku.service_regions
    )


def _unreadable(sku: Sku, unit: RateUnit) -> str:
    """Why the price of a component cannot be read; empty when it can."""
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
