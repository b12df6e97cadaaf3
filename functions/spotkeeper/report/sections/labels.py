"""Cost by the values of each label, one table for a label."""

from collections.abc import Sequence
from decimal import Decimal

from spotkeeper.report import wording
from spotkeeper.report.blocks import Cell, Column, Section, Table, cell
from spotkeeper.report.rows import MOST_VALUES, UNRESOLVED, LabelCost, ReportRows
from spotkeeper.report.sums import Sum, dearest, first_and_rest, grouped, sum_of, together

_UNLABELLED = "(unlabelled)"
_COLUMNS = (
    Column("label_value", "Value"),
    Column("cost", "Cost", is_number=True),
    Column("share", "Share", is_number=True),
    Column("vm_hours", "VM-hours", is_number=True),
    Column("priced_share", "Priced", is_number=True),
)


def labels(rows: ReportRows) -> list[Section]:
    """Return the section; none when no label was read."""
    if not rows.labels:
        return []
    keys = sorted(
        grouped(rows.labels, lambda row: row.label_key).items(), key=lambda each: (-_labelled_cost(each[1]), each[0])
    )
    month = rows.labels[0].month
    widest, cost = keys[0][0], wording.money(_labelled_cost(keys[0][1]))
    return [
        Section(
            key="labels",
            name="Labels",
            question="What does each value of a label cost?",
            answer=[
                f"VMs have {wording.things(len(keys), 'label')} in {month:%B %Y}, a month of Cloud Billing.",
                f"The label {widest} is on the VMs that cost the most: {cost}.",
            ],
            tables=[_values(place, key, found) for place, (key, found) in enumerate(keys)],
            folds_all=len(keys) > 1,
            choice="Label" if len(keys) > 1 else "",
            points=["A label is the one that a VM had in that hour. Every label adds up to the whole month."],
        )
    ]


def _labelled_cost(rows: Sequence[LabelCost]) -> Decimal:
    named = (row for row in rows if row.label_value not in {_UNLABELLED, UNRESOLVED})
    return sum_of(named).known_cost


def _values(place: int, key: str, rows: Sequence[LabelCost]) -> Table:
    sums = dearest((row for row in rows if row.vm_hours), lambda row: row.label_value)
    listed, rest = first_and_rest(sums)
    whole = sum_of(rows)
    last = [_line("all", whole, whole)]
    if rest:
        last.insert(0, _line(f"other ({len(rest)})", together(each for _, each in rest), whole))
    note = f"The {MOST_VALUES} most expensive values; further ones are not in these sums."
    return Table(
        f"label-{place}",
        key,
        _COLUMNS,
        [_line(name, each, whole) for name, each in listed],
        last,
        note if len(rows) >= MOST_VALUES else "",
    )


def _line(name: str, amount: Sum, whole: Sum) -> list[Cell]:
    return [
        cell(name),
        cell(amount.cost, wording.money),
        cell(amount.share_of(whole), wording.percent),
        cell(amount.vm_hours, wording.hours),
        cell(amount.priced_share, wording.covered),
    ]
