"""The cost of one Spot VM in one hour, or in the part of it in which it was one machine: billed hours times price.

Where contract prices are read, the same hours cost their contract prices too, by the same arithmetic.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import starmap
from typing import NamedTuple, final

from spotkeeper.instances import Instance
from spotkeeper.pricing.attached_prices import AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.price_book import InstancePrice
from spotkeeper.tracking.amounts import Billionths, Hours, as_decimal, charge, hours, in_billionths, rounded
from spotkeeper.tracking.billing import Billed

_NO_TIME = 0, 1


class Usage(NamedTuple):
    """How long an instance ran as one machine between two times of an hour, in seconds."""

    instance: Instance
    start: datetime
    end: datetime
    seconds: float


class AttachedCosts(NamedTuple):
    """What was attached to a Spot VM cost while it ran, in billionths of a dollar; None where it is not known."""

    prices: AttachedPrices
    license_billionths: Billionths | None
    address_billionths: Billionths | None
    disk_billionths: Billionths | None
    bandwidth_billionths: Billionths | None

    @property
    def known_billionths(self) -> Billionths:
        """The sum of those that are known."""
        return sum(part for part in self[1:] if part)

    @property
    def complete(self) -> bool:
        """Whether all are known."""
        return None not in self[1:]

    @property
    def license(self) -> Decimal | None:
        """The cost of licenses in USD, with nine decimals like all amounts here."""
        return as_decimal(self.license_billionths)

    @property
    def address(self) -> Decimal | None:
        """The cost of external addresses in USD."""
        return as_decimal(self.address_billionths)

    @property
    def disk(self) -> Decimal | None:
        """The cost of disks in USD."""
        return as_decimal(self.disk_billionths)

    @property
    def bandwidth(self) -> Decimal | None:
        """The cost of Tier_1 bandwidth in USD."""
        return as_decimal(self.bandwidth_billionths)


class ContractRates(NamedTuple):
    """What an hour costs at contract prices, in whole billionths of a dollar; None where it is not known, with why."""

    compute: Billionths | None
    license: Billionths | None
    address: Billionths | None
    disk: Billionths | None
    bandwidth: Billionths | None
    reason: str


class ContractCosts(NamedTuple):
    """What a row costs at contract prices, in billionths of a dollar; None where it is not known."""

    compute_billionths: Billionths | None
    license_billionths: Billionths | None
    address_billionths: Billionths | None
    disk_billionths: Billionths | None
    bandwidth_billionths: Billionths | None


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
    spot: Billionths | None
    ondemand: Billionths | None
    license: Billionths | None
    address: Billionths | None
    disk: Billionths | None
    bandwidth: Billionths | None
    attached_costs: AttachedCosts | None = None
    contract: ContractRates | None = None


@final
class CostRow(NamedTuple):
    """One Spot VM in one UTC hour, or in the part of it from a start as another machine on or up to it.

    Amounts are kept as whole billionths, and shown as decimals with nine decimals, as BigQuery's NUMERIC keeps them:
    hours, and money in USD.
    """

    start: datetime
    end: datetime
    instance: Instance
    uptime_billionths: Billionths
    billed_billionths: Billionths
    rates: HourlyRates
    cost_billionths: Billionths | None
    ondemand_billionths: Billionths | None
    attached: AttachedCosts
    contract: ContractCosts | None = None

    @property
    def price(self) -> InstancePrice:
        """The price of the machine type in that hour, its amounts with nine decimals."""
        return self.rates.shown

    @property
    def uptime_hours(self) -> Decimal:
        """How long the instance ran, in hours."""
        return as_decimal(self.uptime_billionths)

    @property
    def billed_hours(self) -> Decimal:
        """How much of that its machine type is billed for, in hours."""
        return as_decimal(self.billed_billionths)

    @property
    def cost(self) -> Decimal | None:
        """The cost of the machine type; None where its price is not known."""
        return as_decimal(self.cost_billionths)

    @property
    def ondemand_cost(self) -> Decimal | None:
        """What the machine type would have cost on demand; None where that price is not known."""
        return as_decimal(self.ondemand_billionths)

    @property
    def known_cost(self) -> Decimal:
        """The cost of the machine type and of all that is attached, as far as it is known."""
        return as_decimal(self.attached.known_billionths + (self.cost_billionths or 0))

    @property
    def total_cost(self) -> Decimal | None:
        """The cost of the machine type and of all that is attached; None unless every part is known."""
        return self.known_cost if self.complete else None

    @property
    def complete(self) -> bool:
        """Whether every part of the cost is known."""
        return self.cost_billionths is not None and self.attached.complete

    @property
    def hour(self) -> datetime:
        """The hour that the row is in."""
        return self.start.replace(minute=0, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def hourly_rates(price: InstancePrice, attached: AttachedPrices) -> HourlyRates:
    """Return what makes up the cost of the rows that have a price."""
    contract = price.contract and price.contract._replace(usd=rounded(price.contract.usd))
    shown = replace(price, spot=rounded(price.spot), ondemand=rounded(price.ondemand), contract=contract)
    rates = HourlyRates(
        shown,
        attached,
        in_billionths(shown.spot),
        in_billionths(shown.ondemand),
        in_billionths(attached.license.usd),
        in_billionths(attached.address.usd),
        in_billionths(attached.disk.usd),
        in_billionths(attached.bandwidth.usd),
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
    instance, start, end, seconds = usage
    machine, licenses = billed
    uptime, ran = hours(seconds)
    billed_uptime, paid = (uptime, ran) if machine == seconds else hours(machine)
    attached, contract = rates.attached_costs, None
    if attached is None or rates.contract:
        licensed = paid if licenses == machine else hours(licenses)[1]
        attached = attached or _attached_costs(rates, licensed, ran, paid)
        contract = rates.contract and _contract_costs(rates.contract, licensed, ran, paid)
    spot, ondemand = charge(rates.spot, paid), charge(rates.ondemand, paid)
    return CostRow(start, end, instance, uptime, billed_uptime, rates, spot, ondemand, attached, contract)


def _attached_costs(rates: HourlyRates, licensed: Hours, ran: Hours, paid: Hours) -> AttachedCosts:
    """Return what is attached for the hours that licenses, addresses and disks, and bandwidth are billed for.

    Most VMs have some of these and not others: what costs nothing, or what is not known, is not worked out.
    """
    of_licenses, of_addresses, of_disks, of_bandwidth = rates.license, rates.address, rates.disk, rates.bandwidth
    if of_licenses:
        of_licenses = charge(of_licenses, licensed)
    if of_addresses:
        of_addresses = charge(of_addresses, ran)
    if of_disks:
        of_disks = charge(of_disks, ran)
    if of_bandwidth:
        of_bandwidth = charge(of_bandwidth, paid)
    return AttachedCosts(rates.attached, of_licenses, of_addresses, of_disks, of_bandwidth)


def _contract_rates(compute: ContractAmount, attached: AttachedPrices) -> ContractRates:
    """Return the contract prices of a row, and why those that are not known are not, kind by kind."""
    kinds = {"compute": compute, **{kind: _contract_amount(price) for kind, price in attached.by_kind().items()}}
    amounts = {kind: in_billionths(rounded(amount.usd)) for kind, amount in kinds.items()}
    reason = "; ".join(f"{kind}: {amount.reason}" for kind, amount in kinds.items() if amount.reason)
    return ContractRates(**amounts, reason=reason)


def _contract_amount(price: AttachedPrice) -> ContractAmount:
    """Return the contract price of an attachment: nothing where nothing is attached."""
    if price.status is AttachedStatus.NONE:
        return ContractAmount(Decimal(0))
    return price.contract or ContractAmount(None, price.reason)


def _contract_costs(rates: ContractRates, licensed: Hours, ran: Hours, paid: Hours) -> ContractCosts:
    """Return the costs of a row at contract prices for the seconds that each part is billed for."""
    of_parts = (
        (rates.compute, paid),
        (rates.license, licensed),
        (rates.address, ran),
        (rates.disk, ran),
        (rates.bandwidth, paid),
    )
    return ContractCosts(*starmap(charge, of_parts))
