"""`work`: load which job, task or build ran on which VM, from a file of a scheduler or CI system."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, chosen_settings
from spotkeeper.cli.terminal import progress
from spotkeeper.errors import RefusedRequestError
from spotkeeper.work.formats import FORMATS, WITHOUT_RUN
from spotkeeper.work.records import Line, Problem, WorkRecord, read_records

_STANDARD_INPUT = "-"
_MOST_SHOWN = 20


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "work",
        summary="load which job, task or build ran on which VM",
        description="Load records of work, so that the views and `spotkeeper cost --work` say what each run cost. "
        "An attempt that is loaded again replaces its records. Exit code 1: a line is wrong; "
        "every wrong field is named with its line, and nothing is loaded.",
        examples=(
            "load work.csv --project my-project-1",
            "load jobs.json --from github-actions --vm-project ci-1 --zone us-central1-a --project my-project-1",
            "load work.jsonl --check",
        ),
    )
    parser.add_argument("action", choices=["load"], help="load: write the records of a file to the table work")
    parser.add_argument("file", metavar="FILE", help=f"the file; {_STANDARD_INPUT} for standard input")
    add_dataset_arguments(parser)
    parser.add_argument(
        "--from",
        dest="input_format",
        choices=list(FORMATS),
        help="what the file is (default: by its name, csv or jsonl)",
    )
    parser.add_argument(
        "--vm-project", metavar="ID", help="project of the VMs that name none (default: the project of the dataset)"
    )
    parser.add_argument("--zone", metavar="ZONE", help="zone of the VMs that name none")
    parser.add_argument(
        "--vm-label",
        metavar="KEY=VALUE",
        help="label of the VMs, where neither their ids nor their names are known: work ran on all that have it",
    )
    parser.add_argument(
        "--run",
        dest="run_id",
        metavar="ID",
        help="the run of the file: its works are ID/… (required for nextflow and skypilot)",
    )
    parser.add_argument(
        "--time-zone",
        metavar="NAME",
        type=_time_zone,
        help="zone of times that do not say theirs, such as Europe/Berlin or UTC; without it they are refused",
    )
    parser.add_argument("--check", action="store_true", help="only check the file: needs no project")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check the file and load it; 1 when a line is wrong."""
    records, problems = _read(arguments)
    for problem in problems[:_MOST_SHOWN]:
        print(f"spotkeeper: {problem}", file=sys.stderr)
    if len(problems) > _MOST_SHOWN:
        print(f"spotkeeper: and {len(problems) - _MOST_SHOWN} more problems", file=sys.stderr)
    if problems:
        return 1
    attempts = len({(record.work_id, record.attempt) for record in records})
    works = len({record.work_id for record in records})
    found = f"{_counted(len(records), 'record')} of {_counted(attempts, 'attempt')} at {_counted(works, 'work')}"
    if arguments.check or not records:
        print(f"{found}: not loaded")
        return 0
    _load(arguments, records)
    print(f"{found}: loaded")
    return 0


def _read(arguments: argparse.Namespace) -> tuple[list[WorkRecord], list[Problem]]:
    project = arguments.vm_project or arguments.project
    given = {"project_id": project, "zone": arguments.zone, "vm_label": arguments.vm_label}
    defaults = {name: value for name, value in given.items() if value is not None}
    return read_records(_lines(arguments), defaults, arguments.time_zone)


def _lines(arguments: argparse.Namespace) -> Iterator[Line]:
    name, run = _format(arguments), arguments.run_id
    if run is None and name in WITHOUT_RUN:
        message = f"--run is missing: {name} does not name the run, and others have the same ids"
        raise RefusedRequestError(message)
    for line in FORMATS[name](_text(arguments.file)):
        work_id = line.fields.get("work_id")
        yield replace(line, fields={**line.fields, "work_id": f"{run}/{work_id}"}) if run and work_id else line


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError) as error:
        message = f"{name!r} is not a time zone, such as Europe/Berlin"
        raise argparse.ArgumentTypeError(message) from error


def _format(arguments: argparse.Namespace) -> str:
    suffix = Path(arguments.file).suffix.removeprefix(".")
    if arguments.input_format is None and suffix not in {"csv", "jsonl"}:
        message = f"--from is missing: {arguments.file} may be any of {', '.join(FORMATS)}"
        raise RefusedRequestError(message)
    return str(arguments.input_format or suffix)


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == _STANDARD_INPUT else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{file} is not UTF-8: {error}"
        raise RefusedRequestError(message) from error


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _load(arguments: argparse.Namespace, records: list[WorkRecord]) -> None:
    from spotkeeper.gcp.bigquery.jobs import Jobs
    from spotkeeper.gcp.bigquery.work_tables import WorkTables

    settings = chosen_settings(arguments)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    jobs = Jobs(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    with progress("Loading the records into BigQuery"):
        WorkTables(jobs).write(records, datetime.now(UTC))
