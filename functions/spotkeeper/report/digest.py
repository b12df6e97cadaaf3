"""The digest: what the work of each team cost, as Markdown for a mail or a chat."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.rows import ReportRows, RunCost, Scope, TeamWork

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~-])")


def digest(rows: ReportRows, scope: Scope) -> str:
    """Return the digest: for each team its cost, the most expensive runs, idle time and lost work."""
    lines = [f"# Spot VMs at work, {wording.days(scope.first_day, scope.last_day)}", "", _until(scope), ""]
    if not any(team.works for team in rows.team_work):
        lines += ["No work is recorded for these days: `spotkeeper work load FILE`.", ""]
        return "\n".join(lines)
    for team in sorted(rows.team_work, key=lambda row: (-(row.cost or 0), row.team)):
        lines += _team(team, [run for run in rows.runs if run.team == team.team])
    lines += ["Idle is the time of VMs in which no recorded work ran.", ""]
    return "\n".join(lines)


def _until(scope: Scope) -> str:
    if scope.as_of is None:
        return "No hour is recorded."
    return f"Project {_escaped(scope.project_id)}, at Spot prices, up to {wording.moment(scope.as_of)}."


def _team(team: TeamWork, runs: Sequence[RunCost]) -> Iterable[str]:
    idle_share = team.idle_hours * 100 / team.vm_hours if team.vm_hours else Decimal(0)
    yield f"## {_escaped(team.team)}: {wording.money(team.cost)}"
    yield ""
    idle_cost = team.idle_cost if team.idle_hours else Decimal(0)
    yield f"- idle: {wording.money(idle_cost)} ({wording.percent(idle_share)} of the VM-hours)"
    yield f"- lost to preemptions: {wording.money(team.lost_cost or Decimal(0))}"
    if unpriced := team.vm_hours - team.priced_hours:
        yield f"- without a known price: {wording.hours(unpriced)} VM-hours"
    yield ""
    if not runs:
        return
    yield "| run | cost | lost | VM-hours | attempts | preempted |"
    yield "|---|---:|---:|---:|---:|---:|"
    for run in sorted(runs, key=lambda each: (each.cost is None, -(each.cost or 0), each.run)):
        figures = (wording.money(run.cost), wording.money(run.lost_cost), wording.hours(run.vm_hours))
        cells = (_escaped(run.run), *figures, wording.count(run.attempts), wording.count(run.preempted))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _escaped(name: str) -> str:
    """A name as Markdown shows it: names are not formatting, and stay in their line."""
    return _SPECIAL.sub(r"\\\1", " ".join(name.split()))
