from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.actions import ActionEvent, Verb, vm_request
from spotkeeper.enforcement.executor import Skip
from spotkeeper.enforcement.history import RecordedAction, Reported
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.preconditions import NewerNotifications, limited, start_precondition
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.spot_vms import SpotVm
from tests.unit.enforcer_samples import JULY, LOW, NOW, labelled, policy, preconditions, rule, standard, steps, vm

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
STOPPED_AT = NOW - timedelta(days=1)
STOPPED = StoppedVm(vm().instance, LOW, STOPPED_AT)
KEY = vm().instance.key
ACTION = RecordedAction("message-1", KEY, "worker-1", NOW, done=False)
WAITING = replace(ACTION, operation="operation-1")
REQUEST = vm_request(Verb.STOP, "message-1", KEY, "worker-1")
ELSEWHERE = policy(rule(labels={"team": frozenset({"vision"})}))
GONE = "the instance no longer exists (no instance has this id)"


def now(status: str = "TERMINATED") -> SpotVm:
    return vm(status=status, started=STOPPED_AT - timedelta(days=1))


def reported(cost: str, own: str | None = None, at: datetime = NOW + SECOND) -> tuple[Reported, ...]:
    return (Reported(at, Decimal(cost), Decimal(100), None if own is None else Decimal(own)),)


@pytest.mark.parametrize(
    ("found", "used", "reason"),
    [
        (None, policy(), GONE),
        (standard(vm()), policy(), "no longer a Spot VM, but STANDARD"),
        (vm(status="STAGING"), policy(), "status STAGING: only RUNNING instances are stopped"),
        (labelled(vm(), spotkeeper_protect="now"), policy(), "protected (label spotkeeper-protect=now)"),
        (
            vm(started=NOW + SECOND),
            policy(),
            "started 2026-07-21T14:15:01Z, after the plan of 2026-07-21T14:15:00Z",
        ),
        (vm(), ELSEWHERE, "budget budget-1 no longer covers it"),
        (
            labelled(vm(), priority="high"),
            policy(),
            "now high priority (label priority=high): not stopped at this step",
        ),
    ],
)
def test_what_has_changed_since_the_plan_is_not_stopped_however_often_the_message_comes(
    found: SpotVm | None, used: Policy, reason: str
) -> None:
    checks = preconditions(used)

    for check in (checks.planned(NOW), checks.resumed(replace(ACTION, failed=True), REQUEST)):
        assert check(found) == Skip(ActionEvent.CHANGED, reason)


def test_a_running_spot_vm_goes_on_to_its_stop() -> None:
    checks = preconditions()

    assert checks.planned(NOW)(vm(started=NOW)) is None
    assert checks.resumed(ACTION, REQUEST)(vm()) is None
    # The same request is sent again: Compute Engine returns its operation, which is followed to the end.
    assert preconditions(operation="operation-9").resumed(ACTION, REQUEST)(vm()) is None


@pytest.mark.parametrize(
    ("newer", "reason"),
    [
        ((), None),
        (reported("100"), None),
        (
            reported("99"),
            "a newer notification (2026-07-21T14:15:01Z) reports 99.00 of 100.00 spent: low priority is not stopped",
        ),
        (reported("9", own="100"), None),
        ((*reported("9", own="100", at=NOW + MINUTE), *reported("50", at=NOW + SECOND)), "a newer notification"),
        ((*reported("50", at=NOW + SECOND), *reported("130", at=NOW + MINUTE)), None),
    ],
)
def test_a_newer_notification_that_is_credible_keeps_what_it_does_not_allow(
    newer: tuple[Reported, ...], reason: str | None
) -> None:
    skip = preconditions(newer=lambda: newer).planned(NOW)(vm())

    assert (skip is None) is (reason is None)
    assert skip is None or (skip.event is ActionEvent.CHANGED and skip.reason.startswith(reason or ""))


def test_a_newer_notification_may_still_allow_the_less_important_ones() -> None:
    two_steps = policy(rule(steps=steps(("1.0", "low"), ("1.2", "low medium"))))
    check = preconditions(two_steps, newer=lambda: reported("110")).planned(NOW)

    assert check(labelled(vm(), priority="low")) is None
    assert check(labelled(vm(), priority="medium")) is not None


def test_a_snooze_that_was_set_meanwhile_and_a_period_that_has_ended_stop_nothing() -> None:
    snoozed = preconditions(policy(), now=NOW)
    snoozed = replace(snoozed, policy=policy(snooze_until=NOW + SECOND))

    assert snoozed.planned(NOW)(vm()) == Skip(ActionEvent.CHANGED, "the policy is snoozed")
    over = preconditions(now=JULY.end).planned(NOW)(vm())
    assert over == Skip(ActionEvent.CHANGED, "the month of the notification is over")
    assert preconditions(now=JULY.end - SECOND).planned(NOW)(vm()) is None


def test_a_resumed_plan_does_not_count_what_is_suspended_as_stopped() -> None:
    skip = preconditions().resumed(ACTION, REQUEST)(vm(status="SUSPENDED"))

    assert skip == Skip(ActionEvent.CHANGED, "status SUSPENDED: only RUNNING instances are stopped")


def test_a_resumed_plan_waits_for_what_was_accepted_and_records_what_was_stopped() -> None:
    check = preconditions().resumed(WAITING, REQUEST)

    assert check(vm()) == Skip(ActionEvent.WAITING, "accepted, but not stopped yet", "operation-1")
    found = "found TERMINATED when the plan was resumed"
    assert check(vm(status="TERMINATED")) == Skip(ActionEvent.STOPPED, found, "operation-1")


def test_what_has_changed_since_its_stop_was_accepted_is_waited_for_all_the_same() -> None:
    protected = labelled(vm(), spotkeeper_protect="now")

    accepted = preconditions(operation="operation-9").resumed(ACTION, REQUEST)(protected)
    assert accepted == Skip(ActionEvent.WAITING, "accepted, but not stopped yet", "operation-9")
    recorded = preconditions().resumed(WAITING, REQUEST)(protected)
    assert recorded == Skip(ActionEvent.WAITING, "accepted, but not stopped yet", "operation-1")


def test_a_limit_leaves_the_rest_of_a_plan_and_not_what_it_has_stopped() -> None:
    check = limited(preconditions().resumed(WAITING, REQUEST), "limit of 3 stops per day")
    fresh = limited(preconditions().resumed(ACTION, REQUEST), "limit of 3 stops per day")

    assert fresh(vm()) == Skip(ActionEvent.CHANGED, "left for the next alert: limit of 3 stops per day")
    stopped = check(vm(status="TERMINATED"))
    assert stopped is not None
    assert stopped.event is ActionEvent.STOPPED


def test_newer_notifications_are_read_at_once_and_then_every_thirty_seconds() -> None:
    read: list[datetime] = []
    moment = NOW

    def reading() -> tuple[Reported, ...]:
        read.append(moment)
        return reported("1")

    newer = NewerNotifications(reading, lambda: moment)
    for seconds in (0, 29, 30, 31, 59, 60):
        moment = NOW + seconds * SECOND
        assert newer() == reported("1")

    assert read == [NOW, NOW + 30 * SECOND, NOW + 60 * SECOND]


def nothing_blocks(_: SpotVm) -> None:
    return None


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED"])
def test_what_is_as_it_was_stopped_goes_on_to_its_start(status: str, resumed: bool) -> None:  # noqa: FBT001 (a table's column)
    assert start_precondition(STOPPED, nothing_blocks, resumed=resumed)(now(status)) is None


def test_what_is_gone_is_not_started() -> None:
    assert start_precondition(STOPPED, nothing_blocks, resumed=False)(None) == Skip(ActionEvent.NOT_RESTARTED, GONE)


def test_what_a_budget_keeps_stopped_is_not_started_and_stays_ours_to_start() -> None:
    check = start_precondition(STOPPED, lambda _: "budget other has reached a threshold", resumed=False)

    assert check(now()) == Skip(ActionEvent.RESTART_FAILED, "budget other has reached a threshold")


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
def test_only_a_resumed_plan_counts_what_runs_as_its_own(status: str, resumed: bool, event: ActionEvent) -> None:  # noqa: FBT001 (a table's column)
    skip = start_precondition(STOPPED, nothing_blocks, resumed=resumed)(now(status))

    assert skip is not None
    assert skip.event is event
    assert status in skip.reason
