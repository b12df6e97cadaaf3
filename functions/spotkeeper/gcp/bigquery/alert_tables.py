"""The alerts in BigQuery: reserved by one run in a transaction, so that each is sent once, and confirmed in another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.periods import Period, PeriodKind, budget_period
from spotkeeper.tracking.alerts import RESERVATION, Alert, AlertKind
from spotkeeper.tracking.settings import Covers

OLDEST_ALERTS = timedelta(days=40)
"""A month, and the week at most that runs catch up on: older periods have no alert that may still be sent."""

_ALERT = StructQueryParameterType(
    ScalarQueryParameterType("STRING", name="period"),
    ScalarQueryParameterType("TIMESTAMP", name="period_start"),
    ScalarQueryParameterType("STRING", name="kind"),
    ScalarQueryParameterType("NUMERIC", name="threshold"),
    ScalarQueryParameterType("NUMERIC", name="budget"),
    ScalarQueryParameterType("NUMERIC", name="cost"),
    ScalarQueryParameterType("NUMERIC", name="unseen_share"),
    ScalarQueryParameterType("TIMESTAMP", name="counts_from"),
    ScalarQueryParameterType("STRING", name="covers"),
    ScalarQueryParameterType("NUMERIC", name="partial_share"),
    ScalarQueryParameterType("TIMESTAMP", name="total_from"),
    ScalarQueryParameterType("NUMERIC", name="unpriced_resource_hours"),
    ScalarQueryParameterType("BOOL", name="repeated"),
    ScalarQueryParameterType("STRING", name="message_id"),
    ScalarQueryParameterType("STRING", name="label_budget"),
    ScalarQueryParameterType("TIMESTAMP", name="estimated_at"),
)


def alerts_since(recorded_at: datetime) -> ScalarQueryParameter:
    """Return from when on a period may have alerts that are still to be sent."""
    return ScalarQueryParameter("alerts_since", "TIMESTAMP", recorded_at - OLDEST_ALERTS)


def reserve_alerts(jobs: Jobs, run_id: str, recorded_at: datetime, alerts: Sequence[Alert]) -> list[Alert]:
    """Reserve alerts in one transaction, and return those that this run is to send; raises UnavailableError."""
    parameters: list[Parameter] = [
        ScalarQueryParameter("run_id", "STRING", run_id),
        ScalarQueryParameter("recorded_at", "TIMESTAMP", recorded_at),
        alerts_since(recorded_at),
        ScalarQueryParameter("reserved_until", "TIMESTAMP", recorded_at + RESERVATION),
        ArrayQueryParameter("alerts", _ALERT, [each for alert in alerts for each in _thresholds(alert)]),
    ]
    with translate_errors("BigQuery"):
        return list(_reserved(jobs.transaction("reserve", parameters), alerts))


def confirm_alerts(jobs: Jobs, run_id: str, recorded_at: datetime, sent: Mapping[str, Alert]) -> None:
    """Record alerts by message id in one transaction, and free those that were not sent; raises UnavailableError."""
    parameters: list[Parameter] = [
        ScalarQueryParameter("run_id", "STRING", run_id),
        ScalarQueryParameter("recorded_at", "TIMESTAMP", recorded_at),
        sent_parameter(sent),
    ]
    jobs.transaction("confirm", parameters, parts=("confirm_alerts",))


def sent_parameter(sent: Mapping[str, Alert]) -> ArrayQueryParameter:
    """Return the alerts that were sent, by message id, one for each threshold; repeated ones are on record."""
    new = [each for message_id, alert in sent.items() if not alert.repeated for each in _thresholds(alert, message_id)]
    return ArrayQueryParameter("alerts", _ALERT, new)


def _thresholds(alert: Alert, message_id: str | None = None) -> Iterator[StructQueryParameter]:
    for threshold in alert.thresholds:
        yield StructQueryParameter(
            None,
            ScalarQueryParameter("period", "STRING", alert.period.kind),
            ScalarQueryParameter("period_start", "TIMESTAMP", alert.period.start),
            ScalarQueryParameter("kind", "STRING", alert.kind),
            ScalarQueryParameter("threshold", "NUMERIC", threshold),
            ScalarQueryParameter("budget", "NUMERIC", alert.budget_usd),
            ScalarQueryParameter("cost", "NUMERIC", alert.cost_usd),
            ScalarQueryParameter("unseen_share", "NUMERIC", alert.unseen_share),
            ScalarQueryParameter("counts_from", "TIMESTAMP", alert.counts_from),
            ScalarQueryParameter("covers", "STRING", alert.covers),
            ScalarQueryParameter("partial_share", "NUMERIC", alert.partial_share),
            ScalarQueryParameter("total_from", "TIMESTAMP", alert.total_from),
            ScalarQueryParameter("unpriced_resource_hours", "NUMERIC", alert.unpriced_resource_hours),
            ScalarQueryParameter("repeated", "BOOL", alert.repeated),
            ScalarQueryParameter("message_id", "STRING", message_id),
            ScalarQueryParameter("label_budget", "STRING", alert.label_budget or None),
            ScalarQueryParameter("estimated_at", "TIMESTAMP", alert.estimated_at),
        )


def _reserved(rows: Sequence[Any], alerts: Sequence[Alert]) -> Iterator[Alert]:
    """The alerts of the reserved thresholds: as they are due now, or as an earlier run reserved them."""
    due = {(alert.period, alert.kind, alert.label_budget, alert.budget_usd, alert.repeated): alert for alert in alerts}
    key = itemgetter("period_start", "period", "kind", "label_budget", "budget")
    for _, group in groupby(rows, key=key):
        for repeated, thresholds in groupby(group, key=lambda row: bool(row["repeated"])):
            found = list(thresholds)
            row = found[-1]
            period = budget_period(PeriodKind(row["period"]), row["period_start"])
            kind = AlertKind(row["kind"])
            alert = due.get((period, kind, row["label_budget"], row["budget"], repeated)) or _recorded_alert(
                row, period, kind, repeated=repeated
            )
            yield replace(alert, thresholds=tuple(each["threshold"] for each in found))


def _recorded_alert(row: Mapping[str, Any], period: Period, kind: AlertKind, *, repeated: bool) -> Alert:
    """An alert as an earlier run reserved it; before budgets covered the total cost, they covered compute."""
    return Alert(
        period,
        row["cost"],
        row["budget"],
        (),
        kind,
        repeated,
        row["unseen_share"],
        row["counts_from"],
        Covers(row["covers"] or Covers.COMPUTE),
        row["partial_share"],
        row["total_from"],
        row["label_budget"],
        row["unpriced_resource_hours"] or Decimal(0),
        row["estimated_at"],
    )
