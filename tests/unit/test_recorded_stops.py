from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent, Verb, VmRequest, vm_request
from spotkeeper.enforcement.executor import Skip
from spotkeeper.enforcement.history import WAITING_STOP_TTL, RecordedAction
from spotkeeper.enforcement.recorded_stops import OPERATION_TTL, RecordedStop
from spotkeeper.enforcement.spot_vms import SpotVm
from tests.unit.enforcer_samples import NOW, policy, vm

SECOND = timedelta(seconds=1)
KEY = vm().instance.key
GROUP = "projects/1/zones/us-central1-a/instanceGroupManagers/workers"
ACTION = RecordedAction("message-1", KEY, "worker-1", NOW, done=False, managed_by=GROUP)
WAITING = replace(ACTION, operation="operation-1")
REQUEST = vm_request(Verb.STOP, "message-1", KEY, "worker-1")
GONE = "the instance no longer exists (no instance has this id)"
LATER = "started 2026-07-21T14:15:01Z, after the plan of 2026-07-21T14:15:00Z"


def recorded(action: RecordedAction = ACTION, *, now: datetime = NOW, operation: str | None = None) -> RecordedStop:
    def operation_of(request: VmRequest, managed_by: str | None) -> str | None:
        assert (request, managed_by) == (REQUEST, GROUP)
        return operation

    return RecordedStop(action, REQUEST, lambda: now, operation_of)


@pytest.mark.parametrize("status", ["PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"])
def test_what_is_found_stopped_counts_only_if_a_request_of_its_message_did_it(status: str) -> None:
    found = f"found {status} when the plan was resumed"
    stopped = vm(status=status)

    assert recorded(operation="operation-9").outcome(stopped) == Skip(ActionEvent.STOPPED, found, "operation-9")
    assert recorded(WAITING).outcome(stopped) == Skip(ActionEvent.STOPPED, found, "operation-1")
    assert recorded().outcome(stopped) == Skip(
        ActionEvent.CHANGED, f"found {status}, but no request of this message stopped it"
    )


@pytest.mark.parametrize("status", ["RUNNING", "SUSPENDED", "STAGING"])
def test_what_runs_as_it_was_planned_or_is_suspended_has_no_outcome(status: str) -> None:
    assert recorded(operation="operation-9").outcome(vm(status=status, started=NOW)) is None


@pytest.mark.parametrize("status", ["RUNNING", "STOPPED"])
def test_what_was_started_after_an_accepted_stop_counts_and_is_not_ours_to_start(
    status: str,
) -> None:
    again = vm(status=status, started=NOW + SECOND)

    assert recorded(operation="operation-9").outcome(again) == Skip(
        ActionEvent.EXPIRED, f"accepted, and {LATER}", "operation-9"
    )
    assert recorded().outcome(again) == Skip(ActionEvent.CHANGED, LATER)


@pytest.mark.parametrize(
    ("action", "operation", "age", "outcome"),
    [
        (ACTION, "operation-9", OPERATION_TTL, Skip(ActionEvent.STOPPED, f"accepted, and {GONE}", "operation-9")),
        (WAITING, None, OPERATION_TTL, Skip(ActionEvent.STOPPED, f"accepted, and {GONE}", "operation-1")),
        (ACTION, None, OPERATION_TTL - SECOND, Skip(ActionEvent.CHANGED, GONE)),
        (ACTION, None, OPERATION_TTL, Skip(ActionEvent.EXPIRED, GONE)),
    ],
)
def test_what_is_gone_counts_against_the_limits_unless_it_surely_was_not_stopped(
    action: RecordedAction, operation: str | None, age: timedelta, outcome: Skip
) -> None:
    assert recorded(action, now=NOW + age, operation=operation).outcome(None) == outcome


def test_an_accepted_stop_is_waited_for_and_fails_after_a_stated_time() -> None:
    early, late = recorded(now=NOW + WAITING_STOP_TTL - SECOND), recorded(now=NOW + WAITING_STOP_TTL)

    assert early.waiting("operation-1") == Skip(ActionEvent.WAITING, "accepted, but not stopped yet", "operation-1")
    assert late.waiting("operation-1") == Skip(
        ActionEvent.FAILED, "accepted, but not stopped within 125 minutes", "operation-1", NOW + WAITING_STOP_TTL
    )
    much_later = recorded(now=NOW + timedelta(days=5))
    assert much_later.waiting("operation-1") == late.waiting("operation-1")


ENDED = Skip(ActionEvent.FAILED, "the deliveries of message message-1 ended before it was stopped")
EXPIRED = Skip(ActionEvent.EXPIRED, "the plan expired before it was finished")
ACCEPTED = "accepted, but not stopped yet"
HOURS_2 = timedelta(hours=2)


@pytest.mark.parametrize(
    ("action", "operation", "found", "age", "outcome"),
    [
        (ACTION, None, vm(), HOURS_2, ENDED),
        (ACTION, None, vm(), HOURS_2 + SECOND, EXPIRED),
        (ACTION, None, vm(status="SUSPENDED"), SECOND, ENDED),
        (WAITING, None, vm(), SECOND, Skip(ActionEvent.WAITING, ACCEPTED, "operation-1")),
        (ACTION, "operation-9", vm(), SECOND, Skip(ActionEvent.WAITING, ACCEPTED, "operation-9")),
        (ACTION, None, None, SECOND, Skip(ActionEvent.CHANGED, GONE)),
    ],
)
def test_a_stop_of_another_message_has_an_outcome_or_is_waited_for_whatever_is_found(
    action: RecordedAction, operation: str | None, found: SpotVm | None, age: timedelta, outcome: Skip
) -> None:
    assert recorded(action, now=NOW + age, operation=operation).followed_up(found, policy()) == outcome
