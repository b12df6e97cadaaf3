"""The enforcer's function as Pub/Sub calls it, served by functions-framework as in the cloud."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.processes import Processes, StartError, free_port
from infra.local.stack.stack import DATASET, ROOT, Answer, Stack

TARGET = "enforce_budget_limit"
NOW = FLEET_START + timedelta(hours=8, minutes=7)
BUDGET = "budget-of-a-process"
SCOPE = {"projects": ["web-frontend"], "labels": {"project": "index"}, "max_stops_per_alert": 6}
TIMEOUT_SECONDS = 20.0


@pytest.fixture(scope="module")
def enforcer(stack: Stack) -> Iterator[Stack]:
    """The session's stack with the function."""
    stack.control("POST", "reset")
    stack.set_time(NOW)
    policy = json.dumps({"budgets": {BUDGET: SCOPE}})
    stack.serve_function(TARGET, {"ENFORCEMENT_POLICY": policy})
    yield stack
    stack.control("POST", "reset")
    stack.processes.stop(TARGET)
    del stack.functions[TARGET]


def deliver(stack: Stack, message_id: str, body: bytes) -> Answer:
    attributes = {"budgetId": BUDGET, "billingAccountId": "account", "schemaVersion": "1.0"}
    return stack.deliver(TARGET, message_id, body, attributes, NOW)


def rows(stack: Stack, table: str, message_id: str) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {DATASET}.{table} WHERE message_id = '{message_id}'"
    return [dict(row) for row in stack.client().query(sql).result()]


def stop_calls(stack: Stack) -> list[dict[str, Any]]:
    called = requests.get(f"{stack.rest}/_control/calls", timeout=5).json()
    return [call for call in called if call["method"] == "instances.stop"]


def wait_for_stops(stack: Stack, number: int) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if len(stop_calls(stack)) >= number:
            return
        time.sleep(0.02)
    pytest.fail(f"the function never asked for {number} stops")


def test_a_body_that_is_no_notification_is_recorded_and_not_delivered_again(enforcer: Stack) -> None:
    answer = deliver(enforcer, "rubbish", b"\xff{rubbish")

    assert answer.status == 200
    [row] = rows(enforcer, "budget_notifications", "rubbish")
    assert (row["verdict"], row["budget_id"]) == ("malformed", BUDGET)
    assert row["reason"].startswith("the body is not JSON")
    assert "{rubbish" in row["body"]


def test_a_message_that_could_not_be_done_with_is_refused_and_so_delivered_again(enforcer: Stack) -> None:
    refused = {"service": "compute", "kind": "status", "status": 403, "project": "web-frontend"}
    enforcer.control("POST", "faults", [refused])
    try:
        answer = deliver(enforcer, "refused", notification())
    finally:
        enforcer.control("DELETE", "faults")

    assert answer.status == 500
    assert rows(enforcer, "budget_notifications", "refused") == stop_calls(enforcer) == []


def test_a_process_that_is_killed_amid_its_stops_leaves_the_rest_to_the_next_and_none_twice(enforcer: Stack) -> None:
    enforcer.control("POST", "operations", {"seconds": 3600})
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(deliver, enforcer, "killed", notification())
        wait_for_stops(enforcer, 1)
        os.killpg(enforcer.processes.pid(TARGET), signal.SIGKILL)
        cut_off = call.exception()
    before = {each["instance"] for each in stop_calls(enforcer)}
    enforcer.control("POST", "operations", {"seconds": 0.05})
    policy = json.dumps({"budgets": {BUDGET: SCOPE}})
    enforcer.serve_function(TARGET, {"ENFORCEMENT_POLICY": policy})
    answer = deliver(enforcer, "killed", notification())

    events = rows(enforcer, "enforcement_actions", "killed")
    planned = sorted(row["instance_name"] for row in events if row["event"] == "planned")
    requested = {(each["instance"], each["request_id"]) for each in stop_calls(enforcer)}
    assert isinstance(cut_off, OSError)
    assert (answer.status, len(planned)) == (200, 6)
    assert before
    assert sorted(name for name, _ in requested) == planned
    assert len({request_id for _, request_id in requested}) == len(planned)
    assert sorted(row["instance_name"] for row in events if row["event"] == "stopped") == planned


def test_with_a_wrong_policy_the_function_does_not_start_and_names_the_field(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    wrong = json.dumps({"budgets": {BUDGET: {**SCOPE, "max_stops_per_alert": 0}}, "restrat": True})
    command = [sys.executable, "-m", "functions_framework", "--target", TARGET, "--port", str(port)]
    source = ["--source", str(ROOT / "functions" / "main.py")]
    variables = {**stack.settings, "ENFORCEMENT_POLICY": wrong, "FUNCTION_TARGET": TARGET}

    with Processes(tmp_path) as processes, pytest.raises(StartError, match=r"ended with exit code [1-9]"):
        processes.listening(TARGET, [*command, *source], variables, port)

    log = (tmp_path / f"{TARGET}.log").read_text()
    assert f"ENFORCEMENT_POLICY: budgets.{BUDGET}.max_stops_per_alert" in log
    assert "restrat" in log


def notification() -> bytes:
    body = {"budgetDisplayName": "Spot", "costAmount": 1100, "budgetAmount": 1000, "currencyCode": "USD"}
    return json.dumps({**body, "costIntervalStart": "2026-07-01T07:00:00Z"}).encode()
