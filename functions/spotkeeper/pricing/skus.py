"""SKUs of the Billing Catalog, and the component rates that are read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum

from spotkeeper.values import field as read_field
from spotkeeper.values import from_text, integer, items, list_of, mapping, number, parsed, shown, text

CURRENCY = "USD"

_STORED = Decimal("1e-18")
_STORED_CONTEXT = Context(prec=76, rounding=ROUND_HALF_UP)


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
    """The unit that a rate is the price of."""

    VCPU_HOUR = "vcpu_hour"
    GIB_HOUR = "gib_hour"
    GPU_HOUR = "gpu_hour"
    INSTANCE_HOUR = "instance_hour"
    ADDRESS_HOUR = "address_hour"
    IOPS_HOUR = "iops_hour"
    MIBPS_HOUR = "mibps_hour"


@dataclass(frozen=True, slots=True)
class Sku:
    """A SKU at its current price; `tiers` are pairs of the amount at which a tier starts and its unit price."""

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
    """The price of one unit of a component, such as `n2:core`, in one region and market, in USD.

    `by_month` says that Google sells it by the month: `usd` is then the price of a month over 730 hours, as Google's
    price lists have it, and the bill divides by the hours of the real month.
    """

    component: str
    market: Market
    region: str
    sku_id: str
    description: str
    unit: RateUnit
    usd: Decimal
    by_month: bool = False


@dataclass(frozen=True, slots=True)
class UnmatchedSku:
    """A SKU that looks like a component of an instance and matches no rule, and why."""

    sku_id: str
    description: str
    reason: str
    usage_type: str = ""
    regions: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the SKU and say why."""
        return f"{self.sku_id} ({self.description}): {self.reason}"


@dataclass(frozen=True, slots=True)
class DuplicateRate:
    """Two SKUs for one component, region and market: the rate that is used and the one that is ignored."""

    kept: Rate
    dropped: Rate

    def __str__(self) -> str:
        """Name both SKUs and the component."""
        kept, dropped = self.kept, self.dropped
        what = f"{kept.component} {kept.market} in {kept.region}"
        return f"{what}: {kept.sku_id} at {kept.usd} is used, {dropped.sku_id} at {dropped.usd} is ignored"


@dataclass(frozen=True, slots=True)
class AttachmentReading:
    """The rates of disks, addresses, bandwidth and licenses in a whole catalog; `licenses` are SKUs of other licenses.

    Rates of disks and licenses have the market on_demand: they cost the same whatever the VM is bought as.
    """

    rates: tuple[Rate, ...] = ()
    unmatched: tuple[UnmatchedSku, ...] = ()
    licenses: int = 0


@dataclass(frozen=True, slots=True)
class CatalogReading:
    """The rates of a whole catalog; `commitments` are those of resource-based commitments.

    `tpu_skus` are the SKUs of TPUs, which have no rates; `attachments` what a VM needs beside its machine type.
    """

    rates: tuple[Rate, ...]
    unmatched: tuple[UnmatchedSku, ...] = ()
    duplicates: tuple[DuplicateRate, ...] = ()
    skus_read: int = field(default=0, compare=False)
    commitments: tuple[Rate, ...] = ()
    tpu_skus: int = field(default=0, compare=False)
    attachments: AttachmentReading = AttachmentReading()


def stored_rate(amount: Decimal) -> Decimal:
    """Return a rate as it is stored, with eighteen digits: that of a monthly price is a periodic decimal."""
    return amount.quantize(_STORED, context=_STORED_CONTEXT)


def money(units: str | int, nanos: int) -> Decimal:
    """Return a catalog price in full.

    The catalog splits a price in two fields; reading only the nanos makes a price of a dollar look almost free.
    """
    return Decimal(int(units) * _NANOS + nanos).scaleb(-9)


def sku_from_json(resource: object) -> Sku:
    """Read a SKU in the catalog's JSON form; its last pricing info is the current one.

    Raises MalformedSkuError naming the SKU and the field that is wrong.
    https://cloud.google.com/billing/docs/reference/rest/v1/services.skus
    """
    try:
        return _sku(parsed("it", resource, mapping))
    except ValueError as problem:
        name = resource.get("skuId", "without an id") if isinstance(resource, dict) else "that is none"
        message = f"SKU {shown(name).strip('"')} is malformed: {problem}"
        raise MalformedSkuError(message) from problem


def _sku(resource: Mapping[str, object]) -> Sku:
    sku_id, description = read_field(resource, "skuId", text), read_field(resource, "description", text)
    category = read_field(resource, "category", mapping)
    infos = read_field(resource, "pricingInfo", items) if resource.get("pricingInfo") else ()
    info = parsed("the last pricingInfo", infos[-1], mapping) if infos else {"pricingExpression": {}}
    expression = read_field(info, "pricingExpression", mapping, "pricingInfo.")
    tiers = parsed("tieredRates", expression.get("tieredRates", ()), _mappings)
    prices = [read_field(tier, "unitPrice", mapping, "tieredRates.") for tier in tiers]
    currencies = [parsed("unitPrice.currencyCode", price.get("currencyCode", ""), text) for price in prices]
    return Sku(
        sku_id=sku_id,
        description=description,
        resource_family=read_field(category, "resourceFamily", text, "category."),
        resource_group=read_field(category, "resourceGroup", text, "category."),
        usage_type=read_field(category, "usageType", text, "category."),
        service_regions=parsed("serviceRegions", resource.get("serviceRegions", ()), _texts),
        usage_unit=parsed("usageUnit", expression.get("usageUnit", ""), text),
        currency=currencies[0] if currencies else "",
        tiers=tuple((_tier_start(tier), _price(price)) for tier, price in zip(tiers, prices, strict=True)),
    )


def _tier_start(tier: Mapping[str, object]) -> Decimal:
    return parsed("startUsageAmount", tier.get("startUsageAmount", 0), _quantity)


def _price(price: Mapping[str, object]) -> Decimal:
    units = parsed("unitPrice.units", price.get("units", 0), _units)
    return money(units, parsed("unitPrice.nanos", price.get("nanos", 0), _nanos))


_NANOS = 10**9
_LARGEST = 2**63 - 1
"""As the API has it: https://cloud.google.com/billing/docs/reference/rest/Shared.Types/Money"""

_mappings, _texts = list_of(mapping), list_of(text)
_units, _nanos = from_text(integer(-_LARGEST, _LARGEST)), integer(1 - _NANOS, _NANOS - 1)
_quantity = number(-_LARGEST, _LARGEST)
