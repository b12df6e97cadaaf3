"""`drill`: publish a test notification to the budget topic, and show the plan that the function records."""

import argparse
import os
import time
from typing import Any

from spotkeeper.cli.commands import Subparsers
from spotkeeper.cli.enforcer_arguments import (
    add_budget_arguments,
    attributes,
    body,
    chosen_rule,
    enforcer_settings,
    time_of,
)
from spotkeeper.cli.text_tables import aligned
from spotkeeper.enforcement.notifications import DRILL, REPLAYED_AT
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "drill",
        help="test the path of a budget notification end to end; nothing is stopped",
        description="Publish a test notification to the budget topic, wait until the function has recorded its plan, "
        "and print the plan and the missing permissions. Exit code 1: one is missing, or nothing was recorded.",
    )
    add_budget_arguments(parser)
    parser.add_argument(
        "--topic", default=os.environ.get("BUDGET_TOPIC"), help="the budget topic, projects/P/topics/T (BUDGET_TOPIC)"
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=int,
        default=120,
        help="how long to wait (default: %(default)s)",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Publish the notification and print the plan; return 1 when a permission or the plan is missing."""
    from spotkeeper.gcp.enforcer import enforcement_records
    from spotkeeper.gcp.topic import publish

    settings = enforcer_settings()
    rule = chosen_rule(settings, arguments.budget_id)
    if not arguments.topic:
        message = "--topic is missing: set it, or BUDGET_TOPIC, to projects/PROJECT/topics/TOPIC"
        raise RefusedRequestError(message)
    at = time_of(arguments)
    marks = {**attributes(settings, rule), DRILL: "true", REPLAYED_AT: rfc3339(at)}
    message_id = publish(arguments.topic, body(arguments, rule, at), marks)
    print(f"Published test message {message_id}; waiting for its plan ...")
    records = enforcement_records(settings)
    deadline = time.monotonic() + arguments.wait
    while time.monotonic() < deadline:
        if found := records.recorded(message_id, at):
            return _show(found)
        time.sleep(1)
    print(f"No plan was recorded within {arguments.wait} seconds: is the function subscribed to {arguments.topic}?")
    return 1


def _show(rows: list[dict[str, Any]]) -> int:
    delivery = rows[0]
    print(f"{delivery['verdict']}: {delivery['reason']}")
    for gap in delivery["gaps"]:
        print(f"could not be read: {gap}")
    for line in aligned([_row(row) for row in rows if row["event"]]):
        print(line)
    for permission in delivery["missing_permissions"]:
        print(f"missing permission: {permission}")
    if not delivery["missing_permissions"]:
        print("No permission is missing. Nothing was stopped: this was a drill.")
    return 1 if delivery["missing_permissions"] else 0


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    what = "would stop" if row["event"] == "planned" else "spared"
    return what, row["instance_name"], f"{row['project_id']}/{row['zone']}", row["action_reason"]
