"""Answers of Compute Engine and Cloud Monitoring with anything in them: read as they are, or refused by name."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.monitoring_v3 import ListTimeSeriesResponse
from hypothesis import example, given
from hypothesis import strategies as st

from infra.local.fleet.fleet import FLEET_START
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.tracker_rows import staged
from spotkeeper.gcp.compute.instances import to_instance
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.preemptions import _preemption
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.compute.spot_fleet import to_spot_vm
from spotkeeper.gcp.http_calls import MAX_UNREADABLE, _writable, parse_each
from spotkeeper.gcp.monitoring import _uptimes
from spotkeeper.instances import Instance
from spotkeeper.tracking.inventory import Observation

ZONE = "https://www.googleapis.com/compute/v1/projects/p/zones/us-central1-a"
INSTANCE = {
    "id": "18446744073709551615",
    "name": "worker",
    "zone": ZONE,
    "machineType": f"{ZONE}/machineTypes/e2-standard-4",
    "scheduling": {"preemptible": True, "provisioningModel": "SPOT"},
    "labels": {"team": "vision"},
    "guestAccelerators": [{"acceleratorType": f"{ZONE}/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 1}],
    "disks": [{"type": "SCRATCH", "diskSizeGb": "375"}],
    "metadata": {"items": [{"key": "created-by", "value": "projects/1/zones/z/instanceGroupManagers/m"}]},
    "status": "RUNNING",
    "creationTimestamp": "2026-07-20T21:00:00.000-07:00",
    "lastStartTimestamp": "2026-07-20T21:00:00.000-07:00",
}
OPERATION = {
    "id": "18446744073709551615",
    "name": "systemevent-1",
    "zone": ZONE,
    "targetId": "18446744073709551614",
    "targetLink": f"{ZONE}/instances/worker",
    "insertTime": "2026-07-20T21:00:00.000-07:00",
    "startTime": "2026-07-20T21:00:00.000-07:00",
    "clientOperationId": "1",
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS | st.sampled_from(["0001-01-01T00:00:00+23:59", "2026-07-21", "9999-12-31T23:59:59-23:59"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.text(st.characters(codec=None), max_size=80)
END = int((FLEET_START + timedelta(hours=1)).timestamp())
WANTED = {END: FLEET_START}


def shapes() -> Shapes:
    """Return the machine types of our own table; nobody is there to be asked for others."""
    return Shapes(MachineTypes(compute_calls("http://127.0.0.1:9", timedelta(0))))


SHAPES = shapes()


def ignored(_: str) -> None:
    pass


def spoilt(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return an object of which one field is missing or anything."""
    return st.one_of(
        st.sampled_from(sorted(whole)).map(lambda left_out: {key: whole[key] for key in whole if key != left_out}),
        st.tuples(st.sampled_from(sorted(whole)), VALUES).map(lambda change: {**whole, change[0]: change[1]}),
    )


def stageable(instance: Instance) -> dict[str, Any]:
    """Return an instance as BigQuery is to load it, whose columns take texts and numbers and nothing else."""
    line = json.dumps(
        staged(Observation(instance, FLEET_START, FLEET_START), "run", "now"), ensure_ascii=False
    ).encode()
    row: dict[str, Any] = json.loads(line)["observation"]
    return row


def read_or_told[Result](read: Callable[[], Result]) -> Result | str:
    """What is read, or the sentence that refuses it."""
    try:
        return read()
    except UnavailableError as refusal:
        return str(refusal)


@given(spoilt(INSTANCE))
@example({**INSTANCE, "labels": {"team": 5}})
@example({**INSTANCE, "labels": {"team": {"a": 1}}})
@example({**INSTANCE, "name": ["worker"]})
@example({**INSTANCE, "machineType": ""})
@example({**INSTANCE, "zone": "nowhere"})
@example({**INSTANCE, "lastStartTimestamp": "0001-01-01T00:00:00+23:59"})
def test_an_instance_is_read_as_it_is_or_refused_by_its_name(found: dict[str, Any]) -> None:
    found = _writable(found, b"\\ud")
    read = read_or_told(lambda: to_spot_vm("p", found, SHAPES, ignored))

    if isinstance(read, str):
        assert f"instance {str(found.get('name'))[:80]}" in read
    else:
        row = stageable(read.instance)
        labels = {each["key"]: each["value"] for each in row["labels"]}
        assert (row["instance_id"], row["instance_name"], labels) == (
            str(found["id"]),
            found["name"],
            {key: value or "" for key, value in found.get("labels", {}).items()},
        )
        assert all(isinstance(each, str) for each in (row["instance_name"], *labels.values()))
        assert read.started.tzinfo is UTC


@given(spoilt(OPERATION))
@example({**OPERATION, "startTime": "2026-07-21T04:00:00"})
@example({**OPERATION, "startTime": "0001-01-01T00:00:00+23:59"})
@example({**OPERATION, "insertTime": 5})
@example({**OPERATION, "insertTime": "9999-12-31T23:59:59-23:59"})
@example({**OPERATION, "name": {"a": 1}})
def test_a_preemption_is_read_with_a_time_that_can_be_compared_or_refused(found: dict[str, Any]) -> None:
    preemption = read_or_told(lambda: _preemption("p", found))

    if isinstance(preemption, str):
        assert preemption.startswith("Compute Engine: ")
    else:
        assert preemption.preempted_at < datetime.max.replace(tzinfo=UTC)
        assert (preemption.key.instance_id, preemption.operation_name) == (
            str(found.get("targetId", "")),
            found.get("name", ""),
        )


@given(TEXTS.filter(bool), TEXTS)
@example("\ud800", "\udfff\ud800")
@example("\ud83d\ude80", "🚀")
def test_a_name_in_json_can_be_recorded_and_differs_only_where_no_utf_8_can_hold_it(name: str, label: str) -> None:
    body = json.dumps({**INSTANCE, "name": name, "labels": {"team": label}}).encode()

    instance = to_instance("p", _writable(json.loads(body), body), SHAPES, ignored)

    row = stageable(instance)
    assert [row["instance_name"], *(each["value"] for each in row["labels"])] == [writable(name), writable(label)]


def writable(text: str) -> str:
    """Return a text as it comes back from JSON, where two halves of a pair are one character, and one is none."""
    joined: str = json.loads(json.dumps(text))
    return joined.encode(errors="replace").decode()


SECONDS = st.floats() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=5)


@given(st.lists(SECONDS, max_size=3))
@example([math.nan, 0.0, -0.0])
@example([2**63 - 1])
def test_uptime_is_a_number_or_refused_by_the_name_of_its_vm(values: list[float | str]) -> None:
    kinds = {bool: "bool_value", int: "int64_value", float: "double_value", str: "string_value"}
    points = [{"interval": {"end_time": {"seconds": END}}, "value": {kinds[type(each)]: each}} for each in values]
    labels = {"project_id": "p", "zone": "z", "instance_id": "18446744073709551615"}
    series = {"resource": {"labels": labels}, "metric": {"labels": {"instance_name": "worker"}}, "points": points}
    page = ListTimeSeriesResponse.pb(ListTimeSeriesResponse(time_series=[series]))

    read = read_or_told(lambda: _uptimes(page.time_series[0], WANTED))

    if isinstance(read, str):
        assert any(isinstance(each, str | bool) for each in values)
        assert "uptime of worker is a" in read
    else:
        assert not any(isinstance(each, str | bool) for each in values)
        assert repr([each.seconds for each in read]) == repr([float(each) for each in values if each])
        assert {each.key.instance_id for each in read} <= {labels["instance_id"]}


def halves(number: int) -> float:
    if number < 0:
        message = f"{number} is refused"
        raise UnavailableError(message)
    return number / 2


def test_an_item_that_cannot_be_read_hides_no_other() -> None:
    told: list[str] = []

    assert list(parse_each([2, 4, -1, 6], halves, told.append)) == [1, 2, 3]
    assert told == ["-1 is refused"]


def test_a_list_of_which_nothing_can_be_read_is_refused_as_a_whole() -> None:
    told: list[str] = []

    with pytest.raises(UnavailableError, match="-21 is refused"):
        list(parse_each(range(-1, -50, -1), halves, told.append))

    assert len(told) == MAX_UNREADABLE


def some(good: int, bad: int) -> list[int]:
    return [*range(-1, -bad - 1, -1), *range(good)]


@pytest.mark.parametrize(("good", "bad"), [(0, 1), (18, 2)])
def test_a_single_item_or_a_tenth_that_cannot_be_read_is_left_out(good: int, bad: int) -> None:
    told: list[str] = []

    assert len(list(parse_each(some(good, bad), halves, told.append))) == good

    assert len(told) == bad


@pytest.mark.parametrize(("good", "bad"), [(0, 2), (17, 2)])
def test_a_list_of_which_more_than_a_tenth_cannot_be_read_is_refused_as_a_whole(good: int, bad: int) -> None:
    told: list[str] = []

    with pytest.raises(UnavailableError, match=f"-{bad} is refused"):
        list(parse_each(some(good, bad), halves, told.append))

    assert len(told) == bad
