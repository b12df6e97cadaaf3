"""Benches: `python -m tests.bench [NAME …]` measures, prints one table, and fails when a limit is passed."""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter

from spotkeeper.cli.text_tables import aligned
from tests.bench import (
    cold_starts,
    enforcer,
    large_fleet,
    million,
    prices,
    report,
    run_bytes,
    short_lives,
    tracker,
    views,
    views_year,
    work,
)
from tests.bench.rows import Bench, Row

BENCHES: dict[str, Bench] = {
    "cold_starts": cold_starts,
    "enforcer": enforcer,
    "large_fleet": large_fleet,
    "million": million,
    "prices": prices,
    "report": report,
    "run_bytes": run_bytes,
    "short_lives": short_lives,
    "tracker": tracker,
    "views": views,
    "views_year": views_year,
    "work": work,
}
"""All benches by name; a new one is a module with `rows`, and a line here."""

WHEN_NAMED = frozenset({"million", "report", "views_year", "work"})
"""Benches that take minutes, and are run only when they are named."""

_VERDICTS = {True: "ok", False: "FAILED", None: ""}


def main(arguments: Sequence[str] | None = None, benches: Mapping[str, Bench] = BENCHES) -> int:
    """Run the benches that are named, or all, and return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benches)}; all when none is named")
    names = parser.parse_args(arguments).names or [name for name in benches if name not in WHEN_NAMED]
    if unknown := [name for name in names if name not in benches]:
        parser.error(f"there is no bench {unknown[0]!r}: choose from {', '.join(benches)}")
    found = {name: _measured(name, benches[name]) for name in names}
    table = [cells for name, rows in found.items() for cells in ([name, "measured", "limit", ""], *map(_cells, rows))]
    for line in aligned(table, right=frozenset({1, 2})):
        print(line)
    return 1 if any(row.passed is False for rows in found.values() for row in rows) else 0


def _measured(name: str, bench: Bench) -> Sequence[Row]:
    started = perf_counter()
    rows = bench.rows()
    print(f"{name}: measured in {perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return rows


def _cells(row: Row) -> list[str]:
    return [f"  {row.what}", row.measured, row.limit, _VERDICTS[row.passed]]


if __name__ == "__main__":
    logging.getLogger("spotkeeper").setLevel(logging.ERROR)
    sys.exit(main())
