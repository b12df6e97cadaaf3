"""The hourly use case: read how long Spot VMs ran, price it, record it, and tell when a budget is passed."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.logs import log_event
from spotkeeper.periods import HOUR, RETENTION, Period, budget_periods, latest_closed_hour, periods_of, rfc3339, spans
from spotkeeper.ports import Report
from spotkeeper.pricing.families import components_of
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.pricing.price_list import machine_type_prices
from spotkeeper.tracking.alerts import Alert, Spend, due_alerts
from spotkeeper.tracking.backlog import Work, missing_work, work_of
from spotkeeper.tracking.costs import Uptime, cost_row
from spotkeeper.tracking.inventory import Look, Roster
from spotkeeper.tracking.ports import Ports, Stage
from spotkeeper.tracking.run_summary import Gap, HourReading, HourRun, Summary
from spotkeeper.tracking.settings import TrackerSettings

HOURS_IN_MEMORY = 4
"""The most hours of one project that are held at once while a run catches up; more would only cost memory."""

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """When the run takes place, up to when hours are due, and the hours asked for; none means all that are due."""

    now: datetime
    due: datetime
    hours: tuple[datetime, ...] = ()


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
        log_event("nothing to do: every closed hour is complete", run_id=run_id, latest_hour=latest)
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
    """The steps of one run.

    `hours` collects what each hour came to, and `running_since` from when on something ran in each project.
    """

    settings: TrackerSettings
    ports: Ports
    stage: Stage
    work: Work
    hours: dict[datetime, HourRun]
    now: datetime
    started: timedelta
    shapes: set[Shape] = field(default_factory=set)
    running_since: dict[str, datetime] = field(default_factory=dict)

    def prices(self, history: PriceHistory, latest: datetime) -> PriceHistory:
        """Read the catalog when it is due, stage what it changes, and return the history with that in it."""
        refresh = timedelta(hours=self.settings.price_refresh_hours)
        if history.last_served is not None and latest - history.last_served < refresh:
            return history
        try:
            reading = self.ports.catalog.read()
            changes = history.observe(reading.rates, latest)
        except UnavailableError as error:
            self._miss(self.hours, Gap("billing catalog", str(error)))
            return history.without_refresh()
        log_event(
            "price catalog read",
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
            hours = [hour for hour, left in self.work.items() if project_id in left]
            if self._is_late(project_id, hours):
                continue
            roster = Roster(self._look(project_id), looks)
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
            for instance, since in self.ports.instances.instances(
                project_id, self._reporter(hours, "compute", project_id)
            ):
                self.stage.add(Look(instance, self.now, self.now))
                if since is not None:
                    self.running_since[project_id] = min(since, self.running_since.get(project_id, since))
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
            later = [hour for hour in hours if hour >= span[0]]
            if self._is_late(project_id, later):
                return
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
                self._miss(later, Gap("monitoring", str(error), project_id))
                yield from _known(found.values())
                return
            self._doubt(project_id, set(span) - {hour for _, hour in found})
            yield from _known(found.values())

    def _is_late(self, project_id: str, hours: Iterable[datetime]) -> bool:
        """Whether a run has read for so long that it leaves these hours to the next one: it has to end in time."""
        limit = timedelta(seconds=self.settings.reading_seconds)
        late = self.ports.stopwatch() - self.started >= limit
        if late:
            self._miss(hours, Gap("time", f"not read: the run had read for {limit.total_seconds():.0f} s", project_id))
        return late

    def _doubt(self, project_id: str, silent: Iterable[datetime]) -> None:
        """Take an hour without any uptime, through which an instance ran, for one that was not read."""
        since = self.running_since.get(project_id)
        for hour in sorted(silent):
            if since is not None and since <= hour:
                detail = f"Cloud Monitoring: no uptime at all, though an instance has run since {rfc3339(since)}"
                self._miss([hour], Gap("monitoring", detail, project_id))

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
        log_event("incomplete", logging.WARNING, source=gap.source, project_id=gap.project_id, detail=gap.detail)
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
