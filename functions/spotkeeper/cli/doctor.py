"""`doctor`: check a deployment; print the fix for each problem."""

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from spotkeeper.cli.checkout import sql_files
from spotkeeper.cli.commands import Subparsers
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_project,
    dataset_settings,
)
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.findings import Finding, State
from spotkeeper.errors import SettingsError

if TYPE_CHECKING:
    from spotkeeper.doctor.facts import Table

_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_PATIENCE_SECONDS = "10"
"""How long a failing call is tried again unless RETRY_TIMEOUT_SECONDS says otherwise: a person waits."""


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a deployment; print the fix for each problem",
        description="Look at everything that a deployment is made of, change nothing, and say of each part whether it "
        "is as it should be. Exit code 0: no problem was found; 1: one was; 2: the project could not be looked at.",
    )
    add_dataset_arguments(parser)
    parser.add_argument("--region", metavar="R", type=_region, help="of the functions (where they are found)")
    add_time_argument(parser, "the time to compare what was recorded with")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 when there is a problem."""
    installation = Installation(chosen_project(arguments), arguments.dataset, arguments.region)
    findings = examine(installation, os.environ, arguments.at or datetime.now(UTC))
    if arguments.json:
        print(json.dumps(as_json(installation, findings), indent=2))
    else:
        for line in lines(findings):
            print(line)
    return 1 if any(finding.state is State.PROBLEM for finding in findings) else 0


def examine(installation: Installation, variables: Mapping[str, str], now: datetime) -> list[Finding]:
    """Look at the deployment and return what is to be said of it."""
    from spotkeeper.doctor.diagnosis import diagnose
    from spotkeeper.gcp.bigquery.deployment_tables import RecordsReader
    from spotkeeper.gcp.deployment import PlatformReader

    asked = {"PROJECT_ID": installation.project_id, "DATASET": installation.dataset}
    patience_seconds = variables.get("RETRY_TIMEOUT_SECONDS") or _PATIENCE_SECONDS
    settings = dataset_settings({**variables, **asked, "RETRY_TIMEOUT_SECONDS": patience_seconds})
    patience = timedelta(seconds=settings.retry_timeout_seconds)
    tables, views = expected_tables(), expected_views()
    platform = PlatformReader(installation, _endpoint(variables), patience).read(now)
    records = RecordsReader(installation, settings.endpoints.bigquery, patience).read(tables, now)
    return diagnose(installation, platform, records, (tables, views), now)


def expected_tables() -> dict[str, "Table"]:
    """Return the tables that sql/tables describes."""
    from spotkeeper.gcp.bigquery.deployment_tables import table_from

    return {name: table_from(json.loads(text)) for name, text in sql_files("tables").items()}


def expected_views() -> frozenset[str]:
    """Return the names of the views, without the one that needs a billing export."""
    return frozenset(name for name, text in sql_files("views").items() if "${billing_export_table}" not in text)


def lines(findings: list[Finding]) -> Iterator[str]:
    """Yield a line for each finding, with what mends it, and the sum."""
    for finding in findings:
        yield f"{finding.state:<7}  {finding.about}: {finding.sentence}"
        if finding.mend:
            yield f"         -> {finding.mend}"
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    yield (
        f"doctor: {counts[State.OK]} ok, {_count(counts[State.PROBLEM], 'problem')}, {counts[State.UNKNOWN]} not known"
    )


def as_json(installation: Installation, findings: list[Finding]) -> dict[str, object]:
    """Return the findings for a program to read."""
    return {
        "project": installation.project_id,
        "dataset": installation.dataset,
        **{f"{state}_count": sum(finding.state is state for finding in findings) for state in State},
        "findings": [asdict(finding) for finding in findings],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _endpoint(variables: Mapping[str, str]) -> str | None:
    """Where all of Google's services but BigQuery are reached: an emulator serves them at one address."""
    address = variables.get("PLATFORM_ENDPOINT", "").strip() or None
    if address and not re.fullmatch(r"(https?://)?[^/\s:]+(:\d+)?", address):
        message = f"PLATFORM_ENDPOINT is {address!r}, but must be an address such as http://127.0.0.1:9050"
        raise SettingsError(message)
    return address


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        message = f"{value!r} is no region such as us-central1"
        raise argparse.ArgumentTypeError(message)
    return value
