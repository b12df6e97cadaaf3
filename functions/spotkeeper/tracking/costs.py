"""The cost of one Spot VM in one hour, or in the part of it in which it was one machine: billed hours times price."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

from spotkeeper.instances import Instance
from spotkeeper.pricing.attached_prices import AttachedPrices
from spotkeeper.pricing.price_book import InstancePrice
from spotkeeper.tracking.billing import Billed

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_NOTHING = Decimal(0)
_SECONDS_PER_HOUR = 3600
_PER_UNIT = 10**9
"""NUMERIC has nine decimals: the amounts of a row are whole billionths."""


class Usage(NamedTuple):
    """How long an instance ran as one machine between two times of an hour, in seconds."""

    instance: Instance
    start: datetime
    end: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class AttachedCosts:
    """What was attached to a Spot VM cost while it ran, in USD with nine decimals; None where it is not known."""

    prices: AttachedPrices
    license: Decimal | None
    address: Decimal | None
    disk: Decimal | None
    bandwidth: Decimal | None
    known: Decimal
    """The sum of those that are known."""
    complete: bool
    """Whether all are."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """One Spot VM in one UTC hour, or in the part of it from a start as another machine on or up to it.

    Money is in USD with nine decimals, as BigQuery's NUMERIC keeps them.
    """

    start: datetime
    end: datetime
    instance: Instance
    uptime_hours: Decimal
    billed_hours: Decimal
    price: InstancePrice
    cost: Decimal | None
    ondemand_cost: Decimal | None
    attached: AttachedCosts

    @property
    def known_cost(self) -> Decimal:
        """The cost of the machine type and of all that is attached, as far as it is known."""
        return self.attached.known if self.cost is None else self.cost + self.attached.known

    @property
    def total_cost(self) -> Decimal | None:
        """The cost of the machine type and of all that is attached; None unless every part is known."""
        return self.known_cost if self.cost is not None and self.attached.complete else None

    @property
    def hour(self) -> datetime:
        """The hour that the row is in."""
        return self.start.replace(minute=0, second=0, microsecond=0)


def cost_row(usage: Usage, billed: Billed, price: InstancePrice, attached: AttachedPrices) -> CostRow:
    """Return the cost of one instance in one hour, or in a part of it.

    Licenses and bandwidth are billed like the machine type, the former in a free first minute too; addresses and disks
    cost what they cost in the time that it ran. Prices, hours and costs are each rounded once, half up, to nine
    decimals; a cost is computed from the unrounded hours and the rounded price, which is the price that the row shows.
    """
    shown, spot, ondemand = _as_shown(price)
    hours, ran = _hours(usage.seconds)
    billed_hours, paid = (hours, ran) if billed.machine == usage.seconds else _hours(billed.machine)
    return CostRow(
        start=usage.start,
        end=usage.end,
        instance=usage.instance,
        uptime_hours=hours,
        billed_hours=billed_hours,
        price=shown,
        cost=None if spot is None else _charge(spot, paid),
        ondemand_cost=None if ondemand is None else _charge(ondemand, paid),
        attached=_attached_costs(attached, billed, usage.seconds),
    )


def _attached_costs(prices: AttachedPrices, billed: Billed, seconds: float) -> AttachedCosts:
    ran, paid, licensed = _hours(seconds)[1], _hours(billed.machine)[1], _hours(billed.licenses)[1]
    license_usd, address_usd, disk_usd, bandwidth_usd = _in_billionths(prices)
    costs = (
        None if license_usd is None else _charge(license_usd, licensed),
        None if address_usd is None else _charge(address_usd, ran),
        None if disk_usd is None else _charge(disk_usd, ran),
        None if bandwidth_usd is None else _charge(bandwidth_usd, paid),
    )
    known = [cost for cost in costs if cost is not None]
    return AttachedCosts(prices, *costs, known=sum(known, _NOTHING), complete=len(known) == len(costs))


@lru_cache(maxsize=4096)
def _in_billionths(prices: AttachedPrices) -> tuple[int | None, int | None, int | None, int | None]:
    """Return the price of licenses, addresses, disks and bandwidth in whole billionths of a dollar."""
    each = prices.license, prices.address, prices.disk, prices.bandwidth
    license_usd, address_usd, disk_usd, bandwidth_usd = (_billionths(price.usd) for price in each)
    return license_usd, address_usd, disk_usd, bandwidth_usd


class _Shown(NamedTuple):
    """A price with its amounts rounded, and these in whole billionths of a dollar."""

    price: InstancePrice
    spot: int | None
    ondemand: int | None


@lru_cache(maxsize=4096)
def _as_shown(price: InstancePrice) -> _Shown:
    """Return a price as its rows show it; the instances of a fleet share a few hundred."""
    spot, ondemand = _rounded(price.spot), _rounded(price.ondemand)
    return _Shown(replace(price, spot=spot, ondemand=ondemand), _billionths(spot), _billionths(ondemand))


@lru_cache(maxsize=4096)
def _hours(seconds: float) -> tuple[Decimal, tuple[int, int]]:
    """Return seconds in hours, and exactly as they are written, as a fraction."""
    fraction = Decimal(repr(seconds)).as_integer_ratio()
    return _charge(_PER_UNIT, fraction), fraction


def _charge(billionths_per_hour: int, seconds: tuple[int, int]) -> Decimal:
    """Return what some seconds, a fraction, come to at so many billionths an hour, rounded half up.

    It is one division of whole numbers: 75 s are a repeating fraction of an hour, and rounding it first would round the
    amount twice.
    """
    numerator, denominator = seconds
    hour = _SECONDS_PER_HOUR * denominator
    return Decimal((2 * billionths_per_hour * numerator + hour) // (2 * hour)) * _NUMERIC


def _billionths(amount: Decimal | None) -> int | None:
    return None if amount is None else int(amount.scaleb(9, _EXACT))


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_NUMERIC, context=_EXACT)
