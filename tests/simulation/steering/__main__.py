"""Months under the product, beside an ideal controller: `python -m tests.simulation.steering --months 200`."""

import argparse
import sys
import time

from tests.simulation.steering.judge import Judgement, play, table
from tests.simulation.steering.product import Product
from tests.simulation.steering.scenarios import Disturbance, Scenario, disturbed, drawn, grid


def main(arguments: list[str]) -> int:
    """Play the months, and print for each rule what it reached of the goals.

    Exit code 1 when a VM was stopped while one of a lower class, which could be stopped, went on running.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.steering", description=__doc__)
    parser.add_argument("--months", type=int, default=200, help="how many months of the grid (default: %(default)s)")
    parser.add_argument("--disturbed", type=int, default=60, help="how many disturbed ones (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which are drawn (default: %(default)s)")
    parser.add_argument("--list-prices", action="store_true", help="also without history: the forecast of list prices")
    parser.add_argument("--misses", action="store_true", help="print the months that miss a goal")
    options = parser.parse_args(arguments)
    parts = {"grid": drawn(grid(), options.months, options.seed)}
    others = drawn(disturbed(), options.disturbed, options.seed)
    for disturbance in Disturbance:
        parts[disturbance] = [each for each in others if each.disturbance is disturbance]
    disorder = 0
    for name, scenarios in parts.items():
        for estimating in (False, True) if options.list_prices else (True,):
            if scenarios:
                judged = _print(name, scenarios, estimating=estimating, misses=options.misses)
                disorder += sum(each.course.disorder for each in judged)
    return 1 if disorder else 0


def _print(name: str, scenarios: list[Scenario], *, estimating: bool, misses: bool) -> list[Judgement]:
    began = time.process_time()
    judged = [play(each, lambda month: Product(month, estimating=estimating).decide) for each in scenarios]
    rule = "the estimate" if estimating else "the forecast from list prices"
    say(f"\n{name}, by {rule} ({time.process_time() - began:.0f} CPU seconds):")
    for line in table(judged):
        say(line)
    for each in judged if misses else ():
        if each.misses_a_goal:
            say(f"  {_sentence(each)}")
    return judged


def _sentence(each: Judgement) -> str:
    stopped = "+".join(map(str, each.course.stopped.values()))
    needed = "+".join(map(str, each.ideal.stopped.values()))
    hours = each.course.lost_hours / max(each.ideal.lost_hours, 1.0)
    limited = f", {each.limited.end:.1%} with limits" if each.limited else ""
    ends = f"{each.course.end:.1%} ({each.ideal.end:.1%}{limited})"
    return f"{ends}, {stopped} ({needed}) stopped, hours x{hours:.2f}: {each.scenario}"


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
