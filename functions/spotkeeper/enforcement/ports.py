"""What the enforcer reads from and acts on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spotkeeper.enforcement.actions import Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Actuator
from spotkeeper.enforcement.history import History
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.ports import Report
from spotkeeper.pricing.price_history import DatedRate


class FleetReader(Protocol):
    """Compute Engine, for the fleet as it is now."""

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield all Spot instances of a project, without their price; raises UnavailableError."""
        ...


class PermissionReader(Protocol):
    """Identity and Access Management."""

    def missing(self, projects: Iterable[str]) -> tuple[str, ...]:
        """Return what this function needs and may not do, as `PROJECT: permission`; raises UnavailableError."""
        ...


class Records(Protocol):
    """BigQuery: what is known of earlier notifications, and of prices; every verb raises UnavailableError."""

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record when a notification arrives."""
        ...

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        ...

    def record(self, delivery: Delivery) -> None:
        """Record a delivery that stops nothing."""
        ...

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], plans: int) -> bool:
        """Record a delivery and its plan, all or nothing; False when there are not `plans` plans now."""
        ...

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record what came of a plan's orders."""
        ...

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what was stopped in budget periods that are over and not started since, and the starts of today."""
        ...


@dataclass(frozen=True, slots=True)
class EnforcerPorts:
    """What the enforcer reads from and acts on."""

    fleet: FleetReader
    actuator: Actuator
    permissions: PermissionReader
    records: Records
    stopwatch: Callable[[], timedelta]
    wait: Callable[[timedelta], None]
