import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from spotkeeper.periods import Period, PeriodKind
from spotkeeper.tracking.alerts import Alert, Spend, due_alerts, notification_attributes, notification_body
from spotkeeper.tracking.settings import Budgets

MIDNIGHT = datetime(2026, 7, 21, 7, tzinfo=UTC)
DAY = Period(PeriodKind.DAY, MIDNIGHT, MIDNIGHT + timedelta(days=1))
MONTH = Period(PeriodKind.MONTH, datetime(2026, 7, 1, 7, tzinfo=UTC), datetime(2026, 8, 1, 7, tzinfo=UTC))
BUDGETS = Budgets(
    amounts_usd={PeriodKind.DAY: Decimal(100), PeriodKind.MONTH: Decimal(1000)},
    topic="projects/blue/topics/budget",
    budget_id="11111111-2222-3333-4444-555555555555",
    billing_account_id="000000-AAAAAA-111111",
    display_name="Spot fleet",
)


def shares(*texts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


def spend(cost: str, *notified: str, period: Period = DAY) -> Spend:
    return Spend(period, Decimal(cost), frozenset(shares(*notified)))


@pytest.mark.parametrize(
    ("spent", "notified", "newly_notified"),
    [
        ("49.999999999", (), ()),
        ("50", (), ("0.5",)),
        ("79.99", ("0.5",), ()),
        ("80", ("0.5",), ("0.8",)),
        ("100", ("0.5", "0.8"), ("1.0",)),
        ("250", (), ("0.5", "0.8", "1.0")),
        ("250", ("0.8",), ("0.5", "1.0")),
        ("250", ("0.5", "0.8", "1.0"), ()),
        ("250", ("0.500000000", "0.8", "1"), ()),
        ("0", (), ()),
    ],
)
def test_each_threshold_of_a_budget_is_notified_when_it_is_first_reached(
    spent: str, notified: tuple[str, ...], newly_notified: tuple[str, ...]
) -> None:
    expected = [Alert(DAY, Decimal(spent), Decimal(100), shares(*newly_notified))] if newly_notified else []

    assert due_alerts([spend(spent, *notified)], BUDGETS) == expected


def test_each_period_has_an_alert_of_its_own() -> None:
    alerts = due_alerts([spend("81", "0.5"), spend("501", period=MONTH)], BUDGETS)

    assert alerts == [
        Alert(DAY, Decimal(81), Decimal(100), shares("0.8")),
        Alert(MONTH, Decimal(501), Decimal(1000), shares("0.5")),
    ]


def test_a_period_without_a_budget_has_no_alert() -> None:
    hour = Period(PeriodKind.HOUR, MIDNIGHT, MIDNIGHT + timedelta(hours=1))

    assert due_alerts([spend("1000000", period=hour)], BUDGETS) == []


def test_without_budgets_nothing_is_notified() -> None:
    assert due_alerts([spend("1000000")], Budgets()) == []


def body_of(cost: str, *thresholds: str) -> dict[str, object]:
    body = notification_body(Alert(DAY, Decimal(cost), Decimal("99.50"), shares(*thresholds)), BUDGETS)
    return cast("dict[str, object]", json.loads(body))


def test_the_message_is_that_of_cloud_billing() -> None:
    assert body_of("140.321", "0.5", "0.8", "1.0") == {
        "budgetDisplayName": "Spot fleet (day)",
        "alertThresholdExceeded": 1.0,
        "costAmount": 140.321,
        "costIntervalStart": "2026-07-21T07:00:00Z",
        "budgetAmount": 99.5,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }


def test_the_message_tells_the_highest_share_reached() -> None:
    assert body_of("80", "0.5", "0.8")["alertThresholdExceeded"] == 0.8


def test_the_attributes_are_those_of_cloud_billing_and_who_says_so() -> None:
    alert = Alert(MONTH, Decimal(501), Decimal(1000), shares("0.5"))

    assert notification_attributes(alert, BUDGETS) == {
        "billingAccountId": "000000-AAAAAA-111111",
        "budgetId": "11111111-2222-3333-4444-555555555555",
        "schemaVersion": "1.0",
        "source": "spotkeeper.track_spot_costs",
        "period": "month",
    }
