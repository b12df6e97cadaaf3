"""The enforcer's tables in memory, written and read as the statements in `gcp/statements` do."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.actions import ActionEvent, Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.history import PENDING_STOP_TTL, History, RecordedAction
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Priority
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import PeriodKind, budget_period

_ENDS = (ActionEvent.STOPPED, ActionEvent.CHANGED, ActionEvent.RESTARTED, ActionEvent.NOT_RESTARTED)
_FAILURES = (ActionEvent.FAILED, ActionEvent.RESTART_FAILED)
_PLANNED = (ActionEvent.PLANNED, ActionEvent.RESTART_PLANNED)


@dataclass
class Action:
    """A row of the table of actions."""

    message_id: str
    delivery_id: str
    budget_id: str
    period_end: datetime
    happened_at: datetime
    instance: Instance
    event: ActionEvent
    reason: str
    mode: Mode
    priority: Priority
    rank: int | None
    error: str | None = None


@dataclass
class Tables:
    """The deliveries and the actions; every method is a transaction."""

    deliveries: list[Delivery] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    tracker_cost: Decimal | None = None

    def events(self, event: ActionEvent) -> list[str]:
        """Return the names of the instances with this event on record, in order."""
        return [action.instance.name for action in self.actions if action.event is event]

    def verdicts(self) -> list[VerdictName]:
        """Return the verdicts on record, in order of delivery."""
        return [delivery.verdict.name for delivery in self.deliveries]

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record of a message and of its budget."""
        message_id = notification.message.message_id
        with self.lock:
            said = [each.notification for each in self.deliveries]
            published = [
                each.published_at
                for each in said
                if isinstance(each, BudgetNotification)
                and _subject(each) == _subject(notification)
                and each.message.message_id != message_id
                and not each.drill
            ]
            return History(
                received_before=any(each.message.message_id == message_id for each in said),
                latest=max(published, default=None),
                stops_today=self._since_midnight(ActionEvent.PLANNED, rule, now),
                plans=self._plans(),
                plan=self._plan(message_id),
                pending_stops=self._pending_stops(message_id, now),
                tracker_cost=self.tracker_cost,
            )

    def record(self, delivery: Delivery) -> None:
        """Record a delivery once; a message that is known was delivered again, whatever is said of it."""
        with self.lock:
            if delivery.message_id and delivery.message_id in self._messages():
                again = replace(delivery.verdict, name=VerdictName.REDELIVERED)
                delivery = replace(delivery, verdict=again)
            if delivery.delivery_id not in {each.delivery_id for each in self.deliveries}:
                self.deliveries.append(delivery)

    def record_plan(self, delivery: Delivery, events: Iterable[PlannedEvent], plans: int) -> bool:
        """Record a delivery with its plan, all or nothing, if there are so many plans and the message is new."""
        rule = delivery.verdict.rule
        with self.lock:
            if delivery.delivery_id in {each.delivery_id for each in self.deliveries}:
                return True
            if rule is None or delivery.message_id in self._messages() or self._plans() != plans:
                return False
            self.deliveries.append(delivery)
            self.actions += [_planned(delivery, rule, each) for each in events]
            return True

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record what came of orders, once; what has an end keeps it."""
        with self.lock:
            for outcome in outcomes:
                rows = self._of(delivery.message_id, outcome.request.key)
                [planned] = [row for row in rows if row.event in _PLANNED]
                failed_already = any(r.event in _FAILURES and r.delivery_id == delivery.delivery_id for r in rows)
                if not failed_already and not any(row.event in _ENDS for row in rows):
                    self.actions.append(_ended(planned, delivery, outcome))

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what is stopped since a period that is over, and how many starts were planned today."""
        with self.lock:
            rows = [row for row in self.actions if row.budget_id == rule.budget_id and row.mode is Mode.ENFORCE]
            ends = (ActionEvent.STOPPED, ActionEvent.RESTARTED, ActionEvent.NOT_RESTARTED)
            latest = {
                row.instance.key: row for row in sorted(rows, key=lambda row: row.happened_at) if row.event in ends
            }
            failed = {row.instance.key: row.happened_at for row in rows if row.event is ActionEvent.RESTART_FAILED}
            found = [
                StoppedVm(
                    row.instance,
                    row.priority,
                    row.happened_at,
                    tried=failed.get(key, row.happened_at) > row.happened_at,
                )
                for key, row in latest.items()
                if row.event is ActionEvent.STOPPED and row.period_end <= now
            ]
            return found, self._since_midnight(ActionEvent.RESTART_PLANNED, rule, now)

    def _messages(self) -> set[str]:
        return {each.message_id for each in self.deliveries}

    def _of(self, message_id: str, key: InstanceKey) -> list[Action]:
        return [row for row in self.actions if row.message_id == message_id and row.instance.key == key]

    def _plan(self, message_id: str) -> tuple[RecordedAction, ...]:
        """What this message's plan is to do; a plan that was made in a dry run is none that could be finished."""
        return tuple(
            RecordedAction(
                key=row.instance.key,
                name=row.instance.name,
                planned_at=row.happened_at,
                done=any(each.event in _ENDS for each in self._of(message_id, row.instance.key)),
                restart=row.event is ActionEvent.RESTART_PLANNED,
            )
            for row in self.actions
            if row.message_id == message_id and row.event in _PLANNED and row.mode is Mode.ENFORCE
        )

    def _plans(self) -> int:
        rows = (row for row in self.actions if row.mode is Mode.ENFORCE)
        return len({row.message_id for row in rows if row.event in _PLANNED})

    def _pending_stops(self, message_id: str, now: datetime) -> dict[InstanceKey, str]:
        """The instances that other messages planned to stop a moment ago, and of which nothing has come yet."""
        recent = [row for row in self.actions if row.mode is Mode.ENFORCE and row.happened_at >= now - PENDING_STOP_TTL]
        ended = {(row.message_id, row.instance.key) for row in recent if row.event in (*_ENDS, *_FAILURES)}
        planned = {(row.message_id, row.instance.key) for row in recent if row.event is ActionEvent.PLANNED}
        return {key: message for message, key in planned - ended if message != message_id}

    def _since_midnight(self, event: ActionEvent, rule: BudgetRule, now: datetime) -> int:
        midnight = budget_period(PeriodKind.DAY, now).start
        rows = (row for row in self.actions if row.budget_id == rule.budget_id and row.mode is Mode.ENFORCE)
        return sum(row.event is event and row.happened_at >= midnight for row in rows)


def _subject(said: BudgetNotification) -> tuple[object, ...]:
    return said.budget_id, said.source, said.period, said.interval_start


def _planned(delivery: Delivery, rule: BudgetRule, planned: PlannedEvent) -> Action:
    return Action(
        message_id=delivery.message_id,
        delivery_id=delivery.delivery_id,
        budget_id=rule.budget_id,
        period_end=_stopped_until(delivery),
        happened_at=delivery.received_at,
        instance=planned.instance,
        event=planned.event,
        reason=planned.reason,
        mode=delivery.mode,
        priority=planned.priority,
        rank=planned.rank,
    )


def _ended(planned: Action, delivery: Delivery, outcome: Outcome) -> Action:
    return replace(
        planned,
        delivery_id=delivery.delivery_id,
        happened_at=outcome.happened_at,
        event=outcome.event,
        reason=outcome.reason,
        error=outcome.error,
    )


def _stopped_until(delivery: Delivery) -> datetime:
    """The end of the budget period; after an hour's budget, that of the day."""
    period = delivery.verdict.period
    if period is None:
        return delivery.received_at
    return period.end if period.kind is not PeriodKind.HOUR else budget_period(PeriodKind.DAY, period.end).end
