"""Weeks of hourly runs, a tenth of them with a fault, compared day by day with undisturbed ones."""

import contextlib
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from tests.faults import tracker, victims
from tests.faults.fleets import OWNER, at, living_fleet
from tests.faults.injection import Fault, Kind
from tests.faults.matrix import why_not_of
from tests.faults.places import Place
from tests.faults.running import services
from tests.faults.snapshots import OF_THE_TIME, differences, hours, snapshot, without

HOURS_A_DAY = 24
SHARE_DISTURBED = 0.15
"""Of the faults that are drawn, a third is of calls that an hour does not make: a tenth of the runs are struck."""

LAST_UNDISTURBED = 2
"""So many runs at the end are left in peace, as the next run is what completes a disturbed one."""

WARM_AFTER_DAYS = 5
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.faults.victims"])


@dataclass(frozen=True, slots=True)
class Life:
    """What some weeks came to: the cost rows of each day, the incomplete hours, and the memory after each day."""

    days: Mapping[str, Sequence[str]]
    incomplete: Sequence[str]
    memory_mib: Sequence[float]
    disturbed: int
    refused: int


def lives(days: int, seed: int) -> tuple[Life, Life]:
    """Live the same days twice at once: with faults and without."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        disturbed, reference = pool.submit(_life, days, seed, SHARE_DISTURBED), pool.submit(_life, days, seed, 0.0)
        return disturbed.result(), reference.result()


def compared(disturbed: Life, reference: Life) -> Iterator[str]:
    """Say on which days two lives differ, and which hours stayed incomplete."""
    for day, rows in reference.days.items():
        yield from differences({day: list(disturbed.days.get(day, ()))}, {day: list(rows)})
    yield from (f"still incomplete: {hour}" for hour in disturbed.incomplete)


def _life(days: int, seed: int, share: float) -> Life:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    chance = random.Random(seed)  # noqa: S311 (the same faults each time)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        services(fleet=living_fleet(days, seed)) as here,
    ):
        return _lived(here.place, days, chance, share)


def _lived(place: Place, days: int, chance: random.Random, share: float) -> Life:
    dataset = place.new_dataset()
    settings = place.settings(dataset, tracker.SETTINGS | {"CUSTOM_METRICS": "false"})
    ours, theirs = _forks.Pipe()
    process = _forks.Process(target=victims.serve, args=(settings, theirs), daemon=True)
    process.start()
    memory, disturbed, refused = [], 0, 0
    last = days * HOURS_A_DAY
    for number in range(last):
        faults = _faults(chance) if chance.random() < share and number < last - LAST_UNDISTURBED else ()
        place.injection.inject(*faults)
        status, used = _run(place, ours, at(number + 1, 7))
        disturbed += bool(place.injection.struck)
        refused += status != 200
        if number % HOURS_A_DAY == HOURS_A_DAY - 1:
            memory.append(used)
    ours.send(None)
    process.join()
    return _summary(place, dataset, memory, disturbed, refused)


def _run(place: Place, function: "Connection", moment: datetime) -> tuple[int, float]:
    place.cloud.state.clock.now = moment
    place.cloud.state.requests.clear()
    function.send(moment)
    status, used = function.recv()
    return int(status), float(used)


def _faults(chance: random.Random) -> tuple[Fault, ...]:
    operation = chance.choice(sorted(tracker.OPERATIONS))
    kind = chance.choice([kind for kind in Kind if why_not_of(kind, operation) is None and kind not in _NOT_DETECTED])
    first = chance.choice((1, 1, 2, 3))
    return (Fault(operation, kind, first, chance.choice((first, None))),)


_NOT_DETECTED = frozenset({Kind.SLOW, Kind.SILENT, Kind.EMPTY})
"""Slow is only slow, silence takes a minute, and some empty answers nobody can tell from true ones: docs/faults.md."""


def _summary(place: Place, dataset: str, memory: Sequence[float], disturbed: int, refused: int) -> Life:
    found = snapshot(place.client, dataset)
    days: dict[str, list[str]] = {}
    for row in found["spot_vm_costs"]:
        lines = without({"rows": [row]}, OF_THE_TIME)["rows"]
        days.setdefault(row["usage_start_time"][:10], []).extend(lines)
    incomplete = [
        hour
        for hour, recorded in hours(found).items()
        if not recorded.complete or OWNER.project_id not in recorded.projects
    ]
    return Life({day: sorted(rows) for day, rows in days.items()}, incomplete, memory, disturbed, refused)
