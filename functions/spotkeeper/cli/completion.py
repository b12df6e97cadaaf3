"""`completion`: the script that lets a shell complete commands, options and their choices."""

import argparse
from importlib.util import find_spec

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.errors import RefusedRequestError

SHELLS = ("bash", "zsh", "fish")


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "completion",
        summary="print the script that completes commands and options in a shell",
        description="Print a script for bash, zsh or fish that completes commands, options and their choices. Load it "
        "in the shell's start file; it has the options of this version, so print it again after an upgrade.",
        examples=(
            "bash > ~/.local/share/bash-completion/completions/spotkeeper",
            'zsh > "${fpath[1]}/_spotkeeper"',
            "fish > ~/.config/fish/completions/spotkeeper.fish",
        ),
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    if find_spec("shtab") is None:
        message = "the completion needs shtab, not installed here: python -m pip install shtab"
        raise RefusedRequestError(message)
    import shtab

    print(shtab.complete(arguments.parser, shell=arguments.shell))
    return 0
