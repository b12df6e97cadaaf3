"""Sums of the rows of a view by name: the largest, and the rest in one line."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Protocol

from spotkeeper.report.blocks import total

MOST_ROWS = 15
"""The most rows that a table lists; the rest is summed up."""


class Costed(Protocol):
    """A row with hours and their cost."""

    @property
    def vm_hours(self) -> Decimal:
        """The VM-hours."""
        ...

    @property
    def priced_hours(self) -> Decimal:
        """Those of them whose price is known."""
        ...

    @property
    def cost(self) -> Decimal | None:
        """The cost of the priced hours."""
        ...


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of some rows; the cost is None when no price is known."""

    vm_hours: Decimal
    priced_hours: Decimal
    cost: Decimal | None

    @property
    def known_cost(self) -> Decimal:
        """The known cost, 0 when none is known: the sort key of sums."""
        return self.cost or Decimal(0)

    @property
    def priced_share(self) -> Decimal | None:
        """The share of the hours whose price is known."""
        return self.priced_hours / self.vm_hours if self.vm_hours else None

    @property
    def average_price(self) -> Decimal | None:
        """The mean cost of an hour with a known price."""
        return self.cost / self.priced_hours if self.cost is not None and self.priced_hours else None

    def share_of(self, whole: "Sum") -> Decimal | None:
        """Return the part of another sum's cost in percent; None when either cost is unknown."""
        return self.cost / whole.cost * 100 if self.cost is not None and whole.cost else None


def sum_of(rows: Iterable[Costed]) -> Sum:
    """Return the sum of rows."""
    known = list(rows)
    return Sum(
        sum((row.vm_hours for row in known), Decimal(0)),
        sum((row.priced_hours for row in known), Decimal(0)),
        total(row.cost for row in known),
    )


def grouped[Row, Key: Hashable](rows: Iterable[Row], key: Callable[[Row], Key]) -> Mapping[Key, list[Row]]:
    """Return rows grouped by a key."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def dearest[Key: Hashable, Row: Costed](rows: Iterable[Row], key: Callable[[Row], Key]) -> list[tuple[Key, Sum]]:
    """Return the sum of each group of rows, the most expensive first."""
    sums = {name: sum_of(group) for name, group in grouped(rows, key).items()}
    return sorted(sums.items(), key=lambda each: (-each[1].known_cost, str(each[0])))


def together(sums: Iterable[Sum]) -> Sum:
    """Return the sum of sums."""
    known = list(sums)
    return Sum(
        sum((each.vm_hours for each in known), Decimal(0)),
        sum((each.priced_hours for each in known), Decimal(0)),
        total(each.cost for each in known),
    )


def first_and_rest[Item](items: Sequence[Item], most: int = MOST_ROWS) -> tuple[Sequence[Item], Sequence[Item]]:
    """Return the sums to list and those to sum up; a rest of one is listed, since it needs the same line."""
    if len(items) <= most + 1:
        return items, ()
    return items[:most], items[most:]


def days_between(first: date, last: date) -> list[date]:
    """Return all days from the first to the last."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
