"""Spend by day and team."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, cell, named, total
from spotkeeper.report.charts import stacked_days
from spotkeeper.report.rows import UNRESOLVED, ReportRows, Scope, TeamCost
from spotkeeper.report.sections.creators import creators
from spotkeeper.report.sums import Sum, days_between, dearest, first_and_rest, grouped, sum_of, together

_MOST_TEAMS = 6
_UNLABELLED = "(unlabelled)"
_DAY_COLUMNS = (
    Column("day", "Day (UTC)"),
    Column("cost", "Cost", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("priced_share", "Priced", is_number=True),
)
_TEAM_COLUMNS = (
    Column("team", "Team"),
    Column("cost", "Cost", is_number=True),
    Column("share", "Share", is_number=True),
    Column("ondemand_cost", "On demand", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("priced_share", "Priced", is_number=True),
)
_UNATTRIBUTED_COLUMNS = (
    Column("project_id", "Project"),
    Column("name_pattern", "Name pattern"),
    Column("created_by_group", "Created by group"),
    Column("cost", "Cost", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
)


def spend(rows: ReportRows, scope: Scope) -> Section:
    """Return the section."""
    teams = dearest(rows.teams, lambda row: row.team)
    whole = together(each for _, each in teams)
    return Section(
        key="spend",
        name="Spend",
        question="What was spent each day, by team?",
        answer=_answer(teams, whole, scope),
        charts=(_chart(rows, scope),) if rows.teams else (),
        tables=[_team_table(rows, teams, whole), _day_table(rows), *_unattributed(rows), *creators(rows)],
    )


def _answer(teams: Sequence[tuple[str, Sum]], whole: Sum, scope: Scope) -> list[str]:
    unresolved = dict(teams).get(UNRESOLVED)
    identified = whole.vm_hours - (unresolved.vm_hours if unresolved else 0)
    said = [
        (
            f"Spot VMs cost {wording.money(whole.cost)} for {wording.hours(identified)} VM-hours "
            f"({wording.days(scope.first_day, scope.last_day)})."
        )
    ]
    if unresolved:
        said.append(f"{wording.hours(unresolved.vm_hours)} VM-hours of VMs that no source could identify have no cost.")
    named = [(team, each) for team, each in teams if team not in {_UNLABELLED, UNRESOLVED}]
    if named and whole.cost:
        team, each = named[0]
        said.append(
            f"{team} spent the most: {wording.money(each.cost)}, {wording.percent(each.known_cost / whole.cost * 100)}."
        )
    unlabelled = dict(teams).get(_UNLABELLED)
    if unlabelled:
        said.append(f"{wording.money(unlabelled.cost)} has no team.")
    return said


def _chart(rows: ReportRows, scope: Scope) -> Chart:
    identified = [row for row in rows.teams if row.team != UNRESOLVED]
    teams = [team for team, _ in dearest(identified, _team) if team != _UNLABELLED]
    shown, rest = first_and_rest(teams, _MOST_TEAMS - 1)
    other = f"other ({len(rest)})"
    names = [
        *shown,
        *([other] if rest else []),
        *([_UNLABELLED] if any(_is_unlabelled(row) for row in identified) else []),
    ]
    known = {*shown, _UNLABELLED}
    by_day = grouped(identified, lambda row: (row.usage_date, row.team if row.team in known else other))
    amounts = {key: sum_of(group).known_cost for key, group in by_day.items()}
    return stacked_days(
        "spend-chart",
        "Cost per day and team, USD",
        f"One bar for each day from {wording.days(scope.first_day, scope.last_day)}, divided by team: "
        f"{', '.join(names) or 'none'}. The figures are in the tables below.",
        days_between(scope.first_day, scope.last_day),
        names,
        amounts,
    )


def _is_unlabelled(row: TeamCost) -> bool:
    return row.team == _UNLABELLED


def _team_table(rows: ReportRows, teams: Sequence[tuple[str, Sum]], whole: Sum) -> Table:
    ondemand = {team: total(row.ondemand_cost for row in group) for team, group in grouped(rows.teams, _team).items()}

    def line(name: str, each: Sum, on_demand: Decimal | None) -> list[Cell]:
        return [
            cell(name),
            cell(each.cost, wording.money),
            cell(each.share_of(whole), wording.percent),
            cell(on_demand, wording.money),
            cell(each.vm_hours, wording.hours),
            cell(each.priced_share, wording.covered),
        ]

    listed, rest = first_and_rest(teams)
    below = []
    if rest:
        on_demand = total(ondemand[team] for team, _ in rest)
        below.append(line(f"other ({len(rest)})", together(each for _, each in rest), on_demand))
    below.append(line("all", whole, total(ondemand.values())))
    return Table(
        "teams",
        "Cost by team",
        _TEAM_COLUMNS,
        [line(team, each, ondemand[team]) for team, each in listed],
        below,
        f"The {len(listed)} most expensive teams; the other {len(rest)} are summed up." if rest else "",
    )


def _team(row: TeamCost) -> str:
    return row.team


def _day_table(rows: ReportRows) -> Table:
    by_day = sorted(grouped(rows.places, lambda row: row.usage_date).items(), reverse=True)

    def line(name: Cell, each: Sum) -> list[Cell]:
        share, cost = cell(each.priced_share, wording.covered), cell(each.cost, wording.money)
        return [name, cost, cell(each.vm_hours, wording.hours), share]

    return Table(
        "days",
        "Cost by day",
        _DAY_COLUMNS,
        [line(cell(day, wording.day), sum_of(group)) for day, group in by_day],
        [line(cell("all"), sum_of(rows.places))],
    )


def _unattributed(rows: ReportRows) -> list[Table]:
    if not rows.unattributed:
        return []
    groups = grouped(rows.unattributed, lambda row: (row.project_id, row.name_pattern, row.created_by_group))
    sums = [
        (key, sum((row.vm_hours for row in group), Decimal(0)), total(row.cost for row in group))
        for key, group in groups.items()
    ]
    sums.sort(key=lambda each: (-(each[2] or 0), each[0][:2]))
    listed, rest = first_and_rest(sums)

    def line(names: Sequence[str | None], vm_hours: Decimal, cost: Decimal | None) -> list[Cell]:
        return [*map(named, names), cell(cost, wording.money), cell(vm_hours, wording.hours)]

    below = []
    if rest:
        hours = sum((each[1] for each in rest), Decimal(0))
        below = [line((f"other ({len(rest)})", "", ""), hours, total(each[2] for each in rest))]
    return [
        Table(
            "unattributed",
            "VMs without a team",
            _UNATTRIBUTED_COLUMNS,
            [line(*each) for each in listed],
            below,
            "A star stands for the parts that differ between VMs of one group.",
        )
    ]
