"""`report`: one HTML page with the cost of Spot VMs, for people without SQL."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_variables,
    dataset_settings,
)
from spotkeeper.cli.product_files import filled, sql_files
from spotkeeper.cli.terminal import progress
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.report_views import ReportViews

_PACKAGES = {"altair": "altair", "vl_convert": "vl-convert-python", "jinja2": "jinja2"}
_LONGEST = 400


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "report",
        summary="write one HTML page with the cost of Spot VMs, for people without SQL",
        description="Write one HTML file from the views of the dataset. It is self-contained and opens offline. "
        "--digest prints a summary of the work for a mail instead.",
        examples=(
            "--project my-project-1",
            "--project my-project-1 --days 7 --output week.html --csv week",
            "--project my-project-1 --days 7 --digest",
        ),
    )
    add_dataset_arguments(parser)
    add_time_argument(parser, "the time at which the records end, for a dataset that is no longer written")
    parser.add_argument(
        "--days",
        metavar="N",
        type=_days,
        default=30,
        help="number of days to report (default: %(default)s)",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, default=Path("report.html"), help="file to write (default: %(default)s)"
    )
    parser.add_argument(
        "--labels", action="store_true", help="also the cost by every label: reads the costs of VMs in 13 months"
    )
    parser.add_argument("--csv", metavar="FOLDER", type=Path, help="also write the rows of each view as CSV")
    parser.add_argument(
        "--digest",
        action="store_true",
        help="print Markdown instead of the page: the most expensive runs of each team, idle time and lost work",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print its address."""
    if arguments.digest:
        _print_digest(chosen_variables(arguments), arguments.days)
        return 0
    check_packages()
    variables = chosen_variables(arguments)
    _check_output(arguments.output, arguments.csv)
    with progress("Reading the views and drawing the report"):
        write_report(
            variables,
            arguments.days,
            arguments.at or datetime.now(UTC),
            arguments.output,
            texts=None if arguments.at is None else _view_texts(arguments.dataset, arguments.at),
            csv=arguments.csv,
            labels=arguments.labels,
        )
    print(f"{arguments.output.resolve().as_uri()}")
    return 0


def _print_digest(variables: dict[str, str], days: int) -> None:
    from spotkeeper.report.digest import digest

    with progress("Reading the cost of work from BigQuery"):
        scope, rows = _views(variables).read_work(days, datetime.now(UTC))
    print(digest(rows, scope), end="")


def _check_output(output: Path, csv: Path | None) -> None:
    """Raise RefusedRequestError before anything is read when the file or the folder could not be written."""
    folder = output.parent
    if output.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "it is a folder" if output.is_dir() else f"{folder} is not a folder that you may write to"
        message = f"--output {output}: {reason}"
        raise RefusedRequestError(message)
    if csv is not None and csv.exists() and not csv.is_dir():
        message = f"--csv {csv}: it is a file, but a folder is written"
        raise RefusedRequestError(message)


def check_packages() -> None:
    """Raise RefusedRequestError when a package that draws the report is not installed."""
    missing = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        message = (
            f"the report needs {' and '.join(missing)}, not installed here: python -m pip install {' '.join(missing)}"
        )
        raise RefusedRequestError(message)


def write_report(  # noqa: PLR0913 (what the command takes)
    variables: dict[str, str],
    days: int,
    now: datetime,
    output: Path,
    *,
    texts: dict[str, str] | None = None,
    csv: Path | None = None,
    labels: bool = False,
) -> None:
    """Read the views, or their texts as of `now`, and write the page, and optionally the rows as CSV."""
    from spotkeeper.report.csv_files import write_csv
    from spotkeeper.report.page import page

    scope, rows = _views(variables, texts).read(days, now, labels=labels)
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        unfinished.write_text(page(rows, scope), encoding="utf-8")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    if csv:
        write_csv(rows, csv)


def _view_texts(dataset: str, at: datetime) -> dict[str, str]:
    """Return the views as they would be at a time, but for the one that says which labels this deployment reads."""
    now = f"TIMESTAMP '{rfc3339(at)}'"
    texts = {name: filled(text, dataset=dataset, now=now) for name, text in sql_files("views").items()}
    return {name: text for name, text in texts.items() if "${" not in text}


def _views(variables: dict[str, str], texts: dict[str, str] | None = None) -> "ReportViews":
    from spotkeeper.gcp.bigquery.report_views import ReportViews

    settings = dataset_settings(variables)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return ReportViews(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout, texts)


def _days(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _LONGEST:
        message = f"{value!r} is not a number of days from 1 to {_LONGEST}"
        raise argparse.ArgumentTypeError(message)
    return int(value)
