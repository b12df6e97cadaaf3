"""A command of an operator: publish it to the approvals topic, and show what the function did."""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spotkeeper.cli.deployed_settings import add_deployment_arguments, deployed_project, enforcer_settings
from spotkeeper.cli.drill import recorded_vms
from spotkeeper.cli.output import Format, add_format_argument, as_csv, as_json
from spotkeeper.cli.planned_groups import recorded_groups
from spotkeeper.cli.planned_vms import FIELDS
from spotkeeper.cli.terminal import progress
from spotkeeper.doctor.deployment import Installation
from spotkeeper.enforcement.notifications import REPLAYED_AT
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339

_LONGEST_WAIT = 3600
_PLANNED = ("planned", "restart_planned", "spared")


def add_command_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the function is, its approvals topic, and how long to wait for what it does."""
    add_deployment_arguments(parser)
    parser.add_argument(
        "--topic",
        default=os.environ.get("APPROVALS_TOPIC"),
        help="the approvals topic, projects/P/topics/T (APPROVALS_TOPIC, or that of the deployment)",
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=120,
        help="how long to wait (default: %(default)s)",
    )
    add_format_argument(parser)


def send_command(arguments: argparse.Namespace, command: Mapping[str, str], done: str) -> int:
    """Publish a command and print what the function recorded; return 1 unless its verdict is the one named `done`."""
    from spotkeeper.gcp.enforcer import enforcement_records
    from spotkeeper.gcp.topic import publish

    topic, now = _topic(arguments), datetime.now(UTC)
    with progress("Reading the settings of the function"):
        settings = enforcer_settings(arguments)
    with progress("Publishing the command"):
        retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
        attributes = {REPLAYED_AT: rfc3339(now)}
        message_id = publish(topic, json.dumps(command).encode(), attributes, retry_timeout)
    records = enforcement_records(settings)
    deadline = time.monotonic() + arguments.wait
    with progress("Waiting for the function"):
        while not (found := records.recorded(message_id, now)) and time.monotonic() < deadline:
            time.sleep(1)
    if not found:
        message = f"nothing was recorded within {arguments.wait} seconds: is the function subscribed to {topic}?"
        print(as_json({"message_id": message_id, "error": message}) if _is_json(arguments) else message)
        return 1
    _show(message_id, found, Format(arguments.format))
    return 0 if found[0]["verdict"] == done else 1


def command_lines(message_id: str, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the verdict of the function and what it planned for each VM; the outcomes may not be recorded yet."""
    yield f"{rows[0]['verdict']}: {rows[0]['reason']}"
    for row in rows:
        if row["event"] in _PLANNED:
            yield f"{row['event'].replace('_', ' ')}: {row['instance_name']} ({row['project_id']}, {row['zone']})"
    for group in recorded_groups(rows):
        yield f"{group.decision}: {group.name} ({group.project_id}, {group.place})"
    if rows[0]["verdict"] == VerdictName.THAWED:
        yield "What came of it is in enforcement_log, in the rows of the freezes."
        return
    yield f"What came of it is in enforcement_log under message {message_id}."


def _show(message_id: str, rows: Sequence[dict[str, Any]], output: Format) -> None:
    vms = [vm.fields() for vm in recorded_vms([row for row in rows if row["event"] in _PLANNED])]
    match output:
        case Format.JSON:
            verdict = {name: rows[0][name] for name in ("verdict", "reason")}
            groups = [group.fields() for group in recorded_groups(rows)]
            print(as_json({"message_id": message_id, **verdict, "groups": groups, "vms": vms}))
        case Format.CSV:
            print(as_csv(FIELDS, vms))
        case Format.TABLE:
            for line in command_lines(message_id, rows):
                print(line)


def _topic(arguments: argparse.Namespace) -> str:
    """The topic that is named, or that of the deployment; raises RefusedRequestError when there is neither."""
    project = deployed_project(arguments, os.environ)
    if not arguments.topic and project is None:
        message = "--topic is missing: set it, or APPROVALS_TOPIC, to projects/PROJECT/topics/TOPIC"
        raise RefusedRequestError(message)
    return str(arguments.topic or Installation(project or "", "").approvals_topic)


def _is_json(arguments: argparse.Namespace) -> bool:
    return Format(arguments.format) is Format.JSON


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_WAIT:
        message = f"{text!r} is not a number of seconds from 1 to {_LONGEST_WAIT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
