"""Alerts for spend that passes a threshold of a budget, in the format of a Cloud Billing budget notification."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from spotkeeper.budget_messages import SOURCE
from spotkeeper.periods import Period, rfc3339
from spotkeeper.tracking.settings import Budgets


@dataclass(frozen=True, slots=True)
class Spend:
    """What Spot VMs cost in a period so far, in USD, and the budget thresholds that were notified already."""

    period: Period
    cost_usd: Decimal
    notified: frozenset[Decimal] = frozenset()


@dataclass(frozen=True, slots=True)
class Alert:
    """A period whose spend passed one or more thresholds of its budget for the first time; `thresholds` ascend."""

    period: Period
    cost_usd: Decimal
    budget_usd: Decimal
    thresholds: tuple[Decimal, ...]


def due_alerts(spends: Iterable[Spend], budgets: Budgets) -> list[Alert]:
    """Return one alert for each period whose spend reached thresholds that were not notified yet."""
    alerts = []
    for spend in spends:
        budget = budgets.amounts_usd.get(spend.period.kind)
        if budget is None:
            continue
        reached = (threshold for threshold in budgets.thresholds if spend.cost_usd >= budget * threshold)
        if new := tuple(threshold for threshold in reached if threshold not in spend.notified):
            alerts.append(Alert(spend.period, spend.cost_usd, budget, new))
    return alerts


def notification_body(alert: Alert, budgets: Budgets) -> bytes:
    """Return the alert as a budget notification's JSON.

    https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#notification_format
    """
    body = {
        "budgetDisplayName": f"{budgets.display_name} ({alert.period.kind})",
        "alertThresholdExceeded": float(alert.thresholds[-1]),
        "costAmount": float(alert.cost_usd),
        "costIntervalStart": rfc3339(alert.period.start),
        "budgetAmount": float(alert.budget_usd),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    return json.dumps(body).encode()


def notification_attributes(alert: Alert, budgets: Budgets) -> Mapping[str, str]:
    """Return the attributes of the notification: those of Cloud Billing, its source and the period."""
    return {
        "billingAccountId": budgets.billing_account_id,
        "budgetId": budgets.budget_id,
        "schemaVersion": "1.0",
        "source": SOURCE,
        "period": alert.period.kind,
    }
