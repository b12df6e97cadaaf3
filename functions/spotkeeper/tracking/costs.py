"""The cost of one Spot VM in one hour, or in the part of it in which it was one machine: billed hours times price."""

from dataclasses import replace
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
_NOTHING = Decimal("0E-9")
_SECONDS_PER_HOUR = 3600
_PER_UNIT = 10**9
"""NUMERIC has nine decimals: the amounts of a row are whole billionths."""


class Usage(NamedTuple):
    """How long an instance ran as one machine between two times of an hour, in seconds."""

    instance: Instance
    start: datetime
    end: datetime
    seconds: float


class AttachedCosts(NamedTuple):
    """What was attached to a Spot VM cost while it ran, in USD with nine decimals; None where it is not known.

    `known` is the sum of those that are known, and `complete` whether all are.
    """

    prices: AttachedPrices
    license: Decimal | None
    address: Decimal | None
    disk: Decimal | None
    bandwidth: Decimal | None
    known: Decimal
    complete: bool


class CostRow(NamedTuple):
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
        return self.known_cost if self.complete else None

    @property
    def complete(self) -> bool:
        """Whether every part of the cost is known."""
        return self.cost is not None and self.attached.complete

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
    rates = _rates(price, attached)
    hours, ran = _hours(usage.seconds)
    billed_hours, paid = (hours, ran) if billed.machine == usage.seconds else _hours(billed.machine)
    licensed = paid if billed.licenses == billed.machine else _hours(billed.licenses)[1]
    parts = (
        _charge(rates.license, licensed),
        _charge(rates.address, ran),
        _charge(rates.disk, ran),
        _charge(rates.bandwidth, paid),
    )
    known = sum([part for part in parts if part], rates.nothing)
    return CostRow(
        usage.start,
        usage.end,
        usage.instance,
        hours,
        billed_hours,
        rates.shown,
        _charge(rates.spot, paid),
        _charge(rates.ondemand, paid),
        AttachedCosts(attached, *parts, known, rates.complete),
    )


class _Rates(NamedTuple):
    """What makes up the cost of a row, by the hour, in whole billionths of a dollar; None where it is not known.

    `shown` is the price with its amounts rounded, `nothing` the sum of what is attached when none of it costs anything.
    """

    shown: InstancePrice
    spot: int | None
    ondemand: int | None
    license: int | None
    address: int | None
    disk: int | None
    bandwidth: int | None
    complete: bool
    nothing: Decimal


@lru_cache(maxsize=4096)
def _rates(price: InstancePrice, attached: AttachedPrices) -> _Rates:
    """Return the amounts of a price and of what is attached; the instances of a fleet share a few hundred."""
    spot, ondemand = _rounded(price.spot), _rounded(price.ondemand)
    each = attached.license.usd, attached.address.usd, attached.disk.usd, attached.bandwidth.usd
    license_usd, address_usd, disk_usd, bandwidth_usd = map(_billionths, each)
    return _Rates(
        replace(price, spot=spot, ondemand=ondemand),
        _billionths(spot),
        _billionths(ondemand),
        license_usd,
        address_usd,
        disk_usd,
        bandwidth_usd,
        complete=None not in each,
        nothing=Decimal(0) if each == (None,) * len(each) else _NOTHING,
    )


@lru_cache(maxsize=4096)
def _hours(seconds: float) -> tuple[Decimal, tuple[int, int]]:
    """Return seconds in hours, and exactly as they are written, as a fraction."""
    fraction = Decimal(repr(seconds)).as_integer_ratio()
    return _charged(_PER_UNIT, fraction), fraction


def _charge(billionths_per_hour: int | None, seconds: tuple[int, int]) -> Decimal | None:
    """Return what some seconds come to at so many billionths an hour; None where these are not known."""
    if not billionths_per_hour:
        return None if billionths_per_hour is None else _NOTHING
    return _charged(billionths_per_hour, seconds)


def _charged(billionths_per_hour: int, seconds: tuple[int, int]) -> Decimal:
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
