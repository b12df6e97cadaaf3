import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent, Verb, VmRequest, vm_request
from spotkeeper.enforcement.executor import Deadline, Executor
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from tests.unit.enforcer_fakes import Cloud, Gate, Killed
from tests.unit.enforcer_samples import NOW, labelled, preconditions, vm

SECOND = timedelta(seconds=1)
CHECK = preconditions().planned(NOW)


def executor(cloud: Cloud, *, size: int = 1, limit: timedelta = 60 * SECOND, gate: Gate | None = None) -> Executor:
    ports = cloud.ports(gate) if gate else cloud.ports()
    deadline = Deadline(NOW, limit, ports.stopwatch, ports.wait, ports.stopwatch())
    return Executor(ports.actuator, deadline, size)


def requests(*names: str) -> list[VmRequest]:
    keys = [vm(name).instance.key for name in names]
    return [vm_request(Verb.STOP, "message-1", key, name) for key, name in zip(keys, names, strict=True)]


def carried_out(cloud: Cloud, names: Sequence[str], *, size: int = 1) -> dict[str, ActionEvent]:
    outcomes = executor(cloud, size=size).execute(Verb.STOP, dict.fromkeys(requests(*names), CHECK))
    return {outcome.request.name: outcome.event for outcome in outcomes}


def test_the_deadline_counts_from_the_beginning_of_the_delivery() -> None:
    cloud = Cloud()
    deadline = executor(cloud, limit=10 * SECOND).deadline

    assert (deadline.now(), deadline.remaining()) == (NOW, 10 * SECOND)
    cloud.now += 4 * SECOND
    assert (deadline.now(), deadline.remaining()) == (NOW + 4 * SECOND, 6 * SECOND)
    cloud.now += 7 * SECOND
    assert (deadline.now(), deadline.remaining()) == (NOW + 11 * SECOND, timedelta(0))


def test_every_request_has_an_outcome_with_its_operation_and_its_time() -> None:
    cloud = Cloud().has(vm("a"), vm("b"))
    [first, second] = executor(cloud).execute(Verb.STOP, dict.fromkeys(requests("b", "a"), CHECK))

    assert (first.request.name, first.event, first.reason) == ("b", ActionEvent.STOPPED, "done as planned")
    assert (first.operation, first.error, first.exception, first.happened_at) == ("operation-0", None, None, NOW)
    assert (second.request.name, second.operation) == ("a", "operation-1")
    assert cloud.stopped_names() == ["b", "a"]


def test_one_request_that_fails_keeps_no_other_from_its_turn() -> None:
    cloud = Cloud(refusing={"id-b": UnavailableError("quota")}).has(vm("a"), vm("b"), vm("c"))
    outcomes = executor(cloud).execute(Verb.STOP, dict.fromkeys(requests("a", "b", "c"), CHECK))

    assert [outcome.event for outcome in outcomes] == [ActionEvent.STOPPED, ActionEvent.FAILED, ActionEvent.STOPPED]
    assert (outcomes[1].reason, outcomes[1].error) == (
        "request failed; the next delivery of the message retries it",
        "quota",
    )
    assert outcomes[1].event.may_be_repeated


@pytest.mark.parametrize("size", [1, 4])
def test_a_failure_that_nobody_foresaw_is_an_outcome_too(size: int) -> None:
    fault = KeyError("a field of the answer")
    cloud = Cloud(refusing={"id-a": fault}).has(vm("a"), vm("b"))
    [failed, stopped] = executor(cloud, size=size).execute(Verb.STOP, dict.fromkeys(requests("a", "b"), CHECK))

    assert (failed.event, failed.exception, failed.error) == (
        ActionEvent.FAILED,
        fault,
        "KeyError('a field of the answer')",
    )
    assert (failed.reason, failed.happened_at) == ("unexpected error", NOW)
    assert (stopped.event, stopped.exception) == (ActionEvent.STOPPED, None)


def test_what_a_thread_logs_belongs_to_the_request_that_began_it() -> None:
    request = ContextVar("request", default="another")
    seen: list[str] = []

    def gate(_name: str) -> AbstractContextManager[None]:
        seen.append(request.get())
        return nullcontext()

    request.set("this one")
    executor(Cloud().has(vm("a"), vm("b")), size=2, gate=gate).execute(
        Verb.STOP, dict.fromkeys(requests("a", "b"), CHECK)
    )

    assert set(seen) == {"this one"}


def test_the_end_of_the_process_is_no_outcome() -> None:
    class Ending:
        def __call__(self, name: str) -> AbstractContextManager[None]:
            if name == "act":
                raise Killed
            return nullcontext()

    cloud = Cloud().has(vm("a"))

    with pytest.raises(Killed):
        executor(cloud, gate=Ending()).execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))


def test_what_has_changed_since_the_plan_is_left_alone() -> None:
    cloud = Cloud().has(labelled(vm("a"), spotkeeper_protect="true"), vm("b", status="STAGING"))

    assert set(carried_out(cloud, ["a", "b", "gone"]).values()) == {ActionEvent.CHANGED}
    assert cloud.changes == []


def test_what_vanishes_between_the_last_look_and_the_stop_is_gone() -> None:
    cloud = Cloud().has(vm("a"))
    cloud.before["act"] = cloud.vms.clear
    [outcome] = executor(cloud).execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))

    assert (outcome.event, outcome.reason) == (
        ActionEvent.CHANGED,
        "the instance no longer exists (no instance has this id)",
    )
    assert outcome.operation is None


def test_a_stop_that_is_accepted_and_not_finished_is_waiting_and_keeps_its_operation() -> None:
    cloud = Cloud(slow={"id-a"}).has(vm("a"))
    [outcome] = executor(cloud).execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))

    assert (outcome.event, outcome.operation) == (ActionEvent.WAITING, "operation-0")
    assert outcome.event.may_be_repeated


def test_nothing_is_begun_that_has_no_time_left_and_it_says_nothing_against_the_instance() -> None:
    cloud = Cloud().has(vm("a"))
    late = executor(cloud, limit=SECOND)
    cloud.now += SECOND
    [outcome] = late.execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))

    assert (outcome.event, outcome.error, outcome.begun) == (ActionEvent.FAILED, None, False)
    assert outcome.reason == (
        "not requested: the time of this delivery was over; the next delivery of the message requests it"
    )
    assert outcome.happened_at == NOW + SECOND
    assert cloud.calls == []


@pytest.mark.parametrize(("seconds", "begun"), [(39, True), (40, False)])
def test_a_request_is_begun_while_two_calls_can_still_be_tried_again_to_the_end(seconds: int, *, begun: bool) -> None:
    cloud = Cloud().has(vm("a"))
    found = executor(cloud, limit=60 * SECOND)
    found = replace(found, deadline=replace(found.deadline, retry_timeout=10 * SECOND))
    cloud.now += seconds * SECOND

    [outcome] = found.execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))
    assert outcome.begun is begun


@pytest.mark.parametrize(("seconds", "begun"), [(29, True), (30, False)])
def test_half_of_the_time_is_for_requests_however_long_a_call_is_tried_again(seconds: int, *, begun: bool) -> None:
    cloud = Cloud().has(vm("a"))
    found = executor(cloud, limit=60 * SECOND)
    found = replace(found, deadline=replace(found.deadline, retry_timeout=50 * SECOND))
    cloud.now += seconds * SECOND

    [outcome] = found.execute(Verb.STOP, dict.fromkeys(requests("a"), CHECK))
    assert outcome.begun is begun


def test_an_instance_that_cannot_be_looked_at_is_not_begun() -> None:
    cloud = Cloud(unfound={"id-a": UnavailableError("503")}).has(vm("a"), vm("b"))
    outcomes = executor(cloud).execute(Verb.STOP, dict.fromkeys(requests("a", "b"), CHECK))

    assert [(each.event, each.error, each.begun) for each in outcomes] == [
        (ActionEvent.FAILED, "503", False),
        (ActionEvent.STOPPED, None, True),
    ]


def test_instances_are_found_at_once_each_as_it_is_or_with_its_error() -> None:
    error = UnavailableError("503")
    cloud = Cloud(unfound={"id-b": error}).has(vm("a"), vm("b"))
    [a, b, gone] = (vm(name).instance.key for name in ("a", "b", "gone"))

    assert executor(cloud, size=2).find([a, b, gone]) == {a: cloud.vms[a], b: error, gone: None}


def test_no_guest_is_notified_once_the_time_is_over() -> None:
    cloud = Cloud(call_times={"warn": 30 * SECOND}).has(vm("a"), vm("b"), vm("c"))
    unwarned = executor(cloud, limit=60 * SECOND).warn(requests("a", "b", "c"), 5 * SECOND, NOW)

    assert {request.name: problem for request, problem in unwarned.items()} == {"c": "no time left"}
    assert len(cloud.stop_notices) == 2


def test_many_are_stopped_at_once_and_no_more_than_the_executor_s_limit() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcdefgh"))
    together = threading.Barrier(4, timeout=10)

    class Meeting:
        def __call__(self, name: str) -> AbstractContextManager[None]:
            if name == "act":
                together.wait()
            return nullcontext()

    outcomes = executor(cloud, size=4, gate=Meeting()).execute(Verb.STOP, dict.fromkeys(requests(*"abcdefgh"), CHECK))

    assert [outcome.request.name for outcome in outcomes] == list("abcdefgh")
    assert sorted(cloud.stopped_names()) == list("abcdefgh")


GRACE = 30 * SECOND


def test_the_guests_are_notified_and_get_the_grace_period() -> None:
    cloud = Cloud().has(vm("a"), vm("b"))
    executor(cloud).warn(requests("a", "b"), GRACE, NOW)

    assert set(cloud.stop_notices.values()) == {NOW + GRACE}
    assert cloud.now == NOW + GRACE


def test_guests_that_were_notified_before_get_the_rest_of_the_grace_period() -> None:
    cloud = Cloud(stop_notices={vm("a").instance.key: NOW - 5 * SECOND, vm("b").instance.key: NOW + 10 * SECOND})
    executor(cloud).warn(requests("a", "b"), GRACE, NOW - GRACE)

    assert cloud.now == NOW + 10 * SECOND


def test_guests_whose_time_is_over_wait_no_more() -> None:
    cloud = Cloud(stop_notices={vm("a").instance.key: NOW - 5 * SECOND})
    executor(cloud).warn(requests("a"), GRACE, NOW - GRACE)

    assert cloud.now == NOW


def test_an_older_warning_is_no_warning() -> None:
    cloud = Cloud(stop_notices={vm("a").instance.key: NOW - 5 * SECOND})
    executor(cloud).warn(requests("a"), GRACE, NOW)

    assert cloud.stop_notices[vm("a").instance.key] == NOW + GRACE


def test_no_guest_waits_longer_than_the_grace() -> None:
    cloud = Cloud(stop_notices={vm("a").instance.key: NOW + 100 * GRACE})
    executor(cloud).warn(requests("a"), GRACE, NOW)

    assert cloud.now == NOW + GRACE


@pytest.mark.parametrize("fault", [UnavailableError("conflict"), KeyError("fingerprint")])
def test_a_guest_that_cannot_be_notified_is_not_waited_for_and_does_not_hold_up_others(fault: Exception) -> None:
    cloud = Cloud(deaf={"id-a": fault})
    [request] = requests("a")
    assert executor(cloud).warn([request], GRACE, NOW) == {request: str(fault)}
    assert cloud.now == NOW

    executor(cloud).warn(requests("a", "b"), GRACE, NOW)
    assert (list(cloud.stop_notices), cloud.now) == ([vm("b").instance.key], NOW + GRACE)


def test_one_message_gives_one_request_for_an_instance_however_often_it_is_delivered() -> None:
    key = InstanceKey("team-a-prod", "us-central1-a", "1")
    numbers = {
        vm_request(verb, message, replaced, "name").request_id
        for verb in Verb
        for message in ("message-1", "message-2")
        for replaced in (key, key._replace(instance_id="2"), key._replace(zone="us-central1-b"))
    }

    assert len(numbers) == 12
    assert vm_request(Verb.STOP, "message-1", key, "one") == vm_request(Verb.STOP, "message-1", key, "one")
    assert (
        vm_request(Verb.STOP, "message-1", key, "other").request_id
        == vm_request(Verb.STOP, "message-1", key, "x").request_id
    )


def test_a_request_id_is_a_uuid_as_compute_engine_wants_it() -> None:
    number = replace(requests("a")[0]).request_id

    assert [len(part) for part in number.split("-")] == [8, 4, 4, 4, 12]
    assert number[14] == "5"
    assert number[19] in "89ab"
