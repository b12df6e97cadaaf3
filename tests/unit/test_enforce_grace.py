"""The grace period: guests are notified before they are stopped."""

from datetime import timedelta

import pytest

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.settings import Mode
from spotkeeper.errors import UnavailableError
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import NOW, notification, policy, vm

MINUTE = timedelta(minutes=1)
FIVE = [vm(name) for name in "abcde"]
GRACE = policy(grace_seconds=60)


def five() -> Cloud:
    return Cloud().has(*FIVE)


def names(cloud: Cloud) -> list[str]:
    """The calls by their names, without what they are about."""
    return [call.partition(" ")[0] for call in cloud.calls]


def test_with_a_grace_period_every_guest_is_notified_and_waited_for_once() -> None:
    cloud = five()
    cloud.deliver(notification(), GRACE)

    assert [call for call in cloud.calls if call.startswith(("warn", "wait"))] == [
        "warn id-a",
        "warn id-b",
        "warn id-c",
        "wait 0:01:00",
    ]
    assert names(cloud).index("wait") < names(cloud).index("find")
    assert set(cloud.stop_notices.values()) == {NOW + MINUTE}
    assert cloud.stopped_names() == ["a", "b", "c"]
    assert {row.happened_at for row in cloud.tables.actions if row.event is ActionEvent.STOPPED} == {NOW + MINUTE}


def test_without_a_grace_period_no_guest_is_notified_and_nothing_waits() -> None:
    cloud = five()
    cloud.deliver(notification())

    assert not {"warn", "wait"} & set(names(cloud))


def test_a_resumed_delivery_does_not_wait_twice() -> None:
    cloud = five()
    cloud.down = {"wait"}
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), GRACE)
    assert cloud.changes == []

    cloud.down = set()
    cloud.now += timedelta(seconds=45)
    cloud.deliver(notification(), GRACE)
    assert set(cloud.stop_notices.values()) == {NOW + MINUTE}
    assert [call for call in cloud.calls if call.startswith("wait")] == ["wait 0:01:00", "wait 0:00:15"]
    assert cloud.stopped_names() == ["a", "b", "c"]


def test_a_delivery_resumed_after_the_grace_tells_and_waits_no_more() -> None:
    cloud = five()
    cloud.down = {"wait"}
    with pytest.raises(UnavailableError):
        cloud.deliver(notification(), GRACE)

    cloud.down = set()
    cloud.now += 10 * MINUTE
    cloud.deliver(notification(), GRACE)
    assert set(cloud.stop_notices.values()) == {NOW + MINUTE}
    assert [call for call in cloud.calls if call.startswith("wait")] == ["wait 0:01:00", "wait 0:00:00"]
    assert cloud.stopped_names() == ["a", "b", "c"]


def test_a_stop_notice_of_an_older_message_no_longer_counts() -> None:
    cloud = five()
    cloud.stop_notices = {each.instance.key: NOW - 10 * MINUTE for each in FIVE}
    cloud.deliver(notification(), GRACE)

    assert sorted(cloud.stop_notices.values()) == [NOW - 10 * MINUTE] * 2 + [NOW + MINUTE] * 3


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.ENFORCE])
def test_no_guest_is_notified_of_a_stop_that_is_not_carried_out(mode: Mode) -> None:
    cloud = five()
    cloud.deliver(notification(drill=mode is Mode.ENFORCE), GRACE, mode=mode)

    assert cloud.stop_notices == {}


def test_a_guest_that_cannot_be_notified_is_stopped_all_the_same() -> None:
    cloud = five()
    cloud.deaf = {"id-a": UnavailableError("conflict"), "id-b": KeyError("fingerprint")}
    cloud.deliver(notification(), GRACE)

    assert cloud.stopped_names() == ["a", "b", "c"]
    reasons = {row.instance.name: row.reason for row in cloud.tables.actions if row.event is ActionEvent.STOPPED}
    assert reasons["a"] == "done as planned; its guest could not be warned: conflict"
    assert reasons["c"] == "done as planned"
