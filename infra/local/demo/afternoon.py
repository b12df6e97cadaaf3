"""The afternoon of the demo: a sweep is left running, and what the two functions do about it until it is stopped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from google.cloud import bigquery
from rich.console import Console
from rich.table import Table

from infra.local.demo.budget_topic import BudgetTopic, budget_topic
from infra.local.demo.month import MINUTE_OF_CALL, MONTHLY_BUDGET, Call, tracked
from infra.local.fleet.company import AFTERNOON, SWEEP, SWEEP_SCOPE
from infra.local.fleet.scenario import RESEARCH
from infra.local.stack.processes import StartError
from infra.local.stack.stack import BUDGET_ID, DATASET, HOME_PROJECT, Stack
from spotkeeper.enforcement.notifications import REPLAYED_AT
from spotkeeper.periods import HOUR, PeriodKind, budget_period, rfc3339

ENFORCER = "enforce_budget_limit"
APPROVALS = f"projects/{HOME_PROJECT}/subscriptions/spotkeeper-approvals"
APPROVE = {"ENFORCEMENT_MODE": "approve", "APPROVALS_SUBSCRIPTION": APPROVALS}
END = AFTERNOON + 4 * HOUR + timedelta(minutes=20)
"""The fleet's time at the end of the demo."""

BILL_DELAY = timedelta(hours=24)
"""Cloud Billing's figures are up to a day late: https://cloud.google.com/billing/docs/how-to/budgets"""

NOTIFICATIONS = """
SELECT
  message_id, received_at, source, cost, budget, cost_interval_start, period_end, verdict, reason, mode, stops,
  deferred, hourly_cost, hourly_savings, plan_hash
FROM budget_notifications
WHERE received_at >= @since
ORDER BY received_at
"""
STOPS = """
SELECT message_id, instance_name, project_id, zone, event, reason, hourly_savings
FROM enforcement_actions
WHERE event IN ('stopped', 'failed', 'changed') AND happened_at >= @since
ORDER BY happened_at, rank
"""
PLANNED = """
SELECT message_id, instance_name, project_id, zone, hourly_savings, reason
FROM enforcement_actions
WHERE event = 'planned' AND mode != 'approve' AND happened_at >= @since
ORDER BY happened_at, rank
"""
FREEZES = """
SELECT message_id, instance_name, event, reason
FROM enforcement_actions
WHERE event = 'frozen' AND happened_at >= @since
ORDER BY happened_at, instance_name
"""
SPARED = r"""
SELECT
  REGEXP_REPLACE(reason, r' \(rank [0-9]+\)', '') AS reason,
  COUNT(DISTINCT instance_name) AS instances,
  MIN(instance_name) AS example
FROM enforcement_actions
WHERE event = 'spared' AND happened_at >= @since
GROUP BY 1
ORDER BY instances DESC, 1
"""
_BILL = """
SELECT SUM(known_cost) AS cost
FROM spot_vm_costs
WHERE usage_start_time >= @start AND usage_start_time < @end
"""


@dataclass(slots=True)
class Afternoon:
    """Calls the tracker each hour and hands its alerts to the enforcer; `titles` say what a message is, by its id."""

    stack: Stack
    topic: BudgetTopic
    titles: dict[str, str] = field(default_factory=dict)

    def hour(self, number: int) -> None:
        """Call the tracker in an hour of the afternoon, and deliver the alerts that it sends."""
        at = AFTERNOON + number * HOUR + MINUTE_OF_CALL
        answer = tracked(self.stack, Call(at))
        for place, _ in enumerate(answer.body["alerts"], 1):
            message = self.topic.next()
            self.titles[message.message_id] = f"alert of the tracker, {_about(message.attributes)}"
            self.deliver(message.message_id, message.body, message.attributes, at + timedelta(seconds=place))

    def bill(self, at: datetime) -> None:
        """Deliver a notification of Cloud Billing: what the month had cost a day ago."""
        start = budget_period(PeriodKind.MONTH, at).start
        [row] = _rows(self.stack, _BILL, start=start, end=at - BILL_DELAY)
        body = {
            "budgetDisplayName": "Spot fleet",
            "costAmount": round(float(row["cost"]), 2),
            "costIntervalStart": rfc3339(start),
            "budgetAmount": float(MONTHLY_BUDGET),
            "budgetAmountType": "SPECIFIED_AMOUNT",
            "currencyCode": "USD",
        }
        attributes = {"billingAccountId": "01D4EE-079462-DFD6EC", "budgetId": BUDGET_ID, "schemaVersion": "1.0"}
        message_id = self.stack.publish(json.dumps(body).encode(), **attributes)
        message = self.topic.next()
        self.titles[message_id] = "Cloud Billing, up to a day late"
        self.deliver(message_id, message.body, message.attributes, at)
        self.stack.set_time(at + timedelta(minutes=1))
        self.deliver(message_id, message.body, message.attributes, at)

    def approve(self, at: datetime) -> None:
        """Approve the plan that waits, as `spotkeeper approve` does."""
        waiting = [row for row in afternoon_rows(self.stack, NOTIFICATIONS) if row["plan_hash"]]
        if not waiting:
            message = "no plan awaits approval"
            raise StartError(message)
        plan = f"{waiting[-1]['message_id']}:{waiting[-1]['plan_hash']}"
        body = json.dumps({"command": "approve", "plan": plan}).encode()
        self.titles["approval"] = "approval by a person"
        self.deliver("approval", body, {}, at, APPROVALS)

    def deliver(
        self, message_id: str, body: bytes, attributes: Mapping[str, str], at: datetime, subscription: str = ""
    ) -> None:
        """Push a message of this time to the enforcer."""
        marked = {**attributes, REPLAYED_AT: rfc3339(at)}
        through = {"subscription": subscription} if subscription else {}
        answer = self.stack.deliver(ENFORCER, message_id, body, marked, at, **through)
        if answer.status != 200:  # noqa: PLR2004
            message = f"the enforcer answered message {message_id} with {answer.status}: {answer.body}"
            raise StartError(message)


def run_afternoon(stack: Stack) -> Mapping[str, str]:
    """Let the afternoon happen, and return what each message is by its id."""
    is_dry_run = stack.settings["ENFORCEMENT_MODE"] == "dry_run"
    group = {"project": RESEARCH.project_id, "scope": SWEEP_SCOPE, "name": SWEEP, "autoscaled": True}
    stack.control("POST", "groups", group)
    stack.serve_function(ENFORCER)
    with budget_topic() as topic:
        afternoon = Afternoon(stack, topic)
        stack.subscribe(topic.endpoint)
        afternoon.hour(2)
        afternoon.bill(AFTERNOON + 2 * HOUR + timedelta(minutes=20))
        if not is_dry_run:
            stack.serve_function(ENFORCER, APPROVE)
        afternoon.hour(3)
        if not is_dry_run:
            at = AFTERNOON + 3 * HOUR + timedelta(minutes=12)
            stack.set_time(at)
            afternoon.approve(at)
        afternoon.hour(4)
    # What is published later, such as a drill, goes to the enforcer itself.
    stack.unsubscribe()
    stack.subscribe(stack.functions[ENFORCER])
    return afternoon.titles


def show_afternoon(stack: Stack, titles: Mapping[str, str], console: Console) -> None:
    """Print what came of the messages."""
    console.print(_notifications(stack, titles))
    console.print(_stops(stack))
    for row in afternoon_rows(stack, FREEZES):
        console.print(f"Frozen: group {row['instance_name']}, {row['reason']}")
    console.print("\nSpared, and why:")
    for row in afternoon_rows(stack, SPARED):
        console.print(f"  {row['instances']:3} VMs, such as {row['example']}: {row['reason']}")


def afternoon_rows(stack: Stack, query: str) -> list[dict[str, Any]]:
    """Return the rows of one of these queries about the afternoon."""
    return _rows(stack, query, since=AFTERNOON)


def _rows(stack: Stack, query: str, **times: datetime) -> list[dict[str, Any]]:
    configuration = bigquery.QueryJobConfig(
        default_dataset=f"{stack.client().project}.{DATASET}",
        query_parameters=[bigquery.ScalarQueryParameter(name, "TIMESTAMP", at) for name, at in times.items()],
    )
    return [dict(row) for row in stack.client().query(query, job_config=configuration).result()]


def _about(attributes: Mapping[str, str]) -> str:
    return f"{attributes['alertKind']} of the {attributes['period']}"


def _notifications(stack: Stack, titles: Mapping[str, str]) -> Table:
    table = Table(title="Budget notifications", title_justify="left", title_style="bold")
    for name in ("at", "message", "verdict", "reason", "stops", "left"):
        table.add_column(name, overflow="fold")
    seen: set[str] = set()
    for row in afternoon_rows(stack, NOTIFICATIONS):
        again = " (delivered again)" if row["message_id"] in seen else ""
        seen.add(row["message_id"])
        stops, left = ("" if row[name] is None else str(row[name]) for name in ("stops", "deferred"))
        title = titles.get(row["message_id"], "") + again
        table.add_row(f"{row['received_at']:%H:%M}", title, row["verdict"], row["reason"], stops, left)
    return table


def _stops(stack: Stack) -> Table:
    is_dry_run = stack.settings["ENFORCEMENT_MODE"] == "dry_run"
    title = "Would be stopped (dry run: nothing is)" if is_dry_run else "Stopped"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("VM", "where", "what", "saves USD/h", "planned because"):
        table.add_column(name, overflow="fold")
    done = {row["instance_name"]: row["event"] for row in afternoon_rows(stack, STOPS)}
    for row in afternoon_rows(stack, PLANNED):
        where = f"{row['project_id']}/{row['zone']}"
        saved = "unknown" if row["hourly_savings"] is None else f"{row['hourly_savings']:.4f}"
        table.add_row(row["instance_name"], where, done.get(row["instance_name"], "planned"), saved, row["reason"])
    return table
