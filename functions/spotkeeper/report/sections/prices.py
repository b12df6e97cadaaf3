"""Changes of list prices, and their effect on the cost."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, Tone, cell
from spotkeeper.report.charts import gains_and_losses, price_steps
from spotkeeper.report.rows import PriceChange, PriceDrift, PriceHeld, ReportRows
from spotkeeper.report.sums import first_and_rest, grouped

_MOST_BARS = 8
_MOST_YEARS = 6
_YEAR = timedelta(days=365)
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
_HISTORY_COLUMNS = (
    Column("machine_type", "Machine type"),
    Column("region", "Region"),
    Column("price", "Price now", is_number=True),
    Column("week_change_percent", "This week", is_number=True),
    Column("change_percent", "Since", is_number=True),
    Column("monthly_cost_change", "USD per month", is_number=True),
    Column("since", "From (UTC)"),
    Column("price_check", "Our price"),
)
_HELD_COLUMNS = (
    Column("machine_type", "Machine type"),
    Column("region", "Region"),
    Column("change_percent", "Change", is_number=True),
    Column("price", "Price", is_number=True),
    Column("valid_from", "Since (UTC)"),
)


def price_changes(rows: ReportRows) -> Section:
    """Return the section."""
    changes = sorted(rows.price_changes, key=_weight)
    felt = [row for row in changes if row.monthly_cost_change]
    return Section(
        key="prices",
        name="Prices",
        question="Which list prices changed?",
        answer=[*_answer(changes, felt), *_second_opinion(rows.price_drift)],
        charts=(*((_chart(felt),) if felt else ()), *_year(rows.price_history)),
        tables=(*((_table(changes),) if changes else ()), *_history(rows.price_drift), *_held(rows.price_history)),
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


def _second_opinion(drift: Sequence[PriceDrift]) -> list[str]:
    """Say how many prices are those of Google's own history; nothing where it is not read."""
    compared = [row for row in drift if row.price_check]
    differing = [row for row in compared if row.price_check == "differs"]
    if not compared:
        return []
    uncertain = sum(row.price_check == "uncertain" for row in compared)
    agreeing = len(compared) - len(differing) - uncertain
    said = f"{agreeing:,} of {wording.things(len(compared), 'machine type')} agree with Google's own price history"
    if uncertain:
        said = f"{said}, {uncertain:,} but for hours whose price is marked as not certain"
    names = ", ".join(f"{row.machine_type} in {row.region}" for row in differing)
    return [f"{said}; not {names}." if differing else f"{said}."]


def _history(drift: Sequence[PriceDrift]) -> tuple[Table, ...]:
    priced = [(row, row.price, row.since) for row in drift if row.price is not None and row.since is not None]
    if not priced:
        return ()
    lines = [
        [
            cell(row.machine_type),
            cell(row.region),
            cell(price, wording.rate),
            cell(row.week_change_percent, wording.percent_change),
            cell(row.change_percent, wording.percent_change),
            cell(row.monthly_cost_change, wording.change),
            cell(since, wording.short_moment),
            cell(row.price_check, tone=Tone.WARNING if row.price_check == "differs" else Tone.PLAIN),
        ]
        for row, price, since in sorted(priced, key=lambda each: -each[1] * each[0].vms)
    ]
    return (Table("price-history", "Prices in use, by Google's own history", _HISTORY_COLUMNS, lines),)


def _held(held: Sequence[PriceHeld]) -> tuple[Table, ...]:
    """Return the table of the changes that the charts mark, the newest first."""
    changes = sorted(
        (row for row in held if row.change_percent is not None), key=lambda row: row.valid_from, reverse=True
    )
    if not changes:
        return ()
    listed, rest = first_and_rest(changes)
    lines = [
        [
            cell(row.machine_type),
            cell(row.region),
            cell(row.change_percent, wording.percent_change),
            cell(row.price, wording.rate),
            cell(row.valid_from, wording.short_moment),
        ]
        for row in listed
    ]
    note = f"The {len(listed)} newest of {len(changes):,}." if rest else ""
    return (Table("price-year", "Changes of these prices in a year", _HELD_COLUMNS, lines, note=note),)


def _year(held: Sequence[PriceHeld]) -> Iterator[Chart]:
    """Yield a chart of the price of each machine type in use, the dearest first, all over the same year."""
    places = grouped(held, lambda row: (row.machine_type, row.region))
    dearest = sorted(places.items(), key=lambda each: (-each[1][-1].price * each[1][-1].vms, each[0]))[:_MOST_YEARS]
    last = max((row.known_to for row in held), default=None)
    for number, ((machine_type, region), prices) in enumerate(dearest):
        if last is None:
            return
        first = last - _YEAR
        drawn = [(max(row.valid_from, first), row.known_to, row.price) for row in prices if row.known_to > first]
        changes = len(drawn) - 1
        said = f"{wording.things(changes, 'change')}, from {wording.rate(drawn[0][2])} to {wording.rate(drawn[-1][2])}."
        name = f"{machine_type}, {region}"
        yield price_steps(f"price-year-{number}", f"Spot price of {name}, USD per hour", said, first, last, drawn)


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
