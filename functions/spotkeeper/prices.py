"""Component rates become prices: what an instance costs an hour, and what is missing when that is not known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cache

from spotkeeper.instances import Shape
from spotkeeper.skus import Market, Rate
from spotkeeper.tables import rows

MARKET_WORDS = {
    Market.SPOT: "Spot",
    Market.ON_DEMAND: "on-demand",
    Market.COMMITMENT_1YR: "1-year commitment",
    Market.COMMITMENT_3YR: "3-year commitment",
}


class PriceStatus(StrEnum):
    """How sure a price is."""

    EXACT = "exact"
    FALLBACK = "fallback"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PricedComponent:
    """One part of a price: so many units of a rate."""

    rate: Rate
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """The price of an instance in USD per hour, unrounded, with its parts; or None, the reason why, and what lacks.

    Every rate is of the quantity at its place; a pair of tuples, since a book holds many thousands of prices.
    """

    usd_per_hour: Decimal | None
    rates: tuple[Rate, ...] = ()
    quantities: tuple[Decimal, ...] = ()
    reason: str = ""
    missing: tuple[str, ...] = ()

    @property
    def components(self) -> tuple[PricedComponent, ...]:
        """The parts of the price."""
        return tuple(map(PricedComponent, self.rates, self.quantities))


class PriceBook:
    """The rates of one time: the dearest of each component, whatever their order; a rate of nothing is none."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        dearest_last = sorted(
            (rate for rate in rates if _is_amount(rate.usd)), key=lambda rate: (rate.usd, rate.sku_id)
        )
        self._offers: dict[Market, dict[str, _Offer]] = {market: defaultdict(_Offer) for market in Market}
        for rate in dearest_last:
            self._offers[rate.market][rate.region].rates[rate.component] = rate

    def price(self, shape: Shape, region: str, market: Market) -> Price:
        """Return the price of a shape: the sum of all its parts, or none at all when a single rate is missing."""
        offer = self._offers[market][region]
        known = offer.prices.get(shape)
        if known is None:
            known = offer.prices[shape] = _work_out(shape, region, market, offer.rates)
        return known

    @property
    def regions(self) -> frozenset[str]:
        """The regions that any rate is of."""
        return frozenset(region for offers in self._offers.values() for region in offers if offers[region].rates)

    def sells(self, shape: Shape, region: str, market: Market) -> bool:
        """Return whether any rate is there that only the family of a shape has, and that of GPUs that come with it."""
        family = _family(shape.machine_type)
        if family is None:
            return False
        rates = self._offers[market][region].rates
        if family.bundled_gpu and not family.per_gpu and f"gpu:{shape.gpu_type}" not in rates:
            return False
        own = (f"{family.premium}:core", f"{family.premium}:ram") if family.premium else (family.core, family.ram)
        return any(component in rates for component in (*own, family.flat, family.per_gpu))


def unknown_by_design(machine_type: str) -> str:
    """Return why the rule for a machine type is not certain; empty when it is, or when there is none."""
    family = _family(machine_type)
    return family.unknown if family else ""


def architecture_of(machine_type: str) -> str | None:
    """Return X86_64 or ARM64, as Compute Engine names it; None when there is no rule for the machine type."""
    family = _family(machine_type)
    return family.architecture if family else None


def custom_prefixes() -> list[str]:
    """Return how the names of custom types begin that have a rule: `n2-custom-`."""
    return [family.prefix for family in _families() if family.prefix.endswith(_CUSTOM) and not family.unknown]


@dataclass(frozen=True, slots=True)
class ShapeComponent:
    """One part of what a shape is billed for, and how much of it an instance has."""

    shape: Shape
    component: str
    quantity: Decimal


def components_of(shape: Shape) -> tuple[ShapeComponent, ...]:
    """Return all parts that a shape is billed for; none when that is not known."""
    bill = _bill(shape)
    return () if isinstance(bill, str) else tuple(ShapeComponent(shape, *part) for part in bill.items())


_CUSTOM = "custom-"
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What one market of one region sells: rates by component, and the prices made of them so far."""

    rates: dict[str, Rate] = field(default_factory=dict)
    prices: dict[Shape, Price] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Family:
    """A row of `data/families.csv`."""

    prefix: str
    architecture: str
    core: str
    ram: str
    premium: str
    flat: str
    extended: str
    gib_per_vcpu: str
    local_ssd: str
    slices: str
    per_gpu: str
    bundled_gpu: str
    unknown: str


def _work_out(shape: Shape, region: str, market: Market, rates: Mapping[str, Rate]) -> Price:
    bill = _bill(shape)
    if isinstance(bill, str):
        return Price(None, reason=bill)
    missing = tuple(component for component in bill if component not in rates)
    if missing:
        reason = f"no {MARKET_WORDS[market]} rate for {', '.join(missing)} in {region}"
        return Price(None, reason=reason, missing=missing)
    parts = tuple([rates[component] for component in bill])
    quantities = tuple(bill.values())
    usd = sum([rate.usd * quantity for rate, quantity in zip(parts, quantities, strict=True)], _NOTHING)
    return Price(usd, parts, quantities)


def _bill(shape: Shape) -> dict[str, Decimal] | str:
    """The components that a shape is billed for and how much of each, or why that is not known."""
    family = _family(shape.machine_type)
    if family is None or not _has_rule(family, shape.machine_type):
        return f"no rule for machine type {shape.machine_type}"
    reason = _unbillable(family, shape)
    if reason or shape.vcpus is None or shape.memory_gib is None:
        return reason
    if family.per_gpu:
        return {family.per_gpu: Decimal(family.slices or shape.gpu_count)}
    bill = {family.flat: Decimal(1)} if family.flat else _cores_and_memory(family, shape, shape.vcpus, shape.memory_gib)
    if shape.gpu_count:
        bill[f"gpu:{shape.gpu_type}"] = Decimal(shape.gpu_count)
    if shape.local_ssd_gib:
        bill[family.local_ssd] = Decimal(shape.local_ssd_gib)
    return bill


def _unbillable(family: _Family, shape: Shape) -> str:
    """Why a shape of a family has no bill; empty when it has one."""
    if family.unknown:
        return f"{shape.machine_type}: {family.unknown}"
    if not _is_amount(shape.vcpus) or not _is_amount(shape.memory_gib):
        return f"the size of machine type {shape.machine_type} is not known"
    if shape.gpu_count < bool(family.bundled_gpu) or shape.local_ssd_gib < 0:
        return f"the GPUs or the local SSD of machine type {shape.machine_type} are not known"
    if shape.local_ssd_gib and (family.slices or not (family.local_ssd or family.per_gpu)):
        return f"no rule for local SSD of machine type {shape.machine_type}"
    return ""


def _has_rule(family: _Family, machine_type: str) -> bool:
    """Whether the row says what a custom type, or its extended memory, is billed for."""
    if _CUSTOM not in machine_type or family.unknown:
        return True
    return _CUSTOM in family.prefix and bool(family.extended or not machine_type.endswith("-ext"))


def _is_amount(value: Decimal | None) -> bool:
    return value is not None and value.is_finite() and value > 0


def _cores_and_memory(family: _Family, shape: Shape, vcpus: Decimal, memory_gib: Decimal) -> dict[str, Decimal]:
    bill = {family.core: vcpus, family.ram: memory_gib}
    if family.premium:
        bill |= {f"{family.premium}:core": vcpus, f"{family.premium}:ram": memory_gib}
    if family.extended and shape.machine_type.endswith("-ext"):
        ordinary = min(memory_gib, vcpus * Decimal(family.gib_per_vcpu))
        bill[family.ram] = ordinary
        if memory_gib > ordinary:
            bill[family.extended] = memory_gib - ordinary
    return bill


@cache
def _family(machine_type: str) -> _Family | None:
    fitting = [family for family in _families() if machine_type.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


@cache
def _families() -> tuple[_Family, ...]:
    return tuple(_Family(**row) for row in rows("families"))
