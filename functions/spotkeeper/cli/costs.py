"""`costs`: what Spot VMs cost by day, team, label, machine type, zone or project, against on demand."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from spotkeeper.cli.amounts import cents
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_settings,
)
from spotkeeper.cli.output import Format, Row, add_format_argument, as_csv, as_json
from spotkeeper.cli.spans import Since, add_since_argument, first_time
from spotkeeper.cli.terminal import progress, width
from spotkeeper.cli.text_tables import aligned

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.daily_figures import Cost, Costs, KeyCost

FIELDS = (
    *("key", "name", "place", "machine_type", "vms", "vm_hours", "unpriced_hours"),
    *("cost_usd", "whole_cost_usd", "ondemand_cost_usd", "saved_usd", "saved_percent", "share_percent"),
)
"""The fields of a row in JSON and CSV."""

_LABELS = ("team", "project-label", "experiment", "cost-center")
"""The columns whose labels the view label_keys of the dataset names."""

_LABEL_PREFIX = "label:"
_DAYS = ("day", "billing-day")
_PLACES = ("project", "region", "zone", "machine-type")
_VM = "vm"
_MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class By:
    """What cost is summed by; `label` is the key of a label."""

    name: str
    label: str | None = None

    @property
    def key(self) -> str:
        """The key as the statement knows it."""
        return "label" if self.label else self.name


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, but without, `end`."""

    start: datetime
    end: datetime


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "costs",
        summary="what Spot VMs cost, by day, team, label, machine type, zone or project",
        description="Sum the recorded cost of Spot VMs by one key, beside what the same usage costs on demand.",
        examples=(
            "--project my-project-1",
            "--project my-project-1 --by team --since 30d",
            "--project my-project-1 --by label:experiment --since 2026-11-01 --format csv",
        ),
    )
    add_cost_arguments(parser, by="day", since="7d")
    return parser


def add_cost_arguments(parser: argparse.ArgumentParser, *, by: str, since: str) -> None:
    """Add what the cost is summed by, and the stretch of time."""
    add_dataset_arguments(parser)
    known = ", ".join((*_DAYS, *_LABELS, *_PLACES, _VM))
    parser.add_argument(
        "--by",
        metavar="KEY",
        type=by_argument,
        default=by,
        help=f"{known}, or {_LABEL_PREFIX}KEY for any label (default: %(default)s)",
    )
    add_since_argument(parser, since)
    add_time_argument(parser, "the end of the time that is summed")
    add_format_argument(parser)


def by_argument(text: str) -> By:
    """Read `day`, `team`, `label:KEY` and others."""
    if text in (*_DAYS, *_LABELS, *_PLACES, _VM):
        return By(text)
    label = text.removeprefix(_LABEL_PREFIX)
    if text.startswith(_LABEL_PREFIX) and label:
        return By(text, label)
    message = f"{text!r} is none of {', '.join((*_DAYS, *_LABELS, *_PLACES, _VM))} and {_LABEL_PREFIX}KEY"
    raise argparse.ArgumentTypeError(message)


def run(arguments: argparse.Namespace) -> int:
    """Print the cost by the key."""
    by: By = arguments.by
    span, found = read_costs(arguments, _MOST_ROWS)
    dearest = sorted(found.dearest, key=lambda each: each.key or "") if by.name in _DAYS else found.dearest
    print_costs(by, span, dearest, found, Format(arguments.format))
    return 0


def read_costs(arguments: argparse.Namespace, most: int) -> "tuple[Span, Costs]":
    """Read the cost by a key, its dearest values."""
    from spotkeeper.gcp.bigquery.daily_figures import DailyFigures

    by: By = arguments.by
    since: Since = arguments.since
    end = arguments.at or datetime.now(UTC)
    span = Span(first_time(since, end), end)
    settings = chosen_settings(arguments)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    figures = DailyFigures(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    with progress("Reading the cost from BigQuery"):
        return span, figures.costs(by.key, by.label, span.start, span.end, most)


def print_costs(by: By, span: Span, shown: "Sequence[KeyCost]", found: "Costs", output: Format) -> None:
    """Print rows and their total in a format."""
    rows = [_fields(each, found.total.cost) for each in shown]
    match output:
        case Format.JSON:
            total = {"keys": found.key_count, **_amounts(found.total)}
            print(as_json({"since": span.start, "until": span.end, "by": by.name, "rows": rows, "total": total}))
        case Format.CSV:
            print(as_csv(FIELDS, rows))
        case Format.TABLE:
            for line in cost_lines(by, span, shown, found):
                print(line)


def cost_lines(by: By, span: Span, shown: "Sequence[KeyCost]", found: "Costs") -> Iterator[str]:
    """Yield the table: a line for each value, the others together, and all."""
    stretch = f"{span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC"
    if not shown:
        yield f"No Spot VM has a cost row from {stretch}."
        return
    total, is_vm = found.total, by.name == _VM
    yield f"Cost of Spot VMs by {by.name}, {stretch}, in USD"
    yield ""
    header = [
        by.name,
        "VM-hours",
        "cost",
        "share",
        "on demand",
        "saved",
        "all in",
        *(["where", "type"] if is_vm else []),
    ]
    lines = [header]
    for each in shown:
        more = [each.place or "", each.machine_type or ""] if is_vm else []
        lines.append([_name(each), *_cells(each.cost, total.cost), *more])
    lines.append(["total", *_cells(total, total.cost), *([""] * (2 if is_vm else 0))])
    yield from aligned(lines, frozenset(range(1, 7)), width())
    yield ""
    yield "cost: machine types at Spot prices; all in: with disks, addresses and licenses, as far as they are known."
    if len(shown) < found.key_count:
        yield f"{len(shown)} of {found.key_count} are shown; the total is of all."
    if total.unpriced_hours:
        unpriced = f"{_hours(total.unpriced_hours)} of {_hours(total.vm_hours)} VM-hours"
        yield f"{unpriced} have no price: their cost is unknown and not in the total."


def _name(found: "KeyCost") -> str:
    return found.name or found.key or "(unknown)"


def _cells(cost: "Cost", whole: Decimal | None) -> list[str]:
    return [
        _hours(cost.vm_hours),
        _money(cost.cost),
        _percent(_share(cost.cost, whole)),
        _money(cost.ondemand_cost),
        _percent(cost.saved_percent),
        _money(cost.whole_cost),
    ]


def _fields(found: "KeyCost", whole: Decimal | None) -> Row:
    named = {"key": found.key, "name": found.name, "place": found.place, "machine_type": found.machine_type}
    share = _rounded(_share(found.cost.cost, whole))
    return {**named, "vms": found.vms, **_amounts(found.cost), "share_percent": share}


def _amounts(cost: "Cost") -> dict[str, object]:
    return {
        "vm_hours": cost.vm_hours,
        "unpriced_hours": cost.unpriced_hours,
        "cost_usd": cost.cost,
        "whole_cost_usd": cost.whole_cost,
        "ondemand_cost_usd": cost.ondemand_cost,
        "saved_usd": cost.saved,
        "saved_percent": _rounded(cost.saved_percent),
    }


def _share(cost: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return cost / whole * 100 if cost is not None and whole else None


def _rounded(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent.quantize(Decimal("0.01"))


def _money(amount: Decimal | None) -> str:
    return "-" if amount is None else cents(amount)


def _hours(hours: Decimal) -> str:
    return cents(hours)


def _percent(percent: Decimal | None) -> str:
    return "-" if percent is None else f"{percent:.1f}%"
