"""The cost of one Spot VM in one hour: uptime times price."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from spotkeeper.instances import Instance
from spotkeeper.pricing.price_book import InstancePrice
from spotkeeper.tracking.uptime import Uptime

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_SECONDS_PER_HOUR = Decimal(3600)


@dataclass(frozen=True, slots=True)
class CostRow:
    """One Spot VM in one UTC hour; money in USD with nine decimals, as BigQuery's NUMERIC keeps them."""

    hour: datetime
    instance: Instance
    uptime_hours: Decimal
    price: InstancePrice
    cost: Decimal | None
    ondemand_cost: Decimal | None


def cost_row(instance: Instance, uptime: Uptime, price: InstancePrice) -> CostRow:
    """Return the cost of one instance in one hour.

    Prices, hours and costs are each rounded once, half up, to nine decimals; a cost is computed from the unrounded
    hours and the rounded price, which is the price that the row shows.
    """
    seconds = Decimal(repr(uptime.seconds))
    spot, ondemand = _rounded(price.spot), _rounded(price.ondemand)
    return CostRow(
        hour=uptime.hour,
        instance=instance,
        uptime_hours=_per_hour(seconds),
        price=InstancePrice(spot, ondemand, price.status, price.as_of, price.reason),
        cost=_cost(seconds, spot),
        ondemand_cost=_cost(seconds, ondemand),
    )


def _cost(seconds: Decimal, price: Decimal | None) -> Decimal | None:
    return None if price is None else _per_hour(_EXACT.multiply(seconds, price))


def _per_hour(amount: Decimal) -> Decimal:
    """Divide last: 75 s are a repeating fraction of an hour, and rounding it first would round the cost twice."""
    return _EXACT.divide(amount, _SECONDS_PER_HOUR).quantize(_NUMERIC, context=_EXACT)


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_NUMERIC, context=_EXACT)
