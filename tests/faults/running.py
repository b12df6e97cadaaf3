"""Trying cells: in this process, or in several at once, each with a BigQuery and emulators of its own."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from pathlib import Path

from infra.local.fleet.fleet import Fleet
from infra.local.stack.processes import Processes
from infra.local.stack.stack import serve_bigquery
from tests.faults import enforcer, tracker
from tests.faults.enforcer import Enforcer
from tests.faults.injection import NEVER_STRUCK
from tests.faults.matrix import Cell, cells, is_usual, why_absent
from tests.faults.outcomes import Outcome, Result
from tests.faults.places import Place, place
from tests.faults.tracker import Tracker

TRACKER, ENFORCER = "tracker", "enforcer"
OPERATIONS = {TRACKER: tracker.OPERATIONS, ENFORCER: enforcer.OPERATIONS}
TIMEOUT_SECONDS = 600
LEFT_OUT = ""
"""Why a cell was not tried that could have been: another one comes to the same."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A cell, what came of it, and how long that took."""

    cell: Cell
    result: Result
    seconds: float


@dataclass(slots=True)
class Trials:
    """Where both functions are tried."""

    place: Place
    every: bool = False
    functions: dict[str, Tracker | Enforcer] = field(default_factory=dict)

    def tried(self, cell: Cell) -> Tried:
        """Try one cell."""
        function = self.function(cell.function)
        calls = function.calls(cell.operation)
        started = time.monotonic()
        absent = why_absent(cell, calls) if calls else "it is never called"
        if absent is None and not self.every and not is_usual(cell, calls):
            absent = LEFT_OUT
        result = _ends(function, cell, calls) if absent is None else Result(Outcome.ABSENT, absent)
        return Tried(cell, result, time.monotonic() - started)

    def function(self, name: str) -> Tracker | Enforcer:
        """Return one of the functions, the same one each time."""
        if name not in self.functions:
            self.functions[name] = Tracker(self.place) if name == TRACKER else Enforcer(self.place)
        return self.functions[name]


def _ends(function: Tracker | Enforcer, cell: Cell, calls: int) -> Result:
    """Say how a fault ended. A job is asked after more often at times: then the last call comes earlier."""
    result = function.ends(cell.fault(calls))
    if NEVER_STRUCK in result.reason and calls > 1:
        return _ends(function, cell, calls - 1)
    return result


@contextmanager
def services(*, every: bool = False, fleet: Fleet | None = None) -> Iterator[Trials]:
    """Set up everything in this process, and BigQuery in another: one in which empty arrays arrive as NULL."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Processes(Path(folder) / "logs") as processes,
        place(serve_bigquery(processes, Path(folder), empty_arrays_as_null=True), fleet) as here,
    ):
        yield Trials(here, every)


def all_cells(functions: Sequence[str] = (TRACKER, ENFORCER)) -> list[Cell]:
    """All cells of some functions, those that cannot exist too."""
    return [cell for name in functions for operation in OPERATIONS[name] for cell in cells(name, operation)]


def tried_at_once(wanted: Sequence[Cell], workers: int, *, every: bool) -> Iterator[Tried]:
    """Try cells in several processes, and yield them as they are done with."""
    context = multiprocessing.get_context("spawn")
    left: Queue[Cell | None] = context.Queue()
    done: Queue[Tried] = context.Queue()
    for cell in [*wanted, *[None] * workers]:
        left.put(cell)
    processes = [context.Process(target=_work, args=(left, done, every), daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        for _ in wanted:
            yield done.get(timeout=TIMEOUT_SECONDS)
    finally:
        for process in processes:
            process.join(TIMEOUT_SECONDS if left.empty() else 0)
            process.terminate()


def _work(left: "Queue[Cell | None]", done: "Queue[Tried]", every: bool) -> None:  # noqa: FBT001 (given by name alone where a process is made)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        services(every=every) as here,
    ):
        for cell in iter(left.get, None):
            done.put(here.tried(cell))
        sys.stdout.flush()
