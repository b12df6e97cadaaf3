"""Component rates over time: which ones an hour has, and the changes that a new reading of the catalog brings.

A change is detected by its value alone: the catalog's `effectiveTime` is the time of publication, which moves daily
whether or not a price changed. It lies between the reading that had the old rate and the one that has the new rate.
Around a midnight in Los Angeles a price is taken to change then, as Google's did when measured in 2026. No reading
tells that, so the hours from the one reading to the other, their own included, have prices that are not certain.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.errors import UnavailableError
from spotkeeper.periods import HOUR, floor_hour, latest_closed_hour
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.readings import Readings
from spotkeeper.pricing.skus import Market, Rate, stored_rate

type Component = tuple[str, Market, str]
"""The name of a component, its market and its region."""

type _RateKey = tuple[str, str]

_SHORTEST_TIME_BETWEEN_CHANGES = timedelta(days=7)
"""Google changed the Spot price of a machine type once a week at most, when measured in 2026; its documents allow
once a day (https://cloud.google.com/spot-vms/pricing). Between equal readings no further apart it did not change and
change back."""

_LARGEST_SHARE_GONE = 0.5
"""A reading that lacks more than half of the known rates is treated as incomplete."""


@dataclass(frozen=True, slots=True)
class HourRates:
    """The rates of an hour; `late` are the components that were first read after it, with their first rate."""

    rates: tuple[Rate, ...]
    late: frozenset[Component]


class DatedRates:
    """All known rates with their validity, and the readings of the catalog that they come from."""

    def __init__(self, rates: Iterable[DatedRate], catalog: Readings) -> None:
        self._rates = tuple(rates)
        self.catalog = catalog
        self._changes = sorted({time for dated in self._rates for time in (dated.valid_from, dated.valid_to) if time})
        self._differences: dict[tuple[datetime, datetime], frozenset[Component]] = {}

    def __bool__(self) -> bool:
        """Whether any rate is known."""
        return bool(self._rates)

    def in_force(self) -> list[Rate]:
        """Return the rates that have not ended."""
        return [dated.rate for dated in self._rates if dated.valid_to is None]

    def epoch(self, hour: datetime) -> int:
        """Return a number that is the same for hours with the same rates."""
        return bisect_right(self._changes, hour)

    def at(self, hour: datetime) -> HourRates:
        """Return the rates of an hour."""
        held = {component(dated.rate): dated.rate for dated in self._rates if _holds(dated, hour)}
        later = ((component(dated.rate), dated.rate) for dated in self._later_than(hour))
        late = {key: rate for key, rate in later if key not in held}
        return HourRates((*held.values(), *late.values()), frozenset(late))

    def changed_in(self, hour: datetime) -> frozenset[Component]:
        """Return the components whose rates changed between two readings so that it may have been in this hour."""
        readings, changed = self.catalog.times, frozenset[Component]()
        for after in range(max(bisect_right(readings, hour), 1), len(readings)):
            if readings[after - 1] >= hour + HOUR:
                break
            changed |= self.changed_between(readings[after - 1], readings[after])
        return changed

    def changed_between(self, before: datetime, after: datetime) -> frozenset[Component]:
        """Return the components whose highest rate differs between two readings; all when these are a week apart.

        Not those that had none before.
        """
        if (before, after) not in self._differences:
            one, other = self._highest(floor_hour(before)), self._highest(floor_hour(after))
            is_far = after - before > _SHORTEST_TIME_BETWEEN_CHANGES
            changed = frozenset(name for name, usd in one.items() if is_far or other.get(name) != usd)
            self._differences[before, after] = changed
        return self._differences[before, after]

    def observe(self, reading: Iterable[Rate], read_at: datetime) -> list[DatedRate]:
        """Return the changes in a complete reading of the catalog: rates that ended, and rates that began.

        The rates of a component without one so far begin in the latest closed hour: nothing contradicts them there.
        Raises UnavailableError for a reading that lacks more than half of the known rates.
        """
        read = {_rate_key(rate): replace(rate, usd=stored_rate(rate.usd)) for rate in reading}
        held = {_rate_key(dated.rate): dated for dated in self._rates if dated.valid_to is None}
        gone = held.keys() - read.keys()
        if not read or len(gone) > len(held) * _LARGEST_SHARE_GONE:
            message = (
                f"the Cloud Billing Catalog has {len(read)} rates and lacks {len(gone)} of the {len(held)} known ones"
            )
            raise UnavailableError(message)
        first, changed = latest_closed_hour(read_at), self.catalog.time_of_change(read_at)
        known = {component(dated.rate) for dated in held.values()}
        begun = {
            key: DatedRate(rate, changed if component(rate) in known else first)
            for key, rate in read.items()
            if key not in held or _value(rate) != _value(held[key].rate)
        }
        ended = [
            replace(dated, valid_to=max(changed, dated.valid_from))
            for key, dated in held.items()
            if key in gone or (key in begun and dated.valid_from < begun[key].valid_from)
        ]
        return [*ended, *begun.values()]

    def after(self, changes: Iterable[DatedRate], read_at: datetime) -> "DatedRates":
        """Return the rates with the changes of a reading applied."""
        dated_rates = {(*_rate_key(dated.rate), dated.valid_from): dated for dated in (*self._rates, *changes)}
        return DatedRates(dated_rates.values(), self.catalog.and_at(read_at))

    def without_refresh(self) -> "DatedRates":
        """Return the rates after a reading that was due and failed."""
        return DatedRates(self._rates, self.catalog.and_failed())

    def _highest(self, hour: datetime) -> dict[Component, Decimal]:
        highest: dict[Component, Decimal] = {}
        for dated in self._rates:
            if _holds(dated, hour):
                name = component(dated.rate)
                highest[name] = max(dated.rate.usd, highest.get(name, dated.rate.usd))
        return highest

    def _later_than(self, hour: datetime) -> Iterator[DatedRate]:
        """The rates first read after this hour, of components without one by then; the earliest comes last."""
        begun = {component(dated.rate) for dated in self._rates if dated.valid_from <= hour}
        later = (dated for dated in self._rates if dated.valid_from > hour and component(dated.rate) not in begun)
        return iter(sorted(later, key=lambda dated: dated.valid_from, reverse=True))


def component(rate: Rate) -> Component:
    """Return what a rate is a price of."""
    return rate.component, rate.market, rate.region


def first_needed(hour: datetime, readings: Iterable[datetime]) -> datetime:
    """Return from when on rates are needed to price an hour: from the last reading before it."""
    return max((floor_hour(reading) for reading in readings if reading <= hour), default=hour)


def _holds(dated: DatedRate, hour: datetime) -> bool:
    return dated.valid_from <= hour and (dated.valid_to is None or hour < dated.valid_to)


def _rate_key(rate: Rate) -> _RateKey:
    return rate.sku_id, rate.region


def _value(rate: Rate) -> tuple[Component, str, Decimal, bool]:
    """What identifies a price; the wording of the description does not."""
    return component(rate), rate.unit, rate.usd, rate.by_month
