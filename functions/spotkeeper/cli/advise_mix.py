"""`advise --mix`: how many VMs on demand and in which Spot pools hold a floor, and what that would have cost."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from spotkeeper.advice.backtests import CostTest, FloorTest, backtest_cost, backtest_floor
from spotkeeper.advice.mixes import MOST_POOLS, Assumptions, Mix, Wanted, cheapest_mix
from spotkeeper.cli.amounts import HOURS_PER_MONTH, cents
from spotkeeper.cli.output import Format, Row, as_csv, as_json
from spotkeeper.cli.terminal import width
from spotkeeper.cli.text_tables import aligned
from spotkeeper.errors import RefusedRequestError

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.advice_tables import AdviceTables

MIX_FIELDS = (
    *("kind", "machine_type", "region", "zone", "vms", "hourly_price", "own_preemptions", "own_vm_hours"),
    "outage_percent",
)
"""The fields of a part of a mix in JSON and CSV."""

_PERCENT = Decimal("0.01")
_WHOLE = 100
_LARGEST = 1000
_AVAILABILITY, _RECOVERY_MINUTES, _CORRELATION = 99.0, 30, 0.5


@dataclass(frozen=True, slots=True)
class MixQuestion:
    """What a mix is asked for; without zones, all in which the machine type ran are considered."""

    machine_type: str
    zones: tuple[str, ...]
    wanted: Wanted
    assumptions: Assumptions


@dataclass(frozen=True, slots=True)
class MixAdvice:
    """A mix, the region that its VMs on demand are in, and what it would have cost and held."""

    question: MixQuestion
    here: str
    ondemand_price: Decimal
    mix: Mix
    cost: CostTest | None
    floor: FloorTest


def add_mix_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the floor, and what the model assumes."""
    parser.add_argument(
        "--mix",
        metavar="FLOOR",
        type=int,
        help="instead: VMs on demand and in Spot pools so that FLOOR of the --size VMs run (--size defaults to FLOOR)",
    )
    parser.add_argument(
        "--availability",
        metavar="PERCENT",
        type=float,
        default=_AVAILABILITY,
        help="with --mix: the share of time in which the floor is to be held (default: %(default)s)",
    )
    parser.add_argument(
        "--recovery-minutes",
        metavar="N",
        type=int,
        default=_RECOVERY_MINUTES,
        help="with --mix: until preempted VMs are replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--correlation",
        metavar="SHARE",
        type=float,
        default=_CORRELATION,
        help="with --mix: how much of the outages of a region's pools is common, 0 to 1 (default: %(default)s)",
    )


def refuse_mix_arguments(arguments: argparse.Namespace) -> None:
    """Raise RefusedRequestError when an option of a mix is given without --mix, where it would change nothing."""
    unused = {
        "availability": _AVAILABILITY,
        "recovery_minutes": _RECOVERY_MINUTES,
        "correlation": _CORRELATION,
    }
    for name, default in unused.items():
        if getattr(arguments, name) != default:
            message = f"--{name.replace('_', '-')} is only for --mix"
            raise RefusedRequestError(message)


def mix_question(arguments: argparse.Namespace) -> MixQuestion:
    """Return what is wanted and what is assumed; raises RefusedRequestError."""
    named: list[str] = arguments.machine_type or []
    size = arguments.size or arguments.mix
    availability, recovery, correlation = arguments.availability, arguments.recovery_minutes, arguments.correlation
    wrong = [
        (len(named) != 1, "--mix is of one machine type: name it with --machine-type"),
        (not 1 <= arguments.mix <= size, f"--mix {arguments.mix} is not a number from 1 to the size of {size}"),
        (size > _LARGEST, f"--mix is of {_LARGEST} VMs at most"),
        (not 0 < availability <= _WHOLE, f"--availability {availability} is not a percentage"),
        (recovery < 1, f"--recovery-minutes {recovery} is not 1 or more"),
        (not 0 <= correlation <= 1, f"--correlation {correlation} is not a number from 0 to 1"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise RefusedRequestError(message)
    assumptions = Assumptions(recovery / 60, correlation)
    wanted = Wanted(size, arguments.mix, availability / _WHOLE)
    return MixQuestion(named[0], tuple(arguments.zones or ()), wanted, assumptions)


def read_mix(tables: "AdviceTables", question: MixQuestion, now: datetime) -> MixAdvice:
    """Return the cheapest mix of the pools in which the machine type ran, and its backtests."""
    records = tables.pools(question.machine_type, question.zones, now)
    if not records.pools:
        message = f"{question.machine_type} did not run as Spot in the last 30 days: a mix takes our own preemptions"
        raise RefusedRequestError(message)
    here = max(records.pools, key=lambda each: each.vm_hours).region
    price = records.ondemand_prices[here]
    mix = cheapest_mix(records.pools, price, question.wanted, question.assumptions)
    history = tables.price_history(question.machine_type, now)
    recovery = timedelta(hours=question.assumptions.recovery_hours)
    return MixAdvice(
        question,
        here,
        price,
        mix,
        backtest_cost(mix, question.wanted, here, price, history),
        backtest_floor(mix, question.wanted, records.hours, recovery),
    )


def print_mix(found: MixAdvice, output: Format) -> None:
    """Print a mix in a format."""
    match output:
        case Format.JSON:
            print(as_json(_answer(found)))
        case Format.CSV:
            print(as_csv(MIX_FIELDS, list(mix_rows(found))))
        case Format.TABLE:
            for line in mix_lines(found):
                print(line)


def mix_rows(found: MixAdvice) -> Iterator[Row]:
    """Yield the fields of each part of the mix, on demand first."""
    yield {
        "kind": "on demand",
        "machine_type": found.question.machine_type,
        "region": found.here,
        "zone": None,
        "vms": found.mix.ondemand,
        "hourly_price": found.ondemand_price,
        "own_preemptions": None,
        "own_vm_hours": None,
        "outage_percent": None,
    }
    for pool, vms in found.mix.spot:
        yield {
            "kind": "Spot",
            "machine_type": found.question.machine_type,
            "region": pool.region,
            "zone": pool.zone,
            "vms": vms,
            "hourly_price": pool.spot_price,
            "own_preemptions": pool.preemptions,
            "own_vm_hours": pool.vm_hours,
            "outage_percent": _percent(pool.outage(found.question.assumptions.recovery_hours)),
        }


def mix_lines(found: MixAdvice) -> Iterator[str]:
    """Yield the screen: the parts of the mix, its cost and availability, the backtests, and the model."""
    mix, wanted = found.mix, found.question.wanted
    held = f"{wanted.floor} are to run {wanted.availability:.2%} of the time"
    yield f"{found.question.machine_type}: {wanted.size} VMs, of which {held}"
    rows = list(mix_rows(found))
    cells = [["", "where", "VMs", "USD/h", "own preemptions", "out"]]
    for row in rows:
        is_spot = row["zone"] is not None
        own = f"{row['own_preemptions']} in {row['own_vm_hours']:.0f} h" if is_spot else ""
        out = f"{row['outage_percent']}%" if is_spot else "0%"
        where, price = str(row["zone"] or row["region"]), f"{row['hourly_price']:.4f}"
        cells.append([str(row["kind"]), where, str(row["vms"]), price, own, out])
    yield from aligned(cells, frozenset({2, 3, 5}), width())
    whole = wanted.size * found.ondemand_price
    yield ""
    monthly, saved = cents(mix.hourly_cost * HOURS_PER_MONTH), 1 - mix.hourly_cost / whole
    yield f"{monthly} USD a month, {saved:.1%} less than on demand; floor held {mix.availability:.4%} by the model."
    yield from _backtest_lines(found)
    yield ""
    assumed = found.question.assumptions
    yield f"Model: a preemption takes a whole pool, one zone, for {assumed.recovery_hours * 60:.0f} minutes;"
    yield f"of the outages of a region's pools {assumed.correlation:.0%} are common; regions are independent."
    yield "Rates are our own of 30 days, with half a preemption more than was counted."
    yield f"The {MOST_POOLS} cheapest zones in which the type ran are considered; the VMs on demand are always there."


def _backtest_lines(found: MixAdvice) -> Iterator[str]:
    floor, cost = found.floor, found.cost
    if found.mix.spot:
        held = f"in {floor.held} of {floor.hours} hours in which VMs of ours ran in every pool of it"
        yield f"Backtest: the floor would have held {held}." if floor.hours else "Backtest: no hour with all pools."
    if cost is None:
        yield "Backtest of the cost: Google's price history was not read for all of its regions."
        return
    yield (
        f"Backtest, {cost.start:%Y-%m-%d} to {cost.end:%Y-%m-%d}, saved against on demand in {found.here}: "
        f"{cost.mix_percent:.1f}%;"
    )
    yield (
        f"Spot alone {cost.spot_percent:.1f}%, 70 % Spot {cost.spot_70_percent:.1f}%, "
        f"always the cheapest region {cost.cheapest_region_percent:.1f}%."
    )


def _answer(found: MixAdvice) -> dict[str, object]:
    cost = found.cost
    return {
        "parts": list(mix_rows(found)),
        "size": found.mix.size,
        "floor": found.question.wanted.floor,
        "wanted_percent": _percent(found.question.wanted.availability),
        "expected_percent": _percent(found.mix.availability),
        "hourly_cost_usd": found.mix.hourly_cost,
        "recovery_hours": found.question.assumptions.recovery_hours,
        "correlation": found.question.assumptions.correlation,
        "floor_backtest": {"hours": found.floor.hours, "held": found.floor.held},
        "cost_backtest": None
        if cost is None
        else {
            "start": cost.start,
            "end": cost.end,
            "mix_hourly_cost_usd": cost.mix_cost,
            "mix_saved_percent": cost.mix_percent.quantize(_PERCENT),
            "spot_saved_percent": cost.spot_percent.quantize(_PERCENT),
            "spot_70_saved_percent": cost.spot_70_percent.quantize(_PERCENT),
            "cheapest_region_saved_percent": cost.cheapest_region_percent.quantize(_PERCENT),
        },
    }


def _percent(share: float) -> Decimal:
    return (Decimal(share) * 100).quantize(Decimal("0.0001"))
