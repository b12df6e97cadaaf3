"""Both functions with injected faults.

python -m tests.faults                     every fault at every place, and exit code 1 if one ends in a fourth way
python -m tests.faults --only 'stop.*500'  those cells whose names match
python -m tests.faults --markdown          the same as tables in docs/faults.md
python -m tests.faults --kept FILE         the same, and not again the cells whose results are in the file
python -m tests.faults --kills 200         the functions' processes killed at random moments
python -m tests.faults --kills calls       the same at every call they make, before it is received and after
python -m tests.faults --days 60           weeks of hourly runs of the tracker, a tenth of them disturbed
python -m tests.faults --messages 60       random budget messages for so many minutes, and a look after each
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults import messages
from tests.faults.days import WARM_AFTER_DAYS, compared, lives
from tests.faults.enforcer import FREEZES, STOPS, Enforcer
from tests.faults.kills import Kill, Target, enforcer_target, killed_at_calls, killed_at_random, tracker_target
from tests.faults.matrix import Cell
from tests.faults.outcomes import Outcome, Result
from tests.faults.running import OPERATIONS, TRACKER, Trials, Tried, all_cells, services, tried_at_once
from tests.faults.tables import counted, overview, tables, written_between_marks
from tests.faults.tracker import Tracker

CALLS = "calls"
_RESULT = re.compile(
    r"(?P<cell>[^:]+): (?P<outcome>same|completed|refused|WRONG|-) (?P<reason>.*) \((?P<seconds>[\d.]+) s\)"
)
MOST_GROWTH = 1.1
DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--function", choices=OPERATIONS, action="append")
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression for the names of cells")
    parser.add_argument("--markdown", action="store_true", help="write the tables into docs/faults.md")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="results so far, to which new ones are added")
    parser.add_argument("--all", action="store_true", help="those cells too that come to the same as others")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", metavar="NUMBER", help="kill so many runs at random moments, or at all calls")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, metavar="NUMBER", help="run for so many days instead, twice")
    parser.add_argument("--messages", type=float, metavar="MINUTES", help="deliver messages for so long instead")
    options = parser.parse_args(arguments)
    if options.messages:
        return messages.main(options.messages, options.seed)
    if options.days:
        return _days(options)
    return _kills(options) if options.kills else _matrix(options)


def _matrix(options: argparse.Namespace) -> int:
    wanted = [cell for cell in all_cells(options.function or list(OPERATIONS)) if re.search(options.only, str(cell))]
    started = time.monotonic()
    tried = _kept(options.kept, wanted)
    rest = [cell for cell in wanted if cell not in {each.cell for each in tried}]
    for each in tried_at_once(rest, min(options.workers, max(len(rest), 1)), every=options.all):
        tried.append(each)
        line = f"{each.cell}: {each.result.outcome} {each.result.reason} ({each.seconds:.1f} s)"
        if each.result.outcome is not Outcome.ABSENT:
            _say(line)
        if options.kept:
            with options.kept.open("a") as results:
                results.write(f"{line}\n")
    counts = counted(each.result for each in tried)
    result = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)
    _say(f"{len(tried) - counts[Outcome.ABSENT]} cells in {time.monotonic() - started:.0f} s: {result}")
    if options.markdown:
        tried.sort(key=lambda each: wanted.index(each.cell))
        DOCS.write_text(written_between_marks(DOCS.read_text(), "matrix", tables(tried)))
        DOCS.write_text(written_between_marks(DOCS.read_text(), "overview", overview(tried)))
    return 1 if counts[Outcome.WRONG] else 0


def _kept(path: Path | None, wanted: Sequence[Cell]) -> list[Tried]:
    """Return the results in a file, one of each cell; a result that was WRONG is tried again."""
    lines = path.read_text().splitlines() if path is not None and path.exists() else []
    found = {match["cell"]: match for match in map(_RESULT.fullmatch, lines) if match}
    return [
        Tried(cell, Result(Outcome(match["outcome"]), match["reason"]), float(match["seconds"]))
        for cell in wanted
        if (match := found.get(str(cell))) and match["outcome"] != Outcome.WRONG
    ]


def _kills(options: argparse.Namespace) -> int:
    """Kill what was asked for; what the functions log is no part of what is said."""
    wrong = 0
    said = sys.stdout
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        for name in options.function or list(OPERATIONS):
            started = time.monotonic()
            with services() as here:
                kills = list(_killing(here, name, options))
            bad = sum(bool(kill.problems) for kill in kills)
            cut_off = sum(kill.cut_off for kill in kills)
            left = sum(kill.left_behind for kill in kills)
            said.write(
                f"{name}: {len(kills)} kills in {time.monotonic() - started:.0f} s, {cut_off} of them before the end, "
                f"{left} staging tables left to expire; wrong after {bad}\n"
            )
            said.flush()
            wrong += bad
    return 1 if wrong else 0


def _killing(here: Trials, name: str, options: argparse.Namespace) -> Iterator[Kill]:
    for target in _targets(here, name):
        calls = options.kills == CALLS
        for kill in killed_at_calls(target) if calls else killed_at_random(target, int(options.kills), options.seed):
            for problem in kill.problems:
                sys.stderr.write(f"{name} killed {kill.moment}: {problem}\n")
            yield kill


def _targets(here: Trials, name: str) -> list[Target]:
    if name == TRACKER:
        return [tracker_target(Tracker(here.place))]
    victim = Enforcer(here.place)
    return [enforcer_target(victim, case) for case in (STOPS, FREEZES)]


def _days(options: argparse.Namespace) -> int:
    started = time.monotonic()
    disturbed, reference = lives(options.days, options.seed)
    problems = list(compared(disturbed, reference))
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    warm = min(WARM_AFTER_DAYS, options.days) - 1
    _say(
        f"{options.days} days in {time.monotonic() - started:.0f} s: {disturbed.disturbed} runs disturbed, "
        f"{disturbed.refused} refused, {len(problems)} differences; memory of the function after day {warm + 1} "
        f"{disturbed.memory_mib[warm]:.0f} MiB, at the end {disturbed.memory_mib[-1]:.0f} MiB"
    )
    return 1 if problems or disturbed.memory_mib[-1] > disturbed.memory_mib[warm] * MOST_GROWTH else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
