"""Budget notifications of one afternoon, through Pub/Sub to the enforcer, and what it stopped and spared and why."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.cloud import bigquery
from rich.console import Console
from rich.table import Table

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.processes import StartError
from infra.local.stack.stack import BUDGET_ID, DATASET, Stack

NOON = FLEET_START + timedelta(hours=48, minutes=20)
LONGEST_WAIT = 60.0
REPLAYED_AT = "spotkeeper-replayed-at"

NOTIFICATIONS = """
SELECT message_id, received_at, period_end, verdict, reason, stops, deferred, hourly_cost, hourly_savings
FROM budget_notifications
WHERE received_at >= @since
ORDER BY received_at
"""
STOPS = """
SELECT instance_name, project_id, zone, event, reason, hourly_savings
FROM enforcement_actions
WHERE event IN ('stopped', 'failed', 'changed') AND happened_at >= @since
ORDER BY rank
"""
PLANNED = """
SELECT planned.instance_name, planned.project_id, planned.zone, planned.hourly_savings, planned.reason
FROM enforcement_actions AS planned
WHERE planned.event = 'planned' AND planned.happened_at >= @since
ORDER BY planned.rank
"""
SPARED = r"""
SELECT
  REGEXP_REPLACE(reason, r' \(rank [0-9]+\)', '') AS reason,
  COUNT(*) AS instances,
  MIN(instance_name) AS example
FROM enforcement_actions
WHERE event = 'spared' AND happened_at >= @since
GROUP BY 1
ORDER BY instances DESC, 1
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One notification of the afternoon: what it is meant to show, and what it says."""

    title: str
    cost: float
    minutes: int
    interval_start: str = "2026-07-01T07:00:00Z"

    @property
    def at(self) -> datetime:
        """When it is published, in the time of the fleet."""
        return NOON + timedelta(minutes=self.minutes)


AFTERNOON = (
    Sent("under budget", 420.0, 0),
    Sent("over budget", 536.0, 20),
    Sent("a yearly budget's, under a monthly rule", 980.0, 40, "2026-01-01T08:00:00Z"),
)


def exceed_budget(stack: Stack) -> Mapping[str, str]:
    """Send the notifications, the one over budget twice; return what each is meant to show by its message id."""
    stack.serve_function("enforce_budget_limit")
    stack.subscribe("enforce_budget_limit")
    titles = {}
    for sent in AFTERNOON:
        message_id = stack.publish(_body(sent), **_attributes(sent))
        titles[message_id] = sent.title
        _await(stack, 1, message_id)
        if sent.title == "over budget":
            stack.deliver("enforce_budget_limit", message_id, _body(sent), _attributes(sent), sent.at)
    return titles


def show_afternoon(stack: Stack, titles: Mapping[str, str], console: Console) -> None:
    """Print what came of the notifications."""
    console.print(_notifications(stack, titles))
    console.print(_stops(stack))
    console.print("\nSpared, and why:")
    for row in afternoon_rows(stack, SPARED):
        console.print(f"  {row['instances']:3} VMs, such as {row['example']}: {row['reason']}")


def _body(sent: Sent) -> bytes:
    fields = {
        "budgetDisplayName": "Spot fleet",
        "costAmount": sent.cost,
        "costIntervalStart": sent.interval_start,
        "budgetAmount": 500.0,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    return json.dumps(fields).encode()


def _attributes(sent: Sent) -> Mapping[str, str]:
    return {
        "billingAccountId": "01D4EE-079462-DFD6EC",
        "budgetId": BUDGET_ID,
        "schemaVersion": "1.0",
        REPLAYED_AT: sent.at.isoformat().replace("+00:00", "Z"),
    }


def _await(stack: Stack, count: int, message_id: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while sum(row["message_id"] == message_id for row in afternoon_rows(stack, NOTIFICATIONS)) < count or _is_acting(
        stack
    ):
        if time.monotonic() > deadline:
            message = f"the enforcer has not answered message {message_id}"
            raise StartError(message)
        time.sleep(0.2)


def _is_acting(stack: Stack) -> bool:
    return not _is_dry_run(stack) and len(afternoon_rows(stack, STOPS)) < len(afternoon_rows(stack, PLANNED))


def _is_dry_run(stack: Stack) -> bool:
    return stack.settings["ENFORCEMENT_MODE"] == "dry_run"


def _notifications(stack: Stack, titles: Mapping[str, str]) -> Table:
    table = Table(title="Budget notifications", title_justify="left", title_style="bold")
    for name in ("sent", "verdict", "reason", "stopped", "left"):
        table.add_column(name, overflow="fold")
    seen: set[str] = set()
    for row in afternoon_rows(stack, NOTIFICATIONS):
        again = " (delivered again)" if row["message_id"] in seen else ""
        seen.add(row["message_id"])
        stops, left = ("" if row[name] is None else str(row[name]) for name in ("stops", "deferred"))
        table.add_row(titles.get(row["message_id"], "") + again, row["verdict"], row["reason"], stops, left)
    return table


def _stops(stack: Stack) -> Table:
    title = "Would be stopped (dry run: nothing is)" if _is_dry_run(stack) else "Stopped"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("VM", "where", "what", "saves USD/h", "planned because"):
        table.add_column(name, overflow="fold")
    done = {row["instance_name"]: row["event"] for row in afternoon_rows(stack, STOPS)}
    for row in afternoon_rows(stack, PLANNED):
        where = f"{row['project_id']}/{row['zone']}"
        saved = "unknown" if row["hourly_savings"] is None else f"{row['hourly_savings']:.4f}"
        table.add_row(row["instance_name"], where, done.get(row["instance_name"], "planned"), saved, row["reason"])
    return table


def afternoon_rows(stack: Stack, query: str) -> list[dict[str, Any]]:
    """Return the rows of one of these queries about the afternoon."""
    configuration = bigquery.QueryJobConfig(
        default_dataset=f"{stack.client().project}.{DATASET}",
        query_parameters=[bigquery.ScalarQueryParameter("since", "TIMESTAMP", NOON - timedelta(hours=1))],
    )
    return [dict(row) for row in stack.client().query(query, job_config=configuration).result()]
