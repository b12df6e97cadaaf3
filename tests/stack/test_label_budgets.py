"""Caps of a team and of an experiment, all the way: tracker, topic, enforcer, Compute Engine, tables and view."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.local.bigquery.tables import create_views
from infra.local.demo.budget_topic import BudgetTopic
from infra.local.fleet.fleet import FLEET_START
from infra.local.fleet.scenario import PROJECTS
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.enforcement.notifications import REPLAYED_AT
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import new_dataset

TRACKER, ENFORCER = "track_spot_costs", "enforce_budget_limit"
NOW = FLEET_START + timedelta(hours=8, minutes=7)
CAPS = {
    "cap-vision": {"label": "team", "value": "vision", "hourly_usd": 0.5, "stop_thresholds": [1.0]},
    "cap-language": {"label": "team", "value": "language", "hourly_usd": 1000, "stop_thresholds": [1.0]},
    "cap-run": {"label": "experiment", "value": "exp-107", "monthly_usd": 0.01},
}
RULES = {
    name: {
        "projects": [project.project_id for project in PROJECTS],
        "labels": {cap["label"]: [cap["value"]]},
        "sources": {"billing": "warn", "tracker": "stop"},
    }
    for name, cap in CAPS.items()
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    """Both functions with these caps and records of their own."""
    with new_dataset(stack, "label_budgets") as name:
        settings = {
            "DATASET": name,
            "ALERT_THRESHOLDS": "1.0",
            "LABEL_BUDGETS": json.dumps(CAPS),
            "ENFORCEMENT_POLICY": json.dumps({"budgets": RULES}),
        }
        stack.set_time(NOW)
        stack.control("POST", "operations", {"seconds": 0.05})
        for function in (TRACKER, ENFORCER):
            stack.serve_function(function, settings)
        yield name
        stack.control("POST", "reset")
        stack.processes.stop(ENFORCER)
        del stack.functions[ENFORCER]
        stack.serve_function(TRACKER)


def rows(stack: Stack, dataset: str, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in stack.client().query(sql.replace("DATASET", f"{HOME_PROJECT}.{dataset}")).result()]


def test_a_team_above_its_cap_an_hour_has_vms_of_its_own_stopped_and_no_other(
    stack: Stack, dataset: str, topic: BudgetTopic
) -> None:
    answer = stack.schedule(NOW)
    sent = {message.attributes["budgetId"]: message for message in (topic.next(), topic.next())}
    message = sent["cap-vision"]
    marked = {**message.attributes, REPLAYED_AT: rfc3339(NOW)}
    delivered = stack.deliver(ENFORCER, message.message_id, message.body, marked, NOW)
    create_views(stack.client(), dataset, NOW)

    assert {(alert["label_budget"], alert["period"]) for alert in answer.body["alerts"]} == {
        ("cap-vision", "hour"),
        ("cap-run", "month"),
    }
    assert sent.keys() == {"cap-vision", "cap-run"}
    assert delivered.status == 200
    stopped = rows(
        stack,
        dataset,
        "SELECT DISTINCT actions.instance_name, "
        "(SELECT label.value FROM UNNEST(costs.labels) AS label WHERE label.key = 'team') AS team "
        "FROM `DATASET.enforcement_actions` AS actions "
        "INNER JOIN `DATASET.spot_vm_costs` AS costs ON costs.instance_id = actions.instance_id "
        "WHERE actions.event = 'stopped' AND actions.happened_at >= '2026-07-01' "
        "AND costs.usage_start_time >= '2026-07-01'",
    )
    assert [row["team"] for row in stopped] == ["vision"] * 3
    [verdict] = rows(stack, dataset, "SELECT budget_id, source, verdict FROM `DATASET.budget_notifications`")
    assert verdict == {"budget_id": "cap-vision", "source": "tracker", "verdict": "over_budget"}
    states = rows(stack, dataset, "SELECT label_value, budget, state FROM `DATASET.budget_status` ORDER BY budget")
    assert [(row["label_value"], row["state"]) for row in states if row["label_value"] == "vision"] == [
        ("vision", "spent")
    ]
    assert {row["label_value"] for row in states if row["state"] == "spent"} == {"vision", "exp-107"}
