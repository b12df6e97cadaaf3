"""Deliveries that resume a plan, or look after the stops of another message, near their limits."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import Caps
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import NOW, labelled, notification, policy, rule, vm

MINUTE = timedelta(minutes=1)
MUCH_TOO_LONG = timedelta(hours=1)
"""A call that takes this long leaves no time for any request of its delivery."""


def alert(message_id: str, minutes: int) -> BudgetNotification:
    return notification(message_id=message_id, published=NOW + minutes * MINUTE)


def of_message(cloud: Cloud, message_id: str) -> list[tuple[str, ActionEvent]]:
    """The outcomes of a message, each with the name of its instance."""
    return [
        (row.instance.name, row.event)
        for row in cloud.tables.actions
        if row.message_id == message_id and row.event is not ActionEvent.PLANNED
    ]


def stopped_without_a_record(cloud: Cloud) -> None:
    """What message-1 planned is stopped, and none of its outcomes could be recorded."""
    cloud.down = {"record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), policy(rule(caps=Caps(per_alert=3, per_day=3))))
    cloud.down = set()
    assert of_message(cloud, "message-1") == []


def planned_only(cloud: Cloud) -> None:
    """The plan of message-1 is on record, and nothing is stopped."""
    cloud.down = {"find", "record_outcomes"}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification())
    cloud.down = set()
    assert cloud.stopped_names() == []


def test_a_stop_of_another_message_that_there_was_no_time_to_look_at_has_no_outcome_yet() -> None:
    cloud = Cloud().has(vm("a"), vm("b"), vm("c"))
    stopped_without_a_record(cloud)
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)))

    cloud.now += 20 * MINUTE
    cloud.call_times["history"] = MUCH_TOO_LONG
    cloud.deliver(alert("message-2", 20), used)
    assert of_message(cloud, "message-1") == []

    cloud.call_times.clear()
    cloud.deliver(alert("message-3", 80), used)
    assert of_message(cloud, "message-1") == [(name, ActionEvent.STOPPED) for name in "abc"]


def test_an_unexpected_error_in_looking_at_a_stop_of_another_message_is_no_outcome_of_it() -> None:
    cloud = Cloud().has(vm("a"))
    stopped_without_a_record(cloud)
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)))

    def fault() -> None:
        message = "no such field"
        raise KeyError(message)

    cloud.now += 20 * MINUTE
    cloud.before["operation_of"] = fault
    cloud.deliver(alert("message-2", 20), used)
    assert of_message(cloud, "message-1") == []

    cloud.now += 20 * MINUTE
    cloud.deliver(alert("message-3", 40), used)
    assert of_message(cloud, "message-1") == [("a", ActionEvent.STOPPED)]


def test_a_retry_for_which_there_was_no_time_has_failed_again_and_uses_up_no_limit() -> None:
    cloud = Cloud(refusing={"id-a": UnavailableError("403")}).has(*(vm(name) for name in "abcd"))
    used = policy(rule(caps=Caps(per_alert=3, per_day=3)))
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)

    cloud.now += MINUTE
    cloud.call_times["record_plan"] = MUCH_TOO_LONG
    with pytest.raises(ExceptionGroup):
        cloud.deliver(notification(), used)
    cloud.call_times.clear()
    cloud.deliver(alert("message-2", 62), used)

    assert cloud.stopped_names() == ["b", "c", "d"]


def test_a_plan_that_uses_up_the_limit_of_all_budgets_is_resumed_to_its_end() -> None:
    cloud = Cloud().has(vm("a"), vm("b"), vm("c"))
    planned_only(cloud)

    cloud.deliver(notification(), policy(rule(), max_stops_per_day_total=3))

    assert cloud.stopped_names() == ["a", "b", "c"]


@pytest.mark.parametrize("beside", ["stopped", "out of scope"])
def test_the_share_that_a_resumed_plan_keeps_to_is_one_of_what_runs_in_scope(beside: str) -> None:
    cloud = Cloud().has(*(labelled(vm(name), team="vision") for name in "abcd"))
    planned_only(cloud)
    for name in ("other-1", "other-2", "other-3", "other-4"):
        status, team = ("TERMINATED", "vision") if beside == "stopped" else ("RUNNING", "speech")
        cloud.has(labelled(vm(name, status=status), team=team))
    half = rule(caps=Caps(per_alert=3, fleet_share=Decimal("0.5")), labels={"team": frozenset({"vision"})})

    cloud.deliver(notification(), policy(half))

    assert cloud.stopped_names() == ["a", "b"]
    left = [row.reason for row in cloud.tables.actions if row.event is ActionEvent.CHANGED]
    assert [reason.partition(",")[0] for reason in left] == [
        "left for the next alert: limit of 50% of the fleet per day"
    ]


def test_a_restart_that_never_gets_its_turn_is_delivered_again() -> None:
    july_end = rule().period_at(NOW).end
    elsewhere = rule(budget_id="elsewhere", projects=("team-b-prod",), caps=Caps(1))
    used = policy(rule(), elsewhere, restart=True)
    cloud = Cloud().has(vm("a"), *(vm(f"other-{number}", project="team-b-prod") for number in range(20)))
    cloud.deliver(notification(), used)
    cloud.now = july_end + MINUTE

    def another() -> None:
        said = notification(
            message_id=f"other-{len(cloud.tables.deliveries)}",
            budget_id="elsewhere",
            published=cloud.now,
            start=july_end,
        )
        cloud.before.pop("record_plan", None)
        cloud.deliver(said, used)
        cloud.before["record_plan"] = another

    cloud.before["record_plan"] = another
    said = notification("1", message_id="august", published=cloud.now, start=july_end)
    with pytest.raises(UnavailableError, match="5 times, another notification was planned"):
        cloud.deliver(said, used)
    assert cloud.started_names() == []

    cloud.before.clear()
    cloud.deliver(said, used)
    assert cloud.started_names() == ["a"]


def test_what_a_message_said_is_not_believed_any_more_once_the_policy_asks_for_a_larger_share() -> None:
    july_end = rule().period_at(NOW).end
    trusting = policy(rule(), rule(budget_id="wide"), restart=True, min_share_of_tracker_cost=Decimal(0))
    careful = replace(trusting, min_share_of_tracker_cost=Decimal("0.5"))
    cloud = Cloud().has(vm("a"))
    cloud.deliver(notification(), trusting)
    cloud.now = july_end + MINUTE
    wide = notification(message_id="wide", budget_id="wide", published=cloud.now, start=july_end)
    cloud.deliver(wide, trusting)
    cloud.tables.tracker_cost = Decimal(100)
    cloud.now += MINUTE
    forged = replace(wide, message=replace(wide.message, message_id="forged"), cost=Decimal(1), published_at=cloud.now)
    cloud.deliver(forged, trusting)
    cloud.tables.tracker_cost = Decimal(1)

    cloud.deliver(notification("1", message_id="august", published=cloud.now, start=july_end), careful)

    assert cloud.started_names() == []
