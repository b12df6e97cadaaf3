"""Google's capacity history: read from Compute Engine, recorded in BigQuery, and compared with our own prices."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.local.stack.stack import Stack
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.capacity import ComputeCapacity, to_reading
from spotkeeper.tracking.capacity import (
    Reading,
    ReadingStatus,
    Target,
)
from spotkeeper.tracking.capacity_days import PreemptionSpan
from spotkeeper.tracking.capacity_prices import PriceSpan

HERE = Target("n2-standard-8", "us-central1")
START, CHANGE, END = (datetime(2026, 7, number, 7, tzinfo=UTC) for number in (1, 10, 21))
INTERVAL = {"startTime": "2026-07-01T07:00:00Z", "endTime": "2026-07-10T07:00:00Z"}

BACKWARDS = {"startTime": INTERVAL["endTime"], "endTime": INTERVAL["startTime"]}


def answer(**more: object) -> dict[str, Any]:
    return {"machineType": HERE.machine_type, "location": "https://…/projects/p/regions/us-central1", **more}


def priced(**money: object) -> dict[str, Any]:
    return answer(priceHistory=[{"interval": INTERVAL, "listPrice": {"currencyCode": "USD", **money}}])


@pytest.mark.parametrize(
    ("money", "usd"),
    [
        ({"nanos": "478720000"}, "0.47872"),
        ({"nanos": 478720000}, "0.47872"),
        ({"units": "2"}, "2"),
        ({"units": "1", "nanos": "1"}, "1.000000001"),
    ],
)
def test_money_is_read_without_units_or_nanos_and_with_nanos_as_text(money: dict[str, object], usd: str) -> None:
    [price] = to_reading(HERE, priced(**money)).prices

    assert price == PriceSpan(START, CHANGE, Decimal(usd))


@pytest.mark.parametrize("money", [{}, {"units": "0", "nanos": 0}])
def test_a_price_of_zero_is_no_price(money: dict[str, object]) -> None:
    """No Spot VM is free; a price that Google leaves out must not make hours cost nothing."""
    assert to_reading(HERE, priced(**money)) == Reading(HERE, ReadingStatus.READ)


def test_an_interval_without_any_time_is_left_out() -> None:
    empty = {"startTime": INTERVAL["startTime"], "endTime": INTERVAL["startTime"]}
    money = {"currencyCode": "USD", "units": "1"}

    assert to_reading(HERE, answer(priceHistory=[{"interval": empty, "listPrice": money}])).prices == ()


def test_a_rate_of_zero_is_a_rate_and_an_empty_history_is_none() -> None:
    found = to_reading(HERE, answer(preemptionHistory=[{"interval": INTERVAL}]))

    assert found.preemptions == (PreemptionSpan(START, CHANGE, Decimal(0)),)
    assert to_reading(HERE, answer()) == Reading(HERE, ReadingStatus.READ)


@pytest.mark.parametrize(
    "found",
    [
        answer(machineType="n2-standard-4"),
        answer(location="https://…/regions/us-east1"),
        answer(preemptionHistory=[{"interval": INTERVAL, "preemptionRate": 1.1}]),
        answer(preemptionHistory=[{"preemptionRate": 0.1}]),
        answer(priceHistory=[{"interval": {}, "listPrice": {"currencyCode": "USD"}}]),
        answer(priceHistory="none"),
        priced(currencyCode="EUR"),
        priced(nanos="1000000000"),
        priced(units=-1),
        priced(nanos="-478720000"),
        priced(nanos=0.5),
        answer(priceHistory=[{"interval": INTERVAL}]),
        answer(priceHistory=[{"interval": BACKWARDS, "listPrice": {"currencyCode": "USD", "units": 1}}]),
        answer(
            priceHistory=[
                {"interval": {"startTime": start}, "listPrice": {"currencyCode": "USD", "units": 1}}
                for start in INTERVAL.values()
            ]
        ),
    ],
)
def test_a_history_in_another_form_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match="Compute Engine: unexpected response: history of n2-standard-8"):
        to_reading(HERE, found)


@pytest.fixture
def reader(stack: Stack) -> Iterator[ComputeCapacity]:
    stack.set_time(datetime(2026, 7, 23, 12, tzinfo=UTC))
    yield ComputeCapacity(stack.rest, timedelta(seconds=0.3))
    stack.control("POST", "reset")


def test_a_region_is_read_with_its_prices_and_a_zone_without(reader: ComputeCapacity) -> None:
    region = reader.history("research-ml", HERE)
    zone = reader.history("research-ml", Target("n2-standard-8", "us-central1", "us-central1-a"))

    assert [each.usd for each in region.prices] == [Decimal("0.167504"), Decimal("0.18424")]
    assert [each.start for each in region.prices][1:] == [datetime(2026, 7, 22, 7, tzinfo=UTC)]
    assert (zone.status, zone.prices) == (ReadingStatus.READ, ())


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (Target("n2-custom-8-16384", "us-central1"), ReadingStatus.UNSUPPORTED),
        (Target("x9-standard-8", "us-central1"), ReadingStatus.UNSUPPORTED),
    ],
)
def test_a_type_without_history_is_unsupported(reader: ComputeCapacity, target: Target, status: ReadingStatus) -> None:
    assert reader.history("research-ml", target).status is status


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (429, "", ReadingStatus.QUOTA_EXHAUSTED),
        (403, "rateLimitExceeded", ReadingStatus.QUOTA_EXHAUSTED),
        (403, "", ReadingStatus.UNAVAILABLE),
        (503, "", ReadingStatus.UNAVAILABLE),
    ],
)
def test_a_failed_call_is_a_reading_with_its_status(
    stack: Stack, reader: ComputeCapacity, code: int, reason: str, status: ReadingStatus
) -> None:
    rule = {
        "service": "compute",
        "method": "advice.capacityHistory",
        "kind": "status",
        "status": code,
        "reason": reason,
    }
    stack.control("POST", "faults", [rule])

    found = reader.history("research-ml", HERE)

    assert found.status is status
    assert str(code) in found.detail
