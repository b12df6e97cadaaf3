"""The control interface of the emulators, and the process that serves them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.cloud import monitoring_v3
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from infra.local.emulators.cloud import FIRST_SCAN, Cloud

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


def control(cloud: Cloud, path: str, method: str = "POST", body: object = None) -> Any:  # noqa: ANN401 (JSON)
    """What the control interface answers."""
    return requests.request(method, f"{cloud.rest_url}/_control/{path}", json=body, timeout=5).json()


def compute(cloud: Cloud) -> requests.Response:
    """A page of instances."""
    return requests.get(f"{cloud.rest_url}/compute/v1/projects/research-ml/aggregated/instances", timeout=5)


def test_the_clock_stands_still_until_it_is_moved(cloud: Cloud) -> None:
    assert control(cloud, "state", "GET")["now"] == "2026-07-21T01:07:00.000Z"
    assert control(cloud, "clock", body={"advance_seconds": 3600})["now"] == "2026-07-21T02:07:00.000Z"
    assert control(cloud, "clock", body={"now": "2026-07-22T08:00:00+02:00"})["now"] == "2026-07-22T06:00:00.000Z"


@pytest.mark.parametrize("wrong", [{"now": "yesterday"}, {"now": "2026-07-22T08:00:00"}, {}, []])
def test_a_wrong_clock_is_refused_and_changes_nothing(cloud: Cloud, wrong: object) -> None:
    assert "error" in control(cloud, "clock", body=wrong)
    assert cloud.state.clock.now == FIRST_SCAN


def test_faults_come_and_go(cloud: Cloud) -> None:
    control(cloud, "faults", body=[{"service": "compute", "kind": "status", "status": 429}])
    assert compute(cloud).status_code == 429
    assert control(cloud, "faults", "DELETE")["faults"] == []
    assert compute(cloud).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        [{"service": "compute", "kind": "sulk"}],
        [{"service": "compute", "kind": "status", "when": "always"}],
        [{"service": "compute", "kind": "unreachable_zone"}],
        [{"kind": "status"}],
        {},
        7,
    ],
)
def test_a_fault_that_nobody_knows_is_refused(cloud: Cloud, wrong: object) -> None:
    answer = requests.post(f"{cloud.rest_url}/_control/faults", json=wrong, timeout=5)
    assert answer.status_code == (200 if wrong == {} else 400)
    assert not cloud.state.faults.rules


def test_requests_are_counted_by_service_and_method(cloud: Cloud) -> None:
    compute(cloud)
    compute(cloud)
    assert control(cloud, "state", "GET")["requests"] == {"compute": {"instances.aggregatedList": 2}}
    assert control(cloud, "requests", "DELETE")["requests"] == {}


def test_what_was_published_and_written_can_be_looked_at(cloud: Cloud) -> None:
    with grpc.insecure_channel(cloud.grpc_target) as channel:
        publisher = PublisherClient(transport=PublisherClient.get_transport_class("grpc")(channel=channel))
        publisher.create_topic(name="projects/p/topics/t")
        publisher.publish(topic="projects/p/topics/t", messages=[PubsubMessage(data=b"hello")])
        transport = monitoring_v3.MetricServiceClient.get_transport_class("grpc")
        metrics = monitoring_v3.MetricServiceClient(transport=transport(channel=channel))
        series = {
            "metric": {"type": "custom.googleapis.com/cost"},
            "resource": {"type": "global"},
            "points": [{"interval": {"end_time": FIRST_SCAN}, "value": {"double_value": 2.5}}],
        }
        metrics.create_time_series(request={"name": "projects/research-ml", "time_series": [series]})
    (message,) = control(cloud, "messages", "GET")
    (written,) = control(cloud, "metrics", "GET")["research-ml"]
    assert (message["topic"], message["data"]) == ("projects/p/topics/t", "aGVsbG8=")
    assert written["points"][0]["value"] == {"doubleValue": 2.5}


def test_a_metrics_scope_can_be_set(cloud: Cloud) -> None:
    state = control(cloud, "metrics-scopes", body={"research-ml": ["web-frontend"]})
    assert state["metrics_scopes"] == {"research-ml": ["web-frontend"]}


def test_the_process_prints_its_addresses_and_ends_on_sigterm() -> None:
    command = [
        sys.executable,
        "-m",
        "infra.local.emulators.cloud",
        "--synthetic-vms",
        "40",
        "--synthetic-projects",
        "2",
    ]
    with subprocess.Popen(  # noqa: S603 (our own module)
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        state = requests.get(f"{addresses['rest']}/_control/state", timeout=5).json()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert (state["vms"], len(state["projects"])) == (40, 2)
    assert addresses["grpc"].startswith("127.0.0.1:")
