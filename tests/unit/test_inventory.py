from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.tracking.inventory import Inventory, Observation

MIDNIGHT = datetime(2026, 7, 21, tzinfo=UTC)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def instance(team: str, key: InstanceKey = KEY) -> Instance:
    shape = Shape("n2-standard-4", Decimal(4), Decimal(16))
    return Instance(key, "worker-1", ProvisioningModel.SPOT, shape, (("team", team),))


def observation(team: str, first: float, last: float, key: InstanceKey = KEY) -> Observation:
    return Observation(instance(team, key), at(first), at(last))


def team(inventory: Inventory, hour: float) -> str | None:
    found = inventory.find(KEY, at(hour))
    return found.labels[0][1] if found else None


def test_an_instance_that_was_never_observed_is_unknown() -> None:
    stranger = InstanceKey("blue", "us-central1-b", KEY.instance_id)

    assert Inventory([instance("now", stranger)], [observation("early", 0, 5, stranger)]).find(KEY, at(1)) is None


def test_without_earlier_observations_an_instance_is_as_listed_now() -> None:
    assert team(Inventory([instance("now")]), 0) == "now"


def test_a_deleted_instance_is_as_last_observed() -> None:
    assert team(Inventory([], [observation("early", 0, 1), observation("late", 2, 3)]), 9) == "late"


OBSERVATIONS = [observation("first", 1.1, 4.1), observation("second", 5.1, 7.1)]


@pytest.mark.parametrize(
    ("hour", "found"),
    [(0, "first"), (3, "first"), (4, "second"), (6, "second"), (7, "now"), (20, "now")],
)
@pytest.mark.parametrize("observations", [OBSERVATIONS, OBSERVATIONS[::-1]], ids=["in order", "out of order"])
def test_an_hour_has_the_instance_of_the_first_observation_after_its_end(
    observations: Iterable[Observation], hour: int, found: str
) -> None:
    assert team(Inventory([instance("now")], observations), hour) == found


@pytest.mark.parametrize(("last_seen", "found"), [(2.0, "early"), (1.999, "now")])
def test_an_observation_at_the_very_end_of_the_hour_comes_after_it(last_seen: float, found: str) -> None:
    assert team(Inventory([instance("now")], [observation("early", 0.5, last_seen)]), 1) == found


def test_an_hour_recorded_days_later_has_the_instance_it_had_at_once() -> None:
    at_once = Inventory([instance("first")])
    days_later = Inventory([instance("now")], [observation("first", 1.1, 1.1), observation("other", 2.1, 40)])

    assert at_once.find(KEY, at(0)) == days_later.find(KEY, at(0))


def test_a_recreated_instance_of_the_same_name_is_another() -> None:
    recreated = InstanceKey(KEY.project_id, KEY.zone, "17000000000000000002")
    inventory = Inventory([instance("new", recreated)], [observation("old", 0, 5)])

    assert team(inventory, 3) == "old"
    assert inventory.find(recreated, at(3)) == instance("new", recreated)


def test_observations_and_instances_may_be_streams() -> None:
    inventory = Inventory(iter([instance("now")]), iter(OBSERVATIONS))

    assert [team(inventory, hour) for hour in (0, 20, 0)] == ["first", "now", "first"]
