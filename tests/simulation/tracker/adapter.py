"""The one place where the world meets the product: the tracker's ports, made of a world, and tables in memory.

The tables behave as the statements of the BigQuery adapter do; a commit is all or nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise, product

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.disks import to_disk
from spotkeeper.gcp.compute.instances import attachments_of, start_and_creation, to_instance
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import Instance, InstanceKey, Sighting
from spotkeeper.periods import Period, PeriodKind
from spotkeeper.ports import Report
from spotkeeper.pricing.catalog import read_catalog
from spotkeeper.pricing.families import components_of
from spotkeeper.pricing.price_book import DatedRate, PriceStatus
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_times import RecordedPrice
from spotkeeper.pricing.skus import CatalogReading, sku_from_json
from spotkeeper.tracking.addresses import ListedAddress
from spotkeeper.tracking.alerts import RESERVATION, Alert, AlertKind, HourSpend, Notified, Sent, Spend, spend_of
from spotkeeper.tracking.backlog import HourState, RecordedHours
from spotkeeper.tracking.costs import CostRow as TrackedRow
from spotkeeper.tracking.costs import hourly_rates
from spotkeeper.tracking.disks import ListedDisk
from spotkeeper.tracking.inventory import OBSERVATION_REACH, Comparison, Observation, Since, is_unchanged
from spotkeeper.tracking.ports import KnownPrices, Ports, Record
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import Completeness, Gap, HourReading, HourRun
from spotkeeper.tracking.run_summary import ProjectHour as StoredHour
from spotkeeper.tracking.settings import Budgets, Covers, TrackerSettings
from spotkeeper.tracking.uptime import Sample, Uptime
from tests.simulation.tracker.calls import Call, Kill
from tests.simulation.tracker.judgements import history_readings
from tests.simulation.tracker.lives import Vm
from tests.simulation.tracker.machines import has_history
from tests.simulation.tracker.prices import PLACES, catalog, nine_digits, price
from tests.simulation.tracker.records import CostRow, ProjectHour, Records, SentAlert
from tests.simulation.tracker.world import Access, Service, Version, World, boot_disk, resource


class ProcessKilledError(Exception):
    """The process of the run has ended."""


class _NoMachineTypes(MachineTypes):
    """Compute Engine knows no machine type that the product does not know."""

    def __init__(self) -> None:
        """Ask nobody."""

    def get(self, project_id: str, zone: str, machine_type: str) -> None:  # noqa: ARG002 (as the class it stands for)
        """Return None: there is none of this name."""
        return


@dataclass(slots=True)
class _Services:
    """Google's services as the ports show them, at the moment of a run."""

    world: World
    now: datetime
    _shapes: Shapes = field(default_factory=lambda: Shapes(_NoMachineTypes()))

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:  # noqa: ARG002 (the port's)
        """Yield the uptime that Cloud Monitoring shows now."""
        self._open(project_id, Service.MONITORING)
        for hour in hours:
            for (zone, instance_id, name), seconds in self.world.uptimes(project_id, hour, self.now).items():
                yield Uptime(InstanceKey(project_id, zone, instance_id), name, hour, float(seconds))

    def samples(
        self,
        project_id: str,
        keys: Sequence[InstanceKey],
        hour: datetime,
        report: Report,  # noqa: ARG002 (the port's)
    ) -> Iterator[Sample]:
        """Yield the samples that Cloud Monitoring shows now."""
        self._open(project_id, Service.MONITORING)
        for key in keys:
            for end, seconds in self.world.samples(project_id, key.instance_id, hour, self.now).items():
                yield Sample(key, end, float(seconds))

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield the VMs that Compute Engine lists now; a zone out of order is reported."""
        if self.world.projects[project_id] is Access.API_OFF:
            return iter(())
        self._open(project_id, Service.COMPUTE)
        zones = {outage.zone for outage in self.world.out_of_order(Service.COMPUTE, self.now, project_id)}
        for zone in zones:
            report(f"Compute Engine: {zone} does not answer")
        listed = (vm for vm in self.world.listed(project_id, self.now) if vm.zone not in zones)
        return parse_each(listed, lambda vm: self._sighting(vm, report), report)

    def disks(self, project_id: str, report: Report) -> Iterator[ListedDisk]:
        """Yield the disks that Compute Engine lists now; a zone out of order is reported."""
        if self.world.projects[project_id] is Access.API_OFF:
            return
        self._open(project_id, Service.COMPUTE)
        zones = {outage.zone for outage in self.world.out_of_order(Service.COMPUTE, self.now, project_id)}
        for zone in zones:
            report(f"Compute Engine: {zone} does not answer")
        for vm in self.world.listed(project_id, self.now):
            if vm.zone not in zones:
                yield to_disk(project_id, (f"zones/{vm.zone}", boot_disk(vm)))

    def addresses(self, project_id: str, report: Report) -> Iterator[ListedAddress]:  # noqa: ARG002 (the port's)
        """Yield nothing: no world has reserved addresses."""
        if self.world.projects[project_id] is not Access.API_OFF:
            self._open(project_id, Service.COMPUTE)
        return iter(())

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:  # noqa: ARG002 (the port's)
        """Yield the preemptions of a period."""
        self._open(project_id, Service.COMPUTE)
        for vm in self.world.vms:
            for number, run in enumerate(vm.runs):
                if vm.project_id == project_id and run.preempted and start <= run.end < end and run.end <= self.now:
                    key = InstanceKey(project_id, vm.zone, vm.instance_id)
                    operation = f"{vm.instance_id}-{number}"
                    yield Preemption(key, vm.name, operation, operation, run.end)

    def creations(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Observation]:
        """Yield the VMs as the audit log says that they were created."""
        self._open(project_id, Service.LOGGING)
        wanted = {uptime.key.instance_id for uptime in uptimes}
        for vm in self.world.vms:
            if vm.project_id == project_id and vm.instance_id in wanted and vm.created <= self.now:
                found = resource(vm, vm.created)
                instance = to_instance(project_id, found, self._shapes, report, attachments_of(found))
                yield Observation(instance, vm.created, vm.created)

    @property
    def name(self) -> str:
        """Cloud Asset Inventory, the first history of a world."""
        return "asset history"

    @property
    def retention(self) -> timedelta:
        """How long it keeps what it recorded."""
        return timedelta(days=35)

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        """Yield the versions that Cloud Asset Inventory has of these VMs."""
        self._open(project_id, Service.ASSETS)
        wanted = {uptime.key for uptime in uptimes}
        names = dict.fromkeys((uptime.instance_name, uptime.key.zone) for uptime in uptimes)
        versions = (each for name, zone in names for each in self.world.history(project_id, name, zone, self.now))
        observations = parse_each(versions, lambda version: self._observation(version, now, report), report)
        return (observation for observation in observations if observation.instance.key in wanted)

    def read(self) -> CatalogReading:
        """Return the catalog as it stands now."""
        self._fail(self.world.out_of_order(Service.CATALOG, self.now), "Cloud Billing Catalog")
        return read_catalog([sku_from_json(sku) for sku in catalog(self.now, self.world.moves)])

    def _sighting(self, vm: Vm, report: Report) -> Sighting:
        run = vm.run_at(self.now)
        found = resource(vm, self.now)
        instance = to_instance(vm.project_id, found, self._shapes, report, attachments_of(found))
        return Sighting(instance, run.start if run else None, *start_and_creation(found), 1)

    def _observation(self, version: Version, end: datetime, report: Report) -> Observation:
        """A version that still holds was observed until now."""
        described = resource(version.vm, version.start)
        instance = to_instance(version.vm.project_id, described, self._shapes, report, attachments_of(described))
        return Observation(instance, version.start, min(version.end or end, end), *start_and_creation(described))

    def _open(self, project_id: str, service: Service) -> None:
        """Fail for a project that may not be read, and for a service that is out of order there."""
        if self.world.projects[project_id] is Access.DENIED:
            message = f"{service}: 403: permission denied on project {project_id}"
            raise UnavailableError(message)
        whole = [each for each in self.world.out_of_order(service, self.now, project_id) if not each.zone]
        self._fail(whole, service)

    def _fail(self, outages: Sequence[object], service: str) -> None:
        if outages:
            message = f"{service}: 503: the service is currently unavailable"
            raise UnavailableError(message)


@dataclass(frozen=True, slots=True)
class _AuditLog:
    """The audit log of the same services."""

    services: _Services
    name: str = "audit log"
    retention: timedelta = timedelta(days=400)

    def observations(
        self,
        project_id: str,
        uptimes: Sequence[Uptime],
        now: datetime,  # noqa: ARG002 (the port's)
        report: Report,
    ) -> Iterator[Observation]:
        """Yield the VMs as they were created."""
        return self.services.creations(project_id, uptimes, report)


@dataclass(slots=True)
class Tables:
    """The dataset and the budget topic."""

    costs: dict[tuple[InstanceKey, datetime], TrackedRow] = field(default_factory=dict)
    inventory: dict[InstanceKey, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    dated_rates: dict[tuple[str, str, datetime], DatedRate] = field(default_factory=dict)
    runs: list[HourRun] = field(default_factory=list)
    states: dict[tuple[str, datetime], tuple[StoredHour, str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    alerts: dict[tuple[Period, Notified], tuple[Alert, str, datetime, bool]] = field(default_factory=dict)
    """Every alert by threshold: with the run that reserved it, until when it may send it, and whether it was sent."""

    sent: list[SentAlert] = field(default_factory=list)
    reads: Counter[tuple[str, datetime]] = field(default_factory=Counter)
    recorded_prices: list[RecordedPrice] = field(default_factory=list)
    kill: Kill | None = None

    def hour_states(self, since: datetime) -> RecordedHours:
        """Return what is recorded of each hour."""
        states = []
        for hour in sorted({run.hour for run in self.runs if run.hour >= since}):
            known = [each for each, run in self.states.values() if each.hour == hour and run in self.closed]
            failed = {gap.source for run in self.runs if run.hour == hour for gap in run.gaps} & {"alerts"}
            by_state = {
                state: frozenset(each.project_id for each in known if each.state is state) for state in Completeness
            }
            states.append(
                HourState(
                    hour,
                    notified=not failed,
                    settled=by_state[Completeness.COMPLETE] | by_state[Completeness.FINAL],
                    provisional=by_state[Completeness.PROVISIONAL],
                    incomplete=by_state[Completeness.INCOMPLETE],
                    recorded=frozenset(
                        (each.project_id, next(past.recorded_at for past in self.runs if past.run_id == run))
                        for each, run in self.states.values()
                        if each.hour == hour
                        and run in self.closed
                        and each.state in {Completeness.COMPLETE, Completeness.FINAL}
                    ),
                    unlisted=frozenset(each.project_id for each in known if not each.listed),
                )
            )
        readings = sorted({run.prices_as_of for run in self.runs if run.prices_as_of and run.hour >= since})
        return RecordedHours(states, readings, [])

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        return [dated for dated in self.dated_rates.values() if dated.valid_to is None or dated.valid_to > since]

    def known_prices(self, since: datetime, *, recorded: bool, contract: bool) -> KnownPrices:
        """Return the rates that held then or later, and Google's own prices; no world has a contract."""
        assert not contract
        return KnownPrices(self.rates(since), [each for each in self.recorded_prices if recorded and each.end > since])

    def comparisons(self, projects: Sequence[str], hour: datetime) -> Iterator[tuple[str, Comparison]]:
        """Yield what compares an instance with the observations since an hour, in order of project."""
        return ((project_id, partial(self._compare, hour)) for project_id in sorted(projects))

    def _compare(self, hour: datetime, instance: Instance) -> Since | datetime:
        since = [each for each in self.inventory.get(instance.key, ()) if each.last_seen >= hour]
        if not since:
            return Since.NEW
        same = len(since) == 1 and since[0].instance == instance
        return max(since[0].first_seen, hour) if same else Since.CHANGED

    def observations_of(self, keys: Sequence[InstanceKey], hour: datetime) -> Iterator[Observation]:
        """Yield the observations of these instances that matter from the hour on."""
        known = (observation for key in keys for observation in self.inventory.get(key, ()))
        return (each for each in known if each.last_seen >= hour - OBSERVATION_REACH)

    @contextmanager
    def stage(self, run_id: str, recorded_at: datetime) -> Iterator["_Stage"]:
        """Open the stage of a run."""
        yield _Stage(self, run_id, recorded_at)

    def publish(self, alert: Alert) -> str:
        """Send an alert."""
        period = alert.period
        kind = period.kind if alert.kind is AlertKind.THRESHOLD else f"{alert.kind} of {period.kind}"
        self.sent += [
            SentAlert(kind, period.start, threshold, alert.budget_usd, alert.cost_usd) for threshold in alert.thresholds
        ]
        self.end_if(Kill.AFTER_PUBLISH)
        return f"message-{len(self.sent)}"

    def write_metrics(self, spends: Sequence[Spend], hours: Sequence[HourRun], at: datetime) -> None:
        """Keep no metrics."""

    def doubt(self, uncertain: UncertainPrice) -> None:
        """Mark the exact rows that have a rate which may have changed in their hour already."""
        for place, row in self.costs.items():
            components = {part.component for part in components_of(row.instance.shape)}
            if (
                uncertain.start <= row.hour < uncertain.end
                and row.instance.region == uncertain.region
                and uncertain.component in components
                and row.price.status is PriceStatus.EXACT
            ):
                uncertain_price = replace(row.price, status=PriceStatus.UNCERTAIN)
                self.costs[place] = row._replace(rates=hourly_rates(uncertain_price, row.rates.attached))

    def end_if(self, kill: Kill) -> None:
        """End the process when this is its moment."""
        if self.kill is kill:
            raise ProcessKilledError(kill)

    def project_hours(self, projects: Iterable[str]) -> dict[tuple[str, datetime], ProjectHour]:
        """Return what is recorded of each project and hour: by the last run that read it in full, else by the last."""
        found: dict[tuple[str, datetime], ProjectHour] = {}
        for run in self.runs:
            for project_id in projects:
                before = found.get((project_id, run.hour))
                if project_id in run.projects or before is None or not before.complete:
                    found[project_id, run.hour] = _project_hour(run, project_id)
        return found


class _Stage:
    """What one run is about to record."""

    def __init__(self, tables: Tables, run_id: str, recorded_at: datetime) -> None:
        self._tables = tables
        self._run_id = run_id
        self._recorded_at = recorded_at
        self._records: dict[type, list[Record]] = defaultdict(list)

    def add(self, record: Record) -> None:
        """Take one more record."""
        self._records[type(record)].append(record)

    def commit(
        self,
        hours: Sequence[datetime],  # noqa: ARG002 (the port's)
        periods: Sequence[Period],
        budgets: Budgets,
    ) -> tuple[list[Spend], bool]:
        """Put everything into the tables, and return what the periods cost then."""
        tables = self._tables
        tables.end_if(Kill.BEFORE_COMMIT)
        readings = {(each.project_id, each.hour) for each in self._of(HourReading)}
        tables.reads.update(readings)
        rows = list(self._of(TrackedRow))
        staged = {(row.instance.key, row.hour) for row in rows}
        for place, row in list(tables.costs.items()):
            key = row.instance.key
            if (key.project_id, row.hour) in readings or (key, row.hour) in staged:
                del tables.costs[place]
        for state in self._of(StoredHour):
            known = tables.states.get((state.project_id, state.hour))
            settled = known is not None and known[0].state in {Completeness.COMPLETE, Completeness.FINAL}
            if not settled or state.state is not Completeness.INCOMPLETE:
                listed = state.listed or (known is not None and known[0].listed)
                tables.states[state.project_id, state.hour] = replace(state, listed=listed), self._run_id
        tables.costs |= {(row.instance.key, row.start): row for row in rows}
        latest = {key: versions[-1] for key, versions in tables.inventory.items()}
        for observation in self._of(Observation):
            self._observe(observation, latest.get(observation.instance.key))
        for dated in self._of(DatedRate):
            tables.dated_rates[dated.rate.sku_id, dated.rate.region, dated.valid_from] = dated
        for uncertain in self._of(UncertainPrice):
            tables.doubt(uncertain)
        tables.end_if(Kill.AFTER_COMMIT)
        unsent = any(not sent and until <= self._recorded_at for _, _, until, sent in tables.alerts.values())
        return [self._spend(period, budgets.covers) for period in periods], unsent

    def reserve(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve alerts that nobody has, and take over what was left; nothing is repeated in these worlds."""
        known, until = self._tables.alerts, self._recorded_at + RESERVATION
        for key, (alert, _, reserved_until, sent) in known.items():
            if not sent and reserved_until <= self._recorded_at:
                known[key] = alert, self._run_id, until, False
        for alert in alerts:
            for threshold in alert.thresholds:
                key = alert.period, Notified(alert.kind, threshold, alert.budget_usd)
                known.setdefault(key, (replace(alert, thresholds=(threshold,)), self._run_id, until, False))
        self._tables.end_if(Kill.AFTER_RESERVE)
        return [alert for alert, run_id, _, sent in known.values() if run_id == self._run_id and not sent]

    def close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:  # noqa: ARG002 (the port's)
        """Record the run and its alerts."""
        self._tables.end_if(Kill.BEFORE_CLOSE)
        self._tables.closed.add(self._run_id)
        for run in self._of(HourRun):
            self._tables.runs.append(replace(run, gaps=[*run.gaps, *gaps]))
        sent = set(alerts.values())
        for key, (alert, run_id, _, was_sent) in self._tables.alerts.items():
            if run_id == self._run_id:
                self._tables.alerts[key] = alert, run_id, self._recorded_at, was_sent or alert in sent

    def _of[Kind: Record](self, kind: type[Kind]) -> Iterator[Kind]:
        return (record for record in self._records[kind] if isinstance(record, kind))

    def _observe(self, observation: Observation, latest: Observation | None) -> None:
        """Extend the latest row of an instance that has not changed, or begin one; an older observation is dropped."""
        versions = self._tables.inventory[observation.instance.key]
        if latest is None:
            versions.append(observation)
        elif latest.last_seen < observation.last_seen and is_unchanged(latest.instance, observation.instance):
            position = [version.first_seen for version in versions].index(latest.first_seen)
            versions[position] = latest._replace(last_seen=max(versions[position].last_seen, observation.last_seen))
        elif latest.last_seen < observation.last_seen:
            versions.append(observation)
        versions.sort(key=lambda version: version.last_seen)

    def _spend(self, period: Period, covers: Covers) -> Spend:
        costs: dict[datetime, Decimal] = defaultdict(Decimal)
        for row in self._tables.costs.values():
            costs[row.hour] += row.known_cost if covers is Covers.TOTAL else row.cost or Decimal(0)
        hours = [HourSpend(hour, cost) for hour, cost in costs.items()]
        sent = [Sent(key.kind, key.start, each) for (key, each), known in self._tables.alerts.items() if known[3]]
        return spend_of(period, hours, sent)


def _project_hour(run: HourRun, project_id: str) -> ProjectHour:
    """What one run recorded of a project; a gap without a project concerns all."""
    gaps = [gap for gap in run.gaps if gap.project_id in {"", project_id}]
    unresolved: dict[str, Fraction] = defaultdict(Fraction)
    for uptime in run.unresolved:
        if uptime.key.project_id == project_id:
            unresolved[uptime.key.instance_id] += Fraction(Decimal(repr(uptime.seconds)))
    return ProjectHour(
        complete=project_id in run.projects,
        gaps=tuple(f"{gap.source}: {gap.detail}" for gap in gaps),
        unresolved=dict(unresolved),
        final=bool(gaps) and all(gap.final for gap in gaps),
    )


def _row(row: TrackedRow) -> CostRow:
    instance: Instance = row.instance
    shape = instance.shape
    return CostRow(
        project_id=instance.key.project_id,
        zone=instance.key.zone,
        instance_id=instance.key.instance_id,
        hour=row.hour,
        start=row.start,
        end=row.end,
        machine_type=shape.machine_type,
        gpus=(shape.gpu_type, shape.gpu_count) if shape.gpu_type else None,
        local_ssd_gib=shape.local_ssd_gib,
        labels=dict(instance.labels),
        uptime_hours=row.uptime_hours,
        billed_hours=row.billed_hours,
        price=row.price.spot,
        price_status=row.price.status,
        cost=row.cost,
        known_cost=row.known_cost,
    )


@dataclass(slots=True)
class Tracker:
    """The tracker in a world: every call runs the use case; its records stay."""

    world: World
    asset_history: bool = True
    audit_log: bool = False
    tables: Tables = field(default_factory=Tables)
    _runs: int = 0
    _calls: list[Call] = field(default_factory=list)

    def call(self, call: Call) -> None:
        """Run once; a killed run leaves behind what it had committed."""
        settings = TrackerSettings(
            project_id="home-project",
            projects=tuple(sorted(self.world.projects)),
            capacity_history=self.world.capacity_history,
            budgets=Budgets({PeriodKind(kind): usd for kind, usd in call.budgets.items()}),
        )
        services = _Services(self.world, call.at)
        self.tables.kill = call.kill
        self._runs += 1
        self._calls.append(call)
        ports = Ports(
            uptime=services,
            instances=services,
            disks=services,
            addresses=services,
            preemptions=services,
            preemption_log=None,
            creators=None,
            catalog=services,
            ledger=self.tables,
            inventory=self.tables,
            alerts=self.tables,
            histories=[
                *([services] if self.asset_history else []),
                *([_AuditLog(services)] if self.audit_log else []),
            ],
            stopwatch=lambda: timedelta(0),
        )
        try:
            track(settings, ports, f"run-{self._runs}", TrackRequest(call.at, call.due, call.hours))
        except ProcessKilledError:
            self.tables.kill = None

        self.tables.recorded_prices = list(self._recorded_prices())

    def _recorded_prices(self) -> Iterator[RecordedPrice]:
        """Yield what Google's price history had when it was read last."""
        readings = list(history_readings(self.world, self._calls))
        machines = {run.machine for vm in self.world.vms for run in vm.runs if has_history(run.machine)}
        for machine, region in product(machines, PLACES) if readings else ():
            begun = [self.world.start - timedelta(days=365), *(move.at for move in self.world.moves)]
            known = [at for at in begun if at <= readings[-1]]
            for start, end in pairwise([*known, readings[-1]]):
                usd = nine_digits(price(machine, region, start, self.world.moves))
                yield RecordedPrice(machine.machine_type.name, region, start, end, usd, readings[-1])

    def records(self) -> Records:
        """Return what is recorded by now."""
        return Records(
            rows=[_row(row) for row in self.tables.costs.values()],
            hours=self.tables.project_hours(self.world.projects),
            alerts=self.tables.sent,
            reads=self.tables.reads,
        )
