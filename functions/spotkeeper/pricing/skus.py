"""SKUs of the Billing Catalog, and the component rates that are read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from spotkeeper.pricing.sku_json import fault_of

CURRENCY = "USD"


class ForeignCurrencyError(ValueError):
    """The catalog is not in US dollars; a conversion would be a guess."""


class MalformedSkuError(ValueError):
    """A SKU is not as the catalog's API describes it."""


class Market(StrEnum):
    """How a component is bought; a commitment is paid for whether or not anything runs."""

    SPOT = "spot"
    ON_DEMAND = "on_demand"
    COMMITMENT_1YR = "commitment_1yr"
    COMMITMENT_3YR = "commitment_3yr"


PAID_BY_USE = (Market.SPOT, Market.ON_DEMAND)
COMMITMENTS = (Market.COMMITMENT_1YR, Market.COMMITMENT_3YR)


class RateUnit(StrEnum):
    """What a rate is the price of."""

    VCPU_HOUR = "vcpu_hour"
    GIB_HOUR = "gib_hour"
    GPU_HOUR = "gpu_hour"
    INSTANCE_HOUR = "instance_hour"


@dataclass(frozen=True, slots=True)
class Sku:
    """What the catalog says of a SKU now; `tiers` are pairs of the amount a tier starts at and its unit price."""

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
    """A whole catalog, as far as it is about instances; `commitments` are the rates of resource-based commitments."""

    rates: tuple[Rate, ...]
    unclaimed: tuple[Unclaimed, ...] = ()
    collisions: tuple[Collision, ...] = ()
    skus_read: int = field(default=0, compare=False)
    commitments: tuple[Rate, ...] = ()


def money(units: str | int, nanos: int) -> Decimal:
    """Return a catalog price in full.

    The catalog splits a price in two fields; reading only the nanos makes a price of a dollar look almost free.
    """
    return Decimal(int(units) * _NANOS + nanos).scaleb(-9)


def sku_from_json(resource: Mapping[str, Any]) -> Sku:
    """Read a SKU in the catalog's JSON form; its last pricing info is the present one.

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


_NANOS = 10**9
