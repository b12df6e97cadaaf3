import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from spotkeeper.periods import HOUR, Period, PeriodKind
from spotkeeper.tracking.alert_messages import notification_attributes, notification_body
from spotkeeper.tracking.alerts import (
    Alert,
    AlertKind,
    HourSpend,
    Notified,
    Sent,
    Spend,
    due_alerts,
    spend_of,
)
from spotkeeper.tracking.settings import Budgets, Covers, LabelBudget

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
    budget = BUDGETS.amounts_usd[period.kind] if period.kind in BUDGETS.amounts_usd else Decimal(1)
    known = (Notified(AlertKind.THRESHOLD, each, budget) for each in shares(*notified))
    return Spend(period, Decimal(cost), frozenset(known))


def day_of(*costs: str, first: int = 0) -> Spend:
    """Return a day whose hours cost so much, from one of its hours on."""
    hours = [HourSpend(MIDNIGHT + (first + n) * HOUR, Decimal(cost), Decimal(2)) for n, cost in enumerate(costs)]
    return spend_of(DAY, hours, [])


def kinds(alerts: Iterable[Alert]) -> list[str]:
    return [alert.kind.value for alert in alerts]


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

    assert due_alerts([spend(spent, *notified)], BUDGETS, []) == expected


def test_each_period_has_an_alert_of_its_own() -> None:
    alerts = due_alerts([spend("81", "0.5"), spend("501", period=MONTH)], BUDGETS, [])

    assert alerts == [
        Alert(DAY, Decimal(81), Decimal(100), shares("0.8")),
        Alert(MONTH, Decimal(501), Decimal(1000), shares("0.5")),
    ]


def test_a_period_without_a_budget_has_no_alert() -> None:
    hour = Period(PeriodKind.HOUR, MIDNIGHT, MIDNIGHT + timedelta(hours=1))

    assert due_alerts([spend("1000000", period=hour)], BUDGETS, [hour]) == []


def test_without_budgets_nothing_is_notified() -> None:
    assert due_alerts([spend("1000000")], Budgets(), [DAY]) == []


CAPPED = replace(
    BUDGETS,
    stop_thresholds=shares("1.1"),
    labels=(LabelBudget("cap-vision", "team", "vision", {PeriodKind.DAY: Decimal(10)}, shares("0.8")),),
)


def of_vision(cost: str, *notified: Notified) -> Spend:
    return Spend(DAY, Decimal(cost), frozenset(notified), label_budget="cap-vision")


def test_a_budget_of_a_label_value_has_alerts_of_its_own_under_its_own_id() -> None:
    [alert] = due_alerts([spend("9"), of_vision("9")], CAPPED, [])

    assert (alert.budget_usd, alert.thresholds, alert.label_budget) == (Decimal(10), shares("0.5", "0.8"), "cap-vision")
    assert notification_attributes(alert, CAPPED)["budgetId"] == "cap-vision"
    assert json.loads(notification_body(alert, CAPPED))["budgetDisplayName"] == (
        "Spot fleet: team=vision (day, total cost)"
    )


def test_a_budget_of_a_label_value_is_repeated_at_its_own_steps_only() -> None:
    known = [Notified(AlertKind.THRESHOLD, each, Decimal(10), "cap-vision") for each in shares("0.5", "0.8", "1.0")]

    again = due_alerts([of_vision("10", *known), spend("100", "0.5", "0.8", "1.0")], CAPPED, [DAY])

    assert [(alert.label_budget, alert.thresholds, alert.repeated) for alert in again] == [
        ("cap-vision", shares("0.8"), True)
    ]


def test_what_was_notified_of_all_vms_says_nothing_of_a_label_value() -> None:
    notified = [Sent("day", MIDNIGHT, Notified(AlertKind.THRESHOLD, Decimal("0.5"), Decimal(10)))]

    of_team = spend_of(DAY, [HourSpend(MIDNIGHT, Decimal(5))], notified, "cap-vision")

    assert [alert.thresholds for alert in due_alerts([of_team], CAPPED, [])] == [shares("0.5")]


def test_an_alert_of_a_label_budget_that_is_set_no_more_still_carries_its_id() -> None:
    [alert] = due_alerts([of_vision("9")], CAPPED, [])

    assert notification_attributes(alert, BUDGETS)["budgetId"] == "cap-vision"


@pytest.mark.parametrize("amount", ["120", "80"], ids=["raised", "lowered"])
def test_a_budget_of_another_amount_is_notified_anew(amount: str) -> None:
    changed = replace(BUDGETS, amounts_usd={PeriodKind.DAY: Decimal(amount)})

    [alert] = due_alerts([spend("96", "0.5", "0.8")], changed, [])

    assert (alert.budget_usd, alert.thresholds[:2]) == (Decimal(amount), shares("0.5", "0.8"))


@pytest.mark.parametrize(("costs", "due"), [(("4.1",), []), (("4.2", "1"), ["pace"]), (("1", "4.2", "1"), ["pace"])])
def test_an_hour_that_costs_more_than_a_24th_of_the_day_is_notified(costs: tuple[str, ...], due: list[str]) -> None:
    unlikely = replace(BUDGETS, projection_share=Decimal(10))

    assert kinds(due_alerts([day_of(*costs)], unlikely, [DAY])) == due


@pytest.mark.parametrize(
    ("costs", "share", "due"),
    [
        (("4", "4"), "1", []),
        (("8", "4.2"), "1", ["projection"]),
        (("20", "1"), "1", []),
        (("8", "4.2"), "1.1", []),
        (("2", "2"), "0.45", ["projection"]),
    ],
)
def test_a_day_that_is_projected_to_pass_its_budget_is_notified(
    costs: tuple[str, ...], share: str, due: list[str]
) -> None:
    unhurried = replace(BUDGETS, hour_share=Decimal(1), projection_share=Decimal(share))

    assert kinds(due_alerts([day_of(*costs)], unhurried, [DAY])) == due


def test_pace_and_projection_are_notified_once_and_of_the_present_day_alone() -> None:
    spend = day_of("10", "10")
    due = due_alerts([spend], BUDGETS, [DAY])
    known = frozenset(Notified(alert.kind, alert.thresholds[0], alert.budget_usd) for alert in due)

    assert kinds(due) == ["pace", "projection"]
    assert due_alerts([replace(spend, notified=known)], BUDGETS, [DAY]) == []
    assert due_alerts([spend], BUDGETS, []) == []


@pytest.mark.parametrize(
    ("cost", "step", "due"),
    [
        ("110", "1.0", ["threshold"]),
        ("110", "0.8", ["threshold"]),
        ("110", "1.2", ["threshold", "pace", "projection"]),
        ("90", "0.8", ["threshold", "pace", "projection"]),
    ],
)
def test_a_day_above_its_budget_has_one_alert_a_run_so_that_none_doubles_the_stops(
    cost: str, step: str, due: list[str]
) -> None:
    watched = replace(BUDGETS, projection_share=Decimal(2))
    spend = day_of(cost)

    assert kinds(due_alerts([spend], replace(watched, stop_thresholds=shares(step)), [DAY])) == due
    assert kinds(due_alerts([spend], watched, [DAY])) == ["threshold", "pace", "projection"]


def test_a_month_has_neither_pace_nor_projection() -> None:
    hours = [HourSpend(MIDNIGHT, Decimal(400))]

    assert due_alerts([spend_of(MONTH, hours, [])], BUDGETS, [MONTH]) == []


def test_a_passed_threshold_that_may_stop_is_repeated_and_no_other() -> None:
    stopping = replace(BUDGETS, stop_thresholds=shares("0.8", "1.1"))
    repeats = due_alerts([spend("85", "0.5", "0.8")], stopping, [DAY])

    assert [(alert.thresholds, alert.repeated) for alert in repeats] == [(shares("0.8"), True)]
    assert due_alerts([spend("60", "0.5")], stopping, [DAY]) == []
    assert due_alerts([spend("85", "0.5", "0.8")], stopping, []) == []
    assert due_alerts([spend("85", "0.5", "0.8")], BUDGETS, [DAY]) == []


def test_a_threshold_that_may_stop_is_notified_though_people_did_not_ask_for_it() -> None:
    stopping = replace(BUDGETS, stop_thresholds=shares("1.1"))

    [alert] = due_alerts([spend("115", "0.5", "0.8", "1.0")], stopping, [DAY])

    assert (alert.thresholds, alert.repeated) == (shares("1.1"), False)


def test_a_spend_says_which_share_is_unseen_and_from_when_it_counts() -> None:
    hours = [
        HourSpend(MIDNIGHT + HOUR, Decimal(60), Decimal(6), Decimal(1), Decimal(2)),
        HourSpend(MIDNIGHT + 30 * HOUR, Decimal(60), Decimal(6), Decimal(6), Decimal(6)),
    ]
    found = spend_of(DAY, hours, [Sent("day", MIDNIGHT - HOUR, Notified(AlertKind.THRESHOLD, Decimal(1), Decimal(1)))])

    assert (found.cost_usd, found.notified) == (Decimal(60), frozenset())
    assert (found.unseen_share, found.counts_from) == (Decimal("0.375"), MIDNIGHT + HOUR)
    assert (day_of("1").unseen_share, day_of("1").counts_from) == (Decimal(0), None)
    assert (spend("1").unseen_share, spend("1").counts_from) == (None, None)


def test_a_spend_says_which_share_is_known_in_part_and_from_when_the_total_cost_counts() -> None:
    found = spend_of(
        DAY,
        [
            HourSpend(MIDNIGHT, Decimal(1), Decimal(2), compute_only_hours=Decimal(2)),
            HourSpend(
                MIDNIGHT + HOUR, Decimal(1), Decimal(2), partial_hours=Decimal("0.5"), compute_only_hours=Decimal(1)
            ),
            HourSpend(MIDNIGHT + 2 * HOUR, Decimal(1), Decimal(4)),
            HourSpend(MIDNIGHT + 30 * HOUR, Decimal(1), Decimal(4), compute_only_hours=Decimal(4)),
        ],
        [],
    )

    assert (found.partial_share, found.total_from) == (Decimal("0.0625"), MIDNIGHT + 2 * HOUR)
    assert (day_of("1").partial_share, day_of("1").total_from) == (Decimal(0), None)
    assert spend("1").partial_share is None


@pytest.mark.parametrize("covers", list(Covers))
def test_an_alert_says_which_cost_its_budget_covers(covers: Covers) -> None:
    [alert] = due_alerts([spend("50")], replace(BUDGETS, covers=covers), [])

    assert json.loads(notification_body(alert, BUDGETS))["budgetDisplayName"] == f"Spot fleet (day, {covers} cost)"
    assert notification_attributes(alert, BUDGETS)["covers"] == covers


@pytest.mark.parametrize(
    ("alert", "attribute"),
    [
        ({"partial_share": Decimal("0.2")}, {"partialShare": "0.2", "atLeast": "true"}),
        ({"unpriced_resource_hours": Decimal("1.5")}, {"unpricedResourceHours": "1.5", "atLeast": "true"}),
        ({"total_from": MIDNIGHT}, {"totalFrom": "2026-07-21T07:00:00Z", "atLeast": "true"}),
        ({"unseen_share": Decimal("0.2")}, {"unseenShare": "0.2", "atLeast": "true"}),
        ({"counts_from": MIDNIGHT}, {"countsFrom": "2026-07-21T07:00:00Z", "atLeast": "true"}),
        ({"unseen_share": Decimal(0), "partial_share": Decimal(0)}, {"unseenShare": "0", "partialShare": "0"}),
    ],
)
def test_an_alert_whose_cost_is_a_lower_bound_says_at_least_and_why(
    alert: dict[str, Any], attribute: dict[str, str]
) -> None:
    plain = Alert(MONTH, Decimal(501), Decimal(1000), shares("0.5"))

    said = notification_attributes(replace(plain, **alert), BUDGETS).items()

    assert dict(said - notification_attributes(plain, BUDGETS).items()) == attribute


def test_a_projection_is_a_forecast_in_the_form_of_cloud_billing_and_a_pace_names_no_threshold() -> None:
    pace, projection = (
        json.loads(notification_body(Alert(DAY, Decimal(5), Decimal(100), shares("1.0"), kind), BUDGETS))
        for kind in (AlertKind.PACE, AlertKind.PROJECTION)
    )

    assert projection["forecastThresholdExceeded"] == 1.0
    assert pace.keys() == projection.keys() - {"forecastThresholdExceeded"}
    assert "alertThresholdExceeded" not in projection


def body_of(cost: str, *thresholds: str) -> dict[str, object]:
    body = notification_body(Alert(DAY, Decimal(cost), Decimal("99.50"), shares(*thresholds)), BUDGETS)
    return cast("dict[str, object]", json.loads(body))


def test_the_message_is_that_of_cloud_billing() -> None:
    assert body_of("140.321", "0.5", "0.8", "1.0") == {
        "budgetDisplayName": "Spot fleet (day, total cost)",
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
        "alertKind": "threshold",
        "covers": "total",
    }


def test_the_attributes_say_what_is_unseen_from_when_it_counts_and_what_is_a_repetition() -> None:
    alert = Alert(
        MONTH,
        Decimal(501),
        Decimal(1000),
        shares("0.5"),
        repeated=True,
        unseen_share=Decimal("0.25"),
        counts_from=MIDNIGHT,
    )

    attributes = notification_attributes(alert, BUDGETS)

    assert (attributes["repeated"], attributes["unseenShare"]) == ("true", "0.25")
    assert attributes["countsFrom"] == "2026-07-21T07:00:00Z"
