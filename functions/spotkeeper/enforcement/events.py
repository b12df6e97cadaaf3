"""Events: what the enforcer plans and does, as CloudEvents for whoever is concerned.

Published beside the records, never in their place: an event that cannot be published is logged, and keeps nothing from
being stopped. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from spotkeeper.enforcement.actions import ActionEvent, Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.history import History, ProposedPlan, RecordedAction
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import rfc3339

CONTENT_TYPE = "application/cloudevents+json"
"""That of an event in the structured mode, which has everything in the body of the message."""

AWAITING_APPROVAL, PLAN_EXPIRED = "plan_awaiting_approval", "plan_expired"
"""What happens to a plan as a whole."""

_VERSION = "v1"
_EXPIRED_LATELY = timedelta(hours=2)
"""For how long the messages after an expiry repeat its event."""

_SILENT = frozenset({ActionEvent.SPARED, ActionEvent.FREEZE_SPARED})
_STOPS = frozenset({ActionEvent.PLANNED, ActionEvent.RETRIED, ActionEvent.WAITING, ActionEvent.STOPPED})
_FREEZES = frozenset({ActionEvent.FREEZE_PLANNED, ActionEvent.FROZEN, ActionEvent.THAW_FAILED})


class EventChannel(Protocol):
    """Pub/Sub; no verb raises, and only `flush` waits."""

    def publish(self, event: "CloudEvent") -> None:
        """Begin to send an event."""
        ...

    def flush(self) -> None:
        """Wait some seconds for what is on its way, and log what could not be sent."""
        ...


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event; the same happening always has the same `event_id`, however often it is sent."""

    event_id: str
    source: str
    name: str
    subject: str
    time: datetime
    data: Mapping[str, object]

    def body(self) -> bytes:
        """Return it as JSON, in the structured mode."""
        return json.dumps(
            {
                "specversion": "1.0",
                "id": self.event_id,
                "source": self.source,
                "type": f"spotkeeper.enforcement.{self.name}.{_VERSION}",
                "subject": self.subject,
                "time": rfc3339(self.time),
                "datacontenttype": "application/json",
                "data": self.data,
            },
            ensure_ascii=False,
        ).encode()


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an event is about: an instance, or with an `autoscaling_mode` the group of an autoscaler."""

    key: InstanceKey
    name: str
    managed_by: str | None = None
    autoscaling_mode: str | None = None
    priority: str | None = None
    hourly_savings: Decimal | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: str = "enforce"
    budget_id: str | None = None


@dataclass(slots=True)
class Events:
    """The events of one delivery; what an outcome does not say is known from the plan or from the history."""

    channel: EventChannel
    project_id: str
    _known: dict[tuple[str, InstanceKey], _Subject] = field(default_factory=dict)

    def planned(self, delivery: Delivery, events: Sequence[PlannedEvent]) -> None:
        """Send what a delivery has planned; a drill sends nothing."""
        if _is_drill(delivery):
            return
        for each in events:
            instance = each.instance
            subject = _Subject(
                instance.key,
                instance.name,
                instance.managed_by,
                each.autoscaling_mode,
                str(each.priority),
                each.hourly_savings,
                dict(instance.labels),
                str(delivery.mode),
                _budget_id(delivery),
            )
            self._known[delivery.message_id, instance.key] = subject
            if each.event not in _SILENT:
                self._send(each.event, delivery.message_id, subject, each.reason, delivery.received_at)
        if delivery.proposed is not None:
            self._send_plan(AWAITING_APPROVAL, delivery.proposed, delivery.verdict.reason, delivery.received_at)

    def history(self, history: History, now: datetime, budget_id: str) -> None:
        """Take note of what is on record; send again what an earlier delivery planned, and which plan has expired."""
        for each in (*history.plan, *history.unfinished):
            self._known[each.message_id, each.key] = _recorded(each, budget_id)
        for each in history.plan:
            if not each.done:
                event = ActionEvent.RESTART_PLANNED if each.restart else ActionEvent.PLANNED
                subject = self._known[each.message_id, each.key]
                self._send(event, each.message_id, subject, "planned by an earlier delivery", each.planned_at)
        plan = history.proposed
        if plan is not None and plan.is_unanswered and plan.expires_at <= now < plan.expires_at + _EXPIRED_LATELY:
            self._send_plan(PLAN_EXPIRED, plan, "nobody approved it in time", plan.expires_at)

    def outcomes(self, outcomes: Iterable[Outcome | FreezeOutcome]) -> None:
        """Send what came of requests."""
        for each in outcomes:
            message_id, subject = self._about(each)
            reason = each.reason if each.error is None else f"{each.reason}: {each.error}"
            self._send(each.event, message_id, subject, reason, each.happened_at)

    def _about(self, outcome: Outcome | FreezeOutcome) -> tuple[str, _Subject]:
        if isinstance(outcome, FreezeOutcome):
            freeze = outcome.freeze
            of_group = _Subject(freeze.key, freeze.group.name, freeze.group.path, freeze.mode, str(freeze.priority))
            known = self._known.get((freeze.message_id, freeze.key), of_group)
            return freeze.message_id, known
        request = outcome.request
        known = self._known.get((request.message_id, request.key), _Subject(request.key, request.name))
        return request.message_id, known

    def _send(self, event: ActionEvent, message_id: str, subject: _Subject, reason: str, at: datetime) -> None:
        project_id, zone, number = subject.key
        is_group = subject.autoscaling_mode is not None
        path = f"projects/{project_id}/zones/{zone}/instances/{subject.name}"
        data: dict[str, object] = {
            "message_id": message_id,
            "budget_id": subject.budget_id,
            "mode": subject.mode,
            "project_id": project_id,
            "zone": zone,
            "name": subject.name,
            "id": number,
            "managed_by": subject.managed_by,
            "autoscaling_mode": subject.autoscaling_mode,
            "labels": dict(subject.labels),
            "priority": subject.priority,
            "hourly_savings_usd": None if subject.hourly_savings is None else float(subject.hourly_savings),
            "reason": reason,
            "command": _command(event, subject),
        }
        event_id = "/".join((message_id, event, *subject.key))
        named = subject.managed_by if is_group and subject.managed_by else path
        self.channel.publish(CloudEvent(event_id, self._source(), str(event), named, at, data))

    def _send_plan(self, name: str, plan: ProposedPlan, reason: str, at: datetime) -> None:
        data: dict[str, object] = {
            "message_id": plan.message_id,
            "plan": plan.plan_id,
            "expires_at": rfc3339(plan.expires_at),
            "stops": [each.name for each in plan.stops],
            "freezes": [each.name for each in plan.freezes],
            "hourly_savings_usd": float(sum((each.hourly_savings or Decimal(0) for each in plan.stops), Decimal(0))),
            "reason": reason,
            "command": f"python -m spotkeeper approve {plan.plan_id}" if name == AWAITING_APPROVAL else None,
        }
        self.channel.publish(CloudEvent(f"{plan.plan_id}/{name}", self._source(), name, plan.plan_id, at, data))

    def _source(self) -> str:
        return f"//spotkeeper/projects/{self.project_id}/functions/enforce_budget_limit"


def _command(event: ActionEvent, subject: _Subject) -> str | None:
    """Return the command that brings back what the event takes away, None where it takes nothing."""
    if event in _STOPS:
        where = f"--zone {subject.key.zone} --project {subject.key.project_id}"
        return f"gcloud compute instances start {subject.name} {where}"
    return f"python -m spotkeeper thaw {subject.name}" if event in _FREEZES else None


def _recorded(action: RecordedAction, budget_id: str) -> _Subject:
    return _Subject(
        action.key,
        action.name,
        action.managed_by,
        None,
        str(action.priority),
        action.hourly_savings,
        budget_id=budget_id,
    )


def _budget_id(delivery: Delivery) -> str | None:
    return delivery.verdict.rule.budget_id if delivery.verdict.rule else None


def _is_drill(delivery: Delivery) -> bool:
    return isinstance(delivery.notification, BudgetNotification) and delivery.notification.drill


def names() -> Iterator[str]:
    """Yield the names of all events."""
    yield from (str(each) for each in ActionEvent if each not in _SILENT)
    yield from (AWAITING_APPROVAL, PLAN_EXPIRED)
