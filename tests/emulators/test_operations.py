"""Operations on the Compute Engine emulator, as Google's client library sees them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import compute_v1

from infra.local.emulators.cloud import FIRST_SCAN, Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.emulators.permissions import Denial
from infra.local.fleet.fleet import FLEET_END

ZONE = {"project": "research-ml", "zone": "us-central1-a"}
INSERTED = 'operationType eq "insert|bulkInsert"'
PREEMPTED = 'operationType="compute.instances.preempted"'

type Instances = compute_v1.InstancesClient
type Zonal = compute_v1.ZoneOperationsClient
type Global = compute_v1.GlobalOperationsClient


@pytest.fixture
def everywhere(make_client: Callable[..., Any]) -> Global:
    client: Global = make_client(compute_v1.GlobalOperationsClient)
    return client


def aggregated(client: Global, **request: object) -> list[compute_v1.Operation]:
    """The operations of all scopes."""
    pages = client.aggregated_list(request={"project": "research-ml", **request})
    return [operation for _, scope in pages for operation in scope.operations]


def fetched(cloud: Cloud, **query: str) -> Any:  # noqa: ANN401 (JSON)
    """One page of the operations of all scopes as plain JSON."""
    url = f"{cloud.rest_url}/compute/v1/projects/research-ml/aggregated/operations"
    return requests.get(url, params=query, timeout=5).json()


def test_preemptions_are_operations_of_the_system(cloud: Cloud, zone_operations: Zonal) -> None:
    cloud.state.clock.now = datetime(2026, 7, 21, 12, 7, tzinfo=UTC)
    found = [
        one
        for one in zone_operations.list(request={**ZONE, "filter": PREEMPTED})
        if one.target_link.endswith("/instances/sweep-worker-1")
    ]
    lives = cloud.state.fleet.named("research-ml", "us-central1-a", "sweep-worker-1")
    assert {one.target_id for one in found} == {vm.instance_id for vm in lives[:2]}
    assert {datetime.fromisoformat(one.end_time) for one in found} == {vm.runs[-1].end for vm in lives[:2]}
    assert {(one.user, one.status_message, one.status.name, one.progress) for one in found} == {
        ("system", "Instance was preempted.", "DONE", 100)
    }
    assert all(one.insert_time == one.end_time for one in found)
    assert zone_operations.get(request={**ZONE, "operation": found[0].name}) == found[0]


def test_no_preemption_is_listed_before_it_happens(cloud: Cloud, everywhere: Global) -> None:
    expected = {}
    for now in (FIRST_SCAN, FLEET_END):
        cloud.state.clock.now = now
        expected[now] = {one.vm.instance_id for one in cloud.state.fleet.preemptions("research-ml", now)}
        assert {one.target_id for one in aggregated(everywhere, filter=PREEMPTED)} == expected[now]
    assert len(expected[FLEET_END]) > len(expected[FIRST_SCAN])


def test_a_creation_names_who_asked_and_is_kept_for_14_days(cloud: Cloud, everywhere: Global) -> None:
    cloud.state.clock.now = FLEET_END
    created = {vm.instance_id: vm for vm in cloud.state.fleet.of_project("research-ml")}
    listed = {one.target_id: one.user for one in aggregated(everywhere, filter=INSERTED)}
    recent = {key for key, vm in created.items() if FLEET_END - timedelta(days=14) <= vm.created < FLEET_END}
    cloud.state.clock.now = FLEET_END + timedelta(days=15)

    assert listed.keys() == recent
    assert {user for key, user in listed.items() if not created[key].created_by} == {"builder@example.com"}
    assert all(
        user.endswith("@cloudservices.gserviceaccount.com") for key, user in listed.items() if created[key].created_by
    )
    assert aggregated(everywhere, filter=INSERTED) == []


@pytest.mark.parametrize("order", ["name", "creationTimestamp desc"])
def test_pages_together_hold_every_operation_once(cloud: Cloud, everywhere: Global, order: str) -> None:
    cloud.state.clock.now = FLEET_END
    whole = [one.name for one in aggregated(everywhere, order_by=order)]
    paged = [one.name for one in aggregated(everywhere, order_by=order, max_results=3)]
    assert len(whole) == len(set(whole)) > 6
    assert sorted(paged) == sorted(whole)


def test_the_newest_operations_can_come_first(cloud: Cloud, zone_operations: Zonal) -> None:
    cloud.state.clock.now = FLEET_END
    request = {**ZONE, "order_by": "creationTimestamp desc", "max_results": 2}
    times = [one.insert_time for one in zone_operations.list(request=request)]
    assert len(times) > 3
    assert times == sorted(times, reverse=True)


def test_every_scope_is_named_and_says_when_it_has_nothing(cloud: Cloud, instances: Instances) -> None:
    instances.stop_unary(request={**ZONE, "instance": "trainer-t4"})
    scopes = fetched(cloud, filter="operationType=stop")["items"]
    filled = [scope for scope, content in scopes.items() if "operations" in content]
    assert filled == ["zones/us-central1-a"]
    assert {"global", "regions/us-central1", "zones/us-west1-a"} <= scopes.keys()
    assert scopes["global"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_a_zone_that_does_not_answer_is_named_when_a_partial_list_will_do(cloud: Cloud) -> None:
    cloud.state.clock.now = FLEET_END
    cloud.state.faults.replace([Rule("compute", Kind.UNREACHABLE_ZONE, zone="us-central1-a")])
    page = fetched(cloud, returnPartialSuccess="true")
    assert page["unreachables"] == ["projects/research-ml/zones/us-central1-a"]
    assert page["items"]["zones/us-central1-a"]["warning"]["code"] == "UNREACHABLE"
    assert "operations" in page["items"]["zones/us-central1-c"]
    assert fetched(cloud)["error"]["code"] == 503


def test_operations_are_found_by_when_and_what(cloud: Cloud, instances: Instances, zone_operations: Zonal) -> None:
    cloud.state.clock.now = datetime(2026, 7, 21, 12, 7, tzinfo=UTC)
    instances.stop_unary(request={**ZONE, "instance": "trainer-t4"})

    def names(text: str) -> list[str]:
        return [one.operation_type for one in zone_operations.list(request={**ZONE, "filter": text})]

    assert names("operationType=stop") == ["stop"]
    assert names('insertTime >= "2026-07-21T12:07:00Z" AND operationType != delete') == ["stop"]
    assert set(names('insertTime < "2026-07-21T05:00:00-07:00"')) == {"compute.instances.preempted", "insert"}
    assert set(names('operationType eq "insert|bulkInsert"')) == {"insert"}
    assert sorted(names("targetLink eq .*/trainer-t4")) == ["insert", "stop"]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"maxResults": "501"}, "maxResults"),
        ({"pageToken": "made up"}, "pageToken"),
        ({"filter": "shoesize > 44"}, "filter"),
        ({"orderBy": "user"}, "orderBy"),
        ({"fields": "items/*/operations(shoesize)"}, "field selection shoesize"),
        ({"page": "2"}, "query parameter"),
    ],
)
def test_a_list_refuses_what_it_does_not_understand(cloud: Cloud, query: dict[str, str], complaint: str) -> None:
    error = fetched(cloud, **query)["error"]
    assert error["code"] == 400
    assert complaint in error["message"]


def test_a_partial_response_holds_the_fields_asked_for(cloud: Cloud) -> None:
    cloud.state.clock.now = FLEET_END
    page = fetched(cloud, fields="items/*/operations(targetId,endTime),nextPageToken")
    found = [one for scope in page["items"].values() for one in scope["operations"]]
    assert found
    assert all(one.keys() == {"targetId", "endTime"} for one in found)


def test_waiting_ends_with_the_operation(cloud: Cloud, instances: Instances, zone_operations: Zonal) -> None:
    cloud.state.operations.seconds = 0.3
    begun = instances.stop_unary(request={**ZONE, "instance": "trainer-t4"})
    started = time.monotonic()
    done = zone_operations.wait(request={**ZONE, "operation": begun.name})
    assert (begun.status.name, done.status.name) == ("PENDING", "DONE")
    assert time.monotonic() - started < 10


def test_an_operation_is_pending_then_running_then_done(
    cloud: Cloud, instances: Instances, zone_operations: Zonal
) -> None:
    cloud.state.operations.seconds = 3600.0
    seen = [instances.stop_unary(request={**ZONE, "instance": "trainer-t4"})]
    while seen[-1].status.name == "PENDING":
        seen.append(zone_operations.get(request={**ZONE, "operation": seen[0].name}))
    cloud.state.clock.advance(30)
    seen.append(zone_operations.get(request={**ZONE, "operation": seen[0].name}))
    shown = [(one.status.name, bool(one.start_time), bool(one.end_time)) for one in seen]
    assert shown[0] == ("PENDING", False, False)
    assert shown[-2:] == [("RUNNING", True, False), ("DONE", True, True)]


def test_an_operation_nobody_began_is_not_found(zone_operations: Zonal) -> None:
    for call in (zone_operations.get, zone_operations.wait):
        with pytest.raises(exceptions.NotFound, match="operations/operation-7' was not found"):
            call(request={**ZONE, "operation": "operation-7"})


def test_without_the_permission_operations_are_not_shown(
    cloud: Cloud, everywhere: Global, zone_operations: Zonal
) -> None:
    cloud.state.permissions.denials = (Denial(denied=("compute.zoneOperations.get", "compute.globalOperations.list")),)
    with pytest.raises(exceptions.Forbidden, match=r"compute\.zoneOperations\.get"):
        zone_operations.get(request={**ZONE, "operation": "operation-7"})
    with pytest.raises(exceptions.Forbidden, match=r"compute\.globalOperations\.list"):
        aggregated(everywhere)
