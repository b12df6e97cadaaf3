"""Hours whose price Google's own history tells: exact to the minute where it agrees with the catalog."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey, ProvisioningModel, Shape
from spotkeeper.periods import HOUR
from spotkeeper.pricing.price_times import CatalogPrice, PriceTimes, RecordedPrice
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.settings import TrackerSettings
from tests.unit.tracker_fakes import HOME, LARGE, LONG_AGO, RATES, SMALL, Cloud, Vm, at

BEFORE, AFTER = Decimal("0.08"), Decimal("0.12")
"""What an hour of SMALL costs with RATES, and with vCPUs that cost twice as much."""

CHANGE = at(10, 23)
"""Between the readings at 07:07, after midnight in Los Angeles, and at 13:07."""

UNCERTAIN_HOURS = (7, 8, 9, 10, 11, 12, 13)

VMS = (
    Vm("steady", instance_id="1"),
    Vm("stopped", runs=((LONG_AGO, at(10, 40)),), instance_id="2"),
    Vm("started", runs=((LONG_AGO, at(3)), (at(10, 15), None)), instance_id="3"),
    Vm("before", runs=((LONG_AGO, at(10, 20)), (at(12, 30), None)), instance_id="4"),
    Vm("after", runs=((at(10, 30), at(10, 50)),), instance_id="5"),
    Vm("twice", runs=((at(10, 5), at(10, 15)), (at(10, 20), at(10, 55))), instance_id="6"),
    Vm("large", shape=LARGE, instance_id="7"),
    Vm("not in the history", shape=Shape("e2-highmem-2", Decimal(2), Decimal(16)), instance_id="8"),
    Vm("on-demand", model=ProvisioningModel.STANDARD, instance_id="9"),
)
COVERED = [vm for vm in VMS if vm.name not in {"not in the history", "on-demand"}]


def recorded(
    machine_type: str, prices: Iterable[tuple[datetime, str | Decimal]], read_at: datetime
) -> list[RecordedPrice]:
    """Google's history of a type: each price from its time to the next one, the last one up to the reading."""
    begun = list(prices)
    ends = [*(start for start, _ in begun), read_at][1:]
    return [
        RecordedPrice(machine_type, "us-central1", start, end, Decimal(usd), read_at)
        for (start, usd), end in zip(begun, ends, strict=True)
    ]


def truthful(read_at: datetime, change: datetime = CHANGE) -> list[RecordedPrice]:
    """The history of both machine types as it was."""
    return [
        *recorded("e2-standard-2", [(LONG_AGO, BEFORE), (change, AFTER)], read_at),
        *recorded("e2-standard-4", [(LONG_AGO, 2 * BEFORE), (change, 2 * AFTER)], read_at),
    ]


def cloud(*vms: Vm, on: bool = True, catch_up_hours: int = 48) -> Cloud:
    settings = TrackerSettings(HOME, (HOME,), capacity_history=on, catch_up_hours=catch_up_hours)
    return Cloud(list(vms or VMS), settings=settings)


def dearer(found: Cloud) -> None:
    found.rates = [replace(each, usd=each.usd * 2) if each.sku_id == "spot-e2:core" else each for each in RATES]


def run_hours(found: Cloud, first: int, last: int, change: int = 10) -> None:
    for hour in range(first, last + 1):
        if hour == change:
            dearer(found)
        found.run(hour)


def moved(*vms: Vm, on: bool = True) -> Cloud:
    """The tables after sixteen punctual hours in which the price changed once; the history is not read yet."""
    found = cloud(*vms, on=on)
    run_hours(found, 0, 15)
    return found


def costs(found: Cloud) -> dict[tuple[datetime, InstanceKey], CostRow]:
    return found.ledger.tables.costs


def truth(vm: Vm, hour: datetime, change: datetime = CHANGE) -> Decimal:
    """What an hour of a VM cost."""
    times = 2 if vm.shape == LARGE else 1
    bounds = (hour, min(max(change, hour), hour + HOUR), hour + HOUR)
    seconds = [Decimal(str(vm.seconds_between(*pair))) for pair in (bounds[:2], bounds[1:])]
    return times * (seconds[0] * BEFORE + seconds[1] * AFTER) / 3600


def statuses(found: Cloud, vm: Vm) -> dict[int, str]:
    return {
        number: costs(found)[at(number), vm.key].price.status.value
        for number in range(20)
        if (at(number), vm.key) in costs(found)
    }


def test_what_the_history_tells_a_day_later_prices_the_hours_of_a_change_to_the_minute() -> None:
    found = moved()
    assert {statuses(found, vm).get(hour, "uncertain") for vm in COVERED for hour in UNCERTAIN_HOURS} == {"uncertain"}

    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.run(16)

    for vm in COVERED:
        for hour, status in statuses(found, vm).items():
            row = costs(found)[at(hour), vm.key]
            assert status == ("confirmed" if hour in UNCERTAIN_HOURS else "exact")
            assert row.cost is not None
            assert abs(row.cost - truth(vm, at(hour))) < Decimal("2e-9"), (vm.name, hour)


def test_machine_types_without_a_history_stay_as_they_are() -> None:
    found, without = moved(), moved(on=False)

    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.run(16)
    without.run(16)

    other = VMS[7]
    assert {key: row for key, row in costs(found).items() if key[1] == other.key} == {
        key: row for key, row in costs(without).items() if key[1] == other.key
    }
    assert {hour for hour, status in statuses(found, other).items() if status == "uncertain"} == set(UNCERTAIN_HOURS)


def test_switched_off_it_reads_no_history_and_changes_no_row() -> None:
    found, without = moved(on=False), moved(on=False)
    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.ledger.failing.add("known_prices")

    found.run(16)
    without.run(16)

    assert costs(found) == costs(without)


def test_an_hour_is_read_again_once_for_what_was_learned_and_gives_the_same_rows_when_it_is_read_more_often() -> None:
    found = moved()
    found.ledger.tables.recorded_prices = truthful(at(16, 7))

    again = [hour.hour for hour in found.run(16).hours]
    rows = dict(costs(found))
    repeated = found.run(16)
    later = [hour.hour for hour in found.run(17).hours]
    found.run(17, *UNCERTAIN_HOURS)

    assert again == [*map(at, UNCERTAIN_HOURS), at(15), at(16)]
    assert not repeated.hours
    assert later == [at(16), at(17)]
    assert {key: costs(found)[key] for key in rows if key[0] < at(16)} == {
        key: row for key, row in rows.items() if key[0] < at(16)
    }


def test_a_source_that_fails_while_an_hour_is_read_again_leaves_it_to_the_next_run() -> None:
    found = moved()
    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.denied.add(("monitoring", HOME))
    found.run(16)
    assert statuses(found, VMS[0])[9] == "uncertain"

    found.denied.clear()
    found.run(17)

    assert {statuses(found, VMS[0])[hour] for hour in UNCERTAIN_HOURS} == {"confirmed"}
    assert {statuses(found, VMS[0])[hour] for hour in (6, 14, 16)} == {"exact"}


def test_a_run_that_is_killed_before_its_commit_leaves_the_hours_to_the_next_run() -> None:
    found, orderly = moved(), moved()
    for each in (found, orderly):
        each.ledger.tables.recorded_prices = truthful(at(16, 7))
    orderly.run(16)

    def kill(call: str, moment: str) -> None:
        if (call, moment) == ("commit", "before"):
            message = "killed"
            raise UnavailableError(message)

    found.on_call = kill
    with pytest.raises(UnavailableError, match="killed"):
        found.run(16)
    assert statuses(found, VMS[0])[9] == "uncertain"
    found.on_call = None
    found.run(16)

    assert costs(found) == costs(orderly)


def test_samples_that_cannot_be_read_leave_the_hour_of_the_change_uncertain_until_they_are() -> None:
    found = moved()
    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.denied.add(("samples", HOME))
    found.run(16)
    steady, stopped = VMS[0], VMS[1]
    assert (statuses(found, steady)[10], statuses(found, stopped)[9]) == ("confirmed", "confirmed")
    assert statuses(found, stopped)[10] == "uncertain"

    found.denied.clear()
    found.ledger.tables.recorded_prices = truthful(at(40, 7))
    found.run(17)

    assert statuses(found, stopped)[10] == "confirmed"


@pytest.mark.parametrize(
    "prices",
    [
        pytest.param([(LONG_AGO, BEFORE), (CHANGE, AFTER + Decimal("2e-9"))], id="another price after"),
        pytest.param([(LONG_AGO, BEFORE - Decimal("2e-9")), (CHANGE, AFTER)], id="another price before"),
        pytest.param([(LONG_AGO, BEFORE)], id="no change"),
        pytest.param([(at(10), AFTER)], id="nothing of the time before"),
        pytest.param([(LONG_AGO, BEFORE), (at(13, 30), AFTER)], id="a change after the reading that has it"),
    ],
)
def test_a_history_that_disagrees_with_a_reading_of_the_catalog_changes_nothing(
    prices: list[tuple[datetime, Decimal]],
) -> None:
    found, without = moved(VMS[0]), moved(VMS[0], on=False)

    found.ledger.tables.recorded_prices = recorded("e2-standard-2", prices, at(16, 7))
    found.run(16)
    without.run(16)

    assert costs(found) == costs(without)


def test_histories_with_a_gap_or_an_overlap_change_nothing() -> None:
    for shift in (timedelta(minutes=-1), timedelta(minutes=1)):
        found, without = moved(VMS[0]), moved(VMS[0], on=False)
        first, second = recorded("e2-standard-2", [(LONG_AGO, BEFORE), (CHANGE, AFTER)], at(16, 7))
        found.ledger.tables.recorded_prices = [replace(first, end=CHANGE + shift), second]
        found.run(16)
        without.run(16)

        cut = at(10), VMS[0].key
        assert costs(found)[cut] == costs(without)[cut]


def test_a_history_that_was_read_before_the_change_changes_nothing_until_it_is_read_again() -> None:
    found = cloud(VMS[0])
    found.ledger.tables.recorded_prices = recorded("e2-standard-2", [(LONG_AGO, BEFORE)], at(9, 7))
    run_hours(found, 0, 16)
    assert statuses(found, VMS[0])[11] == "uncertain"

    found.ledger.tables.recorded_prices = truthful(at(17, 7))
    found.run(17)

    assert {statuses(found, VMS[0])[hour] for hour in UNCERTAIN_HOURS} == {"confirmed"}


def test_a_price_that_held_between_two_readings_only_is_taken_from_the_history_and_says_so() -> None:
    found = moved(VMS[0])
    short = [(LONG_AGO, BEFORE), (at(9), Decimal("0.5")), (CHANGE, AFTER)]

    found.ledger.tables.recorded_prices = recorded("e2-standard-2", short, at(16, 7))
    found.run(16)

    key = VMS[0].key
    assert statuses(found, VMS[0]) == {
        **dict.fromkeys(range(17), "exact"),
        **dict.fromkeys(UNCERTAIN_HOURS, "confirmed"),
        **dict.fromkeys((9, 10), "from_history"),
    }
    assert costs(found)[at(9), key].cost == Decimal("0.5")
    assert costs(found)[at(10), key].cost == ((23 * Decimal("0.5") + 37 * AFTER) / 60).quantize(Decimal("1e-9"))


def test_a_backfill_prices_hours_before_the_first_reading_as_they_were_and_says_from_where() -> None:
    found = cloud(*VMS)
    dearer(found)
    found.run(15)
    found.ledger.tables.recorded_prices = truthful(at(16, 7))

    found.run(16, *UNCERTAIN_HOURS)

    for vm in COVERED:
        for hour, status in statuses(found, vm).items():
            row = costs(found)[at(hour), vm.key]
            assert row.cost is not None
            assert abs(row.cost - truth(vm, at(hour))) < Decimal("2e-9"), (vm.name, hour)
            assert status == ("from_history" if hour in UNCERTAIN_HOURS else "exact")
    assert {status for hour, status in statuses(found, VMS[7]).items() if hour in UNCERTAIN_HOURS} == {"fallback"}


def test_a_backfill_takes_no_price_of_a_history_that_disagrees_with_the_first_reading() -> None:
    found = cloud(VMS[0])
    found.run(15)
    found.ledger.tables.recorded_prices = truthful(at(16, 7))

    found.run(16, *UNCERTAIN_HOURS)

    assert {statuses(found, VMS[0])[hour] for hour in UNCERTAIN_HOURS} == {"fallback"}


def test_hours_older_than_runs_catch_up_on_are_not_read_again() -> None:
    found = cloud(VMS[0], catch_up_hours=6)
    run_hours(found, 0, 15)
    found.ledger.tables.recorded_prices = truthful(at(16, 7))

    found.run(16)

    assert {hour for hour, status in statuses(found, VMS[0]).items() if status == "confirmed"} == {10, 11, 12, 13}
    assert {hour for hour, status in statuses(found, VMS[0]).items() if status == "uncertain"} == {7, 8, 9}


def test_a_price_that_changes_at_midnight_is_uncertain_in_the_hours_of_the_readings_until_the_history_confirms_it() -> (
    None
):
    """Midnight in Los Angeles is 07:00 UTC: readings at 06:07 and 07:07."""
    found = cloud(VMS[0])
    run_hours(found, 0, 10, change=6)
    assert {hour for hour, status in statuses(found, VMS[0]).items() if status == "uncertain"} == {6, 7}
    before = {hour: row.cost for (hour, _), row in costs(found).items()}
    found.ledger.tables.recorded_prices = truthful(at(11, 7), change=at(7))

    assert [hour.hour for hour in found.run(11).hours] == [at(6), at(7), at(10), at(11)]
    assert {hour for hour, status in statuses(found, VMS[0]).items() if status == "confirmed"} == {6, 7}
    assert all(costs(found)[hour, VMS[0].key].cost == cost for hour, cost in before.items())


def test_a_change_in_the_minutes_around_a_reading_is_found_in_the_hour_that_it_cuts() -> None:
    """Without the history the hour of the reading counts as a whole, and is uncertain."""
    for change, number in ((at(13, 3), 13), (at(7, 40), 7)):
        found = cloud(VMS[0])
        run_hours(found, 0, 15, change=number if number == 7 else 12)
        assert statuses(found, VMS[0])[number] == "uncertain"

        found.ledger.tables.recorded_prices = truthful(at(16, 7), change=change)
        found.run(16)

        row = costs(found)[at(number), VMS[0].key]
        assert (row.cost, row.price.status.value) == (
            truth(VMS[0], at(number), change).quantize(Decimal("1e-9")),
            "confirmed",
        )


def test_a_vm_that_was_another_machine_in_the_hour_of_a_change_has_a_row_for_each_at_its_prices() -> None:
    changed = Vm(
        "resized",
        runs=((LONG_AGO, at(10, 10)), (at(10, 15), None)),
        changed=((at(10, 12), LARGE, ProvisioningModel.SPOT),),
        instance_id="1",
    )
    found = moved(changed)
    found.ledger.tables.recorded_prices = truthful(at(16, 7))

    found.run(16)

    rows = [row for (start, _), row in sorted(costs(found).items()) if at(10) <= start < at(11)]
    assert [(row.instance.shape, row.price.status.value) for row in rows] == [
        (SMALL, "confirmed"),
        (LARGE, "confirmed"),
    ]
    expected = [10 * BEFORE / 60, (8 * 2 * BEFORE + 37 * 2 * AFTER) / 60]
    assert all(
        row.cost is not None and abs(row.cost - usd) < Decimal("2e-9") for row, usd in zip(rows, expected, strict=True)
    )


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(replace(SMALL, gpu_type="nvidia-tesla-t4", gpu_count=1), id="an attached GPU"),
        pytest.param(replace(SMALL, local_ssd_gib=375), id="local SSD"),
        pytest.param(replace(SMALL, memory_gib=Decimal(16)), id="other sizes"),
        pytest.param(Shape("e2-custom-2-8192", Decimal(2), Decimal(8)), id="a custom type"),
        pytest.param(Shape("n9-standard-2", Decimal(2), Decimal(8)), id="an unknown type"),
    ],
)
def test_the_history_prices_predefined_machine_types_without_attachments_only(shape: Shape) -> None:
    hour = at(10), at(11)
    readings = [CatalogPrice(at(7, 7), BEFORE), CatalogPrice(at(13, 7), AFTER)]
    times = PriceTimes(truthful(at(16, 7)))

    assert times.timed(SMALL, "us-central1", hour, readings) is not None
    assert times.timed(SMALL, "us-east1", hour, readings) is None
    assert times.timed(shape, "us-central1", hour, readings) is None


def test_a_run_that_cannot_read_the_recorded_prices_changes_nothing_and_may_be_repeated() -> None:
    found = moved()
    found.ledger.tables.recorded_prices = truthful(at(16, 7))
    found.ledger.failing.add("known_prices")
    rows = dict(costs(found))

    with pytest.raises(UnavailableError):
        found.run(16)

    assert costs(found) == rows
    found.ledger.failing.clear()
    found.run(16)
    assert {statuses(found, VMS[0])[hour] for hour in UNCERTAIN_HOURS} == {"confirmed"}


def test_two_runs_at_once_leave_the_rows_of_one() -> None:
    found, orderly = moved(), moved()
    for each in (found, orderly):
        each.ledger.tables.recorded_prices = truthful(at(16, 7))
    orderly.run(16)
    begun: list[str] = []

    def another(call: str, moment: str) -> None:
        if (call, moment) == ("commit", "before") and not begun:
            begun.append(call)
            found.run(16)

    found.on_call = another
    found.run(16)

    assert begun == ["commit"]
    assert costs(found) == costs(orderly)
