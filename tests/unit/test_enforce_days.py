"""Whole days at random: however Pub/Sub delivers them, they stop no more than the same day in good order."""

import random
from decimal import ROUND_FLOOR
from functools import cache

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Caps, Response
from spotkeeper.enforcement.protection import importance
from spotkeeper.enforcement.spot_vms import RUNNING, SpotVm, reason_to_spare
from tests.unit.enforcer_days import (
    BOTH_STOP,
    DAY,
    MINUTE,
    Day,
    concurrent,
    orderly,
    random_day,
    reordered,
    repeated,
)
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import notification, policy, rule, steps, tracker_alert, vm

DAYS = range(80)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (the same days every time)


@cache
def day_of(seed: int) -> Day:
    return random_day(seeded(seed))


@cache
def stopped_in_order(seed: int) -> tuple[str, ...]:
    """What the day of this seed stops when it comes in good order."""
    return tuple(orderly(day_of(seed)).stopped_names())


def stops_of(cloud: Cloud, day: Day, used: BudgetRule) -> list[str]:
    names = {each.instance.name for each in day.fleet if used.covers(each.instance)}
    return [name for name in cloud.stopped_names() if name in names]


def may_stop(said: BudgetNotification, vm: SpotVm, day: Day) -> bool:
    """Whether a message may stop an instance, by what each of them says and the policy."""
    used = day.policy.budgets[said.budget_id]
    reached = [step.priorities for step in used.steps if said.cost >= said.budget * step.threshold]
    return (
        not said.drill
        and used.responses[said.source] is Response.STOP
        and used.covers(vm.instance)
        and importance(vm.instance.labels, day.policy).priority in frozenset().union(*reached)
        and reason_to_spare(vm, day.policy, DAY.end) is None
    )


def assert_recorded(cloud: Cloud, seed: int) -> None:
    """What was stopped is on record as stopped, and nothing else is."""
    assert sorted(cloud.tables.events(ActionEvent.STOPPED)) == sorted(cloud.stopped_names()), seed


def assert_kept(cloud: Cloud, day: Day, seed: int) -> None:
    """Whatever happened, nothing was stopped twice, out of turn, or beyond a cap."""
    stopped = cloud.stopped_names()
    assert len(stopped) == len(set(stopped)), seed
    ends = {*cloud.tables.events(ActionEvent.STOPPED), *cloud.tables.events(ActionEvent.CHANGED)}
    assert set(cloud.tables.events(ActionEvent.STOPPED)) <= set(stopped) <= ends, seed
    vms = {each.instance.name: each for each in day.fleet}
    said_by = {said.message.message_id: said for said in day.news}
    for row in cloud.tables.actions:
        if row.event is ActionEvent.STOPPED:
            assert may_stop(said_by[row.message_id], vms[row.instance.name], day), seed
    for used in day.policy.budgets.values():
        running = sum(each.status == RUNNING and used.covers(each.instance) for each in day.fleet)
        of_fleet = int((used.caps.fleet_share * running).to_integral_value(ROUND_FLOOR))
        assert len(stops_of(cloud, day, used)) <= min(used.caps.per_day, of_fleet), seed
        for said in day.news:
            planned = [
                row
                for row in cloud.tables.actions
                if (row.message_id, row.event) == (said.message.message_id, ActionEvent.PLANNED)
            ]
            assert len(planned) <= day.policy.budgets.get(said.budget_id, used).caps.per_alert, seed


def test_a_day_in_good_order_keeps_to_every_rule_and_most_days_stop_something() -> None:
    stopping = 0
    for seed in DAYS:
        day = day_of(seed)
        cloud = orderly(day)

        assert_kept(cloud, day, seed)
        assert_recorded(cloud, seed)
        stopping += bool(cloud.changes)
    assert stopping > len(DAYS) // 4


def test_messages_delivered_again_change_nothing() -> None:
    for seed in DAYS:
        day = day_of(seed)
        cloud = repeated(day, seeded(seed))

        assert tuple(cloud.stopped_names()) == stopped_in_order(seed), seed
        assert_recorded(cloud, seed)
        assert_kept(cloud, day, seed)


def test_messages_that_come_late_stop_nothing_that_good_order_spares() -> None:
    fewer = 0
    for seed in DAYS:
        day = day_of(seed)
        cloud, expected = reordered(day, seeded(seed)), set(stopped_in_order(seed))

        assert set(cloud.stopped_names()) <= expected, seed
        assert_kept(cloud, day, seed)
        assert_recorded(cloud, seed)
        fewer += set(cloud.stopped_names()) < expected
    assert fewer


def test_messages_delivered_at_the_same_time_stop_nothing_that_good_order_spares() -> None:
    replanned = 0
    for seed in DAYS:
        day = day_of(seed)
        cloud, expected = concurrent(day, seeded(seed)), set(stopped_in_order(seed))

        assert set(cloud.stopped_names()) <= expected, seed
        assert_kept(cloud, day, seed)
        planned = sum(delivery.plan is not None for delivery in cloud.tables.deliveries)
        replanned += cloud.calls.count("record_plan") > planned
    assert replanned


def test_two_signals_that_may_both_stop_keep_to_every_rule_in_any_order() -> None:
    for seed in DAYS[::3]:
        day = random_day(seeded(seed), (BOTH_STOP,))

        for cloud in (reordered(day, seeded(seed)), concurrent(day, seeded(seed))):
            assert_kept(cloud, day, seed)


LOW_AND_MEDIUM = [vm(name, labels={"priority": "low" if name in "abc" else "medium"}) for name in "abcdef"]
NEXT = DAY.start + 60 * MINUTE


def test_a_late_message_may_stop_more_after_another_signal_than_before_it() -> None:
    """Each keeps to its caps, but what good order spares is promised for one source that may stop, not for two."""
    both = rule(steps=steps(("0.8", "low"), ("1.0", "low medium")), responses=BOTH_STOP)
    billing = notification(message_id="billing", published=DAY.start)
    tracker = tracker_alert(DAY.kind, DAY, "85", published_at=NEXT)
    day = Day(tuple(LOW_AND_MEDIUM), policy(both), (billing, tracker))

    assert orderly(day).stopped_names() == ["a", "b", "c"]
    assert orderly(day, (tracker, billing)).stopped_names() == ["a", "b", "c", "d", "e", "f"]


def test_a_late_message_may_stop_more_after_another_budget_of_the_same_instances_than_before_it() -> None:
    """The same of two budgets that cover the same instances: each has caps of its own."""
    wide = rule(budget_id="wide", steps=steps(("1.0", "low medium")))
    narrow = rule(budget_id="narrow")
    first = notification(message_id="first", budget_id="wide", published=DAY.start)
    second = notification(message_id="second", budget_id="narrow", published=NEXT)
    day = Day(tuple(LOW_AND_MEDIUM), policy(wide, narrow), (first, second))

    assert orderly(day).stopped_names() == ["a", "b", "c"]
    assert orderly(day, (second, first)).stopped_names() == ["a", "b", "c", "d", "e", "f"]


def test_a_lost_forecast_may_leave_the_cap_of_the_day_to_an_instance_without_a_price() -> None:
    """A forecast passes over what has no price; a used up budget does not."""
    capped = rule(steps=steps(("0.8", "low medium")), caps=Caps(per_day=1))
    fleet = (vm("unpriced", labels={"priority": "low"}, machine_type="zz9-plural-2"), LOW_AND_MEDIUM[-1])
    nearing = notification("99", message_id="nearing", published=DAY.start)
    over = notification(message_id="over", published=NEXT)
    day = Day(fleet, policy(capped), (nearing, over))

    assert orderly(day).stopped_names() == ["f"]
    assert orderly(day, (over, nearing)).stopped_names() == ["unpriced"]
