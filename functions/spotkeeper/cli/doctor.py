"""`doctor`: check a deployment; print the fix for each problem."""

import argparse
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

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
from spotkeeper.tracking.settings import TrackerSettings

_REGION = re.compile(r"([a-z]+-)?[a-z]+-[a-z]+\d+")
_REACHED = ("COMPUTE_ENDPOINT", "ASSETS_ENDPOINT", "LOGGING_ENDPOINT")
_RETRY_TIMEOUT_SECONDS = "10"
"""The default of RETRY_TIMEOUT_SECONDS for an interactive command."""


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a deployment; print the fix for each problem",
        description="Check what `terraform plan` cannot show: freshness of records, dead letters, the path of budget "
        "notifications, rights, and changes by hand. Read-only. Exit code 0: no problem; 1: a problem; 2: not read.",
    )
    add_dataset_arguments(parser)
    parser.add_argument(
        "--region", metavar="R", type=_region, help="region of the functions (default: where they are found)"
    )
    parser.add_argument(
        "--role-suffix", metavar="S", help="the end of the names of the custom roles (custom_role_suffix)"
    )
    add_time_argument(parser, "compare the records with this time")
    parser.add_argument(
        "--probe",
        action="store_true",
        help="check the assumptions about Google Cloud that reads can show, nothing else",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 when there is a problem."""
    suffix = arguments.role_suffix or ""
    installation = Installation(chosen_project(arguments), arguments.dataset, arguments.region, suffix)
    read = probe if arguments.probe else examine
    findings = read(installation, os.environ, arguments.at or datetime.now(UTC))
    if arguments.json:
        print(json.dumps(as_json(installation, findings), indent=2))
    else:
        for line in lines(findings):
            print(line)
    return 1 if any(finding.state is State.PROBLEM for finding in findings) else 0


def examine(installation: Installation, variables: Mapping[str, str], now: datetime) -> list[Finding]:
    """Read the deployment and return the findings."""
    from spotkeeper.doctor.diagnosis import diagnose
    from spotkeeper.doctor.functions import priority_label
    from spotkeeper.gcp.bigquery.deployment_tables import RecordsReader
    from spotkeeper.gcp.deployment import PlatformReader

    settings = _settings(installation, variables)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    platform = PlatformReader(installation, _endpoint(variables), retry_timeout).read(now)
    records = RecordsReader(installation, settings.endpoints.bigquery, retry_timeout).read(
        now, priority_label(platform)
    )
    return diagnose(installation, platform, records, now)


def probe(installation: Installation, variables: Mapping[str, str], now: datetime) -> list[Finding]:
    """Run the probes and return the findings."""
    from spotkeeper.gcp.probes import Prober

    settings = _settings(installation, variables)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return list(Prober(installation, settings.endpoints, _endpoint(variables), retry_timeout).findings(now))


def _settings(installation: Installation, variables: Mapping[str, str]) -> TrackerSettings:
    asked = {"PROJECT_ID": installation.project_id, "DATASET": installation.dataset}
    timeout_seconds = variables.get("RETRY_TIMEOUT_SECONDS") or _RETRY_TIMEOUT_SECONDS
    reached = {name: address for name in _REACHED if (address := variables.get(name))}
    return dataset_settings({**variables, **asked, "RETRY_TIMEOUT_SECONDS": timeout_seconds}, reached)


def lines(findings: list[Finding]) -> Iterator[str]:
    """Yield a line for each finding, the fix of each problem, and a summary."""
    for finding in findings:
        yield f"{finding.state:<7}  {finding.about}: {finding.sentence}"
        if finding.fix:
            yield f"         -> {finding.fix}"
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    yield (
        f"doctor: {counts[State.OK]} ok, {_count(counts[State.PROBLEM], 'problem')}, {counts[State.UNKNOWN]} unknown"
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
    """The address of an emulator that serves all services but BigQuery; None means Google's."""
    address = variables.get("PLATFORM_ENDPOINT", "").strip() or None
    if address and not re.fullmatch(r"(https?://)?[^/\s:]+(:\d+)?", address):
        message = f"PLATFORM_ENDPOINT is {address!r}, but must be an address such as http://127.0.0.1:9050"
        raise SettingsError(message)
    return address


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        message = f"{value!r} is not a region such as us-central1"
        raise argparse.ArgumentTypeError(message)
    return value
