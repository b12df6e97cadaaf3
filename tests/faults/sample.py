"""A few cells that have something of everything: each kind of fault, and each service of each function."""

import hashlib
from collections.abc import Sequence

from tests.faults.matrix import PASSING, Cell, Lasting, Position, why_not_of
from tests.faults.running import OPERATIONS


def sample(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of a sample, the same ones every time: faults of the first call, which every operation has."""
    missing = {need for cell in cells if _exists(cell) for need in _needs(cell)}
    chosen = []
    for cell in sorted(cells, key=_place):
        if _exists(cell) and missing & _needs(cell):
            missing -= _needs(cell)
            chosen.append(cell)
    return chosen


def _exists(cell: Cell) -> bool:
    lasting = Lasting.ON if cell.kind in PASSING and _place(cell) < "8" else Lasting.ONCE
    return (cell.position, cell.lasting) == (Position.FIRST, lasting) and not why_not_of(cell.kind, cell.operation)


def _needs(cell: Cell) -> set[tuple[str, str]]:
    """What a cell is an example of."""
    return {("kind", cell.kind), (cell.function, OPERATIONS[cell.function][cell.operation])}


def _place(cell: Cell) -> str:
    return hashlib.sha256(f"{cell.function} {cell.operation} {cell.kind}".encode()).hexdigest()
