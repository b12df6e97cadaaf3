"""`top`: the dearest VMs, machine types, teams or projects."""

import argparse

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.costs import add_cost_arguments, print_costs, read_costs
from spotkeeper.cli.output import Format

_MOST = 1000


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "top",
        summary="the dearest VMs, machine types, teams or projects",
        description="List what costs most, the dearest first, with its share of the whole.",
        examples=(
            "--project my-project-1",
            "--project my-project-1 --by team --since 7d",
            "--project my-project-1 --by machine-type --limit 5 --format json",
        ),
    )
    add_cost_arguments(parser, by="vm", since="24h")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_limit,
        default=10,
        help=f"how many to list, at most {_MOST} (default: %(default)s)",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the dearest."""
    span, found = read_costs(arguments, arguments.limit)
    print_costs(arguments.by, span, found.dearest, found, Format(arguments.format))
    return 0


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        message = f"{text!r} is not a number from 1 to {_MOST}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
