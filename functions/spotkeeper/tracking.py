"""The hourly use case: read how long Spot VMs ran, price it, record it, and tell when a budget is passed."""

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from spotkeeper.alerts import Alert, Spend, due_alerts
from spotkeeper.costs import CostRow, Uptime, cost_row
from spotkeeper.errors import UnavailableError
from spotkeeper.hours import HourState, Work, missing_work, work_of
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.logs import event
from spotkeeper.machine_type_prices import MachineTypePrice, machine_type_prices
from spotkeeper.periods import HOUR, RETENTION, Period, budget_periods, latest_closed_hour, periods_of, spans
from spotkeeper.preemptions import Preemption
from spotkeeper.price_history import DatedRate, PriceHistory
from spotkeeper.prices import ShapeComponent, components_of
from spotkeeper.rosters import Look, Roster
from spotkeeper.runs import Gap, HourReading, HourRun, Summary
from spotkeeper.settings import Budgets, TrackerSettings
from spotkeeper.skus import CatalogReading

HOURS_IN_MEMORY = 4
"""The most hours of one project that are held at once while a run catches up; more would only cost memory."""

_MOST_NAMED = 20

type Report = Callable[[str], None]
"""Takes a sentence on what is missing from an answer that is good otherwise."""

type Record = CostRow | Look | DatedRate | HourReading | HourRun | ShapeComponent | MachineTypePrice | Preemption


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """When the run takes place, up to when hours are due, and the hours asked for; none means all that are due."""

    now: datetime
    due: datetime
    hours: tuple[datetime, ...] = ()


class UptimeReader(Protocol):
    """Cloud Monitoring."""

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        """Yield the uptime of every instance in consecutive hours; raises UnavailableError."""
        ...


class InstanceReader(Protocol):
    """Compute Engine."""

    def instances(self, project_id: str, report: Report) -> Iterator[Instance]:
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
        """Return all rates of the catalogue; raises UnavailableError when it cannot be read to its end."""
        ...


class Ledger(Protocol):
    """What earlier runs recorded; every verb raises UnavailableError."""

    def hour_states(self, since: datetime) -> tuple[list[HourState], list[datetime]]:
        """Return what is recorded of each hour since then, and when the catalogue was read."""
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


def track(settings: TrackerSettings, ports: Ports, run_id: str, request: TrackRequest) -> Summary:
    """Record what Spot VMs cost in the requested hours, or else in all hours that are due and not complete yet.

    What cannot be read is recorded as a gap of the hours it concerns, and a later run fills it. Raises UnavailableError
    when nothing could be recorded; then nothing has changed, and the same call may be made again.
    """
    started = ports.stopwatch()
    latest = latest_closed_hour(request.now)
    states, readings = ports.ledger.hour_states(latest - RETENTION)
    if request.hours:
        work = work_of(request.hours, settings.projects)
    else:
        due = latest_closed_hour(request.due)
        work = missing_work(states, due, timedelta(hours=settings.catch_up_hours), settings.projects)
    if not work:
        event("nothing to do: every closed hour is complete", run_id=run_id, latest_hour=latest)
        return Summary(run_id)
    seen_before = work.keys() != {latest} or latest in {state.hour for state in states}
    with ports.ledger.stage(run_id, request.now) as stage:
        hours = {hour: HourRun(run_id, hour, request.now) for hour in sorted(work)}
        run = _Run(settings, ports, stage, work, hours, request.now, started)
        history = run.prices(PriceHistory(ports.ledger.rates(min(work)), readings), latest)
        run.costs(history, seen_before=seen_before)
        # A budget that was passed in an hour which is caught up with is told, though its day or month may be over.
        caught_up = () if request.hours else periods_of(work)
        alerts = run.conclude(history, budget_periods(latest), caught_up)
    return Summary(run_id, tuple(run.hours.values()), alerts)


@dataclass(frozen=True, slots=True)
class _Run:
    """The steps of one run; `hours` collects what each hour came to."""

    settings: TrackerSettings
    ports: Ports
    stage: Stage
    work: Work
    hours: dict[datetime, HourRun]
    now: datetime
    started: timedelta
    shapes: set[Shape] = field(default_factory=set)

    def prices(self, history: PriceHistory, latest: datetime) -> PriceHistory:
        """Read the catalogue when it is due, stage what it changes, and return the history with that in it."""
        refresh = timedelta(hours=self.settings.price_refresh_hours)
        if history.last_served is not None and latest - history.last_served < refresh:
            return history
        try:
            reading = self.ports.catalog.read()
            changes = history.observe(reading.rates, latest)
        except UnavailableError as error:
            self._miss(self.hours, Gap("billing catalog", str(error)))
            return history.without_refresh()
        event(
            "price catalogue read",
            rates=len(reading.rates),
            changes=len(changes),
            unclaimed=len(reading.unclaimed),
            unclaimed_skus=[str(each) for each in reading.unclaimed[:_MOST_NAMED]],
            collisions=len(reading.collisions),
            collided_skus=[str(each) for each in reading.collisions[:_MOST_NAMED]],
        )
        for change in changes:
            self.stage.add(change)
        for price in machine_type_prices(reading, self.now):
            self.stage.add(price)
        return history.after(changes, self.now)

    def costs(self, history: PriceHistory, *, seen_before: bool) -> None:
        """Stage the cost rows of all hours and projects, and every instance as it was found now."""
        unknown: list[Uptime] = []
        for project_id, looks in self._projects(seen_before=seen_before):
            roster = Roster(self._look(project_id), looks)
            hours = [hour for hour, left in self.work.items() if project_id in left]
            for uptime in self._uptimes(project_id, hours):
                instance = roster.find(uptime.key, uptime.hour)
                if instance is None:
                    unknown.append(uptime)
                else:
                    self._record(instance, uptime, history)
            self._preemptions(project_id, hours)
        for uptime, instance in self._identify(unknown):
            if instance is None:
                self.hours[uptime.hour].unresolved.append(uptime)
            else:
                self._record(instance, uptime, history)

    def conclude(
        self, history: PriceHistory, present: Sequence[Period], caught_up: Sequence[Period]
    ) -> tuple[Alert, ...]:
        """Make it all visible at once, tell of budgets that are passed, and record the run."""
        for part in (part for shape in self.shapes for part in components_of(shape)):
            self.stage.add(part)
        for hour, wanted in self.work.items():
            run = self.hours[hour]
            run.projects = run.done(wanted)
            run.prices_as_of = history.as_of(hour)
            run.duration = self.ports.stopwatch() - self.started
            for project_id in run.projects:
                self.stage.add(HourReading(project_id, hour))
            self.stage.add(run)
        spends = self.stage.commit(tuple(self.hours), tuple(dict.fromkeys((*caught_up, *present))))
        alerts, gaps = self._tell(spends, present)
        self.stage.close(alerts, gaps, self.settings.budgets)
        for gap in gaps:
            self._miss(self.hours, gap)
        return tuple(alerts.values())

    def _projects(self, *, seen_before: bool) -> Iterator[tuple[str, Iterable[Look]]]:
        """Every project of the work, with the earlier looks that its hours need: none when nobody looked after them."""
        projects = sorted(frozenset[str]().union(*self.work.values()))
        looks: Iterator[Look] = iter(())
        if seen_before and projects:
            looks = self.ports.inventory.looks_since(projects, min(self.work) + HOUR)
        found = groupby(looks, key=lambda look: look.instance.key.project_id)
        project_looks = next(found, None)
        for project_id in projects:
            if project_looks is not None and project_looks[0] == project_id:
                yield project_id, project_looks[1]
                project_looks = next(found, None)
            else:
                yield project_id, ()

    def _look(self, project_id: str) -> Iterator[Instance]:
        hours = [hour for hour, left in self.work.items() if project_id in left]
        try:
            for instance in self.ports.instances.instances(project_id, self._reporter(hours, "compute", project_id)):
                self.stage.add(Look(instance, self.now, self.now))
                yield instance
        except UnavailableError as error:
            self._miss(hours, Gap("compute", str(error), project_id))

    def _preemptions(self, project_id: str, hours: Sequence[datetime]) -> None:
        """Stage what was taken back from the first hour to the last; between them nothing is lost by a second look."""
        report = self._reporter(hours, "preemptions", project_id)
        try:
            for preemption in self.ports.preemptions.preemptions(project_id, min(hours), max(hours) + HOUR, report):
                self.stage.add(preemption)
        except UnavailableError as error:
            report(str(error))

    def _uptimes(self, project_id: str, hours: Sequence[datetime]) -> Iterator[Uptime]:
        """The uptime of every instance and hour, once; an instance that was renamed within an hour has two series."""
        for span in spans(hours, HOURS_IN_MEMORY):
            found: dict[tuple[InstanceKey, datetime], Uptime] = {}
            try:
                for uptime in self.ports.uptime.uptime(
                    project_id, span, self._reporter(span, "monitoring", project_id)
                ):
                    same = found.get((uptime.key, uptime.hour))
                    seconds = self._believed(uptime) + (same.seconds if same else 0)
                    known = uptime.seconds == seconds
                    found[uptime.key, uptime.hour] = uptime if known else replace(uptime, seconds=seconds)
            except UnavailableError as error:
                later = [hour for hour in hours if hour >= span[0]]
                self._miss(later, Gap("monitoring", str(error), project_id))
                yield from _known(found.values())
                return
            yield from _known(found.values())

    def _believed(self, uptime: Uptime) -> float:
        """The seconds of one series; where they can be no uptime, no number, so that no sum with them is one either."""
        if math.isfinite(uptime.seconds) and uptime.seconds >= 0:
            return uptime.seconds
        detail = f"uptime of {uptime.instance_name} is {uptime.seconds} seconds"
        self._miss([uptime.hour], Gap("monitoring", detail, uptime.key.project_id))
        return math.nan

    def _identify(self, unknown: Sequence[Uptime]) -> Iterator[tuple[Uptime, Instance | None]]:
        """Who the instances were that are neither there any more nor among the looks read so far."""
        if not unknown:
            return
        keys = list(dict.fromkeys(uptime.key for uptime in unknown))
        roster = Roster((), self.ports.inventory.looks_at(keys))
        gone: dict[str, list[Uptime]] = defaultdict(list)
        for uptime in unknown:
            if instance := roster.find(uptime.key, uptime.hour):
                yield uptime, instance
            else:
                gone[uptime.key.project_id].append(uptime)
        for project_id, uptimes in gone.items():
            roster = Roster((), self._asset_looks(project_id, uptimes))
            yield from ((uptime, roster.find(uptime.key, uptime.hour)) for uptime in uptimes)

    def _asset_looks(self, project_id: str, uptimes: Sequence[Uptime]) -> Iterator[Look]:
        if self.ports.assets is None:
            return
        hours = {uptime.hour for uptime in uptimes}
        try:
            for look in self.ports.assets.looks(
                project_id, uptimes, self._reporter(hours, "asset history", project_id)
            ):
                self.stage.add(look)
                yield look
        except UnavailableError as error:
            self._miss(hours, Gap("asset history", str(error), project_id))

    def _record(self, instance: Instance, uptime: Uptime, history: PriceHistory) -> None:
        if instance.provisioning_model is not ProvisioningModel.SPOT:
            return
        row = cost_row(instance, uptime, history.price(instance.shape, instance.region, uptime.hour))
        self.stage.add(row)
        self.hours[uptime.hour].count(row)
        self.shapes.add(instance.shape)

    def _tell(self, spends: Sequence[Spend], present: Sequence[Period]) -> tuple[dict[str, Alert], list[Gap]]:
        sent: dict[str, Alert] = {}
        gaps = []
        try:
            for alert in due_alerts(spends, self.settings.budgets):
                sent[self.ports.alerts.publish(alert)] = alert
        except UnavailableError as error:
            gaps.append(Gap("alerts", str(error)))
        try:
            of_now = [spend for spend in spends if spend.period in present]
            self.ports.alerts.write_metrics(of_now, tuple(self.hours.values()), self.now)
        except UnavailableError as error:
            gaps.append(Gap("metrics", str(error)))
        return sent, gaps

    def _reporter(self, hours: Iterable[datetime], source: str, project_id: str) -> Report:
        concerned = list(hours)
        return lambda detail: self._miss(concerned, Gap(source, detail, project_id))

    def _miss(self, hours: Iterable[datetime], gap: Gap) -> None:
        event("incomplete", logging.WARNING, source=gap.source, project_id=gap.project_id, detail=gap.detail)
        for hour in hours:
            if gap not in self.hours[hour].gaps:
                self.hours[hour].gaps.append(gap)


def _known(uptimes: Iterable[Uptime]) -> Iterator[Uptime]:
    """The uptimes that are known, none of them longer than its hour."""
    for uptime in uptimes:
        if uptime.seconds > HOUR.total_seconds():
            yield replace(uptime, seconds=HOUR.total_seconds())
        elif uptime.seconds > 0:
            yield uptime
