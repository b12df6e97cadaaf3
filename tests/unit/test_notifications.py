import json
from decimal import Decimal

import pytest

from spotkeeper.enforcement.notifications import (
    BudgetNotification,
    Command,
    CommandName,
    Malformed,
    read_command,
    read_notification,
)
from spotkeeper.enforcement.policies import Source
from spotkeeper.enforcement.verdicts import first_verdict
from spotkeeper.periods import PeriodKind
from spotkeeper.tracking.alert_messages import notification_attributes, notification_body
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.settings import Budgets
from spotkeeper.values import shown
from tests.unit.enforcer_samples import (
    ACCOUNT,
    ATTRIBUTES,
    BODY,
    BUDGET_ID,
    JULY,
    NOW,
    TRACKER_ATTRIBUTES,
    at,
    envelope,
    policy,
)


def read(data: object, *, replay: bool = False) -> BudgetNotification:
    found = read_notification(data, replay=replay)
    assert isinstance(found, BudgetNotification), found.reason
    return found


def refusal(data: object) -> str:
    """Why the data is no notification; it can be logged and recorded, and leads to nothing."""
    found = read_notification(data)
    assert isinstance(found, Malformed)
    found.reason.encode()
    found.message.message_id.encode()
    found.message.body.encode()
    assert len(found.reason) < 1000
    assert not first_verdict(found, policy(), NOW).may_stop
    return found.reason


def test_a_notification_of_cloud_billing_is_read_as_it_is() -> None:
    found = read(envelope())

    assert (found.message.message_id, found.message.published_at, found.published_at) == ("message-1", NOW, NOW)
    assert found.message.attributes == ATTRIBUTES
    assert json.loads(found.message.body) == BODY
    assert (found.source, found.period, found.drill) == (Source.BILLING, None, False)
    assert (found.billing_account_id, found.budget_id) == (ACCOUNT, BUDGET_ID)
    assert (found.display_name, found.currency) == ("Spot fleet", "USD")
    assert (found.cost, found.budget) == (Decimal("120.5"), Decimal(100))
    assert found.interval_start == JULY.start


def test_what_the_tracker_sends_is_what_the_enforcer_reads() -> None:
    budgets = Budgets(budget_id=BUDGET_ID, billing_account_id=ACCOUNT, display_name="Spot fleet")
    alert = Alert(JULY, Decimal("81.25"), Decimal(100), (Decimal("0.5"), Decimal("0.8")))
    found = read(envelope(notification_body(alert, budgets), notification_attributes(alert, budgets)))

    assert (found.source, found.period) == (Source.TRACKER, PeriodKind.MONTH)
    assert (found.cost, found.budget, found.currency) == (Decimal("81.25"), Decimal(100), "USD")
    assert (found.interval_start, found.budget_id, found.billing_account_id) == (JULY.start, BUDGET_ID, ACCOUNT)
    assert found.display_name == "Spot fleet (month, total cost)"


@pytest.mark.parametrize("kind", ["hour", "day", "month"])
def test_the_tracker_says_which_period_it_means(kind: str) -> None:
    assert read(envelope(attributes=TRACKER_ATTRIBUTES | {"period": kind})).period is PeriodKind(kind)


@pytest.mark.parametrize("kind", ["", "year", "quarter", "custom", "week", "HOUR", "x" * 300])
def test_a_period_that_the_tracker_has_not_is_refused(kind: str) -> None:
    message = refusal(envelope(attributes=TRACKER_ATTRIBUTES | {"period": kind}))

    assert message == f"attribute period is {shown(kind)}, but must be hour, day or month"


def test_the_tracker_must_say_which_period_it_means() -> None:
    without_period = {name: value for name, value in TRACKER_ATTRIBUTES.items() if name != "period"}

    assert refusal(envelope(attributes=without_period)) == "attribute period is missing"


def test_a_period_in_a_message_of_cloud_billing_means_nothing() -> None:
    found = read(envelope(attributes={**ATTRIBUTES, "period": "hour", "source": "somebody"}))

    assert (found.source, found.period) == (Source.BILLING, None)


def test_a_threshold_that_is_missing_or_not_changes_nothing() -> None:
    without = {name: value for name, value in BODY.items() if name != "alertThresholdExceeded"}
    forecast = BODY | {"forecastThresholdExceeded": 2.0, "alertThresholdExceeded": 0.1}

    amounts = {(found.cost, found.budget) for found in map(read, (envelope(without), envelope(forecast), envelope()))}
    assert amounts == {(Decimal("120.5"), Decimal(100))}


def test_a_drill_is_known_by_its_attribute_whatever_its_value() -> None:
    assert read(envelope(attributes=ATTRIBUTES | {"spotkeeper-drill": ""})).drill
    assert not read(envelope(attributes=ATTRIBUTES | {"drill": "true"})).drill


def test_a_replay_takes_the_time_of_publishing_from_its_attribute() -> None:
    replayed = envelope(attributes=ATTRIBUTES | {"spotkeeper-replayed-at": "2026-07-03T00:00:00Z"})

    assert read(replayed, replay=True).published_at == at("2026-07-03T00:00:00")
    assert read(replayed).published_at == NOW
    in_earnest = read_notification(replayed)
    assert isinstance(in_earnest, BudgetNotification)
    assert in_earnest.published_at == NOW
    assert read(envelope(), replay=True).published_at == NOW
    broken = envelope(attributes=ATTRIBUTES | {"spotkeeper-replayed-at": "then"})
    assert isinstance(read_notification(broken, replay=True), Malformed)


def test_both_spellings_of_the_envelope_are_read() -> None:
    message = dict(envelope()["message"])
    message["message_id"], message["publish_time"] = message.pop("messageId"), message.pop("publishTime")

    assert read({"message": message}).message.message_id == "message-1"
    assert read({"message": message}).published_at == NOW


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (b"120", "120"),
        (b"120.50", "120.5"),
        (b"-3.2", "-3.2"),
        (b"0", "0"),
        (b"1e2", "100"),
        (b"1e-999999", "0"),
        (b"0.0000000004", "0"),
        (b"0.0000000006", "0.000000001"),
        (b"999999999999999999.999999999", "999999999999999999.999999999"),
        (b"-999999999999999999.999999999", "-999999999999999999.999999999"),
        (b"0.30000000000000000000000000000000000001", "0.3"),
    ],
)
def test_an_amount_is_read_to_nine_decimals(amount: bytes, expected: str) -> None:
    body = json.dumps(BODY).encode().replace(b"120.5", amount)

    assert read(envelope(body)).cost == Decimal(expected)


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (b"null", "costAmount is null, but must be a number"),
        (b'"120"', 'costAmount is "120", but must be a number'),
        (b"true", "costAmount is true, but must be a number"),
        (b"[120]", "costAmount is [120], but must be a number"),
        (b"{}", "costAmount is {}, but must be a number"),
        (b"NaN", "the body is not JSON: NaN is not a number"),
        (b"Infinity", "the body is not JSON: Infinity is not a number"),
        (b"-Infinity", "the body is not JSON: -Infinity is not a number"),
        (b"1e999", "costAmount is 1E+999, but must be a number from -1000000000000000000 to"),
        (b"-1.1e18", "costAmount is -1.1E+18, but must be a number from"),
        (b"1000000000000000001", "costAmount is 1000000000000000001, but must be a number from"),
        (b"9" * 5000, "9…, but must be a number from"),
        (b"1e99999999999999999999", "the body is not JSON"),
    ],
)
@pytest.mark.parametrize("field", ["costAmount", "budgetAmount"])
def test_what_is_no_amount_is_refused(field: str, amount: bytes, message: str) -> None:
    body = json.dumps({**BODY, "costAmount": 1, field: 120.5}).encode().replace(b"120.5", amount)

    assert message.replace("costAmount", field) in refusal(envelope(body))


def without(name: str) -> dict[str, object]:
    return {each: value for each, value in BODY.items() if each != name}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (without("costAmount"), "costAmount is missing"),
        (without("budgetAmount"), "budgetAmount is missing"),
        (without("currencyCode"), "currencyCode is missing"),
        (without("costIntervalStart"), "costIntervalStart is missing"),
        (BODY | {"currencyCode": None}, "currencyCode is null"),
        (BODY | {"currencyCode": ""}, 'currencyCode is "", but must be a non-empty string'),
        (BODY | {"currencyCode": 840}, "currencyCode is 840, but must be a non-empty string"),
        (BODY | {"currencyCode": "U" * 201}, 'currencyCode is "UUU'),
        (BODY | {"costIntervalStart": None}, "costIntervalStart is null"),
        (BODY | {"costIntervalStart": 1783000000}, "costIntervalStart is 1783000000, but must be a time"),
        (BODY | {"costIntervalStart": "July"}, 'costIntervalStart is "July", but must be a time'),
        (BODY | {"costIntervalStart": "2026-07-01"}, 'costIntervalStart is "2026-07-01", but must be a time'),
        (BODY | {"costIntervalStart": "2026-07-01T07:00:00"}, "but must be a time"),
        (BODY | {"costIntervalStart": "0001-01-01T00:00:00+23:00"}, "but must be a time"),
        (BODY | {"costIntervalStart": "1999-12-31T23:59:59Z"}, "but must be in the years 2000 to 2999"),
        (BODY | {"costIntervalStart": "3000-01-01T00:00:00Z"}, "but must be in the years 2000 to 2999"),
        (BODY | {"costIntervalStart": "\ud800"}, "but must be a time"),
        ([BODY], "the body is [{"),
        ("text", 'the body is "text", but must be a JSON object'),
        (None, "the body is null, but must be a JSON object"),
        (b"", "the message has no data"),
        (b'{"costAmount": 1, "costAmount": 2}', 'the body is not JSON: duplicate key "costAmount"'),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe\x00", "the body is not JSON"),
        (b"[" * 200_000, "the body is not JSON"),
        (b'{"a":' * 100_000, "the body is not JSON"),
        (b"x" * 10_000_000, "the body is not JSON"),
    ],
)
def test_a_body_that_is_no_notification_is_refused_with_the_reason(body: object, message: str) -> None:
    assert message in refusal(envelope(body))


@pytest.mark.parametrize(
    ("attributes", "body"),
    [
        ({"billingAccountId": ACCOUNT, "anomalyId": "7"}, {"costImpact": 9}),
        ({"schemaVersion": "1.0"}, {"anomalyName": "a", "projectName": "projects/1"}),
    ],
)
def test_a_notification_of_an_anomaly_is_named_as_one(attributes: dict[str, object], body: dict[str, object]) -> None:
    assert refusal(envelope(body, attributes)) == (
        "a notification of a cost anomaly, not of a budget: give anomalies a topic of their own"
    )
    assert read(envelope(BODY | body)).budget_id == BUDGET_ID


def test_a_push_without_its_wrapper_is_named_as_one() -> None:
    found = read_notification(BODY)

    assert isinstance(found, Malformed)
    assert found.reason.startswith("pushed without its wrapper, so that no attribute names the budget: switch off")
    assert json.loads(found.message.body) == BODY


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the message has no data"),
        ([], "the message has no data"),
        ({}, "the message has no data"),
        ({"message": None}, "the message has no data"),
        ({"message": "text"}, "the message has no data"),
        (envelope(data=None), "the message has no data"),
        (envelope(data=""), "the message has no data"),
        (envelope(data=7), "the message has no data"),
        (envelope(data=b"e30="), "the message has no data"),
        (envelope(data="e30"), "the message's data is not base64"),
        (envelope(data="e3 0="), "the message's data is not base64"),
        (envelope(data="é" * 4), "the message's data is not base64"),
        (envelope(data="\ud800" * 4), "the message's data is not base64"),
        (envelope(messageId=None), "the message has no usable messageId"),
        (envelope(messageId=""), "the message has no usable messageId"),
        (envelope(messageId=17), "the message has no usable messageId"),
        (envelope(messageId=["message-1"]), "the message has no usable messageId"),
        (envelope(publishTime=None), "the message has no usable publishTime"),
        (envelope(publishTime="then"), "the message has no usable publishTime"),
        (envelope(publishTime="1970-01-01T00:00:00Z"), "the message has no usable publishTime"),
        (envelope(publishTime=1783000000), "the message has no usable publishTime"),
        (envelope(attributes=None), "attribute schemaVersion is missing"),
        (envelope(attributes=[]), "attribute schemaVersion is missing"),
        (envelope(attributes={}), "attribute schemaVersion is missing"),
        (envelope(attributes={**ATTRIBUTES, "schemaVersion": "2.0"}), 'schemaVersion is "2.0", but must be 1.0'),
        (envelope(attributes={**ATTRIBUTES, "schemaVersion": 1.0}), "attribute schemaVersion is missing"),
        (envelope(attributes={**ATTRIBUTES, "schemaVersion": "9" * 500}), 'schemaVersion is "999'),
        (
            envelope(attributes={**ATTRIBUTES, "budgetId": ""}),
            'attribute budgetId is "", but must be',
        ),
        (envelope(attributes={**ATTRIBUTES, "budgetId": None}), "attribute budgetId is missing"),
        (envelope(attributes={"schemaVersion": "1.0"}), "attribute budgetId is missing"),
    ],
)
def test_an_envelope_that_holds_no_notification_is_refused_with_the_reason(data: object, message: str) -> None:
    assert message in refusal(data)


def test_what_is_malformed_keeps_its_id_its_time_and_the_beginning_of_its_body() -> None:
    found = read_notification(envelope(b"[" + b"1," * 10_000))

    assert isinstance(found, Malformed)
    assert (found.message.message_id, found.message.published_at) == ("message-1", NOW)
    assert found.message.body == ("[" + "1," * 10_000)[:10_000]
    assert found.message.attributes == ATTRIBUTES
    empty = read_notification(envelope(data=None))
    assert (empty.message.body, empty.message.attributes, empty.message.message_id) == ("", ATTRIBUTES, "message-1")


def test_a_message_without_a_billing_account_has_an_empty_one() -> None:
    assert read(envelope(attributes={"budgetId": BUDGET_ID, "schemaVersion": "1.0"})).billing_account_id == ""


@pytest.mark.parametrize("code", ["X", "X" * 200])
def test_any_currency_code_is_read_and_left_to_the_policy(code: str) -> None:
    assert read(envelope(BODY | {"currencyCode": code})).currency == code


def test_half_a_surrogate_pair_does_not_reach_the_record() -> None:
    data = envelope(BODY | {"budgetDisplayName": "\ud800x"}, ATTRIBUTES | {"budgetId": "\udfff"}, messageId="\ud800")
    found = read(data)

    assert (found.display_name, found.budget_id, found.message.message_id) == ("?x", "?", "?")
    found.message.body.encode()


def test_a_display_name_of_another_type_is_none() -> None:
    assert read(envelope(BODY | {"budgetDisplayName": 5})).display_name == ""


@pytest.mark.parametrize("field", sorted(BODY))
@pytest.mark.parametrize(
    "value", [None, True, 0, -1, 10**30, 1.5, "", "x", "NaN", "1e999", [], {}, [[[]]], "\ud800", "é" * 20_000]
)
def test_no_value_of_any_field_raises_or_stops_what_it_should_not(field: str, value: object) -> None:
    found = read_notification(envelope(BODY | {field: value}))

    verdict = first_verdict(found, policy(), NOW)
    usable = isinstance(found, BudgetNotification) and found.cost >= found.budget > 0 and found.currency == "USD"
    assert verdict.reason
    assert verdict.may_stop is usable


@pytest.mark.parametrize(
    ("body", "name", "target", "plan_hash"),
    [
        ({"command": "approve", "plan": "8453:abcd"}, CommandName.APPROVE, "8453", "abcd"),
        ({"command": "undo", "message_id": "8453"}, CommandName.UNDO, "8453", None),
    ],
)
def test_a_command_names_its_message(
    body: dict[str, object], name: CommandName, target: str, plan_hash: str | None
) -> None:
    found = read_command(envelope(body))

    assert isinstance(found, Command)
    assert (found.name, found.target, found.plan_hash, found.published_at) == (name, target, plan_hash, NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "command is missing"),
        ({"command": "stop"}, 'command is "stop", but must be approve or undo'),
        ({"command": "approve"}, "plan is missing"),
        ({"command": "approve", "plan": "8453"}, 'plan is "8453", but must be the id of a plan, MESSAGE:HASH'),
        ({"command": "undo", "message_id": "1" * 201}, "must be the id of a message"),
    ],
)
def test_what_is_no_command_says_what_is_wrong(body: dict[str, object], reason: str) -> None:
    found = read_command(envelope(body))

    assert isinstance(found, Malformed)
    assert reason in found.reason
