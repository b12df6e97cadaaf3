"""What the tracker reads from and writes to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spotkeeper.instances import InstanceKey, Sighting
from spotkeeper.periods import Period
from spotkeeper.ports import Report
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_history import DatedRate
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.skus import CatalogReading
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.backlog import HourState
from spotkeeper.tracking.costs import CostRow, Uptime
from spotkeeper.tracking.inventory import Look
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import Gap, HourReading, HourRun
from spotkeeper.tracking.settings import Budgets

type Record = CostRow | Look | DatedRate | HourReading | HourRun | ShapeComponent | MachineTypePrice | Preemption


class UptimeReader(Protocol):
    """Cloud Monitoring."""

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        """Yield the uptime of every instance in consecutive hours; raises UnavailableError."""
        ...


class InstanceReader(Protocol):
    """Compute Engine."""

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield all instances of a project, Spot or not; raises UnavailableError."""
        ...


class PreemptionReader(Protocol):
    """Compute Engine's record of what it took back."""

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`; raises UnavailableError."""
        ...


class AssetHistory(Protocol):
    """Cloud Asset Inventory: how instances were that lived and died between two looks."""

    def looks(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Look]:
        """Yield what is on record of these instances; raises UnavailableError."""
        ...


class CatalogReader(Protocol):
    """The Cloud Billing Catalog."""

    def read(self) -> CatalogReading:
        """Return all rates of the catalog; raises UnavailableError when it cannot be read to its end."""
        ...


class Ledger(Protocol):
    """What earlier runs recorded; every verb raises UnavailableError."""

    def hour_states(self, since: datetime) -> tuple[list[HourState], list[datetime]]:
        """Return what is recorded of each hour since then, and when the catalog was read."""
        ...

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        ...

    def stage(self, run_id: str, recorded_at: datetime) -> AbstractContextManager["Stage"]:
        """Open the stage of a run."""
        ...


class Stage(Protocol):
    """What one run is about to record: nobody sees any of it before `commit`; every verb raises UnavailableError."""

    def add(self, record: Record) -> None:
        """Take one more record."""
        ...

    def commit(self, hours: Sequence[datetime], periods: Sequence[Period]) -> list[Spend]:
        """Put costs, looks and rates into their tables, all or nothing, and return what the periods cost then."""
        ...

    def close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:
        """Record the run itself, its alerts by message id, the gaps met since the commit, and the budgets there are."""
        ...


class Inventory(Protocol):
    """The instances that earlier runs saw; every verb raises UnavailableError."""

    def looks_since(self, projects: Sequence[str], since: datetime) -> Iterator[Look]:
        """Yield the looks that were still true at that time or later, in order of project id."""
        ...

    def looks_at(self, keys: Sequence[InstanceKey]) -> Iterator[Look]:
        """Yield all looks at these instances."""
        ...


class AlertChannel(Protocol):
    """Pub/Sub for alerts, and Cloud Monitoring for figures."""

    def publish(self, alert: Alert) -> str:
        """Send an alert and return its message id; raises UnavailableError."""
        ...

    def write_metrics(self, spends: Sequence[Spend], hours: Sequence[HourRun], at: datetime) -> None:
        """Write the figures as custom metrics; raises UnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What the tracker reads from and writes to."""

    uptime: UptimeReader
    instances: InstanceReader
    preemptions: PreemptionReader
    catalog: CatalogReader
    ledger: Ledger
    inventory: Inventory
    alerts: AlertChannel
    assets: AssetHistory | None
    stopwatch: Callable[[], timedelta]
