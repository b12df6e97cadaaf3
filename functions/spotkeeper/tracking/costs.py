"""The cost of one Spot VM in one hour, or in the part of it in which it was one machine: billed hours times price.

Where contract prices are read, the same hours cost their contract prices too, by the same arithmetic.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from itertools import starmap
from typing import NamedTuple

from spotkeeper.instances import Instance
from spotkeeper.pricing.attached_prices import AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.price_book import InstancePrice
from spotkeeper.tracking.billing import Billed

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_NOTHING = Decimal("0E-9")
_SECONDS_PER_HOUR = 3600
_NO_TIME = 0, 1
_KINDS = 4
"""Licenses, addresses, disks and bandwidth."""

_PER_UNIT = 10**9
"""NUMERIC has nine decimals: the amounts of a row are whole billionths."""


type _Seconds = tuple[int, int]
"""Seconds exactly as they are written, as a fraction: numerator and denominator."""


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


class ContractRates(NamedTuple):
    """What an hour costs at contract prices, in whole billionths of a dollar; None where it is not known, with why."""

    compute: int | None
    license: int | None
    address: int | None
    disk: int | None
    bandwidth: int | None
    reason: str


class ContractCosts(NamedTuple):
    """What a row costs at contract prices, in USD with nine decimals; None where it is not known."""

    compute: Decimal | None
    license: Decimal | None
    address: Decimal | None
    disk: Decimal | None
    bandwidth: Decimal | None

    @property
    def total(self) -> Decimal | None:
        """The sum of all parts; None unless every one is known."""
        known = [part for part in self if part is not None]
        return sum(known, _NOTHING) if len(known) == len(self) else None


@dataclass(frozen=True, slots=True, eq=False)
class HourlyRates:
    """What makes up the cost of a row, by the hour, in whole billionths of a dollar; None where it is not known.

    `shown` is the price with its amounts rounded. `attached_costs` is what is attached where it costs the same however
    long the VM runs: nothing, or an amount that is not known. Equal ones are one object, which the rows of a fleet
    share, so that what is kept of it is found without a comparison. `contract` is None where contract prices
    are not read.
    """

    shown: InstancePrice
    attached: AttachedPrices
    spot: int | None
    ondemand: int | None
    license: int | None
    address: int | None
    disk: int | None
    bandwidth: int | None
    attached_costs: AttachedCosts | None = None
    contract: ContractRates | None = None


class CostRow(NamedTuple):
    """One Spot VM in one UTC hour, or in the part of it from a start as another machine on or up to it.

    Money is in USD with nine decimals, as BigQuery's NUMERIC keeps them.
    """

    start: datetime
    end: datetime
    instance: Instance
    uptime_hours: Decimal
    billed_hours: Decimal
    rates: HourlyRates
    cost: Decimal | None
    ondemand_cost: Decimal | None
    attached: AttachedCosts
    contract: ContractCosts | None = None

    @property
    def price(self) -> InstancePrice:
        """The price of the machine type in that hour, its amounts with nine decimals."""
        return self.rates.shown

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


@lru_cache(maxsize=4096)
def hourly_rates(price: InstancePrice, attached: AttachedPrices) -> HourlyRates:
    """Return what makes up the cost of the rows that have a price."""
    contract = price.contract and price.contract._replace(usd=_rounded(price.contract.usd))
    shown = replace(price, spot=_rounded(price.spot), ondemand=_rounded(price.ondemand), contract=contract)
    rates = HourlyRates(
        shown,
        attached,
        _billionths(shown.spot),
        _billionths(shown.ondemand),
        _billionths(attached.license.usd),
        _billionths(attached.address.usd),
        _billionths(attached.disk.usd),
        _billionths(attached.bandwidth.usd),
        contract=None if contract is None else _contract_rates(contract, attached),
    )
    if rates.license or rates.address or rates.disk or rates.bandwidth:
        return rates
    return replace(rates, attached_costs=_attached_costs(rates, _NO_TIME, _NO_TIME, _NO_TIME))


def cost_row(usage: Usage, billed: Billed, rates: HourlyRates) -> CostRow:
    """Return the cost of one instance in one hour, or in a part of it.

    Licenses and bandwidth are billed like the machine type, the former in a free first minute too; addresses and disks
    cost what they cost in the time that it ran. Prices, hours and costs are each rounded once, half up, to nine
    decimals; a cost is computed from the unrounded hours and the rounded price, which is the price that the row shows.
    """
    hours, ran = _hours(usage.seconds)
    billed_hours, paid = (hours, ran) if billed.machine == usage.seconds else _hours(billed.machine)
    attached, contract = rates.attached_costs, None
    if attached is None or rates.contract:
        licensed = paid if billed.licenses == billed.machine else _hours(billed.licenses)[1]
        attached = attached or _attached_costs(rates, licensed, ran, paid)
        contract = rates.contract and _contract_costs(rates.contract, licensed, ran, paid)
    spot, ondemand = _charge(rates.spot, paid), _charge(rates.ondemand, paid)
    return CostRow(
        usage.start, usage.end, usage.instance, hours, billed_hours, rates, spot, ondemand, attached, contract
    )


def _attached_costs(rates: HourlyRates, licensed: _Seconds, ran: _Seconds, paid: _Seconds) -> AttachedCosts:
    """Return what is attached for the seconds that licenses, addresses and disks, and bandwidth are billed for."""
    license_cost = _charge(rates.license, licensed)
    address, disk = _charge(rates.address, ran), _charge(rates.disk, ran)
    bandwidth = _charge(rates.bandwidth, paid)
    known = [part for part in (license_cost, address, disk, bandwidth) if part is not None]
    nothing = _NOTHING if known else Decimal(0)
    return AttachedCosts(
        rates.attached, license_cost, address, disk, bandwidth, sum(known, nothing), len(known) == _KINDS
    )


def _contract_rates(compute: ContractAmount, attached: AttachedPrices) -> ContractRates:
    """Return the contract prices of a row, and why those that are not known are not, kind by kind."""
    kinds = {"compute": compute, **{kind: _contract_amount(price) for kind, price in attached.by_kind().items()}}
    amounts = {kind: _billionths(_rounded(amount.usd)) for kind, amount in kinds.items()}
    reason = "; ".join(f"{kind}: {amount.reason}" for kind, amount in kinds.items() if amount.reason)
    return ContractRates(**amounts, reason=reason)


def _contract_amount(price: AttachedPrice) -> ContractAmount:
    """Return the contract price of an attachment: nothing where nothing is attached."""
    if price.status is AttachedStatus.NONE:
        return ContractAmount(Decimal(0))
    return price.contract or ContractAmount(None, price.reason)


def _contract_costs(rates: ContractRates, licensed: _Seconds, ran: _Seconds, paid: _Seconds) -> ContractCosts:
    """Return the costs of a row at contract prices for the seconds that each part is billed for."""
    of_parts = (
        (rates.compute, paid),
        (rates.license, licensed),
        (rates.address, ran),
        (rates.disk, ran),
        (rates.bandwidth, paid),
    )
    return ContractCosts(*starmap(_charge, of_parts))


@lru_cache(maxsize=4096)
def _hours(seconds: float) -> tuple[Decimal, _Seconds]:
    """Return seconds in hours, and exactly as they are written, as a fraction."""
    fraction = Decimal(repr(seconds)).as_integer_ratio()
    return _charged(_PER_UNIT, fraction), fraction


def _charge(billionths_per_hour: int | None, seconds: _Seconds) -> Decimal | None:
    """Return what some seconds come to at so many billionths an hour; None where these are not known."""
    if not billionths_per_hour:
        return None if billionths_per_hour is None else _NOTHING
    return _charged(billionths_per_hour, seconds)


def _charged(billionths_per_hour: int, seconds: _Seconds) -> Decimal:
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
