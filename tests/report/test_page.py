"""The page says what the rows say, to everybody, and takes no name for anything else."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from spotkeeper.report.blocks import Tone
from spotkeeper.report.page import page
from spotkeeper.report.rows import UNRESOLVED, BudgetState, HourBurn, ReportRows
from spotkeeper.report.sections.budgets import budgets
from spotkeeper.report.sections.headlines import headlines
from spotkeeper.report.sections.interruptions import interruptions
from spotkeeper.report.sections.prices import price_changes
from spotkeeper.report.sums import MOST_ROWS
from spotkeeper.report.wording import component, covered
from tests.report.reading import Read, read
from tests.report.samples import (
    AS_OF,
    DAYS,
    HOSTILE,
    HOURS,
    SCOPE,
    action,
    budget,
    money,
    place,
    price_change,
    quality,
    team,
    usual_rows,
)


@pytest.fixture(scope="module")
def usual(usual_page: Path) -> Read:
    return read(usual_page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hostile(hostile_page: Path) -> str:
    return hostile_page.read_text(encoding="utf-8")


def shown(rows: ReportRows) -> str:
    """The text of a page, with its spaces made equal."""
    return re.sub(r"\s+", " ", read(page(rows, SCOPE)).text)


def only(rows: ReportRows, *names: str) -> ReportRows:
    """Rows of which all but these, and the places that make a page, are left out: fewer pictures are drawn."""
    kept = {"places", *names}
    return replace(rows, **{each.name: () for each in fields(rows) if each.name not in kept})


def test_the_headlines_are_the_sums_of_the_rows(usual: Read) -> None:
    assert {name: Decimal(value) for name, value in usual.cards.items()} == {
        "spent": 540,
        "total": len(HOURS) * Decimal("1.5"),
        "saved": 1080,
        "burn": 1,
        "budget": Decimal("71.3"),
        "interrupted": 9,
        "known": Decimal(2) / 3,
    }


def test_the_headline_of_the_total_says_what_part_each_kind_of_cost_was_and_what_is_not_known() -> None:
    parts = {"license_burn_rate": money(2), "address_burn_rate": money("0.5"), "disk_burn_rate": money("0.5")}
    hour = HourBurn(AS_OF - timedelta(hours=1), "complete", 1, money(1), money(4), **parts)
    in_part = replace(hour, partial_hours=Decimal(3))

    [said] = [card for card in headlines(ReportRows(burn=[hour]), SCOPE) if card.key == "total"]
    [lower] = [card for card in headlines(ReportRows(burn=[in_part]), SCOPE) if card.key == "total"]
    [nothing] = [card for card in headlines(ReportRows(), SCOPE) if card.key == "total"]

    assert said.detail.replace("\N{NO-BREAK SPACE}", " ") == (
        "compute 25.0 %; licenses 50.0 %; addresses 12.5 %; disks 12.5 %"
    )
    assert lower.detail.endswith("at least: a part is not known of 3.0 VM-hours")
    assert nothing.detail == "nothing was recorded of them"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([], ""),
        ([("1", "0.35"), ("0.5", "0.15")], "; at contract prices $0.50"),
        ([("1", "0.35"), ("0.2", "0.10")], "; at contract prices at least $0.45: 0.3 VM-hours have none"),
        ([("1", "0")], "; at contract prices at least $0.00: 0.5 VM-hours have none"),
    ],
)
def test_the_headline_has_the_cost_at_contract_prices_as_far_as_they_are_known(
    known: Sequence[tuple[str, str]], said: str
) -> None:
    rows = [
        place(DAYS[0], name, "us-central1-a", "0.4", hours) for name, hours in (("e2-small", "1"), ("e2-micro", "0.5"))
    ]
    for number, (hours, cost) in enumerate(known):
        rows[number] = replace(rows[number], contract_hours=money(hours), contract_cost=money(cost))

    [spent] = [card for card in headlines(ReportRows(places=rows), SCOPE) if card.key == "spent"]

    assert spent.detail.partition(";")[1:] == (said[:1], said[1:])


def test_every_table_has_the_rows_of_its_view_and_their_sum(usual: Read) -> None:
    assert usual.amounts("teams", "team") == {"vision": 300, "search": 180, "(unlabelled)": 60, "all": 540}
    assert usual.amounts("teams", "team", "ondemand_cost")["all"] == 1620
    assert usual.amounts("days", "day") == {**{day.isoformat(): money(18) for day in DAYS}, "all": money(540)}
    assert usual.amounts("places", "machine_type") == {
        "n2-standard-8": 300,
        "g2-standard-8": 240,
        "n9-standard-4": None,
        "all": 540,
    }
    assert usual.amounts("savings", "day", "net_savings")["all"] == 990
    assert usual.amounts("budgets", "budget", "projected_cost") == {"month": 744}
    assert usual.amounts("interruptions", "name", "preemptions") == {"n2-standard-8": 9, "g2-standard-8": 0}
    assert usual.amounts("prices", "component", "monthly_cost_change") == {
        "n2:core": Decimal("12.5"),
        "g2:core": Decimal("-4.25"),
        "n9:core": None,
    }
    assert usual.amounts("unattributed", "name_pattern") == {"worker-*": 60}
    assert usual.amounts("creators", "created_by") == {
        "dana@example.com": 60,
        "(not recorded)": Decimal("0.5"),
        "7@cloudservices.gserviceaccount.com": None,
    }
    assert usual.amounts("cheaper", "machine_type", "monthly_savings") == {"g2-standard-8": 73}
    assert usual.amounts("projects", "project_id", "cost_change") == {"research": -12, "web": 0, "all": -12}
    assert usual.amounts("movers", "team", "change_by_price") == {"vision": 5, "search": 0}
    assert usual.amounts("vms", "instance_name", "cost") == {"trainer-1": 72}
    assert usual.amounts("effects", "instance", "net_avoided") == {"trainer-1": 4, "": 4}
    assert usual.amounts("idle", "resource", "monthly_cost") == {
        "data": Decimal("12.5"),
        "front": Decimal("7.3"),
        "scratch": None,
        "all": Decimal("19.8"),
    }
    assert [row["reason"] for row in usual.tables["enforcement"]] == [
        "place 1 of 3 in the order of stopping: low priority",
        "place 2 of 3 in the order of stopping: low priority; quota",
    ]
    assert [(row["instances"], row["reason"]) for row in usual.tables["spared"]] == [("3", "it is protected")]
    assert usual.text.count("until 1\N{NO-BREAK SPACE}Aug, 07:00") == 1


def test_what_costs_money_without_a_running_vm_says_since_when_how_much_a_month_and_whom_to_ask(usual: Read) -> None:
    text = re.sub(r"\s+", " ", usual.text)

    assert "Without a running VM: 3 disks and addresses, $19.80 a month, 1 of them not priced." in text
    assert [(row["held_by"], row["idle_since"], row["owner"], row["team"]) for row in usual.tables["idle"][:-1]] == [
        ("trainer-1", "2026-07-22T12:41:00Z", "ada", "vision"),
        ("", "2026-07-22T12:41:00Z", "ada", "vision"),
        ("", "", "ada", "vision"),
    ]
    assert "address, research-ml / us-central1" in text
    assert "no rate" in text


def test_a_week_with_hours_that_nobody_recorded_says_so(usual: Read) -> None:
    text = re.sub(r"\s+", " ", usual.text)

    assert "The last 7 days cost $104.00, the 7 days before $116.00." in text
    assert "0 hours of the last 7 days and 3 hours of the 7 days before are not recorded" in text


def test_an_average_price_is_of_the_hours_that_have_one(usual: Read) -> None:
    prices = usual.amounts("places", "machine_type", "average_price")

    assert prices["n2-standard-8"] == Decimal(10) / 24
    assert prices["n9-standard-4"] is None
    assert prices["all"] == Decimal(540) / (60 * 24)


def test_what_is_not_known_is_said_and_not_shown_as_nothing(usual: Read) -> None:
    text = re.sub(r"\s+", " ", usual.text)

    assert "No price is known for n9-standard-4: their cost is unknown." in text
    assert "66.6 % of the VM-hours have a price; the cost of the others is not included." in text
    assert "They are estimates at list price, not the invoice." in text
    assert re.search(r"n9-standard-4\s*us-central1-a\s*unknown", usual.text)
    assert usual.amounts("places", "machine_type", "share")["n9-standard-4"] is None
    assert "licenses, addresses, disks and Tier_1 bandwidth" in text


def test_a_share_is_rounded_down() -> None:
    shares = {Decimal("0.9999"): "99.9", Decimal(1): "100.0", Decimal("0.66667"): "66.6", Decimal(0): "0.0"}

    assert {share: covered(share).partition("\xa0")[0] for share in shares} == shares


def test_missing_hours_are_named_in_words() -> None:
    rows = [*(quality(hour) for hour in HOURS[:700]), *(quality(hour, "missing") for hour in HOURS[700:702])]
    rows += [quality(hour, "incomplete", gaps="compute, monitoring") for hour in HOURS[702:705]]
    rows += [
        quality(
            hour,
            stale=3,
            fallback=1,
            uncertain=2,
            unresolved=2,
            unresolved_hours=Decimal("0.5"),
            estimated_unresolved_cost=Decimal("0.25"),
            prices_age_hours=30,
        )
        for hour in HOURS[705:]
    ]

    text = shown(only(replace(usual_rows(), quality=rows), "quality"))

    assert "715 of 720 hours are complete. 3 hours are incomplete: the cost is a lower bound." in text
    assert "2 hours are missing: the cost is not in any sum." in text
    assert "30 times no source could identify a VM that ran in an hour: 7.5 VM-hours in all" in text
    assert "About $3.75 if they are Spot VMs" in text
    assert "2.1 % of the rows have a stale price" in text
    assert "1.4 % of the rows have an uncertain price" in text
    assert "0.7 % of the rows have a fallback price" in text
    assert "The oldest price in use was read 30 hours before its hour." in text
    assert "Could not be read: compute, monitoring." in text
    assert (
        "A cell for each hour: 700 complete, 15 provisional or complete with a caveat, 3 incomplete, 2 missing." in text
    )


def test_the_first_figures_count_what_no_source_could_identify(usual: Read) -> None:
    usual_ones = only(usual_rows())
    nameless = place(DAYS[0], UNRESOLVED, UNRESOLVED, None, "2160")
    seen = replace(usual_ones, places=[*usual_ones.places, nameless])
    unseen = quality(HOURS[0], unresolved=9, unresolved_hours=Decimal(1000), estimated_unresolved_cost=Decimal(50))
    found = read(page(replace(seen, quality=[unseen]), SCOPE))
    text = found.text

    assert Decimal(found.cards["known"]) == Decimal(1) / 3
    assert "at least this, about $" in text
    assert "if the unidentified VMs are Spot and cost like the others of their project" in text
    assert "1,000.0 VM-hours unidentified" in text
    assert "unidentified" not in usual.text


def test_time_that_no_source_could_identify_is_a_row_of_its_own_and_no_spending() -> None:
    usual_ones = only(usual_rows(), "teams")
    rows = replace(
        usual_ones,
        places=[*usual_ones.places, place(DAYS[0], UNRESOLVED, UNRESOLVED, None, "100")],
        teams=[*usual_ones.teams, team(DAYS[0], UNRESOLVED, None, "100")],
    )

    found = read(page(rows, SCOPE))
    text = re.sub(r"\s+", " ", found.text)

    assert "Spot VMs cost $540.00 for 2,160.0 VM-hours" in text
    assert "100.0 VM-hours of VMs that no source could identify have no cost." in text
    assert found.amounts("teams", "team")[UNRESOLVED] is None
    assert found.amounts("teams", "team", "vm_hours")["all"] == 2260
    assert "divided by team: vision, search, (unlabelled)." in text


def test_preemptions_of_vms_without_hours_are_said_apart_and_a_mean_of_one_is_said_to_be_one(usual: Read) -> None:
    [whole, *others] = usual_rows().interruptions
    rows = only(usual_rows(), "interruptions")
    one = replace(whole, preemptions=1, unseen_preemptions=4)

    text = shown(replace(rows, interruptions=[one, *others]))
    none = interruptions(replace(rows, interruptions=[replace(whole, preemptions=0, unseen_preemptions=1)]))

    assert "This is one event: the next may come much sooner or later." in text
    assert "4 more preemptions were of VMs without recorded hours" in text
    assert "4 more of unidentified VMs" in text
    assert none.answer[1].startswith("1 more preemption was of VMs without recorded hours")
    assert "This is one event" not in usual.text
    assert "without recorded hours" not in usual.text


def test_a_provisional_hour_and_one_that_is_final_are_said_apart() -> None:
    rows = [quality(HOURS[0]), quality(HOURS[1], "final", gaps="catch-up"), quality(HOURS[2], "provisional")]

    text = shown(only(replace(usual_rows(), quality=rows), "quality"))

    assert "1 of 3 hours are complete. 1 hour is provisional: late points may still raise the cost." in text
    assert "1 hour is final, with data that can no longer be read." in text


def test_a_tracker_that_stands_still_is_said_at_the_top(usual: Read) -> None:
    late = replace(SCOPE, written_at=AS_OF + timedelta(hours=50))
    rows = only(usual_rows())

    assert "The latest recorded hour ended 2 days ago." in read(page(rows, late)).text
    assert "The latest hour on record ended" not in usual.text


def test_days_before_the_record_begins_are_not_shown_as_free_of_cost() -> None:
    rows = replace(
        only(usual_rows(), "quality"),
        places=[place(DAYS[-1], "n2-standard-8", "us-central1-a", "10")],
        quality=[quality(hour) for hour in HOURS[-48:]],
    )

    text = shown(rows)

    assert "29 Jul \N{EN DASH} 30 Jul 2026" in text
    assert "Of the last 30 days 2 are recorded." in text
    assert "The state of hours is known for the last 45 days" not in text


def test_days_before_those_whose_hours_are_known_are_named() -> None:
    rows = replace(only(usual_rows(), "quality"), quality=[quality(hour) for hour in HOURS[-48:]])

    assert "The state of hours is known for the last 45 days" in shown(rows)


@pytest.mark.parametrize(
    ("state", "spent", "said"),
    [
        ("within", "713", "it will be $744.00 at 1 Aug 2026, 07:00 UTC, within the budget."),
        ("will be exceeded", "713", "the budget is spent in 12.0 days, before 1 Aug 2026"),
        ("spent", "1100", "$1,100.00 of $1,000.00 (71.3 %); the budget is spent"),
        (
            "at least",
            "713",
            "part of the cost is not known (hours incomplete: 2); at the current rate it will be at least $744.00",
        ),
        ("unknown", "713", "nothing was recorded after 31 Jul 2026, 00:00 UTC, so whether it will be exceeded"),
    ],
)
def test_a_budget_is_described_in_a_sentence(state: str, spent: str, said: str) -> None:
    found = budgets(ReportRows(budgets=[budget(state=state, not_known="hours incomplete: 2", spent=money(spent))]))

    assert said in found.answer[0].replace("\xa0", " ")


def test_a_budget_without_any_recorded_hour_is_unknown() -> None:
    known = {"as_of": None, "spent": None, "spent_percent": None, "projected_cost": None, "missing_hours": None}

    found = budgets(ReportRows(budgets=[budget("month", state="unknown", **known)]))

    assert "unknown of $1,000.00" in found.answer[0]
    assert found.answer[0].endswith("nothing was recorded, so whether it will be exceeded is unknown.")
    assert (found.tone, found.charts) == (Tone.WARNING, ())


def test_from_when_a_budget_counts_and_what_is_missing_of_it_is_said() -> None:
    gaps = {"counts_from": datetime(2026, 7, 3, 2, tzinfo=UTC), "missing_hours": 1, "incomplete_hours": 2}
    lacks = "hours not recorded: 1; hours incomplete: 2"

    found = budgets(ReportRows(budgets=[budget("month", state="at least", not_known=lacks, **gaps)]))

    assert f"part of the cost is not known ({lacks}); at the current rate" in found.answer[0].replace("\xa0", " ")
    assert [each.replace("\xa0", " ") for each in found.points[:3]] == [
        "The month's budget counts from 3 Jul 2026, 02:00 UTC: earlier hours were not recorded.",
        "Of the month's budget 1 hour so far is missing, and the cost is not included.",
        "Of the month's budget 2 hours so far are incomplete: the cost is a lower bound.",
    ]


def test_the_budget_of_a_label_value_is_named_by_it_and_the_curve_is_that_of_all_vms() -> None:
    of_team = budget("month", budget_id="cap", label_key="team", label_value="vision", missing_hours=2, state="spent")
    rows = replace(only(usual_rows()), budgets=[budget("day"), of_team])

    found = budgets(rows)

    assert [sentence.partition(":")[0] for sentence in found.answer] == ["Today", "This month, team=vision"]
    assert [gauge.key for gauge in found.gauges] == ["budget-day", "budget-month-cap"]
    assert any("the month's budget of team=vision 2 hours" in point for point in found.points)
    assert "since the start of the day" in found.charts[0].title
    assert "Budget of the month, team=vision" in page(rows, SCOPE)


def test_the_worst_budget_is_the_headline() -> None:
    states: Sequence[BudgetState] = [budget(), budget("day", state="spent", spent_percent=money(130))]

    assert read(page(replace(only(usual_rows()), budgets=states), SCOPE)).cards["budget"] == "130"


def test_what_was_spent_is_drawn_from_the_start_of_the_record_up_to_what_the_budget_says() -> None:
    burn = [HourBurn(hour, "complete", 1, money(1), money("1.5")) for hour in HOURS if hour >= budget().period_start]

    text = page(replace(only(usual_rows()), budgets=[budget()], burn=burn), SCOPE)

    assert sum(row.burn_rate or 0 for row in burn) == budget().spent
    assert "$713.00 were spent until 31 Jul 2026, 00:00 UTC; a dashed line leads to $744.00" in text.replace(
        "\xa0", " "
    )


def test_the_report_says_how_much_of_the_cost_has_which_certainty() -> None:
    hours = [
        quality(HOURS[0], exact_cost=Decimal(900), uncertain_cost=Decimal("99.6")),
        quality(HOURS[1], exact_cost=None, uncertain_cost=None),
        quality(HOURS[2], exact_cost=Decimal(0), stale_cost=Decimal("0.4"), confirmed_cost=Decimal(1000)),
    ]

    text = read(page(replace(only(usual_rows()), quality=hours), SCOPE)).text

    assert (
        "Of the cost, 45.0 % is at exact prices, 50.0 % is at prices that Google's own history confirms, "
        "4.9 % is at uncertain prices, below 0.1 % is at stale prices."
    ) in text.replace("\xa0", " ")


def test_the_report_says_which_prices_agree_with_google_s_own_history(usual: Read) -> None:
    assert (
        "1 of 2 machine types agree with Google's own price history; not n2d-standard-8 in us-central1." in usual.text
    )
    drift = [
        replace(each, price_check="uncertain") if each.price_check == "differs" else each
        for each in usual_rows().price_drift
    ]
    unsure = read(page(replace(usual_rows(), price_drift=drift), SCOPE))
    assert "1 of 2 machine types agree with Google's own price history, 1 but for hours whose price" in unsure.text
    assert usual.amounts("price-history", "machine_type", "monthly_cost_change") == {
        "n2-standard-8": Decimal("87.6"),
        "n2d-standard-8": Decimal("87.6"),
    }


def test_the_year_of_each_machine_type_in_use_is_drawn_with_its_changes_in_a_table() -> None:
    section = price_changes(usual_rows())
    years = [chart for chart in section.charts if chart.key.startswith("price-year-")]
    [table] = [table for table in section.tables if table.key == "price-year"]

    assert [(chart.title, chart.description) for chart in years] == [
        ("Spot price of n2-standard-8, us-central1, USD per hour", "2 changes, from $0.12 to $0.15."),
        ("Spot price of n2d-standard-8, us-central1, USD per hour", "0 changes, from $0.09 to $0.09."),
    ]
    # Each dot says its price; a price without a change is a line.
    assert "28\xa0Jul to 31\xa0Jul: $0.15" in str(years[0].wide)
    assert [str(chart.wide).count(": $0.") for chart in years] == [2, 0]
    assert [[shown.value for shown in line][2:4] for line in table.rows] == [["50", "0.15"], ["-16.67", "0.1"]]


def test_without_a_price_history_no_year_is_drawn() -> None:
    section = price_changes(replace(usual_rows(), price_history=()))

    assert [chart.key for chart in section.charts] == ["prices-chart"]
    assert "price-year" not in {table.key for table in section.tables}


def test_more_than_fits_is_summed_up_and_said_to_be() -> None:
    number = MOST_ROWS + 10
    rows = replace(
        usual_rows(),
        teams=[team(DAYS[0], f"team-{each:02}", str(100 - each)) for each in range(number)],
        places=[place(DAYS[0], f"type-{each:02}", "us-central1-a", str(100 - each)) for each in range(number)],
        price_changes=[price_change(f"n{each}:core", str(each + 1)) for each in range(number)],
        enforced=(),
        actions=(),
    )

    found = read(page(only(rows, "teams", "price_changes"), SCOPE))

    rest = sum(100 - each for each in range(MOST_ROWS, number))
    whole = sum(100 - each for each in range(number))
    assert found.amounts("teams", "team")["other (10)"] == rest
    assert found.amounts("places", "machine_type")["other (10)"] == rest
    assert found.amounts("teams", "team")["all"] == found.amounts("places", "machine_type")["all"] == whole
    assert len(found.tables["teams"]) == len(found.tables["places"]) == MOST_ROWS + 2
    assert f"The {MOST_ROWS} most expensive teams; the other 10 are summed up." in found.text
    assert f"The {MOST_ROWS} largest; 10 more add up to +${sum(range(1, 11))}.00 a month." in found.text


def test_what_the_log_holds_more_than_is_listed_is_counted() -> None:
    rows = usual_rows()
    enforced = [replace(rows.enforced[0], instances=900), rows.enforced[2]]
    rows = replace(only(rows, "actions", "spared"), enforced=enforced)

    assert "The newest 2 of 900." in shown(rows)


def test_a_drill_and_a_failure_are_shown_apart_from_a_stop() -> None:
    rows = replace(
        only(usual_rows(), "enforced"),
        actions=[action("a", outcome="dry run", drill=True), action("b", outcome="failed", error="no quota")],
    )

    found = read(page(rows, SCOPE))

    assert [row["outcome"] for row in found.tables["enforcement"]] == ["dry run (drill)", "failed"]
    assert found.tables["enforcement"][1]["reason"].endswith("; no quota")
    assert "until 1" not in found.text


def test_an_empty_dataset_gets_a_page_that_says_what_to_do() -> None:
    found = read(page(ReportRows(), replace(SCOPE, as_of=None)))

    text = re.sub(r"\s+", " ", found.text)
    assert "Nothing to report yet" in text
    assert "no hour that the tracker recorded in the last 35 days" in text
    assert "Does Cloud Scheduler call track_spot_costs every hour" in text
    assert found.tables == {}
    assert found.unclosed == []


def test_a_record_without_spot_vms_is_shown_apart_from_no_record() -> None:
    text = re.sub(r"\s+", " ", read(page(ReportRows(quality=[quality(HOURS[-1])]), SCOPE)).text)

    assert "The latest recorded hour ended 31 Jul 2026, 00:00 UTC." in text
    assert "Did a Spot VM run in this period?" in text


def test_one_vm_in_one_hour_is_a_page_too() -> None:
    rows = ReportRows(
        places=[place(DAYS[-1], "e2-micro", "us-central1-a", "0.002", "1")],
        teams=[team(DAYS[-1], "vision", "0.002", "1")],
        quality=[quality(HOURS[-1])],
    )

    found = read(page(rows, SCOPE))

    assert found.amounts("days", "day") == {DAYS[-1].isoformat(): Decimal("0.002"), "all": Decimal("0.002")}
    assert "<$0.01" in found.text


def test_no_name_becomes_code_or_markup(hostile: str) -> None:
    found = read(hostile)

    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert [attributes for _, attributes in found.tags if any(name.startswith("on") for name in attributes)] == []
    assert [tag for tag, _ in found.tags if tag in {"img", "iframe", "object", "embed", "form"}] == []
    assert found.unclosed == []
    assert "49" not in {row["team"] for row in found.tables["teams"]}


def test_every_name_is_shown_as_it_is(hostile: str) -> None:
    found = read(hostile)

    for table, column in (("teams", "team"), ("places", "zone"), ("enforcement", "instance"), ("spared", "reason")):
        assert set(HOSTILE) <= {row[column] for row in found.tables[table]}, table
    short = [name for name in HOSTILE if len(name) <= 16]
    assert [name for name in short if found.text.count(name) < 10] == []


def test_nothing_in_the_page_is_elsewhere(hostile: str) -> None:
    found = read(hostile)
    addresses = [
        value
        for _, attributes in found.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action", "data", "xlink:href", "poster"}
    ]

    assert addresses != []
    assert [value for value in addresses if not value.startswith(("#", "data:"))] == []
    assert re.findall(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", hostile) == []


def test_ids_are_named_once_and_labels_name_one(usual: Read) -> None:
    ids = [attributes["id"] for _, attributes in usual.tags if "id" in attributes]
    named = [
        name
        for _, attributes in usual.tags
        for name in (*attributes.get("aria-labelledby", "").split(), attributes.get("href", "")[1:])
        if name and not attributes.get("href", "").startswith("data:")
    ]

    assert len(ids) == len(set(ids))
    assert set(named) <= set(ids)


def test_a_mark_says_its_figure_under_the_pointer() -> None:
    rows = usual_rows()
    stopped = replace(rows.effects[0], stopped_at=rows.burn[-2].usage_start_time + timedelta(minutes=5))
    text = page(replace(rows, effects=[stopped]), SCOPE).replace("\xa0", " ")

    for said in (
        "<title>30 Jul, vision: $10.00</title>",
        "<title>n2-standard-8, us-central1-a: $300.00</title>",
        "<title>n9-standard-4, us-central1-a: unknown</title>",
        "<title>9 Jul, 22:00 UTC: provisional, or complete with a caveat</title>",
        "<title>30 Jul, 22:00 UTC: 1 VM stopped</title>",
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n2:core", "N2 vCPU"),
        ("n2-custom:ram", "N2 custom memory"),
        ("gpu:nvidia-tesla-t4", "GPU nvidia-tesla-t4"),
        ("local-ssd", "local SSD"),
        ("c4d-metal:instance", "c4d-metal:instance"),
    ],
)
def test_the_parts_of_a_machine_have_words(name: str, words: str) -> None:
    assert component(name) == words


def test_every_picture_says_what_it_shows_and_its_figures_are_in_a_table(usual: Read) -> None:
    pictures = [attributes for tag, attributes in usual.tags if tag == "svg" and "aria-hidden" not in attributes]

    assert len(pictures) >= 14
    assert [each for each in pictures if each.get("role") != "img"] == []
    assert [each for each in pictures if not (each.get("aria-label") or each.get("aria-labelledby"))] == []
    assert all(
        usual.tables[name]
        for name in ("teams", "savings", "budgets", "hours", "places", "interruptions", "prices", "quality")
    )


@pytest.mark.parametrize("change", [lambda row: replace(row, cost=None), lambda row: replace(row, vm_hours=money(0))])
def test_days_without_price_or_hours_break_nothing(change: Callable[[object], object]) -> None:
    rows = usual_rows()
    rows = replace(rows, places=[change(row) for row in rows.places], teams=[change(row) for row in rows.teams])  # type: ignore[misc]

    assert read(page(only(rows, "teams"), SCOPE)).unclosed == []
