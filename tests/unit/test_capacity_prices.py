"""The prices of Google's history: one for as long as it held, and none where it does not say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.tracking.capacity_prices import PriceSpan, Rise, latest_rise, prices_held

READ = datetime(2026, 7, 21, 10, 7, tzinfo=UTC)
"""Seven minutes past three in the morning in Los Angeles."""


def days_ago(days: float) -> datetime:
    return READ - timedelta(days=days)


def span(start: float, end: float | None, usd: str) -> PriceSpan:
    return PriceSpan(days_ago(start), None if end is None else days_ago(end), Decimal(usd))


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ([], []),
        ([span(9, None, "0.1")], [span(9, None, "0.1")]),
        # Equal neighbours are one price, in whatever order and however often they come.
        ([span(5, 3, "0.1"), span(9, 5, "0.1"), span(3, None, "0.2")], [span(9, 3, "0.1"), span(3, None, "0.2")]),
        ([span(9, 5, "0.1"), span(9, 5, "0.1"), span(7, 4, "0.1")], [span(9, 4, "0.1")]),
        ([span(9, 5, "0.1"), span(5, None, "0.1")], [span(9, None, "0.1")]),
        # A price that comes back after another, or after a gap, is a price of its own.
        (
            [span(9, 5, "0.1"), span(5, 4, "0.2"), span(4, None, "0.1")],
            [span(9, 5, "0.1"), span(5, 4, "0.2"), span(4, None, "0.1")],
        ),
        ([span(9, 5, "0.1"), span(4, None, "0.1")], [span(9, 5, "0.1"), span(4, None, "0.1")]),
        # Whole days end at the last midnight, and what is announced has not begun.
        ([span(9, 0.1, "0.1")], [span(9, None, "0.1")]),
        ([span(9, -1, "0.1"), span(-1, None, "0.3")], [span(9, None, "0.1")]),
        # A list that is cut off says nothing of the days since.
        ([span(9, 2, "0.1")], [span(9, 2, "0.1")]),
    ],
)
def test_a_price_is_one_for_as_long_as_it_held(given: list[PriceSpan], held: list[PriceSpan]) -> None:
    assert prices_held(given, READ) == tuple(held)
    assert prices_held(held, READ) == tuple(held)


@pytest.mark.parametrize(
    ("prices", "rise"),
    [
        ([], None),
        ([span(40, None, "0.1")], None),
        ([span(40, 1, "0.1"), span(1, None, "0.2")], Rise(days_ago(1), Decimal("0.1"), Decimal("0.2"))),
        # Before the last reading, and none at all.
        ([span(40, 3, "0.1"), span(3, None, "0.2")], None),
        ([span(40, 1, "0.2"), span(1, None, "0.1")], None),
        # It rose and fell by less since the last reading; what was 30 days before counts.
        (
            [span(40, 10, "0.05"), span(10, 1.5, "0.1"), span(1.5, 1, "0.3"), span(1, None, "0.2")],
            Rise(days_ago(1), Decimal("0.05"), Decimal("0.2")),
        ),
        # Up and down again to what it was.
        ([span(40, 1.5, "0.1"), span(1.5, 1, "0.3"), span(1, None, "0.1")], None),
        # The history begins later than both.
        ([span(1.5, 1, "0.1"), span(1, None, "0.2")], Rise(days_ago(1), Decimal("0.1"), Decimal("0.2"))),
        # Nobody knows whether it still is so high.
        ([span(40, 1, "0.1"), span(1, 0.9, "0.2")], None),
    ],
)
def test_a_rise_is_found_between_two_readings(prices: list[PriceSpan], rise: Rise | None) -> None:
    assert latest_rise(prices, days_ago(2), days_ago(30)) == rise
