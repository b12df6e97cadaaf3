"""`drill`: publish a test notification to the budget topic, and show the plan that the function records."""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.deployed_settings import deployed_project, enforcer_settings
from spotkeeper.cli.enforcer_arguments import add_budget_arguments, attributes, body, chosen_rule, time_of
from spotkeeper.cli.output import Format, as_csv, as_json
from spotkeeper.cli.planned_groups import group_lines, recorded_groups
from spotkeeper.cli.planned_vms import FIELDS, Choice, PlannedVm, total_line, vm_lines
from spotkeeper.cli.terminal import progress, width
from spotkeeper.doctor.deployment import Installation
from spotkeeper.enforcement.notifications import DRILL, REPLAYED_AT
from spotkeeper.enforcement.verdicts import PLANNING
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339

_LONGEST_WAIT = 3600


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "drill",
        summary="test the path of a budget notification end to end; nothing is stopped",
        description="Publish a test notification to the budget topic, wait until the function has recorded its plan, "
        "and print the plan and the missing permissions. Exit code 1: one is missing, or nothing was recorded.",
        examples=(
            "--project my-project-1 --cost 1200 --budget 1000",
            "--project my-project-1 --cost 1200 --budget 1000 --wait 300",
        ),
    )
    add_budget_arguments(parser)
    parser.add_argument(
        "--topic",
        default=os.environ.get("BUDGET_TOPIC"),
        help="the budget topic, projects/P/topics/T (BUDGET_TOPIC, or that of the deployment)",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=120,
        help="how long to wait (default: %(default)s)",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Publish the notification and print the plan; return 1 when a permission or the plan is missing."""
    from spotkeeper.gcp.enforcer import enforcement_records
    from spotkeeper.gcp.topic import publish

    topic = _topic(arguments)
    with progress("Reading the settings of the function"):
        settings = enforcer_settings(arguments)
    rule = chosen_rule(settings, arguments.budget_id)
    at = time_of(arguments)
    marks = {**attributes(settings, rule), DRILL: "true", REPLAYED_AT: rfc3339(at)}
    with progress("Publishing the test message"):
        retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
        message_id = publish(topic, body(arguments, rule, at), marks, retry_timeout)
    output = Format(arguments.format)
    if output is Format.TABLE:
        print(f"Published test message {message_id}; waiting for its plan ...", flush=True)
    records = enforcement_records(settings)
    deadline = time.monotonic() + arguments.wait
    with progress("Waiting for the plan"):
        while not (found := records.recorded(message_id, at)) and time.monotonic() < deadline:
            time.sleep(1)
    if not found:
        message = f"no plan was recorded within {arguments.wait} seconds: is the function subscribed to {topic}?"
        print(as_json({"message_id": message_id, "error": message}) if output is Format.JSON else f"drill: {message}")
        return 1
    _show(message_id, found, output, every=arguments.all)
    return 1 if found[0]["missing_permissions"] else 0


def _show(message_id: str, rows: Sequence[dict[str, Any]], output: Format, *, every: bool) -> None:
    match output:
        case Format.JSON:
            print(as_json(as_object(message_id, rows)))
        case Format.CSV:
            print(as_csv(FIELDS, [vm.fields() for vm in recorded_vms(rows)]))
        case Format.TABLE:
            for line in drill_lines(rows, every=every, columns=width()):
                print(line)


def drill_lines(rows: Sequence[dict[str, Any]], *, every: bool = False, columns: int | None = None) -> Iterator[str]:
    """Yield what was recorded of a drill in the words of `plan`, and the permissions that are missing."""
    delivery, vms = rows[0], recorded_vms(rows)
    yield f"{delivery['verdict']}: {delivery['reason']}"
    for gap in delivery["gaps"]:
        yield f"could not be read: {gap}"
    if vms:
        yield total_line(vms)
        yield from group_lines(recorded_groups(rows), width=columns)
        yield from vm_lines(vms, every=every, width=columns)
        yield ""
        yield total_line(vms)
    for permission in delivery["missing_permissions"]:
        yield f"missing permission: {permission}"
    if delivery["verdict"] not in PLANNING:
        yield "No plan was made, and no permission was checked: at this spend nothing is stopped."
    elif not delivery["missing_permissions"]:
        yield "No permission is missing. Nothing was stopped: this was a drill."


def as_object(message_id: str, rows: Sequence[dict[str, Any]]) -> dict[str, object]:
    """Return what was recorded of a drill for a program to read."""
    delivery = rows[0]
    return {
        "message_id": message_id,
        "verdict": delivery["verdict"],
        "reason": delivery["reason"],
        "gaps": list(delivery["gaps"]),
        "missing_permissions": list(delivery["missing_permissions"]),
        "groups": [group.fields() for group in recorded_groups(rows)],
        "vms": [vm.fields() for vm in recorded_vms(rows)],
    }


_CHOICES = {"planned": Choice.STOP, "restart_planned": Choice.START}


def recorded_vms(rows: Sequence[dict[str, Any]]) -> Sequence[PlannedVm]:
    """Return every VM of a recorded plan, the stops or starts first."""
    return [
        PlannedVm(
            _CHOICES.get(row["event"], Choice.SPARE),
            row["rank"],
            row["instance_name"],
            row["project_id"],
            row["zone"],
            row["machine_type"],
            row["priority"],
            row["hourly_savings"],
            row["hourly_ending_attached"],
            row["hourly_disk_cost"],
            row["hourly_address_cost"],
            row["action_reason"],
        )
        for row in rows
        if row["event"] and row["autoscaling_mode"] is None
    ]


def _topic(arguments: argparse.Namespace) -> str:
    """The topic that is named, or that of the deployment; raises RefusedRequestError when there is neither."""
    project = deployed_project(arguments, os.environ)
    if not arguments.topic and project is None:
        message = "--topic is missing: set it, or BUDGET_TOPIC, to projects/PROJECT/topics/TOPIC"
        raise RefusedRequestError(message)
    return str(arguments.topic or Installation(project or "", "").topic)


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_WAIT:
        message = f"{text!r} is not a number of seconds from 1 to {_LONGEST_WAIT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
