"""Deliveries that end in the middle."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.policies import Policy
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud, Killed, Killer
from tests.unit.enforcer_samples import NOW, notification, policy, rule, vm

MINUTE = timedelta(minutes=1)
PROJECTS = ("team-a-prod", "team-b-prod")
PLAIN = policy(rule(projects=PROJECTS))
GRACE = policy(rule(projects=PROJECTS), grace_seconds=60)


def fleet() -> Cloud:
    return Cloud().has(*(vm(name, vcpus=20 - number) for number, name in enumerate("abcde")))


def killed_everywhere(used: Policy) -> Iterator[tuple[Cloud, int]]:
    """Yield a cloud for each boundary of a delivery's calls, after the delivery was killed there."""
    for boundary in itertools.count():
        cloud = fleet()
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


@pytest.mark.parametrize("used", [PLAIN, GRACE], ids=["plain", "grace"])
def test_a_delivery_killed_at_any_call_and_delivered_again_stops_every_planned_instance_once(used: Policy) -> None:
    boundaries = 0
    for cloud, boundary in killed_everywhere(used):
        deliver_until_done(cloud, used)

        assert sorted(cloud.stopped_names()) == ["a", "b", "c"], boundary
        assert cloud.tables.events(ActionEvent.PLANNED) == ["a", "b", "c"], boundary
        assert sorted(cloud.tables.events(ActionEvent.STOPPED)) == ["a", "b", "c"], boundary
        boundaries += 1
    assert boundaries >= 2 * (4 + 2 * 3 + 1)


def test_a_delivery_killed_twice_stops_every_planned_instance_once() -> None:
    boundaries = sum(1 for _ in killed_everywhere(PLAIN))
    for first in range(0, boundaries, 3):
        for second in range(0, boundaries, 2):
            cloud = fleet()
            for boundary in (first, second):
                with suppress(Killed):
                    cloud.deliver(notification(), PLAIN, gate=Killer(boundary))
                cloud.now += MINUTE
            deliver_until_done(cloud, PLAIN)

            assert sorted(cloud.stopped_names()) == ["a", "b", "c"], (first, second)
            assert sorted(cloud.tables.events(ActionEvent.STOPPED)) == ["a", "b", "c"], (first, second)


def test_a_killed_delivery_has_notified_its_guests_once() -> None:
    for cloud, boundary in killed_everywhere(GRACE):
        notices = dict(cloud.stop_notices)
        deliver_until_done(cloud, GRACE)

        assert {key: cloud.stop_notices[key] for key in notices} == notices, boundary
        assert cloud.now <= NOW + 3 * MINUTE
