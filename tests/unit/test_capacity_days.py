"""Days of Google's capacity history: merged intervals, days that were not observed, and both changes of the clocks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.periods import local_day, start_of_day
from spotkeeper.tracking.capacity_days import PreemptionDay, PreemptionSpan, preemption_days

RATE = Decimal("0.25")


def days(first: int, last: int, month: int = 7) -> list[date]:
    return [date(2026, month, number) for number in range(first, last + 1)]


def span(first: date, end: date, rate: Decimal = RATE) -> PreemptionSpan:
    return PreemptionSpan(start_of_day(first), start_of_day(end), rate)


def read(*spans: PreemptionSpan, at: datetime = datetime(2026, 12, 31, tzinfo=UTC)) -> list[PreemptionDay]:
    return list(preemption_days(spans, at))


def test_an_interval_of_several_days_is_the_rate_of_each_of_them() -> None:
    found = read(span(date(2026, 7, 3), date(2026, 7, 7)))

    assert [(each.day, each.rate) for each in found] == [(day, RATE) for day in days(3, 6)]


def test_no_interval_is_no_day() -> None:
    assert read() == []


def test_days_between_intervals_were_not_observed() -> None:
    found = read(span(date(2026, 7, 3), date(2026, 7, 4)), span(date(2026, 7, 6), date(2026, 7, 7)))

    assert [each.day for each in found] == [date(2026, 7, 3), date(2026, 7, 6)]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-03-07T08:00:00Z", "2026-03-10T07:00:00Z", days(7, 9, 3)),
        ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z", [date(2026, 3, 8)]),
        ("2026-10-31T07:00:00Z", "2026-11-03T08:00:00Z", [date(2026, 10, 31), *days(1, 2, 11)]),
        ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z", [date(2026, 11, 1)]),
    ],
)
def test_days_have_23_and_25_hours_where_clocks_change(start: str, end: str, expected: list[date]) -> None:
    whole = PreemptionSpan(datetime.fromisoformat(start), datetime.fromisoformat(end), RATE)

    assert [each.day for each in read(whole)] == expected


@pytest.mark.parametrize(("first", "midnight"), [("2026-10-29", 7), ("2026-03-05", 8)], ids=["autumn", "spring"])
def test_days_of_24_hours_across_a_change_of_the_clocks_keep_their_rates(first: str, midnight: int) -> None:
    """Intervals whose bounds stay at the same time of UTC end an hour before or after midnight from the change on."""
    start = datetime.fromisoformat(first).replace(hour=midnight, tzinfo=UTC)
    starts = [start + timedelta(days=number) for number in range(7)]
    spans = [PreemptionSpan(at, at + timedelta(days=1), Decimal(number) / 10) for number, at in enumerate(starts)]

    found = read(*spans, at=starts[-1] + timedelta(hours=10))

    expected = [(date.fromisoformat(first) + timedelta(days=number), Decimal(number) / 10) for number in range(7)]
    assert [(each.day, each.rate) for each in found] == expected
    assert [each.day for each in found if each.provisional] == [expected[-1][0]]


@pytest.mark.parametrize(
    ("read_at", "provisional"),
    [
        ("2026-07-21T06:59:59Z", [date(2026, 7, 20)]),
        ("2026-07-21T07:00:00Z", []),
        ("2026-07-21T07:00:01Z", [date(2026, 7, 21)]),
    ],
)
def test_a_day_that_is_not_over_is_provisional_and_none_is_in_the_future(read_at: str, provisional: list[date]) -> None:
    found = read(span(date(2026, 7, 18), date(2026, 7, 22)), at=datetime.fromisoformat(read_at))

    assert [each.day for each in found if each.provisional] == provisional
    assert max(each.day for each in found) <= local_day(datetime.fromisoformat(read_at))


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 30), st.integers(0, 10).map(lambda tenths: Decimal(tenths) / 10)),
        max_size=8,
    )
)
def test_each_day_has_the_rate_of_the_interval_that_its_noon_is_in(drawn: list[tuple[int, int, Decimal]]) -> None:
    first, spans = date(2025, 10, 1), list[PreemptionSpan]()
    for gap, length, rate in drawn:
        start = (local_day(spans[-1].end) if spans else first) + timedelta(days=gap % 40)
        spans.append(span(start, start + timedelta(days=length), rate))

    found = {each.day: each.rate for each in read(*reversed(spans), at=datetime(2029, 1, 1, tzinfo=UTC))}

    for number in range(900):
        day = first + timedelta(days=number)
        noon = start_of_day(day) + timedelta(hours=12)
        assert found.get(day) == next((each.rate for each in spans if each.start <= noon < each.end), None)
