"""Google Cloud and the tables as the tracker sees them, in memory: a fleet with a past, and tables that keep state."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Attachments, Disk, Instance, InstanceKey, ProvisioningModel, Shape, Sighting
from spotkeeper.periods import HOUR, PeriodKind, hours_between
from spotkeeper.ports import Report
from spotkeeper.pricing.attachments import attached_components
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.skus import AttachmentReading, CatalogReading, Market, Rate, RateUnit
from spotkeeper.tracking.addresses import ListedAddress
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.creators import Creation, Creators, CreatorSource
from spotkeeper.tracking.disks import ListedDisk, Place
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import Ports
from spotkeeper.tracking.preemptions import OPERATIONS_KEPT, Preemption
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import HourRun, Summary
from spotkeeper.tracking.settings import Budgets, TrackerSettings
from spotkeeper.tracking.uptime import SAMPLE, Sample, Uptime
from tests.unit.tracker_ledger import FakeLedger

START = datetime(2026, 7, 21, tzinfo=UTC)
HOME, OTHER = "data-platform", "web-frontend"
ZONE, FAR_ZONE = "us-central1-a", "us-central1-b"
OF_LOG = "preemption log"
CREATIONS, CREATION_LOG = "creations", "creation log"
ASSET_HISTORY, AUDIT_LOG = "asset history", "audit log"
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
SMALL = Shape("e2-standard-2", Decimal(2), Decimal(8))
LARGE = Shape("e2-standard-4", Decimal(4), Decimal(16))
HOURLY = Decimal("0.08")
"""What an hour of a SMALL Spot VM costs with RATES, in USD; a LARGE one costs twice as much."""

_NUMBERS = itertools.count(1)
_IDS = itertools.count(7_000_000_000_000_000_001)


def rate(component: str, market: Market, unit: RateUnit, usd: str) -> Rate:
    """Return a rate of us-central1."""
    sku_id = f"{market}-{component}"
    return Rate(component, market, "us-central1", sku_id, sku_id, unit, Decimal(usd))


RATES = (
    rate("e2:core", Market.SPOT, RateUnit.VCPU_HOUR, "0.02"),
    rate("e2:ram", Market.SPOT, RateUnit.GIB_HOUR, "0.005"),
    rate("e2:core", Market.ON_DEMAND, RateUnit.VCPU_HOUR, "0.04"),
    rate("e2:ram", Market.ON_DEMAND, RateUnit.GIB_HOUR, "0.01"),
)


def at(hour: float, minute: float = 0) -> datetime:
    """Return a time, in hours and minutes after START."""
    return START + timedelta(hours=hour, minutes=minute)


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM with a past; `labels`, and what it was `changed` to while it was stopped, hold from their times on."""

    name: str
    project_id: str = HOME
    zone: str = ZONE
    runs: tuple[tuple[datetime, datetime | None], ...] = ((LONG_AGO, None),)
    deleted: datetime | None = None
    shape: Shape = SMALL
    labels: tuple[tuple[datetime, str], ...] = ()
    model: ProvisioningModel = ProvisioningModel.SPOT
    preempted: tuple[datetime, ...] = ()
    histories: tuple[str, ...] = (ASSET_HISTORY, AUDIT_LOG)
    changed: tuple[tuple[datetime, Shape, ProvisioningModel], ...] = ()
    created: datetime | None = None
    licenses: tuple[str, ...] = ()
    addresses: int = 0
    created_by: str = "dana@example.com"
    instance_id: str = field(default_factory=lambda: str(next(_IDS)))

    @property
    def key(self) -> InstanceKey:
        """What identifies the VM."""
        return InstanceKey(self.project_id, self.zone, self.instance_id)

    def exists(self, moment: datetime) -> bool:
        """Whether Compute Engine lists it."""
        return self.runs[0][0] <= moment and (self.deleted is None or moment < self.deleted)

    def instance(self, moment: datetime) -> Instance:
        """Return it as it is at a time."""
        team = next((team for since, team in reversed(self.labels) if since <= moment), None)
        labels = (("team", team),) if team is not None else ()
        changed = next((each for each in reversed(self.changed) if each[0] <= moment), None)
        shape, model = changed[1:] if changed else (self.shape, self.model)
        attachments = Attachments(None, self.addresses, self.licenses)
        return Instance(self.key, self.name, model, shape, labels, attachments=attachments)

    def started(self, moment: datetime) -> datetime | None:
        """Return its last start by a time."""
        return max((start for start, _ in self.runs if start <= moment), default=None)

    def versions(self, now: datetime) -> Iterator[Observation]:
        """Yield everything that it was from its creation until now, each from the change that began it."""
        created, end = self.created or self.runs[0][0], min(self.deleted or now, now)
        changes = {created, *(start for start, _ in self.runs), *(since for since, _ in self.labels)}
        changes |= {since for since, _, _ in self.changed}
        begun = sorted(moment for moment in changes if created <= moment < end)
        for start, until in zip(begun, [*begun[1:], end], strict=True):
            yield Observation(self.instance(start), start, until, self.started(start), created)

    def running_since(self, moment: datetime) -> datetime | None:
        """Return since when it has run, None when it does not run."""
        return next((start for start, end in self.runs if start <= moment and (end is None or moment < end)), None)

    def stopped(self, moment: datetime) -> datetime | None:
        """Return since when it has not run; None when it runs, and when it never ran."""
        if self.running_since(moment) is not None:
            return None
        return max((end for _, end in self.runs if end is not None and end <= moment), default=None)

    def seconds(self, hour: datetime) -> float:
        """Return how long it ran in an hour."""
        return self.seconds_between(hour, hour + HOUR)

    def seconds_between(self, first: datetime, last: datetime) -> float:
        """Return how long it ran between two times."""
        return sum(max((min(end or last, last) - max(start, first)).total_seconds(), 0.0) for start, end in self.runs)


@dataclass(frozen=True, slots=True)
class StoredDisk:
    """A disk with a past; its `specs`, and the zones and names of its `users`, hold from their times on."""

    name: str
    specs: tuple[tuple[datetime, Disk], ...] = ((LONG_AGO, Disk("pd-balanced", Decimal(100))),)
    users: tuple[tuple[datetime, tuple[Place, ...]], ...] = ()
    created: datetime = LONG_AGO
    deleted: datetime | None = None
    project_id: str = HOME
    place: str = ZONE
    labels: tuple[tuple[str, str], ...] = ()
    disk_id: str = field(default_factory=lambda: str(next(_IDS)))

    def users_at(self, moment: datetime) -> tuple[Place, ...]:
        """Return the VMs that have it attached."""
        return next((users for since, users in reversed(self.users) if since <= moment), ())

    def listed(self, moment: datetime) -> ListedDisk | None:
        """Return it as it is at a time; None when it does not exist."""
        if not self.created <= moment or (self.deleted is not None and self.deleted <= moment):
            return None
        users = self.users_at(moment)
        spec = next(spec for since, spec in reversed(self.specs) if since <= moment)
        return ListedDisk(
            self.project_id,
            self.place,
            self.disk_id,
            self.name,
            replace(spec, users=max(len(users), 1)),
            self.created,
            users,
            self.labels,
        )


@dataclass(frozen=True, slots=True)
class StoredAddress:
    """A reserved address with a past; the zones and names of its `users` hold from their times on."""

    name: str
    users: tuple[tuple[datetime, tuple[Place, ...]], ...] = ()
    created: datetime = LONG_AGO
    released: datetime | None = None
    project_id: str = HOME
    region: str = "us-central1"
    labels: tuple[tuple[str, str], ...] = ()
    special: str = ""
    other_users: bool = False
    address_id: str = field(default_factory=lambda: str(next(_IDS)))

    def users_at(self, moment: datetime) -> tuple[Place, ...]:
        """Return the VMs that it is assigned to."""
        return next((users for since, users in reversed(self.users) if since <= moment), ())

    def listed(self, moment: datetime) -> ListedAddress | None:
        """Return it as it is at a time; None when it is not reserved."""
        if moment < self.created or (self.released is not None and self.released <= moment):
            return None
        return ListedAddress(
            self.project_id,
            self.region,
            self.address_id,
            self.name,
            self.created,
            self.users_at(moment),
            self.labels,
            self.special,
            self.other_users,
        )


@dataclass
class Cloud:
    """The services, and the tables; `denied` and `partial` are sources of projects that fail, at once or in part."""

    vms: list[Vm] = field(default_factory=list)
    settings: TrackerSettings = field(default_factory=lambda: TrackerSettings(HOME, (HOME,)))
    ledger: FakeLedger = field(default_factory=FakeLedger)
    now: datetime = START
    rates: Sequence[Rate] = RATES
    denied: set[tuple[str, str]] = field(default_factory=set)
    partial: set[tuple[str, str]] = field(default_factory=set)
    silent: set[datetime] = field(default_factory=set)
    series: list[Uptime] = field(default_factory=list)
    late_seconds: dict[tuple[datetime, InstanceKey], float] = field(default_factory=dict)
    """How many seconds of a VM's uptime in an hour Cloud Monitoring lacks so far."""
    late_histories: set[str] = field(default_factory=set)
    requested: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """How many uptimes each request to a history was about."""
    clock: Iterable[float] = ()
    published: list[Alert] = field(default_factory=list)
    metrics: list[tuple[Sequence[Spend], Sequence[HourRun], datetime]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    on_call: Callable[[str, str], None] | None = None
    """Called before and after each call that records or sends: with its name, and `before` or `after`."""
    disks: list[StoredDisk] = field(default_factory=list)
    addresses: list[StoredAddress] = field(default_factory=list)
    contract: dict[str, ContractPrice] | None = None
    """The contract prices by SKU; None where the tracker is not to read any."""

    def run(self, hour: int, *requested: int, due: int | None = None) -> Summary:
        """Run in minute 7 after an hour, for all that is due or for the requested hours."""
        moment = at(hour + 1, 7)
        late = moment if due is None else at(due + 1, 7)
        return self.run_at(moment, tuple(at(number) for number in requested), late)

    def run_at(self, moment: datetime, hours: tuple[datetime, ...] = (), due: datetime | None = None) -> Summary:
        """Run at any time."""
        self.now = moment
        request = TrackRequest(moment, due or moment, hours)
        return track(self.settings, self.ports(), f"run-{next(_NUMBERS)}", request)

    def ports(self) -> Ports:
        """Return the ports of one run."""
        self.ledger.watched = self.watched
        shown = itertools.chain(self.clock, itertools.repeat(list(self.clock)[-1] if self.clock else 0.0))
        return Ports(
            uptime=FakeUptime(self),
            instances=FakeInstances(self),
            disks=FakeDisks(self),
            addresses=FakeAddresses(self),
            preemptions=FakePreemptions(self),
            preemption_log=FakePreemptions(self, OF_LOG) if self.settings.audit_log_history else None,
            creators=self._creators(),
            catalog=FakeCatalog(self),
            ledger=self.ledger,
            inventory=self.ledger,
            alerts=FakeAlerts(self),
            histories=self._histories(),
            stopwatch=lambda: timedelta(seconds=next(shown)),
            contract_prices=None if self.contract is None else FakeContractPrices(self, self.contract),
        )

    def _creators(self) -> Creators | None:
        if not self.settings.record_creators:
            return None
        log = FakeCreations(self, CREATION_LOG) if self.settings.audit_log_history else None
        return Creators(FakeCreations(self, CREATIONS), log)

    def _histories(self) -> list["FakeHistory"]:
        histories = []
        if self.settings.asset_history:
            histories.append(FakeHistory(self, ASSET_HISTORY, timedelta(days=35)))
        if self.settings.audit_log_history:
            histories.append(FakeHistory(self, AUDIT_LOG, timedelta(days=400)))
        return histories

    def with_budgets(self, **amounts: str | Decimal) -> "Cloud":
        """Set budgets in USD by kind of period."""
        of_kind = {PeriodKind(kind): Decimal(amount) for kind, amount in amounts.items()}
        self.settings = replace(self.settings, budgets=Budgets(amounts_usd=of_kind))
        return self

    @contextmanager
    def watched(self, call: str) -> Iterator[None]:
        """Tell `on_call` before and after a call."""
        if self.on_call is not None:
            self.on_call(call, "before")
        yield
        if self.on_call is not None:
            self.on_call(call, "after")

    def fail(self, source: str, project_id: str) -> None:
        """Raise UnavailableError when the source is denied, as the adapters do."""
        self.calls[source] += 1
        if (source, project_id) in self.denied:
            message = f"{source}: 403 of {project_id}"
            raise UnavailableError(message)


@dataclass(frozen=True, slots=True)
class FakeUptime:
    """Cloud Monitoring: the seconds of every VM, except in silent hours, and the series that a test adds."""

    cloud: Cloud

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        """Yield the uptime of every instance."""
        self.cloud.fail("monitoring", project_id)
        for hour in hours:
            for vm in self.cloud.vms:
                seconds = vm.seconds(hour) - self.cloud.late_seconds.get((hour, vm.key), 0)
                if vm.project_id == project_id and seconds and hour not in self.cloud.silent:
                    yield Uptime(vm.key, vm.name, hour, seconds)
            yield from (each for each in self.cloud.series if (each.key.project_id, each.hour) == (project_id, hour))
        if ("monitoring", project_id) in self.cloud.partial:
            report("Cloud Monitoring: some shards did not answer")

    def samples(self, project_id: str, keys: Sequence[InstanceKey], hour: datetime, report: Report) -> Iterator[Sample]:
        """Yield what these instances ran in each minute of an hour and the two after it."""
        self.cloud.fail("samples", project_id)
        if ("samples", project_id) in self.cloud.partial:
            report("Cloud Monitoring: some shards did not answer")
        for vm in self.cloud.vms:
            for number in range(62) if vm.key in keys else ():
                start = hour + number * SAMPLE
                if seconds := vm.seconds_between(start, start + SAMPLE):
                    yield Sample(vm.key, start + SAMPLE, seconds)


@dataclass(frozen=True, slots=True)
class FakeInstances:
    """Compute Engine: the VMs that exist; a partial list lacks those of FAR_ZONE."""

    cloud: Cloud

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield all instances of a project."""
        self.cloud.fail("compute", project_id)
        lacking = ("compute", project_id) in self.cloud.partial
        if lacking:
            report(f"Compute Engine: {FAR_ZONE} does not answer")
        now = self.cloud.now
        for vm in self.cloud.vms:
            if vm.project_id == project_id and vm.exists(now) and not (lacking and vm.zone == FAR_ZONE):
                place = vm.zone, vm.name
                attached = (disk.users_at(now) for disk in self.cloud.disks if disk.listed(now))
                count = sum(place in users for users in attached)
                started, created = vm.started(now), vm.created or vm.runs[0][0]
                since, stopped = vm.running_since(now), vm.stopped(now)
                yield Sighting(vm.instance(now), since, started, created, count, stopped is not None, stopped)


@dataclass(frozen=True, slots=True)
class FakeDisks:
    """Compute Engine: the disks that exist; a partial list lacks those of FAR_ZONE."""

    cloud: Cloud

    def disks(self, project_id: str, report: Report) -> Iterator[ListedDisk]:
        """Yield all disks of a project."""
        self.cloud.fail("disks", project_id)
        lacking = ("disks", project_id) in self.cloud.partial
        if lacking:
            report(f"Compute Engine: {FAR_ZONE} does not answer")
        for disk in self.cloud.disks:
            listed = disk.listed(self.cloud.now)
            if listed and disk.project_id == project_id and not (lacking and disk.place == FAR_ZONE):
                yield listed


@dataclass(frozen=True, slots=True)
class FakeAddresses:
    """Compute Engine: the addresses that are reserved."""

    cloud: Cloud

    def addresses(self, project_id: str, report: Report) -> Iterator[ListedAddress]:
        """Yield all reserved addresses of a project; a partial list lacks them all."""
        self.cloud.fail("addresses", project_id)
        if ("addresses", project_id) in self.cloud.partial:
            report("Compute Engine: us-central1 does not answer")
            return
        for address in self.cloud.addresses:
            listed = address.listed(self.cloud.now)
            if listed and address.project_id == project_id:
                yield listed


@dataclass(frozen=True, slots=True)
class FakePreemptions:
    """Compute Engine's operations, or the log that keeps them longer."""

    cloud: Cloud
    source: str = "preemptions"

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from start to end."""
        self.cloud.fail(self.source, project_id)
        if (self.source, project_id) in self.cloud.partial:
            report(f"Compute Engine: {FAR_ZONE} does not answer")
        for vm in self.cloud.vms:
            for moment in vm.preempted:
                if self.source != OF_LOG and self.cloud.now - moment > OPERATIONS_KEPT:
                    continue
                if vm.project_id == project_id and start <= moment < end:
                    name = f"systemevent-{vm.instance_id}-{moment:%H%M}"
                    number = name if self.source == OF_LOG else f"{vm.instance_id}{moment:%H%M}"
                    yield Preemption(vm.key, vm.name, number, name, moment)


@dataclass(frozen=True, slots=True)
class FakeCreations:
    """Compute Engine's operations, or the log that keeps them longer; a VM without `created_by` has no principal."""

    cloud: Cloud
    source: str

    def creations(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Creation]:
        """Yield the creations from start to end; a source that is partial fails after the first."""
        self.cloud.fail(self.source, project_id)
        of_log = self.source == CREATION_LOG
        for vm in self.cloud.vms:
            created = vm.created or vm.runs[0][0]
            if vm.project_id != project_id or not vm.created_by or not start <= created < end:
                continue
            if not of_log and self.cloud.now - created > OPERATIONS_KEPT:
                continue
            source = CreatorSource.AUDIT_LOG if of_log else CreatorSource.OPERATION
            yield Creation(vm.key, vm.name, created, vm.created_by, source)
            if (self.source, project_id) in self.cloud.partial:
                report(f"Compute Engine: {FAR_ZONE} does not answer")
                return


@dataclass(frozen=True, slots=True)
class FakeCatalog:
    """The Cloud Billing Catalog."""

    cloud: Cloud

    def read(self) -> CatalogReading:
        """Return all rates."""
        self.cloud.fail("catalog", "")
        attached = attached_components()
        machines = tuple(rate for rate in self.cloud.rates if rate.component not in attached)
        others = tuple(rate for rate in self.cloud.rates if rate.component in attached)
        return CatalogReading(machines, attachments=AttachmentReading(others))


@dataclass(frozen=True, slots=True)
class FakeContractPrices:
    """The Pricing API, for one billing account."""

    cloud: Cloud
    prices: Mapping[str, ContractPrice]

    def read(self, rates: Mapping[str, Rate]) -> Mapping[str, ContractPrice]:
        """Return the prices of the SKUs of these rates."""
        self.cloud.fail("contract prices", "")
        return {sku_id: price for sku_id, price in self.prices.items() if sku_id in rates}


@dataclass(frozen=True, slots=True)
class FakeHistory:
    """Cloud Asset Inventory or the audit log: VMs that ran, deleted or not, with every change of them.

    Like Cloud Asset Inventory it refuses a request for an hour that it keeps no longer.
    """

    cloud: Cloud
    name: str
    retention: timedelta

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        """Yield what is on record of these instances."""
        self.cloud.fail(self.name, project_id)
        self.cloud.requested[self.name].append(len(uptimes))
        if any(uptime.hour < now - self.retention for uptime in uptimes):
            message = f"{self.name}: 400: the window begins too long ago"
            raise UnavailableError(message)
        if (self.name, project_id) in self.cloud.partial:
            report("Cloud Asset Inventory: a version cannot be read")
        if self.name in self.cloud.late_histories:
            return
        known = {vm.key: vm for vm in self.cloud.vms if self.name in vm.histories}
        first = min(uptime.hour for uptime in uptimes)
        for key in dict.fromkeys(uptime.key for uptime in uptimes):
            if vm := known.get(key):
                yield from (each for each in vm.versions(now) if each.last_seen > first)


@dataclass(frozen=True, slots=True)
class FakeAlerts:
    """Pub/Sub and the custom metrics."""

    cloud: Cloud

    def publish(self, alert: Alert) -> str:
        """Send an alert."""
        with self.cloud.watched("publish"):
            self.cloud.fail("alerts", "")
            self.cloud.published.append(alert)
            return f"message-{len(self.cloud.published)}"

    def write_metrics(self, spends: Sequence[Spend], hours: Sequence[HourRun], at: datetime) -> None:
        """Write the metrics."""
        with self.cloud.watched("write_metrics"):
            self.cloud.fail("metrics", "")
            self.cloud.metrics.append((spends, hours, at))


def hours(first: int, last: int) -> tuple[datetime, ...]:
    """Return the hours from one number up to, but without, another."""
    return hours_between(at(first), at(last))
