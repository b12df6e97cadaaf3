"""What can go wrong on the way to a service, and on which of its calls."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

SLOW_SECONDS = 1.0
"""How much later a slow answer comes: many times later than usual, and sooner than a caller gives up."""

SILENT_SECONDS = 400.0
"""For how long a call is left without an answer, unless its caller hangs up: longer than any caller should wait."""

NEVER_STRUCK = "the fault never struck"
ANY = "any"
"""The operation of a fault that counts the calls of all operations together."""

ENDLESS = 40
"""So many calls with one page token are taken for a loop that has no end."""


class Kind(StrEnum):
    """How a call goes wrong."""

    SLOW = "slow"
    SILENT = "no answer"
    RESET = "connection reset"
    LOST = "answer lost"
    TOO_MANY = "429"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    BAD_PAGE = "bad page"
    SAME_PAGE = "page again"
    TRUNCATED = "truncated"
    WRONG = "wrong JSON"
    NOTHING = "no body"
    EMPTY = "empty"
    PARTIAL = "partial"
    DENIED = "denied"
    EXPIRED = "expired"


STATUSES = {Kind.TOO_MANY: 429, Kind.INTERNAL: 500, Kind.UNAVAILABLE: 503, Kind.DENIED: 403, Kind.EXPIRED: 401}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the calls of one operation from the `first` to the `last`, counted from 1."""

    operation: str
    kind: Kind
    first: int = 1
    last: int | None = None

    def strikes(self, operation: str, number: int) -> bool:
        """Whether a call is one of those that go wrong."""
        return operation == self.operation and self.first <= number <= (self.last or number)


@dataclass(slots=True)
class Trouble:
    """The faults that hold now, and how often each operation was called since they do."""

    faults: tuple[Fault, ...] = ()
    seen: Counter[str] = field(default_factory=Counter)
    struck: int = 0
    endless: bool = False
    at_a_strike: Callable[[], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def replace(self, *faults: Fault) -> Counter[str]:
        """Let these faults hold from now on, counting afresh, and return what was counted."""
        with self._lock:
            seen, self.seen = self.seen, Counter()
            self.faults = faults
            self.struck, self.endless = 0, False
            return seen

    def due(self, operation: str) -> Kind | None:
        """Count a call, and return how it goes wrong."""
        with self._lock:
            self.seen.update((operation, ANY))
            for fault in self.faults:
                if any(fault.strikes(name, self.seen[name]) for name in (operation, ANY)):
                    self.struck += 1
                    if self.at_a_strike:
                        self.at_a_strike()
                    return fault.kind
        return None

    def is_endless(self) -> bool:
        """Whether so many calls were struck that the caller would never have stopped by itself."""
        self.endless = self.endless or self.struck > ENDLESS
        return self.endless

    def problems(self) -> list[str]:
        """Say what is wrong whatever the tables say."""
        problems = [] if self.struck or not self.faults else [NEVER_STRUCK]
        return [*problems, "the same page was asked for without end"] if self.endless else problems
