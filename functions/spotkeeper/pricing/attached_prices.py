"""The prices of what is attached to a VM in one hour: a price, its status and its reason for each kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from spotkeeper.pricing.contract_amounts import ContractAmount


class AttachedStatus(StrEnum):
    """How reliable the price of an attachment is; `none` is that there is nothing to be priced."""

    NONE = "none"
    EXACT = "exact"
    FALLBACK = "fallback"
    STALE = "stale"
    UNKNOWN = "unknown"


class AttachedPrice(NamedTuple):
    """The price of one kind of attachment in USD per hour with nine decimals; None where it is unknown, with why.

    `skus` are the ids of the SKUs that it is made of. `contract` is the price by the customer's own contract; None
    where contract prices are not read.
    """

    usd: Decimal | None
    status: AttachedStatus
    reason: str = ""
    skus: tuple[str, ...] = ()
    contract: ContractAmount | None = None


NOTHING_ATTACHED = AttachedPrice(Decimal(0), AttachedStatus.NONE)


@dataclass(frozen=True, slots=True)
class AttachedPrices:
    """The price of each kind in one hour."""

    license: AttachedPrice
    address: AttachedPrice
    disk: AttachedPrice
    bandwidth: AttachedPrice

    def __hash__(self) -> int:
        """Return an equal number for equal prices, without the words: it is asked for in every row."""
        return hash((self.license[0], self.address[0], self.disk[0], self.bandwidth[0]))

    @property
    def reason(self) -> str:
        """Why prices are unknown, kind by kind."""
        return "; ".join(f"{kind}: {price.reason}" for kind, price in self.by_kind().items() if price.reason)

    def by_kind(self) -> Mapping[str, AttachedPrice]:
        """Return the prices by the names of their kinds."""
        return {
            "license": self.license,
            "address": self.address,
            "disk": self.disk,
            "bandwidth": self.bandwidth,
        }
