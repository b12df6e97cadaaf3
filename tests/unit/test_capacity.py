"""The daily reading of Google's capacity history: what is asked, in which order, and when no more is asked."""

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.tracking.capacity import (
    MOST_FAILURES,
    PRICE_DIFFERS,
    PRICE_ROSE,
    READ_DEADLINE_SECONDS,
    Candidate,
    CapacityLimits,
    CapacitySummary,
    PriceCheck,
    PriceDifference,
    PriceRise,
    Reading,
    ReadingStatus,
    Target,
    is_due,
    price_rises,
    read_capacity_history,
    targets_of_day,
)
from spotkeeper.tracking.capacity_prices import PriceSpan
from tests.unit.capacity_fakes import History, Ledger, ports

NOW = datetime(2026, 7, 21, 10, 7, tzinfo=UTC)
DAY = timedelta(days=1)
DEAR, CHEAP, IDLE, OTHER = (Target(name, "us-central1") for name in ("n2-a", "n2-b", "n2-c", "n2-d"))
COSTS = {CHEAP: Decimal(1), IDLE: Decimal(0), DEAR: Decimal(90), OTHER: Decimal(0)}


def run(reader: History, ledger: Ledger, most: int = 50, at: datetime = NOW) -> CapacitySummary:
    return read_capacity_history("home", CapacityLimits(most), ports(reader, ledger), "run1", at)


@pytest.mark.parametrize(
    ("at", "due"),
    [
        ("2026-07-21T09:59:59Z", False),
        ("2026-07-21T10:00:00Z", True),
        ("2026-07-21T13:59:59Z", True),
        ("2026-07-21T14:00:00Z", False),
        ("2026-12-21T10:59:59Z", False),
        ("2026-12-21T11:00:00Z", True),
        ("2026-03-08T10:00:00Z", True),
        ("2026-11-01T10:59:59Z", False),
        ("2026-11-01T11:00:00Z", True),
    ],
)
def test_the_history_is_due_from_three_to_seven_in_los_angeles(at: str, due: bool) -> None:  # noqa: FBT001 (a table)
    assert is_due(datetime.fromisoformat(at)) is due


def test_what_costs_most_is_read_first_and_then_what_was_never_read() -> None:
    reader = History()

    summary = run(reader, Ledger(COSTS))

    assert reader.asked == [DEAR, CHEAP, IDLE, OTHER]
    assert (summary.status, summary.calls.total()) == ("read", 4)


def test_a_day_has_a_limited_number_of_calls() -> None:
    reader, ledger = History(), Ledger(COSTS)

    run(reader, ledger, most=3)
    run(reader, ledger, most=3, at=NOW + timedelta(hours=1))

    assert reader.asked == [DEAR, CHEAP, IDLE]


def test_the_rest_is_read_in_rotation_while_the_dearest_is_read_every_day() -> None:
    idle = [Target(f"e2-{number}", "us-central1") for number in range(4)]
    reader = History()
    ledger = Ledger({DEAR: Decimal(90), **dict.fromkeys(idle, Decimal(0))})

    for day in range(5):
        run(reader, ledger, most=2, at=NOW + day * DAY)

    assert reader.asked[::2] == [DEAR] * 5
    assert reader.asked[1::2] == [*idle, idle[0]]


def test_a_fifth_of_the_calls_goes_round_so_that_everything_is_read_some_day() -> None:
    busy = [Target(f"n2-{number}", "us-central1") for number in range(20)]
    reader = History()
    ledger = Ledger({**{target: Decimal(100 - number) for number, target in enumerate(busy)}, IDLE: Decimal(0)})

    for day in range(7):
        run(reader, ledger, most=10, at=NOW + day * DAY)

    assert [reader.asked[number : number + 8] for number in range(0, 70, 10)] == [busy[:8]] * 7
    assert set(reader.asked) == {*busy, IDLE}


def test_an_exhausted_quota_waits_until_the_next_day() -> None:
    reader, ledger = History({DEAR: ReadingStatus.QUOTA_EXHAUSTED}), Ledger(COSTS)

    first = run(reader, ledger)
    second = run(reader, ledger, at=NOW + timedelta(hours=1))
    third = run(reader, ledger, at=NOW + DAY)

    assert [each.status for each in (first, second, third)] == ["quota_exhausted", "nothing_to_do", "quota_exhausted"]
    assert reader.asked == [DEAR, DEAR]


def test_a_failed_call_is_repeated_in_the_next_hour_and_what_was_read_is_not() -> None:
    reader, ledger = History({CHEAP: ReadingStatus.UNAVAILABLE}), Ledger(COSTS)

    first = run(reader, ledger)
    reader.answers = {}
    second = run(reader, ledger, at=NOW + timedelta(hours=1))

    assert (first.status, second.status) == ("partial", "read")
    assert reader.asked == [DEAR, CHEAP, IDLE, OTHER, CHEAP]


def test_a_type_without_history_loses_its_place_among_the_dearest() -> None:
    reader, ledger = History({DEAR: ReadingStatus.UNSUPPORTED}), Ledger(COSTS)

    assert run(reader, ledger).status == "read"
    run(reader, ledger, most=1, at=NOW + DAY)

    assert reader.asked[4:] == [CHEAP]


def test_a_service_that_keeps_failing_is_left_alone() -> None:
    targets = [Target(f"e2-{number}", "us-central1") for number in range(9)]
    reader = History(dict.fromkeys(targets, ReadingStatus.UNAVAILABLE))

    summary = run(reader, Ledger(dict.fromkeys(targets, Decimal(1))))

    assert len(reader.asked) == MOST_FAILURES
    assert (summary.status, "3 calls in a row failed" in summary.stopped) == ("unavailable", True)


def test_slow_calls_end_at_the_deadline_and_what_was_read_is_recorded() -> None:
    targets = [Target(f"e2-{number}", "us-central1") for number in range(9)]
    reader, ledger = History(seconds_per_call=READ_DEADLINE_SECONDS / 2), Ledger(dict.fromkeys(targets, Decimal(1)))

    summary = run(reader, ledger)

    assert (summary.status, len(ledger.recorded)) == ("partial", 2)


@pytest.mark.parametrize("verb", ["candidates", "record"])
def test_a_ledger_that_fails_is_a_status_and_no_error(verb: str) -> None:
    summary = run(History(), Ledger(COSTS, unavailable=verb))

    assert (summary.status, summary.stopped) == ("unavailable", f"BigQuery: {verb} fails on demand")


def test_a_price_that_differs_is_logged_with_both_prices(caplog: pytest.LogCaptureFixture) -> None:
    differs = PriceDifference("n2-a", "us-central1", date(2026, 7, 20), Decimal("0.1"), Decimal("0.2"))

    with caplog.at_level(logging.WARNING, "spotkeeper"):
        summary = run(History(), Ledger(COSTS, check=PriceCheck(9, (differs,))))

    assert (summary.check.compared, summary.check.differences) == (9, (differs,))
    [record] = [each for each in caplog.records if each.getMessage() == PRICE_DIFFERS]
    assert record.__dict__["spotkeeper_fields"] == {
        "machine_type": "n2-a",
        "region": "us-central1",
        "day": "2026-07-20",
        "our_price": Decimal("0.1"),
        "google_price": Decimal("0.2"),
    }


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        age = draw(st.none() | st.integers(0, 72))
        read_at = None if age is None else NOW - timedelta(hours=age)
        status = None if age is None else draw(st.sampled_from(ReadingStatus))
        calls = draw(st.integers(1, 3)) if age == 0 else 0
        cost = Decimal(draw(st.integers(0, 3)))
        found.append(Candidate(Target(f"e2-{number}", "us-central1"), cost, read_at, status, calls))
    return found


def calls_of(found: Iterable[Candidate]) -> int:
    return sum(each.calls_today for each in found)


@given(candidates(), st.integers(1, 20))
def test_no_day_has_more_calls_than_allowed_and_none_is_for_the_same_target(found: list[Candidate], most: int) -> None:
    asked = targets_of_day(found, most, date(2026, 7, 21))

    assert len(asked) <= max(most - calls_of(found), 0)
    assert len(set(asked)) == len(asked)


@given(candidates())
def test_with_calls_enough_everything_is_asked_that_has_no_answer_of_the_day(found: list[Candidate]) -> None:
    asked = targets_of_day(found, 100, date(2026, 7, 21))

    today = [each for each in found if each.read_at and each.read_at >= datetime(2026, 7, 21, 7, tzinfo=UTC)]
    answered = {each.target for each in today if each.status in {ReadingStatus.READ, ReadingStatus.UNSUPPORTED}}
    exhausted = any(each.status is ReadingStatus.QUOTA_EXHAUSTED for each in today)
    assert set(asked) == (set() if exhausted else {each.target for each in found} - answered)


JULY = datetime(2026, 7, 20, 12, tzinfo=UTC)


def rise(
    *prices: tuple[int, str], read: int | None = 1, status: ReadingStatus = ReadingStatus.READ, cost: str = "7"
) -> list[PriceRise]:
    """Return the rises of a type whose prices began so many days ago, last read so many days ago."""
    target = Target("n2-standard-8", "us-central1")
    starts = [JULY - timedelta(days=days) for days, _ in prices]
    spans = tuple(
        PriceSpan(start, end, Decimal(usd))
        for start, end, (_, usd) in zip(starts, [*starts[1:], None][: len(starts)], prices, strict=True)
    )
    read_at = None if read is None else JULY - timedelta(days=read)
    candidate = Candidate(target, Decimal(cost), read_at, status if read_at else None)
    return price_rises([candidate], [Reading(target, ReadingStatus.READ, prices=spans)], 10, JULY)


@pytest.mark.parametrize(
    ("prices", "percents"),
    [
        ([(300, "0.10"), (0, "0.12")], ["20.0"]),
        ([(300, "0.10"), (0, "0.11")], []),
        # Small rises add up; what held more than 30 days ago counts no more.
        ([(300, "0.10"), (20, "0.104"), (10, "0.108"), (0, "0.112")], ["12.0"]),
        ([(300, "0.05"), (40, "0.10"), (0, "0.105")], []),
        # The history begins within the 30 days.
        ([(20, "0.10"), (0, "0.12")], ["20.0"]),
        ([(300, "0.10"), (10, "0.20"), (0, "0.15")], []),
        ([(300, "0.10")], []),
        ([], []),
    ],
)
def test_a_price_that_rose_by_more_than_the_limit_in_thirty_days_is_named(
    prices: list[tuple[int, str]], percents: list[str]
) -> None:
    assert [str(each.percent) for each in rise(*prices)] == percents


@pytest.mark.parametrize(
    ("changed", "read", "status", "count"),
    [
        (2, 3, ReadingStatus.READ, 1),
        (2, 1, ReadingStatus.READ, 0),
        (2, 1, ReadingStatus.UNAVAILABLE, 1),
        (2, None, ReadingStatus.READ, 1),
        (8, None, ReadingStatus.READ, 0),
    ],
)
def test_a_rise_is_named_by_the_first_reading_after_it(
    changed: int, read: int | None, status: ReadingStatus, count: int
) -> None:
    assert len(rise((300, "0.1"), (changed, "0.2"), read=read, status=status)) == count


def test_a_rise_of_a_type_that_does_not_run_is_not_named() -> None:
    assert rise((300, "0.1"), (0, "0.2"), cost="0") == []


def test_a_recorded_rise_is_logged_with_both_prices(caplog: pytest.LogCaptureFixture) -> None:
    target = Target("n2-standard-8", "us-central1")
    start, change = NOW - timedelta(days=90), NOW - timedelta(hours=2)
    spans = (PriceSpan(start, change, Decimal("0.1")), PriceSpan(change, None, Decimal("0.2")))
    reader, ledger = History(prices={target: spans}), Ledger({target: Decimal(7)})

    with caplog.at_level(logging.WARNING, "spotkeeper"):
        run(reader, ledger)

    [record] = [each for each in caplog.records if each.getMessage() == PRICE_ROSE]
    assert record.__dict__["spotkeeper_fields"] == {
        "machine_type": "n2-standard-8",
        "region": "us-central1",
        "percent": Decimal("100.0"),
        "price_before": Decimal("0.1"),
        "price": Decimal("0.2"),
        "changed_at": "2026-07-21T08:07:00Z",
        "weekly_cost": Decimal(7),
    }
