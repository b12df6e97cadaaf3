"""`thaw`: have the function switch the autoscalers of frozen groups on again before the end of the period."""

import argparse

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.commands_topic import add_command_arguments, send_command
from spotkeeper.enforcement.verdicts import VerdictName


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "thaw",
        summary="have the function thaw managed instance groups that it froze",
        description="Publish the command, wait for the verdict of the function, and print it. The function sets the "
        "autoscaler of the group, or of every frozen group, back to the mode that it had, and freezes none of them "
        "again before the end of the budget period. Exit code 1: nothing was frozen, it refused, or recorded nothing.",
        examples=("--project my-project-1", "--project my-project-1 api-mig"),
    )
    parser.add_argument("group", metavar="GROUP", nargs="?", help="the group by its name or path (default: all)")
    add_command_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Publish the command and print the verdict; return 1 when it is another than thawed."""
    named = {"group": arguments.group} if arguments.group else {}
    return send_command(arguments, {"command": "thaw", **named}, VerdictName.THAWED)
