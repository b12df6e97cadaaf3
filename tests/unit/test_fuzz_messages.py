"""Whatever a Pub/Sub message holds, it is read as a notification or refused with a reason, and both can be recorded."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.notifications import BudgetNotification, read_notification
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import first_verdict
from spotkeeper.gcp.bigquery.delivery_records import delivery_parameters
from spotkeeper.gcp.bigquery.rest_query import _as_json
from tests.unit.any_json import any_json, nested, spoilt, written

NOW = datetime(2026, 7, 21, 14, 7, tzinfo=UTC)
BODY = {
    "budgetDisplayName": "Spot",
    "alertThresholdExceeded": 1.0,
    "costAmount": 1200.5,
    "costIntervalStart": "2026-07-01T07:00:00Z",
    "budgetAmount": 1000,
    "budgetAmountType": "SPECIFIED_AMOUNT",
    "currencyCode": "USD",
}
ATTRIBUTES = {"billingAccountId": "account", "budgetId": "spot", "schemaVersion": "1.0"}
TRACKER = ATTRIBUTES | {"source": "spotkeeper.track_spot_costs", "period": "month"}
POLICY = Policy.from_json('{"budgets": {"spot": {"projects": ["my-project-1"]}}}')


def envelope(body: bytes, attributes: object = ATTRIBUTES) -> dict[str, Any]:
    message = {
        "data": base64.b64encode(body).decode(),
        "messageId": "1",
        "publishTime": "2026-07-21T14:00:00Z",
        "attributes": attributes,
    }
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


def recorded(data: object) -> BudgetNotification | None:
    """What the data says, once it was judged and written down as every delivery is."""
    found = read_notification(data)
    verdict = first_verdict(found, POLICY, NOW)
    row = delivery_parameters(Delivery("d", NOW, Mode.ENFORCE, found, verdict, NOW))
    json.dumps([_as_json(each) for each in row], ensure_ascii=False).encode()
    assert verdict.reason
    if isinstance(found, BudgetNotification):
        assert found.cost.is_finite()
        assert found.budget.is_finite()
        assert found.interval_start.tzinfo is UTC
        assert found.published_at.tzinfo is UTC
        assert found.currency
        assert found.budget_id
        assert verdict.may_stop <= (found.cost >= found.budget > 0)
        return found
    assert found.reason
    assert not verdict.may_stop
    return None


def test_the_sample_is_a_notification() -> None:
    assert recorded(envelope(written(BODY))) is not None
    assert recorded(envelope(written(BODY), TRACKER)) is not None


@given(any_json)
def test_any_data_is_judged(data: object) -> None:
    assert recorded(data) is None


@given(spoilt(envelope(written(BODY))))
def test_an_envelope_with_something_wrong_is_judged(data: object) -> None:
    recorded(data)


@given(spoilt(TRACKER))
def test_attributes_with_something_wrong_are_judged(attributes: object) -> None:
    recorded(envelope(written(BODY), attributes))


@given(spoilt([BODY]) | any_json)
def test_a_body_with_something_wrong_is_judged(body: object) -> None:
    recorded(envelope(written(body[0] if isinstance(body, list) and len(body) == 1 else body)))


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda text: text.encode(errors="replace")))
def test_a_body_of_any_bytes_is_no_notification(body: bytes) -> None:
    assert recorded(envelope(body)) is None


@given(st.decimals(allow_nan=False) | st.integers(-(10**20), 10**20).map(Decimal), st.sampled_from(["cost", "budget"]))
def test_any_amount_is_judged(amount: Decimal, name: str) -> None:
    body = written(BODY).replace(b"1200.5" if name == "cost" else b"1000", str(amount).encode())
    recorded(envelope(body))


@pytest.mark.parametrize("depth", [10, 900, 5_000, 9_900, 200_000])
@pytest.mark.parametrize("around", ["[]", "{}"])
def test_however_deeply_a_body_is_nested_it_is_judged(depth: int, around: str) -> None:
    deep = nested(depth, around)

    assert recorded(envelope(deep.encode())) is None
    assert recorded(envelope(written(BODY).replace(b"1000", deep.encode()))) is None
    recorded(envelope(written(BODY).replace(b"1.0", deep.encode())))
