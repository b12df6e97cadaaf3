"""Messages that are delivered at the same time, to the enforcer's function as functions-framework serves it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import DATASET, Stack
from tests.entry.served import served
from tests.faults.deliveries import envelope

TARGET = "enforce_budget_limit"
NOW = FLEET_START + timedelta(hours=8, minutes=7)
PER_ALERT = 2
SCOPE = {"projects": ["web-frontend"], "labels": {"project": "index"}, "max_stops_per_alert": PER_ALERT}
REPEATED, FOLLOWED, ONE, OTHER = "repeated", "followed", "one-of-two", "other-of-two"
POLICY = json.dumps({"budgets": dict.fromkeys((REPEATED, FOLLOWED, ONE, OTHER), SCOPE)})


@pytest.fixture(scope="module")
def function(stack: Stack) -> Iterator[Flask]:
    """The function."""
    with served(TARGET, {**stack.settings, "ENFORCEMENT_POLICY": POLICY}) as application:
        yield application


@pytest.fixture
def enforcer(stack: Stack) -> Iterator[Stack]:
    """The stack with no VM stopped yet."""
    stack.control("POST", "reset")
    stack.set_time(NOW)
    yield stack
    stack.control("POST", "reset")


def deliver_at_once(function: Flask, messages: Sequence[tuple[str, str]]) -> list[int]:
    """Deliver messages, each named by its budget and itself, and return the statuses."""

    def deliver(message: tuple[str, str]) -> int:
        budget_id, name = message
        answer = function.test_client().post("/", json=envelope(budget_id, name, NOW, 1100))
        return answer.status_code

    with ThreadPoolExecutor(len(messages)) as pool:
        return list(pool.map(deliver, messages))


def recorded(stack: Stack, event: str, *budgets: str) -> list[dict[str, Any]]:
    quoted = ", ".join(f"'{each}'" for each in budgets)
    sql = f"SELECT * FROM {DATASET}.enforcement_actions WHERE budget_id IN ({quoted}) AND event = '{event}'"
    return [dict(row) for row in stack.client().query(sql).result()]


def asked_to_stop(stack: Stack) -> Counter[str]:
    """How many different requests were sent to stop each VM; the same one may be sent again."""
    calls = requests.get(f"{stack.rest}/_control/calls", timeout=5).json()
    return Counter(name for name, _ in {(call["instance"], call["request_id"]) for call in calls})


def test_a_message_that_is_delivered_four_times_at_once_stops_its_plan_once(function: Flask, enforcer: Stack) -> None:
    statuses = deliver_at_once(function, [(REPEATED, "1")] * 4)

    planned = [row["instance_name"] for row in recorded(enforcer, "planned", REPEATED)]
    assert statuses == [200] * 4
    assert len(planned) == PER_ALERT
    assert asked_to_stop(enforcer) == Counter(planned)
    assert Counter(row["instance_name"] for row in recorded(enforcer, "stopped", REPEATED)) == Counter(planned)


@pytest.mark.parametrize(
    "messages",
    [[(FOLLOWED, "1"), (FOLLOWED, "2")], [(ONE, "1"), (OTHER, "1")]],
    ids=["of one budget", "of two budgets"],
)
def test_two_messages_at_once_never_plan_for_the_same_vm(
    function: Flask, enforcer: Stack, messages: list[tuple[str, str]]
) -> None:
    statuses = deliver_at_once(function, messages)

    budgets = [budget_id for budget_id, _ in messages]
    planned = recorded(enforcer, "planned", *budgets)
    assert statuses == [200, 200]
    assert max(Counter(row["message_id"] for row in planned).values()) <= PER_ALERT
    assert asked_to_stop(enforcer) == Counter(row["instance_name"] for row in planned)
    assert Counter(row["instance_name"] for row in recorded(enforcer, "stopped", *budgets)) == asked_to_stop(enforcer)


def test_a_message_of_attributes_alone_is_recorded_as_it_is(function: Flask, enforcer: Stack) -> None:
    message = {"messageId": "bare", "publishTime": "2026-07-21T05:00:00Z", "attributes": {"budgetId": "nul\0 ' 🚀"}}

    answer = function.test_client().post("/", json={"message": message, "subscription": "s"})

    sql = f"SELECT verdict, reason, budget_id FROM {DATASET}.budget_notifications WHERE message_id = 'bare'"
    rows = [tuple(row.values()) for row in enforcer.client().query(sql).result()]
    assert (answer.status_code, rows) == (200, [("malformed", "the message has no data", "nul\0 ' 🚀")])
