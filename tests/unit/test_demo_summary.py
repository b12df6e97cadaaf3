"""The demo ends with a few lines that fit a terminal of 80 columns."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from infra.local.demo.month import MONTHLY_BUDGET
from infra.local.demo.summary import WIDTH, Stop, Story, summary_lines
from infra.local.fleet.company import SWEEP_START

STOP = Stop(
    at=SWEEP_START + timedelta(minutes=47),
    verdict="over_budget",
    cost=Decimal("12.90"),
    budget=Decimal(10),
    names=("sweep-131-8", "sweep-131-7", "sweep-131-6"),
    planned=3,
    hourly_cost=Decimal(20),
    hourly_savings=Decimal(5),
    frozen=1,
)
WAITING = replace(STOP, at=STOP.at + timedelta(hours=1), names=(), hourly_savings=Decimal(0))
APPROVED = replace(STOP, at=STOP.at + timedelta(minutes=65), verdict="approved", hourly_savings=Decimal(5))
STORY = Story(
    days=29,
    cost=Decimal("2365.94"),
    ondemand_cost=Decimal("5427.07"),
    known_cost=Decimal("2705.92"),
    is_lower_bound=True,
    vm_hours=Decimal("13015.66"),
    priced_hours=Decimal("13007.30"),
    unresolved_hours=Decimal("0.30"),
    month_cost=Decimal(MONTHLY_BUDGET - 1000),
    stops=[STOP, WAITING, APPROVED],
    last_hour_cost=Decimal("8.38"),
)
AN_HOUR_LATER = timedelta(hours=1)


def test_the_summary_has_at_most_fifteen_lines_of_at_most_80_columns() -> None:
    lines = list(summary_lines(STORY))

    assert len(lines) <= 15
    assert max(map(len, lines)) <= WIDTH


def test_the_summary_says_what_the_month_cost_when_vms_were_stopped_and_what_that_avoids() -> None:
    text = "\n".join(summary_lines(STORY))

    assert "29 days of Spot VMs: 2,365.94 USD; on demand 5,427.07 USD." in text
    assert "Spot saved 56.4%. With licenses, addresses and disks at least 2,705.92 USD." in text
    assert "99.94% of 13,015.66 VM-hours have a price; 0.30 not identified." in text
    assert "Wed 22 Jul 13:20 UTC  a sweep of 8 GPU VMs starts and is left running" in text
    assert "14:07      alert: 12.90 of 10.00 USD/h; 3 VMs stopped, group frozen" in text
    assert "15:07      alert: 12.90 of 10.00 USD/h; a plan of 3 stops" in text
    assert "15:12      approved by a person: 3 VMs stopped" in text


def test_what_is_avoided_counts_from_each_stop_to_the_end_of_the_month() -> None:
    # From 14:07 on 22 July to 07:00 on 1 August UTC, midnight in Los Angeles, are 232 hours and 53 minutes.
    one = replace(STORY, stops=[STOP])
    later = replace(STORY, stops=[replace(STOP, at=STOP.at + AN_HOUR_LATER)])

    assert "avoids 5.00 USD an hour: 1,164.42 USD by the end of the month" in "\n".join(summary_lines(one))
    assert one.avoided - later.avoided == 5


def test_the_bill_alone_reports_the_budget_a_day_after_the_fleet_has_spent_it() -> None:
    # The 1,000 USD that are left of the month last 50 hours at 20 USD an hour; the stop was 47 minutes after the start.
    story = replace(STORY, stops=[STOP])
    text = "\n".join(summary_lines(story))

    assert "the month's 3,000.00 USD are spent Fri 24 Jul 15:20, known" in text
    assert story.cost_until_bill == Decimal(5) * (50 + 24 - Decimal(47) / 60)


def test_a_fleet_that_stays_within_the_month_s_budget_is_not_compared_with_the_bill() -> None:
    text = "\n".join(summary_lines(replace(STORY, month_cost=Decimal(-9000))))

    assert "By the bill alone" not in text


def test_in_a_dry_run_the_summary_says_what_would_be_avoided() -> None:
    text = "\n".join(summary_lines(replace(STORY, stops=[replace(STOP, names=())])))

    assert "a plan of 3 stops" in text
    assert "would avoid" in text


def test_without_stops_the_summary_has_the_cost_alone() -> None:
    assert len(list(summary_lines(replace(STORY, stops=[])))) == 3
