"""SIGKILL of the function's process, at random moments and at every call it makes, and then the same call again."""

import itertools
import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerProcess

from tests.faults import enforcer, tracker, victims
from tests.faults.enforcer import BUDGET, OVER, STOPS, Case, Enforcer
from tests.faults.injection import ANY, Fault, Kind
from tests.faults.keeping import staging_tables
from tests.faults.outcomes import differs, unrepaired
from tests.faults.places import Place, schedule
from tests.faults.snapshots import Snapshot, snapshot
from tests.faults.tracker import Tracker

LONGER_THAN_A_RUN = 1.1
MOST_SECONDS = 60.0
PAUSE_SECONDS = 0.5
"""Between a kill and the next call: BigQuery finishes what it received, as the real one would."""

OPERATION_SECONDS = 0.5
RECEIVED = {Kind.RESET: "not received", Kind.LOST: "received"}
"""Whether the service got the call at which the process died."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.faults.victims"])


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: when, whether the process lived until then, what was wrong after it, and the tables left to expire."""

    moment: str
    cut_off: bool
    problems: Sequence[str]
    left_behind: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """A function that is to be killed: how everything is at first, its process, and what is wrong once it ran again."""

    place: Place
    dataset: str
    begin: Callable[[], None]
    process: Callable[[], ForkServerProcess]
    again: Callable[[], Sequence[str]]


def tracker_target(victim: Tracker) -> Target:
    """A run of the tracker; after the next one all tables have to be those of an undisturbed run.

    An alert that the killed run reserved and did not send is sent by the run an hour later.
    """
    reference = victim.undisturbed()
    place, dataset = victim.place, victim.dataset
    settings = place.settings(dataset, tracker.SETTINGS)

    def begin() -> None:
        victim.begin()
        victim.set_time(tracker.DISTURBED)

    def again() -> Sequence[str]:
        answer = schedule(place.function(tracker.TARGET, settings), tracker.DISTURBED)
        found = snapshot(place.client, dataset)
        if not _not_sent(found):
            return [f"{answer.status}: {each}" for each in differs(found, reference.after)]
        victim.set_time(tracker.NEXT)
        answer = schedule(place.function(tracker.TARGET, settings), tracker.NEXT)
        found = snapshot(place.client, dataset)
        return [f"{answer.status}: {each}" for each in (*_not_sent(found), *unrepaired(found, reference.repaired))]

    run = lambda: _forks.Process(target=victims.track, args=(settings, tracker.DISTURBED))  # noqa: E731
    return Target(place, dataset, begin, run, again)


def enforcer_target(victim: Enforcer, case: Case = STOPS) -> Target:
    """A delivery to the enforcer; after the next one each VM of the undisturbed plan has to be stopped once.

    And each group frozen once, and each event sent.
    """
    reference = victim.undisturbed(case)
    place, dataset = victim.place, victim.dataset
    settings = place.settings(dataset, case.settings)
    published = enforcer.NOW - timedelta(seconds=5)

    def begin() -> None:
        victim.begin(case)
        place.cloud.state.operations.seconds = OPERATION_SECONDS
        place.cloud.state.clock.now = enforcer.NOW

    def again() -> Sequence[str]:
        seen = victim.look(place.function(enforcer.TARGET, settings), "1", enforcer.AGAIN, OVER)
        return [
            *([] if seen.status == 200 else [f"answered {seen.status}: {seen.reasons}"]),
            *_different("stopped", seen.stops, reference.stops),
            *_different("planned", seen.names("planned"), reference.names("planned")),
            *_different("recorded as stopped", seen.names("stopped"), reference.names("stopped")),
            *_different("changed", seen.changes, reference.changes),
            *_different("recorded as frozen", seen.names("frozen"), reference.names("frozen")),
            *(f"event {event} was not sent" for event in reference.events - seen.events),
        ]

    run = lambda: _forks.Process(target=victims.enforce, args=(settings, BUDGET, published, OVER))  # noqa: E731
    return Target(place, dataset, begin, run, again)


def killed_at_random(target: Target, number: int, seed: int) -> Iterator[Kill]:
    """Kill it at random moments, the same ones for a seed but for how long a run takes here."""
    chance = random.Random(seed)  # noqa: S311 (the same moments each time)
    longest = min(_lasted(target) for _ in range(3)) * LONGER_THAN_A_RUN
    for _ in range(number):
        seconds = chance.uniform(0, longest)
        target.begin()
        yield _aftermath(target, f"after {seconds:.3f} s", cut_off=_killed(target.process(), seconds))


def killed_at_calls(target: Target) -> Iterator[Kill]:
    """Kill it at its first call of any service, then at its second, and so on: before it is received, and after."""
    for number in itertools.count(1):
        for kind in RECEIVED:
            kill = killed_at(target, Fault(ANY, kind, number, number))
            if not kill.cut_off:
                return
            yield kill


def killed_at(target: Target, fault: Fault) -> Kill:
    """Kill it at the call that a fault strikes, and say what is wrong once it ran again."""
    target.begin()
    process, injection = target.process(), target.place.injection
    injection.inject(fault)
    injection.faults.on_strike = process.kill
    process.start()
    process.join(MOST_SECONDS)
    injection.faults.on_strike = None
    injection.inject()
    cut_off = _was_cut_off(process)
    return _aftermath(target, f"at call {fault.first} of {fault.operation}, {RECEIVED[fault.kind]}", cut_off=cut_off)


def _not_sent(found: Snapshot) -> list[str]:
    return [f"reserved and not sent: {alert}" for alert in found["budget_alerts"] if alert["message_id"] is None]


def _aftermath(target: Target, moment: str, *, cut_off: bool) -> Kill:
    left = len(staging_tables(target.place.client, target.dataset))
    problems = [*target.again(), *target.place.leftovers(target.dataset)]
    return Kill(moment, cut_off, problems, left)


def _different(what: str, found: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    return [] if found == wanted else [f"{what}: {Counter(found)}, not {Counter(wanted)}"]


def _lasted(target: Target) -> float:
    target.begin()
    started = time.monotonic()
    _killed(target.process(), MOST_SECONDS)
    return time.monotonic() - started


def _killed(process: ForkServerProcess, seconds: float) -> bool:
    """Start a process, and kill it after a while; tell whether it still ran then."""
    process.start()
    process.join(seconds)
    process.kill()
    return _was_cut_off(process)


def _was_cut_off(process: ForkServerProcess) -> bool:
    process.join()
    cut_off = process.exitcode == -signal.SIGKILL
    if cut_off:
        time.sleep(PAUSE_SECONDS)
    return cut_off
