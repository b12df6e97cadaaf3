"""Autoscalers of managed instance groups on the Compute Engine emulator, as Google's client library sees them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.permissions import Denial

PROJECT = "web-frontend"
ZONAL = {"project": PROJECT, "zone": "us-east1-b", "autoscaler": "api-mig"}
REGIONAL = {"project": PROJECT, "region": "europe-west1", "autoscaler": "web-rmig"}
API = {"project": PROJECT, "scope": "zones/us-east1-b", "name": "api-mig"}
WEB = {"project": PROJECT, "scope": "regions/europe-west1", "name": "web-rmig"}

type Control = Callable[..., Any]
type Finished = Callable[[compute_v1.Operation], compute_v1.Operation]
type Zonal = compute_v1.AutoscalersClient


@pytest.fixture
def zonal(make_client: Callable[..., Any], control: Control) -> Zonal:
    for group in (API, WEB):
        control("POST", "groups", {**group, "autoscaled": True})
    client: Zonal = make_client(compute_v1.AutoscalersClient)
    return client


def patch(mode: str, **more: str) -> compute_v1.PatchAutoscalerRequest:
    resource = {"autoscaling_policy": {"mode": mode}}
    return compute_v1.PatchAutoscalerRequest({**ZONAL, "autoscaler_resource": resource, **more})


def test_a_patch_of_the_mode_leaves_the_rest_of_the_policy(zonal: Zonal, finished: Finished) -> None:
    before = zonal.get(request=ZONAL)
    operation = finished(zonal.patch_unary(request=patch("OFF")))
    after = zonal.get(request={**ZONAL, "autoscaler": str(before.id)})

    assert (before.autoscaling_policy.mode, after.autoscaling_policy.mode) == ("ON", "OFF")
    assert operation.operation_type == "compute.autoscalers.patch"
    assert after.autoscaling_policy.max_num_replicas == before.autoscaling_policy.max_num_replicas == 10
    assert after.target.endswith("/zones/us-east1-b/instanceGroupManagers/api-mig")


def test_a_regional_autoscaler_is_patched_in_its_region(
    zonal: Zonal, make_client: Callable[..., Any], control: Control
) -> None:
    regional: compute_v1.RegionAutoscalersClient = make_client(compute_v1.RegionAutoscalersClient)
    resource = {"autoscaling_policy": {"mode": "ONLY_SCALE_OUT"}}
    regional.patch_unary(request={**REGIONAL, "autoscaler_resource": resource})

    assert regional.get(request=REGIONAL).autoscaling_policy.mode == "ONLY_SCALE_OUT"
    assert zonal.get(request=ZONAL).autoscaling_policy.mode == "ON"
    [web] = [group for group in control("GET", "groups") if group["name"] == "web-rmig"]
    assert web["autoscaling_mode"] == "ONLY_SCALE_OUT"


def test_the_list_has_those_of_all_zones_and_regions_page_by_page(zonal: Zonal) -> None:
    request = {"project": PROJECT, "max_results": 1}
    found = [one.name for _, scope in zonal.aggregated_list(request=request) for one in scope.autoscalers]

    assert sorted(found) == ["api-mig", "web-rmig"]


def test_the_same_request_is_carried_out_once(zonal: Zonal) -> None:
    number = str(uuid.uuid4())
    first = zonal.patch_unary(request=patch("OFF", request_id=number))
    zonal.patch_unary(request=patch("ON"))
    again = zonal.patch_unary(request=patch("OFF", request_id=number))

    assert first.name == again.name
    assert zonal.get(request=ZONAL).autoscaling_policy.mode == "ON"
    with pytest.raises(exceptions.BadRequest, match="belongs to another request"):
        zonal.patch_unary(request=patch("ON", request_id=number))


def test_an_operation_that_fails_changes_nothing(cloud: Cloud, zonal: Zonal, finished: Finished) -> None:
    fault = Rule("compute", Kind.OPERATION_ERROR, "autoscalers.patch", code="RESOURCE_NOT_READY", message="not ready")
    cloud.state.faults.replace([fault])
    operation = finished(zonal.patch_unary(request=patch("OFF")))

    assert operation.error.errors[0].code == "RESOURCE_NOT_READY"
    assert zonal.get(request=ZONAL).autoscaling_policy.mode == "ON"


CALLS: dict[str, Callable[[Zonal], object]] = {
    "compute.autoscalers.get": lambda zonal: zonal.get(request=ZONAL),
    "compute.autoscalers.update": lambda zonal: zonal.patch_unary(request=patch("OFF")),
    "compute.autoscalers.list": lambda zonal: list(zonal.aggregated_list(request={"project": PROJECT})),
}


@pytest.mark.parametrize("denied", CALLS)
def test_each_method_needs_its_permission(cloud: Cloud, zonal: Zonal, denied: str) -> None:
    cloud.state.permissions.denials = (Denial(PROJECT, denied=(denied,)),)

    with pytest.raises(exceptions.Forbidden, match=denied):
        CALLS[denied](zonal)


def test_what_it_does_not_have_or_know_is_refused(zonal: Zonal) -> None:
    with pytest.raises(exceptions.NotFound):
        zonal.get(request={**ZONAL, "autoscaler": "nobody"})
    with pytest.raises(exceptions.BadRequest, match="mode"):
        zonal.patch_unary(request=patch("SIDEWAYS"))


def test_a_group_whose_autoscaler_is_off_starts_no_member_again(
    cloud: Cloud, zonal: Zonal, finished: Finished, make_client: Callable[..., Any]
) -> None:
    finished(zonal.patch_unary(request=patch("OFF")))
    groups: compute_v1.InstanceGroupManagersClient = make_client(compute_v1.InstanceGroupManagersClient)
    body = {"instances": ["zones/us-east1-b/instances/api-mig-4r7t"]}
    group = {"project": PROJECT, "zone": "us-east1-b", "instance_group_manager": "api-mig"}
    groups.stop_instances_unary(request={**group, "instance_group_managers_stop_instances_request_resource": body})
    cloud.state.operations.seconds = 0
    cloud.state.clock.advance(3600)

    assert groups.get(request=group).target_stopped_size == 1
