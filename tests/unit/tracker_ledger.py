"""The tables of the tracker in memory: a stage, and a commit and a close that are each all or nothing.

tests/adapters/test_tracker_tables.py runs one story against it and against BigQuery's tables, and compares.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy, deepcopy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import Period, PeriodKind, floor_hour
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_book import DatedRate, PriceStatus
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.pricing.price_times import RecordedPrice
from spotkeeper.tracking.addresses import AddressSighting
from spotkeeper.tracking.alerts import RESERVATION, Alert, AlertKind, HourSpend, Notified, Sent, Spend, spend_of
from spotkeeper.tracking.backlog import HourState, RecordedHours
from spotkeeper.tracking.costs import CostRow, hourly_rates
from spotkeeper.tracking.creators import Creation
from spotkeeper.tracking.disks import DiskSighting
from spotkeeper.tracking.inventory import OBSERVATION_REACH, Comparison, Observation, Since, is_unchanged
from spotkeeper.tracking.ports import KnownPrices, Record
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import Completeness, Gap, HourReading, HourRun, ProjectHour
from spotkeeper.tracking.settings import Budgets, Covers, LabelBudget
from spotkeeper.tracking.standings import Standing, standings
from tests.unit.address_ledger import AddressRow, record_addresses
from tests.unit.disk_ledger import DiskRow, record_disks
from tests.unit.idle_resources import IdleCost, idle_cost

type Place = tuple[datetime, InstanceKey]
"""When a cost row starts, and whose it is."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An alert at one threshold: reserved by a run until a time, sent as a message, and last repeated."""

    alert: Alert
    run_id: str
    until: datetime
    message_id: str | None = None
    sent_at: datetime | None = None
    repeated_at: datetime | None = None
    repeated_by: str = ""


@dataclass
class Tables:
    """The rows, by key where a table has one."""

    costs: dict[Place, CostRow] = field(default_factory=dict)
    written_by: dict[Place, str] = field(default_factory=dict)
    inventory: list[Observation] = field(default_factory=list)
    rates: dict[tuple[str, str, datetime], DatedRate] = field(default_factory=dict)
    contract_prices: dict[tuple[str, datetime], DatedContractPrice] = field(default_factory=dict)
    components: dict[tuple[str, str, int, int, str], Decimal] = field(default_factory=dict)
    price_list: list[MachineTypePrice] = field(default_factory=list)
    recorded_prices: list[RecordedPrice] = field(default_factory=list)
    disks: list[DiskRow] = field(default_factory=list)
    addresses: list[AddressRow] = field(default_factory=list)
    preemptions: dict[tuple[InstanceKey, str], tuple[Preemption, str | None]] = field(default_factory=dict)
    creators: dict[InstanceKey, Creation] = field(default_factory=dict)
    project_hours: dict[tuple[datetime, str], tuple[ProjectHour, str]] = field(default_factory=dict)
    runs: dict[tuple[str, datetime], HourRun] = field(default_factory=dict)
    alerts: dict[tuple[Period, Notified], Reservation] = field(default_factory=dict)
    withdrawn: list[Reservation] = field(default_factory=list)
    budgets: dict[tuple[str, str], tuple[Decimal, str]] = field(default_factory=dict)
    standings: list[Standing] = field(default_factory=list)

    def copy(self) -> "Tables":
        """Return tables that can be changed without these."""
        return Tables(**{each.name: copy(getattr(self, each.name)) for each in fields(self)})


@dataclass
class FakeLedger:
    """The ledger and the inventory; `failing` are the verbs that raise UnavailableError."""

    tables: Tables = field(default_factory=Tables)
    failing: set[str] = field(default_factory=set)
    watched: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
    """What surrounds a commit, a reservation and a close, by their names."""

    def hour_states(self, since: datetime) -> RecordedHours:
        """Return the recorded state of each hour."""
        self._fail("hour_states")
        runs = [run for run in self.tables.runs.values() if run.hour >= since]
        states = [
            self._state(hour, [run for run in runs if run.hour == hour]) for hour in sorted({run.hour for run in runs})
        ]
        return RecordedHours(
            states,
            sorted({run.prices_as_of for run in runs if run.prices_as_of is not None}),
            sorted({run.contract_prices_as_of for run in runs if run.contract_prices_as_of is not None}),
        )

    def _state(self, hour: datetime, runs: Sequence[HourRun]) -> HourState:
        latest = max(run.recorded_at for run in runs)
        sent = [run for run in runs if not {gap.source for gap in run.gaps} & {"alerts"}]
        of_hour = [
            known
            for known, run_id in self.tables.project_hours.values()
            if known.hour == hour and (run_id, hour) in self.tables.runs
        ]

        def projects(*states: Completeness) -> frozenset[str]:
            return frozenset(known.project_id for known in of_hour if known.state in states)

        return HourState(
            hour,
            any(run.recorded_at == latest for run in sent),
            projects(Completeness.COMPLETE, Completeness.FINAL),
            projects(Completeness.PROVISIONAL),
            projects(Completeness.INCOMPLETE),
            frozenset(
                (known.project_id, self.tables.runs[run_id, hour].recorded_at)
                for known, run_id in self.tables.project_hours.values()
                if known.hour == hour
                and (run_id, hour) in self.tables.runs
                and known.state in {Completeness.COMPLETE, Completeness.FINAL}
            ),
            frozenset(known.project_id for known in of_hour if not known.listed),
        )

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held then or later."""
        self._fail("rates")
        return [each for each in self.tables.rates.values() if each.valid_to is None or each.valid_to > since]

    def known_prices(self, since: datetime, *, recorded: bool, contract: bool) -> KnownPrices:
        """Return the rates that held then or later, and Google's own prices and contract prices if asked for."""
        self._fail("known_prices")
        agreed = self.tables.contract_prices.values() if contract else ()
        return KnownPrices(
            self.rates(since),
            [each for each in self.tables.recorded_prices if recorded and each.end > since],
            [each for each in agreed if each.valid_to is None or each.valid_to > since],
        )

    def comparisons(self, projects: Sequence[str], hour: datetime) -> Iterator[tuple[str, Comparison]]:
        """Yield what compares an instance with the observations since the hour, in order of project id."""
        self._fail("comparisons")
        since = [each for each in self.tables.inventory if each.last_seen >= hour]
        for project_id in sorted({each.instance.key.project_id for each in since} & set(projects)):
            yield project_id, partial(_compare, since, hour)

    def observations_of(self, keys: Sequence[InstanceKey], hour: datetime) -> Iterator[Observation]:
        """Yield the observations of these instances that matter from the hour on, in order of the instance."""
        self._fail("observations_of")
        since = hour - OBSERVATION_REACH
        found = (each for each in self.tables.inventory if each.instance.key in keys and each.last_seen >= since)
        yield from sorted(found, key=lambda each: each.instance.key)

    @contextmanager
    def stage(self, run_id: str, recorded_at: datetime) -> Iterator["FakeStage"]:
        """Open the stage of a run."""
        self._fail("stage")
        yield FakeStage(self, run_id, recorded_at)

    def standings(self) -> list[Standing]:
        """Return where the budgets of days and months stood after the latest run."""
        self._fail("standings")
        return [each for each in self.tables.standings if each.period.kind is not PeriodKind.HOUR]

    def spends(self, now: datetime, periods: Sequence[Period], budgets: Budgets) -> tuple[list[Spend], bool]:
        """Return the recorded spend of each period, and whether reserved alerts were not sent."""
        self._fail("spends")
        unsent = any(each.message_id is None and each.until <= now for each in self.tables.alerts.values())
        spends = [
            _spend(self.tables, period, budgets.covers, label)
            for period in periods
            for label in (None, *budgets.labels)
            if label is None or period.kind in label.amounts_usd
        ]
        return spends, unsent

    def reserve(self, run_id: str, now: datetime, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve the alerts that are free, and take over those that another run left."""
        with self.watched("reserve"):
            return self._reserve(run_id, now, alerts)

    def _reserve(self, run_id: str, now: datetime, alerts: Sequence[Alert]) -> list[Alert]:
        self._fail("reserve")
        tables, until = self.tables.copy(), now + RESERVATION
        for key, known in tables.alerts.items():
            if known.message_id is None and known.until <= now:
                tables.alerts[key] = replace(known, run_id=run_id, until=until)
        repeated = []
        for alert in alerts:
            keys = [
                (alert.period, Notified(alert.kind, each, alert.budget_usd, alert.label_budget))
                for each in alert.thresholds
            ]
            if not alert.repeated:
                for key in keys:
                    tables.alerts.setdefault(key, Reservation(alert, run_id, until))
                continue
            again = [key for key in keys if key in tables.alerts and _may_repeat(tables.alerts[key], run_id, now)]
            for key in again:
                tables.alerts[key] = replace(tables.alerts[key], repeated_at=now, repeated_by=run_id)
            if again:
                repeated.append(replace(alert, thresholds=tuple(notified.threshold for _, notified in again)))
        self.tables = tables
        return [*_reserved(tables, run_id, alerts), *repeated]

    def confirm(self, run_id: str, now: datetime, sent: Mapping[str, Alert]) -> None:
        """Record the alerts that were sent."""
        with self.watched("confirm"):
            self._fail("confirm")
            tables = self.tables.copy()
            _confirm(tables, run_id, now, sent)
            self.tables = tables

    def _fail(self, verb: str) -> None:
        if verb in self.failing:
            message = f"BigQuery: {verb} failed"
            raise UnavailableError(message)


@dataclass
class FakeStage:
    """The staged records of one run."""

    ledger: FakeLedger
    run_id: str
    recorded_at: datetime
    records: list[Record] = field(default_factory=list)
    spends: Sequence[Spend] = ()

    def add(self, record: Record) -> None:
        """Stage a record as it is now."""
        self.records.append(deepcopy(record) if isinstance(record, HourRun) else record)

    def commit(
        self, hours: Sequence[datetime], periods: Sequence[Period], budgets: Budgets
    ) -> tuple[list[Spend], bool]:
        """Write the staged records, all or nothing."""
        with self.ledger.watched("commit"):
            return self._commit(hours, periods, budgets)

    def _commit(
        self, hours: Sequence[datetime], periods: Sequence[Period], budgets: Budgets
    ) -> tuple[list[Spend], bool]:
        self.ledger._fail("commit")  # noqa: SLF001 (the stage is part of the ledger)
        tables = self.ledger.tables.copy()
        _delete(tables, self._of(HourReading), self._of(CostRow))
        for row in self._of(CostRow):
            place = row.start, row.instance.key
            if tables.costs.get(place) != row:
                tables.costs[place] = row
                tables.written_by[place] = self.run_id
        for known in self._of(ProjectHour):
            _complete(tables, known, self.run_id)
        observations = self._of(Observation)
        since = min(*hours, self.recorded_at, *(each.last_seen for each in observations)) - OBSERVATION_REACH
        recent = sorted((each for each in tables.inventory if each.last_seen >= since), key=lambda each: each.last_seen)
        latest = {each.instance.key: each for each in recent}
        for observation in observations:
            _observe(tables, latest.get(observation.instance.key), observation)
        for dated in self._of(DatedRate):
            tables.rates[dated.rate.sku_id, dated.rate.region, dated.valid_from] = dated
        agreed = self._of(DatedContractPrice)
        tables.contract_prices |= {(each.price.sku_id, each.valid_from): each for each in agreed}
        for part in self._of(ShapeComponent):
            shape = part.shape
            billed = (shape.machine_type, shape.gpu_type or "", shape.gpu_count, shape.local_ssd_gib, part.component)
            tables.components[billed] = part.quantity
        for uncertain in self._of(UncertainPrice):
            _doubt(tables, uncertain)
        tables.price_list = self._of(MachineTypePrice) or tables.price_list
        tables.disks = record_disks(tables.disks, self._of(DiskSighting))
        tables.addresses = record_addresses(tables.addresses, self._of(AddressSighting))
        for preemption in self._of(Preemption):
            tables.preemptions.setdefault((preemption.key, preemption.operation_name), (preemption, None))
        _name_creators(tables, self._of(Creation))
        if self._of(Preemption):
            _name_machine_types(tables, min(hours), since)
        self.ledger.tables = tables
        self.spends, unsent = self.ledger.spends(self.recorded_at, periods, budgets)
        return list(self.spends), unsent

    def reserve(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve the alerts that are free, and take over those that another run left."""
        return self.ledger.reserve(self.run_id, self.recorded_at, alerts)

    def close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:
        """Record the run, its alerts and the budgets."""
        with self.ledger.watched("close"):
            self._close(alerts, gaps, budgets)

    def _close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:
        self.ledger._fail("close")  # noqa: SLF001 (the stage is part of the ledger)
        tables = self.ledger.tables.copy()
        for run in self._of(HourRun):
            tables.runs.setdefault((self.run_id, run.hour), replace(run, gaps=[*run.gaps, *gaps]))
        _confirm(tables, self.run_id, self.recorded_at, alerts)
        tables.standings = standings(self.spends, budgets, alerts.values())
        tables.budgets = {
            (each.budget_id, kind): (amount, label.name if label else "")
            for label, each in budgets.each()
            for kind, amount in each.amounts_usd.items()
        }
        self.ledger.tables = tables

    def _of[Kind](self, kind: type[Kind]) -> list[Kind]:
        return [record for record in self.records if isinstance(record, kind)]


def _may_repeat(known: Reservation, run_id: str, now: datetime) -> bool:
    if (known.repeated_by, known.repeated_at) == (run_id, now):
        return True
    last = known.repeated_at or known.sent_at
    return last is not None and floor_hour(last) < floor_hour(now)


def _reserved(tables: Tables, run_id: str, due: Sequence[Alert]) -> Iterator[Alert]:
    mine: dict[tuple[Period, AlertKind, Decimal, str], list[Decimal]] = {}
    for (period, notified), known in tables.alerts.items():
        if known.run_id == run_id and known.message_id is None:
            mine.setdefault((period, notified.kind, notified.budget_usd, notified.label_budget), []).append(
                notified.threshold
            )
    for about, thresholds in mine.items():
        period, kind, budget, label = about
        known = tables.alerts[period, Notified(kind, thresholds[-1], budget, label)]
        fresh = [each for each in due if (each.period, each.kind, each.budget_usd, each.label_budget) == about]
        alert = next((each for each in fresh if not each.repeated), known.alert)
        yield replace(alert, thresholds=tuple(sorted(thresholds)))


def _confirm(tables: Tables, run_id: str, now: datetime, sent: Mapping[str, Alert]) -> None:
    """Record the alerts that a run sent, withdraw others, and free what it reserved and did not send."""
    for message_id, alert in sent.items():
        for threshold in () if alert.repeated else alert.thresholds:
            withdrawn = alert.kind is AlertKind.WITHDRAWAL
            kind = AlertKind.THRESHOLD if withdrawn else alert.kind
            key = alert.period, Notified(kind, threshold, alert.budget_usd, alert.label_budget)
            known = tables.alerts.get(key)
            if withdrawn and known is not None and known.alert.estimated_at:
                tables.withdrawn.append(tables.alerts.pop(key))
            elif known is not None and known.run_id == run_id and known.message_id is None:
                tables.alerts[key] = replace(known, message_id=message_id, sent_at=now)
    for key, known in tables.alerts.items():
        if known.run_id == run_id and known.message_id is None:
            tables.alerts[key] = replace(known, until=now)


def _delete(tables: Tables, readings: Sequence[HourReading], rows: Sequence[CostRow]) -> None:
    """Delete what was read in full and is not staged again, and the rows of a VM's hour that is staged otherwise."""
    read_in_full = {(each.project_id, each.hour) for each in readings}
    starts = {(row.start, row.instance.key) for row in rows}
    hours = {(row.hour, row.instance.key) for row in rows}
    for place, row in list(tables.costs.items()):
        key = row.instance.key
        replaced = (key.project_id, row.hour) in read_in_full or (row.hour, key) in hours
        if replaced and place not in starts:
            del tables.costs[place], tables.written_by[place]


def _complete(tables: Tables, new: ProjectHour, run_id: str) -> None:
    """Record a state, unless it says less than what is known."""
    place = new.hour, new.project_id
    known, _ = tables.project_hours.get(place, (new, ""))
    new = replace(new, listed=new.listed or known.listed)
    settled = {Completeness.COMPLETE, Completeness.FINAL}
    if new.state is Completeness.INCOMPLETE and known.state in settled:
        return
    if new.state in {Completeness.INCOMPLETE, Completeness.FINAL}:
        new = replace(
            new,
            unresolved=max(new.unresolved, known.unresolved),
            unresolved_hours=max(new.unresolved_hours, known.unresolved_hours),
        )
    tables.project_hours[place] = new, run_id


def _doubt(tables: Tables, uncertain: UncertainPrice) -> None:
    """Mark the exact rows that have a rate which may have changed in their hour already."""
    for place, row in tables.costs.items():
        shape = row.instance.shape
        component = shape.machine_type, shape.gpu_type or "", shape.gpu_count, shape.local_ssd_gib, uncertain.component
        if (
            uncertain.start <= row.hour < uncertain.end
            and row.instance.region == uncertain.region
            and component in tables.components
            and row.price.status is PriceStatus.EXACT
        ):
            shown = replace(row.price, status=PriceStatus.UNCERTAIN)
            tables.costs[place] = row._replace(rates=hourly_rates(shown, row.rates.attached))


def _observe(tables: Tables, latest: Observation | None, new: Observation) -> None:
    """Extend the latest observation of an unchanged instance, or start a row."""
    if latest is None:
        _start_row(tables, new)
    elif latest.last_seen < new.last_seen:
        if is_unchanged(latest.instance, new.instance):
            known = [(each.instance.key, each.first_seen) for each in tables.inventory]
            place = known.index((latest.instance.key, latest.first_seen))
            seen = max(tables.inventory[place].last_seen, new.last_seen)
            tables.inventory[place] = latest._replace(last_seen=seen)
        else:
            _start_row(tables, new)


def _start_row(tables: Tables, new: Observation) -> None:
    """Start a row, one for each key: a history may yield one version several times."""
    for place, known in enumerate(tables.inventory):
        if (known.instance.key, known.first_seen) == (new.instance.key, new.first_seen):
            tables.inventory[place] = max(known, new, key=lambda each: each.last_seen)
            return
    tables.inventory.append(new)


def _name_creators(tables: Tables, creations: Sequence[Creation]) -> None:
    for creation in sorted(creations, key=lambda each: each.created_at):
        tables.creators.setdefault(creation.key, creation)


def _name_machine_types(tables: Tables, since: datetime, observed_since: datetime) -> None:
    for place, (preemption, machine_type) in tables.preemptions.items():
        if machine_type is None and preemption.preempted_at >= since:
            found = _seen_before(tables, preemption, observed_since)
            tables.preemptions[place] = (preemption, found.shape.machine_type if found else None)


def _seen_before(tables: Tables, preemption: Preemption, since: datetime) -> Instance | None:
    seen = [each for each in tables.inventory if each.instance.key == preemption.key and each.last_seen >= since]
    seen.sort(key=lambda each: (each.first_seen <= preemption.preempted_at, each.last_seen))
    return seen[-1].instance if seen else None


def _spend(tables: Tables, period: Period, covers: Covers, label: LabelBudget | None) -> Spend:
    rows = [
        row
        for row in tables.costs.values()
        if period.start <= row.hour < period.end
        and (label is None or (label.label, label.value) in row.instance.labels)
    ]
    unresolved: dict[datetime, Decimal] = {}
    for (hour, _), (known, _) in tables.project_hours.items():
        unresolved[hour] = unresolved.get(hour, Decimal(0)) + known.unresolved_hours
    idle: dict[datetime, list[IdleCost]] = {}
    for hour, project_id in tables.project_hours if covers is Covers.TOTAL and label is None else ():
        found = idle_cost(project_id, hour, rows, tables.disks, tables.addresses)
        idle.setdefault(hour, []).append(found)
    hours = [
        HourSpend(
            hour,
            sum((_covered(row, covers) for row in rows if row.hour == hour), Decimal(0))
            + sum((each.usd for each in idle.get(hour, ())), Decimal(0)),
            sum((row.uptime_hours for row in rows if row.hour == hour), Decimal(0)),
            sum((row.uptime_hours for row in rows if row.hour == hour and row.cost is None), Decimal(0)),
            unresolved.get(hour, Decimal(0)),
            sum((row.uptime_hours for row in rows if row.hour == hour and _is_partial(row, covers)), Decimal(0)),
            unpriced_resource_hours=sum((each.unpriced_hours for each in idle.get(hour, ())), Decimal(0)),
        )
        for hour in sorted({*unresolved, *(row.hour for row in rows)})
    ]
    sent = [
        Sent(key.kind, key.start, each, known.alert.estimated_at)
        for (key, each), known in tables.alerts.items()
        if known.message_id
    ]
    return spend_of(period, hours, sent, label.budget_id if label else "")


def _covered(row: CostRow, covers: Covers) -> Decimal:
    return row.known_cost if covers is Covers.TOTAL else row.cost or Decimal(0)


def _is_partial(row: CostRow, covers: Covers) -> bool:
    return covers is Covers.TOTAL and row.cost is not None and row.total_cost is None


def _compare(since: Sequence[Observation], hour: datetime, instance: Instance) -> Since | datetime:
    match [each for each in since if each.instance.key == instance.key]:
        case []:
            return Since.NEW
        case [only] if only.instance == instance:
            return max(only.first_seen, hour)
        case _:
            return Since.CHANGED
