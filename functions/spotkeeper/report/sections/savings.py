"""What Spot saved against on-demand."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, cell, total
from spotkeeper.report.charts import stacked_days
from spotkeeper.report.rows import DaySavings, ReportRows, Scope
from spotkeeper.report.sums import days_between

_COLUMNS = (
    Column("day", "Day (UTC)"),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("ondemand_cost", "On demand", is_number=True),
    Column("cost", "Spot", is_number=True),
    Column("savings", "Saved", is_number=True),
    Column("savings_percent", "In percent", is_number=True),
    Column("lost_hours", "Hours lost", is_number=True),
    Column("net_savings", "Saved, net", is_number=True),
)
_PAID, _SAVED = "paid for Spot", "saved against on demand"


def savings(rows: ReportRows, scope: Scope) -> Section:
    """Return the section."""
    return Section(
        key="savings",
        name="Savings",
        question="What did Spot save?",
        answer=_answer(rows.savings),
        charts=(_chart(rows.savings, scope),) if rows.savings else (),
        tables=(_table(rows.savings),) if rows.savings else (),
        folds_all=True,
    )


def saved_percent(days: Sequence[DaySavings]) -> Decimal | None:
    """Return what the days saved together, as percent of what they would have cost on demand."""
    saved, ondemand = total(day.savings for day in days), total(day.compared_ondemand_cost for day in days)
    return saved / ondemand * 100 if saved is not None and ondemand else None


def _answer(days: Sequence[DaySavings]) -> list[str]:
    saved, net = total(day.savings for day in days), total(day.net_savings for day in days)
    if saved is None:
        return ["No VM has both a Spot and an on-demand price, so there is nothing to compare."]
    lost = sum((day.lost_hours for day in days), Decimal(0))
    ondemand = total(day.compared_ondemand_cost for day in days)
    return [
        (
            f"The same VMs on demand would have cost {wording.money(ondemand)}: "
            f"Spot saved {wording.money(saved)}, {wording.percent(saved_percent(days))}."
        ),
        (
            f"If all work of the hour in which a VM was preempted were repeated, {wording.hours(lost)} "
            f"VM-hours would be lost, and {wording.money(net)} would still be saved."
        ),
        "Only VM-hours with both prices known are compared.",
    ]


def _chart(days: Sequence[DaySavings], scope: Scope) -> Chart:
    amounts = {(day.usage_date, _PAID): day.compared_cost or Decimal(0) for day in days}
    amounts |= {(day.usage_date, _SAVED): day.savings or Decimal(0) for day in days}
    return stacked_days(
        "savings-chart",
        "Spot and on-demand cost per day, USD",
        "One bar for each day: its height is the on-demand cost, its lower part the Spot cost.",
        days_between(scope.first_day, scope.last_day),
        (_PAID, _SAVED),
        amounts,
        {_PAID: "series-2", _SAVED: "saved"},
    )


def _table(days: Sequence[DaySavings]) -> Table:
    last = [
        cell("all"),
        cell(sum((day.vm_hours for day in days), Decimal(0)), wording.hours),
        cell(total(day.compared_ondemand_cost for day in days), wording.money),
        cell(total(day.compared_cost for day in days), wording.money),
        cell(total(day.savings for day in days), wording.money),
        cell(saved_percent(days), wording.percent),
        cell(sum((day.lost_hours for day in days), Decimal(0)), wording.hours),
        cell(total(day.net_savings for day in days), wording.money),
    ]
    return Table("savings", "Savings by day", _COLUMNS, [_line(day) for day in reversed(days)], [last])


def _line(day: DaySavings) -> list[Cell]:
    return [
        cell(day.usage_date, wording.day),
        cell(day.vm_hours, wording.hours),
        cell(day.compared_ondemand_cost, wording.money),
        cell(day.compared_cost, wording.money),
        cell(day.savings, wording.money),
        cell(day.savings_percent, wording.percent),
        cell(day.lost_hours, wording.hours),
        cell(day.net_savings, wording.money),
    ]
