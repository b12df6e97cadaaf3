from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.tracking.inventory import Look, Roster

MIDNIGHT = datetime(2026, 7, 21, tzinfo=UTC)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def instance(team: str, key: InstanceKey = KEY) -> Instance:
    shape = Shape("n2-standard-4", Decimal(4), Decimal(16))
    return Instance(key, "worker-1", ProvisioningModel.SPOT, shape, (("team", team),))


def look(team: str, first: float, last: float, key: InstanceKey = KEY) -> Look:
    return Look(instance(team, key), at(first), at(last))


def team(roster: Roster, hour: float) -> str | None:
    found = roster.find(KEY, at(hour))
    return found.labels[0][1] if found else None


def test_an_instance_that_nobody_saw_is_not_guessed() -> None:
    stranger = InstanceKey("blue", "us-central1-b", KEY.instance_id)

    assert Roster([instance("now", stranger)], [look("early", 0, 5, stranger)]).find(KEY, at(1)) is None


def test_without_earlier_looks_an_instance_is_as_it_is_now() -> None:
    assert team(Roster([instance("now")]), 0) == "now"


def test_an_instance_that_is_gone_is_as_it_was_last_seen() -> None:
    assert team(Roster([], [look("early", 0, 1), look("late", 2, 3)]), 9) == "late"


LOOKS = [look("first", 1.1, 4.1), look("second", 5.1, 7.1)]


@pytest.mark.parametrize(
    ("hour", "found"),
    [(0, "first"), (3, "first"), (4, "second"), (6, "second"), (7, "now"), (20, "now")],
)
@pytest.mark.parametrize("looks", [LOOKS, LOOKS[::-1]], ids=["in order", "out of order"])
def test_an_hour_has_the_instance_of_the_first_look_after_its_end(looks: Iterable[Look], hour: int, found: str) -> None:
    assert team(Roster([instance("now")], looks), hour) == found


@pytest.mark.parametrize(("last_seen", "found"), [(2.0, "early"), (1.999, "now")])
def test_a_look_at_the_very_end_of_the_hour_comes_after_it(last_seen: float, found: str) -> None:
    assert team(Roster([instance("now")], [look("early", 0.5, last_seen)]), 1) == found


def test_an_hour_worked_out_days_later_has_the_instance_it_had_at_once() -> None:
    at_once = Roster([instance("first")])
    days_later = Roster([instance("now")], [look("first", 1.1, 1.1), look("other", 2.1, 40)])

    assert at_once.find(KEY, at(0)) == days_later.find(KEY, at(0))


def test_a_recreated_instance_of_the_same_name_is_another() -> None:
    recreated = InstanceKey(KEY.project_id, KEY.zone, "17000000000000000002")
    roster = Roster([instance("new", recreated)], [look("old", 0, 5)])

    assert team(roster, 3) == "old"
    assert roster.find(recreated, at(3)) == instance("new", recreated)


def test_looks_and_instances_may_be_streams() -> None:
    roster = Roster(iter([instance("now")]), iter(LOOKS))

    assert [team(roster, hour) for hour in (0, 20, 0)] == ["first", "now", "first"]
