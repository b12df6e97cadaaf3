"""`work`: load which job, task or build ran on which VM, from a file of a scheduler or CI system."""

import argparse
import sys
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, chosen_settings
from spotkeeper.cli.terminal import progress
from spotkeeper.errors import RefusedRequestError
from spotkeeper.work.formats import BY_LINE, FORMATS, WITHOUT_RUN
from spotkeeper.work.records import Line, Problem, WorkRecord, checked_records

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
    found = _Found()
    records = found.records(checked_records(_lines(arguments), _defaults(arguments), arguments.time_zone))
    try:
        written = _load(arguments, records) if not arguments.check else _read_all(records)
    except _WrongLinesError:
        for problem in found.problems:
            print(f"spotkeeper: {problem}", file=sys.stderr)
        if found.further:
            print(f"spotkeeper: and {found.further} more problems", file=sys.stderr)
        return 1
    print(f"{found}: {'loaded' if written else 'not loaded'}")
    return 0


class _WrongLinesError(Exception):
    """A line of the file is wrong, so that none is loaded."""


class _Found:
    """What a file holds, counted while its records are read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.further = 0
        self._works, self._attempts = array("q"), array("q")

    def records(self, found: Iterable[WorkRecord | Problem]) -> Iterator[WorkRecord]:
        """Yield the records; raises _WrongLinesError after the last line when one was wrong."""
        for each in found:
            if isinstance(each, WorkRecord):
                self._works.append(hash(each.work_id))
                self._attempts.append(hash((each.work_id, each.attempt)))
                yield each
            elif len(self.problems) < _MOST_SHOWN:
                self.problems.append(each)
            else:
                self.further += 1
        if self.problems:
            raise _WrongLinesError

    def __str__(self) -> str:
        """Count the records, their attempts and works."""
        attempts, works = len(set(self._attempts)), len(set(self._works))
        return f"{_counted(len(self._works), 'record')} of {_counted(attempts, 'attempt')} at {_counted(works, 'work')}"


def _defaults(arguments: argparse.Namespace) -> Mapping[str, str]:
    project = arguments.vm_project or arguments.project
    given = {"project_id": project, "zone": arguments.zone, "vm_label": arguments.vm_label}
    return {name: value for name, value in given.items() if value is not None}


def _lines(arguments: argparse.Namespace) -> Iterator[Line]:
    name, run = _format(arguments), arguments.run_id
    if run is None and name in WITHOUT_RUN:
        message = f"--run is missing: {name} does not name the run, and others have the same ids"
        raise RefusedRequestError(message)
    for line in _read(arguments.file, name):
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


def _read(file: str, name: str) -> Iterator[Line]:
    try:
        if file == _STANDARD_INPUT:
            yield from BY_LINE[name](sys.stdin) if name in BY_LINE else FORMATS[name](sys.stdin.read())
            return
        # In CSV, a cell may have a line end of its own.
        with Path(file).open(encoding="utf-8-sig", newline="" if name == "csv" else None) as lines:
            yield from BY_LINE[name](lines) if name in BY_LINE else FORMATS[name](lines.read())
    except UnicodeDecodeError as error:
        message = f"{file} is not UTF-8: {error}"
        raise RefusedRequestError(message) from error


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _read_all(records: Iterable[WorkRecord]) -> int:
    """Read all records and write none."""
    deque(records, maxlen=0)
    return 0


def _load(arguments: argparse.Namespace, records: Iterable[WorkRecord]) -> int:
    from spotkeeper.gcp.bigquery.jobs import Jobs
    from spotkeeper.gcp.bigquery.work_tables import WorkTables

    settings = chosen_settings(arguments)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    jobs = Jobs(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    with progress("Loading the records into BigQuery"):
        return WorkTables(jobs).write(records, datetime.now(UTC))
