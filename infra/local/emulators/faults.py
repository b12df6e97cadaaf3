"""Fault injection: the rules, and the one place that decides which call a rule applies to.

`http_faults` carries out what is decided for REST, `grpc_calls` and `relay` for gRPC. Where calls of BigQuery are to
fail, it is reached through the same REST server.
"""

import threading
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase

NO_ANSWER_SECONDS = 400.0
"""How long a call stays without an answer unless its caller hangs up: longer than any caller should wait."""

AGAIN = "again"
"""The token that a first page names as its own; the services refuse it, as they do any they never gave."""

ENDLESS = 40
"""So many calls for the same page are taken for a loop without an end."""


class Kind(StrEnum):
    """How a call fails."""

    STATUS = "status"
    SLOW = "slow"
    NO_ANSWER = "no_answer"
    RESET = "reset"
    LOST = "lost"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    WRONG_JSON = "wrong_json"
    NO_BODY = "no_body"
    EMPTY = "empty"
    BAD_PAGE = "bad_page"
    PAGE_AGAIN = "page_again"
    UNREACHABLE_ZONE = "unreachable_zone"
    EXECUTION_ERRORS = "execution_errors"
    OPERATION_ERROR = "operation_error"
    OPERATION_NEVER_ENDS = "operation_never_ends"


OF_OPERATIONS = frozenset({Kind.OPERATION_ERROR, Kind.OPERATION_NEVER_ENDS})
"""Faults of the operation that a successful call starts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: `first` and `last` count the calls it matches, from 1; without `last` it never ends.

    `service` and `method` are patterns as in file names. `zone` names the zone that a partial list cannot reach. A call
    for one machine type or instance matches a rule for its own zone only, and a rule for an `instance` is about calls
    that name this one in their path. `reason` and `message` are those of a refused call, `code` and `message` those
    of a failed operation.
    """

    service: str
    kind: Kind
    method: str = "*"
    project: str = "*"
    zone: str = "*"
    first: int = 1
    last: int | None = None
    status: int = 500
    seconds: float = 1.0
    instance: str = "*"
    reason: str = ""
    code: str = "INTERNAL_ERROR"
    message: str = ""

    def matches(self, service: str, method: str, project: str, zone: str, instance: str = "") -> bool:
        """Whether a call is one of those the rule is about."""
        wanted, found = (self.project, self.instance), (project, instance)
        if not all(want in ("*", got) for want, got in zip(wanted, found, strict=True)):
            return False
        if not fnmatchcase(service, self.service) or not fnmatchcase(method, self.method):
            return False
        return self.kind is Kind.UNREACHABLE_ZONE or self.zone in ("*", zone)


def rule(described: Mapping[str, object]) -> Rule:
    """Read a rule from JSON; an unknown name is refused."""
    known = {part.name for part in fields(Rule)}
    unknown = described.keys() - known
    if unknown:
        message = f"a fault has {sorted(known)}, not {sorted(unknown)}"
        raise ValueError(message)
    if described["kind"] == Kind.UNREACHABLE_ZONE and "zone" not in described:
        message = "an unreachable zone needs its name"
        raise ValueError(message)
    return Rule(**{**described, "kind": Kind(str(described["kind"]))})  # type: ignore[arg-type]  # from JSON


@dataclass(slots=True)
class Faults:
    """The present rules, and what was counted since they were set.

    `seen` counts all calls by service and method, `struck` those that a rule applied to. `page_limits` are the
    largest pages that a method gives, whatever a caller asks for.
    """

    rules: Sequence[Rule] = ()
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    struck: int = 0
    endless: bool = False
    page_limits: dict[tuple[str, str], int] = field(default_factory=dict)
    on_strike: Callable[[], None] | None = None
    _matched: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def replace(self, rules: Sequence[Rule]) -> Counter[tuple[str, str]]:
        """Set the rules, restart all counts, and return how often each method was called before."""
        with self._lock:
            seen, self.seen = self.seen, Counter()
            self.rules = tuple(rules)
            self.struck, self.endless = 0, False
            self._matched.clear()
            return seen

    def due(  # noqa: PLR0913, PLR0917 (a call has this many parts)
        self,
        service: str,
        method: str,
        project: str = "",
        zone: str = "",
        instance: str = "",
        kinds: Container[Kind] = frozenset(Kind),
    ) -> list[Rule]:
        """Count a call and return the rules that apply to it; without STATUS in `kinds`, it is counted already."""
        with self._lock:
            if Kind.STATUS in kinds:
                self.seen[service, method] += 1
            due = [
                candidate
                for number, candidate in enumerate(self.rules)
                if candidate.kind in kinds
                and candidate.matches(service, method, project, zone, instance)
                and self._is_due(number, candidate)
            ]
            self.struck += bool(due)
        if due and self.on_strike:
            self.on_strike()
        return due

    def _is_due(self, number: int, candidate: Rule) -> bool:
        self._matched[number] += 1
        return candidate.first <= self._matched[number] <= (candidate.last or self._matched[number])

    def is_endless(self) -> bool:
        """Whether so many calls were struck that the caller would never have stopped by itself."""
        self.endless = self.endless or self.struck > ENDLESS
        return self.endless
