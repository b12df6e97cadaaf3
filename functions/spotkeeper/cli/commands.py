"""What a command of the command line is."""

import argparse
from typing import Protocol

type Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (argparse has no public name for it)


class Command(Protocol):
    """A module of this package."""

    def add_to(self, subparsers: Subparsers) -> argparse.ArgumentParser:
        """Describe the command and its arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code: 0 done, 1 a finding, 2 it could not be done; imports what it needs itself."""
        ...
