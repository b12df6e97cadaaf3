"""Random budget messages for as long as one likes, and after each of them a look whether anything is as it must not be.

The same seed makes the same messages, faults and policies; only what is delivered at the same time may interleave
differently, and how far it comes in the time there is.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from google.cloud.bigquery import ArrayQueryParameter

from infra.local.emulators.compute import effects
from tests.faults import tracker
from tests.faults.enforcer import OPERATIONS
from tests.faults.fleets import at
from tests.faults.injection import Fault, Kind
from tests.faults.matrix import why_not_of
from tests.faults.message_books import Books, Step
from tests.faults.message_fleet import OTHER, OWNER, varied_fleet
from tests.faults.message_function import Answer, Push, serve
from tests.faults.message_kinds import KNOWN_BUDGETS, Messages, Sent
from tests.faults.message_model import MAY_STOP
from tests.faults.message_watch import Watch, asked
from tests.faults.places import Place, schedule
from tests.faults.running import services

BEGIN = at(2)
MOST_GROWTH = 1.1
WARM_AFTER = 0.1
MOST_TRIES = 4
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.message_function"])
_PAUSES = (1, 5, 20, 40, 60, 180, 600, 1440, 8640)
"""Minutes between two steps."""

_DELIVERIES = """
SELECT message_id, verdict, reason, mode
FROM budget_notifications
WHERE message_id IN UNNEST(@message_ids) AND received_at >= '2000-01-01'
"""
_ACTIONS = """
SELECT message_id, budget_id, period_end, happened_at, instance_id, instance_name, event, mode
FROM enforcement_actions
WHERE message_id IN UNNEST(@message_ids) AND event != 'spared' AND happened_at >= '2000-01-01'
"""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to."""

    problems: Sequence[str]
    books: Books
    memory_mib: Sequence[float]
    seconds: float

    @property
    def growth(self) -> float:
        """By how much the memory of the function grew after the first tenth of the steps."""
        return self.memory_mib[-1] / self.memory_mib[int(len(self.memory_mib) * WARM_AFTER)]

    def __str__(self) -> str:
        """Sum it up in one line."""
        counts = self.books.counts
        verdicts = ", ".join(f"{count} {name}" for name, count in sorted(self.books.verdicts.items()))
        return (
            f"{counts['messages']} deliveries in {self.seconds:.0f} s: {verdicts}; {counts['refused']} refused, "
            f"{counts['stop']} stops, {counts['start']} restarts, {len(self.problems)} wrong; memory of the function "
            f"{self.memory_mib[int(len(self.memory_mib) * WARM_AFTER)]:.0f} MiB after a tenth, "
            f"{self.memory_mib[-1]:.0f} MiB at the end"
        )


def main(minutes: float, seed: int) -> int:
    """Deliver messages for so many minutes; 1 when anything was wrong, or memory grew by more than a tenth."""
    said = sys.stdout
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        services(fleet=varied_fleet()) as here,
    ):
        summary = delivered(here.place, seed, until=time.monotonic() + minutes * 60)
    said.write(f"{summary}\n")
    return 1 if summary.problems or summary.growth > MOST_GROWTH else 0


def delivered(place: Place, seed: int, *, until: float = 0.0, steps: int = 0) -> Summary:
    """Deliver messages up to a time of the monotonic clock, or so many steps, which have to do without prices."""
    started = time.monotonic()
    run = _Run(place, random.Random(seed))  # noqa: S311 (the same messages each time)
    problems: list[str] = []
    memory: list[float] = []
    if not steps:
        run.record_prices()
    with run.function():
        for number in itertools.count(1):
            for problem in run.step():
                problems.append(f"seed {seed}, step {number}: {problem}")
                sys.stderr.write(f"{problems[-1]}\n")
            memory.append(run.memory_mib)
            if number == steps or (not steps and time.monotonic() > until):
                return Summary(problems, run.books, memory, time.monotonic() - started)
    raise AssertionError


@dataclass
class _Run:
    place: Place
    chance: random.Random
    books: Books = field(default_factory=Books)
    memory_mib: float = 0.0
    _sent: list[Sent] = field(default_factory=list)
    _now: datetime = BEGIN

    def __post_init__(self) -> None:
        self._dataset = self.place.new_dataset()
        self._messages = Messages(self.chance)
        self._watch = Watch(self.place, self._dataset)
        self._mode, self._policy = "enforce", policy(self.chance, self._now)

    def record_prices(self) -> None:
        """Let the tracker do so, in its only run."""
        settings = self.place.settings(self._dataset, tracker.SETTINGS | {"CUSTOM_METRICS": "false"})
        self.place.cloud.state.clock.now = at(1, 7)
        schedule(self.place.function(tracker.TARGET, settings), at(1, 7))

    @contextlib.contextmanager
    def function(self) -> Iterator[None]:
        """Start the function."""
        self.place.cloud.state.on_change = self._watch
        ours, theirs = _FORKS.Pipe()
        process = _FORKS.Process(target=serve, args=(theirs,), daemon=True)
        process.start()
        self._calls: Connection = ours
        self._start()
        try:
            yield
        finally:
            ours.send(None)
            process.join()
            self.place.cloud.state.on_change = None

    def step(self) -> list[str]:
        """Let some time pass and deliver something, until it is acknowledged."""
        chance = self.chance
        self._now += timedelta(minutes=chance.choice(_PAUSES) if chance.random() < 0.5 else 2)
        self.place.cloud.state.clock.now = self._now
        if chance.random() < 0.03:
            self._mode = chance.choice(("enforce", "enforce", "dry_run"))
            self._policy = policy(chance, self._now)
            self._start()
        if chance.random() < 0.02:
            self._start_vms()
        sent = self._drawn()
        fault = _fault(chance) if chance.random() < 0.1 else None
        problems = []
        for _ in range(MOST_TRIES):
            step = self._delivered(sent, fault)
            problems += self.books.problems(step)
            sent = [each for each, answer in zip(sent, step.answers, strict=True) if answer.status != 200]
            fault = None
            if not sent:
                return problems
        return [*problems, f"{[each.message_id for each in sent]} came to no end"]

    def _drawn(self) -> list[Sent]:
        """New messages, or such as were delivered before, or published again."""
        chance = self.chance
        found = []
        for _ in range(chance.choice((1, 1, 1, 1, 2, 3, 4))):
            drawn = chance.random()
            if self._sent and drawn < 0.15:
                found.append(chance.choice(self._sent[-200:]))
            elif self._sent and drawn < 0.2:
                found.append(self._messages.copy(chance.choice(self._sent[-50:])))
            else:
                found.append(self._messages.one(self._now))
        if found and chance.random() < 0.1:
            found.append(found[0])
        self._sent += found
        return found

    def _delivered(self, sent: Sequence[Sent], fault: Fault | None) -> Step:
        ids = sorted({each.message_id for each in sent})
        state = self.place.cloud.state
        running = [vm for vm in state.fleet.vms if vm.status(self._now) == "RUNNING"]
        self._watch.message_ids = ids
        self.place.injection.inject(*([fault] if fault else []))
        self._calls.send([Push(each.envelope, each.as_event) for each in sent])
        answers: list[Answer]
        answers, self.memory_mib = self._calls.recv()
        self.place.injection.inject()
        parameters = [ArrayQueryParameter("message_ids", "STRING", ids)]
        deliveries = asked(self.place, self._dataset, _DELIVERIES, parameters)
        stopping = any(row["verdict"] in {*MAY_STOP, "redelivered", "under_budget"} for row in deliveries)
        actions = asked(self.place, self._dataset, _ACTIONS, parameters) if stopping else []
        vm_requests = self._watch.vm_requests()
        return Step(sent, answers, fault, self._policy, self._mode, vm_requests, deliveries, actions, running)

    def _start(self) -> None:
        extra = {
            "RETRY_TIMEOUT_SECONDS": "1",
            "RESOURCE_MANAGER_ENDPOINT": self.place.cloud.rest_url,
            "ENFORCEMENT_MODE": self._mode,
            "ENFORCEMENT_POLICY": json.dumps(self._policy),
        }
        self._calls.send(self.place.settings(self._dataset, extra))

    def _start_vms(self) -> None:
        """Start what is stopped, as somebody does who needs it."""
        state = self.place.cloud.state
        for vm in [vm for vm in state.fleet.vms if vm.status(self._now) == "TERMINATED"]:
            group = state.groups.owner(state.fleet, vm)
            request = effects.VmRequest("somebody", group=group)
            effects.start(state, OWNER if vm.project_id == OWNER.project_id else OTHER, vm, (), request)


def policy(chance: random.Random, now: datetime) -> dict[str, Any]:
    """Return a policy at random, in which all known budgets are."""
    two = [OWNER.project_id, OTHER.project_id]
    low, medium = {"threshold": 1.0, "priorities": ["low"]}, {"threshold": 1.2, "priorities": ["medium"]}
    early = {"threshold": 0.8, "priorities": ["low"]}
    rules: dict[str, dict[str, Any]] = {name: {"projects": [OWNER.project_id]} for name in KNOWN_BUDGETS}
    rules["all"] |= {"projects": two, "steps": chance.choice(([low, medium], [low], [early, medium]))}
    rules["etl"] |= {"labels": {"team": ["etl"]}, "max_stops_per_alert": 2, "max_stops_per_day": 4, "steps": [early]}
    rules["etl"]["sources"] = {"billing": "stop", "tracker": chance.choice(("stop", "warn"))}
    rules["euro"] |= {"currency": "EUR", "steps": [{"threshold": 1.0, "priorities": ["low", "medium", "high"]}]}
    rules["quarter"] |= {"period": "quarter", "max_stops_per_alert": chance.choice((1, 5))}
    found: dict[str, Any] = {"budgets": rules, "restart": chance.random() < 0.8}
    if chance.random() < 0.15:
        found["snooze_until"] = (now + timedelta(days=chance.choice((1, 5)))).isoformat()
    if chance.random() < 0.2:
        found["minimum_age_minutes"] = chance.choice((30, 6000))
    if chance.random() < 0.2:
        found["unlabelled_priority"] = chance.choice(("medium", "high"))
    if chance.random() < 0.05:
        found["billing_account_id"] = "012345-6789AB-CDEF01"
    return found


def _fault(chance: random.Random) -> Fault:
    operation = chance.choice(sorted(OPERATIONS))
    kind = chance.choice([kind for kind in Kind if why_not_of(kind, operation) is None])
    first = chance.randint(1, 3)
    return replace(Fault(operation, kind, first), last=chance.choice((first, None)))
