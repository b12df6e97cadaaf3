"""What the recorded hours of a fleet cost, and what of them is not known."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from google.cloud import bigquery
from rich.console import Console
from rich.table import Table

from infra.local.stack.processes import StartError
from infra.local.stack.stack import DATASET, HOME_PROJECT, Stack
from spotkeeper.cli.check import check_lines, run_checks, summary

_COSTS = """
SELECT
  {expression} AS {name},
  COUNT(DISTINCT instance_id) AS instances,
  SUM(uptime_hours) AS hours,
  SUM(cost) AS cost,
  SUM(IF(cost IS NULL, NULL, ondemand_cost)) AS ondemand_cost
FROM spot_vm_costs
WHERE usage_start_time >= @start AND usage_start_time < @end
GROUP BY {name}
ORDER BY {order}
"""


def costs_by(name: str, expression: str = "", order: str = "") -> str:
    """Return the statement of what each value of an expression, by default a column, cost in a time."""
    return _COSTS.format(name=name, expression=expression or name, order=order or f"cost DESC, {name}")


PER_DAY = costs_by("day", "FORMAT_TIMESTAMP('%F', usage_start_time)", "day")
PER_MACHINE_TYPE = costs_by("machine_type")
PER_TEAM = costs_by(
    "team", "COALESCE((SELECT label.value FROM UNNEST(labels) AS label WHERE label.key = 'team'), '(no team)')"
)
COVERAGE = """
SELECT
  COUNT(*) AS instance_hours,
  COUNTIF(cost IS NOT NULL) AS priced,
  SUM(uptime_hours) AS hours,
  SUM(IF(cost IS NULL, 0, uptime_hours)) AS priced_hours,
  SUM(known_cost) AS known_cost,
  COUNTIF(total_cost IS NULL) AS partly_known
FROM spot_vm_costs
WHERE usage_start_time >= @start AND usage_start_time < @end
"""
UNPRICED = """
SELECT instance_name, machine_type, zone, price_reason, SUM(uptime_hours) AS hours
FROM spot_vm_costs
WHERE usage_start_time >= @start AND usage_start_time < @end AND cost IS NULL
GROUP BY instance_name, machine_type, zone, price_reason
ORDER BY instance_name
"""
UNRESOLVED = """
SELECT instance.project_id, instance.zone, instance.instance_name, SUM(instance.uptime_hours) AS hours
FROM tracker_runs AS runs
CROSS JOIN UNNEST(runs.unresolved_instances) AS instance
-- Every hour is read twice: the reading that counts is the one on record in project_hours.
INNER JOIN project_hours AS known
  ON known.run_id = runs.run_id
  AND known.hour = runs.hour
  AND known.project_id = instance.project_id
WHERE runs.hour >= @start AND runs.hour < @end
GROUP BY instance.project_id, instance.zone, instance.instance_name
ORDER BY instance.instance_name
"""
RECORD = """
WITH hours AS (
  SELECT
    known.hour,
    COUNTIF(known.state IN ('incomplete', 'final')) AS lacking,
    COUNTIF(known.state = 'provisional') AS provisional,
    SUM(known.unresolved_hours) AS unresolved_hours
  FROM project_hours AS known
  WHERE known.hour >= @start AND known.hour < @end
  GROUP BY known.hour
)
SELECT
  COUNT(*) AS hours,
  COUNTIF(lacking = 0 AND provisional = 0) AS complete_hours,
  COUNTIF(lacking = 0 AND provisional > 0) AS provisional_hours,
  SUM(unresolved_hours) AS unresolved_hours
FROM hours
"""
ALERTS = """
SELECT kind, period, period_start, threshold, cost, budget, sent_at
FROM budget_alerts
WHERE period_start >= TIMESTAMP_SUB(@start, INTERVAL 31 DAY)
ORDER BY sent_at, kind, period, threshold
"""


def show_costs(stack: Stack, start: datetime, end: datetime, console: Console) -> None:
    """Print what the fleet cost in a time, and what could not be found out."""
    client = stack.client()
    for title, first, query in (
        ("Cost per day", "day", PER_DAY),
        ("Cost per machine type", "machine_type", PER_MACHINE_TYPE),
        ("Cost per team", "team", PER_TEAM),
    ):
        console.print(cost_table(title, first, rows_between(client, query, start, end)))
    [coverage], [record] = rows_between(client, COVERAGE, start, end), rows_between(client, RECORD, start, end)
    hours = coverage["hours"] + record["unresolved_hours"]
    console.print(
        f"\nPriced: {coverage['priced_hours']:.2f} of {hours:.2f} VM-hours ({coverage['priced_hours'] / hours:.2%}); "
        f"{record['unresolved_hours']:.2f} could not be identified. "
        f"Complete hours: {record['complete_hours']} of {record['hours']}; "
        f"provisional, to be read once more: {record['provisional_hours']}."
    )
    unpriced, unresolved = rows_between(client, UNPRICED, start, end), rows_between(client, UNRESOLVED, start, end)
    console.print(f"\nSpot VMs without a price (cost unknown, not 0): {len(unpriced)}")
    for row in unpriced:
        console.print(f"  {row['instance_name']} in {row['zone']}, {row['hours']:.2f} h: {row['price_reason']}")
    console.print(f"\nVMs that came and went between two scans (Spot or not is unknown, no cost): {len(unresolved)}")
    for row in unresolved:
        console.print(f"  {row['instance_name']} in {row['project_id']}/{row['zone']}, {row['hours']:.2f} h")
    console.print("\nAlerts sent:")
    for row in rows_between(client, ALERTS, start, end):
        console.print(
            f"  {row['sent_at']:%a %d %b %H:%M} UTC: {row['cost']:.2f} USD since {row['period_start']:%H:%M} of "
            f"{row['period_start']:%a %d %b}, {row['threshold']:.0%} of the {row['period']}'s budget of "
            f"{row['budget']:.2f} USD ({row['kind']})"
        )


def rows_between(client: bigquery.Client, query: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Return the rows of one of these queries about the hours from `start` up to, but without, `end`."""
    configuration = bigquery.QueryJobConfig(
        default_dataset=f"{client.project}.{DATASET}",
        query_parameters=[
            bigquery.ScalarQueryParameter("start", "TIMESTAMP", start),
            bigquery.ScalarQueryParameter("end", "TIMESTAMP", end),
        ],
    )
    return [dict(row) for row in client.query(query, job_config=configuration).result()]


def check(endpoint: str, now: datetime) -> str:
    """Run the checks over the tables as of a time and return that they passed; raises StartError when one did not."""
    checks = run_checks({"PROJECT_ID": HOME_PROJECT, "DATASET": DATASET, "BIGQUERY_ENDPOINT": endpoint}, now)
    if any(one.found.row_count for one in checks):
        raise StartError("\n".join(check_lines(checks)))
    return summary(checks)


def cost_table(title: str, first: str, rows: list[dict[str, Any]]) -> Table:
    """Return a table of costs, one row for each value of the first column, with their sum."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first.replace("_", " "))
    for name in ("VMs", "VM-hours", "cost USD", "on demand USD", "saved"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row[first], str(row["instances"]), f"{row['hours']:.2f}", *_money(row["cost"], row["ondemand_cost"])
        )
    if len(rows) > 1:
        cost, ondemand = (
            sum((row[name] or Decimal(0) for row in rows), Decimal(0)) for name in ("cost", "ondemand_cost")
        )
        table.add_section()
        table.add_row("all", "", f"{sum(row['hours'] for row in rows):.2f}", *_money(cost, ondemand))
    return table


def _money(cost: Decimal | None, ondemand: Decimal | None) -> tuple[str, str, str]:
    if cost is None or ondemand is None:
        return "unknown", "unknown", ""
    return f"{cost:.4f}", f"{ondemand:.4f}", f"{1 - cost / ondemand:.1%}" if ondemand else ""
