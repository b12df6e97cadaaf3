"""The hourly use case: read how long Spot VMs ran, price it, record it, and alert when a budget is passed."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched, islice

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Attachments, Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.logs import log_event
from spotkeeper.periods import (
    HOUR,
    RETENTION,
    Period,
    budget_periods,
    end_of_hour,
    hours_between,
    latest_closed_hour,
    periods_of,
)
from spotkeeper.pricing.families import components_of
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.tracking.alerts import Alert, Spend, due_alerts, withdrawals
from spotkeeper.tracking.backlog import (
    Backlog,
    EarlierRuns,
    HourState,
    earlier_runs,
    full_backlog,
    hours_of,
    lost_hours,
    pending_hours,
    projects_of,
    with_learned,
)
from spotkeeper.tracking.billing import SHORTEST_RUN_SECONDS, Billed, Life, billed_time
from spotkeeper.tracking.costs import HourlyRates, Usage, cost_row, hourly_rates
from spotkeeper.tracking.identify import RESOLVE_WITHIN, Identification, Place
from spotkeeper.tracking.inventory import OBSERVATION_REACH, Identity, Inventory, Observation
from spotkeeper.tracking.ports import Ports, Stage
from spotkeeper.tracking.price_readings import read_prices, recorded_prices
from spotkeeper.tracking.publishing import publish_alerts
from spotkeeper.tracking.run_summary import Gap, HourReading, HourRuns, Summary
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.sources import Sources
from spotkeeper.tracking.uptime import Ran, divided

READ_DEADLINE_SECONDS = 540
"""After so long a run starts to read no further project or hours: the function has 900 seconds, and needs up to 300 to
record what it read."""

_NO_TIME = f"not read: the run had read for {READ_DEADLINE_SECONDS} s"

WHOLE_HOUR_SECONDS = 3599.0
"""An instance that ran so long in an hour ran through it, give or take some milliseconds of each sample."""

_SAMPLED_AT_ONCE = 500
"""Of so many instances the samples of an hour are held in memory."""

type _Priced = tuple[Shape, Attachments, str, datetime]
"""What has one price: a shape with what is attached, in a zone and an hour."""


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """When the run takes place, up to when hours are due, and the hours asked for; none means all that are due."""

    now: datetime
    due: datetime
    hours: tuple[datetime, ...] = ()


def track(settings: TrackerSettings, ports: Ports, run_id: str, request: TrackRequest) -> Summary:
    """Record what Spot VMs cost in the requested hours, or else in all hours that are due and not complete yet.

    A source that cannot be read is recorded as a gap of the hours concerned, and a later run fills it. Raises
    UnavailableError when nothing could be recorded; then nothing has changed, and the call may be repeated.
    """
    started = ports.stopwatch()
    latest = latest_closed_hour(request.now)
    recorded = ports.ledger.hour_states(latest - RETENTION)
    states = recorded.states
    backlog = _backlog(settings, request, states)
    history: PriceHistory | None = None
    if settings.capacity_history:
        since = min(latest - timedelta(hours=settings.catch_up_hours), *request.hours, latest)
        history = recorded_prices(settings, ports, recorded, since)
        if not request.hours:
            learned = history.learned_hours(hours_between(since, latest))
            backlog = with_learned(backlog, states, learned, settings.projects)
    if not backlog:
        log_event("nothing to do: every closed hour is complete", run_id=run_id, latest_hour=latest)
        return Summary(run_id)
    lost = _lost(settings, request, states)
    catch_up = timedelta(hours=settings.catch_up_hours)
    resolving = min(RESOLVE_WITHIN, catch_up) if ports.histories else timedelta(0)
    hours = HourRuns(run_id, (*lost, *backlog), request.now, resolving)
    # A budget that was passed in an hour that is caught up on is notified, though its day or month may be over.
    caught_up = () if request.hours else periods_of(backlog)
    with ports.ledger.stage(run_id, request.now) as stage:
        earlier = earlier_runs(states, latest - RETENTION + OBSERVATION_REACH, latest - catch_up)
        run = _Run(settings, ports, stage, backlog, hours, request.now, started, earlier)
        if history is None:
            history = recorded_prices(settings, ports, recorded, min(backlog))
        history = run.read_prices(history)
        run.record_usage(history, scanned_before=bool(states))
        run.record_creators()
        run.record_lost(lost)
        alerts = run.finish(history, budget_periods(latest), caught_up, backlog | lost)
    return Summary(run_id, tuple(hours.values()), alerts, run.metrics_error)


def _backlog(settings: TrackerSettings, request: TrackRequest, states: Iterable[HourState]) -> Backlog:
    if request.hours:
        return full_backlog(request.hours, settings.projects)
    catch_up = timedelta(hours=settings.catch_up_hours)
    return pending_hours(states, latest_closed_hour(request.due), catch_up, settings.projects)


def _lost(settings: TrackerSettings, request: TrackRequest, states: Iterable[HourState]) -> Backlog:
    if request.hours:
        return {}
    catch_up = timedelta(hours=settings.catch_up_hours)
    return lost_hours(states, latest_closed_hour(request.due), catch_up, settings.projects)


@dataclass(slots=True)
class _Run:
    """The steps of one run.

    `shapes` collects the shapes of all cost rows, `rates` what each of them costs an hour, and whether that is known to
    have changed within the hour.

    `metrics_error` is why the metrics were not written, None when they were; `contract_prices_problem` is why contract
    prices that were due were not read.
    """

    settings: TrackerSettings
    ports: Ports
    stage: Stage
    backlog: Backlog
    hours: HourRuns
    now: datetime
    started: timedelta
    earlier: EarlierRuns
    sources: Sources = field(init=False)
    rates: dict[_Priced, tuple[HourlyRates, bool]] = field(default_factory=dict)
    shapes: set[Shape] = field(default_factory=set)
    metrics_error: str | None = None
    contract_prices_problem: str | None = None

    def __post_init__(self) -> None:
        """Prepare to read the sources within the deadline of the run."""
        self.sources = Sources(self.ports, self.stage, self.backlog, self.hours, self.now, self._is_late, self.earlier)

    def read_prices(self, history: PriceHistory) -> PriceHistory:
        """Read the prices that are due, and return the history with them."""
        read = read_prices(history, self.settings, self.ports, self.stage, self.now)
        if read.catalog_problem is not None:
            self.hours.record_gap(self.backlog, Gap("billing catalog", read.catalog_problem))
        self.contract_prices_problem = read.contract_problem
        return read.history

    def record_usage(self, history: PriceHistory, *, scanned_before: bool) -> None:
        """Stage the cost rows of all hours and projects, and every instance as it is listed now."""
        unknown: dict[Place, Ran] = {}
        doubtful: dict[Place, Identity] = {}
        restarted: list[tuple[Ran, Identity]] = []
        changed: dict[InstanceKey, Observation] = {}
        for project_id, compare in self.sources.projects(scanned_before=scanned_before):
            hours = hours_of(self.backlog, project_id)
            if self._is_late(project_id, hours):
                continue
            listed = self.sources.list_instances(project_id, hours, compare, changed, history)
            inventory = Inventory(listed)
            del compare  # What it knows of each instance is not needed while uptime is read.
            self.sources.record_preemptions(project_id, hours)
            for ran in self.sources.read_uptime(project_id, hours):
                place = ran.uptime.key, ran.uptime.hour
                identity = inventory.find(*place)
                if identity is None:
                    unknown[place] = ran
                elif identity.doubtful and self.ports.histories:
                    unknown[place], doubtful[place] = ran, identity
                else:
                    self._record_or_defer(ran, identity, history, restarted)
        identification = Identification(
            self.ports.inventory, changed, self.ports.histories, self.hours, self.now, self._is_late, self.stage.add
        )
        for uptime, identity in identification.identify([ran.uptime for ran in unknown.values()], doubtful):
            if identity is None:
                self.hours[uptime.hour].unresolved.append(uptime)
            else:
                self._record_or_defer(unknown[uptime.key, uptime.hour], identity, history, restarted)
        self._record_restarted(restarted, history)

    def _record_or_defer(
        self, ran: Ran, identity: Identity, history: PriceHistory, restarted: list[tuple[Ran, Identity]]
    ) -> None:
        """Stage the cost of an instance, unless its uptime is still to be divided between two machines or prices."""
        machines, uptime = identity.machines, ran.uptime
        if len(machines) > 1:
            if any(instance.provisioning_model is ProvisioningModel.SPOT for _, instance in machines):
                restarted.append((ran, identity))
            return
        [(start, instance)] = machines
        if instance.provisioning_model is not ProvisioningModel.SPOT:
            return
        _, _, hour, seconds = uptime
        rates, is_cut = self._rates(instance, hour, history)
        if is_cut and seconds < WHOLE_HOUR_SECONDS:
            restarted.append((ran, identity))
        else:
            self._record_cost(ran, identity, Usage(instance, start, end_of_hour(hour), seconds), rates)

    def _record_restarted(self, restarted: Sequence[tuple[Ran, Identity]], history: PriceHistory) -> None:
        """Stage the costs of instances that were started as another machine in an hour, divided by their samples."""
        by_place: dict[tuple[str, datetime], list[tuple[Ran, Identity]]] = defaultdict(list)
        for ran, identity in restarted:
            by_place[ran.uptime.key.project_id, ran.uptime.hour].append((ran, identity))
        for (project_id, hour), instances in by_place.items():
            for some in batched(instances, _SAMPLED_AT_ONCE, strict=False):
                samples = self.sources.read_samples(project_id, hour, [ran.uptime.key for ran, _ in some])
                for ran, identity in some:
                    self._record_parts(ran, identity, samples[ran.uptime.key], history)

    def record_creators(self) -> None:
        """Stage who created instances, where that is recorded; last, for the costs do not need it."""
        if self.ports.creators is None:
            return
        for project_id in projects_of(self.backlog):
            if self._has_no_time():
                log_event("creators not read in full", logging.WARNING, project_id=project_id, detail=_NO_TIME)
                return
            hours = hours_of(self.backlog, project_id)
            self.ports.creators.stage(self.stage, project_id, hours, self.now, self.earlier.latest)

    def record_lost(self, lost: Backlog) -> None:
        """Record the hours that no run read in time as gaps that stay."""
        for project_id in projects_of(lost):
            detail = f"not read within the {self.settings.catch_up_hours} hours that runs catch up on"
            gap = Gap("catch-up", detail, project_id, final=True)
            self.hours.record_gap(hours_of(lost, project_id), gap)

    def finish(
        self, history: PriceHistory, present: Sequence[Period], caught_up: Sequence[Period], recorded: Backlog
    ) -> tuple[Alert, ...]:
        """Commit what is staged, alert on budgets that are passed, record the run, and only then write its metrics.

        `recorded` are the hours that were pending, and those that are lost.
        """
        self._stage_run(history, recorded)
        budgets, periods = self.settings.budgets, tuple(dict.fromkeys((*caught_up, *present)))
        spends, unsent = self.stage.commit(sorted(recorded), periods, budgets)
        due = due_alerts(spends, budgets, present)
        false_estimates = [] if any(hour.open for hour in self.hours.values()) else withdrawals(spends, budgets)
        reserved = self.stage.reserve(due) if due or unsent else []
        alerts, gaps = publish_alerts(self.ports.alerts, [*reserved, *false_estimates])
        self.stage.close(alerts, gaps, budgets)
        for gap in gaps:
            self.hours.record_gap(self.backlog, gap)
        self._write_metrics([spend for spend in spends if spend.period in present and not spend.label_budget])
        return tuple(alert for alert in alerts.values() if not alert.repeated)

    def _record_parts(
        self, ran: Ran, identity: Identity, samples: Mapping[datetime, float], history: PriceHistory
    ) -> None:
        """Stage a cost row for each machine that an instance was in the hour and that ran as a Spot VM."""
        hour = ran.uptime.hour
        usages = [
            (instance, start, history.timed_price(instance.shape, instance.region, hour))
            for start, instance in identity.machines
        ]
        ends = [*(start for _, start, _ in usages[1:]), hour + HOUR]
        # The machines, and the prices that began while each of them ran.
        pieces = [
            [start, *(part.start for part in (timed.parts if timed else ()) if start < part.start < end)]
            for (_, start, timed), end in zip(usages, ends, strict=True)
        ]
        seconds = iter(divided(ran.uptime, samples, [start for piece in pieces for start in piece][1:]))
        for (instance, start, timed), end, piece in zip(usages, ends, pieces, strict=True):
            ran_seconds = list(islice(seconds, len(piece)))
            if not (total := round(sum(ran_seconds), 6)):
                continue
            if instance.provisioning_model is not ProvisioningModel.SPOT:
                continue
            usage, (rates, _) = Usage(instance, start, end, total), self._rates(instance, hour, history)
            if timed is not None and len(timed.parts) > 1:
                by_start = dict(zip(piece, ran_seconds, strict=True))
                price = history.price_of_parts(instance.shape, instance.region, hour, by_start, known=bool(samples))
                rates = hourly_rates(price, rates.attached)
            self._record_cost(ran, identity, usage, rates)

    def _record_cost(self, ran: Ran, identity: Identity, usage: Usage, rates: HourlyRates) -> None:
        """Stage the cost row of an instance that ran as a Spot VM."""
        row = cost_row(usage, self._billed(ran, identity, usage), rates)
        self.stage.add(row)
        self.hours[ran.uptime.hour].count(row)

    def _billed(self, ran: Ran, identity: Identity, usage: Usage) -> Billed:
        """Return what is billed of a usage; its runs matter only where it is short."""
        if usage.seconds > SHORTEST_RUN_SECONDS:
            return Billed(usage.seconds, usage.seconds)
        hour = ran.uptime.hour
        # When an instance had started as an earlier machine is not known.
        started = identity.started if usage.end - hour == HOUR else None
        life = Life(started, identity.created, self.sources.preempted.get(usage.instance.key))
        return billed_time(usage.seconds, hour, life, ran.next_hour)

    def _rates(self, instance: Instance, hour: datetime, history: PriceHistory) -> tuple[HourlyRates, bool]:
        """Return what an instance costs in an hour, and whether the price is known to have changed within it.

        It is worked out once for all that are alike.
        """
        (_, zone, _), _, _, shape, _, _, attachments = instance
        priced = shape, attachments, zone, hour
        known = self.rates.get(priced)
        if known is None:
            price = history.price(shape, instance.region, hour)
            rates = hourly_rates(price, history.attached_prices(attachments, shape, instance.region, hour))
            known = self.rates[priced] = rates, history.is_cut(shape, instance.region, hour)
            self.shapes.add(shape)
        return known

    def _stage_run(self, history: PriceHistory, recorded: Backlog) -> None:
        """Stage the components of all shapes, the state of each project and hour, and the run of each hour."""
        for part in (part for shape in self.shapes for part in components_of(shape)):
            self.stage.add(part)
        for hour, projects in recorded.items():
            run = self.hours[hour]
            run.projects = run.without_gaps(self.backlog.get(hour, frozenset()))
            for project_hour in run.project_hours(projects, self.sources.unlisted):
                self.stage.add(project_hour)
            run.prices_as_of = history.as_of(hour)
            run.contract_prices_as_of = history.contract.readings.as_of(hour) if history.contract else None
            run.contract_prices_problem = self.contract_prices_problem
            run.duration = self.ports.stopwatch() - self.started
            for project_id in run.projects:
                self.stage.add(HourReading(project_id, hour))
            self.stage.add(run)

    def _write_metrics(self, present: Sequence[Spend]) -> None:
        """Write the metrics, the heartbeat of a recorded run; no part of the record, which is complete without them."""
        try:
            self.ports.alerts.write_metrics(present, tuple(self.hours.values()), self.now)
        except UnavailableError as error:
            self.metrics_error = str(error)
            log_event("metrics not written", logging.WARNING, detail=self.metrics_error)

    def _is_late(self, project_id: str, hours: Iterable[datetime]) -> bool:
        """Whether the read deadline has passed, so that these hours are left to the next run."""
        late = self._has_no_time()
        if late:
            self.hours.record_gap(hours, Gap("time", _NO_TIME, project_id))
        return late

    def _has_no_time(self) -> bool:
        return self.ports.stopwatch() - self.started >= timedelta(seconds=READ_DEADLINE_SECONDS)
