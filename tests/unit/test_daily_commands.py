"""What `status`, `costs` and `top` print of recorded figures."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spotkeeper.cli.costs import FIELDS, By, Span, by_argument, cost_lines, print_costs
from spotkeeper.cli.drill import drill_lines
from spotkeeper.cli.main import main
from spotkeeper.cli.output import Format, as_csv, as_json
from spotkeeper.cli.spans import Days, first_time, since_argument
from spotkeeper.cli.status import RECORD_FIELDS, is_old, status_lines
from spotkeeper.errors import RefusedRequestError
from spotkeeper.gcp.bigquery.daily_figures import (
    NOTHING,
    BudgetState,
    Cost,
    Costs,
    KeyCost,
    LastPlan,
    RecordState,
    Status,
)

NOW = datetime(2026, 11, 27, 9, 20, tzinfo=UTC)
HOUR = datetime(2026, 11, 27, 8, tzinfo=UTC)
SPAN = Span(HOUR - timedelta(days=1), NOW)


def cost(usd: str, *, unpriced: str = "0") -> Cost:
    amount = Decimal(usd)
    return Cost(Decimal(10), Decimal(unpriced), amount, amount + 1, amount * 4, amount * 3, amount * 4)


def keyed(key: str, usd: str) -> KeyCost:
    return KeyCost(key, None, None, None, 2, cost(usd))


COSTS = Costs((keyed("etl", "30"), keyed("ml", "10")), 3, cost("50", unpriced="4"))
RECORDS = RecordState(
    HOUR,
    NOW - timedelta(minutes=13),
    NOW - timedelta(hours=3),
    81,
    Decimal("12.5"),
    Decimal(30),
    Decimal(300),
    Decimal(240),
    Decimal(0),
    0,
    Decimal(0),
)
BUDGET = BudgetState(
    period="month",
    label=None,
    covers="total",
    budget=Decimal(500),
    spent=Decimal(400),
    spent_percent=Decimal(80),
    projected_cost=Decimal(900),
    projected_percent=Decimal(180),
    hours_until_spent=Decimal("8.5"),
    state="will be exceeded",
    not_known=None,
)
PLAN = LastPlan(NOW - timedelta(hours=2), "Spot fleet", "over_budget", "spent", "enforce", 3, 5, Decimal("1.25"), 2)
STATUS = Status(RECORDS, (BUDGET,), PLAN)


def test_the_status_names_the_label_value_of_a_budget() -> None:
    of_team = replace(STATUS, budgets=(BUDGET, replace(BUDGET, label="team=vision")))

    assert [line.split("  ")[0] for line in screen(of_team).splitlines() if line.startswith("month")] == [
        "month (total)",
        "month (total) team=vision",
    ]


def screen(found: Status) -> str:
    return "\n".join(status_lines(found, NOW, "p.cost_tracking"))


def test_the_table_of_costs_has_every_key_its_share_and_the_total_of_all() -> None:
    lines = list(cost_lines(By("team", "team"), SPAN, COSTS.dearest, COSTS))

    assert lines[0] == "Cost of Spot VMs by team, 2026-11-26 08:00 to 2026-11-27 09:20 UTC, in USD"
    assert [line.split() for line in lines[3:6]] == [
        ["etl", "10.00", "30.00", "60.0%", "120.00", "75.0%", "31.00"],
        ["ml", "10.00", "10.00", "20.0%", "40.00", "75.0%", "11.00"],
        ["total", "10.00", "50.00", "100.0%", "200.00", "75.0%", "51.00"],
    ]
    assert lines[-2:] == [
        "2 of 3 are shown; the total is of all.",
        "4.00 of 10.00 VM-hours have no price: their cost is unknown and not in the total.",
    ]


def test_a_cost_that_is_not_known_is_a_dash_and_null_and_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = replace(NOTHING, vm_hours=Decimal(1), unpriced_hours=Decimal(1))
    found = Costs((replace(keyed("m1", "1"), cost=unknown),), 1, unknown)

    assert list(cost_lines(By("machine-type"), SPAN, found.dearest, found))[3].split() == ["m1", "1.00", *"-----"]
    print_costs(By("machine-type"), SPAN, found.dearest, found, Format.JSON)
    assert json.loads(capsys.readouterr().out)["rows"][0]["cost_usd"] is None
    print_costs(By("machine-type"), SPAN, found.dearest, found, Format.CSV)
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["key"], row["cost_usd"], tuple(row)) == ("m1", "", FIELDS)


def test_without_a_cost_row_the_table_says_so() -> None:
    nothing = Costs((), 0, NOTHING)

    assert list(cost_lines(By("day"), SPAN, (), nothing)) == [
        "No Spot VM has a cost row from 2026-11-26 08:00 to 2026-11-27 09:20 UTC."
    ]


def test_what_the_cost_of_a_budget_lacks_is_below_the_budgets() -> None:
    lacks = "hours not recorded: 18; VM-hours without a price: 0.50"
    partly = replace(BUDGET, period="day", label="team=ml", state="at least", not_known=lacks)

    lines = list(status_lines(Status(RECORDS, (partly, BUDGET), PLAN), NOW, "p.cost_tracking"))

    assert lines[-1] == f"day (total) team=ml, not known: {lacks}"
    assert "month (total)" in lines[-2]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("24h", datetime(2026, 11, 26, 9, tzinfo=UTC)),
        ("1d", datetime(2026, 11, 27, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_stretch_is_hours_days_or_begins_at_a_time(text: str, first: datetime) -> None:
    assert first_time(since_argument(text), NOW) == first


def test_a_stretch_that_begins_at_its_end_is_refused() -> None:
    assert since_argument("400d") == Days(400)
    with pytest.raises(RefusedRequestError, match="is not before"):
        first_time(NOW, NOW)


@pytest.mark.parametrize(("text", "key"), [("label:team", ("label", "team")), ("cost-center", ("cost-center", None))])
def test_a_key_is_a_label_or_a_column_that_the_dataset_names_the_labels_of(
    text: str, key: tuple[str, str | None]
) -> None:
    assert (by_argument(text).key, by_argument(text).label) == key


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--by", "colour"),
        ("--by", "label:"),
        ("--since", "0d"),
        ("--since", "401d"),
        ("--since", "9601h"),
        ("--since", "soon"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    for command in ("costs", "top"):
        with pytest.raises(SystemExit) as stop:
            main([command, "--project", "some-project", option, value])
        assert stop.value.code == 2
        assert repr(value) in capsys.readouterr().err


def test_the_screen_says_how_old_the_latest_hour_is_and_what_it_cost() -> None:
    lines = screen(STATUS).splitlines()

    assert lines[1] == "latest hour    2026-11-27 08:00 UTC, recorded 13 min ago"
    assert lines[2] == "burn rate      12.50 USD/h with 81 Spot VMs, 30.00 on demand; 9125.00 USD a month at that rate"
    assert lines[3] == "last 24 hours  300.00 USD (+25.0% against the 24 hours before)"
    assert lines[4] == "not known      nothing: all hours complete, all VMs priced"
    assert not is_old(RECORDS, NOW)


def test_the_screen_names_what_is_not_known() -> None:
    gaps = replace(RECORDS, incomplete_hours=1, unresolved_hours=Decimal("2.5"), unpriced_hours=Decimal(24))

    assert (
        "not known      1 hour incomplete, 2.5 VM-hours not identified, 24 VM-hours without a price (of these 24 hours)"
        in screen(replace(STATUS, records=gaps))
    )


def test_the_screen_says_what_the_last_plan_stopped() -> None:
    assert "last plan      2 h 0 min ago, mode enforce, budget Spot fleet: over_budget" in screen(STATUS)
    assert "3 stops planned, 5 deferred, saves 1.25 USD/h; 2 stopped" in screen(STATUS)
    dry = screen(replace(STATUS, last_plan=replace(PLAN, mode="dry_run", stopped=0)))
    assert "saves 1.25 USD/h; nothing was stopped" in dry
    assert "last plan      none in the last week" in screen(replace(STATUS, last_plan=None))


def test_the_screen_has_every_budget() -> None:
    assert screen(STATUS).splitlines()[-1].split() == [
        *("month", "(total)", "500.00", "400.00", "80%", "900.00", "180%", "8.5", "h", "will", "be", "exceeded"),
    ]
    assert "No budget of the tracker is on record." in screen(replace(STATUS, budgets=()))


@pytest.mark.parametrize(
    ("recorded_at", "old"), [(NOW - timedelta(hours=2), False), (NOW - timedelta(hours=3), True), (None, True)]
)
def test_records_are_old_after_two_hours(recorded_at: datetime | None, *, old: bool) -> None:
    records = replace(RECORDS, recorded_at=recorded_at)

    assert is_old(records, NOW) is old
    assert ("older than two hours" in screen(replace(STATUS, records=records))) is (old and recorded_at is not None)


def test_without_any_hour_the_screen_says_so() -> None:
    assert "none recorded in three days" in screen(replace(STATUS, records=replace(RECORDS, hour=None)))


def test_the_csv_of_the_state_has_all_figures_of_the_records() -> None:
    assert set(RECORD_FIELDS) == set(RecordState.__slots__)


def test_amounts_and_times_are_written_without_a_loss() -> None:
    row = {"amount": Decimal("0.100000001"), "at": HOUR, "names": ["a", "b"], "sure": True, "none": None}

    assert json.loads(as_json(row)) == {**row, "amount": "0.100000001", "at": "2026-11-27T08:00:00Z"}
    assert as_csv(tuple(row), [row]).splitlines()[1] == "0.100000001,2026-11-27T08:00:00Z,a; b,true,"


@pytest.mark.parametrize(("verdict", "checked"), [("over_budget", True), ("under_budget", False), ("malformed", False)])
def test_a_drill_says_that_no_permission_is_missing_only_where_they_were_checked(
    verdict: str, *, checked: bool
) -> None:
    """Permissions are checked when a plan is made."""
    row: dict[str, Any] = {"verdict": verdict, "reason": "spent", "gaps": [], "missing_permissions": [], "event": None}
    last = list(drill_lines([row]))[-1]

    assert last.startswith("No permission is missing") is checked
    assert ("no permission was checked" in last) is not checked
