"""The demo ends with a few lines that fit a terminal of 80 columns."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from infra.local.demo.summary import WIDTH, Alert, Stops, Story, summary_lines

AT = datetime(2026, 7, 23, 0, 40, tzinfo=UTC)
STOPS = Stops(
    at=AT,
    period_end=datetime(2026, 7, 24, 0, 40, tzinfo=UTC),
    names=tuple(f"a-virtual-machine-with-a-long-name-{number}" for number in range(3)),
    planned=3,
    deferred=32,
    hourly_cost=Decimal("12.67"),
    hourly_savings=Decimal("1.25"),
)
STORY = Story(
    days=[("2026-07-21", Decimal("240.64")), ("2026-07-22", Decimal("295.40"))],
    ondemand_cost=Decimal("1274.35"),
    known_cost=Decimal("604.66"),
    is_lower_bound=True,
    vm_hours=Decimal("3300.64"),
    priced_hours=Decimal("3252.30"),
    unresolved_hours=Decimal("0.33"),
    budget=Decimal(500),
    alerts=[Alert(Decimal(share), Decimal(400), AT) for share in ("0.5", "0.8", "1")],
    stops=STOPS,
)


def test_the_summary_has_at_most_fifteen_lines_of_at_most_80_columns() -> None:
    lines = list(summary_lines(STORY))

    assert len(lines) <= 15
    assert max(map(len, lines)) <= WIDTH


def test_the_summary_says_what_was_saved_when_the_budget_was_passed_and_what_the_stops_avoid() -> None:
    text = "\n".join(summary_lines(STORY))

    assert "Spot VMs cost 536.04 USD in 2 days; on demand 1,274.35 USD." in text
    assert "With licenses, addresses and disks: at least 604.66 USD; budgets count this." in text
    assert "98.54% of 3,300.64 VM-hours have a price" in text
    assert "100%  Thu 23 Jul 00:40 UTC, after 400.00 USD" in text
    assert "avoids 1.25 USD of 12.67 USD an hour: 30.00 USD by the end of the month" in text


def test_in_a_dry_run_the_summary_says_that_nothing_was_stopped() -> None:
    text = "\n".join(summary_lines(replace(STORY, stops=replace(STOPS, names=()))))

    assert "3 VMs would be stopped (dry run: nothing is)." in text
    assert "would avoid 1.25 USD" in text


def test_without_alerts_and_stops_the_summary_has_the_cost_alone() -> None:
    assert len(list(summary_lines(replace(STORY, alerts=[], stops=None)))) == 4
