"""An operator approves a plan and undoes its stops: the commands, Pub/Sub, the running function, and what it did."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined]

from infra.local.bigquery.tables import create_dataset
from infra.local.stack.stack import HOME_PROJECT, ROOT, Stack
from spotkeeper.cli.main import main
from spotkeeper.periods import PeriodKind, budget_period, rfc3339

TARGET = "enforce_budget_limit"
DATASET = "commanded"
TOPIC = f"projects/{HOME_PROJECT}/topics/spotkeeper-approvals"
SUBSCRIPTION = f"projects/{HOME_PROJECT}/subscriptions/spotkeeper-approvals"
BUDGET = "distill"
RULE = {
    "projects": ["research-ml"],
    "labels": {"project": "llm-distill"},
    "steps": [{"threshold": 1.0, "priorities": ["low", "medium"]}],
}
SETTINGS = {
    "DATASET": DATASET,
    "ENFORCEMENT_MODE": "approve",
    "ENFORCEMENT_POLICY": json.dumps({"budgets": {BUDGET: RULE}}),
    "APPROVALS_SUBSCRIPTION": SUBSCRIPTION,
}
PLAN, APPROVAL, UNDO = "8453120957201:3f9a2b7c01d4e5f63f9a2b7c01d4e5f6", "8453120957344", "8453120958002"
UNTIL = "2026-12-01T08:00:00Z"
COMMANDS = (f"$ spotkeeper approve {PLAN}", f"$ spotkeeper undo {APPROVAL}")
PAGE = (ROOT / "docs" / "approvals.md").read_text()


@pytest.fixture(scope="module", autouse=True)
def function(stack: Stack) -> Iterator[None]:
    """The function in the mode approve, and the topic of its approvals; the commands publish at the present time."""
    stack.control("POST", "reset")
    stack.control("POST", "operations", {"seconds": 0.05})
    stack.set_time(datetime.now(UTC))
    create_dataset(stack.client(), DATASET)
    stack.serve_function(TARGET, SETTINGS)
    os.environ["PUBSUB_EMULATOR_HOST"] = stack.pubsub
    with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
        publisher.create_topic(name=TOPIC)
        push = {"push_endpoint": stack.functions[TARGET]}
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC, push_config=push, ack_deadline_seconds=600)
        yield
        subscriber.delete_subscription(subscription=SUBSCRIPTION)
    stack.control("POST", "reset")
    stack.processes.stop(TARGET)
    del stack.functions[TARGET]


def waiting_plan(stack: Stack) -> str:
    sql = f"""
        SELECT CONCAT(message_id, ':', plan_hash) AS plan FROM {DATASET}.budget_notifications
        WHERE plan_hash IS NOT NULL AND received_at >= '2026-07-01'
    """
    [row] = stack.client().query(sql).result()
    return str(row["plan"])


def names(stack: Stack, message_id: str, event: str) -> list[str]:
    """Return the VMs for which an event of a message is on record, once both are."""
    sql = f"""
        SELECT instance_name FROM {DATASET}.enforcement_actions
        WHERE message_id = '{message_id}' AND event = '{event}' AND happened_at >= '2026-07-01'
    """
    for _ in range(50):
        found = sorted(row["instance_name"] for row in stack.client().query(sql).result())
        if len(found) == 2:
            break
    return found


def test_an_operator_approves_a_plan_and_undoes_its_stops_as_the_page_shows(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    month = budget_period(PeriodKind.MONTH, now)
    start, until = rfc3339(month.start), rfc3339(month.end)
    for name, value in {**stack.settings, **SETTINGS, "APPROVALS_TOPIC": TOPIC}.items():
        monkeypatch.setenv(name, value)
    said = {"costAmount": 1100, "budgetAmount": 1000, "currencyCode": "USD", "costIntervalStart": start}
    attributes = {"budgetId": BUDGET, "schemaVersion": "1.0"}
    assert stack.deliver(TARGET, "over-1", json.dumps(said).encode(), attributes, now).status == 200
    plan = waiting_plan(stack)

    refused = main(["approve", f"{plan[:-4]}0000"])
    wrong = capsys.readouterr().out.splitlines()
    approved = main(["approve", plan])
    lines = capsys.readouterr().out.splitlines()
    approval = lines[-1].split()[-1].rstrip(".")
    stopped = names(stack, approval, "stopped")
    undone = main(["undo", approval])
    back = capsys.readouterr().out.splitlines()
    undo = back[-1].split()[-1].rstrip(".")

    assert (refused, approved, undone) == (1, 0, 0)
    assert wrong[0] == "wrong_hash: the plan of message over-1 has another hash"
    assert stopped == names(stack, undo, "restarted") == ["early-bird", "infer-l4"]
    printed = "\n".join((COMMANDS[0], *lines, "", COMMANDS[1], *back))
    samples = {
        plan: PLAN,
        until: UNTIL,
        f"message {approval}": f"message {APPROVAL}",
        f"message {undo}": f"message {UNDO}",
    }
    # All at once, and whole ids: Pub/Sub counts its messages, so that an id may be what a sample begins with.
    real = "|".join(map(re.escape, samples))
    printed = re.sub(rf"(?:{real})\b", lambda found: samples[found[0]], printed)
    assert f"```console\n{printed}\n```" in PAGE
