"""Component rates become prices: what an instance costs an hour, and what is missing when that is not known."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

from spotkeeper.instances import Shape
from spotkeeper.skus import Market, Rate
from spotkeeper.tables import rows


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
    """The price of an instance in USD per hour, unrounded, with its parts; or None, and the reason why."""

    usd_per_hour: Decimal | None
    components: tuple[PricedComponent, ...] = ()
    reason: str = ""


class PriceBook:
    """The rates of one time: the dearest of each component, whatever their order; a rate of nothing is none."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        dearest_last = sorted(
            (rate for rate in rates if _is_amount(rate.usd)), key=lambda rate: (rate.usd, rate.sku_id)
        )
        self._rates = {(rate.component, rate.market, rate.region): rate for rate in dearest_last}
        self._prices: dict[tuple[Shape, str, Market], Price] = {}

    def price(self, shape: Shape, region: str, market: Market) -> Price:
        """Return the price of a shape: the sum of all its parts, or none at all when a single rate is missing."""
        key = shape, region, market
        if key not in self._prices:
            self._prices[key] = self._work_out(shape, region, market)
        return self._prices[key]

    def _work_out(self, shape: Shape, region: str, market: Market) -> Price:
        bill = _bill(shape)
        if isinstance(bill, str):
            return Price(None, reason=bill)
        found = [(self._rates.get((component, market, region)), quantity) for component, quantity in bill.items()]
        parts = tuple(PricedComponent(rate, quantity) for rate, quantity in found if rate is not None)
        if len(parts) < len(bill):
            known = {part.rate.component for part in parts}
            missing = ", ".join(component for component in bill if component not in known)
            return Price(None, reason=f"no {_MARKET_WORDS[market]} rate for {missing} in {region}")
        return Price(sum((part.rate.usd * part.quantity for part in parts), Decimal(0)), parts)


_CUSTOM = "custom-"
_MARKET_WORDS = {Market.SPOT: "Spot", Market.ON_DEMAND: "on-demand"}


@dataclass(frozen=True, slots=True)
class _Family:
    """A row of `data/families.csv`."""

    prefix: str
    core: str
    ram: str
    premium: str
    flat: str
    extended: str
    gib_per_vcpu: str
    local_ssd: str
    per_gpu: str
    bundled_gpu: str
    unknown: str


def _bill(shape: Shape) -> dict[str, Decimal] | str:
    """The components that a shape is billed for and how much of each, or why that is not known."""
    family = _family(shape.machine_type)
    if family is None or not _has_rule(family, shape.machine_type):
        return f"no rule for machine type {shape.machine_type}"
    reason = _unbillable(family, shape)
    if reason or shape.vcpus is None or shape.memory_gib is None:
        return reason
    if family.per_gpu:
        return {family.per_gpu: Decimal(shape.gpu_count)}
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
    if shape.local_ssd_gib and not (family.local_ssd or family.per_gpu):
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
