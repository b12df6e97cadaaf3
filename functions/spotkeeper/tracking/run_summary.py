"""What a run of the tracker did: hour by hour, and in sum."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.costs import CostRow, Uptime


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was asked for and not had. Without a project it concerns all of them."""

    source: str
    detail: str
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class HourReading:
    """The usage of one project in one hour was read in full: it replaces what was recorded of it before."""

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
    """One hour of one run, as it is recorded in `tracker_runs`; `projects` are those done in full."""

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
        """Whether everything that was asked for was had."""
        return not self.gaps

    def count(self, row: CostRow) -> None:
        """Add one cost row to the sums."""
        self.rows += 1
        self.cost += row.cost or 0
        self.ondemand_cost += row.ondemand_cost or 0
        self.statuses[row.price.status] += 1
        if row.cost is None:
            self.unpriced[Unpriced(row.instance.shape.machine_type, row.instance.region, row.price.reason)] += 1

    def done(self, wanted: frozenset[str]) -> frozenset[str]:
        """Return the projects of `wanted` that have no gap in this hour."""
        lacking = {gap.project_id for gap in self.gaps}
        return frozenset() if "" in lacking else wanted - lacking


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did, over all its hours; no hours when there was nothing to do."""

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
        """The rows by how sure their price is."""
        return sum((hour.statuses for hour in self.hours), Counter[PriceStatus]())

    @property
    def unresolved(self) -> list[Uptime]:
        """The uptime of instances that nobody knows anything else of."""
        return [uptime for hour in self.hours for uptime in hour.unresolved]

    @property
    def gaps(self) -> list[Gap]:
        """All different gaps, in the order in which they were met."""
        return list(dict.fromkeys(gap for hour in self.hours for gap in hour.gaps))
