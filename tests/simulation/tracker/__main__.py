"""Let the tracker live through a world of any size, and print how far its records are from the truth.

python -m tests.simulation.tracker --world 'points late' --vms 500 --hours 72 --mean-life 15 --seed 7
"""

import argparse
import logging
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from time import process_time

from tests.simulation.tracker.judgements import JUDGEMENTS, Finding, Outcome
from tests.simulation.tracker.parameters import Parameters
from tests.simulation.tracker.play import outcome_of
from tests.simulation.tracker.worlds import SMALL, WORLDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 when a judgement that is not pending has findings."""
    logging.getLogger("spotkeeper").setLevel(logging.CRITICAL)
    options = _parser().parse_args(arguments)
    failed = False
    for name in [options.world] if options.world else WORLDS:
        world = WORLDS[name]
        parameters = _sized(world.parameters, options)
        started = process_time()
        outcome, more = _outcome(parameters, through_adapters=options.through_adapters)
        _print(f"\n{name}: {_summary(outcome)}, {process_time() - started:.1f} CPU s")
        failed |= _judge(outcome, more, world.pending)
    return int(failed)


def _outcome(parameters: Parameters, *, through_adapters: bool) -> tuple[Outcome, Mapping[str, list[Finding]]]:
    if not through_adapters:
        return outcome_of(parameters), {}
    from tests.simulation.tracker.through_adapters import outcome_through_adapters  # noqa: PLC0415 (seconds that the other mode need not wait)

    return outcome_through_adapters(parameters)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.tracker", description=main.__doc__)
    parser.add_argument("--world", choices=WORLDS, help="one of the worlds; all when it is not given")
    parser.add_argument("--vms", type=int, default=500, help="ephemeral VMs")
    parser.add_argument("--long-lived", type=int, help="VMs that live for days; a twentieth of the others, or more")
    parser.add_argument("--hours", type=int, default=72)
    parser.add_argument("--mean-life", type=int, help="minutes that an ephemeral VM lives on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--asset-delay", type=int, help="minutes by which Cloud Asset Inventory is late")
    parser.add_argument(
        "--through-adapters",
        action="store_true",
        help="with the real adapters and a local BigQuery: seconds for each hour",
    )
    return parser


def _sized(parameters: Parameters, options: argparse.Namespace) -> Parameters:
    sized = replace(parameters, vms=options.vms, hours=options.hours, seed=options.seed)
    if options.mean_life is not None:
        sized = replace(sized, mean_life=timedelta(minutes=options.mean_life))
    if options.asset_delay is not None:
        sized = replace(sized, asset_delay=timedelta(minutes=options.asset_delay))
    long_lived = parameters.long_lived * options.vms // (20 * SMALL.long_lived)
    return replace(sized, long_lived=long_lived if options.long_lived is None else options.long_lived)


def _summary(outcome: Outcome) -> str:
    vm_hours = len(outcome.spot_truth)
    sizes = f"{len(outcome.world.vms)} VMs, {vm_hours} Spot VM-hours, {len(outcome.records.rows)} rows"
    return ", ".join((sizes, *_cost_by_price_status(outcome)))


def _cost_by_price_status(outcome: Outcome) -> Iterator[str]:
    """Yield the share of the cost at prices of each status."""
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for row in outcome.records.rows:
        costs[row.price_status] += row.cost or Decimal(0)
    whole = sum(costs.values(), Decimal(0))
    for status, cost in sorted(costs.items(), key=lambda each: -each[1]):
        if cost:
            yield f"{cost / whole:.2%} {status}"


def _judge(outcome: Outcome, more: Mapping[str, list[Finding]], pending: frozenset[str]) -> bool:
    metered = sum((segment.metered for every in outcome.truth.values() for segment in every), Fraction(0))
    failed = False
    found = {name: list(judgement(outcome)) for name, judgement in JUDGEMENTS.items()}
    for name, findings in {**found, **more}.items():
        failed |= bool(findings) and name not in pending
        if findings or name in pending:
            state = "pending" if name in pending else "FAILED"
            share = sum((abs(finding.seconds) for finding in findings), Fraction(0)) / metered
            usd = sum((finding.usd for finding in findings), Fraction(0))
            first = findings[0].what if findings else "no finding"
            _print(
                f"  {state:8}{name:40}{len(findings):6}{float(share):9.3%} of seconds{float(usd):11.4f} USD  {first}"
            )
    return failed


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
