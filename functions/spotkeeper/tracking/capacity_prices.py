"""The prices of Google's capacity history: while each held, and which of them rose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from spotkeeper.periods import local_day


@dataclass(frozen=True, slots=True)
class PriceSpan:
    """The Spot list price in USD per VM-hour from `start` up to, but without, `end`; None means still valid."""

    start: datetime
    end: datetime | None
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Rise:
    """When a Spot price rose, and the prices before and after it in USD per VM-hour."""

    changed_at: datetime
    price_before: Decimal
    price: Decimal


def prices_held(spans: Sequence[PriceSpan], read_at: datetime) -> tuple[PriceSpan, ...]:
    """Return the prices in order, one for as long as it held without a change.

    The latest one is still valid when its interval reaches into the day of the reading. One that ended earlier, as in a
    history that is cut off, is not known after its end. What begins after the reading is left out.
    """
    held: list[PriceSpan] = []
    for span in sorted(spans, key=lambda each: (each.start, each.end or read_at)):
        if span.start > read_at:
            break
        last = held[-1] if held else None
        if last is not None and last.usd == span.usd and (last.end is None or span.start <= last.end):
            held[-1] = replace(last, end=None if span.end is None or last.end is None else max(span.end, last.end))
        else:
            held.append(span)
    if held and held[-1].end is not None and local_day(held[-1].end) >= local_day(read_at):
        held[-1] = replace(held[-1], end=None)
    return tuple(held)


def latest_rise(prices: Sequence[PriceSpan], since: datetime, compared_with: datetime) -> Rise | None:
    """Return the latest change, if it came after `since` and the price is higher than it was then; None otherwise.

    The price before it is the one of the earlier time `compared_with`, or the earliest known one after that.
    """
    if not prices or prices[-1].end is not None or prices[-1].start <= since:
        return None
    latest = prices[-1]
    before = _price_at(prices, compared_with)
    return Rise(latest.start, before, latest.usd) if latest.usd > _price_at(prices, since) else None


def _price_at(prices: Sequence[PriceSpan], at: datetime) -> Decimal:
    begun = [each for each in prices if each.start <= at]
    return begun[-1].usd if begun else prices[0].usd
