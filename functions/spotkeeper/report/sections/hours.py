"""The cost of each of the last hours, and the VMs that were stopped in it: a part of the section on budgets."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Chart, Column, Table, cell
from spotkeeper.report.charts import hourly_costs
from spotkeeper.report.rows import BudgetState, HourBurn, ReportRows

_MOST_HOURS = 72
_COLUMNS = (
    Column("usage_start_time", "Hour (UTC)"),
    Column("burn_rate", "USD", is_number=True),
    Column("instances", "VMs", is_number=True),
    Column("state", "State"),
    Column("stopped", "VMs stopped", is_number=True),
)


def hours_chart(rows: ReportRows, budgets: Sequence[BudgetState]) -> Chart | None:
    """Return the chart of the last hours with the stops; None when no hour has a known cost."""
    known = [(row.usage_start_time, _amount(row, budgets)) for row in _latest(rows)]
    costs = [(amount, at) for at, amount in known if amount is not None]
    if not costs:
        return None
    highest, at = max(costs)
    stopped = sorted((hour, number) for hour, number in _stopped(rows).items() if known[0][0] <= hour <= known[-1][0])
    events = [(hour, f"{wording.things(number, 'VM')} stopped") for hour, number in stopped]
    said = [f"The highest cost was {wording.money(highest)}, in the hour of {wording.moment(at)}."]
    said += [f"{what} at {wording.moment(hour)}." for hour, what in events]
    return hourly_costs(
        "hours-chart", f"Cost of each of the last {len(known)} hours, USD", " ".join(said), known, events
    )


def hours_table(rows: ReportRows, budgets: Sequence[BudgetState]) -> Table:
    """Return the figures of that chart, the latest hour first."""
    stopped = _stopped(rows)
    lines = [
        [
            cell(row.usage_start_time, wording.short_moment),
            cell(_amount(row, budgets), wording.money),
            cell(row.instances, wording.count),
            cell(row.state),
            cell(stopped.get(row.usage_start_time), wording.count),
        ]
        for row in reversed(_latest(rows))
    ]
    return Table("hours", "Cost by hour", _COLUMNS, lines)


def _latest(rows: ReportRows) -> Sequence[HourBurn]:
    return rows.burn[-_MOST_HOURS:]


def _stopped(rows: ReportRows) -> Counter[datetime]:
    """Count the VMs that were stopped, by the hour in which they were."""
    return Counter(row.stopped_at.replace(minute=0, second=0, microsecond=0) for row in rows.effects)


def _amount(row: HourBurn, budgets: Sequence[BudgetState]) -> Decimal | None:
    """Return the cost of an hour that the budgets compare: compute where all of them cover compute alone."""
    covers_compute = bool(budgets) and all(each.covers == "compute" for each in budgets)
    return row.burn_rate if covers_compute else row.total_burn_rate
