"""Faults on demand: what goes wrong, for whom, and on which call."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum


class Kind(StrEnum):
    """How a call goes wrong."""

    STATUS = "status"
    RESET = "reset"
    SLOW = "slow"
    TRUNCATED = "truncated"
    WRONG_JSON = "wrong_json"
    EMPTY = "empty"
    UNREACHABLE_ZONE = "unreachable_zone"
    EXECUTION_ERRORS = "execution_errors"
    OPERATION_ERROR = "operation_error"
    OPERATION_NEVER_ENDS = "operation_never_ends"


OF_OPERATIONS = frozenset({Kind.OPERATION_ERROR, Kind.OPERATION_NEVER_ENDS})
"""What goes wrong after a call was answered."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: `first` and `last` count the calls it matches, from 1; without `last` it never ends.

    `zone` names the zone that a partial list cannot reach. A call for one machine type or instance matches a rule for
    its own zone only, and a rule for an `instance` is about calls that name this one in their path. `reason` and
    `message` are those of a refused call, `code` and `message` those of a failed operation.
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
        wanted = (self.service, self.method, self.project, self.instance)
        if not all(want in ("*", got) for want, got in zip(wanted, (service, method, project, instance), strict=True)):
            return False
        return self.kind is Kind.UNREACHABLE_ZONE or self.zone in ("*", zone)


def rule(described: Mapping[str, object]) -> Rule:
    """Read a rule from JSON; a name nobody knows is refused."""
    known = {part.name for part in fields(Rule)}
    unknown = described.keys() - known
    if unknown:
        message = f"a fault has {sorted(known)}, not {sorted(unknown)}"
        raise ValueError(message)
    if described["kind"] == Kind.UNREACHABLE_ZONE and "zone" not in described:
        message = "a zone that cannot be reached needs its name"
        raise ValueError(message)
    return Rule(**{**described, "kind": Kind(str(described["kind"]))})  # type: ignore[arg-type]  # from JSON


@dataclass(slots=True)
class Faults:
    """The rules that hold, and how many calls each has seen."""

    rules: Sequence[Rule] = ()
    _seen: Counter[int] = field(default_factory=Counter)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Let these rules hold from now on, counting afresh."""
        self.rules = tuple(rules)
        self._seen.clear()

    def due(  # noqa: PLR0913, PLR0917 (a call has this many parts)
        self,
        service: str,
        method: str,
        project: str = "",
        zone: str = "",
        instance: str = "",
        kinds: Container[Kind] = frozenset(Kind),
    ) -> list[Rule]:
        """Count a call and return the rules that strike it."""
        struck = []
        for number, candidate in enumerate(self.rules):
            if candidate.kind in kinds and candidate.matches(service, method, project, zone, instance):
                self._seen[number] += 1
                if candidate.first <= self._seen[number] <= (candidate.last or self._seen[number]):
                    struck.append(candidate)
        return struck
