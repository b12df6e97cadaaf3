"""The enforcer's tables in memory, written and read as the statements in `gcp/statements` do."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.actions import ActionEvent, Outcome, PlannedEvent
from spotkeeper.enforcement.command_ports import StopsOfMessage
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.spending import Spending
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.freezes import RecordedFreeze, group_key
from spotkeeper.enforcement.freezing import is_due
from spotkeeper.enforcement.history import (
    CAP_WINDOW,
    FAILURE_MEMORY,
    PENDING_STOP_TTL,
    WAITING_STOP_TTL,
    AttachedCost,
    FailedStop,
    History,
    ProposedPlan,
    RecordedAction,
    Reported,
    ReportedPeriod,
    StopCounts,
)
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import PRICED_CURRENCY, BudgetRule, Priority
from spotkeeper.enforcement.proposals import Proposal
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import Period, PeriodKind, budget_period

_ENDS = (
    ActionEvent.STOPPED,
    ActionEvent.CHANGED,
    ActionEvent.EXPIRED,
    ActionEvent.RESTARTED,
    ActionEvent.NOT_RESTARTED,
)
_EFFECTS = (ActionEvent.STOPPED, ActionEvent.RESTARTED)
_FAILURES = (ActionEvent.FAILED, ActionEvent.RESTART_FAILED)
_CURRENT = (
    VerdictName.OVER_BUDGET,
    VerdictName.NEARING_BUDGET,
    VerdictName.UNDER_BUDGET,
    VerdictName.WARN_ONLY,
    VerdictName.SNOOZED,
    VerdictName.SUPERSEDED,
    VerdictName.TOO_OLD,
)
_EXECUTING = (VerdictName.APPROVED, VerdictName.OVER_BUDGET, VerdictName.NEARING_BUDGET)
_UNFINISHED = (*_FAILURES, ActionEvent.WAITING)
_PLANNED = (ActionEvent.PLANNED, ActionEvent.RESTART_PLANNED)
_PROPOSED = (ActionEvent.PLANNED, ActionEvent.FREEZE_PLANNED)
_FREEZE_ENDS = (ActionEvent.FREEZE_SKIPPED, ActionEvent.THAWED, ActionEvent.THAW_SKIPPED)


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
    operation: str | None = None
    autoscaling_mode: str | None = None


@dataclass
class Tables:
    """The deliveries and the actions; every method is a transaction."""

    deliveries: list[Delivery] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    tracker_cost: Decimal | None = None
    spending: Spending = field(default_factory=Spending)
    attached: dict[str, AttachedCost] = field(default_factory=dict)
    snoozes: dict[tuple[str, InstanceKey], datetime] = field(default_factory=dict)

    def events(self, event: ActionEvent) -> list[str]:
        """Return the names of the instances with this event on record, in order."""
        return [action.instance.name for action in self.actions if action.event is event]

    def verdicts(self) -> list[VerdictName]:
        """Return the verdicts on record, in order of delivery."""
        return [delivery.verdict.name for delivery in self.deliveries]

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record of a message and of its budget."""
        message_id = notification.message.message_id
        newer = self.newer(notification, rule, now)
        with self.lock:
            return History(
                received_before=message_id in self._messages(),
                newer=newer,
                counts=self._counts(rule, now),
                plans=self._plans(),
                plan=self._plan(message_id),
                pending_stops=self._pending_stops(message_id, now),
                failed_stops=self._failed_stops(now),
                unfinished=self._unfinished(message_id, now),
                tracker_cost=self.tracker_cost,
                spending=self.spending,
                attached=self.attached,
                proposed=self._proposed(rule),
                snoozed=self._snoozed(now),
            )

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        """Return what newer notifications on the same subject reported."""
        del rule, now
        with self.lock:
            return self._newer(notification)

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        """Return the newest credible notification on every budget, source and current period."""
        found: dict[tuple[object, ...], ReportedPeriod] = {}
        with self.lock:
            for each in self.deliveries:
                said, period = each.notification, each.verdict.period
                if not isinstance(said, BudgetNotification) or said.drill or each.verdict.name not in _CURRENT:
                    continue
                if period is None or not _holds(period, now):
                    continue
                if said.currency == PRICED_CURRENCY and said.cost < (each.tracker_cost or Decimal(0)) * min_share:
                    continue
                known = found.get(_subject(said))
                if known is None or known.reported.published_at < said.published_at:
                    reported = self._reported(each)
                    found[_subject(said)] = ReportedPeriod(said.budget_id, said.source, period.end, reported)
        return tuple(found.values())

    def record(self, delivery: Delivery) -> bool:
        """Record a delivery once, and say whether other stops are unfinished or freezes are to be ended.

        A message that is known was delivered again, whatever is said of it.
        """
        with self.lock:
            if delivery.message_id and delivery.message_id in self._messages():
                again = replace(delivery.verdict, name=VerdictName.REDELIVERED)
                delivery = replace(delivery, verdict=again)
            if delivery.delivery_id not in {each.delivery_id for each in self.deliveries}:
                self.deliveries.append(delivery)
                self._close(delivery)
            now = delivery.received_at
            is_any_due = any(each.is_open and is_due(each, now) for each in self._freezes())
            return is_any_due or bool(self._unfinished(delivery.message_id, now))

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        """Record a delivery with its plan, all or nothing, if nothing came meanwhile and the message is new."""
        said = delivery.notification
        rule = delivery.verdict.rule
        again = any(each.event is ActionEvent.RETRIED for each in events)
        with self.lock:
            if delivery.delivery_id in {each.delivery_id for each in self.deliveries}:
                return True
            if (
                rule is None
                or self._plans() != history.plans
                or (delivery.message_id in self._messages() and not again)
            ):
                return False
            if isinstance(said, BudgetNotification) and len(self._newer(said)) > len(history.newer):
                return False
            self.deliveries.append(delivery)
            self.actions += [_planned(delivery, rule, each) for each in events]
            return True

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record what came of orders, once; what has an end keeps it, but a stop that took effect is never lost."""
        with self.lock:
            for outcome in outcomes:
                rows = self._of(outcome.request.message_id, outcome.request.key)
                [planned] = [row for row in rows if row.event in _PLANNED]
                done_already = any(r.event in _UNFINISHED and r.delivery_id == delivery.delivery_id for r in rows)
                ended = any(row.event in _ENDS for row in rows)
                took_effect = any(row.event in _EFFECTS for row in rows)
                if (not done_already and not ended) or (outcome.event in _EFFECTS and not took_effect):
                    self.actions.append(_ended(planned, delivery, outcome))

    def freezes(self, now: datetime) -> list[RecordedFreeze]:
        """Return the latest freeze of every autoscaler."""
        del now
        with self.lock:
            return self._freezes()

    def record_freezes(self, delivery: Delivery, outcomes: Sequence[FreezeOutcome]) -> None:
        """Record what came of freezes; one that has ended keeps its end."""
        with self.lock:
            for each in outcomes:
                rows = self._of(each.freeze.message_id, each.freeze.key)
                [planned] = [row for row in rows if row.event is ActionEvent.FREEZE_PLANNED]
                is_frozen = any(row.event is ActionEvent.FROZEN for row in rows)
                failed_here = any(row.error is not None and row.delivery_id == delivery.delivery_id for row in rows)
                if (
                    any(row.event in _FREEZE_ENDS for row in rows)
                    or (is_frozen and each.freeze.frozen is False and each.event not in _FREEZE_ENDS[1:])
                    or (failed_here and each.error is not None)
                ):
                    continue
                self.actions.append(
                    replace(
                        planned,
                        delivery_id=delivery.delivery_id,
                        happened_at=each.happened_at,
                        event=each.event,
                        reason=each.reason,
                        error=each.error,
                        operation=each.operation,
                    )
                )

    def _freezes(self) -> list[RecordedFreeze]:
        planned = [row for row in self._enforced() if row.event is ActionEvent.FREEZE_PLANNED]
        found = sorted(
            map(self._freeze, planned), key=lambda each: (each.is_open, each.frozen, each.planned_at, each.message_id)
        )
        return list({each.key: each for each in found}.values())

    def _freeze(self, planned: Action) -> RecordedFreeze:
        rows = self._of(planned.message_id, planned.instance.key)
        ends = [row for row in rows if row.event in _FREEZE_ENDS]
        group = group_key(planned.instance.key.project_id, planned.instance.managed_by)
        assert group is not None
        assert planned.autoscaling_mode is not None
        return RecordedFreeze(
            message_id=planned.message_id,
            budget_id=planned.budget_id,
            group=group,
            number=planned.instance.key.instance_id,
            mode=planned.autoscaling_mode,
            priority=planned.priority,
            planned_at=planned.happened_at,
            period_end=planned.period_end,
            frozen=any(row.event is ActionEvent.FROZEN for row in rows),
            failed=any(row.event is ActionEvent.FREEZE_FAILED for row in rows),
            ended_by=ends[0].event if ends else None,
            ended_at=ends[0].happened_at if ends else None,
        )

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what is stopped since a period that is over, and how many starts were planned today."""
        with self.lock:
            found = [vm for vm, row in self._stopped(rule.budget_id) if row.period_end <= now]
            return found, self._starts(rule.budget_id, now)

    def _stopped(self, budget_id: str) -> list[tuple[StoppedVm, Action]]:
        """What is stopped and not started since, with the row of its stop."""
        rows = [row for row in self._enforced() if row.budget_id == budget_id]
        ends = (ActionEvent.STOPPED, ActionEvent.RESTARTED, ActionEvent.NOT_RESTARTED)
        latest = {row.instance.key: row for row in sorted(rows, key=lambda row: row.happened_at) if row.event in ends}
        failed = {row.instance.key: row.happened_at for row in rows if row.event is ActionEvent.RESTART_FAILED}
        return [
            (
                StoppedVm(
                    row.instance,
                    row.priority,
                    row.happened_at,
                    tried=failed.get(key, row.happened_at) > row.happened_at,
                ),
                row,
            )
            for key, row in latest.items()
            if row.event is ActionEvent.STOPPED
        ]

    def _starts(self, budget_id: str, now: datetime) -> int:
        """How many starts were planned today."""
        return sum(
            row.event is ActionEvent.RESTART_PLANNED and row.happened_at > now - CAP_WINDOW
            for row in self._enforced()
            if row.budget_id == budget_id
        )

    def proposal(self, message_id: str, now: datetime) -> Proposal | None:
        """Return the plan of a message that was to be approved."""
        del now
        with self.lock:
            found = [each for each in self.deliveries if each.message_id == message_id and each.proposed]
            if not found:
                return None
            said = found[-1].notification
            assert isinstance(said, BudgetNotification)
            return Proposal(self._plan_of(found[-1]), said)

    def stops_of(self, message_id: str, now: datetime) -> StopsOfMessage | None:
        """Return what a message was to stop, and what of it is stopped since."""
        with self.lock:
            rows = [
                row for row in self._enforced() if row.message_id == message_id and row.event is ActionEvent.PLANNED
            ]
            if not rows:
                return None
            target = next(each.target for each in reversed(self.deliveries) if each.message_id == message_id)
            said = next(
                each.notification
                for each in self.deliveries
                if each.message_id in (message_id, target) and isinstance(each.notification, BudgetNotification)
            )
            keys = tuple(row.instance.key for row in rows)
            stopped = [vm for vm, row in self._stopped(rows[0].budget_id) if row.message_id == message_id]
            starts = self._starts(rows[0].budget_id, now)
            return StopsOfMessage(said, rows[0].period_end, keys, tuple(stopped), starts)

    def snooze(self, delivery: Delivery, instances: Iterable[InstanceKey], until: datetime) -> None:
        """Record that instances are not to be stopped until then."""
        with self.lock:
            self.snoozes |= {(delivery.message_id, key): until for key in instances}

    def _proposed(self, rule: BudgetRule) -> ProposedPlan | None:
        """The latest plan of a budget that was to be approved."""
        found = [
            each
            for each in self.deliveries
            if each.proposed and each.verdict.rule and each.verdict.rule.budget_id == rule.budget_id
        ]
        return self._plan_of(found[-1]) if found else None

    def _plan_of(self, delivery: Delivery) -> ProposedPlan:
        """A proposed plan as it is on record now."""
        assert delivery.proposed is not None
        rows = [
            row
            for row in self.actions
            if row.message_id == delivery.message_id and row.mode is Mode.APPROVE and row.event in _PROPOSED
        ]
        answers = [
            each.message_id
            for each in self.deliveries
            if each.target == delivery.message_id and each.verdict.name in _EXECUTING
        ]
        rule, period = delivery.verdict.rule, delivery.verdict.period
        later = [
            row.message_id
            for row in self.actions
            if row.event in _PROPOSED
            and row.mode is not Mode.DRY_RUN
            and rule is not None
            and row.budget_id == rule.budget_id
            and row.happened_at > delivery.received_at
        ]
        return replace(
            delivery.proposed,
            newer_plan=max(later, default=None),
            period_end=period.end if period else None,
            stops=tuple(self._recorded(row, [row]) for row in rows if row.autoscaling_mode is None),
            freezes=tuple(self._recorded(row, [row]) for row in rows if row.autoscaling_mode is not None),
            executed_by=answers[0] if answers else None,
        )

    def _snoozed(self, now: datetime) -> dict[InstanceKey, datetime]:
        """Until when instances are snoozed."""
        found: dict[InstanceKey, datetime] = {}
        for (_, key), until in self.snoozes.items():
            if until > now:
                found[key] = max(until, found.get(key, until))
        return found

    def _newer(self, notification: BudgetNotification) -> tuple[Reported, ...]:
        found = {
            each.message_id: self._reported(each)
            for each in self.deliveries
            if isinstance(each.notification, BudgetNotification)
            and _subject(each.notification) == _subject(notification)
            and each.notification.published_at > notification.published_at
            and each.message_id != notification.message.message_id
            and not each.notification.drill
        }
        return tuple(found.values())

    def _messages(self) -> set[str]:
        return {each.message_id for each in self.deliveries}

    def _of(self, message_id: str, key: InstanceKey) -> list[Action]:
        return [row for row in self.actions if row.message_id == message_id and row.instance.key == key]

    def _reported(self, delivery: Delivery) -> Reported:
        said = delivery.notification
        assert isinstance(said, BudgetNotification)
        own = self.tracker_cost if delivery.tracker_cost is None else delivery.tracker_cost
        return Reported(said.published_at, said.cost, said.budget, own)

    def _close(self, delivery: Delivery) -> None:
        """Close the restarts that are overdue, or whose period is over, and of which nothing came."""
        now = delivery.received_at
        for row in self._enforced():
            rows = self._of(row.message_id, row.instance.key)
            is_open = row.event is ActionEvent.RESTART_PLANNED and not any(
                each.event in (*_ENDS, *_FAILURES) for each in rows
            )
            is_overdue = row.happened_at < delivery.overdue_since or row.period_end <= now
            if is_open and is_overdue and row.happened_at < now - PENDING_STOP_TTL:
                reason = "the plan expired before it was finished"
                closed = replace(row, delivery_id=delivery.delivery_id, happened_at=now, event=ActionEvent.EXPIRED)
                self.actions.append(replace(closed, reason=reason))

    def _enforced(self) -> list[Action]:
        return [row for row in self.actions if row.mode is Mode.ENFORCE]

    def _plan(self, message_id: str) -> tuple[RecordedAction, ...]:
        """What this message's plan is to do; a plan that was made in a dry run is none that could be finished."""
        return tuple(
            self._recorded(row, self._of(message_id, row.instance.key))
            for row in self._enforced()
            if row.message_id == message_id and row.event in _PLANNED
        )

    def _recorded(self, planned: Action, rows: Sequence[Action]) -> RecordedAction:
        operations = [row.operation for row in rows if row.event is ActionEvent.WAITING]
        return RecordedAction(
            message_id=planned.message_id,
            key=planned.instance.key,
            name=planned.instance.name,
            planned_at=planned.happened_at,
            done=any(row.event in _ENDS for row in rows),
            restart=planned.event is ActionEvent.RESTART_PLANNED,
            failed=_has_failed(rows),
            stopped=any(row.event is ActionEvent.STOPPED for row in rows),
            operation=operations[-1] if operations else None,
            priority=planned.priority,
            rank=planned.rank,
            machine_type=planned.instance.shape.machine_type,
            managed_by=planned.instance.managed_by,
            reason=planned.reason,
            autoscaling_mode=planned.autoscaling_mode,
        )

    def _plans(self) -> int:
        counted = (*_PLANNED, ActionEvent.RETRIED, ActionEvent.FREEZE_PLANNED)
        return len({row.delivery_id for row in self.actions if row.event in counted and row.mode is not Mode.DRY_RUN})

    def _stops(self) -> list[tuple[Action, list[Action]]]:
        """Every stop of every plan with all its rows."""
        by_stop: dict[tuple[str, InstanceKey], list[Action]] = {}
        for row in self._enforced():
            by_stop.setdefault((row.message_id, row.instance.key), []).append(row)
        return [(rows[0], rows) for rows in by_stop.values() if rows[0].event is ActionEvent.PLANNED]

    def _counts(self, rule: BudgetRule, now: datetime) -> StopCounts:
        """The VMs stopped or planned to be in the last 24 hours, each once."""
        found = [planned for planned, rows in self._stops() if _counts_since(rows, now - CAP_WINDOW)]
        of_budget = {row.instance.key for row in found if row.budget_id == rule.budget_id}
        return StopCounts(len(of_budget), len({row.instance.key for row in found}), frozenset(of_budget))

    def _pending_stops(self, message_id: str, now: datetime) -> dict[InstanceKey, str]:
        """The instances that other messages are about to stop, or wait for."""
        return {
            planned.instance.key: planned.message_id
            for planned, rows in self._stops()
            if planned.message_id != message_id and _is_pending(rows, now)
        }

    def _unfinished(self, message_id: str, now: datetime) -> tuple[RecordedAction, ...]:
        """The stops of other messages that wait, or whose deliveries must have ended."""
        return tuple(
            self._recorded(planned, rows)
            for planned, rows in self._stops()
            if planned.message_id != message_id
            and not any(row.event in _ENDS for row in rows)
            and not _has_failed(rows)
            and (_latest(rows, ActionEvent.PLANNED, ActionEvent.RETRIED) or now) < now - PENDING_STOP_TTL
        )

    def _failed_stops(self, now: datetime) -> dict[InstanceKey, FailedStop]:
        failures: dict[InstanceKey, list[Action]] = {}
        for row in self._enforced():
            was_requested = row.error is not None or row.operation is not None
            if row.event is ActionEvent.FAILED and was_requested and row.happened_at > now - FAILURE_MEMORY:
                failures.setdefault(row.instance.key, []).append(row)
        return {
            key: FailedStop(max(row.happened_at for row in rows), len({row.message_id for row in rows}))
            for key, rows in failures.items()
        }


def _latest(rows: Sequence[Action], *events: ActionEvent) -> datetime | None:
    return max((row.happened_at for row in rows if row.event in events), default=None)


def _has_failed(rows: Sequence[Action]) -> bool:
    """Whether the latest request failed."""
    failed = _latest(rows, ActionEvent.FAILED)
    requested = _latest(rows, ActionEvent.PLANNED, ActionEvent.RETRIED)
    return failed is not None and requested is not None and failed >= requested


def _counts_since(rows: Sequence[Action], since: datetime) -> bool:
    """Whether a stop took effect since a time, or was requested since then and has not failed."""
    stopped = _latest(rows, ActionEvent.STOPPED)
    if stopped is not None:
        return stopped > since
    requested = _latest(rows, ActionEvent.PLANNED, ActionEvent.RETRIED)
    open_still = not any(row.event is ActionEvent.CHANGED for row in rows) and not _has_failed(rows)
    return open_still and requested is not None and requested > since


def _is_pending(rows: Sequence[Action], now: datetime) -> bool:
    if any(row.event in _ENDS for row in rows) or _has_failed(rows):
        return False
    requested = _latest(rows, ActionEvent.PLANNED, ActionEvent.RETRIED)
    is_waiting = any(row.event is ActionEvent.WAITING for row in rows)
    ttl = WAITING_STOP_TTL if is_waiting else PENDING_STOP_TTL
    return requested is not None and requested >= now - ttl


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
        autoscaling_mode=planned.autoscaling_mode,
    )


def _ended(planned: Action, delivery: Delivery, outcome: Outcome) -> Action:
    return replace(
        planned,
        delivery_id=delivery.delivery_id,
        happened_at=outcome.happened_at,
        event=outcome.event,
        reason=outcome.reason,
        error=outcome.error,
        operation=outcome.operation,
    )


def _holds(period: Period, now: datetime) -> bool:
    """Whether a message on a period still keeps something stopped: an hour's does so to the end of its day."""
    if period.kind is PeriodKind.HOUR:
        return period.end >= budget_period(PeriodKind.DAY, now).start
    return period.end > now


def _stopped_until(delivery: Delivery) -> datetime:
    """The end of the budget period; after an hour's budget, that of the day."""
    period = delivery.verdict.period
    if period is None:
        return delivery.received_at
    return period.end if period.kind is not PeriodKind.HOUR else budget_period(PeriodKind.DAY, period.end).end
