"""An undo: what is started again, what is not, and what keeps running afterwards."""

from dataclasses import replace
from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.notifications import Command, CommandName, Message
from spotkeeper.enforcement.policies import Caps, Policy
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import JULY, NOW, at, notification, policy, rule, vm

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NAMES = ["a", "b", "c"]
OTHER = replace(rule(), budget_id="budget-2")
USED = policy(rule(), OTHER)


def stopped(used: Policy = USED) -> Cloud:
    """A fleet of five of which a message has stopped three."""
    cloud = Cloud().has(*(vm(name) for name in "abcde"))
    cloud.deliver(notification(), used)
    cloud.now += HOUR
    return cloud


def command(cloud: Cloud, target: str = "message-1", message_id: str = "undo-1") -> Command:
    return Command(Message(message_id, cloud.now, {}, ""), cloud.now, CommandName.UNDO, target)


def undo(cloud: Cloud, used: Policy = USED, *, mode: Mode = Mode.ENFORCE, **said: str) -> VerdictName:
    return cloud.command(command(cloud, **said), used, mode=mode).name


def test_an_undo_starts_what_the_message_stopped_and_nothing_else() -> None:
    cloud = stopped()
    cloud.deliver(notification("121", message_id="message-2", published=cloud.now), USED)
    cloud.now += MINUTE

    assert undo(cloud) is VerdictName.UNDONE
    assert sorted(cloud.started_names()) == sorted(cloud.tables.events(ActionEvent.RESTARTED)) == NAMES


def test_an_undo_whose_start_failed_is_redelivered_and_starts_what_is_left() -> None:
    cloud = stopped()
    said = command(cloud)
    cloud.refusing["id-b"] = UnavailableError("503")
    with pytest.raises(ExceptionGroup):
        cloud.command(said, USED)
    assert cloud.tables.events(ActionEvent.RESTART_FAILED) == ["b"]

    cloud.refusing.clear()
    cloud.now += MINUTE
    cloud.command(said, USED)

    assert sorted(cloud.started_names()) == sorted(cloud.tables.events(ActionEvent.RESTARTED)) == NAMES


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.APPROVE])
def test_what_was_undone_is_not_stopped_before_the_end_of_the_period(mode: Mode) -> None:
    cloud = stopped()
    undo(cloud, mode=mode)
    cloud.now += HOUR
    cloud.deliver(notification("150", message_id="message-2", published=cloud.now), USED)

    assert cloud.stopped_names()[3:] == ["d", "e"]
    spared = {row.instance.name: row.reason for row in cloud.tables.actions if row.event is ActionEvent.SPARED}
    assert spared["a"] == "snoozed until 2026-08-01T07:00:00Z: its stop was undone"


def test_a_snooze_ends_with_its_period() -> None:
    cloud = stopped()
    undo(cloud)
    cloud.now = JULY.end + HOUR
    cloud.deliver(notification("150", message_id="august", published=cloud.now, start=JULY.end), USED)

    assert len(cloud.stopped_names()) == 6


def test_a_resumed_plan_stops_nothing_that_was_undone_meanwhile() -> None:
    cloud = Cloud().has(*(vm(name) for name in NAMES))
    cloud.down.add("find")
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), USED)
    cloud.down.clear()
    cloud.now += MINUTE

    assert undo(cloud) is VerdictName.UNDONE
    cloud.deliver(notification(), USED)
    assert cloud.changes == []
    assert cloud.tables.events(ActionEvent.CHANGED) == NAMES


def test_an_instance_that_a_person_changed_since_is_not_started() -> None:
    cloud = stopped()
    found = {each.instance.name: each for each in cloud.vms.values()}
    cloud.has(replace(found["a"], started=NOW + MINUTE), replace(found["b"], status="RUNNING"))
    undo(cloud)

    assert cloud.started_names() == ["c"]
    assert sorted(cloud.tables.events(ActionEvent.NOT_RESTARTED)) == ["a", "b"]


def test_an_instance_that_another_budget_keeps_stopped_is_not_started() -> None:
    cloud = stopped()
    cloud.deliver(notification(budget_id="budget-2", message_id="other", published=cloud.now), USED)
    cloud.now += MINUTE
    undo(cloud)

    assert cloud.started_names() == []


def test_one_undo_starts_no_more_than_a_day_may() -> None:
    used = policy(rule(caps=Caps(per_alert=3, per_day=2)))
    cloud = stopped(policy())
    undo(cloud, used)

    assert len(cloud.started_names()) == 2
    said = cloud.tables.deliveries[-1].verdict.reason
    assert said == "stops of message message-1 to undo: 3; VMs snoozed until 2026-08-01T07:00:00Z: 3"


@pytest.mark.parametrize(
    ("mode", "target", "name"),
    [
        (Mode.DRY_RUN, "message-1", VerdictName.COMMAND_REFUSED),
        (Mode.ENFORCE, "message-9", VerdictName.NOTHING_TO_UNDO),
    ],
)
def test_an_undo_that_may_start_nothing_says_so(mode: Mode, target: str, name: VerdictName) -> None:
    cloud = stopped()

    assert undo(cloud, mode=mode, target=target) is name
    assert cloud.started_names() == []
    assert cloud.tables.verdicts()[-1] is name


def test_stops_are_undone_while_the_policy_is_snoozed() -> None:
    cloud = stopped()

    assert undo(cloud, replace(USED, snooze_until=at("2026-08-01T00:00:00"))) is VerdictName.UNDONE
    assert sorted(cloud.started_names()) == NAMES


def test_whatever_ends_an_undo_each_instance_is_started_once() -> None:
    for boundary in range(200):
        cloud = stopped()
        said = command(cloud)
        killed = False
        try:
            cloud.command(said, USED, gate=Killer(boundary))
        except Killed:
            killed = True
        cloud.now += MINUTE
        cloud.command(said, USED)
        assert sorted(cloud.started_names()) == NAMES, boundary
        if not killed:
            return
    pytest.fail("a delivery of so few calls ends")


def test_the_stops_of_an_approval_are_undone_by_the_approval() -> None:
    cloud = Cloud().has(*(vm(name) for name in NAMES))
    cloud.deliver(notification(), USED, mode=Mode.APPROVE)
    [plan] = [each.proposed for each in cloud.tables.deliveries if each.proposed]
    said = Command(Message("approval", NOW, {}, ""), NOW, CommandName.APPROVE, plan.message_id, plan.plan_hash)
    cloud.command(said, USED)
    cloud.now += HOUR

    assert undo(cloud, mode=Mode.APPROVE, target="approval") is VerdictName.UNDONE
    assert sorted(cloud.started_names()) == NAMES


def test_an_undo_of_a_plan_names_the_message_that_executed_it_if_one_did() -> None:
    cloud = Cloud().has(*(vm(name) for name in "abc"))
    cloud.deliver(notification(), USED, mode=Mode.APPROVE)
    cloud.now += MINUTE
    before = cloud.command(command(cloud), USED, mode=Mode.APPROVE)
    proposed = cloud.tables.history(notification(), rule(), cloud.now).proposed
    assert proposed is not None
    approval = Command(
        Message("approval-1", cloud.now, {}, ""), cloud.now, CommandName.APPROVE, "message-1", proposed.plan_hash
    )
    cloud.command(approval, USED, mode=Mode.APPROVE)
    cloud.now += MINUTE
    after = cloud.command(command(cloud, message_id="undo-2"), USED, mode=Mode.APPROVE)

    assert {before.name, after.name} == {VerdictName.NOTHING_TO_UNDO}
    assert before.reason == "the plan of message message-1 was not executed: nothing was stopped"
    assert after.reason == "the plan of message message-1 was executed by message approval-1: undo that one"
    assert cloud.started_names() == []


def test_an_undo_says_that_the_budget_is_no_longer_in_the_policy() -> None:
    cloud = stopped()

    found = cloud.command(command(cloud), policy(OTHER))

    assert (found.name, found.reason) == (VerdictName.NOTHING_TO_UNDO, "the policy has no budget 'budget-1'")


def test_an_undo_counts_the_starts_that_another_one_planned_a_moment_ago() -> None:
    used = policy(rule(caps=Caps(per_alert=3, per_day=4)))
    cloud = stopped(policy())
    cloud.deliver(notification("121", message_id="message-2", published=cloud.now), policy())
    cloud.now += MINUTE
    first, second = command(cloud), command(cloud, target="message-2", message_id="undo-2")
    cloud.before["history"] = lambda: cloud.command(first, used)
    cloud.command(second, used)

    assert len(cloud.started_names()) == 4
