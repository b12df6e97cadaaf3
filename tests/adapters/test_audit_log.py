"""The admin activity audit log over REST: what instances were made as that no scan and no inventory knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import Fleet, Gpu, Project, Run, Vm
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.audit_log import IDS_PER_FILTER, AuditLogHistory, LogEntries
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.preemptions import ComputePreemptions
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.http_calls import HttpCalls
from spotkeeper.gcp.system_events import SystemEventPreemptions
from spotkeeper.instances import InstanceKey, ProvisioningModel, Shape
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.uptime import Uptime

HOUR = datetime(2026, 7, 21, 10, tzinfo=UTC)
NOW = HOUR + timedelta(minutes=67)
CREATED = HOUR + timedelta(minutes=10)
PROJECT, ZONE = Project("research-ml", "415104041262"), "us-central1-b"
GROUP = f"projects/{PROJECT.number}/zones/{ZONE}/instanceGroupManagers/runners"
NOWHERE = "http://127.0.0.1:9"


def vm(name: str, number: int, machine_type: str = "e2-standard-4", **changes: Any) -> Vm:  # noqa: ANN401 (fields of a VM)
    """Return a VM that lives for 20 minutes of the hour."""
    made = Vm(
        project_id=PROJECT.project_id,
        zone=ZONE,
        name=name,
        instance_id=5_000_000_000_000_000_000 + number,
        created=CREATED,
        runs=(Run(CREATED + timedelta(seconds=20), CREATED + timedelta(minutes=20)),),
        machine_types=((CREATED, machine_type),),
        labels=((CREATED, {"team": "ci"}),),
        deleted=CREATED + timedelta(minutes=21),
    )
    return replace(made, **changes)


SINGLE = (
    vm("plain", 1),
    vm("member", 2, created_by=GROUP),
    vm("regional", 3, created_by=f"projects/{PROJECT.number}/regions/us-central1/instanceGroupManagers/wide"),
    vm("custom", 4, "n2-custom-8-16384"),
    vm("accelerated", 5, "n1-standard-8", gpu=Gpu("nvidia-tesla-t4", 2), attached_local_ssds=2),
    vm("preemptible", 6, provisioning_model="", legacy_preemptible=True),
    vm("on-demand", 7, provisioning_model="STANDARD"),
    vm("relabelled", 8, labels=((CREATED, {"team": "ci"}), (CREATED + timedelta(minutes=5), {"team": "other"}))),
    vm("reused", 9, created=CREATED - timedelta(hours=3), deleted=CREATED - timedelta(hours=2)),
    vm("reused", 10, "n2-standard-8"),
)
BULK = (
    *(vm(f"batch-{number:04}", 20 + number, bulk_insert="batch-####") for number in range(1, 4)),
    vm("large-0001", 30, "n2-standard-8", bulk_insert="large-####"),
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud(Fleet((PROJECT,), (*SINGLE, *BULK)), Clock(NOW)) as running:
        yield running


@pytest.fixture
def served(cloud: Cloud) -> Iterator[Cloud]:
    yield cloud
    cloud.state.faults.page_limits = {}
    cloud.state.reset()


def uptimes(vms: Iterable[Vm]) -> list[Uptime]:
    return [
        Uptime(InstanceKey(each.project_id, each.zone, str(each.instance_id)), each.name, HOUR, 1180.0) for each in vms
    ]


def shapes(endpoint: str = NOWHERE) -> Shapes:
    return Shapes(MachineTypes(compute_calls(endpoint, timedelta(0))))


def read(cloud: Cloud, vms: Iterable[Vm]) -> tuple[dict[str, Observation], list[str]]:
    """Return what the log has of some VMs, by their ids, and what was reported."""
    history = AuditLogHistory(cloud.rest_url, shapes(cloud.rest_url), timedelta(0))
    problems: list[str] = []
    found = list(history.observations(PROJECT.project_id, uptimes(vms), NOW, problems.append))
    return {each.instance.key.instance_id[-2:].lstrip("0"): each for each in found}, problems


def test_every_instance_is_as_it_was_created(served: Cloud) -> None:
    found, problems = read(served, [each for each in SINGLE if each.created == CREATED])

    e2 = Shape("e2-standard-4", Decimal(4), Decimal(16))
    assert problems == []
    assert {number: each.instance.shape for number, each in found.items()} == {
        **dict.fromkeys(("1", "2", "3", "6", "7", "8"), e2),
        "4": Shape("n2-custom-8-16384", Decimal(8), Decimal(16)),
        "5": Shape("n1-standard-8", Decimal(8), Decimal(30), "nvidia-tesla-t4", 2, 750),
        "10": Shape("n2-standard-8", Decimal(8), Decimal(32)),
    }
    assert [number for number, each in found.items() if each.instance.provisioning_model != "SPOT"] == ["7"]
    assert {each.instance.labels for each in found.values()} == {(("team", "ci"),)}
    assert {(each.first_seen, each.last_seen) for each in found.values()} == {(CREATED, CREATED)}
    assert {each.instance.managed_by for each in found.values()} == {
        None,
        GROUP,
        f"projects/{PROJECT.number}/regions/us-central1/instanceGroupManagers/wide",
    }
    assert found["10"].instance.name == "reused"


def test_instances_that_were_made_in_bulk_are_as_their_request_says(served: Cloud) -> None:
    found, problems = read(served, BULK)

    assert problems == []
    assert {number: each.instance.shape.machine_type for number, each in found.items()} == {
        "21": "e2-standard-4",
        "22": "e2-standard-4",
        "23": "e2-standard-4",
        "30": "n2-standard-8",
    }
    assert {each.instance.name for each in found.values()} == {each.name for each in BULK}


def test_all_pages_are_read_and_nothing_is_asked_twice(served: Cloud) -> None:
    served.state.faults.page_limits = {("logging", "entries.list"): 2}

    found, _ = read(served, [each for each in SINGLE if each.created == CREATED])

    assert len(found) == 9
    assert served.state.requests["logging", "entries.list"] == 5


def test_many_ids_are_spread_over_calls_that_a_filter_can_hold(served: Cloud) -> None:
    strangers = [vm("gone", 1_000_000_000_000 + number) for number in range(2 * IDS_PER_FILTER)]

    found, problems = read(served, [*SINGLE[:1], *strangers])

    assert (list(found), problems) == (["1"], [])
    assert served.state.requests["logging", "entries.list"] == 3


@pytest.mark.parametrize(
    "rule",
    [
        Rule("logging", Kind.STATUS, status=403),
        Rule("logging", Kind.WRONG_JSON),
        Rule("logging", Kind.NOT_JSON),
        Rule("logging", Kind.STATUS, status=503),
    ],
    ids=["denied", "another answer", "no JSON", "unavailable"],
)
def test_a_log_that_cannot_be_read_is_unavailable_by_name(served: Cloud, rule: Rule) -> None:
    served.state.faults.replace([rule])

    with pytest.raises(UnavailableError, match="Cloud Logging: "):
        read(served, SINGLE)


class Answers(HttpCalls):
    """Answers entries.list in turn."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        assert (method, path, query) == ("POST", "/v2/entries:list", None)
        assert isinstance(body, dict)
        return self.answers.pop(0)


def answered(*pages: Sequence[dict[str, Any]]) -> tuple[list[Observation], list[str]]:
    """Return what is read of these answers, and what was reported."""
    history = AuditLogHistory(NOWHERE, shapes(), timedelta(0))
    history._entries = LogEntries(Answers(*({"entries": page} for page in pages)))  # noqa: SLF001 (only the list is answered here)
    problems: list[str] = []
    return list(history.observations(PROJECT.project_id, uptimes(SINGLE), NOW, problems.append)), problems


def entry(method: str, name: str, request: object, **changes: object) -> dict[str, Any]:
    """Return an entry in the recorded form, without what nobody reads."""
    labels = {"zone": ZONE, "project_id": PROJECT.project_id, "instance_id": "5000000000000000001"}
    return {
        "insertId": "-oyhqund58si",
        "protoPayload": {
            "methodName": method,
            "resourceName": f"projects/{PROJECT.number}/zones/{ZONE}/instances{name and '/'}{name}",
            "request": request,
        },
        "resource": {"type": "gce_instance", "labels": labels},
        "timestamp": "2026-07-21T10:10:00.738412Z",
        **changes,
    }


BULK_INSERT, REGIONAL = "v1.compute.instances.bulkInsert", "beta.compute.regionInstances.bulkInsert"
SMALL = {"machineType": "e2-standard-2", "scheduling": {"preemptible": True}}
MEDIUM = {"machineType": "e2-standard-4", "scheduling": {"preemptible": True}}


def bulk(method: str, properties: object, names: dict[str, object], **changes: object) -> dict[str, Any]:
    return entry(method, "", {**names, "instanceProperties": properties}, **changes)


IN_REGION = {
    "protoPayload": {
        "methodName": REGIONAL,
        "resourceName": f"projects/{PROJECT.number}/regions/us-central1/instances",
        "request": {"perInstanceProperties": [{"key": "inst-0003"}], "instanceProperties": SMALL},
    }
}
LATER = {"timestamp": "2026-07-21T10:11:00Z"}


@pytest.mark.parametrize(
    ("requests", "machine_types"),
    [
        ([bulk(BULK_INSERT, SMALL, {"namePattern": "inst-####"})], ["e2-standard-2"]),
        ([entry(REGIONAL, "", None, **IN_REGION)], ["e2-standard-2"]),
        ([bulk(BULK_INSERT, SMALL, {"perInstanceProperties": {"inst-0003": {}}})], ["e2-standard-2"]),
        ([bulk(BULK_INSERT, SMALL, {"namePattern": "inst.####"})], []),
        ([bulk(BULK_INSERT, SMALL, {"namePattern": "inst-####"}, **LATER)], []),
        ([bulk(BULK_INSERT, each, {"namePattern": "inst-####"}) for each in (SMALL, MEDIUM)], []),
        ([bulk(BULK_INSERT, SMALL, {"namePattern": "inst-####"})] * 2, ["e2-standard-2"]),
        ([bulk(BULK_INSERT, None, {"namePattern": "inst-####"})], []),
        ([], []),
    ],
    ids=[
        "by its name pattern",
        "in the region, by its name",
        "by its name",
        "of another name",
        "after it",
        "two that differ",
        "two alike",
        "from a template",
        "none",
    ],
)
def test_an_instance_of_a_bulk_insert_without_a_trigger_is_identified_by_its_name_or_not_at_all(
    requests: list[dict[str, Any]], machine_types: list[str]
) -> None:
    created = entry(BULK_INSERT, "inst-0003", {"@type": "type.googleapis.com/compute.instances.bulkInsert"})

    found, problems = answered([created], requests)

    assert ([each.instance.shape.machine_type for each in found], problems) == (machine_types, [])
    assert {each.instance.provisioning_model for each in found} <= {ProvisioningModel.SPOT}


def test_the_trigger_tells_bulk_inserts_of_the_same_names_apart() -> None:
    triggers = [{"labels": {"compute.googleapis.com/root_trigger_id": each}} for each in ("one", "two")]
    created = entry(BULK_INSERT, "inst-0003", {}, **triggers[1])
    requests = [
        bulk(BULK_INSERT, properties, {"namePattern": "inst-####"}, **trigger)
        for properties, trigger in zip((SMALL, MEDIUM), triggers, strict=True)
    ]

    found, _ = answered([created], requests)

    assert [each.instance.shape.machine_type for each in found] == ["e2-standard-4"]


def test_an_instance_that_was_made_from_a_template_is_not_known() -> None:
    template = {"sourceInstanceTemplate": "projects/p/global/instanceTemplates/runner"}

    assert answered([entry("v1.compute.instances.insert", "runner", template)]) == ([], [])


def test_an_entry_that_cannot_be_read_is_reported_and_hides_no_other() -> None:
    good = entry("v1.compute.instances.insert", "runner", SMALL)
    odd = entry("v1.compute.instances.insert", "runner", {**SMALL, "labels": [{"value": "ci"}]})

    found, problems = answered([good, odd])

    assert [each.instance.name for each in found] == ["runner"]
    assert problems == ["Cloud Logging: unexpected response: audit log entry -oyhqund58si: KeyError: 'key'"]


def test_an_empty_page_is_not_the_end_and_a_page_token_that_comes_again_is_refused() -> None:
    good = entry("v1.compute.instances.insert", "runner", SMALL)
    pages = Answers({"nextPageToken": "a"}, {"entries": [good], "nextPageToken": "b"}, {"nextPageToken": "b"})

    entries = LogEntries(pages).items(PROJECT.project_id, [])

    assert next(entries) == good
    with pytest.raises(UnavailableError, match="Cloud Logging: page token 'b' was returned twice"):
        next(entries)


def test_preemptions_are_read_from_the_system_event_log_under_the_names_of_their_operations() -> None:
    ended = replace(SINGLE[0], runs=(Run(CREATED, HOUR + timedelta(minutes=25), preempted=True),))
    problems: list[str] = []
    span = PROJECT.project_id, HOUR, HOUR + timedelta(hours=1), problems.append
    with Cloud(Fleet((PROJECT,), (ended,)), Clock(NOW)) as cloud:
        log = SystemEventPreemptions(cloud.rest_url, timedelta(0))
        operations = ComputePreemptions(cloud.rest_url, timedelta(0))

        [logged], [listed] = list(log.preemptions(*span)), list(operations.preemptions(*span))
        earlier = list(log.preemptions(PROJECT.project_id, HOUR - timedelta(hours=1), HOUR, problems.append))
        cloud.state.clock.advance(timedelta(days=15).total_seconds())
        forgotten, kept = list(operations.preemptions(*span)), list(log.preemptions(*span))

    assert logged == replace(listed, operation_id=listed.operation_name)
    assert (earlier, forgotten, kept, problems) == ([], [], [logged], [])
