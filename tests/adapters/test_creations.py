"""Who created VMs, from Compute Engine's operations and from the audit log, over REST."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import Fleet, Project, Run, Vm
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.audit_log import LogEntries
from spotkeeper.gcp.compute.creations import MOST_OPERATIONS, ComputeCreations
from spotkeeper.gcp.compute.lists import OperationList
from spotkeeper.gcp.logged_creations import LoggedCreations
from spotkeeper.tracking.creators import Creation, CreatorSource
from tests.adapters.fuzz_answers import Answers

HOUR = datetime(2026, 7, 21, 10, tzinfo=UTC)
NOW = HOUR + timedelta(minutes=67)
CREATED = HOUR + timedelta(minutes=10)
PROJECT, ZONE = Project("research-ml", "415104041262"), "us-central1-b"
AGENT = f"{PROJECT.number}@cloudservices.gserviceaccount.com"
GROUP = f"projects/{PROJECT.number}/zones/{ZONE}/instanceGroupManagers/runners"
NODES = f"projects/{PROJECT.number}/zones/{ZONE}/instanceGroupManagers/gke-etl-pool-6f1c2a9e-grp"
TARGET = "https://www.googleapis.com/compute/v1/projects/research-ml/zones/us-central1-b"
OPERATION = {
    "zone": TARGET,
    "operationType": "insert",
    "targetId": "17",
    "targetLink": f"{TARGET}/instances/worker",
    "insertTime": "2026-07-21T03:10:00-07:00",
    "user": "dana@example.com",
}
ENTRY = {
    "insertId": "abc",
    "timestamp": "2026-07-21T10:10:00Z",
    "resource": {"type": "gce_instance", "labels": {"zone": ZONE, "instance_id": "17"}},
}
PAYLOAD = {
    "authenticationInfo": {"principalEmail": "dana@example.com"},
    "resourceName": "projects/research-ml/zones/us-central1-b/instances/worker",
}


def vm(name: str, number: int, created: datetime = CREATED, **changes: Any) -> Vm:  # noqa: ANN401 (fields of a VM)
    made = Vm(
        project_id=PROJECT.project_id,
        zone=ZONE,
        name=name,
        instance_id=number,
        created=created,
        runs=(Run(created, None),),
        machine_types=((created, "e2-standard-4"),),
        labels=((created, {}),),
    )
    return replace(made, **changes)


FLEET = (
    vm("plain", 1, user="dana@example.com"),
    vm("reused", 2, CREATED - timedelta(minutes=5), deleted=CREATED, user="dana@example.com"),
    vm("reused", 3, CREATED + timedelta(minutes=1), user="ci@research-ml.iam.gserviceaccount.com"),
    vm("runners-x1", 4, created_by=GROUP),
    vm("gke-etl-pool-1xq8", 5, created_by=NODES),
    *(vm(f"batch-{number}", 10 + number, bulk_insert="batch-#", user="eve@example.com") for number in (1, 2)),
    vm("earlier", 20, HOUR - timedelta(days=1)),
)
WHO = {
    "1": "dana@example.com",
    "2": "dana@example.com",
    "3": "ci@research-ml.iam.gserviceaccount.com",
    "4": AGENT,
    "5": AGENT,
    "11": "eve@example.com",
    "12": "eve@example.com",
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud(Fleet((PROJECT,), FLEET), Clock(NOW)) as running:
        yield running


@pytest.fixture
def served(cloud: Cloud) -> Iterator[Cloud]:
    yield cloud
    cloud.state.faults.page_limits = {}
    cloud.state.reset()


READERS: dict[CreatorSource, Callable[[Cloud], ComputeCreations | LoggedCreations]] = {
    CreatorSource.OPERATION: lambda cloud: ComputeCreations(cloud.rest_url, timedelta(0)),
    CreatorSource.AUDIT_LOG: lambda cloud: LoggedCreations(cloud.rest_url, timedelta(0)),
}


@pytest.mark.parametrize("source", READERS)
def test_both_sources_name_who_created_each_vm_of_an_hour(served: Cloud, source: CreatorSource) -> None:
    found = list(READERS[source](served).creations(PROJECT.project_id, HOUR, NOW, pytest.fail))

    assert {each.key.instance_id: each.created_by for each in found} == WHO
    assert len(found) == len(WHO)
    assert {each.source for each in found} == {source}
    assert {each.created_at for each in found if each.instance_name == "plain"} == {CREATED}


@pytest.mark.parametrize("source", READERS)
def test_what_is_created_at_the_end_belongs_to_the_next_reading(served: Cloud, source: CreatorSource) -> None:
    reader = READERS[source](served)

    assert list(reader.creations(PROJECT.project_id, CREATED + timedelta(minutes=2), NOW, pytest.fail)) == []
    before = list(reader.creations(PROJECT.project_id, HOUR, CREATED, pytest.fail))
    assert [each.key.instance_id for each in before] == ["2"]


def test_only_the_log_knows_what_was_created_15_days_ago() -> None:
    with Cloud(Fleet((PROJECT,), FLEET), Clock(NOW + timedelta(days=15))) as later:
        found = {
            source: list(of_cloud(later).creations(PROJECT.project_id, HOUR, NOW, pytest.fail))
            for source, of_cloud in READERS.items()
        }

    assert len(found[CreatorSource.OPERATION]) == 0
    assert len(found[CreatorSource.AUDIT_LOG]) == len(WHO)


def test_a_zone_that_does_not_answer_is_reported_and_the_others_are_read(served: Cloud) -> None:
    served.state.faults.replace([Rule("compute", Kind.UNREACHABLE_ZONE, zone=ZONE)])
    problems: list[str] = []

    found = list(
        ComputeCreations(served.rest_url, timedelta(0)).creations(PROJECT.project_id, HOUR, NOW, problems.append)
    )

    assert found == []
    assert any(ZONE in each for each in problems)


def of_operations(*operations: object) -> tuple[list[Creation], list[str]]:
    """What is read of these operations, and what is reported."""
    page = {"kind": OperationList.kind, "items": {f"zones/{ZONE}": {"operations": list(operations)}}}
    reader, problems = ComputeCreations("http://127.0.0.1:9", timedelta(0)), list[str]()
    reader._operations = OperationList(Answers(lambda _: page), "id")  # noqa: SLF001 (the list alone is answered here)
    return list(reader.creations(PROJECT.project_id, HOUR, NOW, problems.append)), problems


OTHERS = {
    "a disk": {"targetLink": f"{TARGET}/disks/worker"},
    "the request of a bulk insert": {"targetLink": f"{TARGET}/instances", "operationType": "bulkInsert"},
    "a request that failed": {"httpErrorStatusCode": 403},
    "no user": {"user": None},
    "an empty user": {"user": ""},
    "an earlier time": {"insertTime": "2026-07-21T02:59:59-07:00"},
}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS.keys())
def test_an_operation_that_says_of_no_vm_who_created_it_is_passed_over(changed: dict[str, object]) -> None:
    found, problems = of_operations({**OPERATION, **changed}, OPERATION)

    assert [each.key.instance_id for each in found] == ["17"]
    assert problems == []


UNREADABLE = {
    "no id": {"targetId": None},
    "an empty name": {"targetLink": f"{TARGET}/instances/"},
    "no time": {"insertTime": "yesterday"},
    "no zone": {"zone": None},
    "a user that is no text": {"user": {"a": 1}},
}


@pytest.mark.parametrize("changed", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_operation_is_reported_and_the_others_are_read(changed: dict[str, object]) -> None:
    found, problems = of_operations({**OPERATION, **changed}, *[OPERATION] * 200)

    assert len(found) == 200
    [problem] = problems
    assert problem.startswith("Compute Engine: unexpected response: an operation: ")
    assert "example.com" not in problem


def test_so_many_operations_are_read_and_no_more() -> None:
    found, problems = of_operations(*[OPERATION] * (MOST_OPERATIONS + 1))

    assert len(found) == MOST_OPERATIONS
    assert problems == ["Compute Engine: more than 10000 operations that create something"]


def of_log(payload: dict[str, object]) -> list[Creation]:
    """What is read of an entry of the log; a report fails the test."""
    page = {"entries": [{**ENTRY, "protoPayload": {**PAYLOAD, **payload}}]}
    reader = LoggedCreations("http://127.0.0.1:9", timedelta(0))
    reader._entries = LogEntries(Answers(lambda _: page))  # noqa: SLF001 (the list alone is answered here)
    return list(reader.creations(PROJECT.project_id, HOUR, NOW, pytest.fail))


def test_a_federated_identity_is_named_by_its_subject() -> None:
    subject = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/dana"

    [found] = of_log({"authenticationInfo": {"principalSubject": subject}})

    assert found.created_by == subject


def test_an_entry_names_its_principal() -> None:
    [found] = of_log({})

    assert (found.key.instance_id, found.instance_name, found.created_by) == ("17", "worker", "dana@example.com")


@pytest.mark.parametrize(
    "changed", [{"authenticationInfo": {}}, {"status": {"code": 7, "message": "PERMISSION_DENIED"}}]
)
def test_a_request_without_a_principal_or_that_was_refused_names_nobody(changed: dict[str, object]) -> None:
    assert of_log(changed) == []


@pytest.mark.parametrize("source", READERS)
def test_a_source_that_may_not_be_read_fails_as_unavailable(source: CreatorSource) -> None:
    with (
        Cloud(Fleet((Project("another", "1"),), ()), Clock(NOW)) as empty,
        pytest.raises(UnavailableError),
    ):
        list(READERS[source](empty).creations(PROJECT.project_id, HOUR, NOW, pytest.fail))
