"""Events: what is published of a plan and of what came of it, when, and under which id."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotkeeper.enforcement.events import names
from spotkeeper.enforcement.freezes import Autoscaler, GroupKey
from spotkeeper.enforcement.notifications import Command, CommandName, Message
from spotkeeper.enforcement.settings import Mode
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import JULY, NOW, PROJECT, notification, policy, rule, vm

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "events.schema.json").read_text())
MINUTE = timedelta(minutes=1)
GROUP = GroupKey(PROJECT, "zones", "us-central1-a", "api-mig")
FREEZING = policy(freeze_groups=1, restart=True)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "null": type(None),
}


def faults(value: object, schema: Mapping[str, Any], where: str = "event") -> Iterator[str]:
    """Yield what is wrong with a value by the few keywords that the schema uses."""
    if "anyOf" in schema and all(list(faults(value, each, where)) for each in schema["anyOf"]):
        yield f"{where} is of no kind"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, _TYPES[kind]) for kind in kinds):
        yield f"{where} is a {type(value).__name__}"
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        yield from (f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value)
        for name, inner in value.items():
            if name in properties or isinstance(others, dict):
                yield from faults(inner, properties.get(name, others), f"{where}.{name}")
            elif others is False:
                yield f"{where}.{name} is unknown"
    if isinstance(value, list):
        yield from (fault for each in value for fault in faults(each, schema["items"], where))


def fleet(**changes: object) -> Cloud:
    cloud = Cloud(events=[]).has(
        replace(vm("a", zone="us-central1-a", managed_by=GROUP.path, labels={"owner": "ada"})), vm("b"), vm("c")
    )
    cloud.scales(Autoscaler(GROUP, "scaler-1", "api-mig", "ON"))
    for name, value in changes.items():
        setattr(cloud, name, value)
    return cloud


def published(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the events that were sent, each as the schema has it."""
    found = [json.loads(each.body()) for each in cloud.events or []]
    assert [fault for each in found for fault in faults(each, SCHEMA)] == []
    return found


def kinds(cloud: Cloud) -> Counter[str]:
    return Counter(each["type"].split(".")[-2] for each in published(cloud))


def test_the_schema_names_every_event() -> None:
    assert SCHEMA["properties"]["type"]["enum"] == [f"spotkeeper.enforcement.{name}.v1" for name in names()]


def test_the_schema_refuses_what_is_no_event() -> None:
    cloud = fleet()
    cloud.deliver(notification(), policy())
    event = published(cloud)[0]

    assert list(faults({**event, "type": "stopped"}, SCHEMA)) == ["event.type is 'stopped'"]
    assert list(faults({**event, "data": {}}, SCHEMA)) == ["event.data is of no kind"]


def test_plan_freeze_and_stops_are_published_before_and_after() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FREEZING)

    assert kinds(cloud) == {"planned": 3, "freeze_planned": 1, "frozen": 1, "stopped": 3}
    first_stop = next(number for number, call in enumerate(cloud.calls) if call.startswith("act stop"))
    before = [call for call in cloud.calls[:first_stop] if call.startswith("publish")]
    assert len(before) == 5
    [planned] = [each for each in published(cloud) if each["id"] == f"message-1/planned/{PROJECT}/us-central1-a/id-a"]
    assert planned["subject"] == f"projects/{PROJECT}/zones/us-central1-a/instances/a"
    assert planned["data"]["labels"] == {"owner": "ada"}
    assert planned["data"]["reason"].startswith("stop ")
    assert planned["data"]["command"] == f"gcloud compute instances start a --zone us-central1-a --project {PROJECT}"
    [frozen] = [each for each in published(cloud) if each["type"].endswith(".frozen.v1")]
    assert (frozen["subject"], frozen["data"]["command"]) == (GROUP.path, "python -m spotkeeper thaw api-mig")


def test_a_thaw_and_the_restarts_of_a_new_period_are_published() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FREEZING)
    cloud.now = JULY.end + MINUTE
    cloud.events = []
    cloud.deliver(notification("1", message_id="august", published=cloud.now, start=JULY.end), FREEZING)

    assert kinds(cloud) == {"restart_planned": 3, "restarted": 3, "thawed": 1}


def test_a_failure__are_published_with_its_error() -> None:
    cloud = fleet(refusing={"id-b": UnavailableError("403: no")})
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), policy())

    [failed] = [each for each in published(cloud) if each["type"].endswith(".failed.v1")]
    assert failed["data"]["reason"].endswith("403: no")
    assert kinds(cloud)["stopped"] == 2


def test_a_plan_that_waits__are_published_with_its_command_and_so_is_its_expiry() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FREEZING, mode=Mode.APPROVE)
    [waiting] = [each for each in published(cloud) if each["type"].endswith(".plan_awaiting_approval.v1")]
    cloud.now += timedelta(hours=5)
    cloud.deliver(notification("121", message_id="message-2", published=cloud.now), FREEZING, mode=Mode.APPROVE)
    [expired] = [each for each in published(cloud) if each["type"].endswith(".plan_expired.v1")]

    assert waiting["data"]["command"] == f"python -m spotkeeper approve {waiting['data']['plan']}"
    assert waiting["data"]["freezes"] == ["api-mig"]
    assert sorted(waiting["data"]["stops"]) == ["a", "b", "c"]
    assert expired["data"]["plan"] == waiting["data"]["plan"]
    assert {each["data"]["mode"] for each in published(cloud) if each["type"].endswith(".planned.v1")} == {"approve"}


def test_an_undo__are_published() -> None:
    cloud = fleet()
    cloud.deliver(notification(), FREEZING)
    cloud.now, cloud.events = NOW + MINUTE, []
    cloud.command(Command(Message("undo-1", cloud.now, {}, ""), cloud.now, CommandName.UNDO, "message-1"), FREEZING)

    assert kinds(cloud) == {"restart_planned": 3, "restarted": 3, "thawed": 1}


def test_a_drill_a_spared_vm_and_a_message_without_a_plan_are_not_published() -> None:
    cloud = fleet()
    cloud.deliver(notification(drill=True), policy())
    cloud.deliver(notification("1", message_id="message-2"), policy())
    cloud.has(vm("d", labels={"priority": "high"}))
    cloud.deliver(notification(message_id="message-3", published=NOW + MINUTE), policy())

    assert {each["data"]["name"] for each in published(cloud)} == {"a", "b", "c"}


def test_without_a_topic_nothing__are_published_and_the_same_is_done() -> None:
    silent, publishing = fleet(events=None), fleet()
    for cloud in (silent, publishing):
        cloud.deliver(notification(), FREEZING)

    assert silent.changes == publishing.changes
    assert not [call for call in silent.calls if call.startswith("publish")]


def test_whatever_call_a_delivery_is_killed_at_every_stop__are_published_under_one_id() -> None:
    for boundary in itertools.count():
        cloud, killer = fleet(), Killer(boundary)
        with suppress(Killed, UnavailableError):
            cloud.deliver(notification(), policy(), gate=killer)
        if killer.passed <= boundary:
            break
        cloud.now += MINUTE
        for _ in range(3):
            with suppress(UnavailableError, ExceptionGroup):
                cloud.deliver(notification(), policy())
                break
            cloud.now += MINUTE

        ids = {each["id"] for each in published(cloud)}
        stops = {f"message-1/{event}/{PROJECT}/" for event in ("planned", "stopped")}
        assert {each.rpartition("/")[0].rpartition("/")[0] + "/" for each in ids} >= stops, boundary
        assert len([each for each in ids if "/stopped/" in each]) == 3, boundary
        assert len([each for each in ids if "/planned/" in each]) == 3, boundary
    assert boundary > 20


def test_one_rule_names_its_budget_in_every_event() -> None:
    cloud = fleet()
    cloud.deliver(notification(), policy(rule()))

    assert {each["data"]["budget_id"] for each in published(cloud)} == {rule().budget_id}
