"""The results of a run of the tracker: hour by hour, and in sum."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.logs import log_event
from spotkeeper.ports import Report
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.uptime import Uptime


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a source did not return. Without a project it concerns all of them."""

    source: str
    detail: str
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class HourReading:
    """The usage of one project in one hour was read in full: its rows replace all earlier ones."""

    project_id: str
    hour: datetime


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A machine type that has no Spot price in a region, and why."""

    machine_type: str
    region: str
    reason: str


@dataclass(slots=True)
class HourRun:
    """One hour of one run, as it is recorded in `tracker_runs`; `projects` are those recorded in full."""

    run_id: str
    hour: datetime
    recorded_at: datetime
    prices_as_of: datetime | None = None
    projects: frozenset[str] = frozenset()
    rows: int = 0
    cost: Decimal = Decimal(0)
    ondemand_cost: Decimal = Decimal(0)
    statuses: Counter[PriceStatus] = field(default_factory=Counter)
    unpriced: Counter[Unpriced] = field(default_factory=Counter)
    unresolved: list[Uptime] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    duration: timedelta = timedelta(0)

    @property
    def complete(self) -> bool:
        """Whether all sources were read."""
        return not self.gaps

    def count(self, row: CostRow) -> None:
        """Add one cost row to the sums."""
        self.rows += 1
        self.cost += row.cost or 0
        self.ondemand_cost += row.ondemand_cost or 0
        self.statuses[row.price.status] += 1
        if row.cost is None:
            self.unpriced[Unpriced(row.instance.shape.machine_type, row.instance.region, row.price.reason)] += 1

    def without_gaps(self, projects: frozenset[str]) -> frozenset[str]:
        """Return those of the projects that have no gap in this hour."""
        with_gaps = {gap.project_id for gap in self.gaps}
        return frozenset() if "" in with_gaps else projects - with_gaps


class HourRuns:
    """The hours of one run, in order, and the gaps met while they are read."""

    def __init__(self, run_id: str, hours: Iterable[datetime], recorded_at: datetime) -> None:
        self._hours = {hour: HourRun(run_id, hour, recorded_at) for hour in sorted(hours)}

    def __getitem__(self, hour: datetime) -> HourRun:
        """Return the run of one hour."""
        return self._hours[hour]

    def all(self) -> tuple[HourRun, ...]:
        """Return every hour's run, in order."""
        return tuple(self._hours.values())

    def record_gap(self, hours: Iterable[datetime], gap: Gap) -> None:
        """Log a gap and record it once in each of the hours."""
        log_event("incomplete", logging.WARNING, source=gap.source, project_id=gap.project_id, detail=gap.detail)
        for hour in hours:
            if gap not in self._hours[hour].gaps:
                self._hours[hour].gaps.append(gap)

    def reporter(self, hours: Iterable[datetime], source: str, project_id: str) -> Report:
        """Return a function that records a sentence as a gap of these hours."""
        concerned = list(hours)
        return lambda detail: self.record_gap(concerned, Gap(source, detail, project_id))


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run over all its hours; without hours when nothing was pending."""

    run_id: str
    hours: tuple[HourRun, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every hour is complete."""
        return all(hour.complete for hour in self.hours)

    @property
    def rows(self) -> int:
        """The number of cost rows written."""
        return sum(hour.rows for hour in self.hours)

    @property
    def cost(self) -> Decimal:
        """The sum of all known costs, in USD."""
        return sum((hour.cost for hour in self.hours), Decimal(0))

    @property
    def ondemand_cost(self) -> Decimal:
        """What the same hours would have cost on demand, as far as that is known, in USD."""
        return sum((hour.ondemand_cost for hour in self.hours), Decimal(0))

    @property
    def unpriced(self) -> Counter[Unpriced]:
        """The rows without a cost, counted by machine type, region and reason."""
        return sum((hour.unpriced for hour in self.hours), Counter[Unpriced]())

    @property
    def statuses(self) -> Counter[PriceStatus]:
        """The rows by price status."""
        return sum((hour.statuses for hour in self.hours), Counter[PriceStatus]())

    @property
    def unresolved(self) -> list[Uptime]:
        """The uptime of instances that no source could identify."""
        return [uptime for hour in self.hours for uptime in hour.unresolved]

    @property
    def gaps(self) -> list[Gap]:
        """All distinct gaps, in the order they were met."""
        return list(dict.fromkeys(gap for hour in self.hours for gap in hour.gaps))
