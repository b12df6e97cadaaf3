"""Run spotkeeper on this machine.

`run` is a demo of a month of a Spot fleet, `serve` serves its tables, `report` writes their report.
"""

import argparse
import shlex
import sys
import threading
from pathlib import Path

from rich.console import Console

from infra.local.demo.afternoon import END, run_afternoon, show_afternoon
from infra.local.demo.costs import check, show_costs
from infra.local.demo.month import MONTHLY_BUDGET, SETTINGS, month_calls, track
from infra.local.demo.report import report
from infra.local.demo.summary import read_story, summary_lines
from infra.local.demo.work_records import load_work
from infra.local.fleet.company import EXPERIMENT, MONTH_START, SWEEP
from infra.local.stack.browser import open_page
from infra.local.stack.lock import exclusive
from infra.local.stack.processes import Processes, StartError, interrupt_once
from infra.local.stack.stack import HOME_PROJECT, STATE, Stack, running_stack, serve_bigquery

QUERY = (
    "SELECT machine_type, ROUND(SUM(uptime_hours), 2) AS hours, ROUND(SUM(cost), 4) AS cost_usd "
    "FROM cost_tracking.spot_vm_costs WHERE usage_start_time >= '2026-07-01' GROUP BY machine_type "
    "ORDER BY cost_usd DESC"
)


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="infra.local", description=__doc__)
    parser.add_argument("command", choices=["run", "serve", "report"])
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--dry-run", action="store_true", help="plan stops, but stop nothing")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every table of the demo")
    parser.add_argument("--open", action="store_true", help="open the report in a browser, where there is one")
    parser.add_argument("--state", type=Path, default=STATE, help="the folder of data and logs")
    arguments = parser.parse_args()
    interrupt_once()
    console = Console()
    try:
        with exclusive(arguments.state):
            if arguments.command == "serve":
                _serve(console, arguments.state)
            elif arguments.command == "report":
                _report(console, arguments.state)
            else:
                _run(console, arguments)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        return 130
    except StartError as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    return 0


def _run(console: Console, arguments: argparse.Namespace) -> None:
    state: Path = arguments.state
    extra = SETTINGS | ({"ENFORCEMENT_MODE": "dry_run"} if arguments.dry_run else {})
    with running_stack(state, extra=extra, kept=True, company=True) as stack:
        track(stack, console, list(month_calls()))
        with console.status("A sweep is left running: alerts, plans and stops of the afternoon"):
            titles = run_afternoon(stack)
            load_work(stack, END)
        if arguments.verbose:
            show_costs(stack, MONTH_START, END, console)
            show_afternoon(stack, titles, console)
        with console.status("Creating the views and drawing the report"):
            page = report(stack.bigquery, state)
        with console.status("Checking the recorded figures"):
            passed = check(stack.bigquery, END)
        if arguments.verbose:
            console.print(
                f"\nThe data is in {state / 'data'}, the functions' logs in {state / 'logs'}.", soft_wrap=True
            )
        console.print()
        for line in summary_lines(read_story(stack)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        console.print(f"\n{passed}. The report:\n{page.resolve().as_uri()}", highlight=False, soft_wrap=True)
        if arguments.open:
            open_page(page, console)
        if arguments.keep:
            _print_next_steps(stack, state, console)
            _wait(console)
        else:
            console.print(
                "More: make run VERBOSE=1; keep all running: make run KEEP=1; query: make serve.",
                soft_wrap=True,
            )


def _print_next_steps(stack: Stack, state: Path, console: Console) -> None:
    settings = state / "settings.env"
    settings.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in stack.settings.items()))
    amounts = f"--cost {MONTHLY_BUDGET * 6 // 5} --budget {MONTHLY_BUDGET}"
    at = f"--at {END:%Y-%m-%dT%H:%M:%SZ}"
    questions = {
        "Is it healthy?": f"status {at}",
        "Cost by day": f"costs --by day --since 30d {at}",
        "The ten dearest VMs of a day": f"top {at}",
        "Cost of a training run with two preemptions, and of the sweep": f"cost --work {EXPERIMENT}",
        "": f"cost --label experiment={SWEEP} {at}",
        "What would be stopped at 120 % of the budget?": f"plan {amounts} {at}",
        "Does the path of a budget notification work?": f"drill {amounts} {at}",
    }
    spotkeeper = f"  {sys.executable} -m spotkeeper"
    for line in (
        "Everything keeps running. In another terminal:",
        f"  set -a; . {settings}; set +a",
        *(line for title, command in questions.items() for line in (title, f"{spotkeeper} {command}") if line),
        "Query the tables:",
        _bq(stack.bigquery),
        "Record an hour again:",
        (
            f"  curl -X POST {stack.functions['track_spot_costs']} "
            "-H 'X-CloudScheduler-ScheduleTime: 2026-07-22T16:20:00Z' "
            """-d '{"start": "2026-07-21T05:00:00Z", "end": "2026-07-21T06:00:00Z"}'"""
        ),
    ):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _report(console: Console, state: Path) -> None:
    _check_data(state)
    with Processes(state / "logs") as processes:
        page = report(serve_bigquery(processes, state, kept=True), state)
    console.print(f"The report:\n{page.resolve().as_uri()}", highlight=False, soft_wrap=True)


def _check_data(state: Path) -> None:
    if not (state / "data" / f"{HOME_PROJECT}.project").exists():
        message = f"there is no data in {state / 'data'} yet: make run writes it"
        raise StartError(message)


def _serve(console: Console, state: Path) -> None:
    _check_data(state)
    with Processes(state / "logs") as processes:
        console.print("The tables of the last run are served. Query them:")
        console.print(_bq(serve_bigquery(processes, state, kept=True)), soft_wrap=True)
        _wait(console)


def _bq(endpoint: str) -> str:
    options = f"--api {endpoint} --project_id {HOME_PROJECT} --oauth_access_token=x"
    return f'  bq {options} query --use_legacy_sql=false "{QUERY}"'


def _wait(console: Console) -> None:
    console.print("Press Ctrl-C to stop.")
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
