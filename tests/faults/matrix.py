"""Every fault on every operation at every place in its sequence of calls: what can be tried, and what cannot."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.injection import Fault, Kind


class Position(StrEnum):
    """Which call goes wrong."""

    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"


class Lasting(StrEnum):
    """For how long it does."""

    ONCE = "once"
    ON = "from then on"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix."""

    function: str
    operation: str
    kind: Kind
    position: Position
    lasting: Lasting

    def __str__(self) -> str:
        """Name it in a form that can be asked for."""
        return f"{self.function} {self.operation} | {self.kind} | {self.position} {self.lasting}"

    def fault(self, calls: int) -> Fault:
        """The fault that it stands for, when an undisturbed run makes so many calls."""
        number = {Position.FIRST: 1, Position.MIDDLE: (calls + 1) // 2, Position.LAST: max(calls, 1)}[self.position]
        return Fault(self.operation, self.kind, number, number if self.lasting is Lasting.ONCE else None)


PASSING = frozenset({Kind.SLOW, Kind.RESET, Kind.LOST, Kind.TOO_MANY, Kind.INTERNAL, Kind.UNAVAILABLE, Kind.TRUNCATED})
"""What may pass by itself, so that a call is tried again; for what may not, once is as bad as from then on."""

PARTIAL = frozenset({"uptime", "instances", "addresses", "disks", "autoscalers", "preemptions"})
LISTS = PARTIAL | {"audit log", "skus", "contract prices", "rows"}
GRPC = frozenset({"uptime", "figures", "publish", "events"})
EMPTY_IS_AN_ANSWER = {
    **dict.fromkeys(("assets", "audit log"), "an instance without a history is answered so"),
    "operations": "a request that began no operation is answered so",
    "capacity": "a machine type that nobody ran is answered so",
}
ON_AT_FIRST = frozenset({Kind.RESET, Kind.UNAVAILABLE})
ONE_CALL, TWO_CALLS = 1, 2


def cells(function: str, operation: str) -> Iterator[Cell]:
    """All cells of an operation, those that cannot exist too."""
    return (
        Cell(function, operation, kind, position, lasting)
        for kind in Kind
        for position in Position
        for lasting in Lasting
    )


def is_usual(cell: Cell, calls: int) -> bool:
    """Whether a cell is tried when not all are asked for: one of those that come to the same.

    What may pass is tried once at the middle call, where trying again has to help, and from then on at the last one;
    an outage and a broken connection also from the first one on. What may not pass is tried at the first and the last
    call, in lists at the middle one as well, and once: from then on, the same happens at the same call. A call that is
    never answered costs a minute, so one of each operation is enough.
    """
    if cell.kind is Kind.SILENT:
        return (cell.position, cell.lasting) == (Position.FIRST, Lasting.ONCE)
    if cell.kind is Kind.SAME_PAGE:
        return cell.position is not Position.MIDDLE
    if cell.kind not in PASSING:
        return cell.lasting is Lasting.ONCE and (cell.position is not Position.MIDDLE or cell.operation in LISTS)
    if cell.lasting is Lasting.ONCE:
        return cell.position is (Position.MIDDLE if calls > TWO_CALLS else Position.FIRST)
    at_last = cell.position is (Position.LAST if calls > ONE_CALL else Position.FIRST)
    return cell.kind is not Kind.SLOW and (at_last or (cell.position is Position.FIRST and cell.kind in ON_AT_FIRST))


def why_absent(cell: Cell, calls: int) -> str | None:
    """Return why there is no such cell, when an undisturbed run makes so many calls."""
    missing = why_not_of(cell.kind, cell.operation)
    if missing is not None:
        return missing
    if cell.position is Position.LAST and calls <= ONE_CALL:
        return "the only call is the first"
    if cell.position is Position.MIDDLE and calls <= TWO_CALLS:
        return "there is no call between the first and the last"
    return None


def why_not_of(kind: Kind, operation: str) -> str | None:
    """Return why an operation cannot go wrong in this way, at any call."""
    if kind in {Kind.BAD_PAGE, Kind.SAME_PAGE} and operation not in LISTS:
        return "it is not answered in pages"
    if kind is Kind.PARTIAL and operation not in PARTIAL:
        return "its service never answers in part"
    if kind is Kind.NOTHING and operation in GRPC:
        return "in gRPC an answer without a body is an empty one"
    return EMPTY_IS_AN_ANSWER.get(operation) if kind is Kind.EMPTY else None
