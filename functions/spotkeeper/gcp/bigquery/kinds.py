"""What many rows of a staging table have in common: it is staged once, and the rows refer to it by its number.

A fleet has a few kinds of VMs, prices and disks. Without them most of what a run writes, compresses and sends would be
the same text in every row.
"""

from typing import NamedTuple, Self

_KEPT = 4096
"""So many kinds are known again: in a fleet whose VMs have labels of their own, each is another kind."""


class Kinds:
    """The kinds of one column of the staging table; each is numbered when it is met first, and its row staged then.

    One that is met again after thousands of others may be staged again, under another number.
    """

    def __init__(self, column: str, lines: list[str]) -> None:
        """Stage the rows of kinds by adding them to these lines."""
        self._column = column
        self._lines = lines
        self._numbers: dict[str, int] = {}
        self._next = 0

    def number(self, described: str) -> int:
        """Return the number of a kind that is described by these members of a JSON object."""
        known = self._numbers.get(described)
        if known is None:
            if len(self._numbers) == _KEPT:
                self._numbers.clear()
            known = self._numbers[described] = self._next
            self._next += 1
            self._lines.append(f'{{"{self._column}":{{"kind_id":{known},{described}}}}}')
        return known


class RowKinds(NamedTuple):
    """The kinds of the rows of one staging table: of VMs, of what their costs have in common, and of disks."""

    vms: Kinds
    costs: Kinds
    disks: Kinds

    @classmethod
    def staged_in(cls, lines: list[str]) -> Self:
        """Return none yet; their rows are added to these lines."""
        return cls(Kinds("vm_kind", lines), Kinds("cost_kind", lines), Kinds("disk_kind", lines))
