"""Concurrent messages: what one of them has planned to stop, no other one plans to stop."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.history import PENDING_STOP_TTL
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import Caps, Policy
from tests.unit.enforcer_fakes import Cloud, Gate, Killed, Killer
from tests.unit.enforcer_samples import NOW, notification, policy, rule, vm
from tests.unit.enforcer_turns import Turns

FLEET = [vm(name) for name in "abcdef"]
CAPS = Caps(per_alert=2)
BUDGETS = policy(rule(budget_id="one", caps=CAPS), rule(budget_id="other", caps=CAPS))
NEXT = NOW + timedelta(minutes=1)


def news(budget_id: str, message_id: str) -> BudgetNotification:
    return notification(message_id=message_id, budget_id=budget_id)


def at_once(seed: int, used: Policy, *messages: BudgetNotification) -> Cloud:
    """Return what is left when deliveries run at the same time, in an order of their calls that a seed decides."""
    cloud = Cloud().has(*FLEET)

    def delivery(said: BudgetNotification) -> Callable[[Gate], None]:
        return lambda gate: [cloud.deliver(said, used, gate=gate)].clear()

    Turns(random.Random(seed)).run([delivery(each) for each in messages])  # noqa: S311 (the same order each time)
    return cloud


@pytest.mark.parametrize("budgets", [("one", "one"), ("one", "other")], ids=["one budget", "two budgets"])
def test_two_messages_at_once_stop_as_many_as_one_after_the_other(budgets: tuple[str, str]) -> None:
    for seed in range(40):
        cloud = at_once(seed, BUDGETS, *(news(each, f"message-{number}") for number, each in enumerate(budgets)))

        planned = cloud.tables.events(ActionEvent.PLANNED)
        assert sorted(planned) == ["a", "b", "c", "d"], seed
        assert (
            Counter(cloud.tables.events(ActionEvent.STOPPED)) == Counter(cloud.stopped_names()) == Counter(planned)
        ), seed


def left_by_one_that_died() -> Cloud:
    """Return a cloud in which a delivery was killed between its plan and its first stop."""
    cloud = Cloud().has(*FLEET)
    killer = Killer(boundary=0)
    while not cloud.tables.events(ActionEvent.PLANNED):
        killer = Killer(killer.boundary + 1)
        with pytest.raises(Killed):
            cloud.deliver(news("one", "died"), BUDGETS, gate=killer)
    assert cloud.stopped_names() == []
    return cloud


def test_what_another_message_is_about_to_stop_is_spared_and_the_reason_names_that_message() -> None:
    cloud = left_by_one_that_died()
    cloud.now = NEXT

    cloud.deliver(news("other", "next"), BUDGETS)

    assert cloud.stopped_names() == ["c", "d"]
    reasons = {row.instance.name: row.reason for row in cloud.tables.actions if row.event is ActionEvent.SPARED}
    assert reasons["a"] == reasons["b"] == "stop pending: planned by message died"


@pytest.mark.parametrize(("late", "stopped"), [(timedelta(0), ["c", "d"]), (timedelta(seconds=1), ["a", "b"])])
def test_what_a_delivery_that_died_was_about_to_stop_is_not_spared_for_ever(
    late: timedelta, stopped: list[str]
) -> None:
    cloud = left_by_one_that_died()
    cloud.now = NOW + PENDING_STOP_TTL + late

    cloud.deliver(news("other", "next"), BUDGETS)

    assert cloud.stopped_names() == stopped


def test_what_could_not_be_stopped_is_no_longer_pending_but_ranks_behind() -> None:
    cloud = Cloud().has(*FLEET)
    cloud.refusing = {"id-a": RuntimeError("hands off")}
    with pytest.raises(ExceptionGroup):
        cloud.deliver(news("one", "first"), BUDGETS)
    cloud.refusing.clear()
    cloud.now = NEXT

    cloud.deliver(news("other", "next"), BUDGETS)

    assert cloud.stopped_names() == ["b", "c", "d"]
    spared = {row.instance.name: row.reason for row in cloud.tables.actions if row.message_id == "next"}
    assert spared["a"].startswith("deferred to the next alert (rank 5): limit of 2 stops per alert; its stop failed ")
