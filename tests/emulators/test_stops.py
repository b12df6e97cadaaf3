"""Stopping, starting and describing VMs on the Compute Engine emulator, as Google's client library sees it."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.cloud import compute_v1, monitoring_v3

from infra.local.emulators.cloud import FIRST_SCAN, Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.permissions import Denial
from infra.local.fleet.scenario import synthetic_fleet

HOUR = timedelta(hours=1)
TRAINER = {"project": "research-ml", "zone": "us-central1-a", "instance": "trainer-t4"}
WITH_SSD = {"project": "data-platform", "zone": "europe-west4-b", "instance": "shuffle-ssd"}
WITH_BUNDLED_SSD = {"project": "data-platform", "zone": "us-central1-a", "instance": "shuffle-lssd"}
PARKED = {"project": "web-frontend", "zone": "us-central1-b", "instance": "parked"}
STOPPED_AT_NOON = {"project": "web-frontend", "zone": "us-east1-b", "instance": "stopped-at-noon"}
ASLEEP = {"project": "web-frontend", "zone": "europe-west1-b", "instance": "asleep-at-night"}
SWEEP = {"project": "research-ml", "zone": "us-central1-a", "instance": "sweep-worker-1"}
LIVE_LONG = 3600.0  # seconds, so that an operation ends only when the clock moves

type Client = compute_v1.InstancesClient
type Finished = Callable[[compute_v1.Operation], compute_v1.Operation]
type Control = Callable[..., Any]


def status(client: Client, where: dict[str, str]) -> str:
    """What the API shows."""
    return str(client.get(request=where).status)


def july(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """A moment of July 2026."""
    return datetime(2026, 7, day, hour, minute, second, tzinfo=UTC)


def uptime(cloud: Cloud, instance_id: int) -> float:
    """The seconds of the first two hours that Cloud Monitoring has of a VM."""
    with grpc.insecure_channel(cloud.grpc_target) as channel:
        transport = monitoring_v3.MetricServiceClient.get_transport_class("grpc")
        client = monitoring_v3.MetricServiceClient(transport=transport(channel=channel))
        request = {
            "name": "projects/research-ml",
            "filter": 'metric.type = "compute.googleapis.com/instance/uptime"',
            "interval": {"start_time": july(21, 0), "end_time": july(21, 4)},
            "aggregation": {"alignment_period": {"seconds": 4 * 3600}, "per_series_aligner": "ALIGN_SUM"},
        }
        found = client.list_time_series(request=request)
        return sum(
            point.value.double_value
            for series in found
            if series.resource.labels["instance_id"] == str(instance_id)
            for point in series.points
        )


def test_a_stop_is_an_operation_on_a_vm_that_is_terminated_when_it_is_done(
    cloud: Cloud, instances: Client, finished: Finished
) -> None:
    begun = instances.stop_unary(request=TRAINER)
    done = finished(begun)
    assert (begun.status.name, begun.operation_type, begun.progress) == ("PENDING", "stop", 0)
    assert begun.target_link.endswith("/projects/research-ml/zones/us-central1-a/instances/trainer-t4")
    assert begun.zone.endswith("/projects/research-ml/zones/us-central1-a")
    assert (done.name, done.id, done.status.name, done.progress) == (begun.name, begun.id, "DONE", 100)
    assert datetime.fromisoformat(done.insert_time) == datetime.fromisoformat(done.end_time) == FIRST_SCAN
    assert not done.error.errors
    stopped = instances.get(request=TRAINER)
    assert (stopped.status, stopped.id) == ("TERMINATED", begun.target_id)
    assert datetime.fromisoformat(stopped.last_stop_timestamp) == cloud.state.clock.now


def test_a_vm_is_stopping_for_thirty_seconds_of_the_world_unless_its_operation_ends_before(
    cloud: Cloud, instances: Client, zone_operations: compute_v1.ZoneOperationsClient
) -> None:
    cloud.state.operations.seconds = LIVE_LONG
    begun = instances.stop_unary(request=TRAINER)
    seen = []
    for seconds in (29, 1):
        cloud.state.clock.advance(seconds)
        found = zone_operations.get(project="research-ml", zone="us-central1-a", operation=str(begun.id))
        seen.append((found.status.name == "DONE", status(instances, TRAINER)))
    assert seen == [(False, "STOPPING"), (True, "TERMINATED")]


def test_uptime_ends_with_a_stop_and_goes_on_after_a_start(cloud: Cloud, instances: Client, finished: Finished) -> None:
    number = instances.get(request=TRAINER).id
    finished(instances.stop_unary(request=TRAINER))
    cloud.state.clock.now = FIRST_SCAN + HOUR
    stopped_for_an_hour = uptime(cloud, number)
    finished(instances.start_unary(request=TRAINER))
    cloud.state.clock.now = FIRST_SCAN + 2 * HOUR
    started = instances.get(request=TRAINER)
    assert stopped_for_an_hour == 67 * 60
    assert uptime(cloud, number) == (67 + 56) * 60  # four minutes are not visible yet
    assert (started.status, started.id) == ("RUNNING", number)
    assert datetime.fromisoformat(started.last_start_timestamp) == FIRST_SCAN + HOUR


def test_what_the_scenario_had_in_store_for_a_vm_ends_with_its_stop(
    cloud: Cloud, instances: Client, finished: Finished
) -> None:
    number = instances.get(request=SWEEP).id
    action = instances.get(request=SWEEP).scheduling.instance_termination_action
    finished(instances.stop_unary(request=SWEEP))
    cloud.state.clock.advance(40 * 3600)
    found = instances.get(request=SWEEP)
    listed = [
        vm.instance_id for vm in cloud.state.fleet.listed("research-ml", cloud.state.clock.now) if vm.name == found.name
    ]
    assert listed == [number]
    assert (found.id, found.status) == (number, "TERMINATED")
    assert found.scheduling.instance_termination_action == action == "DELETE"


@pytest.mark.parametrize("where", [WITH_SSD, WITH_BUNDLED_SSD])
def test_local_ssd_needs_a_word_about_its_data(instances: Client, finished: Finished, where: dict[str, str]) -> None:
    with pytest.raises(exceptions.BadRequest, match="VM has a Local SSD attached but an undefined value"):
        instances.stop_unary(request=where)
    assert status(instances, where) == "RUNNING"
    finished(instances.stop_unary(request={**where, "discard_local_ssd": where is WITH_SSD}))
    assert status(instances, where) == "TERMINATED"


@pytest.mark.parametrize(
    ("where", "now", "before"),
    [
        (PARKED, FIRST_SCAN, "TERMINATED"),
        (STOPPED_AT_NOON, july(21, 12, 0, 10), "STOPPING"),
    ],
)
def test_to_stop_a_stopped_vm_is_no_error_and_changes_nothing(
    cloud: Cloud, instances: Client, where: dict[str, str], now: datetime, before: str
) -> None:
    cloud.state.clock.now = now
    fleet = cloud.state.fleet
    assert status(instances, where) == before
    assert instances.stop_unary(request=where).status.name == "DONE"
    assert cloud.state.fleet is fleet


@pytest.mark.parametrize("second", [12, 20])
def test_a_vm_that_is_about_to_run_can_be_stopped(
    cloud: Cloud, instances: Client, finished: Finished, second: int
) -> None:
    where = {"project": "research-ml", "zone": "us-central1-a", "instance": "midnight-starter"}
    cloud.state.clock.now = july(21, 23, 59, second)
    assert status(instances, where) in ("PROVISIONING", "STAGING")
    finished(instances.stop_unary(request=where))
    cloud.state.clock.advance(4 * 3600)
    (vm,) = cloud.state.fleet.named("research-ml", "us-central1-a", "midnight-starter")
    assert status(instances, where) == "TERMINATED"
    assert vm.running_seconds(july(21, 0), july(23, 0)) == 0


def test_a_suspended_vm_can_be_stopped_but_not_started(cloud: Cloud, instances: Client, finished: Finished) -> None:
    cloud.state.clock.now = july(21, 23)
    with pytest.raises(exceptions.BadRequest, match="is not ready"):
        instances.start_unary(request=ASLEEP)
    finished(instances.stop_unary(request=ASLEEP))
    assert status(instances, ASLEEP) == "TERMINATED"


def test_a_running_vm_is_started_by_an_operation_that_is_done(instances: Client) -> None:
    assert instances.start_unary(request=TRAINER).status.name == "DONE"


def test_a_stopping_vm_cannot_be_started(cloud: Cloud, instances: Client) -> None:
    cloud.state.operations.seconds = LIVE_LONG
    instances.stop_unary(request=TRAINER)
    with pytest.raises(exceptions.BadRequest, match="trainer-t4' is not ready"):
        instances.start_unary(request=TRAINER)


def test_a_vm_is_staging_while_it_is_started(cloud: Cloud, instances: Client) -> None:
    cloud.state.operations.seconds = LIVE_LONG
    instances.start_unary(request=PARKED)
    assert status(instances, PARKED) == "STAGING"
    cloud.state.clock.advance(20)
    assert status(instances, PARKED) == "RUNNING"


def test_without_capacity_a_start_ends_in_an_error(cloud: Cloud, instances: Client, finished: Finished) -> None:
    exhausted = Rule(
        "compute", Kind.OPERATION_ERROR, "instances.start", instance="parked", code="ZONE_RESOURCE_POOL_EXHAUSTED"
    )
    cloud.state.faults.replace([exhausted])
    failed = finished(instances.start_unary(request=PARKED))
    (error,) = failed.error.errors
    assert (error.code, failed.http_error_status_code) == ("ZONE_RESOURCE_POOL_EXHAUSTED", 503)
    assert failed.http_error_message == "SERVICE UNAVAILABLE"
    assert "projects/web-frontend/zones/us-central1-b' does not have enough resources" in error.message
    assert status(instances, PARKED) == "TERMINATED"


def test_the_same_request_twice_is_one_operation_with_one_effect(
    cloud: Cloud, instances: Client, finished: Finished
) -> None:
    request = {**TRAINER, "request_id": str(uuid.uuid4())}
    first = instances.stop_unary(request=request)
    done = finished(first)
    finished(instances.start_unary(request=TRAINER))
    again = instances.stop_unary(request=request)
    assert first.client_operation_id == request["request_id"]
    assert (again.name, again.status.name) == (done.name, "DONE")
    assert status(instances, TRAINER) == "RUNNING"
    assert len(cloud.state.operations.of_project("research-ml")) == 2


def test_a_request_whose_answer_was_lost_can_be_repeated(cloud: Cloud, instances: Client, finished: Finished) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.TRUNCATED, "instances.stop", last=1)])
    request = {**TRAINER, "request_id": str(uuid.uuid4())}
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        instances.stop_unary(request=request)
    finished(instances.stop_unary(request=request))
    assert len(cloud.state.operations.of_project("research-ml")) == 1


def test_a_request_id_belongs_to_one_request(instances: Client) -> None:
    number = str(uuid.uuid4())
    instances.stop_unary(request={**TRAINER, "request_id": number})
    for other in ({**SWEEP, "request_id": number}, {**TRAINER, "request_id": number, "discard_local_ssd": True}):
        with pytest.raises(exceptions.BadRequest, match="belongs to another request"):
            instances.stop_unary(request=other)
    assert status(instances, SWEEP) == "RUNNING"


@pytest.mark.parametrize("number", ["7", "00000000-0000-0000-0000-000000000000", uuid.UUID(int=1).hex])
def test_a_request_id_is_a_uuid(instances: Client, number: str) -> None:
    with pytest.raises(exceptions.BadRequest, match="requestId"):
        instances.stop_unary(request={**TRAINER, "request_id": number})
    assert status(instances, TRAINER) == "RUNNING"


@pytest.mark.parametrize("call", ["stop", "start"])
def test_what_is_not_there_is_not_found(instances: Client, call: str) -> None:
    act = getattr(instances, f"{call}_unary")
    with pytest.raises(exceptions.NotFound, match="instances/trainer-t5' was not found"):
        act(request={**TRAINER, "instance": "trainer-t5"})
    with pytest.raises(exceptions.BadRequest, match="mars"):
        act(request={**TRAINER, "zone": "mars-north1-a"})
    with pytest.raises(exceptions.Forbidden, match=f"compute.instances.{call}"):
        act(request={**TRAINER, "project": "somebody-elses"})


def test_a_parameter_nobody_knows_is_refused(cloud: Cloud) -> None:
    url = f"{cloud.rest_url}/compute/v1/projects/research-ml/zones/us-central1-a/instances/trainer-t4/stop"
    answers = [requests.post(url, params=query, timeout=5) for query in ({"gently": "1"}, {"discardLocalSsd": "maybe"})]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert requests.get(url, timeout=5).status_code == 405


def test_a_vm_can_be_stopped_by_its_id_and_its_project_s_number(instances: Client, finished: Finished) -> None:
    number = str(instances.get(request=TRAINER).id)
    finished(instances.stop_unary(request={**TRAINER, "project": "415104041262", "instance": number}))
    assert status(instances, TRAINER) == "TERMINATED"


@pytest.mark.parametrize(
    "denial",
    [
        Denial("research-ml", denied=("compute.instances.stop",)),
        Denial("research-ml", "trainer-t4", denied=("compute.instances.stop",)),
        Denial(granted=("compute.instances.get",)),
    ],
)
def test_without_the_permission_a_stop_is_forbidden(cloud: Cloud, instances: Client, denial: Denial) -> None:
    cloud.state.permissions.denials = (denial,)
    where = "projects/research-ml/zones/us-central1-a/instances/trainer-t4"
    with pytest.raises(exceptions.Forbidden, match=f"Required 'compute.instances.stop' permission for '{where}'"):
        instances.stop_unary(request=TRAINER)
    assert status(instances, TRAINER) == "RUNNING"


def test_what_one_vm_is_denied_others_may(cloud: Cloud, instances: Client) -> None:
    cloud.state.permissions.denials = (Denial(instance="trainer-t4", denied=("compute.instances.stop",)),)
    assert instances.stop_unary(request=SWEEP).operation_type == "stop"


def test_permissions_can_be_asked_for(cloud: Cloud, instances: Client) -> None:
    cloud.state.permissions.denials = (Denial("research-ml", "trainer-t4", denied=("compute.instances.stop",)),)
    asked = ["compute.instances.stop", "compute.instances.start"]

    def granted(name: str) -> list[str]:
        where = {"project": "research-ml", "zone": "us-central1-a", "resource": name}
        body = {"permissions": asked}
        return list(
            instances.test_iam_permissions(request={**where, "test_permissions_request_resource": body}).permissions
        )

    assert granted("trainer-t4") == ["compute.instances.start"]
    assert granted("sweep-worker-1") == asked
    asked[:] = ["compute.instances.teleport"]
    with pytest.raises(exceptions.BadRequest, match=r"compute\.instances\.teleport is not valid"):
        granted("trainer-t4")


def test_permissions_on_a_project_can_be_asked_for(cloud: Cloud) -> None:
    def answer(project: str, *permissions: str) -> requests.Response:
        url = f"{cloud.rest_url}/v3/projects/{project}:testIamPermissions"
        return requests.post(url, json={"permissions": permissions}, timeout=5)

    cloud.state.permissions.denials = (
        Denial("research-ml", denied=("compute.instances.stop",)),
        Denial("web-frontend", "bastion", denied=("compute.instances.start",)),
    )
    asked = ("compute.instances.stop", "compute.instances.start")
    assert answer("research-ml", *asked).json() == {"permissions": ["compute.instances.start"]}
    assert answer("web-frontend", *asked).json() == {"permissions": list(asked)}
    assert answer("research-ml", "compute.instances.stop").json() == {}
    assert [answer("research-ml", wrong).status_code for wrong in ("compute.*", "compute.instances.fly")] == [400, 400]
    assert answer("somebody-elses", *asked).status_code == 403


def test_metadata_is_set_by_whoever_knows_the_present_one(instances: Client, finished: Finished) -> None:
    before = instances.get(request=TRAINER).metadata
    items = [{"key": "stopped-by", "value": "spotkeeper"}]
    change = {**TRAINER, "metadata_resource": {"fingerprint": before.fingerprint, "items": items}}
    finished(instances.set_metadata_unary(request=change))
    after = instances.get(request=TRAINER).metadata
    assert [(item.key, item.value) for item in after.items] == [("stopped-by", "spotkeeper")]
    assert after.fingerprint != before.fingerprint
    with pytest.raises(exceptions.PreconditionFailed, match="does not match current metadata fingerprint"):
        instances.set_metadata_unary(request=change)
    with pytest.raises(exceptions.PreconditionFailed):
        instances.set_metadata_unary(request={**TRAINER, "metadata_resource": {"items": items}})


@pytest.mark.parametrize("keys", [["with space"], ["twice", "twice"]])
def test_metadata_keys_are_words_that_come_once(instances: Client, keys: list[str]) -> None:
    metadata = {
        "fingerprint": instances.get(request=TRAINER).metadata.fingerprint,
        "items": [{"key": key, "value": "1"} for key in keys],
    }
    with pytest.raises(exceptions.BadRequest, match="metadata"):
        instances.set_metadata_unary(request={**TRAINER, "metadata_resource": metadata})


@pytest.mark.parametrize(
    ("code", "raised"),
    [(403, exceptions.Forbidden), (404, exceptions.NotFound), (503, exceptions.ServiceUnavailable)],
)
def test_a_stop_fails_with_the_status_asked_for(
    cloud: Cloud, instances: Client, code: int, raised: type[Exception]
) -> None:
    by_id = {**TRAINER, "instance": str(instances.get(request=TRAINER).id)}
    cloud.state.faults.replace([Rule("compute", Kind.STATUS, "instances.stop", status=code, instance="trainer-t4")])
    for where in (TRAINER, by_id):
        with pytest.raises(raised, match="on demand"):
            instances.stop_unary(request=where)
    assert {call["instance"] for call in cloud.state.calls} == {"trainer-t4"}
    assert instances.stop_unary(request=SWEEP).operation_type == "stop"


@pytest.mark.parametrize(("code", "reason"), [(429, ""), (403, "rateLimitExceeded")])
def test_a_quota_that_is_used_up_is_named(cloud: Cloud, instances: Client, code: int, reason: str) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.STATUS, status=code, reason=reason)])
    with pytest.raises(exceptions.GoogleAPICallError, match="Quota exceeded for quota metric 'Queries'") as caught:
        instances.stop_unary(request=TRAINER)
    assert caught.value.code == code
    assert caught.value.reason == "RATE_LIMIT_EXCEEDED"
    (error,) = caught.value.errors
    assert (error["reason"], error["domain"]) == ("rateLimitExceeded", "usageLimits")


def test_a_stop_can_be_cut_off_before_it_is_received(cloud: Cloud, instances: Client) -> None:
    cloud.state.faults.replace([Rule("compute", Kind.RESET, "instances.stop", zone="us-central1-a")])
    with pytest.raises(requests.ConnectionError):
        instances.stop_unary(request=TRAINER)
    assert status(instances, TRAINER) == "RUNNING"
    assert [call["status"] for call in cloud.state.calls] == [None]


def test_a_stop_can_end_in_an_error_and_the_vm_runs_on(cloud: Cloud, instances: Client, finished: Finished) -> None:
    cloud.state.faults.replace(
        [Rule("compute", Kind.OPERATION_ERROR, "instances.stop", instance="trainer-t4", code="INTERNAL_ERROR", last=1)]
    )
    failed = finished(instances.stop_unary(request=TRAINER))
    assert (failed.status.name, failed.error.errors[0].code) == ("DONE", "INTERNAL_ERROR")
    assert failed.http_error_status_code == 500
    assert status(instances, TRAINER) == "RUNNING"
    assert not finished(instances.stop_unary(request=TRAINER)).error.errors


def test_a_stop_can_go_on_for_ever(
    cloud: Cloud, instances: Client, zone_operations: compute_v1.ZoneOperationsClient
) -> None:
    cloud.state.operations.wait_seconds = 0.1
    cloud.state.faults.replace([Rule("compute", Kind.OPERATION_NEVER_ENDS, "instances.stop", zone="us-central1-a")])
    begun = instances.stop_unary(request=TRAINER)
    cloud.state.clock.advance(3600)
    waited = zone_operations.wait(project="research-ml", zone="us-central1-a", operation=begun.name)
    (vm,) = cloud.state.fleet.named("research-ml", "us-central1-a", "trainer-t4")
    assert waited.status.name == "RUNNING"
    assert status(instances, TRAINER) == "STOPPING"
    assert vm.running_seconds(FIRST_SCAN, FIRST_SCAN + HOUR) == Decimal(3600)


def test_a_vm_shows_any_status_until_it_is_reset(instances: Client, control: Control, finished: Finished) -> None:
    instance = {"project": "research-ml", "name": "trainer-t4"}
    control("POST", "instances", {**instance, "status": "HOVERING"})
    shown = status(instances, TRAINER)
    control("POST", "instances", {**instance, "status": None})
    assert (shown, status(instances, TRAINER)) == ("HOVERING", "RUNNING")
    control("POST", "instances", {**instance, "status": "REPAIRING"})
    finished(instances.stop_unary(request=TRAINER))
    assert status(instances, TRAINER) == "TERMINATED"


def test_a_hundred_vms_of_fifty_thousand_are_stopped_at_once() -> None:
    fleet = synthetic_fleet(50_000)
    names = [(vm.zone, vm.name) for vm in fleet.of_project("load-000")[::500]]
    with Cloud(fleet) as cloud, requests.Session() as session, ThreadPoolExecutor(10) as pool:
        project = f"{cloud.rest_url}/compute/v1/projects/load-000"

        def stop(place: tuple[str, str]) -> int:
            return session.post(f"{project}/zones/{place[0]}/instances/{place[1]}/stop", timeout=30).status_code

        began = time.process_time()
        answers = list(pool.map(stop, names))
        taken = time.process_time() - began
        cloud.state.clock.advance(60)
        now = cloud.state.clock.now
        resting = [(vm.zone, vm.name) for vm in cloud.state.fleet.vms if vm.status(now) == "TERMINATED"]
    assert answers == [200] * 100
    assert sorted(resting) == sorted(names)
    assert taken < 5, f"{taken} s of CPU"
