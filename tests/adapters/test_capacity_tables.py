"""Google's capacity history in BigQuery: what is recorded, and compared with our own prices."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from infra.local.emulators.compute.capacity_api import DISAGREES
from infra.local.stack.stack import Stack
from spotkeeper.gcp.tracker import capacity_ports, tracker_ports
from spotkeeper.pricing.price_times import RecordedPrice
from spotkeeper.tracking.capacity import (
    CapacityLimits,
    CapacityPorts,
    Reading,
    ReadingStatus,
    Target,
    read_capacity_history,
)
from spotkeeper.tracking.capacity_days import PreemptionSpan
from spotkeeper.tracking.capacity_prices import PriceSpan
from tests.adapters.conftest import Tracker, new_dataset, new_tracker

HERE = Target("n2-standard-8", "us-central1")
START, CHANGE, END = (datetime(2026, 7, number, 7, tzinfo=UTC) for number in (1, 10, 21))


@pytest.fixture
def tracker(stack: Stack) -> Iterator[Tracker]:
    with new_dataset(stack, "capacity") as name:
        yield new_tracker(stack, name)
        stack.control("POST", "reset")


RAN = datetime(2026, 7, 22, 6, tzinfo=UTC)
NOW = datetime(2026, 7, 23, 12, tzinfo=UTC)
COLUMNS = (
    "usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type, gpu_count, "
    "local_ssd_gib, uptime_hours, spot_price, cost, currency, price_status, run_id, recorded_at"
)


def cost_row(  # noqa: PLR0913 (a row)
    machine_type: str,
    price: str,
    *,
    zone: str = "us-central1-a",
    at: datetime = RAN,
    status: str = "exact",
    gpus: int = 0,
    ssd: int = 0,
) -> str:
    """A row of spot_vm_costs in which a machine type ran for an hour at a price."""
    end, region = at + timedelta(hours=1), zone.rpartition("-")[0]
    return (
        f"(TIMESTAMP '{at}', TIMESTAMP '{end}', 'research-ml', '{zone}', '{region}', '1', 'vm', '{machine_type}', "
        f"{gpus}, {ssd}, 1, NUMERIC '{price}', NUMERIC '{price}', 'USD', '{status}', 'r', TIMESTAMP '{end}')"
    )


def insert_costs(tracker: Tracker, *rows: str) -> None:
    tracker.rows(f"INSERT INTO spot_vm_costs ({COLUMNS}) VALUES {', '.join(rows)}")


def test_a_day_is_read_once_and_a_price_that_disagrees_is_found(tracker: Tracker) -> None:
    tracker.stack.set_time(NOW)
    insert_costs(
        tracker,
        cost_row("n2-standard-8", "0.167504"),
        cost_row("n2d-standard-8", "0.097824"),
        cost_row("n2-custom-8-16384", "0.1"),
    )
    ports = capacity_ports(tracker.settings)

    first = read_capacity_history("research-ml", CapacityLimits(50), ports, "run1", NOW)
    again = read_capacity_history("research-ml", CapacityLimits(50), ports, "run2", NOW + timedelta(hours=1))

    assert (first.stopped, first.status, again.status) == ("", "read", "nothing_to_do")
    assert first.check.compared == 2
    [differs] = first.check.differences
    assert (differs.machine_type, differs.region) == DISAGREES
    assert (differs.our_price, differs.google_price) == (Decimal("0.097824"), Decimal("0.09880224"))
    readings = tracker.rows("SELECT machine_type, zone, status, day FROM capacity_readings ORDER BY machine_type, zone")
    assert [(row["machine_type"], row["zone"], row["status"]) for row in readings] == [
        (machine_type, zone, "read")
        for machine_type in ("n2-standard-8", "n2d-standard-8")
        for zone in (None, "us-central1-a")
    ]
    assert {row["day"] for row in readings} == {date(2026, 7, 23)}


CHANGED = RAN + timedelta(hours=1)
LATER = RAN + timedelta(hours=2)
CHECKS: Mapping[str, tuple[list[str], tuple[str, int, int] | None]] = {
    "e-equal": ([cost_row("e-equal", "0.1")], ("agrees", 1, 0)),
    "e-nano": ([cost_row("e-nano", "0.100000001")], ("agrees", 1, 0)),
    "e-two-nanos": ([cost_row("e-two-nanos", "0.100000002")], ("differs", 1, 1)),
    "e-old-price": ([cost_row("e-old-price", "0.1", at=LATER)], ("differs", 1, 1)),
    # Our price was read later than it changed, or not, or never was: the row says that it may be another.
    "e-uncertain": ([cost_row("e-uncertain", "0.1", at=LATER, status="uncertain")], ("uncertain", 1, 1)),
    "e-stale": ([cost_row("e-stale", "0.1", at=LATER, status="stale")], ("uncertain", 1, 1)),
    "e-fallback": ([cost_row("e-fallback", "0.1", at=LATER, status="fallback")], ("uncertain", 1, 1)),
    "e-both": ([cost_row("e-both", "0.1"), cost_row("e-both", "0.2", at=CHANGED)], ("agrees", 2, 0)),
    "e-in-the-hour": ([cost_row("e-in-the-hour", "0.1", at=CHANGED)], ("agrees", 1, 0)),
    # A mean of both prices in the hour of the change, one that is none, and a price of the history itself.
    "e-mean": ([cost_row("e-mean", "0.14", at=CHANGED, status="confirmed")], ("agrees", 1, 0)),
    "e-no-mean": ([cost_row("e-no-mean", "0.21", at=CHANGED, status="confirmed")], ("differs", 1, 1)),
    "e-exact-mean": ([cost_row("e-exact-mean", "0.14", at=CHANGED)], ("differs", 1, 1)),
    "e-after-mean": ([cost_row("e-after-mean", "0.14", at=LATER, status="confirmed")], ("differs", 1, 1)),
    "e-from-history": ([cost_row("e-from-history", "0.2", at=LATER, status="from_history")], None),
    "e-gpu": ([cost_row("e-gpu", "0.5", gpus=1)], None),
    "e-ssd": ([cost_row("e-ssd", "0.5", ssd=375)], None),
    "e-long-ago": ([cost_row("e-long-ago", "0.5", at=RAN - timedelta(days=4))], None),
}
"""Machine types whose price rises from 0.1 to 0.2 at 07:30, their cost rows, and what comes out: status and hours."""


def test_a_price_agrees_differs_or_is_in_doubt_by_its_own_row(tracker: Tracker) -> None:
    insert_costs(tracker, *(row for rows, _ in CHECKS.values() for row in rows))
    change = CHANGED + timedelta(minutes=30)
    spans = (PriceSpan(START, change, Decimal("0.1")), PriceSpan(change, NOW, Decimal("0.2")))
    readings = [Reading(Target(name, "us-central1"), ReadingStatus.READ, prices=spans) for name in CHECKS]

    check = capacity_ports(tracker.settings).ledger.record("checked", NOW, readings)

    found = tracker.rows("SELECT machine_type, status, hours, differing_hours FROM price_checks")
    assert {row.pop("machine_type"): tuple(row.values()) for row in found} == {
        name: expected for name, (_, expected) in CHECKS.items() if expected
    }
    assert check.compared == 13
    assert [each.machine_type for each in check.differences] == [
        "e-after-mean",
        "e-exact-mean",
        "e-no-mean",
        "e-old-price",
        "e-two-nanos",
    ]


def test_the_prices_of_the_machine_types_that_ran_come_with_the_rates_in_one_query(tracker: Tracker) -> None:
    spans = (PriceSpan(START, CHANGE, Decimal("0.1")), PriceSpan(CHANGE, None, Decimal("0.2")))
    types = ("n2-standard-8", "n2d-standard-8")
    readings = [Reading(Target(name, "us-central1"), ReadingStatus.READ, prices=spans) for name in types]
    ports = capacity_ports(tracker.settings)
    ports.ledger.record("beside", NOW, readings)
    tracker.rows(
        "INSERT INTO shape_components (machine_type, gpu_count, local_ssd_gib, component, quantity, run_id) "
        "VALUES ('n2-standard-8', 0, 0, 'n2:core', 8, 'r')"
    )
    ledger = tracker_ports(tracker.settings).ledger

    found = ledger.known_prices(CHANGE - timedelta(hours=1), recorded=True, contract=False)
    later = ledger.known_prices(CHANGE, recorded=True, contract=False)
    unasked = ledger.known_prices(CHANGE, recorded=False, contract=False)

    before = RecordedPrice("n2-standard-8", "us-central1", START, CHANGE, Decimal("0.1"), NOW)
    after = RecordedPrice("n2-standard-8", "us-central1", CHANGE, NOW, Decimal("0.2"), NOW)
    assert (found.rates, sorted(found.recorded, key=lambda each: each.start)) == ([], [before, after])
    assert (later.rates, later.recorded, unasked.recorded) == ([], [after], [])


def test_cheaper_places_and_types_are_candidates_until_they_were_read(tracker: Tracker) -> None:
    def listed(machine_type: str, region: str, price: str, vcpus: int = 8) -> str:
        return f"('{machine_type}', '{region}', {vcpus}, 32, 0, 0, 'X86_64', NUMERIC '{price}', TIMESTAMP '{RAN}', 'r')"

    insert_costs(tracker, cost_row("n2-standard-8", "0.2"))
    tracker.rows(
        "INSERT INTO machine_type_prices (machine_type, region, vcpus, memory_gib, gpu_count, local_ssd_gib, "
        "architecture, spot_price, as_of, run_id) VALUES "
        + ", ".join(
            (
                listed("n2-standard-8", "us-central1", "0.2"),
                listed("n2-standard-8", "us-east1", "0.1"),
                listed("n2-standard-8", "europe-west1", "0.3"),
                listed("n2d-standard-8", "us-central1", "0.1"),
                listed("t2d-standard-8", "us-central1", "0.19"),
                listed("e2-standard-4", "us-central1", "0.05", vcpus=4),
                listed("e2-standard-32", "us-central1", "0.15", vcpus=32),
            )
        )
    )

    found = capacity_ports(tracker.settings).ledger.candidates(NOW)

    assert {(each.target, each.weekly_cost) for each in found} == {
        (HERE, Decimal("0.2")),
        (Target("n2-standard-8", "us-central1", "us-central1-a"), Decimal("0.2")),
        (Target("n2-standard-8", "us-east1"), Decimal(0)),
        (Target("n2d-standard-8", "us-central1"), Decimal(0)),
        (Target("t2d-standard-8", "us-central1"), Decimal(0)),
    }
    assert {(each.read_at, each.calls_today) for each in found} == {(None, 0)}


def record(ports: CapacityPorts, run_id: str, now: datetime, *prices: PriceSpan, rate: str = "0.1") -> None:
    spans = (PreemptionSpan(now - timedelta(days=2), now, Decimal(rate)),)
    reading = Reading(HERE, ReadingStatus.READ, preemptions=spans, prices=prices)
    ports.ledger.record(run_id, now, [reading])


def prices_of(tracker: Tracker) -> list[tuple[datetime, datetime | None, Decimal]]:
    rows = tracker.rows("SELECT valid_from, valid_to, price FROM capacity_prices ORDER BY valid_from")
    return [(row["valid_from"], row["valid_to"], row["price"]) for row in rows]


def test_a_year_that_moves_on_adds_prices_and_keeps_when_they_began(tracker: Tracker) -> None:
    ports = capacity_ports(tracker.settings)
    low, high = Decimal("0.1"), Decimal("0.2")
    day = timedelta(days=1)

    record(ports, "a", END, PriceSpan(START, CHANGE, low), PriceSpan(CHANGE, END, high))
    record(ports, "b", END + day, PriceSpan(START + day, CHANGE, low), PriceSpan(CHANGE, END + day, high))
    record(
        ports, "c", END + 2 * day, PriceSpan(CHANGE + day, END + day, high), PriceSpan(END + day, END + 2 * day, low)
    )

    assert prices_of(tracker) == [(START, CHANGE, low), (CHANGE, END + day, high), (END + day, None, low)]


@pytest.mark.parametrize("tenths", [1, 2], ids=["equal", "dearer"])
def test_a_history_that_begins_after_the_last_reading_leaves_the_time_between_unknown(
    tracker: Tracker, tenths: int
) -> None:
    """A list that is cut off, or a type that was not read for long: the price may have changed, and changed back."""
    ports = capacity_ports(tracker.settings)
    begin, now = END + timedelta(days=18), END + timedelta(days=20)
    low = Decimal("0.1")

    record(ports, f"f{tenths}", END, PriceSpan(START, None, low))
    for run_id in ("g", "again"):
        record(ports, f"{run_id}{tenths}", now, PriceSpan(begin, None, Decimal(tenths) / 10))

    assert prices_of(tracker) == [(START, END, low), (begin, None, Decimal(tenths) / 10)]


def test_a_history_that_ends_long_before_it_is_read_is_not_known_after_its_end(tracker: Tracker) -> None:
    record(capacity_ports(tracker.settings), "h", END, PriceSpan(START, CHANGE, Decimal("0.1")))

    assert prices_of(tracker) == [(START, CHANGE, Decimal("0.1"))]


def test_a_type_in_use_no_more_whose_call_failed_today_stops_no_further_call(tracker: Tracker) -> None:
    insert_costs(tracker, cost_row("n2-standard-8", "0.2"))
    ports, gone = capacity_ports(tracker.settings), Target("c2-standard-4", "us-central1")
    ports.ledger.record("i", NOW, [Reading(gone, ReadingStatus.UNAVAILABLE, "HTTP 500")])
    tracker.stack.set_time(NOW)

    later = read_capacity_history("research-ml", CapacityLimits(50), ports, "j", NOW + timedelta(hours=1))

    assert later.calls[ReadingStatus.READ] >= 2


def test_a_day_that_is_read_again_has_the_later_rate(tracker: Tracker) -> None:
    ports = capacity_ports(tracker.settings)

    record(ports, "d", END, rate="0.1")
    record(ports, "e", END + timedelta(days=1), rate="0.4")

    rows = tracker.rows("SELECT day, zone, preemption_rate, provisional FROM capacity_preemptions ORDER BY day")
    assert [(row["day"], row["preemption_rate"]) for row in rows] == [
        (date(2026, 7, 19), Decimal("0.1")),
        (date(2026, 7, 20), Decimal("0.4")),
        (date(2026, 7, 21), Decimal("0.4")),
    ]
    assert {row["zone"] for row in rows} == {None}
