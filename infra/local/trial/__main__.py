"""Show what the Spot VMs of a real project cost: reads with your own login, deploys nothing, writes nothing.

python -m infra.local.trial --projects my-project-1,folders/123456789012 --days 7 --budget 1000
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rich.console import Console

from infra.local.bigquery.job_requests import LOCATION
from infra.local.bigquery.tables import create_dataset, create_views, local_client
from infra.local.stack.browser import open_page
from infra.local.stack.processes import Processes, StartError, interrupt_once
from infra.local.stack.stack import DATASET, STATE, serve_bigquery
from infra.local.trial import findings
from infra.local.trial.access import Access, list_one, readable, usable_quota_project
from infra.local.trial.backfill import backfill, hours_of
from infra.local.trial.projects import expanded, named
from infra.local.trial.reading import ReadingLogin
from infra.local.trial.steps import step
from spotkeeper.cli.check import check_lines, run_checks, summary
from spotkeeper.cli.cost import label_and_value
from spotkeeper.cli.report import check_packages, write_report
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.errors import RefusedRequestError, SettingsError, UnavailableError
from spotkeeper.gcp.bigquery.run_costs import RunCosts
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.http_calls import calling_with, credentials, is_local
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.periods import parse_time
from spotkeeper.settings import Endpoints, raise_problems, read_endpoints, setting_fields
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.values import amount, from_text

HOME_PROJECT = "spotkeeper-trial"
"""The project of the local tables; there is none of that name in Google Cloud."""

MOST_DAYS = 41
"""Cloud Monitoring keeps the uptime for six weeks."""

RETRY_TIMEOUT_SECONDS = 60
_LARGEST_BUDGET = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Options:
    """What a trial reads and writes: projects and folders, days, a budget, a label, the present time, the report."""

    names: tuple[str, ...]
    days: int
    budget: Decimal | None
    label: tuple[str, str] | None
    now: datetime
    report: Path
    endpoints: Endpoints


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a trial; 1 when it cannot be run or a check fails, 2 when an argument is wrong, 130 when interrupted."""
    options = _options(arguments)
    interrupt_once()
    logging.getLogger("spotkeeper").addHandler(logging.NullHandler())
    logging.getLogger("spotkeeper").propagate = False
    console = Console()
    try:
        check_packages()
        with tempfile.TemporaryDirectory(prefix="spotkeeper-trial-") as folder:
            return _run(options, Path(folder), console)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running, and nothing was written.")
        return 130
    except (StartError, SettingsError, RefusedRequestError, UnavailableError) as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True, highlight=False)
        return 1


def _run(options: Options, folder: Path, console: Console) -> int:
    login = ReadingLogin(credentials(None))
    with calling_with(login), Processes(folder / "logs") as processes:
        with step(console, "Starting the local BigQuery"):
            endpoint = serve_bigquery(processes, folder, kept=True, project_id=HOME_PROJECT)
            client = local_client(endpoint, HOME_PROJECT)
            create_dataset(client, DATASET)
        endpoints = replace(options.endpoints, bigquery=endpoint)
        with step(console, "Asking what this login may read"):
            access = _access(options, endpoints, login)
        if not access.projects:
            findings.show_gaps((), access.left_out, console)
            message = "no project can be read: nothing to show"
            raise UnavailableError(message)
        hours = hours_of(options.days, options.now)
        settings = _tracker_settings(access.projects, endpoints)
        with step(console, f"Reading and pricing {options.days} days") as reading:
            gaps = backfill(settings, access.ports, hours, options.now, reading)
        cost = findings.show_cost(client, hours, access.projects, console)
        findings.show_gaps(gaps, access.left_out, console)
        if options.budget is not None and cost:
            findings.show_plan(_enforcer_settings(settings), options.budget, cost, options.now, console)
        if options.label is not None:
            findings.show_run(_run_costs(endpoint), options.label, hours, console)
        failed = _check_and_report(options, endpoint, console)
        findings.show_next_steps(access.projects, options.budget, console)
        if login.refused:
            message = f"calls that do not read were refused: {', '.join(login.refused)}"
            raise UnavailableError(message)
        return failed


def _access(options: Options, endpoints: Endpoints, login: ReadingLogin) -> Access:
    retry_timeout = timedelta(seconds=RETRY_TIMEOUT_SECONDS)
    calls = compute_calls(endpoints.compute, retry_timeout)

    def projects() -> tuple[str, ...]:
        return expanded(options.names, endpoints, retry_timeout)

    quota_project = usable_quota_project(login, [projects, lambda: list_one(calls, options.names[0], "instances")])
    found = projects()
    if not found:
        message = f"{', '.join(options.names)}: no active project is in there"
        raise UnavailableError(message)
    access = readable(found, tracker_ports(_tracker_settings(found, endpoints)), calls, options.now)
    return replace(access, left_out=(*quota_project, *access.left_out))


def _check_and_report(options: Options, endpoint: str, console: Console) -> int:
    """Make the views, run the checks, and write the report; 1 when a check failed."""
    variables = {"PROJECT_ID": HOME_PROJECT, "DATASET": DATASET, "BIGQUERY_ENDPOINT": endpoint}
    with step(console, "Creating the views"):
        create_views(local_client(endpoint, HOME_PROJECT), DATASET, options.now)
    with step(console, "Checking the recorded figures"):
        checks = run_checks(variables, options.now)
    failed = any(each.found.row_count for each in checks)
    for line in check_lines(checks) if failed else [f"\n{summary(checks)}: the figures are consistent."]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    with step(console, "Writing the report"):
        options.report.parent.mkdir(parents=True, exist_ok=True)
        write_report(variables, options.days + 1, options.now, options.report)
    console.print(f"The report is in {options.report}.", highlight=False, soft_wrap=True)
    open_page(options.report, console)
    return 1 if failed else 0


def _run_costs(endpoint: str) -> RunCosts:
    return RunCosts(HOME_PROJECT, DATASET, endpoint, timedelta(seconds=RETRY_TIMEOUT_SECONDS))


def _tracker_settings(projects: Sequence[str], endpoints: Endpoints) -> TrackerSettings:
    """The tracker's settings: it sends no alert and writes no metric."""
    return TrackerSettings(
        project_id=HOME_PROJECT,
        projects=tuple(sorted(projects)),
        dataset=DATASET,
        dataset_location=LOCATION,
        audit_log_history=True,
        custom_metrics=False,
        retry_timeout_seconds=RETRY_TIMEOUT_SECONDS,
        endpoints=endpoints,
    )


def _enforcer_settings(tracker: TrackerSettings) -> EnforcerSettings:
    """The enforcer's settings for the same projects, with the policy's defaults."""
    policy = {"budgets": {findings.BUDGET_ID: {"projects": list(tracker.projects)}}}
    return EnforcerSettings(
        project_id=tracker.project_id,
        mode=Mode.DRY_RUN,
        policy=Policy.from_json(json.dumps(policy)),
        dataset=tracker.dataset,
        dataset_location=tracker.dataset_location,
        retry_timeout_seconds=tracker.retry_timeout_seconds,
        endpoints=tracker.endpoints,
    )


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="make try", description="What the Spot VMs of your projects cost; read-only.")
    parser.add_argument("--projects", type=_names, required=True, help="project ids, folders/N, organizations/N")
    parser.add_argument("--days", type=_days, default=7, help=f"1 to {MOST_DAYS} (default: %(default)s)")
    parser.add_argument("--budget", type=_budget, help="a monthly budget in USD: what its end would stop")
    parser.add_argument(
        "--label", type=label_and_value, help="KEY=VALUE: the cost of the VMs with this label, as of spotkeeper cost"
    )
    parser.add_argument("--report", type=Path, default=STATE / "try.html", help="file to write (default: %(default)s)")
    parser.add_argument("--at", type=_time, help="another present time, for a replay against emulators")
    parsed = parser.parse_args(arguments)
    found = setting_fields(os.environ)
    endpoints = read_endpoints(found)
    try:
        raise_problems(found)
    except SettingsError as error:
        parser.error(str(error))
    unguarded = [name for name, address in endpoints.addresses().items() if is_local(address)]
    if unguarded:
        parser.error(f"{', '.join(unguarded)} is http://: calls without TLS are not signed, and so not checked")
    now = parsed.at or datetime.now(UTC)
    return Options(parsed.projects, parsed.days, parsed.budget, parsed.label, now, parsed.report, endpoints)


def _names(value: str) -> tuple[str, ...]:
    try:
        return named(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _days(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_DAYS:
        message = f"{value!r} is not a number of days from 1 to {MOST_DAYS}"
        raise argparse.ArgumentTypeError(message)
    return int(value)


def _budget(value: str) -> Decimal:
    try:
        return from_text(amount(_LARGEST_BUDGET, "an amount above 0 such as 1000"))(value)
    except ValueError as error:
        message = f"{value!r} must be {error}"
        raise argparse.ArgumentTypeError(message) from error


def _time(value: str) -> datetime:
    try:
        return parse_time("--at", value)
    except RefusedRequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
