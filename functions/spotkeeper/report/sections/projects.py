"""Cost by Google Cloud project, week over week, and the most expensive VMs."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Column, Section, Table, cell, named, total
from spotkeeper.report.rows import CostlyVm, ReportRows, WeekCost
from spotkeeper.report.sums import first_and_rest, grouped

_WEEK_HOURS = 168
_MOST_MOVERS = 10
_COLUMNS = (
    Column("project_id", "Project"),
    Column("cost", "Last 7 days", is_number=True),
    Column("cost_before", "7 days before", is_number=True),
    Column("cost_change", "Change", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("vm_hours_before", "VM-hours before", is_number=True),
)
_MOVER_COLUMNS = (
    Column("project_id", "Project"),
    Column("team", "Team"),
    Column("machine_type", "Machine type"),
    Column("cost_change", "Change", is_number=True),
    Column("change_by_hours", "By hours", is_number=True),
    Column("change_by_price", "By price", is_number=True),
    Column("cost", "Last 7 days", is_number=True),
)
_VM_COLUMNS = (
    Column("instance_name", "VM"),
    Column("project_id", "Project"),
    Column("zone", "Zone"),
    Column("machine_type", "Machine type"),
    Column("cost", "Cost", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("preemptions", "Preemptions", is_number=True),
)


def projects(rows: ReportRows) -> Section:
    """Return the section."""
    return Section(
        key="projects",
        name="Projects",
        question="What does each project cost, and what changed?",
        answer=_answer(rows.weeks),
        tables=[*_weeks(rows.weeks), *_movers(rows.weeks), *_vms(rows.costly_vms)],
    )


def _answer(weeks: Sequence[WeekCost]) -> list[str]:
    if not weeks:
        return ["No VM ran in the last 14 days."]
    cost, before = total(row.cost for row in weeks), total(row.cost_before for row in weeks)
    said = [f"The last 7 days cost {wording.money(cost)}, the 7 days before {wording.money(before)}."]
    missing = [_WEEK_HOURS - hours for hours in (weeks[0].recorded_hours, weeks[0].recorded_hours_before)]
    if any(missing):
        said.append(
            f"{wording.things(missing[0], 'hour')} of the last 7 days and {wording.things(missing[1], 'hour')} of the "
            "7 days before are not recorded, and not in these sums."
        )
    return said


def _weeks(weeks: Sequence[WeekCost]) -> list[Table]:
    if not weeks:
        return []
    groups = sorted(
        grouped(weeks, lambda row: row.project_id).items(),
        key=lambda each: (-(total(row.cost for row in each[1]) or 0), each[0]),
    )
    listed, rest = first_and_rest(groups)
    below = [_week_line(f"other ({len(rest)})", [row for _, group in rest for row in group])] if rest else []
    return [
        Table(
            "projects",
            "Cost by project, week over week",
            _COLUMNS,
            [_week_line(project, group) for project, group in listed],
            [*below, _week_line("all", weeks)],
            "The last 7 whole UTC days before today, and the 7 days before them.",
        )
    ]


def _week_line(name: str, rows: Sequence[WeekCost]) -> list[Cell]:
    cost, before = total(row.cost for row in rows), total(row.cost_before for row in rows)
    return [
        cell(name),
        cell(cost, wording.money),
        cell(before, wording.money),
        cell(None if cost is None or before is None else cost - before, wording.change),
        cell(sum((row.vm_hours for row in rows), Decimal(0)), wording.hours),
        cell(sum((row.vm_hours_before for row in rows), Decimal(0)), wording.hours),
    ]


def _movers(weeks: Sequence[WeekCost]) -> list[Table]:
    moved = [(row, row.cost_change) for row in weeks if row.cost_change]
    moved.sort(key=lambda each: (-abs(each[1]), each[0].project_id, each[0].team, each[0].machine_type or ""))
    if not moved:
        return []
    listed = [
        [
            cell(row.project_id),
            cell(row.team),
            named(row.machine_type),
            cell(change, wording.change),
            cell(row.change_by_hours, wording.change),
            cell(row.change_by_price, wording.change),
            cell(row.cost, wording.money),
        ]
        for row, change in moved[:_MOST_MOVERS]
    ]
    note = "By hours: more or fewer VM-hours at the price of the week before. By price: the rest."
    return [Table("movers", "What changed most", _MOVER_COLUMNS, listed, note=note)]


def _vms(vms: Sequence[CostlyVm]) -> list[Table]:
    if not vms:
        return []
    listed = [
        [
            cell(vm.instance_name),
            cell(vm.project_id),
            cell(vm.zone),
            named(vm.machine_type),
            cell(vm.cost, wording.money),
            cell(vm.vm_hours, wording.hours),
            cell(vm.preemptions, str),
        ]
        for vm in vms
    ]
    return [Table("vms", "The most expensive VMs", _VM_COLUMNS, listed, note="Cost of the last 92 days.")]
