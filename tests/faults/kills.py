"""SIGKILL of the function's process at random moments, and then the same call again."""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerProcess

from tests.faults import enforcer, tracker, victims
from tests.faults.enforcer import BUDGET, OVER, Enforcer
from tests.faults.keeping import staging_tables
from tests.faults.outcomes import differs
from tests.faults.places import schedule
from tests.faults.snapshots import snapshot
from tests.faults.tracker import Tracker

LONGER_THAN_A_RUN = 1.1
MOST_SECONDS = 60.0
PAUSE_SECONDS = 0.5
"""Between a kill and the next call: what BigQuery was told already it does, as the real one would."""

OPERATION_SECONDS = 0.5
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.faults.victims"])


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: after how many seconds, whether the process lived until then, and what was wrong after it."""

    seconds: float
    cut_off: bool
    problems: Sequence[str]
    left_behind: int = 0


def kill_tracker(victim: Tracker, number: int, seed: int) -> Iterator[Kill]:
    """Kill runs of the tracker, run each again, and compare all tables with those of an undisturbed run."""
    twin = victim.undisturbed()
    place, dataset = victim.place, victim.dataset
    settings = place.settings(dataset, tracker.SETTINGS)

    def begin() -> None:
        victim.begin()
        victim.set_time(tracker.DISTURBED)

    run = lambda: _forks.Process(target=victims.track, args=(settings, tracker.DISTURBED))  # noqa: E731
    for seconds in _moments(number, seed, begin, run):
        begin()
        cut_off = _killed(run(), seconds)
        left = len(staging_tables(place.client, dataset))
        answer = schedule(place.function(tracker.TARGET, settings), tracker.DISTURBED)
        problems = differs(snapshot(place.client, dataset), twin.after)
        problems += [f"{name} never expires" for name in place.leftovers(dataset)]
        yield Kill(seconds, cut_off, [f"{answer.status}: {each}" for each in problems], left)


def kill_enforcer(victim: Enforcer, number: int, seed: int) -> Iterator[Kill]:
    """Kill deliveries to the enforcer, deliver each again, and count the stops of every VM."""
    twin = victim.undisturbed()
    place, dataset = victim.place, victim.dataset
    settings = place.settings(dataset, enforcer.SETTINGS)
    published = enforcer.NOW - timedelta(seconds=5)

    def begin() -> None:
        victim.begin()
        place.cloud.world.operations.seconds = OPERATION_SECONDS
        place.cloud.world.clock.now = enforcer.NOW

    run = lambda: _forks.Process(target=victims.enforce, args=(settings, BUDGET, published, OVER))  # noqa: E731
    for seconds in _moments(number, seed, begin, run):
        begin()
        cut_off = _killed(run(), seconds)
        left = len(staging_tables(place.client, dataset))
        seen = victim.look(place.function(enforcer.TARGET, settings), "1", enforcer.AGAIN, OVER)
        problems = [] if seen.status == 200 else [f"answered {seen.status}: {seen.reasons}"]
        problems += _different("stopped", seen.stops, twin.stops)
        problems += _different("planned", seen.names("planned"), twin.names("planned"))
        problems += _different("recorded as stopped", seen.names("stopped"), twin.names("stopped"))
        problems += [f"{name} never expires" for name in place.leftovers(dataset)]
        yield Kill(seconds, cut_off, problems, left)


def _different(what: str, found: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    return [] if found == wanted else [f"{what}: {Counter(found)}, not {Counter(wanted)}"]


def _moments(
    number: int, seed: int, begin: Callable[[], None], run: Callable[[], ForkServerProcess]
) -> Iterator[float]:
    """Yield random moments of a run, the same ones for a seed but for how long a run takes here."""
    lasted = []
    for _ in range(3):
        begin()
        started = time.monotonic()
        _killed(run(), MOST_SECONDS)
        lasted.append(time.monotonic() - started)
    chance = random.Random(seed)  # noqa: S311 (the same moments each time)
    for _ in range(number):
        yield chance.uniform(0, min(lasted) * LONGER_THAN_A_RUN)


def _killed(process: ForkServerProcess, seconds: float) -> bool:
    """Start a process, and kill it after a while; tell whether it still ran then."""
    process.start()
    process.join(seconds)
    cut_off = process.is_alive()
    if cut_off:
        process.kill()
        process.join()
        time.sleep(PAUSE_SECONDS)
    return cut_off
