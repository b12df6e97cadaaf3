"""Budget notifications to the running function: what is stopped, what is spared, and what is on record of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.local.bigquery.tables import create_dataset
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import BUDGET_ID, ROOT, Answer, Stack
from spotkeeper.cli.plan import WOULD_STOP

TARGET = "enforce_budget_limit"
DATASET = "notified"
RECORDS = {"DATASET": DATASET}
"""The function records apart from other tests: what they stopped would count towards its limits."""

NOW = FLEET_START + timedelta(hours=20, minutes=7)
JULY, JUNE, AUGUST = "2026-07-01T07:00:00Z", "2026-06-01T07:00:00Z", "2026-08-01T07:00:00Z"


@pytest.fixture(scope="module", autouse=True)
def function(stack: Stack) -> Iterator[None]:
    """The function in a process of its own, with records of its own."""
    stack.set_time(NOW)
    create_dataset(stack.client(), DATASET)
    stack.serve_function(TARGET, RECORDS)
    yield
    stack.control("POST", "reset")
    stack.processes.stop(TARGET)
    del stack.functions[TARGET]


@pytest.fixture(autouse=True)
def reset(stack: Stack) -> None:
    stack.control("POST", "reset")
    stack.control("POST", "operations", {"seconds": 0.05})


def policy(name: str, projects: list[str] | None = None, **fields: object) -> Mapping[str, str]:
    """Settings whose policy has one budget of this name."""
    budget = {"projects": projects or ["research-ml", "web-frontend", "data-platform"], **fields}
    return {**RECORDS, "ENFORCEMENT_POLICY": json.dumps({"budgets": {name: budget}, "restart": True})}


def send(stack: Stack, message_id: str, cost: float, minutes: int = 0, start: str = JULY, **attributes: str) -> Answer:
    body = {"costAmount": cost, "budgetAmount": 1000, "currencyCode": "USD", "costIntervalStart": start}
    known = {"budgetId": BUDGET_ID, "schemaVersion": "1.0", **attributes}
    return stack.deliver(TARGET, message_id, json.dumps(body).encode(), known, NOW + timedelta(minutes=minutes))


def received(stack: Stack) -> list[dict[str, Any]]:
    calls: Any = stack.control("GET", "calls")
    return list(calls)


def stop_calls(stack: Stack) -> list[str]:
    """The names of the instances that Compute Engine was asked to stop, directly or through their group."""
    names = []
    for call in received(stack):
        if call["method"] == "instances.stop":
            names.append(call["instance"])
        elif call["method"].endswith("stopInstances"):
            names += [url.rpartition("/")[2] for url in call["body"]["instances"]]
    return sorted(names)


def events(stack: Stack, message_id: str, *wanted: str) -> list[str]:
    rows = stack.client().query(
        f"SELECT event, instance_name FROM {DATASET}.enforcement_actions "
        f"WHERE message_id = '{message_id}' AND happened_at >= '2026-07-01'"
    )
    return sorted(row["instance_name"] for row in rows.result() if row["event"] in wanted)


def verdicts(stack: Stack, message_id: str) -> list[str]:
    rows = stack.client().query(
        f"SELECT verdict FROM {DATASET}.budget_notifications "
        f"WHERE message_id = '{message_id}' AND received_at >= '2026-07-01' ORDER BY verdict"
    )
    return [row["verdict"] for row in rows.result()]


def test_a_message_over_budget_stops_what_its_plan_names_and_the_same_message_again_nothing_more(stack: Stack) -> None:
    assert send(stack, "over-1", 1100).status == 200
    first = stop_calls(stack)
    assert send(stack, "over-1", 1100).status == 200

    assert len(first) == 3
    assert stop_calls(stack) == first
    assert events(stack, "over-1", "planned") == first
    assert events(stack, "over-1", "stopped") == first
    assert verdicts(stack, "over-1") == ["over_budget", "redelivered"]


@pytest.mark.parametrize(
    ("message_id", "cost", "start", "verdict"),
    [
        ("under-1", 400, JULY, "under_budget"),
        ("june-1", 5000, JUNE, "period_mismatch"),
    ],
)
def test_other_messages_stop_nothing_and_are_recorded(
    stack: Stack, message_id: str, cost: float, start: str, verdict: str
) -> None:
    assert send(stack, message_id, cost, start=start).status == 200

    assert stop_calls(stack) == []
    assert verdicts(stack, message_id) == [verdict]


def test_what_is_no_notification_is_acknowledged_and_recorded(stack: Stack) -> None:
    assert stack.deliver(TARGET, "broken-1", b"not json", {"budgetId": BUDGET_ID}, NOW).status == 200

    assert verdicts(stack, "broken-1") == ["malformed"]


def test_an_older_message_than_one_received_is_superseded(stack: Stack) -> None:
    send(stack, "new-1", 300, minutes=30)

    assert send(stack, "old-1", 1500, minutes=10).status == 200
    assert verdicts(stack, "old-1") == ["superseded"]
    assert stop_calls(stack) == []


def test_a_drill_stops_nothing_and_tells_what_the_function_may_not_do(stack: Stack) -> None:
    stack.control(
        "POST", "permissions", [{"project": "research-ml", "instance": "*", "denied": ["compute.instances.stop"]}]
    )
    command = [
        sys.executable,
        "-m",
        "spotkeeper",
        "plan",
        "--cost",
        "1500",
        "--budget",
        "1000",
        "--at",
        NOW.isoformat(),
    ]
    environment = {**os.environ, **stack.settings, **RECORDS, "PYTHONPATH": str(ROOT / "functions")}

    assert send(stack, "drill-1", 1500, minutes=40, **{"spotkeeper-drill": "true"}).status == 200
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603

    [row] = (
        stack.client()
        .query(
            f"SELECT missing_permissions, mode FROM {DATASET}.budget_notifications "
            "WHERE message_id = 'drill-1' AND received_at >= '2026-07-01'"
        )
        .result()
    )
    assert row["missing_permissions"] == ["research-ml: compute.instances.stop"]
    assert row["mode"] == "dry_run"
    assert stop_calls(stack) == []
    assert process.returncode == WOULD_STOP, process.stderr
    planned = [line.split()[1] for line in process.stdout.splitlines() if line.startswith("stop ")]
    assert sorted(planned) == events(stack, "drill-1", "planned")


def test_one_instance_that_cannot_be_stopped_shields_no_other_and_is_stopped_by_the_next_delivery(stack: Stack) -> None:
    stack.serve_function(TARGET, policy("partly", ["data-platform", "web-frontend"]))
    try:
        send(stack, "look-1", 1300, minutes=50, budgetId="partly", **{"spotkeeper-drill": "true"})
        first, *others = events(stack, "look-1", "planned")
        rule = {"service": "compute", "kind": "operation_error", "method": "instances.stop", "instance": first}
        stack.control("POST", "faults", [{**rule, "code": "INTERNAL_ERROR", "message": "no", "status": 500}])

        assert send(stack, "partly-1", 1300, minutes=60, budgetId="partly").status == 500
        assert events(stack, "partly-1", "failed") == [first]
        assert events(stack, "partly-1", "stopped") == sorted(others)

        stack.control("DELETE", "faults")
        assert send(stack, "partly-1", 1300, minutes=60, budgetId="partly").status == 200
        assert events(stack, "partly-1", "stopped") == sorted([first, *others])
    finally:
        stack.serve_function(TARGET, RECORDS)


def test_members_of_groups_are_stopped_through_their_group_and_local_ssds_with_the_flag(stack: Stack) -> None:
    extra = policy("groups", ["web-frontend"], steps=[{"threshold": 1.0, "priorities": ["low", "medium", "high"]}])
    budget = json.loads(extra["ENFORCEMENT_POLICY"])["budgets"]["groups"] | {"max_stops_per_alert": 1000}
    budget |= {"max_stops_per_day": 1000}
    settings = {**RECORDS, "ENFORCEMENT_POLICY": json.dumps({"budgets": {"groups": budget}})}
    stack.serve_function(TARGET, settings)
    try:
        assert send(stack, "groups-1", 1300, budgetId="groups").status == 200
        found = received(stack)
        members = [name for name in events(stack, "groups-1", "stopped") if "mig-" in name]
        directly = [call["instance"] for call in found if call["method"] == "instances.stop"]

        assert events(stack, "groups-1", "failed", "changed") == []
        assert any(name.startswith("web-rmig") for name in members)
        assert any(name.startswith("api-mig") for name in members)
        assert not set(members) & set(directly)
    finally:
        stack.serve_function(TARGET, RECORDS)


def test_a_new_period_under_budget_starts_what_was_stopped_again(stack: Stack) -> None:
    stack.serve_function(TARGET, policy("restarting", ["data-platform"]))
    try:
        send(stack, "july-stop", 1300, budgetId="restarting")
        stopped = events(stack, "july-stop", "stopped")
        later: datetime = NOW + timedelta(days=15)
        minutes = int((later - NOW) / timedelta(minutes=1))

        assert send(stack, "august-1", 10, minutes=minutes, start=AUGUST, budgetId="restarting").status == 200
        assert len(stopped) == 3
        assert events(stack, "august-1", "restarted") == stopped
    finally:
        stack.serve_function(TARGET, RECORDS)
