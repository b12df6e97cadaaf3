"""Changes of list prices, and their effect on the cost."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, Tone, cell
from spotkeeper.report.charts import gains_and_losses
from spotkeeper.report.rows import PriceChange, ReportRows
from spotkeeper.report.sums import first_and_rest

_MOST_BARS = 8
_MARKETS = {"spot": "Spot", "on_demand": "on demand", "commitment_1yr": "1 year", "commitment_3yr": "3 years"}
_COLUMNS = (
    Column("component", "Part"),
    Column("region", "Region"),
    Column("monthly_cost_change", "USD per month", is_number=True),
    Column("change_percent", "Change", is_number=True),
    Column("previous_rate", "Before", is_number=True),
    Column("rate", "Now", is_number=True),
    Column("market", "Market"),
    Column("changed_at", "Since (UTC)"),
)


def price_changes(rows: ReportRows) -> Section:
    """Return the section."""
    changes = sorted(rows.price_changes, key=_weight)
    felt = [row for row in changes if row.monthly_cost_change]
    return Section(
        key="prices",
        name="Prices",
        question="Which list prices changed?",
        answer=_answer(changes, felt),
        charts=(_chart(felt),) if felt else (),
        tables=(_table(changes),) if changes else (),
        points=(
            (
                "A month is 730 hours of what ran in the last complete hour. On-demand prices are listed because "
                "savings are relative to them; Spot VMs do not pay them."
            ),
        )
        if changes
        else (),
    )


def _weight(row: PriceChange) -> tuple[Decimal, float, str, str, str]:
    """The sort key: the largest effect on this fleet first, then the newest."""
    felt = abs(row.monthly_cost_change or Decimal(0))
    return -felt, -row.changed_at.timestamp(), row.component, row.region, row.market


def _answer(changes: Sequence[PriceChange], felt: Sequence[PriceChange]) -> list[str]:
    if not changes:
        return ["No recorded list price changed in this period."]
    whole = sum((row.monthly_cost_change or Decimal(0) for row in felt), Decimal(0))
    said = [
        f"{wording.things(len(changes), 'rate')} changed, of which this fleet pays {len(felt):,}."
        if felt
        else f"{wording.things(len(changes), 'rate')} changed; this fleet pays none of them."
    ]
    if felt:
        what = "more" if whole > 0 else "less"
        said.append(f"Together they cost this fleet {wording.money(abs(whole))} a month {what}.")
    return said


def _chart(felt: Sequence[PriceChange]) -> Chart:
    bars = [
        (f"{wording.component(row.component)}, {row.region}", row.monthly_cost_change or Decimal(0))
        for row in felt[:_MOST_BARS]
    ]
    return gains_and_losses(
        "prices-chart",
        "Change of this fleet's monthly cost, USD",
        "; ".join(f"{name}: {wording.change(amount)}" for name, amount in bars) + ".",
        bars,
    )


def _table(changes: Sequence[PriceChange]) -> Table:
    listed, rest = first_and_rest(changes)
    more = sum((row.monthly_cost_change or Decimal(0) for row in rest), Decimal(0))
    return Table(
        "prices",
        "Price changes",
        _COLUMNS,
        [_line(row) for row in listed],
        note=f"The {len(listed)} largest; {len(rest):,} more add up to {wording.change(more)} a month." if rest else "",
    )


def _line(row: PriceChange) -> list[Cell]:
    amount = row.monthly_cost_change
    tone = Tone.WARNING if amount and amount > 0 else Tone.PLAIN
    return [
        cell(row.component, wording.component),
        cell(row.region),
        cell(amount, wording.change, tone),
        cell(row.change_percent, wording.percent_change),
        cell(row.previous_rate, wording.rate),
        cell(row.rate, wording.rate),
        cell(_MARKETS.get(row.market, row.market)),
        cell(row.changed_at, wording.short_moment),
    ]
