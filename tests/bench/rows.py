"""What a bench measures: rows of one table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Protocol

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `passed` is None when there is no limit to it."""

    what: str
    measured: str
    limit: str = ""
    passed: bool | None = None


class Bench(Protocol):
    """A module of this folder."""

    def rows(self) -> Sequence[Row]:
        """Measure and return the rows of its table."""
        ...


def medians(**works: Callable[[], object]) -> dict[str, float]:
    """Return the median seconds that each work takes over some rounds, in which all of them take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = perf_counter()
            work()
            seconds[name].append(perf_counter() - start)
    return {name: median(each) for name, each in seconds.items()}
