"""Deliveries that end in the middle, and deliveries while BigQuery is down."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import Event
from spotkeeper.enforcement.policies import Caps, Policy, WithoutRecords
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.verdicts import VerdictName
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import NOW, notification, policy, rule, steps, vm

MINUTE = timedelta(minutes=1)
PROJECTS = ("team-a-prod", "team-b-prod")
ACTING = policy(rule(projects=PROJECTS), without_records=WithoutRecords.ACT)
REFUSING = policy(rule(projects=PROJECTS))
ALL_DOWN = {"history", "rates", "record", "record_plan", "record_outcomes"}


def fleet() -> Cloud:
    return Cloud().has(*(vm(name, vcpus=20 - number) for number, name in enumerate("abcde")))


def killed_everywhere(used: Policy, before: Callable[[Cloud], object] | None = None) -> Iterator[tuple[Cloud, int]]:
    """Yield a cloud for each boundary of a delivery's calls, after the delivery was killed there."""
    for boundary in itertools.count():
        cloud = fleet()
        if before:
            before(cloud)
        killer = Killer(boundary)
        with suppress(Killed, UnavailableError):
            cloud.deliver(notification(), used, gate=killer)
        if killer.passed <= boundary:
            return
        cloud.now += MINUTE
        yield cloud, boundary


def deliver_until_done(cloud: Cloud, used: Policy) -> None:
    for _ in range(5):
        with suppress(UnavailableError, ExceptionGroup):
            cloud.deliver(notification(), used)
            return
        cloud.now += MINUTE
    pytest.fail("the message is never done with")


@pytest.mark.parametrize(
    "used",
    [
        REFUSING,
        ACTING,
        policy(rule(projects=PROJECTS), grace_seconds=60),
        policy(rule(projects=PROJECTS), grace_seconds=60, without_records=WithoutRecords.ACT),
    ],
    ids=["plain", "acting without records", "grace", "both"],
)
def test_a_delivery_killed_at_any_call_and_delivered_again_stops_every_planned_instance_once(used: Policy) -> None:
    boundaries = 0
    for cloud, boundary in killed_everywhere(used):
        deliver_until_done(cloud, used)

        assert sorted(cloud.stopped_names()) == ["a", "b", "c"], boundary
        assert cloud.tables.events(Event.PLANNED) == ["a", "b", "c"], boundary
        assert sorted(cloud.tables.events(Event.STOPPED)) == ["a", "b", "c"], boundary
        boundaries += 1
    assert boundaries >= 2 * (4 + 2 * 3 + 1)


def test_a_delivery_killed_twice_stops_every_planned_instance_once() -> None:
    boundaries = sum(1 for _ in killed_everywhere(REFUSING))
    for first in range(0, boundaries, 2):
        for second in range(boundaries):
            cloud = fleet()
            for boundary in (first, second):
                with suppress(Killed):
                    cloud.deliver(notification(), REFUSING, gate=Killer(boundary))
                cloud.now += MINUTE
            deliver_until_done(cloud, REFUSING)

            assert sorted(cloud.stopped_names()) == ["a", "b", "c"], (first, second)
            assert sorted(cloud.tables.events(Event.STOPPED)) == ["a", "b", "c"], (first, second)


def test_a_killed_delivery_has_told_its_guests_once() -> None:
    used = policy(rule(projects=PROJECTS), grace_seconds=60, without_records=WithoutRecords.ACT)
    for cloud, boundary in killed_everywhere(used, lambda cloud: cloud.down.update(ALL_DOWN)):
        told = dict(cloud.told)
        with pytest.raises(UnavailableError):
            cloud.deliver(notification(), used)

        assert {key: cloud.told[key] for key in told} == told, boundary
        assert cloud.now <= NOW + 3 * MINUTE


@pytest.mark.parametrize("down", ["history", "rates", "record_plan"])
def test_with_records_down_the_policy_may_let_it_stop_what_one_alert_may(down: str) -> None:
    cloud = fleet()
    cloud.down = {down}

    for _ in range(4):
        with pytest.raises(UnavailableError, match=f"{down} is down"):
            cloud.deliver(notification(), ACTING)
        cloud.now += MINUTE
    assert sorted(cloud.stopped_names()) == ["a", "b", "c"]
    assert cloud.tables.actions == []


def test_what_was_stopped_without_records_is_recorded_once_they_are_back() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)

    cloud.down = set()
    verdict = cloud.deliver(notification(), ACTING)
    assert verdict.name is VerdictName.OVER_BUDGET
    assert sorted(cloud.stopped_names()) == ["a", "b", "c"]
    assert cloud.tables.events(Event.PLANNED) == ["a", "b", "c"]
    assert cloud.tables.events(Event.STOPPED) == ["a", "b", "c"]
    assert {row.reason for row in cloud.tables.actions if row.event is Event.PLANNED} == {
        "it was stopped for this message while no plan could be recorded"
    }


def test_the_gaps_of_a_plan_that_is_recorded_afterwards_are_recorded_too() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    cloud.down, cloud.unreadable = set(), {"team-b-prod"}
    cloud.deliver(notification(), ACTING)

    [delivery] = cloud.tables.deliveries
    assert delivery.gaps == ("team-b-prod: no page any more",)


@pytest.mark.parametrize("back_after", [1, 2, 3])
def test_without_records_a_delivery_killed_at_any_call_never_exceeds_the_cap_of_one_alert(back_after: int) -> None:
    for cloud, boundary in killed_everywhere(ACTING, lambda cloud: cloud.down.update(ALL_DOWN)):
        for _ in range(back_after):
            with pytest.raises(UnavailableError):
                cloud.deliver(notification(), ACTING)
            cloud.now += MINUTE
        assert len(cloud.stopped_names()) == len(set(cloud.stopped_names())) == 3, boundary
        cloud.down = set()
        deliver_until_done(cloud, ACTING)

        assert len(cloud.stopped_names()) == 3, boundary
        assert sorted(cloud.tables.events(Event.STOPPED)) == sorted(cloud.stopped_names()), boundary


def test_the_cap_counts_what_is_gone_since_it_was_stopped() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    for stopped in [key for key, found in cloud.vms.items() if found.status == "TERMINATED"]:
        del cloud.vms[stopped]

    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    cloud.down = set()
    cloud.deliver(notification(), ACTING)
    assert sorted(cloud.stopped_names()) == ["a", "b", "c"]


def test_the_cap_counts_what_cannot_be_listed_any_more() -> None:
    cloud = fleet().has(vm("x", project="team-b-prod", zone="us-east1-b"))
    cloud.down = set(ALL_DOWN)
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    assert len(cloud.stopped_names()) == 3

    cloud.silent_zones = {"us-central1-a"}
    cloud.has(*(vm(name, project="team-b-prod", zone="us-east1-b") for name in "yz"))
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    assert len(cloud.stopped_names()) == 3


def test_a_plan_on_record_is_not_finished_beyond_the_cap_that_other_stops_used_up() -> None:
    cloud = fleet()
    cloud.answer_lost = {"record_plan"}
    cloud.refusing = {f"id-{name}": UnavailableError("quota") for name in "abc"}
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    cloud.answer_lost, cloud.down = set(), {"history"}
    for name in "abc":
        cloud.vms.pop(vm(name).instance.key)
    cloud.has(*(vm(name, vcpus=1) for name in "fgh"))
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    assert len(cloud.stopped_names()) == 3

    cloud.down, cloud.refusing = set(), {}
    cloud.has(*(vm(name) for name in "abc"))
    cloud.deliver(notification(), ACTING)
    assert len(cloud.stopped_names()) == 3


def test_another_message_has_a_cap_of_its_own_without_records() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    for number in range(2):
        with pytest.raises(UnavailableError):
            cloud.deliver(notification(message_id=f"message-{number}"), ACTING)

    assert sorted(cloud.stopped_names()) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("used", "mode", "drill", "cost"),
    [
        (REFUSING, Mode.ENFORCE, False, "120"),
        (ACTING, Mode.DRY_RUN, False, "120"),
        (ACTING, Mode.ENFORCE, True, "120"),
        (ACTING, Mode.ENFORCE, False, "99"),
        (policy(rule(steps=steps(("0.8", "low"))), without_records=WithoutRecords.ACT), Mode.ENFORCE, False, "99"),
    ],
    ids=["refusing", "dry run", "drill", "under budget", "forecast without prices"],
)
def test_nothing_else_is_stopped_without_records(used: Policy, mode: Mode, drill: bool, cost: str) -> None:  # noqa: FBT001 (a table's column)
    cloud = fleet()
    cloud.down = set(ALL_DOWN)

    with pytest.raises(UnavailableError):
        cloud.deliver(notification(cost, drill=drill), used, mode=mode)
    assert cloud.changes == []


def test_a_message_that_was_done_with_stops_nothing_more_when_it_comes_again_without_records() -> None:
    cloud = fleet()
    cloud.deliver(notification(), ACTING)
    cloud.down = set(ALL_DOWN)
    cloud.now += MINUTE

    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    assert sorted(cloud.stopped_names()) == ["a", "b", "c"]


def test_without_records_one_failure_shields_no_other() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    cloud.refusing = {"id-a": UnavailableError("quota"), "id-b": KeyError("field")}

    with pytest.raises(UnavailableError, match="history is down"):
        cloud.deliver(notification(), ACTING)
    assert cloud.stopped_names() == ["c"]
    cloud.down, cloud.refusing = set(), {}
    cloud.deliver(notification(), ACTING)
    assert cloud.tables.events(Event.STOPPED) == ["c"]


def test_when_compute_engine_cannot_say_what_was_asked_of_it_nothing_is_stopped_without_records() -> None:
    cloud = fleet()
    cloud.down = {*ALL_DOWN, "taken"}

    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), ACTING)
    assert cloud.changes == []


def test_the_cap_of_the_policy_holds_without_records_from_the_first_delivery_on() -> None:
    cloud = fleet()
    cloud.down = set(ALL_DOWN)
    capped = rule(projects=PROJECTS, caps=Caps(per_alert=2, per_day=2))

    for _ in range(3):
        with pytest.raises(UnavailableError):
            cloud.deliver(notification(), policy(capped, without_records=WithoutRecords.ACT))
        assert sorted(cloud.stopped_names()) == ["a", "b"]


def test_without_records_guests_are_told_too() -> None:
    cloud = fleet()
    cloud.down = {"record_plan"}

    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), replace(ACTING, grace_seconds=60))
    assert set(cloud.told.values()) == {NOW + MINUTE}
    assert len(cloud.stopped_names()) == 3
