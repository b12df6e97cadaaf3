"""BigQuery: the plans and stops that commands of operators are about, and the snoozes of an undo."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from spotkeeper.enforcement.command_ports import StopsOfMessage
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.history import CAP_WINDOW
from spotkeeper.enforcement.notifications import BudgetNotification, Message
from spotkeeper.enforcement.policies import Source
from spotkeeper.enforcement.proposals import Proposal
from spotkeeper.gcp.bigquery.delivery_records import REDELIVERY
from spotkeeper.gcp.bigquery.enforcer_rows import proposed_plan, stopped_vm
from spotkeeper.gcp.bigquery.enforcer_tables import LONGEST_STOP
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import PeriodKind

_LONGEST_DAY = timedelta(hours=25)
_INSTANCE = StructQueryParameterType(
    *(ScalarQueryParameterType("STRING", name=name) for name in ("project_id", "zone", "instance_id"))
)


class CommandTables:
    """The dataset of the enforcer, for commands; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def proposal(self, message_id: str, now: datetime) -> Proposal | None:
        """Return the plan of a message that was to be approved; None if it made none."""
        parameters: list[Parameter] = [_string("message_id", message_id), _time("since", now - REDELIVERY)]
        with translate_errors("BigQuery"):
            rows = list(self._jobs.query("proposal", parameters))
        if not rows:
            return None
        stops = [row for row in rows if row["instance_id"] is not None]
        return Proposal(proposed_plan(rows[0], stops), _notification(rows[0], message_id))

    def stops_of(self, message_id: str, now: datetime) -> StopsOfMessage | None:
        """Return what a message was to stop; None if that is nothing."""
        parameters: list[Parameter] = [
            _string("message_id", message_id),
            _time("since", now - LONGEST_STOP),
            _time("counted_since", now - CAP_WINDOW),
        ]
        with translate_errors("BigQuery"):
            rows = list(self._jobs.query("stops_of", parameters))
        if not rows:
            return None
        return StopsOfMessage(
            _notification(rows[0], message_id),
            rows[0]["stopped_until"],
            tuple(InstanceKey(row["project_id"], row["zone"], row["instance_id"]) for row in rows),
            tuple(stopped_vm(row) for row in rows if row["stopped_at"] is not None),
            rows[0]["starts_lately"],
        )

    def snooze(self, delivery: Delivery, instances: Iterable[InstanceKey], until: datetime) -> None:
        """Record that instances are not to be stopped until then; running it again changes nothing."""
        parameters: list[Parameter] = [
            _string("message_id", delivery.message_id),
            _time("received_at", delivery.received_at),
            _time("snoozed_until", until),
            ArrayQueryParameter("instances", _INSTANCE, [_instance(each) for each in instances]),
        ]
        self._jobs.transaction("snooze", parameters)


def _notification(row: Mapping[str, Any], message_id: str) -> BudgetNotification:
    source = Source(row["source"])
    return BudgetNotification(
        message=Message(message_id, row["published_at"], {}, ""),
        published_at=row["published_at"],
        source=source,
        billing_account_id=row["billing_account_id"] or "",
        budget_id=row["budget_id"],
        display_name=row["budget_display_name"] or "",
        cost=row["cost"],
        budget=row["budget"],
        currency=row["currency"],
        interval_start=row["cost_interval_start"],
        period=_period(row) if source is Source.TRACKER else None,
    )


def _period(row: Mapping[str, Any]) -> PeriodKind:
    """Return the kind of period of a tracker's alert, by its length."""
    length = row["period_end"] - row["cost_interval_start"]
    if length <= timedelta(hours=1):
        return PeriodKind.HOUR
    return PeriodKind.DAY if length <= _LONGEST_DAY else PeriodKind.MONTH


def _instance(key: InstanceKey) -> StructQueryParameter:
    names = ("project_id", "zone", "instance_id")
    return StructQueryParameter(None, *(_string(name, value) for name, value in zip(names, key, strict=True)))


def _string(name: str, value: str) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "STRING", value)


def _time(name: str, value: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "TIMESTAMP", value)
