"""Run a command; print an error as one sentence."""

import argparse
import os
import sys
from collections.abc import Sequence

from spotkeeper.cli import catalog_check, catalog_save, check, doctor, drill, plan, price, report
from spotkeeper.cli.commands import Command
from spotkeeper.errors import RefusedRequestError, SettingsError, UnavailableError

COMMANDS: tuple[Command, ...] = (price, catalog_check, catalog_save, plan, drill, report, check, doctor)

_CANNOT = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="spotkeeper", description="The cost of Spot VMs, and the stops that keep it within a budget."
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(subparsers).set_defaults(run=command.run)
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (SettingsError, RefusedRequestError, UnavailableError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return code


def _fail(message: str) -> int:
    print(f"spotkeeper: {message}", file=sys.stderr)
    return _CANNOT


def _reader_left() -> int:
    """End quietly when the reader of the output has closed it, as `head` does; the last flush goes to /dev/null."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
