"""`check`: test the recorded tables against the invariants in sql/checks."""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_variables,
    dataset_settings,
)
from spotkeeper.cli.output import Format, Row, add_format_argument, as_csv, as_json
from spotkeeper.cli.product_files import filled, sql_files
from spotkeeper.cli.terminal import progress
from spotkeeper.periods import rfc3339

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.check_queries import Found

_HEADER = re.compile(r"(?:-- .*\n|--\n)+")
_GRAIN = "Grain: "

FIELDS = ("check", "rows_found", "invariant")
"""The fields of a check in CSV; the JSON also has `first_rows`."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check, its invariant and the rows that violate it."""

    name: str
    invariant: str
    found: "Found"


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "check",
        summary="check that the recorded figures are consistent",
        description="Run every query of sql/checks on the dataset; each returns the rows that violate an invariant. "
        "Exit code 0: none returns a row; 1: one does; 2: one could not be run.",
        examples=("--project my-project-1", "--project my-project-1 --format json"),
    )
    add_dataset_arguments(parser)
    add_time_argument(parser, "check as of this time")
    add_format_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each check and a summary; 1 when one found rows."""
    variables = chosen_variables(arguments)
    with progress("Running the checks"):
        checks = run_checks(variables, arguments.at or datetime.now(UTC))
    match Format(arguments.format):
        case Format.JSON:
            print(as_json([{**_fields(check), "first_rows": list(check.found.first)} for check in checks]))
        case Format.CSV:
            print(as_csv(FIELDS, [_fields(check) for check in checks]))
        case Format.TABLE:
            for line in check_lines(checks):
                print(line)
    return 1 if any(check.found.row_count for check in checks) else 0


def run_checks(variables: Mapping[str, str], now: datetime) -> list[Check]:
    """Run all checks as of a time."""
    from spotkeeper.gcp.bigquery.check_queries import CheckQueries

    settings = dataset_settings(variables)
    texts = sql_files("checks")
    dataset = f"{settings.project_id}.{settings.dataset}"
    queries = {name: filled(query, dataset=dataset, now=f"TIMESTAMP '{rfc3339(now)}'") for name, query in texts.items()}
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    found = CheckQueries(settings.project_id, settings.endpoints.bigquery, retry_timeout).run(queries)
    return [Check(name, invariant_of(query), found[name]) for name, query in texts.items()]


def check_lines(checks: list[Check]) -> Iterator[str]:
    """Yield a line for each check with the first rows that it found, and a summary."""
    for check in checks:
        count = check.found.row_count
        yield f"{'ok' if count == 0 else f'FOUND {_rows(count)}'}  {check.name}: {check.invariant}"
        for row in check.found.first:
            yield "    " + ", ".join(f"{name}={_shown(value)}" for name, value in row.items())
        if count > len(check.found.first):
            yield f"    and {_rows(count - len(check.found.first))} more"
    failed = sum(check.found.row_count > 0 for check in checks)
    yield summary(checks) if failed == 0 else f"check: FAILED: {failed} of {len(checks)} checks found rows"


def _fields(check: Check) -> Row:
    return {"check": check.name, "rows_found": check.found.row_count, "invariant": check.invariant}


def summary(checks: list[Check]) -> str:
    """Return the summary when no check found a row."""
    return f"{len(checks)} checks, all passed"


def invariant_of(query: str) -> str:
    """Return the invariant that a check tests: the header of the query before its grain."""
    header = _HEADER.match(query)
    words = " ".join(header[0].replace("--", " ").split()) if header else ""
    return words.partition(_GRAIN)[0].removeprefix("Invariant: ").strip()


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, date) else str(value)
