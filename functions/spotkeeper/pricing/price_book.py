"""Turn component rates into prices: USD per instance-hour, or the rates that are missing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from spotkeeper.instances import Shape
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.families import Unpriceable, bill_of, family_of, is_amount
from spotkeeper.pricing.skus import Market, Rate

MARKET_WORDS = {
    Market.SPOT: "Spot",
    Market.ON_DEMAND: "on-demand",
    Market.COMMITMENT_1YR: "1-year commitment",
    Market.COMMITMENT_3YR: "3-year commitment",
}


@dataclass(frozen=True, slots=True)
class DatedRate:
    """A rate and its validity: from `valid_from` up to, but without, `valid_to`; None means still valid."""

    rate: Rate
    valid_from: datetime
    valid_to: datetime | None = None


class PriceStatus(StrEnum):
    """How reliable a price is; docs/tracker.md says what each means."""

    EXACT = "exact"
    CONFIRMED = "confirmed"
    FROM_HISTORY = "from_history"
    UNCERTAIN = "uncertain"
    FALLBACK = "fallback"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PricedComponent:
    """One part of a price: a rate and its quantity."""

    rate: Rate
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """The list price of an instance in USD per hour, unrounded, with its parts; None if unknown, with the reason.

    `usd_by_month` is the share of the parts that Google sells by the month, at 730 hours a month.
    `rates` and `quantities` are parallel tuples: a book holds many thousands of prices.
    """

    usd_per_hour: Decimal | None
    rates: tuple[Rate, ...] = ()
    quantities: tuple[Decimal, ...] = ()
    reason: str = ""
    missing: tuple[str, ...] = ()
    usd_by_month: Decimal = Decimal(0)

    @property
    def components(self) -> tuple[PricedComponent, ...]:
        """The parts of the price."""
        return tuple(map(PricedComponent, self.rates, self.quantities))


@dataclass(frozen=True, slots=True)
class InstancePrice:
    """The price of an instance at one time in USD per hour; None where it is unknown, with the reason.

    `skus` are the ids of the SKUs that the Spot price is made of. `contract` is the Spot price by the customer's own
    contract; None where contract prices are not read.
    """

    spot: Decimal | None
    ondemand: Decimal | None
    status: PriceStatus
    as_of: datetime | None
    reason: str = ""
    skus: tuple[str, ...] = ()
    contract: ContractAmount | None = None

    def __hash__(self) -> int:
        """Return an equal number for equal prices, without the words: it is asked for in every row."""
        return hash((self.spot, self.ondemand, self.as_of))


class PriceBook:
    """The rates at one time: the highest of each component, whatever their order; a rate of 0 is ignored."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        highest_last = sorted((rate for rate in rates if is_amount(rate.usd)), key=lambda rate: (rate.usd, rate.sku_id))
        self._offers: dict[Market, dict[str, _Offer]] = {market: defaultdict(_Offer) for market in Market}
        for rate in highest_last:
            self._offers[rate.market][rate.region].rates[rate.component] = rate

    def price(self, shape: Shape, region: str, market: Market) -> Price:
        """Return the price of a shape: the sum of all its parts; unknown when a single rate is missing."""
        offer = self._offers[market][region]
        known = offer.prices.get(shape)
        if known is None:
            known = offer.prices[shape] = _compute(shape, region, market, offer.rates)
        return known

    @property
    def regions(self) -> frozenset[str]:
        """The regions that have any rate."""
        return frozenset(region for offers in self._offers.values() for region in offers if offers[region].rates)

    def sells(self, shape: Shape, region: str, market: Market) -> bool:
        """Return whether there is a rate specific to the family of a shape, and one for the GPUs that it includes."""
        family = family_of(shape.machine_type)
        if family is None:
            return False
        rates = self._offers[market][region].rates
        if family.bundled_gpu and not family.per_gpu and f"gpu:{shape.gpu_type}" not in rates:
            return False
        own = (f"{family.premium}:core", f"{family.premium}:ram") if family.premium else (family.core, family.ram)
        return any(component in rates for component in (*own, family.flat, family.per_gpu))


_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Offer:
    """One market of one region: rates by component, and a cache of prices."""

    rates: dict[str, Rate] = field(default_factory=dict)
    prices: dict[Shape, Price] = field(default_factory=dict)


def _compute(shape: Shape, region: str, market: Market, rates: Mapping[str, Rate]) -> Price:
    bill = bill_of(shape)
    if isinstance(bill, Unpriceable):
        return Price(None, reason=bill.reason)
    missing = tuple(component for component in bill if component not in rates)
    if missing:
        reason = f"no {MARKET_WORDS[market]} rate for {', '.join(missing)} in {region}"
        return Price(None, reason=reason, missing=missing)
    parts = tuple([rates[component] for component in bill])
    quantities = tuple(bill.values())
    costs = [rate.usd * quantity for rate, quantity in zip(parts, quantities, strict=True)]
    by_month = [usd for rate, usd in zip(parts, costs, strict=True) if rate.by_month]
    return Price(sum(costs, _NOTHING), parts, quantities, usd_by_month=sum(by_month, _NOTHING))
