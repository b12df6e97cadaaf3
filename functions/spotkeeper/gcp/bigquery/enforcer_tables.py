"""BigQuery: what the enforcer knows of earlier notifications, and what it records of this one."""

import gzip
import io
import json
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    SchemaField,
    StructQueryParameter,
    StructQueryParameterType,
)

from spotkeeper.enforcement.actions import ActionEvent, Outcome, PlannedEvent
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.estimate import Estimate, NoEstimate
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.freezes import RecordedFreeze
from spotkeeper.enforcement.history import (
    CAP_WINDOW,
    FAILURE_MEMORY,
    PENDING_STOP_TTL,
    WAITING_STOP_TTL,
    History,
    Reported,
    ReportedPeriod,
)
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import PRICED_CURRENCY, BudgetRule
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.verdicts import current_period
from spotkeeper.gcp.bigquery.delivery_records import REDELIVERY, amount, delivery_parameters, rounded
from spotkeeper.gcp.bigquery.enforcer_rows import history_from, recorded_freeze, reported_by, stopped_vm
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.bigquery.rates import dated_rate_from
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import PeriodKind, budget_period, rfc3339
from spotkeeper.pricing.price_book import DatedRate

LONGEST_STOP = timedelta(days=400)
"""A budget period is a year at most; what was stopped longer ago is not started again."""

_MOST_NEWER = 100
"""How many newer notifications the statement of the history returns."""

_TERMS = (
    "estimated_spent",
    "estimated_spent_sd",
    "estimated_end",
    "estimated_end_sd",
    "estimated_rate",
    "contract_factor",
    "contract_factor_sd",
    "other_rate",
    "other_rate_sd",
    "bill_delay_hours",
)
"""The columns of an estimate."""

_OUTCOME = StructQueryParameterType(
    ScalarQueryParameterType("STRING", name="message_id"),
    ScalarQueryParameterType("STRING", name="project_id"),
    ScalarQueryParameterType("STRING", name="instance_id"),
    ScalarQueryParameterType("TIMESTAMP", name="happened_at"),
    ScalarQueryParameterType("STRING", name="event"),
    ScalarQueryParameterType("STRING", name="reason"),
    ScalarQueryParameterType("STRING", name="operation"),
    ScalarQueryParameterType("STRING", name="error"),
)


class EnforcementRecords:
    """The dataset of the enforcer; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record when a notification arrives."""
        parameters: list[Parameter] = [
            *_subject(notification, rule, now),
            _time("pending_since", now - PENDING_STOP_TTL),
            _time("waiting_since", now - WAITING_STOP_TTL),
            _time("counted_since", now - CAP_WINDOW),
            _time("failures_since", now - FAILURE_MEMORY),
            _time("attached_since", now - CAP_WINDOW),
            ScalarQueryParameter("project_count", "INT64", len(rule.projects)),
            _time("now", now),
        ]
        with translate_errors("BigQuery"):
            [row] = self._jobs.query("enforcement_history", parameters)
            return history_from(row)

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        """Return what newer notifications of the same budget, source and period reported, the newest first."""
        with translate_errors("BigQuery"):
            [row] = self._jobs.query("newer", _subject(notification, rule, now))
            return tuple(map(reported_by, row["newer"]))

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        """Return the newest credible notification on every budget, source and current period."""
        parameters = [
            _time("since", now - REDELIVERY),
            _time("now", now),
            _time("day_start", budget_period(PeriodKind.DAY, now).start),
            _string("currency", PRICED_CURRENCY),
            _amount("min_share", min_share),
        ]
        with translate_errors("BigQuery"):
            rows = self._jobs.query("latest", parameters)
            return tuple(
                ReportedPeriod(row["budget_id"], row["source"], row["period_end"], reported_by(row)) for row in rows
            )

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        with translate_errors("BigQuery"):
            return [dated_rate_from(row) for row in self._jobs.query("rates", [_time("since", since)])]

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        """Record a delivery and its plan, all or nothing; False when plans or newer notifications came meanwhile."""
        staging = f"staging_{delivery.delivery_id}_{uuid.uuid4().hex}"
        schema = self._jobs.fields("enforcement_actions")
        self._load(staging, schema, (_planned(delivery, each) for each in events))
        try:
            again = any(each.event is ActionEvent.RETRIED for each in events)
            parameters = [
                *_delivery(delivery),
                *_plan(delivery),
                ScalarQueryParameter("plans", "INT64", history.plans),
                ScalarQueryParameter("newer", "INT64", _newer_allowed(history)),
                ScalarQueryParameter("again", "BOOL", again),
            ]
            with translate_errors("BigQuery"):
                [row] = self._jobs.transaction("plan", parameters, staging)
        finally:
            self._jobs.drop(staging)
        return bool(row["recorded"])

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of planned stops and starts."""
        parameters: list[Parameter] = [
            _string("delivery_id", delivery.delivery_id),
            _time("received_at", delivery.received_at),
            _time("since", delivery.received_at - REDELIVERY),
            ArrayQueryParameter("outcomes", _OUTCOME, [_outcome(each) for each in outcomes]),
        ]
        self._jobs.transaction("outcomes", parameters)

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what was stopped in periods that are over and not started since, and the starts of the last day."""
        parameters: list[Parameter] = [
            _string("budget_id", rule.budget_id),
            _time("since", now - LONGEST_STOP),
            _time("now", now),
            _time("counted_since", now - CAP_WINDOW),
        ]
        with translate_errors("BigQuery"):
            rows = list(self._jobs.query("stopped", parameters))
            return [stopped_vm(row) for row in rows], max((row["starts_lately"] for row in rows), default=0)

    def freezes(self, now: datetime) -> Sequence[RecordedFreeze]:
        """Return the latest freeze of every autoscaler that was ever to be frozen."""
        with translate_errors("BigQuery"):
            return list(map(recorded_freeze, self._jobs.query("freezes", [_time("since", now - LONGEST_STOP)])))

    def record_freezes(self, delivery: Delivery, outcomes: Sequence[FreezeOutcome]) -> None:
        """Record what came of freezes; one that has ended keeps its end."""
        parameters: list[Parameter] = [
            _string("delivery_id", delivery.delivery_id),
            _time("received_at", delivery.received_at),
            _time("since", delivery.received_at - LONGEST_STOP),
            ArrayQueryParameter("outcomes", _OUTCOME, [_freeze_outcome(each) for each in outcomes]),
        ]
        self._jobs.transaction("freeze_outcomes", parameters)

    def recorded(self, message_id: str, since: datetime) -> list[dict[str, Any]]:
        """Return what was recorded of a message and of every instance in its plan, for a person to read."""
        parameters = [_string("message_id", message_id), _time("since", since - timedelta(days=1))]
        return [dict(row) for row in self._jobs.query("recorded", parameters)]

    def _load(self, table: str, schema: Sequence[SchemaField], rows: Iterable[Mapping[str, object]]) -> None:
        file = io.BytesIO()
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as lines:
            for row in rows:
                lines.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._jobs.load(table, schema, file)


def _subject(notification: BudgetNotification, rule: BudgetRule, now: datetime) -> list[Parameter]:
    """Return what a notification is about, and the rows of the tracker that are about the same."""
    labels = [f"{key}={value}" for key, values in rule.labels.items() for value in sorted(values)]
    return [
        _string("message_id", notification.message.message_id),
        _string("budget_id", notification.budget_id),
        _string("source", notification.source),
        _time("published_at", notification.published_at),
        _time("cost_interval_start", notification.interval_start),
        _time("period_end", current_period(notification.period, rule, max(now, notification.published_at)).end),
        _time("since", now - REDELIVERY),
        ArrayQueryParameter("projects", "STRING", list(rule.projects)),
        ArrayQueryParameter("labels", "STRING", labels),
        ScalarQueryParameter("label_keys", "INT64", len(rule.labels)),
    ]


def _newer_allowed(history: History) -> int:
    """Return how many newer notifications may be on record; a history as long as can be read has the newest ones."""
    return len(history.newer) if len(history.newer) < _MOST_NEWER else sys.maxsize


def _delivery(delivery: Delivery) -> list[Parameter]:
    return [ScalarQueryParameter(*each) for each in delivery_parameters(delivery)]


def _plan(delivery: Delivery) -> list[Parameter]:
    made, waits = delivery.plan, delivery.proposed
    return [
        ScalarQueryParameter("stops", "INT64", len(made.stops) if made else None),
        ScalarQueryParameter("deferred", "INT64", made.deferred if made else None),
        _amount("hourly_cost", made.hourly_cost_usd if made else None),
        _amount("hourly_savings", made.hourly_savings if made else None),
        ScalarQueryParameter("unpriced", "INT64", made.unpriced if made else None),
        _time("runs_out_at", made.runs_out if made else None),
        _time("runs_out_at_with_plan", made.runs_out_with_plan if made else None),
        *_estimated(delivery.estimate),
        ArrayQueryParameter("unread", "STRING", list(delivery.gaps)),
        ArrayQueryParameter("missing_permissions", "STRING", list(delivery.missing_permissions)),
        _string("plan_hash", waits.plan_hash if waits else None),
        _time("approval_expires_at", waits.expires_at if waits else None),
    ]


def _estimated(estimate: Estimate | NoEstimate | None) -> list[Parameter]:
    terms = {name: Decimal(value) for name, value in estimate.terms()} if isinstance(estimate, Estimate) else {}
    return [
        *(_amount(name, terms.get(name)) for name in _TERMS),
        _string("estimate_basis", estimate.basis if estimate else None),
    ]


def _planned(delivery: Delivery, each: PlannedEvent) -> dict[str, object]:
    instance, attached = each.instance, each.attached
    return {
        "message_id": delivery.message_id,
        "delivery_id": delivery.delivery_id,
        "budget_id": _budget_id(delivery),
        "period_end": rfc3339(_stopped_until(delivery)),
        "happened_at": rfc3339(delivery.received_at),
        "project_id": instance.key.project_id,
        "zone": instance.key.zone,
        "instance_id": instance.key.instance_id,
        "instance_name": instance.name,
        "event": each.event,
        "reason": each.reason,
        "mode": delivery.mode,
        "rank": each.rank,
        "priority": each.priority,
        "machine_type": instance.shape.machine_type or None,
        "managed_by": instance.managed_by,
        "hourly_savings": _written(each.hourly_savings),
        "hourly_ending_attached": _written(attached.ending if attached else None),
        "hourly_disk_cost": _written(attached.disks if attached else None),
        "hourly_address_cost": _written(attached.addresses if attached else None),
        "autoscaling_mode": each.autoscaling_mode,
    }


def _written(amount_usd: Decimal | None) -> str | None:
    return None if amount_usd is None else format(rounded(amount_usd), "f")


def _budget_id(delivery: Delivery) -> str:
    return delivery.verdict.rule.budget_id if delivery.verdict.rule else ""


def _stopped_until(delivery: Delivery) -> datetime:
    """The end of the budget period; what an hour's budget stopped stays so for the day, lest it went to and fro."""
    period = delivery.verdict.period
    if period is None:
        return delivery.received_at
    return period.end if period.kind is not PeriodKind.HOUR else budget_period(PeriodKind.DAY, period.end).end


def _outcome(outcome: Outcome) -> StructQueryParameter:
    return _event(outcome.request.message_id, outcome.request.key, outcome)


def _freeze_outcome(outcome: FreezeOutcome) -> StructQueryParameter:
    return _event(outcome.freeze.message_id, outcome.freeze.key, outcome)


def _event(message_id: str, key: InstanceKey, outcome: Outcome | FreezeOutcome) -> StructQueryParameter:
    return StructQueryParameter(
        None,
        _string("message_id", message_id),
        _string("project_id", key.project_id),
        _string("instance_id", key.instance_id),
        _time("happened_at", outcome.happened_at),
        _string("event", outcome.event),
        _string("reason", outcome.reason),
        _string("operation", outcome.operation),
        _string("error", outcome.error),
    )


def _string(name: str, value: str | None) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "STRING", None if value is None else str(value))


def _time(name: str, value: datetime | None) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "TIMESTAMP", value)


def _amount(name: str, value: Decimal | None) -> ScalarQueryParameter:
    return ScalarQueryParameter(*amount(name, value))
