"""Whatever Compute Engine answers, it is understood or it is out of order; nothing in between."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotkeeper.enforcement.history import StopCounts
from spotkeeper.enforcement.plans import Situation, plan
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.spot_vms import reason_to_spare
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.gcp.bigquery.kinds import RowKinds
from spotkeeper.gcp.bigquery.tracker_rows import staged
from spotkeeper.gcp.compute.groups import group_of
from spotkeeper.gcp.compute.lists import InstanceList, OperationList
from spotkeeper.gcp.compute.preemptions import ComputePreemptions
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.compute.spot_fleet import to_spot_vm
from spotkeeper.instances import Instance
from spotkeeper.periods import PeriodKind, budget_period
from spotkeeper.tracking.inventory import Observation
from tests.adapters.fuzz_answers import Answers, calls, nothing, or_unavailable
from tests.unit.any_json import any_json, nested, spoilt, written

NOW = datetime(2026, 7, 21, 14, tzinfo=UTC)
ZONE = "https://www.googleapis.com/compute/v1/projects/my-project-1/zones/us-central1-a"
INSTANCE = {
    "id": "17000000000000000001",
    "name": "trainer",
    "machineType": f"{ZONE}/machineTypes/n1-standard-8",
    "zone": ZONE,
    "scheduling": {"preemptible": True, "provisioningModel": "SPOT"},
    "labels": {"team": "vision", "priority": "low", "spotkeeper-protect": "2026-07-20"},
    "guestAccelerators": [{"acceleratorType": f"{ZONE}/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 1}],
    "disks": [{"type": "PERSISTENT", "diskSizeGb": "100"}, {"type": "SCRATCH", "diskSizeGb": "375"}],
    "metadata": {"items": [{"key": "created-by", "value": "projects/1/zones/z/instanceGroupManagers/pool"}]},
    "status": "RUNNING",
    "creationTimestamp": "2026-07-20T01:00:00.000-07:00",
    "lastStartTimestamp": "2026-07-21T01:00:00.000-07:00",
}
MACHINE_TYPE = {
    "name": "n9-standard-4",
    "guestCpus": 4,
    "memoryMb": 16384,
    "accelerators": [{"guestAcceleratorType": "nvidia-x", "guestAcceleratorCount": 1}],
    "bundledLocalSsds": {"partitionCount": 0},
}
OPERATION = {
    "id": "1",
    "name": "systemevent-1",
    "zone": ZONE,
    "targetId": "17000000000000000001",
    "targetLink": f"{ZONE}/instances/trainer",
    "insertTime": "2026-07-21T05:00:00.000-07:00",
    "startTime": "2026-07-21T05:00:01.000-07:00",
    "clientOperationId": "6b0c4c1e-4a4b-4b0e-9a57-5d0f0f2f6c11",
}
POLICY = Policy.from_json('{"budgets": {"spot": {"projects": ["my-project-1"]}}, "minimum_age_minutes": 5}')


def page(kind: str, collection: str, *items: object) -> dict[str, Any]:
    return {
        "kind": kind,
        "items": {
            "zones/us-central1-a": {collection: list(items)},
            "zones/us-central1-b": {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "none"}},
        },
        "unreachables": ["zones/us-central1-c"],
        "warning": {"code": "UNREACHABLE", "message": "a zone"},
    }


INSTANCES = page(InstanceList.kind, "instances", INSTANCE)
OPERATIONS = page(OperationList.kind, "operations", OPERATION)


def shapes(described: object = None) -> Shapes:
    return Shapes(MachineTypes(Answers(lambda _: described if isinstance(described, dict) else MACHINE_TYPE)))


def check_instance(instance: Instance) -> None:
    """An instance can be recorded, and everything it is made of is of its type."""
    shape = instance.shape
    assert all((*instance.key, instance.name, shape.machine_type))
    for text in (
        *instance.key,
        instance.name,
        shape.machine_type,
        *(part for label in instance.labels for part in label),
    ):
        assert isinstance(text, str)
    assert isinstance(shape.gpu_type, str | None)
    assert isinstance(instance.managed_by, str | None)
    assert all(size is None or 0 < size < 10**9 for size in (shape.vcpus, shape.memory_gib))
    assert 0 <= shape.gpu_count < 10**9
    assert 0 <= shape.local_ssd_gib < 2**63
    assert json.loads(staged(Observation(instance, NOW, NOW), "run", "now", RowKinds.staged_in([])))
    group_of(instance.key, instance.managed_by)


def check_vm(odd: dict[str, Any]) -> None:
    """An instance has the id, name and labels of the answer and can be planned for, or it is refused."""
    found = calls(written(odd)).call("GET", "/")
    vm = or_unavailable("Compute Engine", lambda: to_spot_vm("my-project-1", found, shapes(), nothing))
    if vm is not None:
        check_instance(vm.instance)
        assert (vm.instance.key.instance_id, vm.instance.name) == (str(found["id"]), found["name"])
        assert dict(vm.instance.labels) == {key: value or "" for key, value in (found.get("labels") or {}).items()}
        assert isinstance(vm.status, str)
        assert vm.started.utcoffset() == timedelta(0)
        reason_to_spare(vm, POLICY, NOW)
        rule = POLICY.budgets["spot"]
        verdict = Verdict(
            VerdictName.OVER_BUDGET, "over", rule, budget_period(PeriodKind.MONTH, NOW), rule.steps[0].priorities
        )
        situation = Situation(Decimal(2), Decimal(1), budget_period(PeriodKind.MONTH, NOW), NOW)
        made = plan(verdict, situation, [vm, vm], POLICY, StopCounts())
        assert len(made.stops) <= 2


def test_the_sample_is_a_vm() -> None:
    vm = to_spot_vm("my-project-1", INSTANCE, shapes(), nothing)

    assert (vm.instance.shape.gpu_count, vm.instance.shape.local_ssd_gib, vm.status) == (1, 375, "RUNNING")


@given(spoilt(INSTANCE))
@example(INSTANCE | {"name": "\ud800"})
@example(INSTANCE | {"labels": {"team": "\ud800"}})
@example(INSTANCE | {"labels": {"team": 5}})
@example(INSTANCE | {"labels": {"team": {"a": 1}}})
@example(INSTANCE | {"name": ["worker"]})
@example(INSTANCE | {"id": "18446744073709551615"})
@example(INSTANCE | {"machineType": ""})
@example(INSTANCE | {"zone": "nowhere"})
@example(INSTANCE | {"lastStartTimestamp": "0001-01-01T00:00:00+23:59"})
def test_an_instance_with_something_wrong_is_understood_or_refused(found: dict[str, Any]) -> None:
    check_vm(found)


TEXTS = st.text(st.characters(codec=None), max_size=80)


@given(TEXTS.filter(bool), TEXTS)
@example("\ud800", "\udfff\ud800")
@example("\ud83d\ude80", "🚀")
def test_a_name_in_json_can_be_recorded_and_differs_only_where_no_utf_8_can_hold_it(name: str, label: str) -> None:
    found = calls(written(INSTANCE | {"name": name, "labels": {"team": label}})).call("GET", "/")

    instance = to_spot_vm("my-project-1", found, shapes(), nothing).instance

    check_instance(instance)
    assert (instance.name, instance.labels) == (recordable(name), (("team", recordable(label)),))


def recordable(text: str) -> str:
    """Return a text after JSON, which joins two surrogates of a pair, and UTF-8, which has none that stands alone."""
    joined: str = json.loads(written(text))
    return joined.encode(errors="replace").decode()


@given(st.dictionaries(st.sampled_from(sorted(INSTANCE)), any_json))
def test_an_instance_of_any_fields_is_understood_or_refused(found: dict[str, Any]) -> None:
    check_vm(INSTANCE | found)


@given(spoilt(MACHINE_TYPE) | st.dictionaries(st.sampled_from(sorted(MACHINE_TYPE)), any_json))
@example(MACHINE_TYPE | {"guestCpus": float("nan")})
def test_any_description_of_a_machine_type_is_understood_or_reported(described: dict[str, Any]) -> None:
    reports: list[str] = []
    unknown = {**INSTANCE, "machineType": f"{ZONE}/machineTypes/n9-standard-4", "guestAccelerators": []}

    vm = to_spot_vm("my-project-1", unknown, shapes(MACHINE_TYPE | described), reports.append)

    check_instance(vm.instance)
    assert all("Compute Engine" in each for each in reports)


@given(
    spoilt(INSTANCES) | st.dictionaries(st.sampled_from(sorted(INSTANCES)), any_json).map(lambda odd: INSTANCES | odd)
)
def test_any_page_of_instances_is_listed_or_refused(found: dict[str, Any]) -> None:
    reports: list[str] = []
    listed = or_unavailable(
        "Compute Engine", lambda: list(InstanceList(Answers(lambda _: found), "id").items("p", reports.append))
    )

    assert all(isinstance(each, dict) for each in listed or ())
    assert all(each.startswith("Compute Engine: ") for each in reports)


@given(spoilt(OPERATIONS) | st.dictionaries(st.sampled_from(sorted(OPERATION)), any_json))
@example({"startTime": "2026-07-21T04:00:00"})
@example({"startTime": "0001-01-01T00:00:00+23:59"})
@example({"insertTime": 5})
@example({"insertTime": "9999-12-31T23:59:59-23:59"})
@example({"name": {"a": 1}})
def test_any_page_of_operations_tells_preemptions_or_is_refused(found: dict[str, Any]) -> None:
    answer = found if "kind" in found else page(OperationList.kind, "operations", OPERATION | found)
    reader = ComputePreemptions("http://127.0.0.1:9", timedelta(0))
    reader._operations = OperationList(Answers(lambda _: answer), "id")  # noqa: SLF001 (the list alone is answered here)
    since = NOW - timedelta(days=9)

    preempted = or_unavailable("Compute Engine", lambda: list(reader.preemptions("p", since, NOW, nothing)))

    for each in preempted or ():
        assert since <= each.preempted_at < NOW
        assert all(isinstance(part, str) and part for part in (*each.key, each.instance_name, each.operation_id))
        assert json.loads(staged(each, "run", "now", RowKinds.staged_in([])))


def test_the_sample_of_operations_is_understood() -> None:
    reader = ComputePreemptions("http://127.0.0.1:9", timedelta(0))
    whole = {name: value for name, value in OPERATIONS.items() if name not in {"unreachables", "warning"}}
    reader._operations = OperationList(Answers(lambda _: whole), "id")  # noqa: SLF001 (the list alone is answered here)

    [preempted] = reader.preemptions("p", NOW - timedelta(days=9), NOW, nothing)
    assert preempted.operation_id == OPERATION["id"]


BODIES = st.binary(max_size=60) | any_json.map(written) | st.sampled_from((b"", b"[", b"{}", b'{"a": "\\ud800"}'))
STATUSES = st.sampled_from((200, 204, 301, 400, 401, 403, 404, 409, 429, 500, 503, 599))


@given(BODIES, STATUSES)
@example(b'{"error": {"errors": [{"reason": 5}, "x"]}}', 403)
@example(b'{"error": {"errors": {"a": 1}}}', 403)
def test_any_body_is_an_object_or_a_named_failure(body: bytes, status: int) -> None:
    found = or_unavailable("Compute Engine", lambda: calls(body, status).call("GET", "/"))

    assert found is None or status == 200
    json.dumps(found, ensure_ascii=False).encode()


@pytest.mark.parametrize("depth", [10, 900, 4_900, 9_900, 200_000])
@pytest.mark.parametrize("status", [200, 403])
def test_however_deeply_a_body_is_nested_it_is_an_object_or_a_named_failure(depth: int, status: int) -> None:
    for body in (nested(depth), nested(depth, "{}"), f'{{"error": {{"errors": {nested(depth)}}}}}'):
        or_unavailable("Compute Engine", lambda body=body: calls(body.encode(), status).call("GET", "/"))  # type: ignore[misc]
        listed = InstanceList(calls(f'{{"kind": {body}}}'.encode(), status), "id")
        assert or_unavailable("Compute Engine", lambda listed=listed: list(listed.items("p", nothing))) is None  # type: ignore[misc]
