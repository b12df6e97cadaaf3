"""Run a command; print an error as one sentence."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import override

from spotkeeper.cli import (
    advise,
    approve,
    catalog_check,
    catalog_save,
    check,
    completion,
    cost,
    costs,
    doctor,
    drill,
    partition_tables,
    plan,
    price,
    rebuild_rollups,
    report,
    status,
    thaw,
    top,
    undo,
    work,
)
from spotkeeper.cli.commands import Command
from spotkeeper.cli.product_files import version
from spotkeeper.errors import RefusedRequestError, SettingsError, UnavailableError

COMMANDS: tuple[Command, ...] = (
    *(status, cost, costs, top, advise, plan, drill, approve, undo, thaw, doctor, report, check),
    *(work, rebuild_rollups, partition_tables, price, catalog_check, catalog_save, completion),
)

_CANNOT = 2
_INTERRUPTED = 130


class _Version(argparse.Action):
    """Reads the version when it is asked for: in a checkout it is in a file."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"spotkeeper {version()}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without arguments print the help."""
    described = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        described.print_help()
        return 0
    return _run(described.parse_args(given))


def _parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(
        prog="spotkeeper", description="The cost of Spot VMs, and the stops that keep it within a budget."
    )
    described.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    described.set_defaults(parser=described)  # a completion is of all commands
    subparsers = described.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(subparsers).set_defaults(run=command.run)
    return described


def _run(parsed: argparse.Namespace) -> int:
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (SettingsError, RefusedRequestError) as error:
        return _fail(str(error))
    except UnavailableError as error:
        from spotkeeper.gcp.explanations import explained

        return _fail(explained(error))
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
