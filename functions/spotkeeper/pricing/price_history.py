"""Component rates over time: the rate valid in each hour, and the changes that a new reading of the catalog brings.

A change is detected by its value alone: the catalog's `effectiveTime` is the time of publication, which moves daily
whether or not a price changed. A rate is valid from the latest hour that was closed when the catalog was first read
with it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Shape
from spotkeeper.periods import latest_closed_hour
from spotkeeper.pricing.price_book import InstancePrice, Price, PriceBook, PriceStatus
from spotkeeper.pricing.skus import Market, Rate

type _RateKey = tuple[str, str]
type _Component = tuple[str, Market, str]

_STORED = Decimal("1e-18")
_STORED_CONTEXT = Context(prec=76, rounding=ROUND_HALF_UP)
"""Rates per GiB-hour derived from a price per month or per GB are periodic decimals; eighteen digits are stored."""

_LARGEST_SHARE_GONE = 0.5
"""A reading that lacks more than half of the known rates is treated as incomplete."""


@dataclass(frozen=True, slots=True)
class DatedRate:
    """A rate and its validity: from `valid_from` up to, but without, `valid_to`; None means still valid."""

    rate: Rate
    valid_from: datetime
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class _HourBook:
    """The rates of one hour; `late` are the components that were first read after that hour."""

    book: PriceBook
    late: frozenset[_Component]


class PriceHistory:
    """All known rates with their validity.

    `readings` are the times at which the catalog was read; `refresh_failed`: a newer reading was due and failed.
    """

    def __init__(
        self, rates: Iterable[DatedRate], readings: Iterable[datetime], *, refresh_failed: bool = False
    ) -> None:
        self._rates = tuple(rates)
        self._readings = sorted(set(readings))
        self._covered = [latest_closed_hour(reading) for reading in self._readings]
        self._refresh_failed = refresh_failed
        self._changes = sorted({time for dated in self._rates for time in (dated.valid_from, dated.valid_to) if time})
        self._books: dict[int, _HourBook] = {}

    @property
    def last_covered(self) -> datetime | None:
        """The latest hour that a reading covers; None when the catalog was never read."""
        return self._covered[-1] if self._covered else None

    def price(self, shape: Shape, region: str, hour: datetime) -> InstancePrice:
        """Return the price of an instance of this shape in this hour, and its status.

        `exact`: the rates valid in the hour. `fallback`: the hour is before the first known rate, which is then used.
        `stale`: reading the catalog failed when it was due, so a newer rate may exist. `unknown`: a component has no
        rate, so there is no Spot price.
        """
        hour_book = self._book(hour)
        spot = hour_book.book.price(shape, region, Market.SPOT)
        ondemand = hour_book.book.price(shape, region, Market.ON_DEMAND)
        known = spot.usd_per_hour is not None
        return InstancePrice(
            spot=spot.usd_per_hour,
            ondemand=ondemand.usd_per_hour,
            status=self._status(hour_book, spot, region, hour) if known else PriceStatus.UNKNOWN,
            as_of=self.as_of(hour) if known else None,
            reason=_reason(spot, ondemand) if self._rates else "no price catalog has been read yet",
        )

    def as_of(self, hour: datetime) -> datetime | None:
        """Return the time of the reading that covers this hour; None when the catalog was never read."""
        if not self._readings:
            return None
        return self._readings[max(bisect_right(self._covered, hour) - 1, 0)]

    def observe(self, reading: Iterable[Rate], hour: datetime) -> list[DatedRate]:
        """Return the changes in a complete reading of the catalog: rates that ended, and rates valid from `hour`.

        Raises UnavailableError for a reading that lacks more than half of the known rates.
        """
        read = {_rate_key(rate): _as_stored(rate) for rate in reading}
        held = {_rate_key(dated.rate): dated for dated in self._rates if dated.valid_to is None}
        gone = held.keys() - read.keys()
        if not read or len(gone) > len(held) * _LARGEST_SHARE_GONE:
            message = (
                f"the Cloud Billing Catalog has {len(read)} rates and lacks {len(gone)} of the {len(held)} known ones"
            )
            raise UnavailableError(message)
        begun = {
            key: DatedRate(rate, hour)
            for key, rate in read.items()
            if key not in held or _value(rate) != _value(held[key].rate)
        }
        ended = [
            replace(dated, valid_to=max(hour, dated.valid_from))
            for key, dated in held.items()
            if key in gone or (key in begun and dated.valid_from < hour)
        ]
        return [*ended, *begun.values()]

    def after(self, changes: Iterable[DatedRate], read_at: datetime) -> "PriceHistory":
        """Return the history with the changes of a reading applied."""
        dated_rates = {(*_rate_key(dated.rate), dated.valid_from): dated for dated in (*self._rates, *changes)}
        return PriceHistory(dated_rates.values(), [*self._readings, read_at])

    def without_refresh(self) -> "PriceHistory":
        """Return the history after a reading that was due and failed."""
        return PriceHistory(self._rates, self._readings, refresh_failed=True)

    def _status(self, hour_book: _HourBook, spot: Price, region: str, hour: datetime) -> PriceStatus:
        if self._refresh_failed and (self.last_covered is None or hour > self.last_covered):
            return PriceStatus.STALE
        if any((part.rate.component, Market.SPOT, region) in hour_book.late for part in spot.components):
            return PriceStatus.FALLBACK
        return PriceStatus.EXACT

    def _book(self, hour: datetime) -> _HourBook:
        epoch = bisect_right(self._changes, hour)
        if epoch not in self._books:
            held = {_component(dated.rate): dated.rate for dated in self._rates if _holds(dated, hour)}
            late = {
                _component(dated.rate): dated.rate
                for dated in self._later_than(hour)
                if _component(dated.rate) not in held
            }
            self._books[epoch] = _HourBook(PriceBook([*held.values(), *late.values()]), frozenset(late))
        return self._books[epoch]

    def _later_than(self, hour: datetime) -> Iterator[DatedRate]:
        """The rates first read after this hour, of components without one by then; the earliest comes last."""
        begun = {_component(dated.rate) for dated in self._rates if dated.valid_from <= hour}
        later = (dated for dated in self._rates if dated.valid_from > hour and _component(dated.rate) not in begun)
        return iter(sorted(later, key=lambda dated: dated.valid_from, reverse=True))


def _holds(dated: DatedRate, hour: datetime) -> bool:
    return dated.valid_from <= hour and (dated.valid_to is None or hour < dated.valid_to)


def _rate_key(rate: Rate) -> _RateKey:
    return rate.sku_id, rate.region


def _component(rate: Rate) -> _Component:
    return rate.component, rate.market, rate.region


def _value(rate: Rate) -> tuple[_Component, str, Decimal]:
    """What identifies a price; the wording of the description does not."""
    return _component(rate), rate.unit, rate.usd


def _as_stored(rate: Rate) -> Rate:
    return replace(rate, usd=rate.usd.quantize(_STORED, context=_STORED_CONTEXT))


def _reason(spot: Price, ondemand: Price) -> str:
    if spot.reason:
        return spot.reason
    return f"on-demand: {ondemand.reason}" if ondemand.reason else ""
