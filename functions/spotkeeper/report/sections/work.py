"""The cost of runs: the most expensive, what was idle, and what was lost."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Column, Section, Table, cell, named, total
from spotkeeper.report.rows import MOST_RUNS, ReportRows, RunCost, TeamWork
from spotkeeper.report.sums import first_and_rest

_RUN_COLUMNS = (
    Column("run", "Run"),
    Column("team", "Team"),
    Column("kind", "Kind"),
    Column("cost", "Cost", is_number=True),
    Column("lost_cost", "Lost", is_number=True),
    Column("vms", "VMs", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("attempts", "Attempts", is_number=True),
    Column("preempted", "Preempted", is_number=True),
)
_TEAM_COLUMNS = (
    Column("team", "Team"),
    Column("cost", "Cost", is_number=True),
    Column("idle_cost", "Idle", is_number=True),
    Column("idle_share", "Hours idle", is_number=True),
    Column("lost_cost", "Lost", is_number=True),
    Column("works", "Works", is_number=True),
)


def work(rows: ReportRows) -> Section:
    """Return the section; without records of work it says how to load them."""
    is_recorded = any(row.works for row in rows.team_work)
    return Section(
        key="work",
        name="Work",
        question="What did each run cost, and how much was thrown away?",
        answer=_answer(rows.team_work) if is_recorded else ["No work is recorded for these days."],
        tables=[_runs(rows.runs), _teams(rows.team_work)] if is_recorded else [],
        points=(
            "Cost at Spot prices, of the last 92 days at most. Lost is what preempted attempts did after their last "
            "checkpoint, idle the time of VMs in which no recorded work ran."
            if is_recorded
            else "`spotkeeper work load FILE` records which job, task or build ran on which VM.",
        ),
    )


def most_expensive(runs: Sequence[RunCost]) -> list[RunCost]:
    """Return the most expensive runs of all teams; those of an unknown cost come last."""
    return sorted(runs, key=lambda run: (run.cost is None, -(run.cost or 0), run.run, run.team))[:MOST_RUNS]


def _answer(teams: Sequence[TeamWork]) -> list[str]:
    cost, idle = total(row.cost for row in teams), total(row.idle_cost for row in teams)
    lost, works = total(row.lost_cost for row in teams), sum(row.works for row in teams)
    ran = f"{wording.things(works, 'piece')} of work ran on Spot VMs that cost {wording.money(cost)}"
    said = [f"{ran}: {wording.money(idle or Decimal(0))} of it while no recorded work ran."]
    if lost:
        said.append(f"Preemptions lost work of {wording.money(lost)}.")
    unpriced = sum((row.vm_hours - row.priced_hours for row in teams), Decimal(0))
    if unpriced:
        said.append(f"{wording.hours(unpriced)} VM-hours have no known price and are not in these sums.")
    return said


def _runs(runs: Sequence[RunCost]) -> Table:
    listed = [
        [
            cell(run.run),
            cell(run.team),
            named(run.kind),
            cell(run.cost, wording.money),
            cell(run.lost_cost, wording.money),
            cell(run.vms, wording.count),
            cell(run.vm_hours, wording.hours),
            cell(run.attempts, wording.count),
            cell(run.preempted, wording.count),
        ]
        for run in most_expensive(runs)
    ]
    return Table("runs", "The most expensive runs", _RUN_COLUMNS, listed, note="A run is work with all its parts.")


def _teams(teams: Sequence[TeamWork]) -> Table:
    ordered = sorted(teams, key=lambda row: (-(row.cost or 0), row.team))
    listed, rest = first_and_rest(ordered)
    below = [_team_line(f"other ({len(rest)})", rest)] if rest else []
    lines = [_team_line(row.team, [row]) for row in listed]
    return Table("team-work", "By team", _TEAM_COLUMNS, lines, [*below, _team_line("all", ordered)])


def _team_line(name: str, teams: Sequence[TeamWork]) -> list[Cell]:
    hours = sum((row.vm_hours for row in teams), Decimal(0))
    idle = sum((row.idle_hours for row in teams), Decimal(0))
    return [
        cell(name),
        cell(total(row.cost for row in teams), wording.money),
        cell(total(row.idle_cost for row in teams), wording.money),
        cell(idle * 100 / hours if hours else None, wording.percent),
        cell(total(row.lost_cost for row in teams), wording.money),
        cell(sum(row.works for row in teams), wording.count),
    ]
