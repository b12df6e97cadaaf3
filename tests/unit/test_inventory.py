from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.tracking.inventory import Inventory, Observation

MIDNIGHT = datetime(2026, 7, 21, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(days=2)
KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")
SMALL = Shape("n2-standard-4", Decimal(4), Decimal(16))
LARGE = Shape("n2-standard-64", Decimal(64), Decimal(256))
SPOT, STANDARD = ProvisioningModel.SPOT, ProvisioningModel.STANDARD


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def instance(team: str, key: InstanceKey = KEY, shape: Shape = SMALL, model: ProvisioningModel = SPOT) -> Instance:
    return Instance(key, "worker-1", model, shape, (("team", team),))


def observation(team: str, first: float, last: float, key: InstanceKey = KEY) -> Observation:
    return Observation(instance(team, key), at(first), at(last))


def listed(one: Instance, started: float | None = None, created: float | None = None) -> dict[InstanceKey, Observation]:
    times = [None if hours is None else at(hours) for hours in (started, created)]
    return {one.key: Observation(one, NOW, NOW, *times)}


def team(inventory: Inventory, hour: float) -> str | None:
    found = inventory.find(KEY, at(hour))
    return found.machines[0][1].labels[0][1] if found else None


def machines(inventory: Inventory, hour: float) -> list[tuple[datetime, str, ProvisioningModel]]:
    found = inventory.find(KEY, at(hour))
    assert found is not None
    return [(start, one.shape.machine_type, one.provisioning_model) for start, one in found.machines]


def test_an_instance_that_was_never_observed_is_unknown() -> None:
    stranger = InstanceKey("blue", "us-central1-b", KEY.instance_id)

    inventory = Inventory(listed(instance("now", stranger)), [observation("early", 0, 5, stranger)])

    assert inventory.find(KEY, at(1)) is None


def test_without_earlier_observations_an_instance_is_as_listed_now() -> None:
    assert team(Inventory(listed(instance("now"))), 0) == "now"


def test_a_deleted_instance_is_as_last_observed() -> None:
    assert team(Inventory({}, [observation("early", 0, 1), observation("late", 2, 3)]), 9) == "late"


OBSERVATIONS = [observation("first", 1.1, 4.1), observation("second", 5.1, 7.1)]


@pytest.mark.parametrize(
    ("hour", "found"),
    [(0, "first"), (3, "first"), (4, "second"), (6, "second"), (7, "now"), (20, "now")],
)
@pytest.mark.parametrize("observations", [OBSERVATIONS, OBSERVATIONS[::-1]], ids=["in order", "out of order"])
def test_an_hour_has_the_labels_of_the_first_observation_after_its_end(
    observations: Iterable[Observation], hour: int, found: str
) -> None:
    assert team(Inventory(listed(instance("now")), observations), hour) == found


@pytest.mark.parametrize(("last_seen", "found"), [(2.0, "early"), (1.999, "now")])
def test_an_observation_at_the_very_end_of_the_hour_comes_after_it(last_seen: float, found: str) -> None:
    assert team(Inventory(listed(instance("now")), [observation("early", 0.5, last_seen)]), 1) == found


def test_an_hour_recorded_days_later_has_the_instance_it_had_at_once() -> None:
    at_once = Inventory(listed(instance("first")))
    days_later = Inventory(listed(instance("now")), [observation("first", 1.1, 1.1), observation("other", 2.1, 40)])

    assert at_once.find(KEY, at(0)) == days_later.find(KEY, at(0))


def test_a_recreated_instance_of_the_same_name_is_another() -> None:
    recreated = InstanceKey(KEY.project_id, KEY.zone, "17000000000000000002")
    inventory = Inventory(listed(instance("new", recreated)), [observation("old", 0, 5)])
    found = inventory.find(recreated, at(3))

    assert team(inventory, 3) == "old"
    assert found is not None
    assert found.machines == ((at(3), instance("new", recreated)),)


def test_observations_may_be_a_stream() -> None:
    inventory = Inventory(listed(instance("now")), iter(OBSERVATIONS))

    assert [team(inventory, hour) for hour in (0, 20, 0)] == ["first", "now", "first"]


RESIZED = Inventory(listed(instance("now", shape=LARGE), started=5.5), [observation("first", 0.1, 5.1)])


@pytest.mark.parametrize(
    ("hour", "found"),
    [
        (4, [(at(4), "n2-standard-4", SPOT)]),
        (5, [(at(5), "n2-standard-4", SPOT), (at(5.5), "n2-standard-64", SPOT)]),
        (6, [(at(6), "n2-standard-64", SPOT)]),
    ],
    ids=["before", "within", "after"],
)
def test_another_machine_counts_from_the_start_with_which_it_took_effect(
    hour: int, found: list[tuple[datetime, str, ProvisioningModel]]
) -> None:
    assert machines(RESIZED, hour) == found


@pytest.mark.parametrize("started", [5.0, 6.0], ids=["at the start of the hour", "at its end"])
def test_a_start_on_the_hour_divides_no_hour(started: float) -> None:
    inventory = Inventory(listed(instance("now", shape=LARGE), started), [observation("first", 0.1, 4.1)])

    assert [start for start, *_ in machines(inventory, 5)] == [at(5)]


def test_the_labels_of_both_machines_are_those_of_the_first_observation_after_the_hour() -> None:
    found = RESIZED.find(KEY, at(5))

    assert found is not None
    assert [one.labels for _, one in found.machines] == [(("team", "now"),)] * 2


def test_a_change_of_the_model_is_one_of_the_machine() -> None:
    inventory = Inventory(listed(instance("now", model=STANDARD), started=5.5), [observation("first", 0.1, 5.1)])

    assert machines(inventory, 5) == [(at(5), "n2-standard-4", SPOT), (at(5.5), "n2-standard-4", STANDARD)]


def test_a_machine_that_was_not_started_since_it_changed_has_not_run() -> None:
    """It was stopped, and changed after 05:06; what ran before ran as the earlier machine."""
    changed = Observation(instance("first", shape=LARGE), at(6.1), at(7.1), started=at(1))
    inventory = Inventory(listed(instance("now", shape=LARGE), started=7.5), [observation("first", 0.1, 5.1), changed])

    assert machines(inventory, 5) == [(at(5), "n2-standard-4", SPOT)]
    assert machines(inventory, 7) == [(at(7), "n2-standard-64", SPOT)]


def test_two_changes_in_one_hour_are_three_machines() -> None:
    observations = [
        observation("first", 0.1, 5.1),
        Observation(instance("first", shape=LARGE), at(5.3), at(5.4), started=at(5.2)),
    ]
    inventory = Inventory(listed(instance("now", model=STANDARD), started=5.8), observations)

    assert machines(inventory, 5) == [
        (at(5), "n2-standard-4", SPOT),
        (at(5.2), "n2-standard-64", SPOT),
        (at(5.8), "n2-standard-4", STANDARD),
    ]


@pytest.mark.parametrize(
    ("started", "created", "doubtful"),
    [(5.5, 5.2, True), (5.5, 5.49, False), (5.5, None, False), (None, 5.2, False), (5.0, 4.2, False), (6.5, 5.2, True)],
)
def test_an_instance_that_was_restarted_before_anybody_observed_it_is_doubtful(
    started: float | None, created: float | None, *, doubtful: bool
) -> None:
    found = Inventory(listed(instance("now"), started, created)).find(KEY, at(5))

    assert found is not None
    assert found.doubtful is doubtful
