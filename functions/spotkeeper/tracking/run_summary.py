"""The results of a run of the tracker: hour by hour, and in sum."""

import logging
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from spotkeeper.logs import log_event
from spotkeeper.periods import latest_closed_hour
from spotkeeper.ports import Report
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.amounts import Billionths, as_decimal
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.uptime import Uptime

_SECONDS_PER_HOUR = Decimal(3600)
_NUMERIC = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a source did not return. Without a project it concerns all of them.

    A `final` gap is one that no later run can fill: it is named, and keeps no hour open.
    """

    source: str
    detail: str
    project_id: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class HourReading:
    """The usage of one project in one hour was read in full: its rows replace all earlier ones."""

    project_id: str
    hour: datetime


class Completeness(StrEnum):
    """How complete the record of one project in one hour is.

    A provisional hour has just closed, and is read once more for points that come late, or holds uptime without an
    identity, and is read again while sources may still learn of it. A final one lacks something that no run can fill
    any more.
    """

    PROVISIONAL = "provisional"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class ProjectHour:
    """The state of one project in one hour after a run, and the instances and hours of uptime without an identity.

    `listed` is whether the run listed the disks and addresses of the project in full.
    """

    project_id: str
    hour: datetime
    state: Completeness
    unresolved: int
    unresolved_hours: Decimal
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A machine type that has no Spot price in a region, and why."""

    machine_type: str
    region: str
    reason: str


@dataclass(slots=True)
class HourRun:
    """One hour of one run, as it is recorded in `tracker_runs`; `projects` are those recorded in full.

    `resolving` is whether later runs ask again who ran in it, where that is not known. `contract_prices_problem` is why
    contract prices could not be read: no gap, for the hour is complete without them.
    """

    run_id: str
    hour: datetime
    recorded_at: datetime
    provisional: bool = False
    prices_as_of: datetime | None = None
    contract_prices_as_of: datetime | None = None
    contract_prices_problem: str | None = None
    projects: frozenset[str] = frozenset()
    rows: int = 0
    uptime_billionths: Billionths = 0
    cost_billionths: Billionths = 0
    ondemand_billionths: Billionths = 0
    statuses: Counter[PriceStatus] = field(default_factory=Counter)
    unpriced: Counter[Unpriced] = field(default_factory=Counter)
    unresolved: list[Uptime] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    duration: timedelta = timedelta(0)
    resolving: bool = False

    @property
    def complete(self) -> bool:
        """Whether all sources were read."""
        return not self.gaps

    @property
    def uptime_hours(self) -> Decimal:
        """How long the instances of all cost rows ran, in hours."""
        return as_decimal(self.uptime_billionths)

    @property
    def cost(self) -> Decimal:
        """The sum of the known costs, in USD."""
        return as_decimal(self.cost_billionths)

    @property
    def ondemand_cost(self) -> Decimal:
        """What the same rows would have cost on demand, as far as that is known, in USD."""
        return as_decimal(self.ondemand_billionths)

    @property
    def open(self) -> bool:
        """Whether there is a gap that a later run can fill."""
        return any(not gap.final for gap in self.gaps)

    @property
    def unresolved_hours(self) -> Decimal:
        """The uptime of the instances that no source could identify, in hours."""
        return _hours(self.unresolved)

    def count(self, row: CostRow) -> None:
        """Add one cost row to the sums."""
        cost = row.cost_billionths
        self.rows += 1
        self.uptime_billionths += row.uptime_billionths
        self.cost_billionths += cost or 0
        self.ondemand_billionths += row.ondemand_billionths or 0
        self.statuses[row.rates.shown.status] += 1
        if cost is None:
            self.unpriced[Unpriced(row.instance.shape.machine_type, row.instance.region, row.price.reason)] += 1

    def without_gaps(self, projects: frozenset[str]) -> frozenset[str]:
        """Return those of the projects that have no gap in this hour that a later run can fill."""
        with_gaps = {gap.project_id for gap in self.gaps if not gap.final}
        return frozenset() if "" in with_gaps else projects - with_gaps

    def project_hours(self, projects: frozenset[str], unlisted: Container[str]) -> Iterator[ProjectHour]:
        """Yield the state of each of these projects; of the `unlisted` ones not all disks or addresses were listed."""
        unresolved: dict[str, list[Uptime]] = defaultdict(list)
        for uptime in self.unresolved:
            unresolved[uptime.key.project_id].append(uptime)
        without_gaps = self.without_gaps(projects)
        final = {gap.project_id for gap in self.gaps if gap.final}
        for project_id in sorted(projects):
            uptimes = unresolved[project_id]
            if project_id not in without_gaps:
                state = Completeness.INCOMPLETE
            elif self.provisional or (self.resolving and uptimes):
                state = Completeness.PROVISIONAL
            else:
                state = Completeness.FINAL if final & {"", project_id} else Completeness.COMPLETE
            listed = project_id not in unlisted
            yield ProjectHour(project_id, self.hour, state, len(uptimes), _hours(uptimes), listed)


class HourRuns(dict[datetime, HourRun]):
    """The hours of one run, in order, and the gaps met while they are read.

    The latest closed hour is provisional. Later runs ask again who ran in an hour that is not older than `resolving`.
    """

    def __init__(
        self, run_id: str, hours: Iterable[datetime], recorded_at: datetime, resolving: timedelta = timedelta(0)
    ) -> None:
        latest = latest_closed_hour(recorded_at)
        super().__init__(
            (hour, HourRun(run_id, hour, recorded_at, hour == latest, resolving=latest - hour < resolving))
            for hour in sorted(hours)
        )

    def record_gap(self, hours: Iterable[datetime], gap: Gap) -> None:
        """Log a gap and record it once in each of the hours."""
        event = "final gap" if gap.final else "incomplete"
        log_event(event, logging.WARNING, source=gap.source, project_id=gap.project_id, detail=gap.detail)
        for hour in hours:
            if gap not in self[hour].gaps:
                self[hour].gaps.append(gap)

    def reporter(self, hours: Iterable[datetime], source: str, project_id: str) -> Report:
        """Return a function that records a sentence as a gap of these hours."""
        concerned = list(hours)
        return lambda detail: self.record_gap(concerned, Gap(source, detail, project_id))


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a run over all its hours; without hours when nothing was pending.

    `metrics_error` is why the metrics of a recorded run were not written; no gap, since the tables are complete.
    """

    run_id: str
    hours: tuple[HourRun, ...] = ()
    alerts: tuple[Alert, ...] = ()
    metrics_error: str | None = None

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
    def unresolved_hours(self) -> Decimal:
        """Their uptime, in hours."""
        return sum((hour.unresolved_hours for hour in self.hours), Decimal(0))

    @property
    def gaps(self) -> list[Gap]:
        """All distinct gaps, in the order they were met."""
        return list(dict.fromkeys(gap for hour in self.hours for gap in hour.gaps))


def _hours(uptimes: Iterable[Uptime]) -> Decimal:
    seconds = sum((Decimal(repr(uptime.seconds)) for uptime in uptimes), Decimal(0))
    return (seconds / _SECONDS_PER_HOUR).quantize(_NUMERIC, ROUND_HALF_UP)
