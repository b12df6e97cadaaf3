"""Live as many lives as wanted: `python -m tests.simulation.enforcer --lives 1000 --seed 1`."""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.enforcer.drawing import kind_of, story_of
from tests.simulation.enforcer.invariants import NAMES
from tests.simulation.enforcer.life import Life
from tests.simulation.enforcer.telling import telling


def main(arguments: list[str]) -> int:
    """Live the lives, and print every violation once by name, with its smallest story; 1 if there was any."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.enforcer", description=__doc__)
    parser.add_argument("--lives", type=int, default=1000, help="how many lives (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first life (default: %(default)s)")
    parser.add_argument("--only", choices=NAMES, action="append", help="one invariant (may be repeated)")
    parser.add_argument("--count", action="store_true", help="count the violations, print no stories")
    options = parser.parse_args(arguments)
    logging.getLogger("spotkeeper").setLevel(logging.CRITICAL)
    watched = frozenset(options.only or NAMES)
    began, counts = time.process_time(), Counter[str]()
    first: dict[str, int] = {}
    for seed in range(options.seed, options.seed + options.lives):
        for name in {each.name for each in Life(story_of(seed)).run()} & watched:
            counts[name] += 1
            first.setdefault(name, seed)
    seconds = time.process_time() - began
    say(f"{options.lives} lives in {seconds:.1f} CPU seconds")
    for name, count in counts.most_common():
        say(f"{count:6} lives violate {name}, first seed {first[name]} ({kind_of(first[name])})")
    if not options.count:
        for name, seed in first.items():
            say(f"\n{telling(seed, name)}")
    return 1 if counts else 0


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
