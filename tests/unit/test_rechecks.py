from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import Event
from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.enforcement.preconditions import StopChecks, start_check
from spotkeeper.enforcement.restarts import StoppedVm
from tests.unit.enforcer_samples import LOW, NOW, labelled, policy, standard, vm

STOPPED_AT = NOW - timedelta(days=1)
STOPPED = StoppedVm(vm().instance, LOW, STOPPED_AT)


def now(status: str = "TERMINATED") -> SpotVm:
    return vm(status=status, started=STOPPED_AT - timedelta(days=1))


@pytest.mark.parametrize(
    ("found", "event", "reason"),
    [
        (None, Event.CHANGED, "it is gone: no instance has this id any more"),
        (standard(vm()), Event.CHANGED, "it is no Spot VM any more, but STANDARD"),
        (vm(status="TERMINATED"), Event.CHANGED, "its status is TERMINATED, and only RUNNING ones are stopped"),
        (labelled(vm(), spotkeeper_protect="now"), Event.CHANGED, "it is protected (label spotkeeper-protect=now)"),
    ],
)
def test_the_last_look_before_a_stop_finds_what_has_changed(found: SpotVm | None, event: Event, reason: str) -> None:
    checks = StopChecks(policy(), NOW)

    assert checks.stop(found) == (event, reason)
    if found is None or found.status == "RUNNING":
        assert checks.resumed_stop(found) == (event, reason)


def test_the_last_look_lets_a_running_spot_vm_go_on_to_its_stop() -> None:
    checks = StopChecks(policy(), NOW)

    assert checks.stop(vm()) is None
    assert checks.resumed_stop(vm()) is None


@pytest.mark.parametrize("status", ["PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"])
def test_a_plan_taken_up_again_counts_what_it_finds_stopped_as_its_own(status: str) -> None:
    assert StopChecks(policy(), NOW).resumed_stop(vm(status=status)) == (
        Event.STOPPED,
        f"it was found {status} when its plan was taken up again",
    )


def test_a_plan_taken_up_again_does_not_count_what_is_suspended_as_stopped() -> None:
    settled = StopChecks(policy(), NOW).resumed_stop(vm(status="SUSPENDED"))

    assert settled == (Event.CHANGED, "its status is SUSPENDED, and only RUNNING ones are stopped")


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED"])
def test_the_last_look_lets_what_is_as_it_was_stopped_go_on_to_its_start(status: str, resumed: bool) -> None:  # noqa: FBT001 (a table's column)
    assert start_check(STOPPED, resumed=resumed)(now(status)) is None


def test_what_is_gone_is_not_started() -> None:
    assert start_check(STOPPED, resumed=False)(None) == (
        Event.NOT_RESTARTED,
        "it is gone: no instance has this id any more",
    )


@pytest.mark.parametrize(
    ("status", "resumed", "event"),
    [
        ("RUNNING", True, Event.RESTARTED),
        ("STAGING", True, Event.RESTARTED),
        ("PROVISIONING", True, Event.RESTARTED),
        ("STOPPING", True, Event.NOT_RESTARTED),
        ("RUNNING", False, Event.NOT_RESTARTED),
        ("STAGING", False, Event.NOT_RESTARTED),
    ],
)
def test_only_a_plan_taken_up_again_counts_what_runs_as_its_own(status: str, resumed: bool, event: Event) -> None:  # noqa: FBT001 (a table's column)
    settled = start_check(STOPPED, resumed=resumed)(now(status))

    assert settled is not None
    assert settled[0] is event
    assert status in settled[1]
