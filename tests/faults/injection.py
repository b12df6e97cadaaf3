"""The faults that are injected into calls of the product, as rules of the emulators."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from infra.local.emulators import faults
from infra.local.emulators.faults import Faults, Rule

NEVER_STRUCK = "the fault never struck"
ANY = "any"
"""The operation of a fault that counts the calls of all operations together."""

METHODS = {
    ANY: ("*", "*"),
    "uptime": ("monitoring", "ListTimeSeries"),
    "figures": ("monitoring", "CreateTimeSeries"),
    "publish": ("pubsub", "Publish"),
    "instances": ("compute", "instances.aggregatedList"),
    "addresses": ("compute", "addresses.aggregatedList"),
    "disks": ("compute", "disks.aggregatedList"),
    "preemptions": ("compute", "globalOperations.aggregatedList"),
    "machine types": ("compute", "machineTypes.get"),
    "instance": ("compute", "instances.get"),
    "stop": ("compute", "*.stop*"),
    "operation": ("compute", "*Operations.[gw]*"),
    "operations": ("compute", "*Operations.list"),
    "autoscalers": ("compute", "autoscalers.aggregatedList"),
    "autoscaler": ("compute", "*utoscalers.get"),
    "freeze": ("compute", "*utoscalers.patch"),
    "thaw": ("compute", "*utoscalers.patch"),
    "start": ("compute", "*.start*"),
    "events": ("pubsub", "Publish"),
    "capacity": ("compute", "advice.capacityHistory"),
    "assets": ("assets", "*"),
    "audit log": ("logging", "*"),
    "skus": ("catalog", "*"),
    "contract prices": ("pricing", "*"),
    **{
        name: ("bigquery", name)
        for name in ("query", "rows", "load", "commit", "sweep", "outcomes", "freeze outcomes", "record")
    },
}
"""The service and method that an operation of the product calls, as the emulators name them."""

UNREACHABLE, UNREACHABLE_REGION = "us-central1-a", "us-central1"


class Kind(StrEnum):
    """How a call fails."""

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
RULES = {
    Kind.SLOW: faults.Kind.SLOW,
    Kind.SILENT: faults.Kind.NO_ANSWER,
    Kind.RESET: faults.Kind.RESET,
    Kind.LOST: faults.Kind.LOST,
    Kind.BAD_PAGE: faults.Kind.BAD_PAGE,
    Kind.SAME_PAGE: faults.Kind.PAGE_AGAIN,
    Kind.TRUNCATED: faults.Kind.TRUNCATED,
    Kind.WRONG: faults.Kind.NOT_JSON,
    Kind.NOTHING: faults.Kind.NO_BODY,
    Kind.EMPTY: faults.Kind.EMPTY,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of the calls of one operation from the `first` to the `last`, counted from 1."""

    operation: str
    kind: Kind
    first: int = 1
    last: int | None = None

    def rule(self) -> Rule:
        """Return the emulators' rule for it."""
        service, method = METHODS[self.operation]
        if self.kind in STATUSES:
            kind = faults.Kind.STATUS
        elif self.kind is not Kind.PARTIAL:
            kind = RULES[self.kind]
        else:
            kind = faults.Kind.UNREACHABLE_ZONE if service == "compute" else faults.Kind.EXECUTION_ERRORS
        place = UNREACHABLE_REGION if self.operation == "addresses" else UNREACHABLE
        zone = place if kind is faults.Kind.UNREACHABLE_ZONE else "*"
        status = STATUSES.get(self.kind, 500)
        return Rule(service, kind, method, zone=zone, first=self.first, last=self.last, status=status)


@dataclass(slots=True)
class Injection:
    """Injects faults into the calls that the emulators serve, and says how often each operation was called."""

    faults: Faults
    _injected: bool = field(default=False)

    def inject(self, *injected: Fault) -> Counter[str]:
        """Set the faults from now on, restart the counts, and return the calls of each operation before."""
        seen = self.faults.replace([each.rule() for each in injected])
        self._injected = bool(injected)
        return Counter({operation: _calls(seen, *METHODS[operation]) for operation in METHODS})

    @property
    def struck(self) -> int:
        """How many calls failed since the faults were set."""
        return self.faults.struck

    def problems(self) -> list[str]:
        """Say what is wrong whatever the tables say."""
        problems = [NEVER_STRUCK] if self._injected and not self.faults.struck else []
        return [*problems, "the same page was asked for without end"] if self.faults.endless else problems


def _calls(seen: Counter[tuple[str, str]], service: str, method: str) -> int:
    return sum(
        number for (name, called), number in seen.items() if fnmatchcase(name, service) and fnmatchcase(called, method)
    )
