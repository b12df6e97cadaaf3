"""A burst between two hourly runs, all the way: scheduler's call, tracker, topic, enforcer, tables and view."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra.local.demo.budget_topic import BudgetTopic
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.enforcement.notifications import REPLAYED_AT
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import new_dataset

TRACKER, ENFORCER = "track_spot_costs", "enforce_budget_limit"
HOUR = FLEET_START + timedelta(hours=8)
CHECK = {"check": "interim"}
RULES = {"spotkeeper": {"projects": [HOME_PROJECT]}}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "interim_checks") as name:
        yield name
        stack.control("POST", "reset")
        stack.processes.stop(ENFORCER)
        del stack.functions[ENFORCER]
        stack.serve_function(TRACKER)


def serve(stack: Stack, dataset: str, daily: str) -> None:
    settings = {
        "DATASET": dataset,
        "ALERT_THRESHOLDS": "1.0",
        "DAILY_BUDGET_USD": daily,
        "DAILY_BUDGET_HOUR_SHARE": "10",
        "DAILY_BUDGET_PROJECTION_SHARE": "10",
        "BUDGET_ID": "spotkeeper",
        "INTERIM_CHECKS": "true",
        "INTERIM_CHECK_SHARE": "0.7",
        "ENFORCEMENT_POLICY": json.dumps({"budgets": RULES}),
    }
    for function in (TRACKER, ENFORCER):
        stack.serve_function(function, settings)


def rows(stack: Stack, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in stack.client().query(sql).result()]


def test_a_burst_between_two_hours_is_notified_before_the_next_run_and_by_it_no_more(
    stack: Stack, dataset: str, topic: BudgetTopic
) -> None:
    earlier = HOUR + timedelta(minutes=7)
    serve(stack, dataset, "1000000")
    stack.set_time(earlier)
    stack.schedule(earlier)
    [day] = rows(stack, f"SELECT cost FROM `{HOME_PROJECT}.{dataset}.budgets` WHERE period = 'day'")
    now = HOUR + timedelta(hours=1, minutes=7)
    # Two hours fit, and a part of a third one.
    serve(stack, dataset, str(round(float(day["cost"]) * 2.4, 2)))
    stack.set_time(now)
    stack.schedule(now)

    before = stack.schedule(HOUR + timedelta(hours=1, minutes=8), CHECK)
    during = [stack.schedule(at, CHECK) for at in times(stack, 15, 55)]
    message = topic.next()
    marked = {**message.attributes, REPLAYED_AT: message.attributes["estimatedAt"]}
    delivered = stack.deliver(ENFORCER, message.message_id, message.body, marked, HOUR + timedelta(hours=2))
    later = HOUR + timedelta(hours=2, minutes=7)
    stack.set_time(later)
    hourly = stack.schedule(later)

    assert before.status == 200
    sent = [answer.body for answer in during if answer.body["alerts"]]
    assert [(body["status"], body["gaps"]) for body in sent] == [("estimated", [])]
    assert [alert["period"] for alert in sent[0]["alerts"]] == ["day"]
    assert (message.attributes["atLeast"], message.attributes["alertKind"]) == ("true", "threshold")
    assert "estimated" in json.loads(message.body)["budgetDisplayName"]
    assert delivered.status == 200
    [verdict] = rows(stack, f"SELECT source, verdict FROM `{HOME_PROJECT}.{dataset}.budget_notifications`")
    assert verdict == {"source": "tracker", "verdict": "warn_only"}
    assert "threshold" not in {alert["kind"] for alert in hourly.body["alerts"]}
    alerts = rows(stack, f"SELECT kind, withdrawn_at FROM `{HOME_PROJECT}.{dataset}.budget_alerts`")
    assert [alert for alert in alerts if alert["kind"] == "threshold"] == [{"kind": "threshold", "withdrawn_at": None}]
    assert rfc3339(now) < message.attributes["estimatedAt"] < rfc3339(later)


def times(stack: Stack, first: int, last: int) -> Iterator[Any]:
    """Yield every tenth minute of the hour after HOUR, with the fleet as it is then."""
    for minute in range(first, last + 1, 10):
        at = HOUR + timedelta(hours=1, minutes=minute)
        stack.set_time(at)
        yield at
