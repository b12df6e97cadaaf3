"""Alerts as Cloud Billing budget notifications: their body and their attributes."""

import json
from collections.abc import Mapping
from dataclasses import replace

from spotkeeper.budget_messages import SOURCE
from spotkeeper.periods import rfc3339
from spotkeeper.tracking.alerts import Alert, AlertKind
from spotkeeper.tracking.settings import Budgets


def notification_body(alert: Alert, budgets: Budgets) -> bytes:
    """Return the alert as a budget notification's JSON; one on the pace of a day, or withdrawn, names no threshold.

    The name of the budget says which cost it is compared with, and whether it is an estimate.

    https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#notification_format
    """
    own = _budgets_of(alert, budgets)
    thresholds = {
        AlertKind.THRESHOLD: {"alertThresholdExceeded": float(alert.thresholds[-1])},
        AlertKind.PACE: {},
        AlertKind.WITHDRAWAL: {},
        AlertKind.PROJECTION: {"forecastThresholdExceeded": float(alert.thresholds[-1])},
    }
    estimated = ", estimated" if alert.estimated_at else ""
    body = {
        "budgetDisplayName": f"{own.display_name} ({alert.period.kind}, {alert.covers} cost{estimated})",
        **thresholds[alert.kind],
        "costAmount": float(alert.cost_usd),
        "costIntervalStart": rfc3339(alert.period.start),
        "budgetAmount": float(alert.budget_usd),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    return json.dumps(body).encode()


def notification_attributes(alert: Alert, budgets: Budgets) -> Mapping[str, str]:
    """Return the attributes of the notification: those of Cloud Billing, and what only the tracker knows."""
    attributes = {
        "billingAccountId": budgets.billing_account_id,
        "budgetId": _budgets_of(alert, budgets).budget_id,
        "schemaVersion": "1.0",
        "source": SOURCE,
        "period": alert.period.kind,
        "alertKind": alert.kind,
        "covers": alert.covers,
    }
    if alert.at_least:
        attributes["atLeast"] = "true"
    if alert.repeated:
        attributes["repeated"] = "true"
    if alert.estimated_at is not None:
        attributes["estimatedAt"] = rfc3339(alert.estimated_at)
    if alert.unseen_share is not None:
        attributes["unseenShare"] = str(alert.unseen_share)
    if alert.counts_from is not None:
        attributes["countsFrom"] = rfc3339(alert.counts_from)
    if alert.partial_share is not None:
        attributes["partialShare"] = str(alert.partial_share)
    if alert.total_from is not None:
        attributes["totalFrom"] = rfc3339(alert.total_from)
    if alert.unpriced_resource_hours:
        attributes["unpricedResourceHours"] = str(alert.unpriced_resource_hours)
    return attributes


def _budgets_of(alert: Alert, budgets: Budgets) -> Budgets:
    """Return the budgets that the alert is about; only their id when they are no longer set."""
    return budgets.by_id().get(alert.label_budget) or replace(budgets, budget_id=alert.label_budget)
