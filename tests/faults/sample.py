"""A few cells that have something of every service of each function, with many kinds of fault."""

import hashlib
from collections.abc import Sequence

from tests.faults.matrix import PASSING, Cell, Lasting, Position, why_not_of
from tests.faults.running import OPERATIONS
from tests.faults.wires import Kind


def sample(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of a sample, the same ones every time: faults of the first call, which every operation has."""
    services, kinds, chosen = set[tuple[str, str]](), set[Kind](), list[Cell]()
    for cell in sorted(cells, key=_place):
        service = cell.function, OPERATIONS[cell.function][cell.operation]
        if _exists(cell) and service not in services and cell.kind not in kinds:
            services.add(service)
            kinds.add(cell.kind)
            chosen.append(cell)
    return chosen


def _exists(cell: Cell) -> bool:
    lasting = Lasting.ON if cell.kind in PASSING and _place(cell) < "8" else Lasting.ONCE
    if cell.kind is Kind.SILENT:
        return False
    return (cell.position, cell.lasting) == (Position.FIRST, lasting) and not why_not_of(cell.kind, cell.operation)


def _place(cell: Cell) -> str:
    return hashlib.sha256(f"{cell.function} {cell.operation} {cell.kind}".encode()).hexdigest()
