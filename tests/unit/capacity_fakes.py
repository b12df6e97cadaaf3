"""Capacity history in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.errors import UnavailableError
from spotkeeper.periods import local_day
from spotkeeper.tracking.capacity import (
    Candidate,
    CapacityPorts,
    PriceCheck,
    Reading,
    ReadingStatus,
    Target,
)
from spotkeeper.tracking.capacity_prices import PriceSpan


@dataclass
class History:
    """Google's history: each target is answered with a status; a call takes some seconds."""

    answers: Mapping[Target, ReadingStatus] = field(default_factory=dict)
    prices: Mapping[Target, tuple[PriceSpan, ...]] = field(default_factory=dict)
    seconds_per_call: float = 0.5
    asked: list[Target] = field(default_factory=list)
    seconds: float = 0

    def history(self, project_id: str, target: Target) -> Reading:
        assert project_id == "home"
        self.asked.append(target)
        self.seconds += self.seconds_per_call
        status = self.answers.get(target, ReadingStatus.READ)
        detail = "" if status is ReadingStatus.READ else f"{status} on demand"
        return Reading(target, status, detail, prices=self.prices.get(target, ()))


@dataclass
class Ledger:
    """The candidates with their readings, which a run adds to."""

    costs: Mapping[Target, Decimal]
    recorded: list[tuple[datetime, Reading]] = field(default_factory=list)
    check: PriceCheck = field(default_factory=PriceCheck)
    unavailable: str = ""

    def candidates(self, now: datetime) -> list[Candidate]:
        self._fail("candidates")
        found = {target: Candidate(target, cost) for target, cost in self.costs.items()}
        for at, reading in self.recorded:
            known = found[reading.target]
            today = known.calls_today + (local_day(at) == local_day(now))
            found[reading.target] = replace(known, read_at=at, status=reading.status, calls_today=today)
        return list(found.values())

    def record(self, run_id: str, now: datetime, readings: Sequence[Reading]) -> PriceCheck:
        assert run_id == "run1"
        self._fail("record")
        self.recorded += [(now, reading) for reading in readings]
        return self.check

    def _fail(self, verb: str) -> None:
        if self.unavailable == verb:
            message = f"BigQuery: {verb} fails on demand"
            raise UnavailableError(message)


def ports(reader: History, ledger: Ledger) -> CapacityPorts:
    """Return both, with a stopwatch that calls move."""
    return CapacityPorts(reader, ledger, lambda: timedelta(seconds=reader.seconds))
