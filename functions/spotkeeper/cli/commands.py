"""The interface of a command."""

import argparse
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
