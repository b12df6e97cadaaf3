"""The cost of one Spot VM in one hour, or in the part of it in which it was one machine: billed hours times price."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from spotkeeper.instances import Instance
from spotkeeper.pricing.price_book import InstancePrice

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_SECONDS_PER_HOUR = Decimal(3600)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Usage:
    """How long an instance ran as one machine between two times of an hour, and what of it is billed, in seconds."""

    instance: Instance
    start: datetime
    end: datetime
    seconds: float
    billed_seconds: float


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

    @property
    def hour(self) -> datetime:
        """The hour that the row is in."""
        return self.start.replace(minute=0, second=0, microsecond=0)


def cost_row(usage: Usage, price: InstancePrice) -> CostRow:
    """Return the cost of one instance in one hour, or in a part of it.

    Prices, hours and costs are each rounded once, half up, to nine decimals; a cost is computed from the unrounded
    hours and the rounded price, which is the price that the row shows.
    """
    spot, ondemand = _rounded(price.spot), _rounded(price.ondemand)
    if spot is not price.spot or ondemand is not price.ondemand:
        price = InstancePrice(spot, ondemand, price.status, price.as_of, price.reason)
    return CostRow(
        start=usage.start,
        end=usage.end,
        instance=usage.instance,
        uptime_hours=_charge(usage.seconds, _ONE),
        billed_hours=_charge(usage.billed_seconds, _ONE),
        price=price,
        cost=None if spot is None else _charge(usage.billed_seconds, spot),
        ondemand_cost=None if ondemand is None else _charge(usage.billed_seconds, ondemand),
    )


@lru_cache(maxsize=16384)
def _charge(seconds: float, price: Decimal) -> Decimal:
    """Return what so many seconds cost at a price an hour; most instances of a fleet share both."""
    return _per_hour(_EXACT.multiply(Decimal(repr(seconds)), price))


def _per_hour(amount: Decimal) -> Decimal:
    """Divide last: 75 s are a repeating fraction of an hour, and rounding it first would round the cost twice."""
    return _EXACT.divide(amount, _SECONDS_PER_HOUR).quantize(_NUMERIC, context=_EXACT)


def _rounded(amount: Decimal | None) -> Decimal | None:
    """Return an amount with nine decimals: the same object when it has them already."""
    if amount is None or amount.same_quantum(_NUMERIC):
        return amount
    return amount.quantize(_NUMERIC, context=_EXACT)
