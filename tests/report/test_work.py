"""What the page and the digest say of work: the most expensive runs, idle time and lost work."""

import re
from dataclasses import replace

from spotkeeper.report.digest import digest
from spotkeeper.report.rows import ReportRows
from spotkeeper.report.sections.work import work
from tests.report.samples import HOSTILE, SCOPE, hostile_rows, money, usual_rows


def test_the_section_says_what_work_cost_and_how_much_was_idle_or_lost() -> None:
    section = work(usual_rows())

    assert section.answer == [
        "23 pieces of work ran on Spot VMs that cost $80.90: $8.47 of it while no recorded work ran.",
        "Preemptions lost work of $6.06.",
        "1.0 VM-hours have no known price and are not in these sums.",
    ]


def test_the_five_most_expensive_runs_of_all_teams_are_listed_and_one_of_unknown_cost_last() -> None:
    rows = usual_rows()
    more = [replace(rows.runs[1], team="web", run=f"small-{number}", cost=money(number)) for number in (3, 4)]
    runs, _ = work(replace(rows, runs=[*rows.runs, *more])).tables
    usual, _ = work(rows).tables

    assert [line[0].text for line in runs.rows] == ["ablation-7", "small-4", "small-3", "ablation-6", "29679449526"]
    assert [line[0].text for line in usual.rows][-1] == "unpriced"
    assert [line[3].text for line in usual.rows] == ["$70.00", "$2.00", "$0.43", "unknown"]


def test_teams_are_summed_with_their_idle_share() -> None:
    _, teams = work(usual_rows()).tables
    lines = [
        [each.text.replace("\N{NO-BREAK SPACE}", " ") for each in line] for line in (*teams.rows, *teams.last_rows)
    ]

    assert lines == [
        ["vision", "$80.00", "$8.00", "10.0 %", "$6.00", "2"],
        ["search", "$0.90", "$0.47", "50.0 %", "$0.06", "21"],
        ["all", "$80.90", "$8.47", "10.5 %", "$6.06", "23"],
    ]


def test_a_page_without_records_of_work_says_how_to_load_them() -> None:
    idle = [replace(row, works=0) for row in usual_rows().team_work]
    section = work(ReportRows(team_work=idle))

    assert section.answer == ["No work is recorded for these days."]
    assert "`spotkeeper work load FILE`" in section.points[0]
    assert not section.tables
    assert "No work is recorded for these days" in digest(ReportRows(team_work=idle), SCOPE)


def test_the_digest_has_the_runs_of_each_team_in_markdown() -> None:
    assert digest(usual_rows(), SCOPE).replace("\N{NO-BREAK SPACE}", " ").splitlines() == [
        "# Spot VMs at work, 1 Jul \N{EN DASH} 30 Jul 2026",
        "",
        r"Project data\-platform, at Spot prices, up to 31 Jul 2026, 00:00 UTC.",
        "",
        "## vision: $80.00",
        "",
        "- idle: $8.00 (10.0 % of the VM-hours)",
        "- lost to preemptions: $6.00",
        "",
        "| run | cost | lost | VM-hours | attempts | preempted |",
        "|---|---:|---:|---:|---:|---:|",
        r"| ablation\-7 | $70.00 | $6.00 | 700.0 | 4 | 3 |",
        r"| ablation\-6 | $2.00 | $0.00 | 20.0 | 1 | 0 |",
        "",
        "## search: $0.90",
        "",
        "- idle: $0.47 (50.0 % of the VM-hours)",
        "- lost to preemptions: $0.06",
        "- without a known price: 1.0 VM-hours",
        "",
        "| run | cost | lost | VM-hours | attempts | preempted |",
        "|---|---:|---:|---:|---:|---:|",
        "| 29679449526 | $0.43 | $0.06 | 3.0 | 13 | 1 |",
        "| unpriced | unknown | unknown | 1.0 | 1 | 0 |",
        "",
        "Idle is the time of VMs in which no recorded work ran.",
    ]


def test_names_in_the_digest_are_never_formatting_nor_markup() -> None:
    text = digest(replace(hostile_rows(), runs=[replace(usual_rows().runs[0], run="a|b\n# c", team=HOSTILE[0])]), SCOPE)

    assert not re.search(r"(?<!\\)[<>]", text)
    assert r"| a\|b \# c |" in text
