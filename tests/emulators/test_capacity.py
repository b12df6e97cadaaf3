"""The emulator of Compute Engine's capacity advice, as Google's client library and plain HTTP see it."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import compute_v1

from infra.local.emulators.cloud import Cloud

SPOT = {"provisioning_model": "SPOT"}


@pytest.fixture
def advice(make_client: Callable[..., Any]) -> compute_v1.AdviceClient:
    client: compute_v1.AdviceClient = make_client(compute_v1.AdviceClient)
    return client


def history(
    advice: compute_v1.AdviceClient, machine_type: str, zone: str = "", types: tuple[str, ...] = ("PREEMPTION",)
) -> compute_v1.CapacityHistoryResponse:
    asked = compute_v1.CapacityHistoryRequest(
        types=list(types),
        instance_properties={"machine_type": machine_type, "scheduling": SPOT},
        **({"location_policy": {"location": f"zones/{zone}"}} if zone else {}),
    )
    return advice.capacity_history(project="research-ml", region="us-central1", capacity_history_request_resource=asked)


def test_a_region_has_prices_of_a_year_with_the_time_of_each_change(
    cloud: Cloud, advice: compute_v1.AdviceClient
) -> None:
    now = cloud.state.clock.now = datetime(2026, 7, 23, 12, tzinfo=UTC)

    found = history(advice, "n2-standard-8", types=("PRICE",))

    assert found.machine_type == "n2-standard-8"
    assert found.location.endswith("/projects/research-ml/regions/us-central1")
    prices = [Decimal(span.list_price.nanos).scaleb(-9) for span in found.price_history]
    times = [
        (datetime.fromisoformat(span.interval.start_time), datetime.fromisoformat(span.interval.end_time))
        for span in found.price_history
    ]
    change = datetime(2026, 7, 22, 7, tzinfo=UTC)
    assert prices == [
        8 * Decimal("0.01363") + 32 * Decimal("0.001827"),
        8 * Decimal("0.01499") + 32 * Decimal("0.00201"),
    ]
    assert times == [(now - timedelta(days=365), change), (change, now)]


def test_money_has_no_zero_units_and_its_nanos_are_text(cloud: Cloud) -> None:
    body = {
        "types": ["PRICE"],
        "instanceProperties": {"machineType": "n2-standard-8", "scheduling": {"provisioningModel": "SPOT"}},
    }
    address = f"{cloud.rest_url}/compute/v1/projects/research-ml/regions/us-central1/advice/capacityHistory"

    [*_, latest] = requests.post(address, json=body, timeout=5).json()["priceHistory"]

    assert latest["listPrice"].keys() == {"currencyCode", "nanos"}
    assert isinstance(latest["listPrice"]["nanos"], str)


def test_equal_rates_of_neighbouring_days_are_one_interval_of_days_in_los_angeles(
    cloud: Cloud, advice: compute_v1.AdviceClient
) -> None:
    cloud.state.clock.now = datetime(2026, 11, 10, 12, tzinfo=UTC)

    spans = history(advice, "n2-standard-8").preemption_history

    times = [
        (datetime.fromisoformat(span.interval.start_time), datetime.fromisoformat(span.interval.end_time))
        for span in spans
    ]
    assert 0 < len(spans) < 30
    assert all(before.preemption_rate != after.preemption_rate for before, after in itertools.pairwise(spans))
    # Clocks change on 1 November: thirty days have 30 x 24 + 1 hours, and today is whole.
    assert times[-1][1] - times[0][0] == timedelta(days=30, hours=1)
    assert {at.hour for span in times for at in span} <= {7, 8}


@pytest.mark.parametrize(
    ("machine_type", "zone", "types", "error"),
    [
        ("n2-custom-8-16384", "", ("PREEMPTION",), exceptions.BadRequest),
        ("x9-standard-8", "", ("PREEMPTION",), exceptions.NotFound),
        ("n2-standard-8", "us-central1-a", ("PRICE",), exceptions.BadRequest),
        ("n2-standard-8", "europe-west1-b", ("PREEMPTION",), exceptions.BadRequest),
        ("n2-standard-8", "", (), exceptions.BadRequest),
    ],
)
def test_what_has_no_history_is_refused(
    advice: compute_v1.AdviceClient, machine_type: str, zone: str, types: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        history(advice, machine_type, zone, types)


def test_capacity_is_scored_for_a_size_and_names_a_zone(cloud: Cloud, advice: compute_v1.AdviceClient) -> None:
    def asked(size: int) -> compute_v1.CapacityAdviceResponse:
        return advice.capacity(
            project="research-ml",
            region="us-central1",
            capacity_advice_request_resource=compute_v1.CapacityAdviceRequest(
                size=size,
                instance_properties={"scheduling": SPOT},
                instance_flexibility_policy={"instance_selections": {"a": {"machine_types": ["n2-standard-8"]}}},
                distribution_policy={"target_shape": "ANY", "zones": [{"zone": "zones/us-central1-a"}]},
            ),
        )

    [few], [many] = asked(1).recommendations, asked(800).recommendations

    assert few.scores.obtainability > many.scores.obtainability > 0
    assert few.scores.estimated_uptime.endswith("s")
    assert [(shard.zone, shard.instance_count) for shard in few.shards] == [("us-central1-a", 1)]
    assert cloud.state.requests["compute", "advice.capacity"] == 2
