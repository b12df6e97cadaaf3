"""What a trial prints: the cost, how sure it is, what would be stopped, and how to deploy."""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from google.cloud.bigquery import Client
from rich.console import Console

from infra.local.demo.costs import COVERAGE, PER_MACHINE_TYPE, RECORD, UNPRICED, cost_table, costs_by, rows_between
from infra.local.trial.access import LeftOut
from spotkeeper.budget_messages import SCHEMA_VERSION
from spotkeeper.cli.amounts import HOURS_PER_MONTH
from spotkeeper.cli.cost import run_lines
from spotkeeper.cli.plan import plan_lines
from spotkeeper.enforcement.enforce import preview
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed, read_notification
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import RefusedRequestError
from spotkeeper.gcp.bigquery.run_costs import RunCosts
from spotkeeper.gcp.enforcer import enforcer_ports
from spotkeeper.periods import HOUR, rfc3339
from spotkeeper.tracking.run_summary import Gap

BUDGET_ID = "trial"
MOST_LINES = 10

PER_PROJECT = costs_by("project", "project_id")
PER_STATUS = """
SELECT price_status, SUM(uptime_hours) AS hours
FROM spot_vm_costs
WHERE usage_start_time >= @start AND usage_start_time < @end
GROUP BY price_status
ORDER BY hours DESC, price_status
"""
LISTED = """
SELECT COUNT(DISTINCT instance_id) AS instances
FROM vm_inventory
-- What is listed now was first seen after the last hour.
WHERE last_seen >= @start
"""
STATUSES = {
    "exact": "at the price of its hour",
    "fallback": "at today's price: the catalog has no earlier ones",
    "stale": "at the last price that could be read",
    "uncertain": "at one of two prices",
    "unknown": "without a price",
}


def show_cost(client: Client, hours: Sequence[datetime], projects: Sequence[str], console: Console) -> Decimal:
    """Print what the Spot VMs cost and how sure that is, and return the known cost in USD."""
    start, end = hours[0], hours[-1] + HOUR
    per_project = rows_between(client, PER_PROJECT, start, end)
    [record] = rows_between(client, RECORD, start, end)
    unresolved = record["unresolved_hours"] or Decimal(0)
    days = f"{start:%a %d %b %H:%M} to {end:%a %d %b %H:%M} UTC"
    if not per_project:
        [listed] = rows_between(client, LISTED, start, end)
        console.print(
            f"No Spot VM was found in {_count(len(projects), 'project')} from {days}: "
            f"{_count(listed['instances'], 'VM')} on record, none of them Spot; "
            f"{unresolved:.2f} VM-hours could not be identified.",
            **_PLAIN,
        )
        return Decimal(0)
    console.print(cost_table(f"Spot VMs by project, {days}", "project", _shortened(per_project)))
    console.print(
        cost_table("By machine type", "machine_type", _shortened(rows_between(client, PER_MACHINE_TYPE, start, end)))
    )
    cost = sum((row["cost"] or Decimal(0) for row in per_project), Decimal(0))
    month = cost / len(hours) * HOURS_PER_MONTH
    console.print(
        f"\nKnown cost: {cost:.2f} USD in {len(hours)} hours, {month:.2f} USD a month at that rate.", **_PLAIN
    )
    for line in _certainty(client, start, end, record, unresolved):
        console.print(line, **_PLAIN)
    return cost


def show_gaps(gaps: Sequence[Gap], left_out: Sequence[LeftOut], console: Console) -> None:
    """Print what the login may not read, and what the sources did not say."""
    if left_out:
        console.print("\nLeft out, because this login may not read it:", **_PLAIN)
        for line in _first([str(each) for each in left_out]):
            console.print(f"  {line}", **_PLAIN)
    # A gap is recorded for each hour; its source and project say what is missing.
    counted = Counter((gap.source, gap.project_id, gap.detail) for gap in gaps)
    if counted:
        console.print("\nIncomplete:", **_PLAIN)
        named = [": ".join(part for part in (source, project, detail) if part) for source, project, detail in counted]
        for line in _first(named):
            console.print(f"  {line}", **_PLAIN)


def show_plan(settings: EnforcerSettings, budget: Decimal, cost: Decimal, now: datetime, console: Console) -> None:
    """Print what the enforcer would stop now if the budget were spent; raises UnavailableError."""
    spent = max(budget, cost)
    console.print(f"\nAt a monthly budget of {budget} USD, once {spent:.2f} USD are spent (dry run):", **_PLAIN)
    delivery = preview(settings, enforcer_ports(settings), _notification(spent, budget, settings, now), now)
    lines = list(plan_lines(delivery, settings.policy))
    for line in _first(lines, 2 * MOST_LINES):
        console.print(f"  {line}".rstrip(), **_PLAIN)


def show_run(costs: RunCosts, label: tuple[str, str], hours: Sequence[datetime], console: Console) -> None:
    """Print what the VMs with a label cost; raises UnavailableError."""
    name = "=".join(label)
    console.print(**_PLAIN)
    for line in run_lines(name, hours[0], costs.by_label(*label, hours[0], hours[-1] + HOUR)):
        console.print(line, **_PLAIN)


def show_next_steps(projects: Sequence[str], budget: Decimal | None, console: Console) -> None:
    """Print the commands that go on from here."""
    if budget is None:
        console.print("\nWhat a budget would stop: the same command with BUDGET=1000.", **_PLAIN)
    listed = ", ".join(f'"{project}"' for project in projects)
    console.print(
        "\nNothing was written to Google Cloud. To record every hour from now on, set "
        f"projects = [{listed}] in infra/root/terraform.tfvars (from infra/example.tfvars), then:\n"
        f"  make deploy PROJECT={projects[0]}",
        **_PLAIN,
    )


def _certainty(
    client: Client, start: datetime, end: datetime, record: dict[str, Any], unresolved: Decimal
) -> Iterator[str]:
    [coverage] = rows_between(client, COVERAGE, start, end)
    hours = coverage["hours"] + unresolved
    yield (
        f"Priced: {coverage['priced_hours']:.2f} of {hours:.2f} VM-hours ({coverage['priced_hours'] / hours:.2%}); "
        f"{unresolved:.2f} could not be identified, Spot or not. Complete hours: {record['complete_hours']} of "
        f"{record['hours']}; provisional, late points may still come: {record['provisional_hours']}."
    )
    for row in rows_between(client, PER_STATUS, start, end):
        yield f"  {row['hours']:.2f} VM-hours {STATUSES.get(row['price_status'], row['price_status'])}"
    unpriced = rows_between(client, UNPRICED, start, end)
    if unpriced:
        yield f"Spot VMs without a price (cost unknown, not 0): {len(unpriced)}"
    for line in _first([f"{row['instance_name']} in {row['zone']}: {row['price_reason']}" for row in unpriced]):
        yield f"  {line}"


def _notification(spent: Decimal, budget: Decimal, settings: EnforcerSettings, now: datetime) -> BudgetNotification:
    """The budget notification that Cloud Billing would send."""
    rule = settings.policy.budgets[BUDGET_ID]
    body = {
        "budgetDisplayName": "trial",
        "costAmount": float(spent),
        "costIntervalStart": rfc3339(rule.period_at(now).start),
        "budgetAmount": float(budget),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": rule.currency,
    }
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "attributes": {"billingAccountId": "", "budgetId": BUDGET_ID, "schemaVersion": SCHEMA_VERSION},
        "messageId": "trial",
        "publishTime": rfc3339(now),
    }
    found = read_notification({"message": message})
    if isinstance(found, Malformed):
        raise RefusedRequestError(found.reason)
    return found


def _shortened(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first rows, and one for all others."""
    first, others = rows[:MOST_LINES], rows[MOST_LINES:]
    if not others:
        return first
    name = next(iter(rows[0]))

    def total(column: str) -> Any:  # noqa: ANN401 (a count or an amount)
        return sum((row[column] for row in others if row[column] is not None), 0)

    columns = ("instances", "hours", "cost", "ondemand_cost")
    return [*first, {name: f"{len(others)} others", **{column: total(column) for column in columns}}]


def _first(lines: Sequence[str], most: int = MOST_LINES) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"and {len(lines) - most} more"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
