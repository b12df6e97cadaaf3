"""Budget messages as Pub/Sub pushes them to a function in this process."""

import base64
import json
from datetime import datetime

from werkzeug.test import Client

APPROVALS = "projects/data-platform/subscriptions/approvals"
PERIOD_START = "2026-07-01T07:00:00Z"


def deliver(  # noqa: PLR0913, PLR0917 (a message has this many parts)
    function: Client,
    budget_id: str,
    message_id: str,
    published: datetime,
    cost: int,
    period_start: str = PERIOD_START,
) -> int:
    """Deliver a message about a budget of 1000 USD, and return the status that the function answers."""
    answer = function.post("/", json=envelope(budget_id, message_id, published, cost, period_start))
    return int(answer.status_code)


def envelope(
    budget_id: str, message_id: str, published: datetime, cost: int, period_start: str = PERIOD_START
) -> dict[str, object]:
    """Return a push of Cloud Billing's message about a budget of 1000 USD."""
    body = {
        "budgetDisplayName": "Spot",
        "costAmount": cost,
        "budgetAmount": 1000,
        "costIntervalStart": period_start,
        "currencyCode": "USD",
    }
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "messageId": f"{budget_id}-{message_id}",
        "publishTime": published.isoformat().replace("+00:00", "Z"),
        "attributes": {"budgetId": budget_id, "billingAccountId": "account", "schemaVersion": "1.0"},
    }
    return {"message": message, "subscription": "projects/data-platform/subscriptions/enforcer"}


def deliver_undo(function: Client, budget_id: str, message_id: str, published: datetime, target: str) -> int:
    """Deliver the command that undoes what a message stopped, and return the status that the function answers."""
    body = {"command": "undo", "message_id": f"{budget_id}-{target}"}
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "messageId": f"{budget_id}-undo-{message_id}",
        "publishTime": published.isoformat().replace("+00:00", "Z"),
    }
    answer = function.post("/", json={"message": message, "subscription": APPROVALS})
    return int(answer.status_code)
