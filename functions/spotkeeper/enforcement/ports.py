"""The ports of the enforcer: the fleet, Compute Engine, permissions and records."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from spotkeeper.enforcement.actions import Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.events import EventChannel
from spotkeeper.enforcement.executor import Actuator
from spotkeeper.enforcement.freeze_ports import Autoscalers, FreezeRecords
from spotkeeper.enforcement.history import History, Reported, ReportedPeriod
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.ports import Report
from spotkeeper.pricing.price_book import DatedRate


class FleetReader(Protocol):
    """Compute Engine: the fleet as it is now."""

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield all Spot instances of a project, without their price; raises UnavailableError.

        One that cannot be read says so; more than a tenth of them, and at least three, are an UnavailableError.
        """
        ...


class PermissionReader(Protocol):
    """Identity and Access Management."""

    def missing(self, projects: Iterable[str], needed: Sequence[str]) -> tuple[str, ...]:
        """Return which of these permissions the function lacks, as `PROJECT: permission`; raises UnavailableError."""
        ...


class Records(FreezeRecords, Protocol):
    """BigQuery: earlier notifications, their plans and outcomes, and prices; every verb raises UnavailableError."""

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record when a notification arrives."""
        ...

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        """Return what newer notifications of the same budget, source and period reported, the newest first."""
        ...

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        """Return the newest credible notification on every budget, source and current period, drills left out.

        One that reports less than this share of what the tracker's rows said of its period is not credible.
        """
        ...

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        ...

    def record(self, delivery: Delivery) -> bool:
        """Record a delivery without a plan and close overdue restarts.

        True if stops of other messages are unfinished, or freezes are to be ended.
        """
        ...

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        """Record a delivery and its plan, all or nothing.

        False if another plan, or a newer notification of the same budget, source and period, is on record since
        `history`. False also for a new plan of a message that is on record; what is requested again belongs to one.
        """
        ...

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of a plan."""
        ...

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what was stopped in earlier periods and not started since, and the starts of the last 24 hours."""
        ...


@dataclass(frozen=True, slots=True)
class EnforcerPorts:
    """What the enforcer reads from and acts on; `parallel_requests` is how many requests are sent at a time.

    Without a channel for `events`, none are sent.
    """

    fleet: FleetReader
    actuator: Actuator
    autoscalers: Autoscalers
    permissions: PermissionReader
    records: Records
    parallel_requests: int
    stopwatch: Callable[[], timedelta]
    wait: Callable[[timedelta], None]
    events: EventChannel | None = None
