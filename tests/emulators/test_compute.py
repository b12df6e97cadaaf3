"""The Compute Engine emulator, as Google's client library and plain HTTP see it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1

from infra.local.emulators.cloud import FIRST_SCAN, Cloud
from infra.local.emulators.faults import Kind, Rule

ANYBODY = AnonymousCredentials()  # as google-auth ships it


@pytest.fixture
def machine_types(cloud: Cloud) -> Iterator[compute_v1.MachineTypesClient]:
    with compute_v1.MachineTypesClient(credentials=ANYBODY, client_options={"api_endpoint": cloud.rest_url}) as client:
        yield client


def listed(client: compute_v1.InstancesClient, project: str, **request: object) -> dict[str, compute_v1.Instance]:
    """All instances of a project, by id."""
    pages = client.aggregated_list(request={"project": project, **request})
    return {str(instance.id): instance for _, scope in pages for instance in scope.instances}


def named(client: compute_v1.InstancesClient, project: str, name: str) -> compute_v1.Instance:
    """The one instance of this name."""
    (found,) = [instance for instance in listed(client, project).values() if instance.name == name]
    return found


def fetched(cloud: Cloud, project: str, **query: str) -> Any:  # noqa: ANN401 (JSON)
    """One page as plain JSON."""
    return requests.get(
        f"{cloud.rest_url}/compute/v1/projects/{project}/aggregated/instances", params=query, timeout=5
    ).json()


def at(day: int, hour: int, minute: int = 7) -> datetime:
    """A moment of July 2026."""
    return datetime(2026, 7, day, hour, minute, tzinfo=UTC)


def test_pages_span_zones_and_together_hold_every_instance_once(
    cloud: Cloud, instances: compute_v1.InstancesClient
) -> None:
    found = [
        str(instance.id)
        for _, scope in instances.aggregated_list(request={"project": "research-ml", "max_results": 5})
        for instance in scope.instances
    ]
    expected = {str(vm.instance_id) for vm in cloud.state.fleet.listed("research-ml", FIRST_SCAN)}
    assert len(found) == len(expected)
    assert set(found) == expected
    assert cloud.state.requests["compute", "instances.aggregatedList"] == -(-len(expected) // 5)


def test_a_page_names_every_zone_and_says_where_it_shows_nothing(cloud: Cloud) -> None:
    scopes = fetched(cloud, "web-frontend", maxResults="3")["items"]
    empty = {scope: content["warning"]["code"] for scope, content in scopes.items() if "instances" not in content}
    assert sum(len(content.get("instances", ())) for content in scopes.values()) == 3
    assert {"zones/us-west1-a", "zones/us-central1-a"} <= empty.keys()
    assert set(empty.values()) == {"NO_RESULTS_ON_PAGE"}


def test_a_list_follows_the_fleet_between_its_pages(cloud: Cloud) -> None:
    first = fetched(cloud, "research-ml", maxResults="5")
    cloud.state.clock.advance(3600)
    second = fetched(cloud, "research-ml", maxResults="500", pageToken=first["nextPageToken"])
    names = [
        [instance["name"] for scope in page["items"].values() for instance in scope.get("instances", ())]
        for page in (first, second)
    ]
    assert not set(names[0]) & set(names[1])
    assert "nextPageToken" not in second


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"maxResults": "501"}, "maxResults"),
        ({"maxResults": "many"}, "maxResults"),
        ({"pageToken": "made up"}, "pageToken"),
        ({"filter": "status = RUNNING OR status = TERMINATED"}, "filter"),
        ({"filter": "shoesize = 44"}, "filter"),
        ({"filter": "RUNNING"}, "filter"),
        ({"fields": "items/*/instances(id"}, "field selection"),
        ({"fields": "items/*/instances(id,shoesize)"}, "field selection shoesize"),
        ({"fields": "items//"}, "field selection"),
        ({"fields": "shoes"}, "field selection shoes"),
        ({"page": "2"}, "query parameter"),
    ],
)
def test_a_list_refuses_what_it_does_not_understand(cloud: Cloud, query: dict[str, str], complaint: str) -> None:
    error = fetched(cloud, "research-ml", **query)["error"]
    assert error["code"] == 400
    assert error["status"] == "INVALID_ARGUMENT"
    assert complaint in error["message"]
    assert error["errors"][0]["message"] == error["message"]


def test_a_page_of_more_than_500_is_a_bad_request_for_the_client_too(instances: compute_v1.InstancesClient) -> None:
    with pytest.raises(exceptions.BadRequest, match="maxResults"):
        listed(instances, "research-ml", max_results=501)


def test_an_unknown_project_is_forbidden(cloud: Cloud, instances: compute_v1.InstancesClient) -> None:
    with pytest.raises(exceptions.Forbidden, match=r"compute\.instances\.list"):
        listed(instances, "somebody-elses")
    assert fetched(cloud, "somebody-elses")["error"]["errors"][0]["reason"] == "forbidden"


def test_a_project_answers_to_its_number(instances: compute_v1.InstancesClient) -> None:
    assert listed(instances, "928374650123").keys() == listed(instances, "web-frontend").keys()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('labels.team = "vision" AND status = RUNNING', "trainer-t4"),
        ("(scheduling.preemptible = true) (scheduling.provisioningModel != SPOT)", ""),
        ("scheduling.provisioningModel = FLEX_START", "flex-start"),
        ("labels.spotkeeper-protect:*", "protected-run"),
        ("name eq trainer-t4x?2?", "trainer-t4 trainer-t4x2"),
    ],
)
def test_simple_filters_are_honoured(instances: compute_v1.InstancesClient, text: str, names: str) -> None:
    found = {instance.name for instance in listed(instances, "research-ml", filter=text).values()}
    assert set(names.split()) <= found
    assert len(found) < len(listed(instances, "research-ml"))
    assert "unlabelled" not in found


def test_a_partial_response_holds_the_fields_asked_for_and_no_more(cloud: Cloud) -> None:
    fields = "items/*/instances(id,labels,scheduling/preemptible,disks(type,diskSizeGb)),nextPageToken"
    page = fetched(cloud, "data-platform", fields=fields, maxResults="500")
    found = [instance for scope in page["items"].values() for instance in scope["instances"]]
    assert page.keys() == {"items"}
    assert len(found) == len(list(cloud.state.fleet.listed("data-platform", FIRST_SCAN)))
    assert all(instance.keys() <= {"id", "labels", "scheduling", "disks"} for instance in found)
    assert all(instance["scheduling"].keys() == {"preemptible"} for instance in found)
    assert {disk["diskSizeGb"] for instance in found for disk in instance["disks"]} == {"50", "375"}


def test_a_zone_that_cannot_be_reached_is_named_when_partial_success_is_wanted(cloud: Cloud) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.UNREACHABLE_ZONE, zone="us-central1-a")])
    page = fetched(cloud, "research-ml", returnPartialSuccess="true", maxResults="500")
    assert page["unreachables"] == ["projects/research-ml/zones/us-central1-a"]
    assert page["warning"]["code"] == "UNREACHABLE"
    assert page["items"]["zones/us-central1-a"]["warning"]["code"] == "UNREACHABLE"
    assert "instances" in page["items"]["zones/us-central1-c"]


@pytest.mark.parametrize("wanted", [{}, {"returnPartialSuccess": "false"}])
def test_a_zone_that_cannot_be_reached_fails_the_list_otherwise(cloud: Cloud, wanted: dict[str, str]) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.UNREACHABLE_ZONE, zone="us-central1-a")])
    assert fetched(cloud, "research-ml", **wanted)["error"]["code"] == 503


def test_instances_carry_what_a_price_needs(instances: compute_v1.InstancesClient) -> None:
    trainer = named(instances, "research-ml", "trainer-t4")
    assert trainer.machine_type.endswith("/zones/us-central1-a/machineTypes/n1-standard-8")
    assert trainer.guest_accelerators[0].accelerator_type.endswith("/acceleratorTypes/nvidia-tesla-t4")
    assert trainer.guest_accelerators[0].accelerator_count == 1
    assert trainer.scheduling.provisioning_model == "SPOT"
    assert trainer.labels["cost_center"] == "cc-100"
    for name in ("shuffle-ssd", "shuffle-lssd"):
        disks = named(instances, "data-platform", name).disks
        assert [(disk.type_, disk.disk_size_gb) for disk in disks] == [
            ("PERSISTENT", 50),
            ("SCRATCH", 375),
            ("SCRATCH", 375),
        ]


def test_members_of_groups_say_who_made_them(instances: compute_v1.InstancesClient) -> None:
    def maker(project: str, name: str) -> str:
        items = named(instances, project, name).metadata.items
        return next(item.value for item in items if item.key == "created-by")

    assert (
        maker("web-frontend", "api-mig-4r7t") == "projects/928374650123/zones/us-east1-b/instanceGroupManagers/api-mig"
    )
    assert (
        maker("web-frontend", "web-rmig-p90d")
        == "projects/web-frontend/regions/europe-west1/instanceGroupManagers/web-rmig"
    )
    assert "goog-gke-node" in named(instances, "data-platform", "gke-etl-spot-pool-6f1c2a9e-1xq8").labels


def test_a_legacy_preemptible_instance_has_no_provisioning_model(
    cloud: Cloud, instances: compute_v1.InstancesClient
) -> None:
    cloud.state.clock.now = at(21, 7)
    scheduling = named(instances, "data-platform", "legacy-preemptible").scheduling
    assert scheduling.preemptible
    assert not scheduling.provisioning_model


def test_a_recreated_instance_has_its_old_name_and_a_new_id(
    cloud: Cloud, instances: compute_v1.InstancesClient
) -> None:
    before = named(instances, "research-ml", "trainer-a100")
    cloud.state.clock.now = at(21, 15)
    after = named(instances, "research-ml", "trainer-a100")
    assert before.id != after.id


def test_a_stopped_instance_stays_in_the_list(cloud: Cloud, instances: compute_v1.InstancesClient) -> None:
    statuses = []
    for moment in (at(21, 11), at(21, 12, 0) + timedelta(seconds=10), at(21, 13), at(22, 10)):
        cloud.state.clock.now = moment
        statuses.append(named(instances, "web-frontend", "stopped-at-noon").status)
    assert statuses == ["RUNNING", "STOPPING", "TERMINATED", "RUNNING"]


def test_an_instance_can_live_and_die_between_two_looks(cloud: Cloud, instances: compute_v1.InstancesClient) -> None:
    seen = []
    for moment in (at(21, 10), at(21, 10, 20), at(21, 11)):
        cloud.state.clock.now = moment
        seen.append(any(instance.name == "probe-20min" for instance in listed(instances, "research-ml").values()))
    assert seen == [False, True, False]


def test_a_machine_type_changes_while_its_instance_is_stopped(
    cloud: Cloud, instances: compute_v1.InstancesClient
) -> None:
    seen = []
    for hour in (12, 13, 14):
        cloud.state.clock.now = at(21, hour)
        resized = named(instances, "data-platform", "etl-resized")
        seen.append((resized.status, resized.machine_type.rpartition("/")[2]))
    assert seen == [("RUNNING", "n2-standard-8"), ("TERMINATED", "n2-standard-8"), ("RUNNING", "n2-highmem-8")]


def test_one_instance_is_found_by_name_and_by_id(instances: compute_v1.InstancesClient) -> None:
    where = {"project": "research-ml", "zone": "us-central1-a"}
    by_name = instances.get(request={**where, "instance": "trainer-t4"})
    by_id = instances.get(request={**where, "instance": str(by_name.id)})
    assert by_id == by_name
    with pytest.raises(exceptions.NotFound, match="trainer-t5"):
        instances.get(request={**where, "instance": "trainer-t5"})


@pytest.mark.parametrize(
    ("name", "cpus", "memory_mb", "shared"),
    [("n2-standard-8", 8, 32768, False), ("e2-micro", 2, 1024, True), ("n2-custom-8-16384", 8, 16384, False)],
)
def test_machine_types_have_their_size(
    machine_types: compute_v1.MachineTypesClient, name: str, cpus: int, memory_mb: int, *, shared: bool
) -> None:
    found = machine_types.get(project="research-ml", zone="us-central1-a", machine_type=name)
    assert (found.guest_cpus, found.memory_mb, found.is_shared_cpu) == (cpus, memory_mb, shared)


def test_machine_types_say_what_they_bring_along(machine_types: compute_v1.MachineTypesClient) -> None:
    gpu = machine_types.get(project="research-ml", zone="us-central1-a", machine_type="a2-highgpu-1g")
    ssd = machine_types.get(project="research-ml", zone="us-central1-a", machine_type="c3-standard-8-lssd")
    assert gpu.accelerators[0].guest_accelerator_type == "nvidia-tesla-a100"
    assert gpu.accelerators[0].guest_accelerator_count == 1
    assert ssd.bundled_local_ssds.partition_count == 2


def test_an_unknown_machine_type_is_not_found(machine_types: compute_v1.MachineTypesClient) -> None:
    with pytest.raises(exceptions.NotFound, match="x1-gigantic"):
        machine_types.get(project="research-ml", zone="us-central1-a", machine_type="x1-gigantic")


def test_an_unknown_zone_is_a_bad_request(machine_types: compute_v1.MachineTypesClient) -> None:
    with pytest.raises(exceptions.BadRequest, match="mars"):
        machine_types.get(project="research-ml", zone="mars-north1-a", machine_type="n2-standard-8")


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (403, exceptions.Forbidden),
        (500, exceptions.InternalServerError),
        (503, exceptions.ServiceUnavailable),
    ],
)
def test_a_call_fails_with_the_status_asked_for(
    cloud: Cloud, instances: compute_v1.InstancesClient, status: int, raised: type[Exception]
) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.STATUS, status=status)])
    with pytest.raises(raised, match="on demand"):
        instances.aggregated_list(request={"project": "research-ml"}, retry=None)


def test_credentials_can_be_refused(cloud: Cloud) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.STATUS, status=401)])
    assert fetched(cloud, "research-ml")["error"]["status"] == "UNAUTHENTICATED"


def test_a_fault_strikes_the_calls_it_names(cloud: Cloud) -> None:
    fault = Rule("compute", Kind.STATUS, project="research-ml", first=2, last=3)
    cloud.state.faults.replace([fault])
    assert ["error" in fetched(cloud, "research-ml") for _ in range(4)] == [False, True, True, False]
    assert "error" not in fetched(cloud, "web-frontend")


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.TRUNCATED])
def test_a_connection_breaks(cloud: Cloud, kind: Kind) -> None:
    cloud.state.faults.replace([Rule("compute", kind, last=1)])
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        fetched(cloud, "research-ml")
    assert "items" in fetched(cloud, "research-ml")


def test_a_body_is_empty_or_not_what_was_promised(cloud: Cloud) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.NO_BODY, last=1), Rule("compute", Kind.WRONG_JSON, first=2)])
    with pytest.raises(requests.exceptions.JSONDecodeError):
        fetched(cloud, "research-ml")
    assert isinstance(fetched(cloud, "research-ml")["items"], list)


def test_a_slow_call_takes_its_time(cloud: Cloud) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.SLOW, seconds=5)])
    url = f"{cloud.rest_url}/compute/v1/projects/research-ml/aggregated/instances"
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(url, timeout=0.2)
