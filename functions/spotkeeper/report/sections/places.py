"""Cost by machine type and zone, and cheaper placements."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Chart, Column, Section, Table, cell, named
from spotkeeper.report.charts import heat
from spotkeeper.report.rows import UNRESOLVED, CheaperPlace, PlaceCost, ReportRows
from spotkeeper.report.sums import Sum, dearest, first_and_rest, grouped, sum_of, together

_MOST_TYPES, _MOST_ZONES = 12, 8
_UNKNOWN_TYPE = "(unknown type)"
_COLUMNS = (
    Column("machine_type", "Machine type"),
    Column("zone", "Zone"),
    Column("cost", "Cost", is_number=True),
    Column("share", "Share", is_number=True),
    Column("average_price", "Per VM-hour", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("priced_share", "Priced", is_number=True),
)
_CHEAPER_COLUMNS = (
    Column("machine_type", "Machine type"),
    Column("region", "in"),
    Column("weekly_vm_hours", "VM-hours, last week", is_number=True),
    Column("spot_price", "Price per hour", is_number=True),
    Column("option_machine_type", "Cheaper option"),
    Column("option_region", "in"),
    Column("option_spot_price", "Price per hour", is_number=True),
    Column("option_preemptions_per_1000_hours", "Preemptions per 1,000 h", is_number=True),
    Column("monthly_savings", "Savings per month", is_number=True),
)


def places(rows: ReportRows) -> Section:
    """Return the section."""
    pairs = dearest(rows.places, lambda row: (_type(row), row.zone))
    whole = together(each for _, each in pairs)
    return Section(
        key="places",
        name="Where it goes",
        question="Which machine types, and where?",
        answer=_answer(pairs, whole, rows.cheaper),
        charts=(_chart([row for row in rows.places if row.zone != UNRESOLVED]),),
        tables=[_table(pairs, whole), *_cheaper(rows.cheaper)],
    )


def _type(row: PlaceCost) -> str:
    return row.machine_type or _UNKNOWN_TYPE


def _answer(pairs: Sequence[tuple[tuple[str, str], Sum]], whole: Sum, cheaper: Sequence[CheaperPlace]) -> list[str]:
    said = []
    if pairs and whole.cost:
        (machine_type, zone), each = pairs[0]
        said.append(
            f"Most expensive: {machine_type} in {zone}: {wording.money(each.cost)}, "
            f"{wording.percent(each.known_cost / whole.cost * 100)} of all."
        )
    best = _best(cheaper)
    if best:
        first = best[0]
        said.append(
            f"At today's list prices {first.machine_type} in {first.region} would be "
            f"{wording.percent(first.savings_percent)} cheaper as {first.option_machine_type} in "
            f"{first.option_region}: {wording.money(first.monthly_savings)} a month at the VM-hours of the last week."
        )
    return said


def _chart(rows: Sequence[PlaceCost]) -> Chart:
    types = [name for name, _ in dearest(rows, _type)]
    zones = [name for name, _ in dearest(rows, lambda row: row.zone)]
    shown_types, rest_types = first_and_rest(types, _MOST_TYPES)
    shown_zones, rest_zones = first_and_rest(zones, _MOST_ZONES)
    other_types, other_zones = f"other ({len(rest_types)})", f"other ({len(rest_zones)})"
    kept_types, kept_zones = frozenset(shown_types), frozenset(shown_zones)
    groups = grouped(
        rows,
        lambda row: (
            _type(row) if _type(row) in kept_types else other_types,
            row.zone if row.zone in kept_zones else other_zones,
        ),
    )
    amounts = {key: sum_of(group).cost for key, group in groups.items()}
    return heat(
        "places-chart",
        "Cost by machine type and zone, USD",
        f"A cell for each machine type and zone, darker for a higher cost: the {len(shown_types)} most expensive types "
        f"and the {len(shown_zones)} most expensive zones; the others are summed up. The table below has the figures.",
        [*shown_types, *([other_types] if rest_types else [])],
        [*shown_zones, *([other_zones] if rest_zones else [])],
        amounts,
    )


def _table(pairs: Sequence[tuple[tuple[str, str], Sum]], whole: Sum) -> Table:
    def line(names: tuple[str, str], each: Sum) -> list[Cell]:
        return [
            *map(named, names),
            cell(each.cost, wording.money),
            cell(each.share_of(whole), wording.percent),
            cell(each.average_price, wording.price),
            cell(each.vm_hours, wording.hours),
            cell(each.priced_share, wording.covered),
        ]

    listed, rest = first_and_rest(pairs)
    below = [line((f"other ({len(rest)})", ""), together(each for _, each in rest))] if rest else []
    return Table(
        "places",
        "Cost by machine type and zone",
        _COLUMNS,
        [line(names, each) for names, each in listed],
        [*below, line(("all", ""), whole)],
        f"The {len(listed)} most expensive of {len(pairs):,}; the others are summed up." if rest else "",
    )


def _best(cheaper: Sequence[CheaperPlace]) -> list[CheaperPlace]:
    """The cheapest option for each machine type and region, those that save the most first."""
    groups = grouped(cheaper, lambda row: (row.machine_type, row.region)).values()
    best = [max(group, key=lambda row: (row.monthly_savings, row.option_region)) for group in groups]
    return sorted(best, key=lambda row: (-row.monthly_savings, row.machine_type, row.region))


def _cheaper(cheaper: Sequence[CheaperPlace]) -> list[Table]:
    best = _best(cheaper)
    if not best:
        return []
    listed, rest = first_and_rest(best)
    saved = sum((row.monthly_savings for row in rest), Decimal(0))
    more = f" {len(rest)} more would save {wording.money(saved)} a month." if rest else ""
    return [
        Table(
            "cheaper",
            "Cheaper placements",
            _CHEAPER_COLUMNS,
            [_cheaper_line(row) for row in listed],
            note="The cheapest option with the same resources or more, for the VM-hours of the last week, in a "
            "month of 730 hours. The cost of moving and the available capacity are not considered." + more,
        )
    ]


def _cheaper_line(row: CheaperPlace) -> list[Cell]:
    return [
        cell(row.machine_type),
        cell(row.region),
        cell(row.weekly_vm_hours, wording.hours),
        cell(row.spot_price, wording.price),
        cell(row.option_machine_type),
        cell(row.option_region),
        cell(row.option_spot_price, wording.price),
        cell(row.option_preemptions_per_1000_hours, wording.hours),
        cell(row.monthly_savings, wording.money),
    ]
