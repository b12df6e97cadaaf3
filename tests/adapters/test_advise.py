"""`advise` through the real clients: what is in use, where else it could run, and what Google says of it now."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.local.bigquery.tables import create_views
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.advice.placements import GoogleRate, LiveStatus, OwnRecord, Place, Scope
from spotkeeper.cli.advise import FIELDS
from spotkeeper.cli.advise_mix import MIX_FIELDS
from spotkeeper.cli.main import main
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.advice_tables import AdviceTables
from spotkeeper.gcp.compute.obtainability import MOST_CALLS, Obtainability, to_live
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import Tracker, new_dataset, new_tracker
from tests.sql.googlesql import table_fields

NOW = datetime(2026, 7, 23, 12, tzinfo=UTC)
HERE = "us-central1"

type Row = Mapping[str, object]
type Command = Callable[..., tuple[int, str, str]]

PRICES = (
    ("n2-standard-8", HERE, 8, 32, "0.20"),
    ("n2-standard-8", "us-east1", 8, 32, "0.15"),
    ("n2-standard-8", "us-east4", 8, 32, "0.10"),
    ("n2-standard-8", "northamerica-northeast1", 8, 32, "0.14"),
    ("n2-standard-8", "europe-west1", 8, 32, "0.05"),
    ("n2d-standard-8", HERE, 8, 32, "0.12"),
    ("e2-standard-8", HERE, 8, 32, "0.11"),
    ("n2-highcpu-8", HERE, 8, 8, "0.01"),
    ("c3-standard-4", HERE, 4, 16, "0.30"),
    ("c3-standard-4", "us-east1", 4, 16, "0.31"),
)


DEFAULTS = {"STRING": "''", "BOOLEAN": "FALSE", "TIMESTAMP": f"TIMESTAMP '{NOW}'", "DATE": "DATE '2026-07-23'"}


def insert(tracker: Tracker, table: str, *rows: Row) -> None:
    """Insert rows; a required column that a row does not name is empty, zero, or of this day."""
    fields = {str(each["name"]): each for each in table_fields(table)}
    names = [
        name for name, each in fields.items() if each.get("mode") == "REQUIRED" or any(name in row for row in rows)
    ]

    def value(row: Row, name: str) -> str:
        kind = str(fields[name]["type"])
        if name in row:
            return f"CAST('{row[name]}' AS {kind})".replace("INTEGER", "INT64").replace("BOOLEAN", "BOOL")
        return DEFAULTS.get(kind, "0") if fields[name].get("mode") == "REQUIRED" else "NULL"

    lines = ", ".join(f"({', '.join(value(row, name) for name in names)})" for row in rows)
    tracker.rows(f"INSERT INTO {table} ({', '.join(names)}) VALUES {lines}")


@pytest.fixture(scope="module")
def tracker(stack: Stack) -> Iterator[Tracker]:
    """A dataset in which two machine types ran, one of them in two zones."""
    with new_dataset(stack, "advice") as name:
        found = new_tracker(stack, name)
        prices: list[Row] = [
            {
                "machine_type": machine_type,
                "region": region,
                "vcpus": vcpus,
                "memory_gib": gib,
                "architecture": "X86_64",
                "spot_price": price,
                "ondemand_price": "0.4",
            }
            for machine_type, region, vcpus, gib, price in PRICES
        ]
        insert(found, "machine_type_prices", *prices)
        here: Row = {"region": HERE, "machine_type": "n2-standard-8"}
        hour: Row = {**here, "usage_hour": "2026-07-23 10:00:00", "gpu_count": 0, "local_ssd_gib": 0}
        insert(
            found,
            "hourly_fleet",
            {**hour, "vm_hours": 40},
            {**hour, "machine_type": "c3-standard-4", "vm_hours": 10},
            {**hour, "usage_hour": "2026-07-15 10:00:00", "machine_type": "e2-standard-8", "vm_hours": 900},
            # The price of a machine type does not include an attached GPU.
            {**hour, "machine_type": "e2-standard-8", "vm_hours": 900, "gpu_count": 1},
        )
        day: Row = {**here, "usage_date": "2026-07-23", "billing_date": "2026-07-23"}
        insert(
            found,
            "daily_costs",
            {**day, "zone": f"{HERE}-a", "vm_hours": 30},
            {**day, "zone": f"{HERE}-b", "vm_hours": 10},
        )
        costs: list[Row] = [
            {
                **here,
                "zone": f"{HERE}-{letter}",
                "usage_start_time": f"2026-07-23 {number:02}:00:00",
                "usage_end_time": f"2026-07-23 {number + 1:02}:00:00",
                "uptime_hours": 5,
            }
            for letter in "ab"
            for number in (9, 10)
        ]
        insert(found, "spot_vm_costs", *costs)
        prices_of_a_year: list[Row] = [
            {**here, "valid_from": "2025-07-23", "valid_to": "2026-07-22", "price": "0.10"},
            {**here, "valid_from": "2026-07-22", "price": "0.20", "read_at": "2026-07-23"},
            {**here, "valid_from": "2025-07-23", "price": "0.05", "read_at": "2026-07-23", "region": "us-east4"},
        ]
        insert(found, "capacity_prices", *prices_of_a_year)
        preempted: Row = {**here, "zone": f"{HERE}-b", "usage_hour": "2026-07-23 10:00:00", "preemptions": 4}
        insert(found, "hourly_preemptions", preempted)
        insert(
            found,
            "capacity_preemptions",
            {**here, "day": "2026-07-20", "preemption_rate": "0.2"},
            {**here, "day": "2026-07-21", "preemption_rate": "0.4"},
            {**here, "day": "2026-07-21", "preemption_rate": "0.1", "zone": f"{HERE}-a"},
            {**here, "day": "2026-07-21", "preemption_rate": "0.7", "region": "us-east4"},
            {**here, "day": "2026-06-01", "preemption_rate": "0.1", "region": "us-east4"},
            {**here, "day": "2026-07-22", "preemption_rate": "0.9", "provisional": True},
        )
        yield found


@pytest.fixture
def command(
    stack: Stack, tracker: Tracker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run `advise`; its exit code, its output and what it said of an error."""
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.bigquery)
    monkeypatch.setenv("COMPUTE_ENDPOINT", stack.rest)
    monkeypatch.setenv("RETRY_TIMEOUT_SECONDS", "1")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(
            ["advise", "--project", HOME_PROJECT, "--dataset", tracker.dataset, "--at", rfc3339(NOW), *arguments]
        )
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def as_rows(output: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(output)["places"]
    return rows


def test_places_are_here_near_far_and_other_types_each_by_price(command: Command) -> None:
    code, output, error = command("--format", "json")

    rows = as_rows(output)
    first = [row for row in rows if row["used_machine_type"] == "n2-standard-8"]
    assert (code, error) == (0, "")
    assert [(row["scope"], row["machine_type"], row["zone"] or row["region"]) for row in first] == [
        ("here", "n2-standard-8", HERE),
        ("here", "n2-standard-8", f"{HERE}-a"),
        ("here", "n2-standard-8", f"{HERE}-b"),
        ("near", "n2-standard-8", "us-east4"),
        ("near", "n2-standard-8", "northamerica-northeast1"),
        ("far", "n2-standard-8", "europe-west1"),
        ("other type", "e2-standard-8", HERE),
        ("other type", "n2d-standard-8", HERE),
    ]
    assert list(dict.fromkeys(row["used_machine_type"] for row in rows)) == ["n2-standard-8", "c3-standard-4"]


def test_rates_are_of_their_place_with_the_days_and_hours_that_they_are_of(tracker: Tracker) -> None:
    tables = AdviceTables(HOME_PROJECT, tracker.dataset, tracker.stack.bigquery, timedelta(seconds=1))

    [(in_use, places)] = tables.places(["n2-standard-8"], [], 1, 2, NOW)

    found = {(each.machine_type, each.zone or each.region): (each.google, each.own) for each in places}
    assert (in_use.machine_type, in_use.region, in_use.weekly_vm_hours) == ("n2-standard-8", HERE, Decimal(40))
    assert found["n2-standard-8", HERE] == (GoogleRate(Decimal("0.3"), 2), OwnRecord(4, Decimal(40)))
    assert found["n2-standard-8", f"{HERE}-a"] == (GoogleRate(Decimal("0.1"), 1), OwnRecord(0, Decimal(30)))
    assert found["n2-standard-8", f"{HERE}-b"] == (None, OwnRecord(4, Decimal(10)))
    assert found["n2-standard-8", "us-east4"] == (GoogleRate(Decimal("0.7"), 1), None)


def test_a_place_that_was_not_read_differs_from_one_in_which_nothing_was_observed(
    tracker: Tracker, command: Command
) -> None:
    read: Row = {"machine_type": "n2-standard-8", "read_at": "2026-07-22 12:00:00", "status": "read"}
    insert(
        tracker,
        "capacity_readings",
        {**read, "region": "europe-west1"},
        {**read, "region": HERE, "machine_type": "e2-standard-8", "status": "unsupported"},
        # A call that failed later takes nothing back, and one of months ago says nothing.
        {**read, "region": "europe-west1", "status": "unavailable", "read_at": "2026-07-23 11:00:00"},
        {**read, "region": "us-east4", "read_at": "2026-05-01 12:00:00"},
    )

    _, output, _ = command("--machine-type", "n2-standard-8", "--format", "json")

    found = {(row["machine_type"], row["region"]): row["google_history"] for row in as_rows(output)}
    assert found["n2-standard-8", "europe-west1"] == "read"
    assert found["e2-standard-8", HERE] == "unsupported"
    assert found["n2-standard-8", "us-east4"] == found["n2d-standard-8", HERE] == "not_read"


def test_what_costs_more_is_no_place_unless_its_zone_is_asked_for(command: Command) -> None:
    _, output, _ = command("--machine-type", "c3-standard-4", "--format", "json")
    _, of_zone, _ = command("--machine-type", "c3-standard-4", "--zones", "us-east1-b", "--format", "json")

    assert "us-east1" not in {row["region"] for row in as_rows(output)}
    assert "us-east1-b" in {row["zone"] for row in as_rows(of_zone)}


def test_a_place_saves_in_a_month_what_the_view_says(tracker: Tracker, command: Command) -> None:
    run = {"run_id": "run", "hour": "2026-07-23 10:00:00", "complete": True}
    insert(tracker, "tracker_runs", run)
    create_views(tracker.stack.client(), tracker.dataset, NOW)
    saved = tracker.rows(
        "SELECT option_region, monthly_savings, weekly_vm_hours FROM placement_options "
        "WHERE machine_type = 'n2-standard-8' AND change = 'other region'"
    )

    _, output, _ = command("--machine-type", "n2-standard-8", "--places", "3", "--format", "json")

    near = [row for row in as_rows(output) if row["scope"] == "near"]
    assert {row["region"]: Decimal(row["monthly_savings_usd"]) for row in near} == {
        row["option_region"]: row["monthly_savings"].quantize(Decimal("0.01")) for row in saved
    }
    assert {row["weekly_vm_hours"] for row in saved} == {Decimal(40)}


def test_zones_are_the_only_places_beside_the_present_one(command: Command) -> None:
    _, output, _ = command("--machine-type", "n2-standard-8", "--zones", "us-east1-b", f"{HERE}-a", "--format", "json")

    assert [(row["scope"], row["zone"] or row["region"]) for row in as_rows(output)] == [
        ("here", HERE),
        ("here", f"{HERE}-a"),
        ("near", "us-east1-b"),
        ("other type", f"{HERE}-a"),
        ("other type", f"{HERE}-a"),
    ]


def test_a_type_that_does_not_run_is_compared_with_the_region_of_the_first_zone(command: Command) -> None:
    _, output, _ = command("--machine-type", "n2d-standard-8", "--zones", f"{HERE}-a", "--format", "json")
    code, _, error = command("--machine-type", "n2d-standard-8")

    assert {(row["used_region"], row["weekly_vm_hours"]) for row in as_rows(output)} == {(HERE, "0")}
    assert code == 2
    assert error.startswith("spotkeeper: n2d-standard-8 did not run in the last week: name --zones")
    assert "has no Spot price in us-west4" in command("--machine-type", "n2d-standard-8", "--zones", "us-west4-a")[2]


def test_the_screen_has_the_savings_both_rates_and_the_cost_of_useful_work(command: Command) -> None:
    code, output, _ = command("--machine-type", "n2-standard-8")

    lines = output.splitlines()
    assert code == 0
    assert lines[0] == f"n2-standard-8 in {HERE}: 40 VM-hours last week, 34.76 USD a month"
    [here] = [line for line in lines if line.startswith("here ") and f" {HERE} " in line]
    assert lines[1] == "  Cheapest, preemptions unknown: far europe-west1, 75% less, 26.07 USD a month."
    assert here.split() == ["here", HERE, "0.2000", "0.30", "2d", "#2", "4", "in", "40", "h"]
    [near] = [line for line in lines if line.startswith("near us-east4 ")]
    assert near.split()[2:] == ["0.1000", "50%", "17.38", "0.70", "1d", "#3", "none", "ran"]
    assert "e2-standard-8: a vCPU does less work (cost-optimized)." in lines


def test_without_a_fleet_the_screen_says_so(stack: Stack, command: Command) -> None:
    with new_dataset(stack, "advice_empty") as name:
        code, output, _ = command("--dataset", name)

    assert (code, output) == (0, "No Spot VM of a machine type with a known price ran in the last week.\n")


def test_a_size_is_asked_for_of_every_place_once(stack: Stack, command: Command) -> None:
    stack.control("POST", "reset")
    code, output, error = command("--size", "20", "--machine-type", "n2-standard-8", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(output)))
    known = [row for row in rows if row["live_status"] == "known"]
    assert (code, error, tuple(rows[0])) == (0, "", FIELDS)
    assert {row["estimated_uptime_seconds"] for row in known} <= {"600", "3600"}
    assert all(0 < Decimal(row["obtainability"]) < 1 for row in known)
    assert {row["region"] for row in rows} - {row["region"] for row in known} == {"us-east4", "northamerica-northeast1"}


@pytest.fixture
def failing(stack: Stack) -> Iterator[Callable[[int], None]]:
    """Let `advice.capacity` fail with a status."""

    def fail(status: int) -> None:
        stack.control("DELETE", "requests")
        rule = {"service": "compute", "method": "advice.capacity", "kind": "status", "status": status}
        stack.control("POST", "faults", [rule])

    yield fail
    stack.control("DELETE", "faults")


def test_a_denied_permission_is_a_cell_and_one_sentence_and_the_prices_stay(
    command: Command, failing: Callable[[int], None]
) -> None:
    failing(403)
    code, output, error = command("--size", "20", "--machine-type", "n2-standard-8")

    lines = output.splitlines()
    assert (code, error) == (0, "")
    assert [line.split()[2] for line in lines if line.endswith("  denied")][:1] == ["0.2000"]
    assert [line.partition(": ")[0] for line in lines if line.endswith("; it takes compute.advice.capacity")] == [
        "denied"
    ]


@pytest.mark.parametrize(("status", "calls"), [(400, 6), (403, 1), (404, 6), (429, 1), (503, 3)])
def test_what_will_fail_again_is_not_asked_again(
    stack: Stack, failing: Callable[[int], None], status: int, calls: int
) -> None:
    places = [
        Place(Scope.HERE, f"n2-standard-{vcpus}", HERE, "", Decimal(vcpus), Decimal(1), Decimal(1))
        for vcpus in (2, 4, 8, 16, 32, 48)
    ]
    failing(status)

    found = Obtainability(stack.rest, timedelta(0)).of_places(HOME_PROJECT, places, (), 1)

    assert stack.control("GET", "state")["requests"]["compute"] == {"advice.capacity": calls}
    assert len({answer.status for answer in found.values()} - {LiveStatus.KNOWN}) == 1
    assert len(found) == len(places)


MIX = ("--machine-type", "n2-standard-8", "--mix")


def test_a_mix_is_of_the_zones_in_which_the_type_ran_with_their_own_preemptions(command: Command) -> None:
    code, output, error = command(*MIX, "2", "--size", "4", "--availability", "90", "--format", "json")

    found = json.loads(output)
    assert (code, error) == (0, "")
    parts = [(part["kind"], part["zone"], part["vms"], part["own_preemptions"]) for part in found["parts"]]
    assert parts == [("on demand", None, 0, None), ("Spot", f"{HERE}-a", 2, 0), ("Spot", f"{HERE}-b", 2, 4)]
    assert found["parts"][1]["outage_percent"] == "2.439"  # (0 + 0.5) / 10 VM-hours, half an hour each
    assert found["floor_backtest"] == {"hours": 2, "held": 2}
    assert found["cost_backtest"]["mix_hourly_cost_usd"] == "0.40109589"  # 364 days at 0.10, one at 0.20
    assert Decimal(found["cost_backtest"]["cheapest_region_saved_percent"]) == Decimal("87.5")


def test_a_floor_that_one_zone_does_not_hold_is_spread_or_on_demand(command: Command) -> None:
    _, spread, _ = command(*MIX, "2", "--size", "4", "--availability", "97.6")
    _, bought, _ = command(*MIX, "2", "--size", "4", "--availability", "99.99")
    _, one_zone, _ = command(
        *MIX, "2", "--size", "4", "--availability", "99.99", "--zones", f"{HERE}-a", "--format", "csv"
    )

    assert spread.splitlines()[0] == "n2-standard-8: 4 VMs, of which 2 are to run 97.60% of the time"
    assert [line.split()[1:3] for line in bought.splitlines() if line.startswith("on demand")] == [["demand", HERE]]
    rows = list(csv.DictReader(io.StringIO(one_zone)))
    assert tuple(rows[0]) == MIX_FIELDS
    assert [(row["kind"], row["zone"], row["vms"]) for row in rows] == [
        ("on demand", "", "2"),
        ("Spot", f"{HERE}-a", "2"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--correlation", "2"), "--correlation is only for --mix"),
        (("--size", "3", "--recovery-minutes", "20"), "--recovery-minutes is only for --mix"),
        (("--mix", "3"), "--mix is of one machine type: name it with --machine-type"),
        ((*MIX, "5", "--size", "4"), "--mix 5 is not a number from 1 to the size of 4"),
        ((*MIX, "1001"), "--mix is of 1000 VMs at most"),
        ((*MIX, "3", "--availability", "101"), "--availability 101.0 is not a percentage"),
        ((*MIX, "3", "--recovery-minutes", "0"), "--recovery-minutes 0 is not 1 or more"),
        ((*MIX, "3", "--correlation", "2"), "--correlation 2.0 is not a number from 0 to 1"),
        (("--machine-type", "c3-standard-4", "--mix", "3"), "c3-standard-4 did not run as Spot in the last 30 days"),
    ],
)
def test_a_mix_that_cannot_be_planned_is_refused_in_one_sentence(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, output, error = command(*arguments)

    assert (code, output, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"spotkeeper: {message}")


def test_no_more_places_are_asked_about_than_the_limit(stack: Stack) -> None:
    source = Obtainability(stack.rest, timedelta(seconds=1))
    places = [
        Place(Scope.HERE, "n2-standard-8", HERE, f"{HERE}-a", Decimal(number), Decimal(1), Decimal(1))
        for number in range(MOST_CALLS + 5)
    ]
    others = [
        Place(Scope.OTHER_TYPE, f"x9-standard-{number}", HERE, "", Decimal(1), Decimal(1), Decimal(1))
        for number in range(MOST_CALLS + 5)
    ]

    same = source.of_places(HOME_PROJECT, places, (), 1)
    found = source.of_places(HOME_PROJECT, others, (), 1)

    assert {answer.status for answer in same.values()} == {LiveStatus.KNOWN}
    assert [answer.status for answer in found.values()].count(LiveStatus.NOT_ASKED) == 5


@pytest.mark.parametrize(
    "found",
    [
        {"recommendations": [{}]},
        {"recommendations": [{"scores": {"obtainability": 2}}]},
        {"recommendations": [{"scores": {"estimatedUptime": "soon"}}]},
        {"recommendations": 3},
    ],
)
def test_an_answer_in_another_form_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match="Compute Engine: unexpected response: capacity advice"):
        to_live(found)


def test_a_score_of_zero_is_left_out_by_json_and_no_recommendation_is_none() -> None:
    assert to_live({"recommendations": [{"scores": {"estimatedUptime": "600s"}}]}).obtainability == 0
    assert to_live({}).status is LiveStatus.NONE
