"""`cost`: what one run cost so far: an experiment, a job, a CI build."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from spotkeeper.cli.amounts import cents
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, add_time_argument, chosen_settings
from spotkeeper.cli.output import Format, Row, as_csv, as_json
from spotkeeper.cli.spans import Since, add_since_argument, first_time, since_argument
from spotkeeper.cli.terminal import progress
from spotkeeper.errors import RefusedRequestError

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.run_costs import RunCost

FIELDS = (
    *("run", "works", "attempts", "preemptions", "vms", "vm_hours", "unpriced_hours", "unrecorded_hours"),
    *("cost_usd", "whole_cost_usd", "ondemand_cost_usd", "net_saved_usd", "hourly_cost_usd"),
    *("lost_hours", "lost_cost_usd", "waiting_hours", "first_hour", "last_hour"),
)
"""The fields of the answer in JSON and CSV."""

LINE = "line"
"""One line for the log of a CI job."""

_DAYS_OF_WORK = timedelta(days=92)
_SINCE = f"{_DAYS_OF_WORK.days}d"


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "cost",
        summary="what one run cost: an experiment, a job, a CI build",
        description="Sum the recorded cost of one run: of the Spot VMs that have a label, or of the work that was "
        "loaded with `spotkeeper work`, with its preemptions and what they lost.",
        examples=(
            "--project my-project-1 --label experiment=ablation-7",
            "--project my-project-1 --work 29679449526 --format line",
        ),
    )
    run = parser.add_mutually_exclusive_group(required=True)
    run.add_argument("--label", metavar="KEY=VALUE", type=label_and_value, help="the label of the VMs of the run")
    run.add_argument("--work", metavar="ID", help="the work; its parts, ID/…, count as well")
    add_dataset_arguments(parser)
    add_since_argument(parser, _SINCE)
    add_time_argument(parser, "the end of the time that is summed; only with --label")
    parser.add_argument(
        "--format",
        choices=[*(str(each) for each in Format), LINE],
        default=str(Format.TABLE),
        help="table for people, json or csv for programs, line for the log of a CI job (default: %(default)s)",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the cost of the run."""
    name, since, found = _read(arguments)
    fields = _fields(name, found)
    match arguments.format:
        case Format.JSON:
            print(as_json(fields))
        case Format.CSV:
            print(as_csv(FIELDS, [fields]))
        case Format.TABLE:
            for line in run_lines(name, since, found):
                print(line)
        case _:
            print(run_line(name, since, found))
    return 0


def run_line(name: str, since: datetime, found: "RunCost") -> str:
    """Return one line: cost, VMs, preemptions, what was lost, and the cost on demand."""
    if not found.vms:
        return f"{name}: no Spot VM of it has a cost row since {_hour(since)}"
    cost = "cost unknown" if found.cost is None else f"{cents(found.cost)} USD"
    parts = [f"{name}: {cost} on {_count(found.vms, 'Spot VM')}", _count(found.preemptions, "preemption")]
    if found.preemptions and found.lost_cost is not None:
        parts.append(f"{cents(found.lost_cost)} USD of lost work")
    line = ", ".join(parts)
    if found.ondemand_cost is not None:
        line += f"; on demand {cents(found.ondemand_cost)} USD"
    if found.unpriced_hours:
        line += f"; {cents(found.unpriced_hours)} VM-hours have no price"
    if found.unrecorded_hours:
        line += f"; {cents(found.unrecorded_hours)} hours are not recorded"
    return line


def run_lines(name: str, since: datetime, found: "RunCost") -> Iterator[str]:
    """Yield the table: a line for each figure that is known."""
    yield run_line(name, since, found)
    if not found.vms:
        return
    figures = (
        ("first hour", _hour(found.first_hour)),
        ("last hour", _hour(found.last_hour)),
        ("VM-hours", cents(found.vm_hours)),
        ("cost per hour now", _usd(found.hourly_cost)),
        ("all in", _usd(found.whole_cost)),
        ("saved, less lost work", _usd(found.net_saved)),
        ("lost VM-hours", cents(found.lost_hours) if found.preemptions else None),
        ("works", None if found.works is None else str(found.works)),
        ("attempts", None if found.attempts is None else str(found.attempts)),
        ("hours between attempts", cents(found.waiting_hours) if found.waiting_hours else None),
    )
    yield ""
    for title, text in figures:
        if text is not None:
            yield f"{title:<24}{text}"


def label_and_value(text: str) -> tuple[str, str]:
    """Return the key and the value of `KEY=VALUE`; raises ArgumentTypeError."""
    key, equals, value = text.partition("=")
    if not key or not equals or not value:
        message = f"{text!r} is not KEY=VALUE, such as experiment=ablation-7"
        raise argparse.ArgumentTypeError(message)
    return key, value


def _read(arguments: argparse.Namespace) -> "tuple[str, datetime, RunCost]":
    from spotkeeper.gcp.bigquery.run_costs import RunCosts

    if arguments.work:
        _refuse_times_of_work(arguments)
    settings = chosen_settings(arguments)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    costs = RunCosts(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    end = arguments.at or datetime.now(UTC)
    since: Since = arguments.since
    with progress("Reading the cost from BigQuery"):
        if arguments.work:
            begin = end - _DAYS_OF_WORK
            return arguments.work, begin, costs.by_work(arguments.work, begin)
        label, value = arguments.label
        begin = first_time(since, end)
        return f"{label}={value}", begin, costs.by_label(label, value, begin, end)


def _refuse_times_of_work(arguments: argparse.Namespace) -> None:
    if arguments.at:
        message = "--at is only for --label: the views of work are as of now"
        raise RefusedRequestError(message)
    if arguments.since != since_argument(_SINCE):
        message = f"--since is only for --label: the views of work read {_DAYS_OF_WORK.days} days"
        raise RefusedRequestError(message)


def _fields(name: str, found: "RunCost") -> Row:
    return {
        "run": name,
        "works": found.works,
        "attempts": found.attempts,
        "preemptions": found.preemptions,
        "vms": found.vms,
        "vm_hours": found.vm_hours,
        "unpriced_hours": found.unpriced_hours,
        "unrecorded_hours": found.unrecorded_hours,
        "cost_usd": found.cost,
        "whole_cost_usd": found.whole_cost,
        "ondemand_cost_usd": found.ondemand_cost,
        "net_saved_usd": found.net_saved,
        "hourly_cost_usd": found.hourly_cost,
        "lost_hours": found.lost_hours,
        "lost_cost_usd": found.lost_cost,
        "waiting_hours": found.waiting_hours,
        "first_hour": found.first_hour,
        "last_hour": found.last_hour,
    }


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{cents(amount)} USD"


def _hour(hour: datetime | None) -> str | None:
    return None if hour is None else f"{hour:%Y-%m-%d %H:%M} UTC"
