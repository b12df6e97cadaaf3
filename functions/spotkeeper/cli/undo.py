"""`undo`: have the function start what a message stopped, and snooze it to the end of the period."""

import argparse

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.commands_topic import add_command_arguments, send_command
from spotkeeper.enforcement.verdicts import VerdictName


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "undo",
        summary="have the function start again what a message stopped",
        description="Publish the undo of a message, wait for the verdict of the function, and print it. The function "
        "starts the VMs that the message stopped, unless somebody changed them since or another budget keeps them "
        "stopped, and stops none of them again before the end of the budget period. Exit code 1: it refused, or "
        "recorded nothing.",
        examples=("--project my-project-1 8453120957201",),
    )
    parser.add_argument("message_id", metavar="MESSAGE", help="the message id, as enforcement_log names it")
    add_command_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Publish the undo and print the verdict; return 1 when it is another than undone."""
    return send_command(arguments, {"command": "undo", "message_id": arguments.message_id}, VerdictName.UNDONE)
