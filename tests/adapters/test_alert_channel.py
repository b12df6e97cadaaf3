"""What is told outside: a budget notification on the topic, and figures in Cloud Monitoring."""

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined]

from infra.local.stack.stack import HOME_PROJECT, TOPIC, Stack
from tests.adapters.conftest import MakeTracker

SUBSCRIPTION = f"projects/{HOME_PROJECT}/subscriptions/alert-channel-test"

type Messages = Sequence[tuple[bytes, dict[str, str]]]


@pytest.fixture
def sent(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Messages]:
    """What was published since the test began: pulled from Google's emulator, or as the emulator kept it."""
    if stack.pubsub == stack.grpc:
        before = len(_kept(stack))
        return lambda: [(b64decode(each["data"]), each["attributes"]) for each in _kept(stack)[before:]]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    subscriber = pubsub_v1.SubscriberClient()
    subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)

    def pull() -> Messages:
        try:
            answer = subscriber.pull(subscription=SUBSCRIPTION, max_messages=10, timeout=10)
        finally:
            subscriber.delete_subscription(subscription=SUBSCRIPTION)
            subscriber.close()
        return [(each.message.data, dict(each.message.attributes)) for each in answer.received_messages]

    return pull


def test_a_passed_budget_is_told_on_the_topic_as_cloud_billing_would(
    make_tracker: MakeTracker, sent: Callable[[], Messages]
) -> None:
    tracker = make_tracker({"DAILY_BUDGET_USD": "10", "MONTHLY_BUDGET_USD": "", "ALERT_THRESHOLDS": "0.5,0.8,1.0"})

    summary = tracker.run(0)

    [(data, attributes)] = sent()
    body: dict[str, Any] = json.loads(data)
    assert body.pop("costAmount") == pytest.approx(float(summary.cost))
    assert body == {
        "budgetDisplayName": "Spot fleet (day)",
        "alertThresholdExceeded": 0.8,
        "costIntervalStart": "2026-07-20T07:00:00Z",
        "budgetAmount": 10.0,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    assert attributes == {
        "billingAccountId": "",
        "budgetId": "11111111-2222-3333-4444-555555555555",
        "schemaVersion": "1.0",
        "source": "spotkeeper.track_spot_costs",
        "period": "day",
    }


def test_the_figures_of_a_run_are_custom_metrics(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()

    summary = tracker.run(40)

    written = tracker.stack.control("GET", "metrics")[HOME_PROJECT]
    at = tracker.look_at(40).isoformat().replace("+00:00", "Z")
    values = {
        (series["metric"]["type"].rpartition("/")[2], series["metric"].get("labels", {}).get("period")): point["value"]
        for series in written
        for point in series["points"]
        if point["interval"]["endTime"] == at
    }
    assert values["cost_usd", "hour"]["doubleValue"] == pytest.approx(float(summary.cost))
    assert values["budget_share", "day"]["doubleValue"] == pytest.approx(float(summary.cost) / 250)
    assert values["unpriced_rows", None]["doubleValue"] == summary.unpriced.total() == 1
    assert values["incomplete_hours", None]["doubleValue"] == 0


def _kept(stack: Stack) -> list[dict[str, Any]]:
    messages: Any = stack.control("GET", "messages")
    return list(messages)
