"""The alert channel through Google's clients: a budget notification on the topic, and custom metrics."""

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined]

from infra.local.stack.stack import HOME_PROJECT, TOPIC, Stack
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.alert_channel import PubSubAlertChannel
from spotkeeper.gcp.monitoring import metric_client
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import PeriodKind, budget_period, rfc3339
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.run_summary import Gap, HourRun, Unpriced
from spotkeeper.tracking.settings import Budgets
from spotkeeper.tracking.uptime import Uptime

SUBSCRIPTION = f"projects/{HOME_PROJECT}/subscriptions/alert-channel-test"

METRICS_PROJECT = "web-frontend"
"""No run of any other test writes metrics there: a point has to be newer than the last one."""

DAY = budget_period(PeriodKind.DAY, datetime(2026, 7, 21, tzinfo=UTC))

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


def channel(stack: Stack, project_id: str = HOME_PROJECT) -> PubSubAlertChannel:
    budgets = Budgets(
        amounts_usd={PeriodKind.DAY: Decimal(10)}, topic=TOPIC, budget_id="budget-1", display_name="Spot fleet"
    )
    client = metric_client(stack.settings["MONITORING_ENDPOINT"])
    return PubSubAlertChannel(client, project_id, budgets, timedelta(seconds=5))


def test_an_alert_is_published_as_a_notification_of_cloud_billing(
    stack: Stack, sent: Callable[[], Messages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)

    message_id = channel(stack).publish(Alert(DAY, Decimal("8.25"), Decimal(10), (Decimal("0.5"), Decimal("0.8"))))

    [(data, attributes)] = sent()
    assert message_id
    assert json.loads(data) == {
        "budgetDisplayName": "Spot fleet (day, total cost)",
        "alertThresholdExceeded": 0.8,
        "costAmount": 8.25,
        "costIntervalStart": "2026-07-20T07:00:00Z",
        "budgetAmount": 10.0,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    assert attributes == {
        "billingAccountId": "",
        "budgetId": "budget-1",
        "schemaVersion": "1.0",
        "source": "spotkeeper.track_spot_costs",
        "period": "day",
        "alertKind": "threshold",
        "covers": "total",
    }


def test_a_topic_that_does_not_exist_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    budgets = Budgets(topic=f"projects/{HOME_PROJECT}/topics/not-there")

    with pytest.raises(UnavailableError, match=r"Pub/Sub: .*not found"):
        PubSubAlertChannel(None, HOME_PROJECT, budgets, timedelta(seconds=1)).publish(
            Alert(DAY, Decimal(9), Decimal(10), (Decimal("0.8"),))
        )


def test_the_metrics_of_a_run_are_written_as_custom_metrics(stack: Stack) -> None:
    now = DAY.start + timedelta(days=1)
    stack.set_time(now)
    run = HourRun("run", DAY.start, now, rows=52, uptime_billionths=51_500_000_000, gaps=[Gap("monitoring", "403")])
    run.unresolved.append(Uptime(InstanceKey("p", "us-central1-a", "1"), "stranger", DAY.start, 1800.0))
    stranger = run.unresolved[0]  # it ran in both hours of the run
    before = HourRun("run", DAY.start, now, unresolved=[stranger])
    lost = HourRun("run", DAY.start, now, gaps=[Gap("catch-up", "not read", "p", final=True)])
    run.unpriced[Unpriced("n9-standard-4", "us-central1", "no rule")] = 3

    channel(stack, METRICS_PROJECT).write_metrics([Spend(DAY, Decimal("2.5"))], [before, run, lost], now)

    written = stack.control("GET", "metrics")[METRICS_PROJECT]
    values = {
        (series["metric"]["type"], series["metric"].get("labels", {}).get("period")): point["value"]["doubleValue"]
        for series in written
        for point in series["points"]
        if point["interval"]["endTime"] == rfc3339(now)
    }
    assert values == {
        ("custom.googleapis.com/spotkeeper/cost_usd", "day"): 2.5,
        ("custom.googleapis.com/spotkeeper/budget_share", "day"): 0.25,
        ("custom.googleapis.com/spotkeeper/rows", None): 52,
        ("custom.googleapis.com/spotkeeper/unpriced_rows", None): 3,
        ("custom.googleapis.com/spotkeeper/unresolved_instances", None): 1,
        ("custom.googleapis.com/spotkeeper/unresolved_hours", None): 1,
        ("custom.googleapis.com/spotkeeper/resolved_hours", None): 51.5,
        ("custom.googleapis.com/spotkeeper/incomplete_hours", None): 1,
    }


def _kept(stack: Stack) -> list[dict[str, Any]]:
    messages: Any = stack.control("GET", "messages")
    return list(messages)
