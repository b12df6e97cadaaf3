"""Compute Engine's lists, page by page and zone by zone, and malformed responses."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.disks import to_disk
from spotkeeper.gcp.compute.instances import ComputeInstances, attachments_of, to_instance
from spotkeeper.gcp.compute.lists import InstanceList, compute_calls
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.compute.spot_fleet import SpotFleet
from spotkeeper.gcp.http_calls import HttpCalls
from spotkeeper.instances import UNKNOWN_ATTACHMENTS, Instance, ProvisioningModel

ZONE = "https://www.googleapis.com/compute/v1/projects/p/zones/us-central1-a"
FOUND = {
    "id": "18446744073709551615",
    "name": "vm-1",
    "zone": ZONE,
    "machineType": f"{ZONE}/machineTypes/e2-standard-4",
}


class Answers(HttpCalls):
    """Answers in turn, and keeps the queries."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        assert (method, path, body) == ("GET", "/compute/v1/projects/p/aggregated/instances", None)
        self.asked.append(dict(query or {}))
        return {"kind": InstanceList.kind, **self.answers.pop(0)}


def listed(answers: Answers) -> tuple[list[dict[str, Any]], list[str]]:
    reported: list[str] = []
    return list(InstanceList(answers, "id").items("p", reported.append)), reported


def read(**more: object) -> Instance:
    found = {**FOUND, **more}
    return to_instance("p", found, Shapes(MachineTypes(Answers())), list[str]().append, attachments_of(found))


def test_every_zone_of_every_page_is_read() -> None:
    answers = Answers(
        {"items": {"zones/a": {"instances": [{"id": "1"}, {"id": "2"}]}, "zones/b": {}}, "nextPageToken": "t"},
        {"items": {}, "nextPageToken": "u"},
        {"items": {"zones/b": {"instances": [{"id": "3"}]}}},
    )

    found, reported = listed(answers)

    assert ([item["id"] for item in found], reported) == (["1", "2", "3"], [])
    assert [query.get("pageToken") for query in answers.asked] == [None, "t", "u"]
    assert {query["returnPartialSuccess"] for query in answers.asked} == {"true"}


def test_what_is_missing_from_a_list_is_reported_once_each() -> None:
    lost = {"code": "UNREACHABLE", "message": "try later"}
    nothing = {"code": "NO_RESULTS_ON_PAGE", "message": "none"}
    page = {"unreachables": ["projects/p/zones/c"], "warning": lost, "items": {"zones/a": {"warning": nothing}}}

    assert listed(Answers(page))[1] == ["Compute Engine: c does not answer", "Compute Engine: UNREACHABLE: try later"]


@pytest.mark.parametrize(
    "page",
    [
        {"items": ["not a scope", 1, None]},
        {"items": {"zones/a": "closed"}},
        {"items": {"zones/a": {"instances": {"id": "1"}}}},
        {"items": {"zones/a": {"instances": ["1"]}}},
        {"warning": "lost"},
    ],
)
def test_a_malformed_list_is_an_unexpected_response(page: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match=r"Compute Engine: unexpected response: .* is not a"):
        listed(Answers(page))


@pytest.mark.parametrize(
    "odd",
    [
        {"zone": None},
        {"machineType": 7},
        {"labels": ["a"]},
        {"disks": [{"type": "SCRATCH", "diskSizeGb": "large"}]},
        {"disks": ["SCRATCH"]},
        {"guestAccelerators": [{"acceleratorType": "t4"}]},
        {"scheduling": "SPOT"},
        {"metadata": {"items": ["created-by"]}},
    ],
)
def test_a_malformed_instance_is_an_unexpected_response_that_names_it(odd: dict[str, object]) -> None:
    with pytest.raises(UnavailableError, match="Compute Engine: unexpected response: instance vm-1: "):
        read(**odd)


@pytest.mark.parametrize(
    ("scheduling", "model"),
    [
        ({}, ProvisioningModel.STANDARD),
        ({"preemptible": True}, ProvisioningModel.SPOT),
        ({"preemptible": False, "provisioningModel": "SPOT"}, ProvisioningModel.SPOT),
        ({"provisioningModel": "FLEX_START"}, ProvisioningModel.FLEX_START),
        ({"provisioningModel": "OF_TOMORROW"}, ProvisioningModel.STANDARD),
    ],
)
def test_either_way_of_saying_spot_counts(scheduling: dict[str, object], model: ProvisioningModel) -> None:
    assert read(scheduling=scheduling).provisioning_model is model


def test_an_instance_is_read_with_its_parts() -> None:
    disks = [{"type": "SCRATCH", "diskSizeGb": "375"}, {"type": "SCRATCH", "diskSizeGb": "375"}, {"type": "PERSISTENT"}]
    gpus = [{"acceleratorType": f"{ZONE}/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 2}]
    items = [{"key": "startup", "value": "x"}, {"key": "created-by", "value": "projects/1/zones/z/g"}, {"key": "empty"}]

    found = read(disks=disks, guestAccelerators=gpus, labels={"b": "2", "a": "1"}, metadata={"items": items})

    assert (found.key.zone, found.key.instance_id, found.name) == ("us-central1-a", "18446744073709551615", "vm-1")
    assert (found.shape.local_ssd_gib, found.shape.gpu_type, found.shape.gpu_count) == (750, "nvidia-tesla-t4", 2)
    assert (found.labels, found.managed_by) == ((("a", "1"), ("b", "2")), "projects/1/zones/z/g")


@pytest.mark.parametrize(
    "item", [{}, {"value": "no key"}, {"key": "created-by"}, {"key": "created-by", "value": ""}], ids=str
)
def test_a_metadata_item_without_key_or_value_names_no_group_and_drops_no_instance(item: dict[str, str]) -> None:
    assert read(metadata={"items": [item]}).managed_by is None


def fleet_of(*instances: object) -> tuple[list[SpotVm], list[str]]:
    page = {"kind": InstanceList.kind, "items": {"zones/a": {"instances": list(instances)}}}
    reported: list[str] = []
    with serving(page, 200) as address:
        fleet = SpotFleet(address, timedelta(0))
        return list(fleet.spot_vms("p", reported.append)), reported


SPOT = {"status": "RUNNING", "scheduling": {"provisioningModel": "SPOT"}, "labels": {"team": "vision"}}
NUMBERED: list[dict[str, object]] = [{**FOUND, **SPOT, "id": str(1000 + number)} for number in range(28)]


@pytest.mark.parametrize(
    "odd",
    [
        {"disks": 7},
        {"id": None},
        {"name": ["x"]},
        {"zone": 7},
        {"labels": "none"},
        {"lastStartTimestamp": "yesterday"},
        {"scheduling": "spot"},
        {"id": None, "scheduling": {}},
        {"id": None, "scheduling": {"surprise": ["SPOT"]}},
    ],
)
def test_an_instance_that_cannot_be_read_is_one_spot_vm_with_its_reason_and_no_gap(
    odd: dict[str, object],
) -> None:
    vms, reported = fleet_of({**FOUND, **SPOT, **odd}, {**FOUND, **SPOT, "id": "2"})

    assert reported == []
    assert [vm.unreadable is None for vm in vms] == [False, True]
    assert "unexpected response" in str(vms[0].unreadable)
    assert (vms[0].status, vms[0].instance.key.project_id) == ("RUNNING", "p")


def test_an_instance_that_cannot_be_read_and_surely_is_no_spot_vm_is_left_out() -> None:
    assert fleet_of({**FOUND, "disks": 7, "scheduling": {"provisioningModel": "STANDARD"}}) == ([], [])


def test_what_can_be_read_of_an_instance_is_kept() -> None:
    [vm] = fleet_of({**FOUND, **SPOT, "disks": 7})[0]

    assert vm.instance.key == ("p", "us-central1-a", FOUND["id"])
    assert (vm.instance.name, vm.instance.shape.machine_type) == ("vm-1", "e2-standard-4")
    assert vm.instance.labels == (("team", "vision"),)


@pytest.mark.parametrize(("bad", "good"), [(1, 0), (2, 0), (3, 27)])
def test_two_instances_or_a_tenth_that_cannot_be_read_leave_the_list_as_it_is(bad: int, good: int) -> None:
    vms, _ = fleet_of(*[{**FOUND, **SPOT, "disks": 7}] * bad, *NUMBERED[:good])

    assert sum(vm.unreadable is not None for vm in vms) == bad
    assert len(vms) == bad + good


@pytest.mark.parametrize(("bad", "good"), [(3, 0), (3, 26), (4, 28)])
def test_a_list_of_which_three_and_more_than_a_tenth_cannot_be_read_is_in_doubt(bad: int, good: int) -> None:
    with pytest.raises(UnavailableError, match=f"{bad} of the {bad + good} instances of p cannot be read"):
        fleet_of(*[{**FOUND, **SPOT, "disks": 7}] * bad, *NUMBERED[:good])


def disabled(service: str) -> dict[str, Any]:
    """The error of an API that is not enabled in a project."""
    info = {"reason": "SERVICE_DISABLED", "domain": "googleapis.com", "metadata": {"service": service}}
    return {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "is disabled", "details": [info]}}


@contextmanager
def serving(answer: Mapping[str, Any], status: int = 403) -> Iterator[str]:
    """Answer every call the same over HTTP, and yield the address."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_project_without_compute_engine_has_no_instances() -> None:
    reported: list[str] = []
    with serving(disabled("compute.googleapis.com")) as address:
        found = list(InstanceList(compute_calls(address, timedelta(0)), "id").items("p", reported.append))

    assert (found, reported) == ([], [])


@pytest.mark.parametrize(
    "answer",
    [
        disabled("cloudresourcemanager.googleapis.com"),
        {"error": {"code": 403, "message": "Required permission", "details": [{"reason": "IAM_PERMISSION_DENIED"}]}},
        {"error": {"code": 403, "message": "Required permission", "details": "none"}},
        {"error": "SERVICE_DISABLED"},
    ],
    ids=["another API", "denied", "malformed details", "malformed error"],
)
def test_a_list_that_is_denied_for_another_reason_is_no_empty_list(answer: dict[str, Any]) -> None:
    with serving(answer) as address, pytest.raises(UnavailableError, match="Compute Engine: 403"):
        list(InstanceList(compute_calls(address, timedelta(0)), "id").items("p", list[str]().append))


@pytest.mark.parametrize(
    "odd",
    [
        {"networkInterfaces": [{"accessConfigs": "none"}]},
        {"disks": [{"type": "PERSISTENT", "licenses": ["windows"]}]},
        {"disks": [{"type": "PERSISTENT", "licenses": [{}]}]},
        {"networkPerformanceConfig": "TIER_1"},
    ],
    ids=str,
)
def test_attachments_that_cannot_be_read_are_unknown_and_hide_no_instance(odd: dict[str, object]) -> None:
    instance = read(**odd)

    assert instance.attachments == UNKNOWN_ATTACHMENTS
    assert instance._replace(attachments=read().attachments) == read()


def test_the_enforcer_asks_for_nothing_that_is_attached_and_reads_none_of_it() -> None:
    alone, whole = (
        dict(ComputeInstances("http://127.0.0.1:9", timedelta(0), attachments=each).query)["fields"]
        for each in (False, True)
    )
    fleet = SpotFleet("http://127.0.0.1:9", timedelta(0))

    assert {"accessConfigs", "licenses", "totalEgressBandwidthTier"} <= set(re.findall(r"\w+", whole))
    assert not {"accessConfigs", "licenses", "totalEgressBandwidthTier"} & set(re.findall(r"\w+", alone))
    assert fleet._instances.query["fields"] == alone  # noqa: SLF001 (it answers with VMs only)


DISK = {
    "id": "71",
    "name": "data",
    "type": "https://www.googleapis.com/compute/v1/projects/data-platform/zones/us-central1-a/diskTypes/pd-ssd",
    "sizeGb": "10",
    "creationTimestamp": "2026-07-20T05:00:00.123-07:00",
}


@pytest.mark.parametrize(
    ("scope", "place", "regional"),
    [("zones/us-central1-a", "us-central1-a", False), ("regions/us-central1", "us-central1", True)],
)
def test_a_disk_is_in_the_zone_or_the_region_that_it_is_listed_in(scope: str, place: str, regional: bool) -> None:  # noqa: FBT001
    found = to_disk("data-platform", (scope, DISK))

    assert (found.place, found.disk.regional, found.created) == (place, regional, datetime(2026, 7, 20, 12, tzinfo=UTC))


@pytest.mark.parametrize("scope", ["global", "zones/", "", "zones"])
def test_a_disk_outside_of_any_zone_and_region_is_named(scope: str) -> None:
    with pytest.raises(UnavailableError, match="disk 'data': a field must be in a zone or a region"):
        to_disk("data-platform", (scope, DISK))
