"""Records whose changes are published as events.

A plan is sent once it is on record, so before its stops and before a grace period; an outcome before it is recorded, so
that a delivery that is killed in between sends it again, under the same id, when it is redelivered.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.actions import Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.events import Events
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.freezes import RecordedFreeze
from spotkeeper.enforcement.history import History, Reported, ReportedPeriod
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.ports import EnforcerPorts, Records
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.pricing.price_book import DatedRate


@contextmanager
def publishing(ports: EnforcerPorts, project_id: str) -> Iterator[EnforcerPorts]:
    """Yield the ports of a delivery whose records are also events; without a channel, the same ports."""
    if ports.events is None:
        yield ports
        return
    try:
        yield replace(ports, records=PublishingRecords(ports.records, Events(ports.events, project_id)))
    finally:
        ports.events.flush()


@dataclass(frozen=True, slots=True)
class PublishingRecords:
    """The records of a delivery, each as an event as well."""

    records: Records
    events: Events

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record, and send again what an earlier delivery planned."""
        found = self.records.history(notification, rule, now)
        self.events.history(found, now, rule.budget_id)
        return found

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        """Return what newer notifications reported."""
        return self.records.newer(notification, rule, now)

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        """Return the newest credible notifications."""
        return self.records.latest(now, min_share)

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        return self.records.rates(since)

    def record(self, delivery: Delivery) -> bool:
        """Record a delivery without a plan."""
        return self.records.record(delivery)

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        """Record a plan, and send it once it is on record."""
        recorded = self.records.record_plan(delivery, events, history)
        if recorded:
            self.events.planned(delivery, events)
        return recorded

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Send outcomes, and record them."""
        self.events.outcomes(outcomes)
        self.records.record_outcomes(delivery, outcomes)

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what was stopped in earlier periods."""
        return self.records.stopped(rule, now)

    def freezes(self, now: datetime) -> Sequence[RecordedFreeze]:
        """Return the freezes on record."""
        return self.records.freezes(now)

    def record_freezes(self, delivery: Delivery, outcomes: Sequence[FreezeOutcome]) -> None:
        """Send what came of freezes, and record it."""
        self.events.outcomes(outcomes)
        self.records.record_freezes(delivery, outcomes)
