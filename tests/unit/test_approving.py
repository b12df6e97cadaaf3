"""Plans that wait for approval: what is executed, when, and what is refused."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.notifications import Command, CommandName, Malformed, Message
from spotkeeper.enforcement.policies import Caps, Policy, Response, Source
from spotkeeper.enforcement.recording import AWAITING_APPROVAL
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from spotkeeper.periods import PeriodKind, budget_period, latest_closed_hour
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import JULY, NOW, at, labelled, notification, policy, rule, steps, tracker_alert, vm

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NAMES = ["a", "b", "c"]
WAITING = policy(approval_minutes=240)
SNOOZED = policy(snooze_until=at("2026-08-01T00:00:00"), approval_minutes=240)
HOURLY = policy(
    replace(rule(), responses={Source.TRACKER: Response.STOP, Source.BILLING: Response.WARN}),
    approval_minutes=240,
    execute_unapproved=True,
)
EXECUTING = policy(approval_minutes=240, execute_unapproved=True)


def proposed(used: Policy = WAITING) -> Cloud:
    """A fleet of five and the plan to stop three of them, which waits for approval."""
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.deliver(notification(), used, mode=Mode.APPROVE)
    return cloud


def plan_id(cloud: Cloud) -> str:
    """The id of the plan that was proposed last."""
    return [each.proposed.plan_id for each in cloud.tables.deliveries if each.proposed][-1]


def approval(plan: str, *, message_id: str = "approval-1", published: datetime = NOW) -> Command:
    target, _, plan_hash = plan.rpartition(":")
    return Command(Message(message_id, published, {}, ""), published, CommandName.APPROVE, target, plan_hash)


def approve(cloud: Cloud, used: Policy = WAITING, *, mode: Mode = Mode.APPROVE, **changes: str) -> VerdictName:
    said = approval(changes.pop("plan", "") or plan_id(cloud), published=cloud.now, **changes)
    return cloud.command(said, used, mode=mode).name


def later(
    cloud: Cloud, number: int, cost: str = "121", used: Policy = WAITING, mode: Mode = Mode.APPROVE
) -> VerdictName:
    """Deliver another notification, published now."""
    return cloud.deliver(notification(cost, message_id=f"later-{number}", published=cloud.now), used, mode=mode).name


def test_a_plan_that_waits_for_approval_is_recorded_and_stops_nothing() -> None:
    cloud = proposed()

    assert cloud.changes == []
    assert cloud.tables.events(ActionEvent.PLANNED) == NAMES
    [delivery] = cloud.tables.deliveries
    assert delivery.proposed is not None
    assert (delivery.mode, delivery.proposed.expires_at) == (Mode.APPROVE, NOW + 4 * HOUR)


def test_an_approval_stops_exactly_what_was_planned() -> None:
    cloud = proposed()
    cloud.has(vm("cheaper-to-keep", cost="90", vcpus=96))
    cloud.now += HOUR

    assert approve(cloud) is VerdictName.APPROVED
    assert cloud.stopped_names() == cloud.tables.events(ActionEvent.STOPPED) == NAMES
    assert [row.message_id for row in cloud.tables.actions if row.event is ActionEvent.STOPPED] == ["approval-1"] * 3


def test_while_a_plan_waits_its_budget_gets_no_other() -> None:
    cloud = proposed()
    cloud.now += HOUR

    assert later(cloud, 1) is VerdictName.PLAN_PENDING
    assert cloud.tables.events(ActionEvent.PLANNED) == NAMES


def test_the_plan_of_one_budget_keeps_no_other_budget_waiting() -> None:
    used = policy(rule(), replace(rule(), budget_id="budget-2"), approval_minutes=240)
    cloud = proposed(used)

    assert cloud.deliver(notification(budget_id="budget-2", message_id="m2"), used, mode=Mode.APPROVE).may_stop


def test_a_plan_that_nobody_approves_expires_and_the_next_message_plans_anew() -> None:
    cloud = proposed()
    expired = plan_id(cloud)
    cloud.now += 4 * HOUR

    assert approve(cloud) is VerdictName.PLAN_EXPIRED
    assert later(cloud, 1) is VerdictName.OVER_BUDGET
    assert cloud.changes == []
    assert plan_id(cloud) != expired
    assert approve(cloud, message_id="approval-2") is VerdictName.APPROVED
    assert cloud.stopped_names() == NAMES


def test_the_policy_may_have_the_next_message_execute_a_plan_that_nobody_answered() -> None:
    cloud = proposed(EXECUTING)
    cloud.has(vm("cheaper-to-keep", cost="90", vcpus=96))
    cloud.now += 4 * HOUR

    assert later(cloud, 1, used=EXECUTING) is VerdictName.OVER_BUDGET
    assert cloud.stopped_names() == NAMES
    assert approve(cloud, EXECUTING) is VerdictName.PLAN_EXECUTED


def hourly(cloud: Cloud, number: int, cost: str = "120") -> VerdictName:
    """Deliver the alert of the tracker about the last hour that is over, in the mode approve."""
    said = tracker_alert(PeriodKind.HOUR, budget_period(PeriodKind.HOUR, latest_closed_hour(cloud.now)), cost)
    published = replace(said, message=replace(said.message, message_id=f"hour-{number}"), published_at=cloud.now)
    return cloud.deliver(published, HOURLY, mode=Mode.APPROVE).name


@pytest.mark.parametrize(
    ("hours", "cost", "stopped"),
    [(1, "120", NAMES), (1, "20", []), (2, "120", [])],
    ids=["the next hour is above the cap", "the next hour is below it", "an hour is between"],
)
def test_the_next_hour_above_an_hourly_cap_executes_a_plan_that_nobody_answered(
    hours: int, cost: str, stopped: list[str]
) -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.now = at("2026-07-21T15:07:00")
    hourly(cloud, 1)
    cloud.now += hours * HOUR

    hourly(cloud, 2, cost)

    assert cloud.stopped_names() == stopped


def test_the_plan_of_a_day_is_not_executed_by_the_alert_of_its_last_hour() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.now = at("2026-07-22T06:30:00")
    day = tracker_alert(PeriodKind.DAY, budget_period(PeriodKind.DAY, cloud.now))
    cloud.deliver(replace(day, published_at=cloud.now), HOURLY, mode=Mode.APPROVE)
    cloud.now = at("2026-07-22T08:07:00")  # The hour that began when the day ended is over.

    hourly(cloud, 2)

    assert cloud.stopped_names() == []


def test_a_message_under_the_budget_executes_no_unanswered_plan() -> None:
    cloud = proposed(EXECUTING)
    cloud.now += 4 * HOUR
    later(cloud, 1, "10", EXECUTING)

    assert cloud.changes == []


def test_a_plan_that_nobody_answered_is_not_executed_long_after_it_expired() -> None:
    cloud = proposed(EXECUTING)
    cloud.now += 4 * HOUR + 121 * MINUTE
    later(cloud, 1, used=EXECUTING)

    assert cloud.changes == []


def test_an_approval_with_another_hash_is_refused() -> None:
    cloud = proposed()

    assert approve(cloud, plan="message-1:0123") is VerdictName.WRONG_HASH
    assert approve(cloud, plan="message-9:0123", message_id="approval-2") is VerdictName.UNKNOWN_PLAN
    assert cloud.changes == []


def test_an_approval_of_a_plan_whose_record_was_edited_is_refused() -> None:
    cloud = proposed()
    cloud.tables.actions[0].instance = vm("e").instance

    assert approve(cloud) is VerdictName.PLAN_CHANGED
    assert cloud.changes == []
    assert later(cloud, 1) is VerdictName.OVER_BUDGET


def test_a_second_approval_of_a_plan_is_refused() -> None:
    cloud = proposed()
    approve(cloud)
    cloud.now += MINUTE

    assert approve(cloud, message_id="approval-2") is VerdictName.PLAN_EXECUTED
    assert cloud.stopped_names() == NAMES


def test_a_plan_is_superseded_by_a_newer_message_that_allows_none_of_its_stops() -> None:
    cloud = proposed()
    cloud.now += HOUR
    later(cloud, 1, "10")

    assert approve(cloud) is VerdictName.PLAN_SUPERSEDED
    assert cloud.changes == []


def test_a_plan_is_superseded_by_one_that_was_made_since() -> None:
    cloud = proposed()
    first = plan_id(cloud)
    cloud.now += HOUR
    later(cloud, 1, mode=Mode.ENFORCE)
    stopped = cloud.stopped_names()

    assert approve(cloud, plan=first) is VerdictName.PLAN_SUPERSEDED
    assert cloud.stopped_names() == stopped


@pytest.mark.parametrize(
    "changed",
    [
        policy(replace(rule(), budget_id="budget-2")),
        policy(rule(steps=steps(("1.5", "low")))),
        SNOOZED,
    ],
)
def test_a_plan_that_the_present_policy_does_not_allow_is_refused(changed: Policy) -> None:
    cloud = proposed()

    assert approve(cloud, changed) is VerdictName.PLAN_SUPERSEDED
    assert cloud.changes == []


def test_an_approval_that_a_snooze_refused_is_given_again_once_it_is_lifted() -> None:
    cloud = proposed()

    assert "snoozed until 2026-08-01T00:00:00Z" in cloud.command(approval(plan_id(cloud)), SNOOZED).reason
    assert approve(cloud, message_id="approval-2") is VerdictName.APPROVED
    assert cloud.stopped_names() == NAMES


def test_a_snooze_ends_the_stops_of_an_approval_that_is_redelivered() -> None:
    cloud = proposed()
    said = approval(plan_id(cloud))
    cloud.down.add("find")
    with pytest.raises(ExceptionGroup):
        cloud.command(said, WAITING)
    cloud.down.clear()
    cloud.now += MINUTE
    cloud.command(said, SNOOZED)

    assert cloud.changes == []
    assert cloud.tables.events(ActionEvent.CHANGED) == NAMES


def test_a_dry_run_refuses_every_command() -> None:
    cloud = proposed()

    assert approve(cloud, mode=Mode.DRY_RUN) is VerdictName.COMMAND_REFUSED
    assert cloud.changes == []


def test_an_approval_that_is_itself_old_is_refused() -> None:
    cloud = proposed()
    said = approval(plan_id(cloud))
    cloud.now += 3 * HOUR

    assert cloud.command(said, WAITING).name is VerdictName.COMMAND_REFUSED


def test_a_command_that_cannot_be_read_is_recorded_as_malformed() -> None:
    cloud = proposed()

    assert cloud.command(Malformed(Message("x", None, {}, "{"), "no command"), WAITING).name is VerdictName.MALFORMED
    assert cloud.tables.verdicts()[-1] is VerdictName.MALFORMED


def test_an_approved_stop_passes_the_checks_of_every_stop() -> None:
    cloud = proposed()
    cloud.now += HOUR
    cloud.has(labelled(vm("a"), spotkeeper_protect="true"), vm("b", started=NOW + MINUTE))
    approve(cloud)

    assert cloud.stopped_names() == ["c"]
    assert cloud.tables.events(ActionEvent.CHANGED) == ["a", "b"]


def test_approved_stops_keep_to_the_limits_of_the_present_policy() -> None:
    cloud = proposed()
    narrower = policy(rule(caps=Caps(per_alert=1)), approval_minutes=240)
    approve(cloud, narrower)

    assert cloud.stopped_names() == ["a"]


def test_plans_that_wait_count_against_no_limit_until_they_are_approved() -> None:
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)), approval_minutes=10)
    cloud = proposed(used)
    for number in range(3):
        cloud.now += 10 * MINUTE
        later(cloud, number, used=used)

    assert approve(cloud, used) is VerdictName.APPROVED
    assert cloud.stopped_names() == NAMES


def test_the_same_approval_again_stops_nothing_more_and_retries_what_failed() -> None:
    cloud = proposed()
    cloud.refusing["id-b"] = UnavailableError("503")
    said = approval(plan_id(cloud))
    with pytest.raises(ExceptionGroup):
        cloud.command(said, WAITING)
    del cloud.refusing["id-b"]
    cloud.now += MINUTE

    assert cloud.command(said, WAITING).name is VerdictName.REDELIVERED
    assert sorted(cloud.stopped_names()) == NAMES


@pytest.mark.parametrize("used", [WAITING, EXECUTING])
def test_whatever_ends_an_approval_it_stops_its_plan_once_and_nothing_else(used: Policy) -> None:
    for boundary in range(200):
        cloud = proposed(used)
        said = approval(plan_id(cloud))
        killer = Killer(boundary)
        killed = False
        try:
            cloud.command(said, used, gate=killer)
        except Killed:
            killed = True
        cloud.now += MINUTE
        cloud.command(said, used)
        assert sorted(cloud.stopped_names()) == NAMES, boundary
        assert approve(cloud, used, message_id="approval-2") is VerdictName.PLAN_EXECUTED
        if not killed:
            return
    pytest.fail("a delivery of so few calls ends")


def test_whatever_ends_a_message_that_executes_an_unanswered_plan_it_is_executed_once() -> None:
    for boundary in range(200):
        cloud = proposed(EXECUTING)
        cloud.now += 4 * HOUR
        said = notification("121", message_id="later", published=cloud.now)
        killed = False
        try:
            cloud.deliver(said, EXECUTING, mode=Mode.APPROVE, gate=Killer(boundary))
        except Killed:
            killed = True
        cloud.now += MINUTE
        cloud.deliver(said, EXECUTING, mode=Mode.APPROVE)
        assert sorted(cloud.stopped_names()) == NAMES, boundary
        if not killed:
            return
    pytest.fail("a delivery of so few calls ends")


def test_an_instance_started_between_plan_and_approval_is_not_stopped_by_a_second_delivery() -> None:
    cloud = proposed()
    said = approval(plan_id(cloud))
    cloud.now += HOUR
    cloud.has(vm("a", started=NOW + MINUTE))
    cloud.down.add("find")
    with pytest.raises(ExceptionGroup):
        cloud.command(replace(said, published_at=cloud.now), WAITING)
    cloud.down.clear()
    cloud.now += MINUTE
    cloud.command(replace(said, published_at=cloud.now), WAITING)

    assert sorted(cloud.stopped_names()) == ["b", "c"]


def test_a_plan_made_while_enforcing_is_not_finished_in_the_mode_approve() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.down.add("find")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    cloud.down.clear()
    cloud.deliver(notification(), mode=Mode.APPROVE)

    assert cloud.changes == []


def test_a_plan_that_another_message_executed_a_moment_ago_is_not_executed_again() -> None:
    cloud = proposed()
    first, second = (approval(plan_id(cloud), message_id=name) for name in ("approval-1", "approval-2"))
    cloud.before["history"] = lambda: cloud.command(first, WAITING)

    assert cloud.command(second, WAITING).name is VerdictName.PLAN_EXECUTED
    assert len(cloud.tables.events(ActionEvent.PLANNED)) == 2 * len(NAMES)


def test_a_plan_that_is_superseded_keeps_no_message_waiting_and_is_not_executed() -> None:
    cloud = proposed(EXECUTING)
    cloud.now += HOUR
    later(cloud, 1, used=EXECUTING, mode=Mode.ENFORCE)
    cloud.now += 3 * HOUR
    stopped = cloud.stopped_names()

    assert later(cloud, 2, used=EXECUTING) is VerdictName.OVER_BUDGET
    assert cloud.stopped_names() == stopped
    assert [each.target for each in cloud.tables.deliveries] == [None] * 3


def test_a_plan_expires_with_its_budget_period() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.now = JULY.end - 30 * MINUTE
    cloud.deliver(notification(published=cloud.now), EXECUTING, mode=Mode.APPROVE)
    first = plan_id(cloud)
    cloud.now = JULY.end + MINUTE

    assert approve(cloud, EXECUTING, plan=first) is VerdictName.PLAN_EXPIRED
    august = notification(message_id="august", published=cloud.now, start=JULY.end)
    assert cloud.deliver(august, EXECUTING, mode=Mode.APPROVE).name is VerdictName.OVER_BUDGET
    assert cloud.changes == []
    assert plan_id(cloud) != first


def test_the_plan_of_an_hour_waits_no_longer_than_messages_are_about_that_hour() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    used = policy(rule(responses={Source.BILLING: Response.WARN, Source.TRACKER: Response.STOP}), approval_minutes=240)
    hour = budget_period(PeriodKind.HOUR, latest_closed_hour(NOW))
    said = tracker_alert(PeriodKind.HOUR, hour)
    cloud.deliver(said, used, mode=Mode.APPROVE)
    [waits] = [each.proposed for each in cloud.tables.deliveries if each.proposed]

    assert latest_closed_hour(waits.expires_at - MINUTE) == hour.start
    assert latest_closed_hour(waits.expires_at) > hour.start


def test_an_approved_stop_that_another_message_waits_for_is_not_requested_again() -> None:
    used = policy(rule(), replace(rule(), budget_id="budget-2"), approval_minutes=240)
    cloud = proposed(used)
    cloud.slow.add("id-a")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(budget_id="budget-2", message_id="m2"), used)
    cloud.now += MINUTE
    cloud.calls.clear()
    approve(cloud, used)

    assert "act stop id-a" not in cloud.calls
    skipped = {row.instance.name: row.reason for row in cloud.tables.actions if row.event is ActionEvent.CHANGED}
    assert skipped["a"] == "left for the next alert: message m2 stops it already"


def test_an_approval_executes_the_whole_plan_of_a_burst() -> None:
    used = policy(rule(caps=Caps(per_alert=1, per_day=5)), approval_minutes=240, burst=True)
    cloud = Cloud().has(*(vm(name, vcpus=96) for name in "abc"))
    cloud.deliver(notification("110"), used, mode=Mode.APPROVE)
    assert cloud.tables.events(ActionEvent.PLANNED) == NAMES

    assert approve(cloud, used) is VerdictName.APPROVED
    assert cloud.stopped_names() == NAMES


def test_a_plan_whose_record_is_confirmed_too_late_is_announced_by_the_redelivery(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.answer_lost.add("record_plan")
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), WAITING, mode=Mode.APPROVE)
    cloud.answer_lost.clear()
    caplog.clear()
    cloud.deliver(notification(), WAITING, mode=Mode.APPROVE)

    assert AWAITING_APPROVAL in [record.message for record in caplog.records]


def test_an_approved_stop_keeps_the_reason_of_its_plan() -> None:
    cloud = proposed()
    reasons = {row.instance.name: row.reason for row in cloud.tables.actions if row.event is ActionEvent.PLANNED}
    approve(cloud)
    executed = [row for row in cloud.tables.actions if row.event is ActionEvent.PLANNED and row.mode is Mode.ENFORCE]

    assert [row.reason for row in executed] == [f"planned by message message-1: {reasons[name]}" for name in NAMES]


def test_in_a_new_period_what_was_stopped_is_started_again_without_an_approval() -> None:
    used = policy(restart=True)
    cloud = proposed(used)
    approve(cloud, used)
    cloud.now = JULY.end + HOUR
    august = notification("10", message_id="august", published=cloud.now, start=JULY.end)
    cloud.deliver(august, used, mode=Mode.APPROVE)
    cloud.now += MINUTE
    cloud.deliver(august, used, mode=Mode.APPROVE)

    assert sorted(cloud.started_names()) == sorted(cloud.tables.events(ActionEvent.RESTARTED)) == NAMES
