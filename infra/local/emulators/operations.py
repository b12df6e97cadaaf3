"""Operations: requests to Compute Engine and their progress.

An operation takes real time, because the emulated clock stands still. It also ends once that clock has moved past its
time it takes in the state: a test may wait or move the clock.
"""

import hashlib
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus

from infra.local.emulators.faults import Kind, Rule
from infra.local.fleet.fleet import Project

DEFAULT_SECONDS = 0.05
LONGEST_WAIT = 120.0
LONGEST_PENDING = 0.02
NO_CAPACITY = "ZONE_RESOURCE_POOL_EXHAUSTED"

type Effect = Callable[[datetime], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """How an operation fails: a code, a sentence, and the HTTP status it stands for."""

    code: str
    message: str
    status: int

    @property
    def phrase(self) -> str:
        """The status in words, as operations carry it."""
        return HTTPStatus(self.status).phrase.upper()


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done: to which resource, how long it takes in the state, and what has come of it at the end.

    One that goes `by_clock` is over only when the emulated clock has moved that far.
    """

    operation_type: str
    project: Project
    scope: str
    target: str
    target_id: int
    user: str
    lasts: timedelta = timedelta(0)
    effect: Effect | None = None
    request_id: str = ""
    failure: Failure | None = None
    endless: bool = False
    by_clock: bool = False


@dataclass(slots=True, eq=False)
class Operation:
    """One operation; times are of the emulated clock, except `pending_until` and `due`, which are this machine's."""

    number: int
    name: str
    task: Task
    inserted: datetime
    pending_until: float
    due: float
    ended: datetime | None = None

    @property
    def status(self) -> str:
        """How far it has come."""
        if self.ended is not None:
            return "DONE"
        return "PENDING" if time.monotonic() < self.pending_until else "RUNNING"

    @property
    def over(self) -> datetime:
        """When it is over in the state, if nothing ended it before."""
        return self.inserted + self.task.lasts


@dataclass(slots=True)
class Operations:
    """All operations, and the requests that began them."""

    seconds: float = DEFAULT_SECONDS
    wait_seconds: float = LONGEST_WAIT
    _all: dict[tuple[str, str], dict[str, Operation]] = field(default_factory=dict)
    _open: list[Operation] = field(default_factory=list)
    _requests: dict[tuple[str, str], tuple[object, Operation]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, task: Task, now: datetime, *, at_once: bool = False, times: float = 1.0) -> Operation:
        """Begin to do something, or say that it is done already; it takes so many `times` the usual seconds."""
        ordinal = next(self._numbers)
        number = int.from_bytes(hashlib.sha256(f"operation {ordinal}".encode()).digest()[:8]) | 1
        begun = time.monotonic()
        seconds = self.seconds * times
        operation = Operation(
            number=number,
            name=f"operation-{int(now.timestamp() * 1000)}-{number:016x}-{ordinal:08x}",
            task=task,
            inserted=now,
            pending_until=begun + min(seconds / 2, LONGEST_PENDING),
            due=math.inf if task.endless or task.by_clock else begun + seconds,
            ended=now if at_once else None,
        )
        with self._lock:
            self._all.setdefault((task.project.project_id, task.scope), {})[operation.name] = operation
            if not at_once and not task.endless:
                self._open.append(operation)
        return operation

    def due(self, now: datetime) -> list[Operation]:
        """Take out the operations that are over by this machine's clock or the emulated one, oldest first."""
        if not self._open:
            return []
        with self._lock:
            moment = time.monotonic()
            over = [one for one in self._open if one.due <= moment or (one.task.lasts and one.over <= now)]
            if over:
                finished = set(map(id, over))
                self._open = [one for one in self._open if id(one) not in finished]
            return over

    def find(self, project_id: str, scope: str, name: str) -> Operation | None:
        """The operation with this name or number."""
        known = self._all.get((project_id, scope), {})
        return known.get(name) or next((one for one in known.values() if str(one.number) == name), None)

    def of_project(self, project_id: str) -> list[Operation]:
        """All operations of a project."""
        with self._lock:
            return [one for (owner, _), known in self._all.items() if owner == project_id for one in known.values()]

    def remember(self, operation: Operation, request: object) -> None:
        """Remember which request began an operation."""
        task = operation.task
        if task.request_id:
            self._requests[task.project.project_id, task.request_id.lower()] = (request, operation)

    def begun_by(self, project_id: str, request_id: str) -> tuple[object, Operation] | None:
        """The request that had this id, and its operation."""
        return self._requests.get((project_id, request_id.lower())) if request_id else None

    def forget(self) -> None:
        """Forget all operations, and take the usual time again."""
        with self._lock:
            self.seconds, self.wait_seconds = DEFAULT_SECONDS, LONGEST_WAIT
            self._all.clear()
            self._open.clear()
            self._requests.clear()


def failure(rules: Sequence[Rule], zone_path: str) -> Failure | None:
    """How the rules that strike a call let its operation fail, None when they do not."""
    rule = next((rule for rule in rules if rule.kind is Kind.OPERATION_ERROR), None)
    if rule is None:
        return None
    if rule.code == NO_CAPACITY:
        message = (
            f"The zone '{zone_path}' does not have enough resources available to fulfill the request.  "
            "Try a different zone, or try again later."
        )
        return Failure(rule.code, rule.message or message, HTTPStatus.SERVICE_UNAVAILABLE)
    return Failure(rule.code, rule.message or "The operation fails on demand.", rule.status)


def endless(rules: Sequence[Rule]) -> bool:
    """Whether the rules that strike a call keep its operation from ending."""
    return any(rule.kind is Kind.OPERATION_NEVER_ENDS for rule in rules)
