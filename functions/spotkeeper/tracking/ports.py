"""The ports of the tracker: the sources it reads, the ledger it writes, and the alert channel."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spotkeeper.instances import InstanceKey, Sighting
from spotkeeper.periods import Period
from spotkeeper.ports import Report
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.price_times import RecordedPrice
from spotkeeper.pricing.skus import CatalogReading, Rate
from spotkeeper.tracking.addresses import AddressSighting, ListedAddress
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.backlog import RecordedHours
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.creators import Creation, Creators
from spotkeeper.tracking.disks import DiskSighting, ListedDisk
from spotkeeper.tracking.inventory import Comparison, Observation
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import Gap, HourReading, HourRun, ProjectHour
from spotkeeper.tracking.settings import Budgets
from spotkeeper.tracking.uptime import Sample, Uptime

type Record = (
    CostRow
    | Observation
    | DatedRate
    | DatedContractPrice
    | UncertainPrice
    | HourReading
    | ProjectHour
    | HourRun
    | ShapeComponent
    | MachineTypePrice
    | Preemption
    | Creation
    | DiskSighting
    | AddressSighting
)


class UptimeReader(Protocol):
    """Cloud Monitoring."""

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        """Yield the uptime of every instance in consecutive hours; raises UnavailableError."""
        ...

    def samples(self, project_id: str, keys: Sequence[InstanceKey], hour: datetime, report: Report) -> Iterator[Sample]:
        """Yield the samples of these instances in an hour and the two minutes after it; raises UnavailableError."""
        ...


class InstanceReader(Protocol):
    """Compute Engine."""

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield all instances of a project, Spot or not; raises UnavailableError."""
        ...


class DiskReader(Protocol):
    """Compute Engine."""

    def disks(self, project_id: str, report: Report) -> Iterator[ListedDisk]:
        """Yield all disks of a project, attached or not; raises UnavailableError."""
        ...


class AddressReader(Protocol):
    """Compute Engine."""

    def addresses(self, project_id: str, report: Report) -> Iterator[ListedAddress]:
        """Yield all reserved external addresses of a project, used or not; raises UnavailableError."""
        ...


class PreemptionReader(Protocol):
    """Compute Engine's operations, which record each preemption, or a log that keeps them longer."""

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`; raises UnavailableError."""
        ...


class InstanceHistory(Protocol):
    """A service that recorded instances which Compute Engine lists no more.

    `name` is the source of its gaps. It knows nothing of an hour that began before `retention`.
    """

    @property
    def name(self) -> str:
        """What a gap calls the service."""
        ...

    @property
    def retention(self) -> timedelta:
        """How long it keeps what it recorded."""
        ...

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        """Yield what is on record of these instances in their hours, up to now; raises UnavailableError."""
        ...


class CatalogReader(Protocol):
    """The Cloud Billing Catalog."""

    def read(self) -> CatalogReading:
        """Return all rates of the catalog; raises UnavailableError unless all pages are read."""
        ...


class ContractPriceReader(Protocol):
    """The Pricing API, for the contract prices of one billing account."""

    def read(self, rates: Mapping[str, Rate]) -> Mapping[str, ContractPrice]:
        """Return the prices of the SKUs of these list rates by their ids; raises UnavailableError unless all are read.

        A SKU that the account has no price of is left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class KnownPrices:
    """The rates that earlier runs recorded, Google's own prices of the machine types that ran, and contract prices."""

    rates: Sequence[DatedRate]
    recorded: Sequence[RecordedPrice] = ()
    contract: Sequence[DatedContractPrice] = ()


class Ledger(Protocol):
    """The records of earlier runs; every verb raises UnavailableError."""

    def hour_states(self, since: datetime) -> RecordedHours:
        """Return the recorded state of each hour since then, and when prices were read."""
        ...

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        ...

    def known_prices(self, since: datetime, *, recorded: bool, contract: bool) -> KnownPrices:
        """Return the rates that held then or later, and so Google's own prices and contract prices if asked for."""
        ...

    def stage(self, run_id: str, recorded_at: datetime) -> AbstractContextManager["Stage"]:
        """Open the stage of a run."""
        ...


class Stage(Protocol):
    """The records of one run, invisible to readers before `commit`; every verb raises UnavailableError."""

    def add(self, record: Record) -> None:
        """Stage a record."""
        ...

    def commit(
        self, hours: Sequence[datetime], periods: Sequence[Period], budgets: Budgets
    ) -> tuple[list[Spend], bool]:
        """Write the staged records to their tables in one transaction.

        Return the spend of each period after it, in the cost that budgets cover, of all VMs and of those of each label
        budget, and whether there are alerts that an earlier run reserved and did not send.
        """
        ...

    def reserve(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve alerts in one transaction, and return those that this run is to send.

        They are those of the given ones that no run has reserved or sent, and those that an earlier run reserved for
        RESERVATION and did not send. A repeated one is returned when nothing of it was sent in this clock hour.
        """
        ...

    def close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:
        """Record the run, its alerts by message id, the gaps since the commit, and the budgets as they stand now.

        The next run may send the alerts that this one reserved and did not send. A withdrawal frees the thresholds that
        an estimate had passed.
        """
        ...


class InventoryReader(Protocol):
    """The observations that earlier runs recorded; every verb raises UnavailableError."""

    def comparisons(self, projects: Sequence[str], hour: datetime) -> Iterator[tuple[str, Comparison]]:
        """Yield, in order of project id, what compares an instance of a project with the observations since that hour.

        Nothing for a project without any. Most instances stay as they are, and their observations need not be read.
        """
        ...

    def observations_of(self, keys: Sequence[InstanceKey], hour: datetime) -> Iterator[Observation]:
        """Yield the observations of these instances that matter from that hour on, one instance after the other.

        They are those that were last made `OBSERVATION_REACH` before the hour, or later.
        """
        ...


class AlertChannel(Protocol):
    """Pub/Sub for alerts, and Cloud Monitoring for metrics."""

    def publish(self, alert: Alert) -> str:
        """Send an alert and return its message id; raises UnavailableError."""
        ...

    def write_metrics(self, spends: Sequence[Spend], hours: Sequence[HourRun], at: datetime) -> None:
        """Write the custom metrics; raises UnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of the tracker; `histories` are asked one after another, `stopwatch` is monotonic.

    `preemption_log` is None where the tracker may not read it, `creators` where they are not recorded, and
    `contract_prices` where it is not to read any.
    """

    uptime: UptimeReader
    instances: InstanceReader
    disks: DiskReader
    addresses: AddressReader
    preemptions: PreemptionReader
    preemption_log: PreemptionReader | None
    creators: Creators | None
    catalog: CatalogReader
    ledger: Ledger
    inventory: InventoryReader
    alerts: AlertChannel
    histories: Sequence[InstanceHistory]
    stopwatch: Callable[[], timedelta]
    contract_prices: ContractPriceReader | None = None
