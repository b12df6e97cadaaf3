"""The control interface of the Compute Engine emulator: what tests see, set and undo."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from google.cloud import compute_v1

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.operations import DEFAULT_SECONDS

TRAINER = {"project": "research-ml", "zone": "us-central1-a", "instance": "trainer-t4"}
GROUP = {"project": "web-frontend", "scope": "zones/us-east1-b", "name": "api-mig"}

type Instances = compute_v1.InstancesClient
type Control = Callable[..., Any]


def test_calls_that_are_to_change_something_are_kept(cloud: Cloud, instances: Instances, control: Control) -> None:
    number = str(uuid.uuid4())
    instances.get(request=TRAINER)
    instances.stop_unary(request={**TRAINER, "request_id": number, "discard_local_ssd": True})
    requests.post(f"{cloud.rest_url}/compute/v1/projects/p/zones/z/instances/i/start", json={"a": 1}, timeout=5)
    stop, start = control("GET", "calls")
    expected = {**TRAINER, "method": "instances.stop", "request_id": number, "at": "2026-07-21T01:07:00.000Z"}
    assert expected.items() <= stop.items()
    assert (stop["status"], stop["query"]["discardLocalSsd"]) == (200, "true")
    assert (start["method"], start["status"], start["body"]) == ("instances.start", 403, '{"a": 1}')
    control("DELETE", "calls")
    assert control("GET", "calls") == []


def test_vms_can_be_looked_at(control: Control) -> None:
    (found,) = control("GET", "instances?name=trainer-t4")
    running = control("GET", "instances?project=research-ml&status=RUNNING")
    assert found["status"] == "RUNNING"
    assert found["started"] == "2026-07-20T04:00:00.000Z"
    assert found in running
    assert {one["project"] for one in running} == {"research-ml"}


def test_operations_take_the_time_that_is_set(cloud: Cloud, instances: Instances, control: Control) -> None:
    control("POST", "operations", {"seconds": 3600, "wait_seconds": 0})
    begun = instances.stop_unary(request=TRAINER)
    (operation,) = control("GET", "operations?project=research-ml")
    assert operation["name"] == begun.name
    assert "endTime" not in operation
    assert control("GET", "operations?project=web-frontend") == []
    assert cloud.state.operations.wait_seconds == 0


def test_groups_can_be_looked_at(control: Control) -> None:
    (found,) = [one for one in control("GET", "groups") if one["name"] == "api-mig"]
    assert GROUP.items() <= found.items()
    assert [member["name"] for member in found["members"]] == ["api-mig-4r7t", "api-mig-9bcd"]
    assert (found["target_size"], found["target_stopped_size"]) == (2, 0)


def test_a_reset_undoes_everything_but_the_clock(cloud: Cloud, instances: Instances, control: Control) -> None:
    control("POST", "permissions", [{"project": "web-frontend", "denied": ["compute.instances.stop"]}])
    control("POST", "groups", {**GROUP, "default_action_on_failure": "DO_NOTHING"})
    control("POST", "operations", {"seconds": 7})
    control("POST", "instances", {"project": "web-frontend", "name": "bastion", "status": "HOVERING"})
    instances.stop_unary(request=TRAINER)
    control("POST", "clock", {"advance_seconds": 60})
    control("POST", "reset")
    assert cloud.state.fleet == cloud.state.original
    assert cloud.state.operations.seconds == DEFAULT_SECONDS
    assert instances.get(request=TRAINER).status == "RUNNING"
    assert control("GET", "operations") == control("GET", "calls") == []
    assert {one["default_action_on_failure"] for one in control("GET", "groups")} == {"REPAIR"}
    assert instances.stop_unary(request={**TRAINER, "project": "research-ml"}).operation_type == "stop"
    assert not cloud.state.permissions.denials
    assert control("GET", "state")["now"] == "2026-07-21T01:08:00.000Z"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("operations", {"minutes": 1}),
        ("operations", {}),
        ("operations", {"seconds": "soon"}),
        ("permissions", [{"project": "p", "forbidden": []}]),
        ("permissions", [{"denied": ["compute.instances.fly"]}]),
        ("permissions", [{"project": "p"}]),
        ("instances", {"project": "research-ml", "name": "nobody", "status": "RUNNING"}),
        ("instances", {"project": "data-platform", "name": "twin", "status": "RUNNING", "id": 7}),
        ("instances", {"project": "data-platform", "name": "twin", "status": "RUNNING"}),
        ("instances", {"project": "research-ml", "name": "trainer-t4", "status": 7}),
        ("groups", {**GROUP, "default_action_on_failure": "SULK"}),
        ("groups", {**GROUP, "name": "nobody"}),
        ("groups", {**GROUP, "size": 7}),
    ],
)
def test_what_control_does_not_understand_is_refused(cloud: Cloud, control: Control, path: str, wrong: object) -> None:
    assert "error" in control("POST", path, wrong)
    assert cloud.state.fleet is cloud.state.original
    assert not cloud.state.permissions.denials


def test_a_twin_s_status_is_set_by_its_zone(cloud: Cloud, control: Control) -> None:
    instance = {"project": "data-platform", "name": "twin", "zone": "europe-west1-b", "status": "HOVERING"}
    control("POST", "instances", instance)
    shown = {vm.zone: vm.status(cloud.state.clock.now) for vm in cloud.state.fleet.vms if vm.name == "twin"}
    assert shown == {"us-central1-a": "RUNNING", "europe-west1-b": "HOVERING"}
