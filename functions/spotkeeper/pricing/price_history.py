"""What everything costs in each hour: Spot VMs, disks and addresses, by the rates that held then.

A price has a status that says how sure it is: by the readings of the catalog around the hour, or by Google's own price
history where it agrees with them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal

from spotkeeper.instances import Attachments, Disk, Shape
from spotkeeper.periods import HOUR, floor_hour, hours_of_month
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedPrices, AttachedStatus
from spotkeeper.pricing.attachments import AttachmentBook, AttachmentKind, attached_components
from spotkeeper.pricing.contract_amounts import ContractAmount
from spotkeeper.pricing.contract_history import ContractHistory
from spotkeeper.pricing.dated_rates import Component, DatedRates, component
from spotkeeper.pricing.families import left_out
from spotkeeper.pricing.price_book import DatedRate, InstancePrice, Price, PriceBook, PriceStatus
from spotkeeper.pricing.price_times import CatalogPrice, PriceTimes, TimedPrice
from spotkeeper.pricing.sku_rates import LIST_HOURS_PER_MONTH
from spotkeeper.pricing.skus import Market, Rate

_SHOWN = Decimal("1e-9")
_SHOWN_CONTEXT = Context(prec=76, rounding=ROUND_HALF_UP)
"""NUMERIC has nine decimals."""

_KINDS = (AttachmentKind.LICENSE, AttachmentKind.ADDRESS, AttachmentKind.DISK, AttachmentKind.BANDWIDTH)
_NO_SHAPE = Shape("", None, None)

_BY_GOOGLE = ContractAmount(
    None, "the price of the hour is of Google's own price history, which has no contract prices"
)


@dataclass(frozen=True, slots=True)
class UncertainPrice:
    """A Spot rate that differs between two readings: an hour from `start` up to `end` had one of them."""

    component: str
    region: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class _HourBook:
    """The rates of one hour; `late` are the components that were first read after that hour."""

    book: PriceBook
    attachments: AttachmentBook
    late: frozenset[Component]


class PriceHistory:
    """The prices of all hours by the known rates.

    `times` are those of changes by Google's own price history. `contract` is None where contract prices are not read.
    """

    def __init__(
        self, rates: DatedRates, times: PriceTimes | None = None, *, contract: ContractHistory | None = None
    ) -> None:
        self._rates = rates
        self._times = times or PriceTimes()
        self.contract = contract
        self._books: dict[int, _HourBook] = {}
        self._prices: dict[tuple[Shape, str, datetime], InstancePrice] = {}
        self._timed: dict[tuple[Shape, str, datetime], TimedPrice | None] = {}
        self._equal_prices: dict[InstancePrice, InstancePrice] = {}
        self._attached_prices: dict[tuple[Attachments, Shape, str, datetime], AttachedPrices] = {}

    @property
    def last_covered(self) -> datetime | None:
        """The latest hour that a reading covers; None when the catalog was never read."""
        return self._rates.catalog.last_covered

    def is_due(self, now: datetime, max_age: timedelta) -> bool:
        """Whether the catalog is to be read: after `max_age`, in the last hour before midnight, and first after it."""
        return self._rates.catalog.is_due(now, max_age)

    def price(self, shape: Shape, region: str, hour: datetime) -> InstancePrice:
        """Return the price of an instance of this shape in this hour, and its status.

        What Google sells by the month costs by the length of the hour's month, not by the 730 hours of price lists.
        `exact`: the rates valid in the hour. `uncertain`: a Spot rate differs between the readings before and after the
        hour, or around a reading in it, or they are more than a week apart. `fallback`: the hour is before the first
        known rate, which is then used.
        `stale`: reading the catalog failed when it was due, so a newer rate may exist. `unknown`: a component has no
        rate, so there is no price. `confirmed` and `from_history`: as `timed_price` has it; the price is that of an
        instance that ran all the hour.
        """
        place = shape, region, hour
        known = self._prices.get(place)
        if known is None:
            computed = self._price(shape, region, hour)
            known = self._prices[place] = self._equal_prices.setdefault(computed, computed)
        return known

    def _price(self, shape: Shape, region: str, hour: datetime) -> InstancePrice:
        hour_book = self._book(hour)
        spot = hour_book.book.price(shape, region, Market.SPOT)
        ondemand = hour_book.book.price(shape, region, Market.ON_DEMAND)
        known = spot.usd_per_hour is not None
        timed = self.timed_price(shape, region, hour)
        status = self._status(hour_book, spot, region, hour) if known else PriceStatus.UNKNOWN
        if timed:
            status = PriceStatus.CONFIRMED if timed.confirmed else PriceStatus.FROM_HISTORY
        return InstancePrice(
            spot=timed.over(hour + HOUR) if timed else _in_month(spot, hour),
            ondemand=_in_month(ondemand, hour),
            status=status,
            as_of=self.as_of(hour) if known else None,
            reason=_reason(spot, ondemand, shape) if self._rates else "no price catalog has been read yet",
            skus=_skus(spot) if known else (),
            contract=_BY_GOOGLE if self.contract and timed else self._contract_amount(spot, hour),
        )

    def _contract_amount(self, price: Price, hour: datetime) -> ContractAmount | None:
        return self.contract.amount(price, hour) if self.contract else None

    def timed_price(self, shape: Shape, region: str, hour: datetime) -> TimedPrice | None:
        """Return the price of an hour by Google's own history; None where the readings alone are as good or better.

        That takes readings that agree with the history: those before and after an hour in which the price changed or
        may have, or the one next to an hour that is before the first reading, or after the last one.
        """
        if not self._times:
            return None
        place = shape, region, hour
        if place not in self._timed:
            self._timed[place] = self._timed_price(shape, region, hour)
        return self._timed[place]

    def is_cut(self, shape: Shape, region: str, hour: datetime) -> bool:
        """Whether the price is known to have changed within the hour, so that it depends on when an instance ran."""
        timed = self.timed_price(shape, region, hour)
        return timed is not None and len(timed.parts) > 1

    def price_of_parts(
        self, shape: Shape, region: str, hour: datetime, seconds: Mapping[datetime, float], *, known: bool
    ) -> InstancePrice:
        """Return the price of an instance that ran for these seconds since each start, in an hour that a change cuts.

        The times at which a price began are among the starts. `known` is whether the seconds were sampled: without, the
        price is uncertain.
        """
        price, timed = self.price(shape, region, hour), self.timed_price(shape, region, hour)
        if timed is None:
            return price
        bounds = [*(part.start for part in timed.parts[1:]), hour + HOUR]
        ran = [
            sum((Decimal(repr(each)) for at, each in seconds.items() if part.start <= at < end), Decimal(0))
            for part, end in zip(timed.parts, bounds, strict=True)
        ]
        return replace(price, spot=timed.mean(ran), status=price.status if known else PriceStatus.UNCERTAIN)

    def learned_hours(self, hours: Iterable[datetime]) -> dict[datetime, datetime]:
        """Return those of the hours that have a price by Google's own history, and when the last of them was known."""
        shapes = self._times.shapes()
        found = {
            hour: [timed.known_at for place in shapes if (timed := self.timed_price(*place, hour))] for hour in hours
        }
        return {hour: max(times) for hour, times in found.items() if times}

    def attached_prices(self, attachments: Attachments, shape: Shape, region: str, hour: datetime) -> AttachedPrices:
        """Return the prices of what is attached to a Spot VM of this shape in this hour."""
        key = attachments, shape, region, hour
        known = self._attached_prices.get(key)
        if known is None:
            found = self._attached(attachments, shape, region, hour)
            known = self._attached_prices[key] = AttachedPrices(*(found.get(kind, NOTHING_ATTACHED) for kind in _KINDS))
        return known

    def disk_price(self, disk: Disk, region: str, hour: datetime) -> AttachedPrice:
        """Return the price of one disk in this hour."""
        found = self._attached(Attachments((disk,)), _NO_SHAPE, region, hour)
        return found.get(AttachmentKind.DISK, NOTHING_ATTACHED)

    def reserved_address_price(self, region: str, hour: datetime) -> AttachedPrice:
        """Return the price in this hour of a reserved address that no running VM uses."""
        hour_book = self._book(hour)
        return self._attached_price(hour_book.attachments.reserved_address(region), hour_book, hour)

    def _attached(
        self, attachments: Attachments, shape: Shape, region: str, hour: datetime
    ) -> dict[AttachmentKind, AttachedPrice]:
        hour_book = self._book(hour)
        prices = hour_book.attachments.prices(attachments, shape, region, Market.SPOT)
        return {kind: self._attached_price(price, hour_book, hour) for kind, price in prices.items()}

    def _attached_price(self, price: Price, hour_book: _HourBook, hour: datetime) -> AttachedPrice:
        usd = _in_month(price, hour)
        if usd is None:
            reason = price.reason if self._rates else "no price catalog has been read yet"
            return AttachedPrice(None, AttachedStatus.UNKNOWN, reason, contract=self._contract_amount(price, hour))
        shown = usd.quantize(_SHOWN, context=_SHOWN_CONTEXT)
        late = any(component(rate) in hour_book.late for rate in price.rates)
        status = AttachedStatus.FALLBACK if late else AttachedStatus.EXACT
        if self._rates.catalog.is_stale(hour):
            status = AttachedStatus.STALE
        return AttachedPrice(shown, status, skus=_skus(price), contract=self._contract_amount(price, hour))

    def as_of(self, hour: datetime) -> datetime | None:
        """Return the time of the reading that covers this hour; None when the catalog was never read."""
        return self._rates.catalog.as_of(hour)

    def observe(self, reading: Iterable[Rate], read_at: datetime) -> list[DatedRate]:
        """Return the changes in a complete reading of the catalog: rates that ended, and rates that began.

        Raises UnavailableError for a reading that lacks more than half of the known rates.
        """
        return self._rates.observe(reading, read_at)

    def uncertain_prices(self) -> Iterator[UncertainPrice]:
        """Yield the Spot rates that may have changed between the last two readings, and the hours concerned."""
        readings = self._rates.catalog.times
        if len(readings) > 1:
            before, after = readings[-2:]
            for name, market, region in self._rates.changed_between(before, after):
                if market is Market.SPOT:
                    yield UncertainPrice(name, region, floor_hour(before), _hour_after(after))

    def after(self, changes: Iterable[DatedRate], read_at: datetime) -> "PriceHistory":
        """Return the history with the changes of a reading applied."""
        return PriceHistory(self._rates.after(changes, read_at), self._times, contract=self.contract)

    def without_refresh(self) -> "PriceHistory":
        """Return the history after a reading that was due and failed."""
        return PriceHistory(self._rates.without_refresh(), self._times, contract=self.contract)

    def with_contract(self, contract: ContractHistory) -> "PriceHistory":
        """Return the history with other contract prices."""
        return PriceHistory(self._rates, self._times, contract=contract)

    def rates_in_force(self) -> list[Rate]:
        """Return the rates that have not ended."""
        return self._rates.in_force()

    def _timed_price(self, shape: Shape, region: str, hour: datetime) -> TimedPrice | None:
        readings, end = self._rates.catalog.times, hour + HOUR
        before, after = bisect_right(readings, hour), bisect_left(readings, end)
        within = [*readings[max(before - 1, 0) : after], *readings[after : after + 1]]
        catalog = [found for reading in within if (found := self._read_price(shape, region, reading))]
        is_before = bool(catalog) and catalog[0].read_at <= hour
        if not catalog:
            later = (self._read_price(shape, region, reading) for reading in readings[after + 1 :])
            catalog = [found for found in later if found][:1]
        timed = self._times.timed(shape, region, (hour, end), catalog)
        if timed is None or self._is_exact(timed, shape, region, hour):
            return None
        # A reading has the price before the hour, and another one that which held last in it.
        is_between = is_before and len(catalog) > 1 and catalog[-1].read_at >= timed.parts[-1].start
        return timed if is_between else replace(timed, confirmed=False)

    def _is_exact(self, timed: TimedPrice, shape: Shape, region: str, hour: datetime) -> bool:
        """Whether the readings alone tell the same price, and that it is exact."""
        hour_book = self._book(hour)
        spot = hour_book.book.price(shape, region, Market.SPOT)
        same = len(timed.parts) == 1 and timed.parts[0].usd == spot.usd_per_hour
        return same and self._status(hour_book, spot, region, hour) is PriceStatus.EXACT

    def _read_price(self, shape: Shape, region: str, reading: datetime) -> CatalogPrice | None:
        """The Spot price in a reading of the catalog; None where a component was first read later."""
        hour = floor_hour(reading)
        hour_book = self._book(hour)
        price = hour_book.book.price(shape, region, Market.SPOT)
        if price.usd_per_hour is None or any(component(rate) in hour_book.late for rate in price.rates):
            return None
        return CatalogPrice(reading, price.usd_per_hour)

    def _status(self, hour_book: _HourBook, spot: Price, region: str, hour: datetime) -> PriceStatus:
        if self._rates.catalog.is_stale(hour):
            return PriceStatus.STALE
        if any((part.rate.component, Market.SPOT, region) in hour_book.late for part in spot.components):
            return PriceStatus.FALLBACK
        changed = self._rates.changed_in(hour)
        if changed and any((part.rate.component, Market.SPOT, region) in changed for part in spot.components):
            return PriceStatus.UNCERTAIN
        return PriceStatus.EXACT

    def _book(self, hour: datetime) -> _HourBook:
        epoch = self._rates.epoch(hour)
        if epoch not in self._books:
            found, attached = self._rates.at(hour), attached_components()
            self._books[epoch] = _HourBook(
                PriceBook(rate for rate in found.rates if rate.component not in attached),
                AttachmentBook(rate for rate in found.rates if rate.component in attached),
                found.late,
            )
        return self._books[epoch]


def _hour_after(at: datetime) -> datetime:
    """Return the first full hour at a time or after it."""
    return at if at == floor_hour(at) else floor_hour(at) + HOUR


def _in_month(price: Price, hour: datetime) -> Decimal | None:
    """Return a price in USD per hour in the month of Cloud Billing that the hour is in."""
    if price.usd_per_hour is None or not price.usd_by_month:
        return price.usd_per_hour
    return price.usd_per_hour + price.usd_by_month * (LIST_HOURS_PER_MONTH / hours_of_month(hour) - 1)


def _skus(price: Price) -> tuple[str, ...]:
    return tuple(sorted({rate.sku_id for rate in price.rates}))


def _reason(spot: Price, ondemand: Price, shape: Shape) -> str:
    if spot.reason:
        return spot.reason
    unknown = f"on-demand: {ondemand.reason}" if ondemand.reason else ""
    return "; ".join(filter(None, (unknown, left_out(shape))))
