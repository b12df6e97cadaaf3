"""What a billing account pays for a SKU by its contract with Google, read from the JSON of the Pricing API.

https://cloud.google.com/billing/docs/reference/pricing-api/rest/v2beta/billingAccounts.skus.prices/list
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from spotkeeper.pricing.attachment_rates import attached_units_per
from spotkeeper.pricing.attachments import attached_components
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.sku_rates import BY_MONTH, units_per
from spotkeeper.pricing.skus import CURRENCY, Market, Rate, RateUnit, money, stored_rate
from spotkeeper.values import currency_code, from_text, integer, list_of, mapping, matching, parsed, shown, string, text
from spotkeeper.values import field as read_field

DEFAULT_PRICE = "default-price"
"""The origin of a price that is the list price: the contract says nothing of the SKU."""

_PARTS_OF_NAME = 5
_LOWEST = Decimal("1e-18")
"""Less is stored as 0."""

_HIGHEST = Decimal(10) ** 9
"""What no unit of a VM costs in an hour, in any currency: a column of money would not hold much more of it."""

_LONGEST_ORIGIN = 100
_NANOS = 10**9
_LARGEST = 2**63 - 1
_DECIMAL = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?")
"""https://github.com/googleapis/googleapis/blob/master/google/type/decimal.proto"""


@dataclass(frozen=True, slots=True)
class ContractPrice:
    """The price of a SKU for a billing account, per unit of its list rate.

    `amount` is in `currency`, None where it is not known, with the `reason`. `origin` is where Google has it from, such
    as fixed-price or floating-discount. `by_month` is as in a list rate: `amount` is a month's price over 730 hours.
    """

    sku_id: str
    unit: RateUnit
    amount: Decimal | None
    currency: str = CURRENCY
    origin: str = ""
    by_month: bool = False
    reason: str = ""

    @property
    def usd(self) -> ContractAmount:
        """The amount in USD; another currency is not converted, which would be a guess."""
        if self.amount is None:
            return ContractAmount(None, self.reason)
        if self.currency != CURRENCY:
            return ContractAmount(None, f"its contract price is in {self.currency}, which is not converted")
        return ContractAmount(self.amount)


def contract_rates(rates: Iterable[Rate]) -> dict[str, Rate]:
    """Return one rate of each SKU that a Spot VM and what is attached to it are billed by, by the id of the SKU."""
    attached = attached_components()
    return {rate.sku_id: rate for rate in rates if rate.market is Market.SPOT or rate.component in attached}


def sku_of(resource: object) -> str:
    """Return the id of the SKU that a price is of; raises ValueError when its name does not have it."""
    name = read_field(parsed("it", resource, mapping), "name", string)
    parts = name.split("/")
    if len(parts) != _PARTS_OF_NAME or parts[2] != "skus" or not parts[3]:
        expected = f"name must be as billingAccounts/ACCOUNT/skus/SKU/price, not {name[:100]!r}"
        raise ValueError(expected)
    return parts[3]


def contract_price_from_json(resource: Mapping[str, object], rate: Rate) -> ContractPrice:
    """Return the price of the SKU of a list rate, as the Pricing API has it; one that cannot be used has the reason.

    As in list prices, that of a component has no tiers; that of an attachment may begin with a free one.
    """
    try:
        return _price(resource, rate)
    except ValueError as problem:
        return ContractPrice(rate.sku_id, rate.unit, None, by_month=rate.by_month, reason=str(problem))


class _Tier(NamedTuple):
    start: Decimal
    amount: Decimal
    currency: str


class _Units(NamedTuple):
    name: str
    quantity: Decimal


def _price(resource: Mapping[str, object], rate: Rate) -> ContractPrice:
    kind = read_field(resource, "valueType", string)
    if kind != "rate":
        message = f"its contract price is of the type {shown(kind)}, which has no rate"
        raise ValueError(message)
    reason = parsed("priceReason", resource.get("priceReason", {}), mapping)
    origin = parsed("priceReason.type", reason.get("type", ""), text)[:_LONGEST_ORIGIN]
    terms = read_field(resource, "rate", mapping)
    attached = rate.component in attached_components()
    tiers = read_field(terms, "tiers", list_of(mapping), "rate.")
    tier = _only([_tier(each, origin) for each in tiers], may_begin_free=attached)
    units = _units_of(terms)
    per = attached_units_per(rate.unit, units.name) if attached else units_per(rate.unit, units.name)
    if per is None:
        message = f"its contract price is per {shown(units.name)}, which does not measure a {rate.unit}"
        raise ValueError(message)
    amount = tier.amount / units.quantity * per
    if not _LOWEST <= amount <= _HIGHEST:
        message = f"its contract price is {amount:.3g} per {rate.unit}, which is not believed"
        raise ValueError(message)
    return ContractPrice(rate.sku_id, rate.unit, stored_rate(amount), tier.currency, origin, units.name in BY_MONTH)


def _only(tiers: Sequence[_Tier], *, may_begin_free: bool) -> _Tier:
    """Return the tier that all usage is paid at; raises ValueError when there is none, or it depends on the usage."""
    paid = [tier for tier in tiers if tier.amount > 0]
    if not paid:
        message = "its contract price is 0, which is not believed"
        raise ValueError(message)
    if len({tier.amount for tier in paid}) > 1 or (not may_begin_free and (len(tiers) > 1 or tiers[0].start)):
        starts = ", ".join(str(tier.start) for tier in tiers)
        message = f"its contract price has tiers that start at {starts}"
        raise ValueError(message)
    return paid[0]


def _tier(tier: Mapping[str, object], origin: str) -> _Tier:
    """Return a tier at the contract price; of a SKU that has none, Google may name only the list price."""
    name = "listPrice" if origin == DEFAULT_PRICE and "contractPrice" not in tier else "contractPrice"
    price = read_field(tier, name, mapping, "rate.tiers.")
    units = parsed(f"{name}.units", price.get("units", 0), _money_units)
    amount = money(units, parsed(f"{name}.nanos", price.get("nanos", 0), _money_nanos))
    if amount < 0:
        message = f"its contract price is {amount}, below 0"
        raise ValueError(message)
    start = parsed("rate.tiers.startAmount", tier.get("startAmount", {}), _decimal)
    return _Tier(start, amount, read_field(price, "currencyCode", currency_code, f"{name}."))


def _units_of(terms: Mapping[str, object]) -> _Units:
    """Return the unit of a price, and how many of it the price is of."""
    unit = read_field(terms, "unitInfo", mapping, "rate.")
    name = read_field(unit, "unit", string, "rate.unitInfo.")
    quantity = parsed("rate.unitInfo.unitQuantity", unit.get("unitQuantity", {"value": "1"}), _decimal)
    if quantity <= 0:
        message = f"its contract price is of {quantity} {shown(name)}"
        raise ValueError(message)
    return _Units(name, quantity)


def _decimal(value: object) -> Decimal:
    """Read Google's form of a decimal, an object whose `value` is text; none and an empty text are 0."""
    written = parsed("value", mapping(value).get("value", ""), text)
    return Decimal(_decimal_text(written)) if written else Decimal(0)


_decimal_text = matching(_DECIMAL, "a decimal number as text")
_money_units = from_text(integer(-_LARGEST, _LARGEST))
_money_nanos = integer(1 - _NANOS, _NANOS - 1)
