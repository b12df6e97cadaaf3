"""The interim check: between two hourly runs, estimate what budgets that are nearly spent have come to by now.

It reads where the budgets stand, which is one small table, and mostly ends there. Near a budget it lists the instances
of each project once, adds what the running Spot VMs have cost since the last recorded hour, by the prices of the last
run, and notifies what that passes, through the same reservation as the hourly run. It writes no cost rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from spotkeeper.errors import RefusedRequestError, UnavailableError
from spotkeeper.periods import Period, PeriodKind, budget_period, floor_hour
from spotkeeper.pricing.dated_rates import DatedRates
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.pricing.readings import Readings
from spotkeeper.tracking.alerts import Alert, Spend, due_alerts
from spotkeeper.tracking.ports import InstanceReader
from spotkeeper.tracking.publishing import AlertPublisher, publish_alerts
from spotkeeper.tracking.run_summary import Gap
from spotkeeper.tracking.running_costs import RunningCosts, rates_at
from spotkeeper.tracking.settings import Budgets, TrackerSettings
from spotkeeper.tracking.standings import Standing

READ_DEADLINE_SECONDS = 240
"""After so long a check lists no further project: five minutes after it the next one begins."""

_KINDS = (PeriodKind.DAY, PeriodKind.MONTH)
"""The budget of an hour is compared with the hour once it is over."""


class InterimLedger(Protocol):
    """What the hourly runs recorded, and the alerts; every verb raises UnavailableError."""

    def standings(self) -> list[Standing]:
        """Return where the budgets of days and months stood after the latest hourly run."""
        ...

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        ...

    def spends(self, now: datetime, periods: Sequence[Period], budgets: Budgets) -> tuple[list[Spend], bool]:
        """Return the recorded spend of each period, and whether reserved alerts of earlier runs were not sent."""
        ...

    def reserve(self, run_id: str, now: datetime, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve alerts as `Stage.reserve` does, and return those that this check is to send."""
        ...

    def confirm(self, run_id: str, now: datetime, sent: Mapping[str, Alert]) -> None:
        """Record the alerts that were sent, by message id, and free those that were reserved and not sent."""
        ...


@dataclass(frozen=True, slots=True)
class InterimPorts:
    """All ports of the interim check; `stopwatch` is monotonic."""

    ledger: InterimLedger
    instances: InstanceReader
    alerts: AlertPublisher
    stopwatch: Callable[[], timedelta]


@dataclass(frozen=True, slots=True)
class InterimRequest:
    """When the check takes place."""

    now: datetime


class InterimStatus(StrEnum):
    """The outcome of a check: no budget was near its limit, nothing is recorded to add to, or it was estimated."""

    BELOW = "below"
    NOTHING_RECORDED = "nothing_recorded"
    ESTIMATED = "estimated"


@dataclass(frozen=True, slots=True)
class InterimSummary:
    """The results of a check: estimated spends with their time, what was notified, and what could not be read.

    `since` is the end of the last recorded hour; the counts are those of RunningCosts.
    """

    run_id: str
    status: InterimStatus
    since: datetime | None = None
    estimates: tuple[Spend, ...] = ()
    alerts: tuple[Alert, ...] = ()
    gaps: tuple[Gap, ...] = ()
    instances: int = 0
    unpriced: int = 0
    undated: int = 0


def check_interim(
    settings: TrackerSettings, ports: InterimPorts, run_id: str, request: InterimRequest
) -> InterimSummary:
    """Notify the thresholds that estimated spends have passed, each once.

    A project that cannot be listed is a gap, and the estimate is without it. Raises RefusedRequestError where the
    checks are off, and UnavailableError when the tables cannot be read or written: the call may be repeated.
    """
    if not settings.interim_checks:
        message = "check must not be interim: interim checks are off (INTERIM_CHECKS)"
        raise RefusedRequestError(message)
    now, share = request.now, settings.interim_check_share
    if not any(each.is_near(share, now) for each in ports.ledger.standings()):
        return InterimSummary(run_id, InterimStatus.BELOW)
    periods = tuple(budget_period(kind, now) for kind in _KINDS)
    recorded, unsent = ports.ledger.spends(now, periods, settings.budgets)
    since = max((spend.recorded_until for spend in recorded if spend.recorded_until), default=None)
    if since is None or since >= now:
        return InterimSummary(run_id, InterimStatus.NOTHING_RECORDED, since)
    history = PriceHistory(DatedRates(ports.ledger.rates(floor_hour(now)), Readings()))
    running = RunningCosts(settings.budgets, periods, since, now, rates_at(history, now))
    gaps = _add_instances(settings.projects, ports, running)
    estimates = running.added_to(recorded)
    due = [replace(alert, estimated_at=now) for alert in due_alerts(estimates, settings.budgets, ())]
    sent, failures = _notify(ports, run_id, now, due, unsent=unsent)
    return InterimSummary(
        run_id,
        InterimStatus.ESTIMATED,
        since,
        tuple(estimates),
        tuple(sent.values()),
        (*gaps, *failures),
        running.instances,
        running.unpriced,
        running.undated,
    )


def _add_instances(projects: Sequence[str], ports: InterimPorts, running: RunningCosts) -> list[Gap]:
    """List the instances of each project once and add them; return what could not be read."""
    gaps: list[Gap] = []
    started = ports.stopwatch()
    for project_id in projects:

        def report(detail: str, project_id: str = project_id) -> None:
            gaps.append(Gap("instances", detail, project_id))

        if ports.stopwatch() - started >= timedelta(seconds=READ_DEADLINE_SECONDS):
            report(f"not read: the check had read for {READ_DEADLINE_SECONDS} s")
            continue
        try:
            for sighting in ports.instances.instances(project_id, report):
                running.add(sighting)
        except UnavailableError as error:
            report(str(error))
    return gaps


def _notify(
    ports: InterimPorts, run_id: str, now: datetime, due: Sequence[Alert], *, unsent: bool
) -> tuple[dict[str, Alert], list[Gap]]:
    """Publish the alerts that no run has sent or is sending; return those that were sent, and what failed."""
    reserved = ports.ledger.reserve(run_id, now, due) if due or unsent else []
    if not reserved:
        return {}, []
    sent, failures = publish_alerts(ports.alerts, reserved)
    ports.ledger.confirm(run_id, now, sent)
    return sent, failures
