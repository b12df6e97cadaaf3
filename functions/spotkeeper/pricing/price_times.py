"""When the Spot price of a machine type changed, by Google's own price history, and what is made of it for an hour.

The history has prices of predefined machine types without attachments, for each region, with the time of each change:
https://cloud.google.com/compute/docs/reference/rest/v1/advice/capacityHistory
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

from spotkeeper.instances import Shape
from spotkeeper.pricing.price_list import known_shape

_NANO = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class RecordedPrice:
    """A Spot price in USD per VM-hour from `start` up to, but without, `end`, by Google's history as of `read_at`."""

    machine_type: str
    region: str
    start: datetime
    end: datetime
    usd: Decimal
    read_at: datetime


@dataclass(frozen=True, slots=True)
class PricePart:
    """A Spot price in USD per VM-hour, unrounded, and the time within an hour from which it held."""

    start: datetime
    usd: Decimal


@dataclass(frozen=True, slots=True)
class TimedPrice:
    """The prices of one hour by the time of change.

    `confirmed`: each is that of a reading of the catalog too. `known_at` is when the last of its sources was read.
    """

    parts: tuple[PricePart, ...]
    confirmed: bool
    known_at: datetime

    def mean(self, seconds: Sequence[Decimal]) -> Decimal:
        """Return the price per VM-hour of an instance that ran for these seconds of each part, some of them above 0."""
        paid = sum((part.usd * ran for part, ran in zip(self.parts, seconds, strict=True)), Decimal(0))
        return _EXACT.divide(paid, sum(seconds, Decimal(0)))

    def over(self, end: datetime) -> Decimal:
        """Return the price per VM-hour of an instance that ran all the time, up to the end of the hour."""
        if len(self.parts) == 1:
            return self.parts[0].usd
        ends = [*(part.start for part in self.parts[1:]), end]
        spans = zip(self.parts, ends, strict=True)
        return self.mean([Decimal(str((until - part.start).total_seconds())) for part, until in spans])


@dataclass(frozen=True, slots=True)
class CatalogPrice:
    """The Spot price of a shape in a reading of the catalog, in USD per VM-hour."""

    read_at: datetime
    usd: Decimal


class PriceTimes:
    """The prices of Google's own history, by machine type and region; empty where it is not read."""

    def __init__(self, prices: Iterable[RecordedPrice] = ()) -> None:
        by_place: dict[tuple[str, str], list[RecordedPrice]] = defaultdict(list)
        for each in sorted(prices, key=lambda price: (price.start, price.end)):
            by_place[each.machine_type, each.region].append(each)
        self._by_place = dict(by_place)
        self._starts = {place: [each.start for each in some] for place, some in by_place.items()}

    def __bool__(self) -> bool:
        """Whether there is any price."""
        return bool(self._by_place)

    def shapes(self) -> list[tuple[Shape, str]]:
        """Return each machine type with a history, as it is without attachments, and the region."""
        known = ((known_shape(machine_type), region) for machine_type, region in self._by_place)
        return [(shape, region) for shape, region in known if shape is not None and not shape.local_ssd_gib]

    def timed(
        self, shape: Shape, region: str, hour: tuple[datetime, datetime], catalog: Sequence[CatalogPrice]
    ) -> TimedPrice | None:
        """Return the prices of an hour, given those of the readings of the catalog around it; None where not known.

        The history must cover the hour, and agree to a billionth of a dollar with each of the readings at its time.
        """
        spans = self._covering(shape, region, *hour)
        if not spans or not catalog:
            return None
        at_readings = [self._at(shape, region, reading.read_at) for reading in catalog]
        if any(
            found is None or found.usd != _rounded(reading.usd)
            for found, reading in zip(at_readings, catalog, strict=True)
        ):
            return None
        ours = {_rounded(reading.usd): reading.usd for reading in catalog}
        parts: list[PricePart] = []
        for span in spans:
            usd = ours.get(span.usd, span.usd)
            if not parts or parts[-1].usd != usd:
                parts.append(PricePart(max(span.start, hour[0]), usd))
        used = [*spans, *(found for found in at_readings if found)]
        known_at = max(*(each.read_at for each in used), *(reading.read_at for reading in catalog))
        return TimedPrice(tuple(parts), all(span.usd in ours for span in spans), known_at)

    def _covering(self, shape: Shape, region: str, start: datetime, end: datetime) -> list[RecordedPrice]:
        """The prices that cover a time one after the other; nothing where two overlap, or one is missing."""
        place = shape.machine_type, region
        if place not in self._by_place or shape.local_ssd_gib or known_shape(shape.machine_type) != shape:
            return []
        found = [each for each in self._by_place[place] if each.start < end and each.end > start]
        ends = [start, *(each.end for each in found)]
        joined = all(each.start == until for each, until in zip(found[1:], ends[1:], strict=False))
        return found if found and found[0].start <= start and joined and ends[-1] >= end else []

    def _at(self, shape: Shape, region: str, at: datetime) -> RecordedPrice | None:
        place = shape.machine_type, region
        number = bisect_right(self._starts[place], at) - 1
        found = self._by_place[place][number] if number >= 0 else None
        # The latest price was known when it was read.
        return found if found and at <= found.end else None


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_NANO, context=_EXACT)
