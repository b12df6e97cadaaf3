"""`approve`: have the function execute a plan that waits for approval."""

import argparse

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.commands_topic import add_command_arguments, send_command
from spotkeeper.enforcement.verdicts import VerdictName


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "approve",
        summary="have the function execute a plan that waits for approval",
        description="Publish the approval of a plan, wait for the verdict of the function, and print it. The function "
        "stops the VMs of this plan and no other, after the checks of every stop. Exit code 1: it refused the plan, or "
        "recorded nothing.",
        examples=("--project my-project-1 8453120957201:3f9a2b7c01d4e5f63f9a2b7c01d4e5f6",),
    )
    parser.add_argument("plan", metavar="PLAN", type=_plan, help="the plan, as the log and enforcement_log name it")
    add_command_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Publish the approval and print the verdict; return 1 when it is another than approved."""
    return send_command(arguments, {"command": "approve", "plan": arguments.plan}, VerdictName.APPROVED)


def _plan(text: str) -> str:
    message_id, _, plan_hash = text.rpartition(":")
    if not message_id or not plan_hash:
        message = f"{text!r} is not a plan: MESSAGE_ID:HASH, as the log names it"
        raise argparse.ArgumentTypeError(message)
    return text
