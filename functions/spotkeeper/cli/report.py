"""`report`: one HTML page with the cost of Spot VMs, for people without SQL."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from spotkeeper.cli.commands import Subparsers
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, chosen_project, dataset_settings
from spotkeeper.errors import RefusedRequestError

_PACKAGES = {"altair": "altair", "vl_convert": "vl-convert-python", "jinja2": "jinja2"}
_LONGEST = 400


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "report",
        help="write one HTML page with the cost of Spot VMs, for people without SQL",
        description="Write one HTML file from the views of the dataset. It is self-contained and opens offline.",
    )
    add_dataset_arguments(parser)
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
    parser.add_argument("--csv", metavar="FOLDER", type=Path, help="also write the rows of each view as CSV")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print its address."""
    check_packages()
    project = chosen_project(arguments)
    write_report(
        {**os.environ, "PROJECT_ID": project, "DATASET": arguments.dataset},
        arguments.days,
        datetime.now(UTC),
        arguments.output,
        arguments.csv,
    )
    print(f"{arguments.output.resolve().as_uri()}")
    return 0


def check_packages() -> None:
    """Raise RefusedRequestError when a package that draws the report is not installed."""
    missing = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        message = (
            f"the report needs {' and '.join(missing)}, not installed here: python -m pip install {' '.join(missing)}"
        )
        raise RefusedRequestError(message)


def write_report(variables: dict[str, str], days: int, now: datetime, output: Path, csv: Path | None = None) -> None:
    """Read the views and write the page, and optionally the rows as CSV."""
    from spotkeeper.gcp.bigquery.report_views import ReportViews
    from spotkeeper.report.csv_files import write_csv
    from spotkeeper.report.page import page

    settings = dataset_settings(variables)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    views = ReportViews(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)
    scope, rows = views.read(days, now)
    unfinished = output.with_name(f".{output.name}.unfinished")
    try:
        unfinished.write_text(page(rows, scope), encoding="utf-8")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    if csv:
        write_csv(rows, csv)


def _days(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _LONGEST:
        message = f"{value!r} is not a number of days from 1 to {_LONGEST}"
        raise argparse.ArgumentTypeError(message)
    return int(value)
