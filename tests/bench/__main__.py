"""Benches: `python -m tests.bench [NAME …]` measures, and fails when a limit is passed."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from spotkeeper.cli.text_tables import aligned
from tests.bench import enforcer, prices
from tests.bench.rows import ROUNDS, Bench, Row

BENCHES: dict[str, Bench] = {"prices": prices, "enforcer": enforcer}
"""All benches by name; a new one is a module with `rows`, and a line here."""

_VERDICTS = {True: "ok", False: "FAILED", None: ""}


def main(arguments: Sequence[str] | None = None, benches: Mapping[str, Bench] = BENCHES) -> int:
    """Run the benches that are named, or all, and return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benches)}; all when none is named")
    names = parser.parse_args(arguments).names or list(benches)
    if unknown := [name for name in names if name not in benches]:
        parser.error(f"there is no bench {unknown[0]!r}: choose from {', '.join(benches)}")
    failed = False
    for name in names:
        found = benches[name].rows()
        print(f"{name} (median of {ROUNDS} rounds)")
        for line in aligned([["", "measured", "limit", ""], *map(_cells, found)], right=frozenset({1, 2})):
            print(f"  {line}", flush=True)
        failed = failed or any(row.passed is False for row in found)
    return 1 if failed else 0


def _cells(row: Row) -> list[str]:
    return [row.what, row.measured, row.limit, _VERDICTS[row.passed]]


if __name__ == "__main__":
    sys.exit(main())
