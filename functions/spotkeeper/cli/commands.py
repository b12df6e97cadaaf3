"""The interface of a command, and how its help is laid out."""

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from typing import Protocol

type Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (argparse has no public name for it)


class Command(Protocol):
    """A module of this package."""

    def add_to(self, subparsers: Subparsers) -> argparse.ArgumentParser:
        """Describe the command and its arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return the exit code: 0 success, 1 a finding, 2 failure. It imports on call."""
        ...


def add_command(
    subparsers: Subparsers, name: str, *, summary: str, description: str, examples: Sequence[str]
) -> argparse.ArgumentParser:
    """Add a command; `examples` are its arguments as somebody types them."""
    shown = "\n".join(f"  spotkeeper {name} {each}".rstrip() for each in examples)
    return subparsers.add_parser(
        name,
        help=summary,
        description=_wrapped(description),
        epilog=f"examples:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, shutil.get_terminal_size().columns - 2, break_long_words=False, break_on_hyphens=False)
