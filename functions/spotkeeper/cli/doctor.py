"""`doctor`: check a deployment; print the fix for each problem."""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import (
    add_dataset_arguments,
    add_time_argument,
    chosen_project,
    dataset_settings,
)
from spotkeeper.cli.deployed_settings import RETRY_TIMEOUT_SECONDS, add_region_argument, platform_endpoint
from spotkeeper.cli.output import Format, add_format_argument, as_csv, as_json
from spotkeeper.cli.terminal import Color, painted, progress
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.findings import Finding, State
from spotkeeper.tracking.settings import TrackerSettings

FIELDS = ("about", "state", "sentence", "fix")
"""The fields of a finding in JSON and CSV."""

_ORDER = (State.PROBLEM, State.UNKNOWN, State.OK)
_COLORS = {State.PROBLEM: Color.RED, State.UNKNOWN: Color.YELLOW, State.OK: Color.GREEN}
_REACHED = ("COMPUTE_ENDPOINT", "ASSETS_ENDPOINT", "LOGGING_ENDPOINT", "BILLING_ENDPOINT")


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "doctor",
        summary="check a deployment; print the fix for each problem",
        description="Check what `terraform plan` cannot show: freshness of records, dead letters, the path of budget "
        "notifications, rights, and changes by hand. Read-only. Exit code 0: no problem; 1: a problem; 2: not read.",
        examples=("--project my-project-1", "--project my-project-1 --problems", "--project my-project-1 --probe"),
    )
    add_dataset_arguments(parser)
    add_region_argument(parser)
    parser.add_argument(
        "--role-suffix", metavar="S", help="the end of the names of the custom roles (custom_role_suffix)"
    )
    add_time_argument(parser, "compare the records with this time")
    parser.add_argument(
        "--probe",
        action="store_true",
        help="check the assumptions about Google Cloud that reads can show, nothing else",
    )
    parser.add_argument("--problems", action="store_true", help="print the problems only")
    add_format_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 when there is a problem."""
    suffix = arguments.role_suffix or ""
    installation = Installation(chosen_project(arguments), arguments.dataset, arguments.region, suffix)
    read = probe if arguments.probe else examine
    with progress("Reading the deployment"):
        findings = read(installation, os.environ, arguments.at or datetime.now(UTC))
    shown = sorted(findings, key=lambda each: _ORDER.index(each.state))
    if arguments.problems:
        shown = [each for each in shown if each.state is State.PROBLEM]
    match Format(arguments.format):
        case Format.JSON:
            print(as_json(as_object(installation, findings, shown)))
        case Format.CSV:
            print(as_csv(FIELDS, [asdict(each) for each in shown]))
        case Format.TABLE:
            for line in lines(findings, shown):
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
    platform = PlatformReader(installation, platform_endpoint(variables), retry_timeout).read(now)
    records = RecordsReader(installation, settings.endpoints.bigquery, retry_timeout).read(
        now, priority_label(platform)
    )
    return diagnose(installation, platform, records, now)


def probe(installation: Installation, variables: Mapping[str, str], now: datetime) -> list[Finding]:
    """Run the probes and return the findings."""
    from spotkeeper.gcp.probes import Prober

    settings = _settings(installation, variables)
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return list(Prober(installation, settings.endpoints, platform_endpoint(variables), retry_timeout).findings(now))


def _settings(installation: Installation, variables: Mapping[str, str]) -> TrackerSettings:
    asked = {"PROJECT_ID": installation.project_id, "DATASET": installation.dataset}
    timeout_seconds = variables.get("RETRY_TIMEOUT_SECONDS") or RETRY_TIMEOUT_SECONDS
    reached = {name: address for name in _REACHED if (address := variables.get(name))}
    return dataset_settings({**variables, **asked, "RETRY_TIMEOUT_SECONDS": timeout_seconds}, reached)


def lines(findings: list[Finding], shown: list[Finding]) -> Iterator[str]:
    """Yield a line for each finding that is shown, the fix of each problem, and a summary of all findings."""
    for finding in shown:
        state = painted(f"{finding.state:<7}", _COLORS[finding.state])
        yield f"{state}  {finding.about}: {finding.sentence}"
        if finding.fix:
            yield f"         -> {finding.fix}"
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    yield (
        f"doctor: {counts[State.OK]} ok, {_count(counts[State.PROBLEM], 'problem')}, {counts[State.UNKNOWN]} unknown"
    )


def as_object(installation: Installation, findings: list[Finding], shown: list[Finding]) -> dict[str, object]:
    """Return the counts of all findings, and the findings that are shown, for a program to read."""
    return {
        "project": installation.project_id,
        "dataset": installation.dataset,
        **{f"{state}_count": sum(finding.state is state for finding in findings) for state in State},
        "findings": [asdict(finding) for finding in shown],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
