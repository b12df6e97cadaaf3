"""Preemptions, and the checkpoint intervals they call for."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, cell, named
from spotkeeper.report.charts import bars_of_hours
from spotkeeper.report.rows import Interruptions, ReportRows
from spotkeeper.report.sums import first_and_rest

_COLUMNS = (
    Column("name", "Machine type"),
    Column("zone", "Zone"),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("preemptions", "Preemptions", is_number=True),
    Column("mean_hours_between", "Hours between", is_number=True),
    Column("lost_share", "Hours lost", is_number=True),
    Column("daly_minutes_at_5", "Checkpoint every", is_number=True),
)


def interruptions(rows: ReportRows) -> Section:
    """Return the section."""
    whole = next((row for row in rows.interruptions if row.grouped_by == "all"), None)
    by_hour = [row for row in rows.interruptions if row.grouped_by == "hour_of_day" and row.hour_of_day is not None]
    preempted = whole is not None and whole.preemptions > 0
    return Section(
        key="interruptions",
        name="Interruptions",
        question="How often were VMs preempted?",
        answer=_answer(whole),
        charts=(_chart(by_hour),) if preempted else (),
        tables=(_by("machine_type", rows.interruptions), _by("machine_type and zone", rows.interruptions))
        if preempted
        else (),
        points=(
            "Covers the last 90 days, since preemptions are rare.",
            "Checkpoint intervals are for checkpoints of five minutes (Daly, 2006): more frequent ones cost more time.",
        )
        if preempted
        else (),
    )


def _answer(whole: Interruptions | None) -> list[str]:
    unseen = whole.unseen_preemptions if whole else 0
    not_counted = (
        f"{wording.things(unseen, 'more preemption')} {'was' if unseen == 1 else 'were'} of VMs without recorded "
        "hours, which no source could identify: not in these figures."
    )
    if whole is None or whole.preemptions == 0:
        return ["No preemption was recorded in the last 90 days.", *([not_counted] if unseen else [])]
    said = [
        f"VMs were preempted {wording.things(whole.preemptions, 'time')} in the last 90 days"
        + (f": once in {wording.hours(whole.mean_hours_between)} VM-hours." if whole.mean_hours_between else ".")
    ]
    if whole.daly_minutes_at_5 is not None:
        said.append(
            f"The best checkpoint interval is {wording.every(whole.daly_minutes_at_1)} when a checkpoint takes one "
            f"minute, {wording.every(whole.daly_minutes_at_5)} when it takes five, and "
            f"{wording.every(whole.daly_minutes_at_15)} when it takes fifteen."
        )
    if whole.preemptions == 1:
        said.append("This is one event: the next may come much sooner or later.")
    if unseen:
        said.append(not_counted)
    return said


def _chart(by_hour: Sequence[Interruptions]) -> Chart:
    amounts = {
        row.hour_of_day: Decimal(row.preemptions) * 1000 / row.vm_hours
        for row in by_hour
        if row.vm_hours and row.hour_of_day is not None
    }
    worst = max(amounts, key=lambda hour: (amounts[hour], -hour), default=None)
    said = f" Most often in the hour from {worst:02}:00." if worst is not None else ""
    return bars_of_hours(
        "interruptions-chart",
        "Preemptions per 1,000 VM-hours, by hour of the day (UTC)",
        f"One bar for each hour of the day.{said}",
        amounts,
    )


def _by(grouping: str, rows: Sequence[Interruptions]) -> Table:
    with_zone = grouping != "machine_type"
    columns = [column for column in _COLUMNS if with_zone or column.key != "zone"]
    chosen = sorted(
        (row for row in rows if row.grouped_by == grouping),
        key=lambda row: (-row.preemptions, -row.vm_hours, row.machine_type or "", row.zone or ""),
    )
    listed, rest = first_and_rest(chosen)
    below = []
    if rest:
        hours, preemptions = sum((row.vm_hours for row in rest), Decimal(0)), sum(row.preemptions for row in rest)
        lost = sum((row.lost_hours for row in rest), Decimal(0))
        between, share = (hours / preemptions if preemptions else None), (lost / hours if hours else None)
        name = [cell(f"other ({len(rest)})"), *([named("")] if with_zone else [])]
        below.append([*name, *_figures(hours, preemptions, between, share, None)])
    return Table(
        "interruptions-places" if with_zone else "interruptions",
        "By machine type and zone" if with_zone else "By machine type",
        columns,
        [_line(row, with_zone=with_zone) for row in listed],
        below,
        f"The {len(listed)} most often preempted of {len(chosen):,}; the others are summed up." if rest else "",
    )


def _line(row: Interruptions, *, with_zone: bool) -> list[Cell]:
    names = [cell(row.machine_type or "(never identified)"), *([cell(row.zone)] if with_zone else [])]
    figures = _figures(row.vm_hours, row.preemptions, row.mean_hours_between, row.lost_share, row.daly_minutes_at_5)
    return [*names, *figures]


def _figures(
    vm_hours: Decimal, preemptions: int, between: Decimal | None, lost: Decimal | None, save: Decimal | None
) -> list[Cell]:
    return [
        cell(vm_hours, wording.hours),
        cell(preemptions, wording.count),
        cell(between, wording.hours),
        cell(None if lost is None else lost * 100, wording.percent),
        cell(save, wording.every),
    ]
