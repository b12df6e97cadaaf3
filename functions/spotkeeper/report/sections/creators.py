"""Who created the VMs without a team: a table of the section on spend, where creators are recorded."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Column, Table, cell, named, total
from spotkeeper.report.rows import ReportRows, UnattributedCreator
from spotkeeper.report.sums import first_and_rest

_COLUMNS = (
    Column("created_by", "Created by"),
    Column("created_by_group", "Group"),
    Column("project_id", "Project"),
    Column("cost", "Cost", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("instances", "VMs", is_number=True),
)
_NOT_RECORDED = "(not recorded)"
_NOTE = (
    "Of the last 30 days. Google's service agent, …@cloudservices.gserviceaccount.com, creates the members of a group: "
    "who made or resized the group is not recorded."
)


def creators(rows: ReportRows) -> Iterator[Table]:
    """Yield the table, the most expensive first; nothing where no creator is recorded."""
    if all(row.created_by is None for row in rows.creators):
        return
    listed, rest = first_and_rest(sorted(rows.creators, key=_by_cost))
    yield Table(
        "creators",
        "Who created the VMs without a team",
        _COLUMNS,
        [_line(row) for row in listed],
        [_rest(rest)] if rest else [],
        _NOTE,
    )


def _by_cost(row: UnattributedCreator) -> tuple[Decimal, str, str, str]:
    return -(row.cost or Decimal(0)), row.project_id, row.created_by or "", row.created_by_group or ""


def _line(row: UnattributedCreator) -> list[Cell]:
    return [
        cell(row.created_by or _NOT_RECORDED),
        named(row.created_by_group),
        named(row.project_id),
        cell(row.cost, wording.money),
        cell(row.vm_hours, wording.hours),
        cell(row.instances),
    ]


def _rest(rows: Sequence[UnattributedCreator]) -> list[Cell]:
    return [
        cell(f"other ({len(rows)})"),
        named(""),
        named(""),
        cell(total(row.cost for row in rows), wording.money),
        cell(sum((row.vm_hours for row in rows), Decimal(0)), wording.hours),
        cell(sum(row.instances for row in rows)),
    ]
