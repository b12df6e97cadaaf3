from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.enforcement.preconditions import StopPreconditions, start_precondition
from spotkeeper.enforcement.restarts import StoppedVm
from tests.unit.enforcer_samples import LOW, NOW, labelled, policy, standard, vm

STOPPED_AT = NOW - timedelta(days=1)
STOPPED = StoppedVm(vm().instance, LOW, STOPPED_AT)


def now(status: str = "TERMINATED") -> SpotVm:
    return vm(status=status, started=STOPPED_AT - timedelta(days=1))


@pytest.mark.parametrize(
    ("found", "event", "reason"),
    [
        (None, ActionEvent.CHANGED, "the instance no longer exists (no instance has this id)"),
        (standard(vm()), ActionEvent.CHANGED, "no longer a Spot VM, but STANDARD"),
        (vm(status="TERMINATED"), ActionEvent.CHANGED, "status TERMINATED: only RUNNING instances are stopped"),
        (
            labelled(vm(), spotkeeper_protect="now"),
            ActionEvent.CHANGED,
            "protected (label spotkeeper-protect=now)",
        ),
    ],
)
def test_the_last_look_before_a_stop_finds_what_has_changed(
    found: SpotVm | None, event: ActionEvent, reason: str
) -> None:
    checks = StopPreconditions(policy(), NOW)

    assert checks.stop(found) == (event, reason)
    if found is None or found.status == "RUNNING":
        assert checks.resumed_stop(found) == (event, reason)


def test_the_last_look_lets_a_running_spot_vm_go_on_to_its_stop() -> None:
    checks = StopPreconditions(policy(), NOW)

    assert checks.stop(vm()) is None
    assert checks.resumed_stop(vm()) is None


@pytest.mark.parametrize("status", ["PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"])
def test_a_plan_taken_up_again_counts_what_it_finds_stopped_as_its_own(status: str) -> None:
    assert StopPreconditions(policy(), NOW).resumed_stop(vm(status=status)) == (
        ActionEvent.STOPPED,
        f"found {status} when the plan was resumed",
    )


def test_a_plan_taken_up_again_does_not_count_what_is_suspended_as_stopped() -> None:
    settled = StopPreconditions(policy(), NOW).resumed_stop(vm(status="SUSPENDED"))

    assert settled == (ActionEvent.CHANGED, "status SUSPENDED: only RUNNING instances are stopped")


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED"])
def test_the_last_look_lets_what_is_as_it_was_stopped_go_on_to_its_start(status: str, resumed: bool) -> None:  # noqa: FBT001 (a table's column)
    assert start_precondition(STOPPED, resumed=resumed)(now(status)) is None


def test_what_is_gone_is_not_started() -> None:
    assert start_precondition(STOPPED, resumed=False)(None) == (
        ActionEvent.NOT_RESTARTED,
        "the instance no longer exists (no instance has this id)",
    )


@pytest.mark.parametrize(
    ("status", "resumed", "event"),
    [
        ("RUNNING", True, ActionEvent.RESTARTED),
        ("STAGING", True, ActionEvent.RESTARTED),
        ("PROVISIONING", True, ActionEvent.RESTARTED),
        ("STOPPING", True, ActionEvent.NOT_RESTARTED),
        ("RUNNING", False, ActionEvent.NOT_RESTARTED),
        ("STAGING", False, ActionEvent.NOT_RESTARTED),
    ],
)
def test_only_a_plan_taken_up_again_counts_what_runs_as_its_own(status: str, resumed: bool, event: ActionEvent) -> None:  # noqa: FBT001 (a table's column)
    settled = start_precondition(STOPPED, resumed=resumed)(now(status))

    assert settled is not None
    assert settled[0] is event
    assert status in settled[1]
