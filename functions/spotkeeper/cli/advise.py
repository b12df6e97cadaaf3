"""`advise`: where the machine types in use would be cheaper and preempted less."""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from spotkeeper.advice.placements import (
    Advice,
    Live,
    Place,
    advise,
)
from spotkeeper.cli.advise_mix import add_mix_arguments, mix_question, print_mix, read_mix, refuse_mix_arguments
from spotkeeper.cli.advise_screen import advice_lines
from spotkeeper.cli.amounts import HOURS_PER_MONTH
from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.dataset_arguments import add_dataset_arguments, add_time_argument, chosen_settings
from spotkeeper.cli.output import Format, Row, add_format_argument, as_csv, as_json
from spotkeeper.cli.terminal import progress, width
from spotkeeper.errors import RefusedRequestError
from spotkeeper.tracking.settings import TrackerSettings

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.advice_tables import AdviceTables

FIELDS = (
    *("used_machine_type", "used_region", "weekly_vm_hours", "scope", "machine_type", "region", "zone", "vcpus"),
    *("memory_gib", "spot_price", "savings_percent", "monthly_savings_usd", "slower_because", "google_preemption_rate"),
    *(
        "google_observed_days",
        "google_rank",
        "google_history",
        "own_preemptions",
        "own_vm_hours",
        "useful_hour_cost_usd",
    ),
    *("obtainability", "estimated_uptime_seconds", "live_status"),
)
"""The fields of a place in JSON and CSV."""

MOST_TYPES = 3
"""How many machine types are shown unless some are named: as many as fit on one screen."""

_MOST_NAMED = 20
_MOST_PLACES = 10
_LARGEST_SIZE = 1000
_DAY_MINUTES = 1440
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")
_MACHINE_TYPE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "advise",
        summary="where machine types in use would be cheaper and preempted less",
        description="List where machine types in use could run instead: here, near, anywhere, or as another type "
        "with as many vCPUs and as much memory. With --size, Google is asked whether so many VMs can be had there now.",
        examples=(
            "--project my-project-1",
            "--project my-project-1 --machine-type n2-standard-8 --size 20",
            "--project my-project-1 --machine-type n2-standard-8 --mix 10 --size 14 --availability 99.5",
            "--project my-project-1 --machine-type c3-standard-4 --zones us-east4-a us-east4-b --format json",
        ),
    )
    add_dataset_arguments(parser)
    parser.add_argument(
        "--machine-type",
        metavar="TYPE",
        type=_machine_type,
        action="append",
        help=f"once for each; without it the {MOST_TYPES} dearest of the last week",
    )
    parser.add_argument(
        "--zones",
        metavar="ZONE",
        type=_zone,
        nargs="+",
        help="only these; a type that does not run is compared with the region of the first",
    )
    parser.add_argument(
        "--size",
        metavar="N",
        type=_number(_LARGEST_SIZE),
        help="ask Google for the obtainability and expected uptime of so many VMs (compute.advice.capacity)",
    )
    parser.add_argument(
        "--places",
        metavar="N",
        type=_number(_MOST_PLACES),
        default=2,
        help=f"the cheapest so many of each kind, at most {_MOST_PLACES} (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-minutes",
        metavar="N",
        type=_number(_DAY_MINUTES),
        default=60,
        help="how often work is saved: a preemption repeats half of it (default: %(default)s)",
    )
    add_mix_arguments(parser)
    add_time_argument(parser, "the end of the week in use and of the month of preemptions")
    add_format_argument(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the places."""
    settings = chosen_settings(arguments)
    if arguments.mix is not None:
        return _run_mix(arguments, settings)
    refuse_mix_arguments(arguments)
    found = _read(arguments, settings)
    live = _ask(arguments, settings, found) if arguments.size else {}
    match Format(arguments.format):
        case Format.JSON:
            print(as_json({"size": arguments.size, "places": list(place_rows(found, live))}))
        case Format.CSV:
            print(as_csv(FIELDS, list(place_rows(found, live))))
        case Format.TABLE:
            for line in advice_lines(found, live, arguments.checkpoint_minutes, width()):
                print(line)
    return 0


def _run_mix(arguments: argparse.Namespace, settings: TrackerSettings) -> int:
    question = mix_question(arguments)
    with progress("Reading prices and preemptions from BigQuery"):
        now = arguments.at or datetime.now(UTC)
        found = read_mix(_tables(settings), question, now)
    print_mix(found, Format(arguments.format))
    return 0


def _tables(settings: TrackerSettings) -> "AdviceTables":
    from spotkeeper.gcp.bigquery.advice_tables import AdviceTables

    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return AdviceTables(settings.project_id, settings.dataset, settings.endpoints.bigquery, retry_timeout)


def _read(arguments: argparse.Namespace, settings: TrackerSettings) -> list[Advice]:
    named: list[str] = list(dict.fromkeys(arguments.machine_type or ()))
    zones: list[str] = list(dict.fromkeys(arguments.zones or ()))
    with progress("Reading prices and preemptions from BigQuery"):
        found = _tables(settings).places(
            named,
            zones,
            _MOST_NAMED if named else MOST_TYPES,
            arguments.places,
            arguments.at or datetime.now(UTC),
        )
    missing = [name for name in named if name not in {in_use.machine_type for in_use, _ in found}]
    if missing:
        raise RefusedRequestError(_not_found(missing[0], zones))
    interval = Decimal(arguments.checkpoint_minutes) / 60
    return [advise(in_use, places, interval) for in_use, places in found]


def _not_found(machine_type: str, zones: Sequence[str]) -> str:
    if zones:
        region = zones[0].rpartition("-")[0]
        return (
            f"{machine_type} did not run in the last week and has no Spot price in {region}: name a zone where it has"
        )
    return f"{machine_type} did not run in the last week: name --zones, the first of which is where it is to run"


def _ask(arguments: argparse.Namespace, settings: TrackerSettings, found: Sequence[Advice]) -> Mapping[Place, Live]:
    from spotkeeper.gcp.compute.obtainability import Obtainability

    source = Obtainability(settings.endpoints.compute, timedelta(seconds=settings.retry_timeout_seconds))
    places = [each.place for advice in found for each in advice.places]
    with progress("Asking Compute Engine for capacity"):
        return source.of_places(settings.project_id, places, arguments.zones or (), arguments.size)


def place_rows(found: Sequence[Advice], live: Mapping[Place, Live]) -> Iterator[Row]:
    """Yield the fields of each place."""
    for advice in found:
        for each in advice.places:
            place, answer = each.place, live.get(each.place)
            yield {
                "used_machine_type": advice.in_use.machine_type,
                "used_region": advice.in_use.region,
                "weekly_vm_hours": advice.in_use.weekly_vm_hours,
                "scope": str(place.scope),
                "machine_type": place.machine_type,
                "region": place.region,
                "zone": place.zone or None,
                "vcpus": place.vcpus,
                "memory_gib": place.memory_gib,
                "spot_price": place.spot_price,
                "savings_percent": advice.savings_percent(place).quantize(Decimal("0.01")),
                "monthly_savings_usd": advice.monthly_savings(place, HOURS_PER_MONTH).quantize(Decimal("0.01")),
                "slower_because": place.slower_because,
                "google_preemption_rate": place.google.mean if place.google else None,
                "google_observed_days": place.google.observed_days if place.google else 0,
                "google_rank": each.google_rank,
                "google_history": str(place.google_history),
                "own_preemptions": place.own.preemptions if place.own else None,
                "own_vm_hours": place.own.vm_hours if place.own else None,
                "useful_hour_cost_usd": each.useful_hour_cost,
                "obtainability": answer.obtainability if answer else None,
                "estimated_uptime_seconds": int(answer.uptime.total_seconds()) if answer and answer.uptime else None,
                "live_status": str(answer.status) if answer else None,
            }


def _number(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            message = f"{text!r} is not a number from 1 to {most}"
            raise argparse.ArgumentTypeError(message)
        return int(text)

    return read


def _zone(text: str) -> str:
    if not _ZONE.fullmatch(text):
        message = f"{text!r} is not a zone such as us-central1-a"
        raise argparse.ArgumentTypeError(message)
    return text


def _machine_type(text: str) -> str:
    if not _MACHINE_TYPE.fullmatch(text):
        message = f"{text!r} is not a machine type such as n2-standard-8"
        raise argparse.ArgumentTypeError(message)
    return text
