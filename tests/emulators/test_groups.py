"""Managed instance groups on the Compute Engine emulator, as Google's client library sees them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.permissions import Denial

ZONAL = {"project": "web-frontend", "zone": "us-east1-b", "instance_group_manager": "api-mig"}
REGIONAL = {"project": "web-frontend", "region": "europe-west1", "instance_group_manager": "web-rmig"}
MEMBER = {"project": "web-frontend", "zone": "us-east1-b", "instance": "api-mig-4r7t"}
GROUP = {"project": "web-frontend", "scope": "zones/us-east1-b", "name": "api-mig"}
ALONE = {"project": "research-ml", "zone": "europe-west4-a", "name": "infer-l4"}
ONE = {"project": "research-ml", "zone": "europe-west4-a", "instance": "infer-l4"}
URL = "zones/us-east1-b/instances/api-mig-4r7t"
FULL_URL = f"https://www.googleapis.com/compute/v1/projects/web-frontend/{URL}"
REGIONAL_URL = "projects/web-frontend/zones/europe-west1-c/instances/web-rmig-p90d"
LIVE_LONG = 3600.0  # seconds, so that an operation ends only when the clock moves

type Instances = compute_v1.InstancesClient
type Zonal = compute_v1.InstanceGroupManagersClient
type Regional = compute_v1.RegionInstanceGroupManagersClient
type Finished = Callable[[compute_v1.Operation], compute_v1.Operation]
type Control = Callable[..., Any]


@pytest.fixture
def zonal(make_client: Callable[..., Any]) -> Zonal:
    client: Zonal = make_client(compute_v1.InstanceGroupManagersClient)
    return client


@pytest.fixture
def regional(make_client: Callable[..., Any]) -> Regional:
    client: Regional = make_client(compute_v1.RegionInstanceGroupManagersClient)
    return client


@pytest.fixture
def region_operations(make_client: Callable[..., Any]) -> compute_v1.RegionOperationsClient:
    client: compute_v1.RegionOperationsClient = make_client(compute_v1.RegionOperationsClient)
    return client


@pytest.fixture
def members_rest(control: Control) -> Callable[[], list[Any]]:
    """Wait for the members' own operations, which take longer than the group's."""

    def wait() -> list[Any]:
        while not (found := control("GET", "operations")) or any(one["status"] != "DONE" for one in found):
            pass
        return [one for one in found if one["operationType"] in ("stop", "start")]

    return wait


def stopping(*urls: str, **more: object) -> dict[str, object]:
    """What stopInstances takes."""
    body = {"instances": list(urls), **more}
    return {**ZONAL, "instance_group_managers_stop_instances_request_resource": body}


def starting(*urls: str) -> dict[str, object]:
    """What startInstances takes."""
    return {**ZONAL, "instance_group_managers_start_instances_request_resource": {"instances": list(urls)}}


def sizes(group: compute_v1.InstanceGroupManager) -> tuple[int, int]:
    """How many members are to run, and how many are not."""
    return group.target_size, group.target_stopped_size


def life(instances: Instances) -> tuple[str, int]:
    """The member's status and id."""
    found = instances.get(request=MEMBER)
    return found.status, found.id


def test_groups_are_those_that_vms_name(zonal: Zonal, regional: Regional) -> None:
    by_zone = {
        (project, zone): [group.name for group in zonal.list(project=project, zone=zone)]
        for project, zone in (
            ("web-frontend", "us-east1-b"),
            ("data-platform", "us-central1-b"),
            ("web-frontend", "us-east1-c"),
        )
    }
    assert by_zone == {
        ("web-frontend", "us-east1-b"): ["api-mig"],
        ("data-platform", "us-central1-b"): ["gke-etl-spot-pool-6f1c2a9e-grp"],
        ("web-frontend", "us-east1-c"): [],
    }
    assert [group.name for group in regional.list(project="web-frontend", region="europe-west1")] == ["web-rmig"]


def test_a_group_says_how_large_it_is_and_what_it_does_about_failures(zonal: Zonal, regional: Regional) -> None:
    group, spread = zonal.get(request=ZONAL), regional.get(request=REGIONAL)
    assert (sizes(group), sizes(spread)) == ((2, 0), (3, 0))
    assert group.zone.endswith("/zones/us-east1-b")
    assert spread.region.endswith("/regions/europe-west1")
    assert group.instance_lifecycle_policy.default_action_on_failure == "REPAIR"
    assert group.status.is_stable
    assert group.current_actions.none == 2


def test_a_member_that_its_group_stops_stays_stopped(
    cloud: Cloud, zonal: Zonal, instances: Instances, finished: Finished, members_rest: Callable[[], list[Any]]
) -> None:
    cloud.state.operations.seconds = LIVE_LONG
    before = life(instances)
    begun = zonal.stop_instances_unary(request=stopping(FULL_URL))
    by_type = {one.task.operation_type: one.due for one in cloud.state.operations.of_project("web-frontend")}
    cloud.state.clock.advance(1)
    flagged = finished(begun)
    in_between = life(instances)[0]
    cloud.state.clock.advance(3600)
    (member,) = members_rest()
    group = zonal.get(request=ZONAL)
    assert flagged.operation_type == "compute.instanceGroupManagers.stopInstances"
    assert flagged.target_link.endswith("/instanceGroupManagers/api-mig")
    assert by_type["stop"] - by_type[flagged.operation_type] > LIVE_LONG / 2
    assert in_between == "STOPPING"
    assert member["user"] == "928374650123@cloudservices.gserviceaccount.com"
    assert life(instances) == ("TERMINATED", before[1])
    assert sizes(group) == (1, 1)


def test_a_member_that_was_stopped_is_started_again_by_its_group(
    zonal: Zonal, instances: Instances, members_rest: Callable[[], list[Any]]
) -> None:
    before = life(instances)
    zonal.stop_instances_unary(request=stopping(URL, force_stop=True))
    members_rest()
    zonal.start_instances_unary(request=starting(URL))
    members_rest()
    assert life(instances) == before
    assert sizes(zonal.get(request=ZONAL)) == (2, 0)


def test_a_regional_group_stops_members_too(
    regional: Regional,
    region_operations: compute_v1.RegionOperationsClient,
    instances: Instances,
    members_rest: Callable[[], list[Any]],
) -> None:
    body = {"instances": [REGIONAL_URL]}
    begun = regional.stop_instances_unary(
        request={**REGIONAL, "region_instance_group_managers_stop_instances_request_resource": body}
    )
    where = {"project": "web-frontend", "region": "europe-west1", "operation": begun.name}
    waited = region_operations.wait(request=where)
    members_rest()
    assert begun.region.endswith("/regions/europe-west1")
    assert waited == region_operations.get(request=where)
    assert (waited.name, waited.status.name) == (begun.name, "DONE")
    assert instances.get(project="web-frontend", zone="europe-west1-c", instance="web-rmig-p90d").status == "TERMINATED"
    assert sizes(regional.get(request=REGIONAL)) == (2, 1)
    restart = {**REGIONAL, "region_instance_group_managers_start_instances_request_resource": body}
    regional.start_instances_unary(request=restart)
    members_rest()
    assert sizes(regional.get(request=REGIONAL)) == (3, 0)


def test_a_member_stopped_behind_its_group_s_back_is_made_again_with_another_id(
    cloud: Cloud, zonal: Zonal, instances: Instances, finished: Finished
) -> None:
    before = life(instances)
    finished(instances.stop_unary(request=MEMBER))
    seen = [life(instances)]
    for seconds in (59, 1, 20):
        cloud.state.clock.advance(seconds)
        seen.append(life(instances))
    assert [status for status, _ in seen] == ["TERMINATED", "TERMINATED", "PROVISIONING", "RUNNING"]
    assert [number == before[1] for _, number in seen] == [True, True, False, False]
    assert sizes(zonal.get(request=ZONAL)) == (2, 0)
    metadata = {item.key: item.value for item in instances.get(request=MEMBER).metadata.items}
    assert metadata["created-by"].endswith("/instanceGroupManagers/api-mig")


def test_a_member_started_in_time_is_not_made_again(cloud: Cloud, instances: Instances, finished: Finished) -> None:
    before = life(instances)
    finished(instances.stop_unary(request=MEMBER))
    cloud.state.clock.advance(10)
    finished(instances.start_unary(request=MEMBER))
    cloud.state.clock.advance(3600)
    lives = cloud.state.fleet.named("web-frontend", "us-east1-b", "api-mig-4r7t")
    assert life(instances) == before
    assert len(lives) == 1


def test_a_group_that_does_nothing_about_failures_leaves_a_member_stopped(
    cloud: Cloud, zonal: Zonal, instances: Instances, finished: Finished, control: Control
) -> None:
    named = {"project": "web-frontend", "scope": "zones/us-east1-b", "name": "api-mig"}
    control("POST", "groups", {**named, "default_action_on_failure": "DO_NOTHING"})
    finished(instances.stop_unary(request=MEMBER))
    cloud.state.clock.advance(3600)
    assert life(instances)[0] == "TERMINATED"
    assert zonal.get(request=ZONAL).instance_lifecycle_policy.default_action_on_failure == "DO_NOTHING"


def test_an_autoscaler_starts_again_what_its_group_was_asked_to_stop(
    cloud: Cloud, zonal: Zonal, instances: Instances, members_rest: Callable[[], list[Any]], control: Control
) -> None:
    before = life(instances)
    named = {"project": "web-frontend", "scope": "zones/us-east1-b", "name": "api-mig"}
    control("POST", "groups", {**named, "autoscaled": True})
    zonal.stop_instances_unary(request=stopping(URL))
    members_rest()
    stopped = life(instances)
    cloud.state.clock.advance(60)
    assert stopped == ("TERMINATED", before[1])
    assert life(instances) == before
    assert sizes(zonal.get(request=ZONAL)) == (2, 0)
    assert zonal.get(request=ZONAL).status.autoscaler.endswith("/autoscalers/api-mig")


@pytest.mark.parametrize(
    ("urls", "complaint"),
    [
        (["zones/us-east1-b/instances/bastion"], "not a member"),
        (["zones/us-east1-b/instances/nobody"], "not a member"),
        ([REGIONAL_URL], "not a member"),
        ([URL, "zones/us-east1-b/instances/bastion"], "not a member"),
        (["api-mig-4r7t"], "malformed"),
        ([], "not specified"),
        ([URL] * 1001, "at most 1000"),
    ],
)
def test_a_group_stops_its_members_and_nobody_else(
    cloud: Cloud, zonal: Zonal, instances: Instances, urls: list[str], complaint: str
) -> None:
    with pytest.raises(exceptions.BadRequest, match=complaint):
        zonal.stop_instances_unary(request=stopping(*urls))
    assert life(instances)[0] == "RUNNING"
    assert not cloud.state.operations.of_project("web-frontend")


def test_only_running_members_are_stopped_and_only_stopped_ones_started(
    zonal: Zonal, members_rest: Callable[[], list[Any]]
) -> None:
    with pytest.raises(exceptions.BadRequest, match="is RUNNING"):
        zonal.start_instances_unary(request=starting(URL))
    zonal.stop_instances_unary(request=stopping(URL))
    members_rest()
    with pytest.raises(exceptions.BadRequest, match="is TERMINATED"):
        zonal.stop_instances_unary(request=stopping(URL))


def test_the_same_request_to_a_group_is_one_operation(zonal: Zonal) -> None:
    number = str(uuid.uuid4())
    first, again = (zonal.stop_instances_unary(request={**stopping(URL), "request_id": number}) for _ in range(2))
    assert first.name == again.name
    with pytest.raises(exceptions.BadRequest, match="another request"):
        zonal.start_instances_unary(request={**starting(URL), "request_id": number})


def test_a_group_is_not_where_it_was_not_made(zonal: Zonal, regional: Regional) -> None:
    with pytest.raises(exceptions.NotFound, match="instanceGroupManagers/api-mig' was not found"):
        zonal.get(request={**ZONAL, "zone": "us-east1-c"})
    with pytest.raises(exceptions.BadRequest, match="mars"):
        regional.get(request={**REGIONAL, "region": "mars-north1"})


def test_without_the_permission_a_group_stops_nothing(cloud: Cloud, zonal: Zonal, instances: Instances) -> None:
    cloud.state.permissions.denials = (Denial(denied=("compute.instanceGroupManagers.update",)),)
    where = "projects/web-frontend/zones/us-east1-b/instanceGroupManagers/api-mig"
    with pytest.raises(exceptions.Forbidden, match=f"'compute.instanceGroupManagers.update' permission for '{where}'"):
        zonal.stop_instances_unary(request=stopping(URL))
    assert life(instances)[0] == "RUNNING"


def test_one_member_can_fail_to_stop_while_its_group_reports_success(
    cloud: Cloud, zonal: Zonal, instances: Instances, finished: Finished, members_rest: Callable[[], list[Any]]
) -> None:
    failing = Rule("compute", Kind.OPERATION_ERROR, "instances.stop", instance="api-mig-4r7t")
    cloud.state.faults.replace([failing])
    done = finished(zonal.stop_instances_unary(request=stopping(URL, URL.replace("4r7t", "9bcd"))))
    failed = [one["targetLink"].rpartition("/")[2] for one in members_rest() if "error" in one]
    assert not done.error.errors
    assert failed == ["api-mig-4r7t"]
    assert life(instances)[0] == "RUNNING"
    assert sizes(zonal.get(request=ZONAL)) == (1, 1)


def test_a_group_s_own_operation_can_fail_and_stops_nothing(
    cloud: Cloud, zonal: Zonal, instances: Instances, finished: Finished
) -> None:
    failing = Rule("compute", Kind.OPERATION_ERROR, "instanceGroupManagers.stopInstances", message="no")
    cloud.state.faults.replace([failing])
    done = finished(zonal.stop_instances_unary(request=stopping(URL)))
    assert [error.message for error in done.error.errors] == ["no"]
    assert life(instances)[0] == "RUNNING"


def test_a_group_that_drains_connections_stops_a_member_after_that(
    zonal: Zonal, instances: Instances, control: Control, finished: Finished
) -> None:
    control("POST", "groups", {**GROUP, "draining_seconds": 300})

    finished(zonal.stop_instances_unary(request=stopping(URL)))

    assert life(instances)[0] == "RUNNING"
    control("POST", "clock", {"advance_seconds": 299})
    assert life(instances)[0] == "RUNNING"
    control("POST", "clock", {"advance_seconds": 1})
    assert life(instances)[0] in {"STOPPING", "TERMINATED"}


def test_an_initial_delay_is_waited_for_unless_the_stop_is_forced(
    zonal: Zonal, instances: Instances, control: Control, finished: Finished
) -> None:
    control("POST", "groups", {**GROUP, "initial_delay_seconds": 10**8})

    finished(zonal.stop_instances_unary(request=stopping(URL)))
    assert life(instances)[0] == "RUNNING"
    finished(zonal.stop_instances_unary(request=stopping(URL, force_stop=True)))

    assert life(instances)[0] in {"STOPPING", "TERMINATED"}
    assert zonal.get(request=ZONAL).standby_policy.initial_delay_sec == 10**8


def test_a_graceful_shutdown_is_pending_until_the_guest_is_done(instances: Instances, control: Control) -> None:
    control("POST", "instances", {**ALONE, "graceful_shutdown_seconds": 3600})

    instances.stop_unary(request=ONE)

    assert instances.get(request=ONE).scheduling.graceful_shutdown.max_duration.seconds == 3600
    assert instances.get(request=ONE).status == "PENDING_STOP"
    control("POST", "clock", {"advance_seconds": 3600})
    assert instances.get(request=ONE).status == "PENDING_STOP"
    control("POST", "clock", {"advance_seconds": 30})
    assert instances.get(request=ONE).status == "TERMINATED"


def test_a_graceful_shutdown_may_be_cut(instances: Instances, control: Control) -> None:
    control("POST", "instances", {**ALONE, "graceful_shutdown_seconds": 3600})

    instances.stop_unary(request={**ONE, "no_graceful_shutdown": True})

    assert instances.get(request=ONE).status in {"STOPPING", "TERMINATED"}
