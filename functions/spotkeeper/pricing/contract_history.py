"""Contract prices over time: what a billing account paid for each SKU in an hour, and the changes of a new reading.

The Pricing API has the latest price of a SKU without the time from which it holds; a change counts from the hour that
the change of a list price counts from. A price that is not known stays unknown: the list price never takes its place.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.errors import UnavailableError
from spotkeeper.periods import hours_of_month, latest_closed_hour, rfc3339
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.price_book import Price
from spotkeeper.pricing.readings import Readings
from spotkeeper.pricing.sku_rates import LIST_HOURS_PER_MONTH

_LARGEST_SHARE_GONE = 0.5
"""A reading that lacks more than half of the known prices is treated as incomplete."""

_LONGEST_DAY = timedelta(hours=25)
"""Prices are read once a day at least, around midnight in Los Angeles, and a day there has up to 25 hours."""


@dataclass(frozen=True, slots=True)
class DatedContractPrice:
    """A contract price and its validity: from `valid_from` up to, but without, `valid_to`; None means still valid."""

    price: ContractPrice
    valid_from: datetime
    valid_to: datetime | None = None


def contract_amount(
    price: Price, prices: Mapping[str, ContractPrice | None], month_hours: Decimal | int = LIST_HOURS_PER_MONTH
) -> ContractAmount:
    """Return what the parts of a list price cost at contract prices, by their SKUs, in a month of so many hours.

    In USD per hour, unrounded; None with the reason where the price of a single part is not known.
    """
    total = by_month = Decimal(0)
    for part in price.components:
        agreed = prices.get(part.rate.sku_id)
        if agreed is None:
            return ContractAmount(None, f"{part.rate.component}: no contract price of SKU {part.rate.sku_id}")
        if agreed.usd.usd is None:
            return ContractAmount(None, f"{part.rate.component}: {agreed.usd.reason}")
        cost = agreed.usd.usd * part.quantity
        total += cost
        by_month += cost if agreed.by_month else 0
    return ContractAmount(total + by_month * (LIST_HOURS_PER_MONTH / month_hours - 1))


class ContractHistory:
    """All known contract prices of a billing account with their validity, and when they were read."""

    def __init__(self, prices: Iterable[DatedContractPrice] = (), readings: Readings | None = None) -> None:
        self.readings = readings or Readings()
        self._by_sku: dict[str, list[DatedContractPrice]] = defaultdict(list)
        for dated in sorted(prices, key=lambda each: each.valid_from):
            self._by_sku[dated.price.sku_id].append(dated)

    def amount(self, price: Price, hour: datetime) -> ContractAmount:
        """Return what the parts of a list price cost by the contract in this hour, in USD per hour, unrounded.

        The sum of the quantities times the contract prices of the same SKUs, with what Google sells by the month by the
        length of the hour's month, as in the list price. None with the reason where a single part is not known.
        """
        if price.usd_per_hour is None:
            return ContractAmount(None, f"no list price: {price.reason}")
        if not self.readings.times:
            return ContractAmount(None, "contract prices have not been read yet")
        if self.readings.is_stale(hour):
            return ContractAmount(None, f"contract prices could not be read after {rfc3339(self.readings.times[-1])}")
        if not self._is_covered(hour):
            return ContractAmount(None, "contract prices were not read within a day before the hour ended")
        held = {part.rate.sku_id: self._held(part.rate.sku_id, hour) for part in price.components}
        return contract_amount(price, held, hours_of_month(hour))

    def observe(self, reading: Mapping[str, ContractPrice], read_at: datetime) -> list[DatedContractPrice]:
        """Return the changes in a complete reading: prices that ended, and prices that began.

        The price of a SKU without one so far begins in the latest closed hour: nothing contradicts it there. Raises
        UnavailableError for a reading that lacks more than half of the known prices.
        """
        held = {sku_id: dated[-1] for sku_id, dated in self._by_sku.items() if dated[-1].valid_to is None}
        gone = held.keys() - reading.keys()
        if not reading or len(gone) > len(held) * _LARGEST_SHARE_GONE:
            message = f"the Pricing API has {len(reading)} prices and lacks {len(gone)} of the {len(held)} known ones"
            raise UnavailableError(message)
        first = latest_closed_hour(read_at)
        is_far = not self.readings.times or read_at - self.readings.times[-1] > _LONGEST_DAY
        # What was known so long ago says nothing of the hour that this reading covers.
        changed = first if is_far else self.readings.time_of_change(read_at)
        begun = {
            sku_id: DatedContractPrice(price, changed if sku_id in held else first)
            for sku_id, price in reading.items()
            if sku_id not in held or price != held[sku_id].price
        }
        ended = [
            replace(dated, valid_to=max(changed, dated.valid_from))
            for sku_id, dated in held.items()
            if sku_id in gone or (sku_id in begun and dated.valid_from < begun[sku_id].valid_from)
        ]
        return [*ended, *begun.values()]

    def after(self, changes: Iterable[DatedContractPrice], read_at: datetime) -> "ContractHistory":
        """Return the history with the changes of a reading applied."""
        known = [dated for some in self._by_sku.values() for dated in some]
        dated_prices = {(dated.price.sku_id, dated.valid_from): dated for dated in (*known, *changes)}
        return ContractHistory(dated_prices.values(), self.readings.and_at(read_at))

    def without_refresh(self) -> "ContractHistory":
        """Return the history after a reading that was due and failed."""
        known = [dated for some in self._by_sku.values() for dated in some]
        return ContractHistory(known, self.readings.and_failed())

    def _is_covered(self, hour: datetime) -> bool:
        """Whether prices were read by the end of the hour, and no longer than a day before."""
        read_at = self.readings.as_of(hour)
        return read_at is not None and timedelta(0) <= hour - latest_closed_hour(read_at) <= _LONGEST_DAY

    def _held(self, sku_id: str, hour: datetime) -> ContractPrice | None:
        """The price of a SKU that held in an hour."""
        dated = self._by_sku.get(sku_id, [])
        number = bisect_right(dated, hour, key=lambda each: each.valid_from) - 1
        if number < 0:
            return None
        found = dated[number]
        return found.price if found.valid_to is None or hour < found.valid_to else None
