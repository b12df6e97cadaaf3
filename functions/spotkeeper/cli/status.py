"""`status`: one screen with the latest hour, the burn rate, the budgets, the last plan, and what is not known."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from spotkeeper.cli.amounts import HOURS_PER_MONTH, cents, exact
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_settings,
)
from spotkeeper.cli.output import Format, add_format_argument, as_csv, as_json
from spotkeeper.cli.terminal import Color, painted, progress, width
from spotkeeper.cli.text_tables import aligned
from spotkeeper.doctor.findings import ago
from spotkeeper.doctor.records import LATEST_RUN
from spotkeeper.enforcement.settings import Mode

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.daily_figures import BudgetState, LastPlan, RecordState, Status

RECORD_FIELDS = (
    *("hour", "recorded_at", "prices_as_of", "hour_vms", "hour_cost", "hour_ondemand_cost"),
    *("day_cost", "previous_day_cost", "unpriced_hours", "incomplete_hours", "unresolved_hours"),
)
"""The fields of the CSV; the JSON has them under `records`, beside `budgets` and `last_plan`."""

_WELL = frozenset({"within", "at least"})


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "status",
        summary="one screen: latest hour, burn rate, budgets, last plan, and what is not known",
        description="Print the state of the records. Exit code 0: the latest hour was recorded within two hours; "
        "1: it is older, or there is none. `doctor` finds out why.",
        examples=("--project my-project-1", "--project my-project-1 --format json"),
    )
    add_dataset_arguments(parser)
    add_time_argument(parser, "the state as of this time")
    add_format_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the state; 1 when the records are old."""
    from spotkeeper.gcp.bigquery.daily_figures import DailyFigures

    now = arguments.at or datetime.now(UTC)
    settings = chosen_settings(arguments)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    figures = DailyFigures(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    with progress("Reading the state from BigQuery"):
        found = figures.status(now)
    match Format(arguments.format):
        case Format.JSON:
            print(as_json(asdict(found)))
        case Format.CSV:
            print(as_csv(RECORD_FIELDS, [asdict(found.records)]))
        case Format.TABLE:
            for line in status_lines(found, now, f"{settings.project_id}.{settings.dataset}"):
                print(line)
    return 1 if is_old(found.records, now) else 0


def is_old(records: "RecordState", now: datetime) -> bool:
    """Whether the latest hour was not recorded lately; doctor has the same limit."""
    return records.recorded_at is None or now - records.recorded_at > LATEST_RUN


def status_lines(found: "Status", now: datetime, dataset: str) -> Iterator[str]:
    """Yield the screen."""
    records = found.records
    rows = [("dataset", dataset)]
    if records.hour is None or records.recorded_at is None:
        rows.append(("latest hour", painted("none recorded in three days", Color.RED)))
    else:
        recorded = f"recorded {ago(now - records.recorded_at)}"
        recorded = painted(f"{recorded}: older than two hours", Color.RED) if is_old(records, now) else recorded
        rows += [
            ("latest hour", f"{records.hour:%Y-%m-%d %H:%M} UTC, {recorded}"),
            ("burn rate", _burn(records)),
            ("last 24 hours", _day(records)),
            ("not known", _not_known(records)),
        ]
    rows += zip(("last plan", ""), _plan(found.last_plan, now), strict=False)
    if found.frozen_groups:
        rows.append(("frozen groups", painted(", ".join(found.frozen_groups), Color.YELLOW)))
    yield from aligned(rows, width=width())
    yield ""
    yield from _budgets(found.budgets)


def _burn(records: "RecordState") -> str:
    cost = records.hour_cost
    if cost is None:
        return f"unknown: no price is known ({_count(records.hour_vms, 'Spot VM')})"
    saved = f", {cents(records.hour_ondemand_cost)} on demand" if records.hour_ondemand_cost else ""
    month = f"{cents(cost * HOURS_PER_MONTH)} USD a month at that rate"
    return f"{cents(cost)} USD/h with {_count(records.hour_vms, 'Spot VM')}{saved}; {month}"


def _day(records: "RecordState") -> str:
    if records.day_cost is None:
        return "no cost is recorded"
    before = records.previous_day_cost
    change = f" ({(records.day_cost - before) / before * 100:+.1f}% against the 24 hours before)" if before else ""
    return f"{cents(records.day_cost)} USD{change}"


def _not_known(records: "RecordState") -> str:
    parts = [
        (records.incomplete_hours, f"{_count(records.incomplete_hours, 'hour')} incomplete"),
        (records.unresolved_hours, f"{_hours(records.unresolved_hours)} VM-hours not identified"),
        (records.unpriced_hours, f"{_hours(records.unpriced_hours)} VM-hours without a price"),
    ]
    known = [text for number, text in parts if number]
    return f"{', '.join(known)} (of these 24 hours)" if known else "nothing: all hours complete, all VMs priced"


def _plan(plan: "LastPlan | None", now: datetime) -> Iterator[str]:
    if plan is None:
        yield "none in the last week"
        return
    deferred = f", {plan.deferred} deferred" if plan.deferred else ""
    yield f"{ago(now - plan.received_at)}, mode {plan.mode}, budget {plan.budget}: {plan.verdict}"
    if plan.stops == 0:
        yield f"stops no VM{deferred}"
        return
    saved = f", saves {cents(plan.hourly_savings)} USD/h" if plan.hourly_savings is not None else ""
    done = f"{plan.stopped} stopped" if plan.mode == Mode.ENFORCE else "nothing was stopped"
    yield f"{_count(plan.stops, 'stop')} planned{deferred}{saved}; {done}"


def _budgets(budgets: "tuple[BudgetState, ...]") -> Iterator[str]:
    if not budgets:
        yield "No budget of the tracker is on record."
        return
    header = ["budget", "USD", "spent", "", "projected", "", "used up in", "state"]
    rows = [
        [
            _name(each),
            cents(each.budget),
            _money(each.spent),
            _percent(each.spent_percent),
            _money(each.projected_cost),
            _percent(each.projected_percent),
            "-" if each.hours_until_spent is None else f"{_hours(each.hours_until_spent)} h",
            each.state,
        ]
        for each in budgets
    ]
    lines = list(aligned([header, *rows], right=frozenset(range(1, 7))))
    yield lines[0]
    for each, line in zip(budgets, lines[1:], strict=True):
        yield line if each.state in _WELL else painted(line, Color.YELLOW)
    for each in budgets:
        if each.not_known:
            yield f"{_name(each)}, not known: {each.not_known}"


def _name(each: "BudgetState") -> str:
    return f"{each.period} ({each.covers}){f' {each.label}' if each.label else ''}"


def _money(amount: Decimal | None) -> str:
    return "-" if amount is None else cents(amount)


def _percent(percent: Decimal | None) -> str:
    return "" if percent is None else f"{percent:.0f}%"


def _hours(hours: Decimal) -> str:
    return exact(hours.quantize(Decimal("0.01")))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
