"""How much of each budget is spent, and the projection."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Gauge, Section, Table, Tone, cell
from spotkeeper.report.charts import burn_down
from spotkeeper.report.rows import BudgetState, HourBurn, ReportRows
from spotkeeper.report.sections.hours import hours_chart, hours_table
from spotkeeper.report.sums import first_and_rest

TONES = {
    "within": Tone.GOOD,
    "at least": Tone.PLAIN,
    "unknown": Tone.WARNING,
    "will be exceeded": Tone.WARNING,
    "spent": Tone.BAD,
}
"""The states of a budget and their tones, the worst last."""

_MOST_BUDGETS = 12
_NAMES = {"hour": "This hour", "day": "Today", "month": "This month"}
_COLUMNS = (
    Column("budget", "Budget of the"),
    Column("covers", "Covers"),
    Column("state", "State"),
    Column("amount", "Budget", is_number=True),
    Column("spent", "Spent", is_number=True),
    Column("spent_percent", "In percent", is_number=True),
    Column("burn_rate", "USD per hour", is_number=True),
    Column("projected_cost", "Projected", is_number=True),
    Column("projected_percent", "In percent", is_number=True),
    Column("hours_until_spent", "Lasts", is_number=True),
)


def budgets(rows: ReportRows) -> Section:
    """Return the section."""
    listed, rest = first_and_rest(rows.budgets, _MOST_BUDGETS)
    charts = [chart for chart in (_chart(listed, rows.burn), hours_chart(rows, listed)) if chart]
    note = f"{len(rest)} more budgets are not shown." if rest else ""
    return Section(
        key="budgets",
        name="Budgets",
        question="Will the budgets be exceeded?",
        answer=[_sentence(each) for each in listed]
        or ["No budget is configured. Set HOURLY_, DAILY_ or MONTHLY_BUDGET_USD of the tracker to see one here."],
        gauges=[_gauge(each) for each in listed],
        charts=tuple(charts),
        tables=[
            *([Table("budgets", "Budgets", _COLUMNS, [_line(each) for each in listed], note=note)] if listed else []),
            *([hours_table(rows, listed)] if rows.burn else []),
        ],
        folds_all=not listed,
        points=_points(listed),
        tone=max((TONES.get(each.state, Tone.PLAIN) for each in listed), key=list(Tone).index, default=Tone.PLAIN),
    )


def worst(states: Sequence[BudgetState]) -> BudgetState | None:
    """Return the budget closest to its limit, the longer period first."""
    order = list(TONES)
    return max(states, key=lambda each: order.index(each.state), default=None)


def _sentence(each: BudgetState) -> str:
    end = wording.moment(each.period_end)
    share = wording.percent(each.spent_percent)
    spent = f"{each.covers} cost {wording.money(each.spent)} of {wording.money(each.budget)} ({share})"
    if each.state == "spent":
        tail = f"the budget is spent; at the current rate it will be {wording.money(each.projected_cost)} at {end}."
    elif each.state == "will be exceeded":
        tail = f"at the current rate the budget is spent in {wording.duration(each.hours_until_spent)}, before {end}."
    elif each.state == "unknown":
        known = f"nothing was recorded after {wording.moment(each.as_of)}" if each.as_of else "nothing was recorded"
        tail = f"{known}, so whether it will be exceeded is unknown."
    elif each.state == "at least":
        tail = (
            f"part of the cost is not known ({each.not_known}); at the current rate it will be at least "
            f"{wording.money(each.projected_cost)} at {end}."
        )
    else:
        tail = f"at the current rate it will be {wording.money(each.projected_cost)} at {end}, within the budget."
    return f"{_name(each)}: {spent}; {tail}"


def _name(each: BudgetState) -> str:
    name = _NAMES.get(each.period, each.period)
    return f"{name}, {each.label}" if each.label else name


def _period(each: BudgetState) -> str:
    return f"{each.period}'s budget{f' of {each.label}' if each.label else ''}"


def _points(listed: Sequence[BudgetState]) -> list[str]:
    said = [
        f"The {_period(each)} counts from {wording.moment(each.counts_from)}: earlier hours were not recorded."
        for each in listed
        if each.counts_from
    ]
    said += [
        f"Of the {_period(each)} {wording.things(each.missing_hours, 'hour')} so far "
        f"{'is' if each.missing_hours == 1 else 'are'} missing, and the cost is not included."
        for each in listed
        if each.missing_hours
    ]
    said += [
        f"Of the {_period(each)} {wording.things(each.incomplete_hours, 'hour')} so far "
        f"{'is' if each.incomplete_hours == 1 else 'are'} incomplete: the cost is a lower bound."
        for each in listed
        if each.incomplete_hours
    ]
    said += [
        f"Of {wording.duration(each.partial_hours)} of VM time in the {_period(each)} a part of the total cost "
        "is not known: it counts with the rest."
        for each in listed
        if each.partial_hours
    ]
    said += [
        f"The {_period(each)} counts the total cost from {wording.moment(each.total_from)}: of hours before, "
        "only the compute cost was recorded."
        for each in listed
        if each.total_from
    ]
    if listed:
        said.append(
            "Total cost is compute, licenses, external addresses, disks and Tier_1 bandwidth of running Spot VMs, and "
            "their disks and reserved addresses while no VM runs with them: what stopping VMs does not end."
            if any(each.covers == "total" for each in listed)
            else "These budgets compare compute cost: licenses, addresses and disks are not in them."
        )
        said.append(
            "Days and months begin at midnight in Los Angeles, as in Cloud Billing. The rate of a month is the mean of "
            "the last 24 hours, that of a day or hour the last complete hour's."
        )
    return said


def _gauge(each: BudgetState) -> Gauge:
    spent = each.spent or Decimal(0)
    projected = max(each.projected_cost or spent, spent)
    longest = max(projected, each.budget) or Decimal(1)
    text = (
        f"{wording.money(each.spent)} spent of {wording.money(each.budget)}, "
        f"{wording.money(each.projected_cost)} projected"
    )
    return Gauge(
        f"budget-{each.period}{f'-{each.budget_id}' if each.label else ''}",
        _name(each),
        text,
        spent / longest,
        projected / longest,
        each.budget / longest,
        TONES.get(each.state, Tone.PLAIN),
    )


def _chart(listed: Sequence[BudgetState], burn: Sequence[HourBurn]) -> Chart | None:
    """The longest period with a budget: a month, else a day."""
    of_all = [each for each in listed if not each.label]
    chosen = next((each for name in ("month", "day") for each in of_all if each.period == name), None)
    if chosen is None or chosen.projected_cost is None or chosen.as_of is None:
        return None
    spent = Decimal(0)
    points: list[tuple[datetime, Decimal]] = []
    for row in burn:
        if chosen.period_start <= row.usage_start_time < chosen.as_of:
            # What was spent before the record begins is not known, and not drawn as nothing.
            points = points or [(row.usage_start_time, spent)]
            spent += (row.total_burn_rate if chosen.covers == "total" else row.burn_rate) or 0
            points.append((row.usage_start_time + timedelta(hours=1), spent))
    return burn_down(
        "burn-chart",
        f"Spent since the start of the {chosen.period}, USD",
        f"{wording.money(chosen.spent)} were spent until {wording.moment(chosen.as_of)}; a dashed line leads to "
        f"{wording.money(chosen.projected_cost)} at {wording.moment(chosen.period_end)}. "
        f"The budget is {wording.money(chosen.budget)}.",
        points,
        (chosen.period_end, chosen.projected_cost),
        chosen.budget,
        (chosen.period_start, chosen.period_end),
    )


def _line(each: BudgetState) -> list[Cell]:
    return [
        cell(f"{each.period}, {each.label}" if each.label else each.period),
        cell(each.covers),
        cell(each.state, tone=TONES.get(each.state, Tone.PLAIN)),
        cell(each.budget, wording.money),
        cell(each.spent, wording.money),
        cell(each.spent_percent, wording.percent),
        cell(each.burn_rate, wording.money),
        cell(each.projected_cost, wording.money),
        cell(each.projected_percent, wording.percent),
        cell(each.hours_until_spent, wording.duration),
    ]
