"""What a Spot VM costs in all: licenses, addresses and disks, as they were in each hour; and disks by themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from spotkeeper.instances import Disk, ProvisioningModel
from spotkeeper.pricing.attached_prices import AttachedStatus
from spotkeeper.tracking.costs import CostRow
from tests.unit.tracker_fakes import FAR_ZONE, HOME, HOURLY, ZONE, Cloud, StoredDisk, Vm, at
from tests.unit.whole_cost_samples import DISK_HOUR, GIB_MONTH, JULY_HOURS, SOLD, WINDOWS, disk


def cloud(*vms: Vm, disks: tuple[StoredDisk, ...] = ()) -> Cloud:
    return Cloud(list(vms), disks=list(disks), rates=SOLD)


def row_of(found: Cloud, vm: Vm, hour: int) -> CostRow:
    return found.ledger.tables.costs[at(hour), vm.key]


def spans(found: Cloud, name: str) -> list[tuple[datetime, datetime]]:
    return sorted((row.start, row.end) for row in found.ledger.tables.disks if row.name == name)


def test_a_row_has_the_cost_of_all_that_is_attached_and_their_sum() -> None:
    vm = Vm("all", licenses=WINDOWS, addresses=1)
    found = cloud(vm, disks=(disk("all", "all"), disk("data", "all")))

    found.run(0)

    row = row_of(found, vm, 0)
    costs = row.attached
    assert (costs.license, costs.address) == (Decimal("0.092"), Decimal("0.0025"))
    assert (costs.disk, costs.bandwidth) == ((GIB_MONTH * 200 / JULY_HOURS).quantize(Decimal("1e-9")), Decimal(0))
    assert row.cost == HOURLY
    assert row.total_cost == row.known_cost == HOURLY + Decimal("0.0945") + (costs.disk or 0)


def test_a_row_names_the_skus_of_each_part() -> None:
    vm = Vm("all", licenses=WINDOWS, addresses=1)
    found = cloud(vm, disks=(disk("all", "all"),))

    found.run(0)

    row = row_of(found, vm, 0)
    assert row.price.skus == ("spot-e2:core", "spot-e2:ram")
    assert {kind: price.skus for kind, price in row.attached.prices.by_kind().items()} == {
        "license": ("on_demand-windows-server:cores",),
        "address": ("on_demand-address:spot",),
        "disk": ("on_demand-pd-balanced:capacity",),
        "bandwidth": (),
    }
    [stored] = found.ledger.tables.disks
    assert stored.price.skus == ("on_demand-pd-balanced:capacity",)


def test_what_has_no_rule_makes_the_total_unknown_and_leaves_what_is_known() -> None:
    vm = Vm("sql", licenses=("windows-sql-cloud/sql-server-2022-standard",), addresses=1)
    found = cloud(vm)

    found.run(0)

    row = row_of(found, vm, 0)
    assert (row.attached.license, row.attached.prices.license.status) == (None, AttachedStatus.UNKNOWN)
    assert "windows-sql-cloud/sql-server-2022-standard" in row.attached.prices.reason
    assert (row.cost, row.known_cost, row.total_cost) == (HOURLY, HOURLY + Decimal("0.0025"), None)


def test_a_free_first_minute_frees_the_machine_and_not_its_license() -> None:
    begun = at(0, 10)
    vm = Vm(
        "short",
        runs=((begun, begun + timedelta(seconds=40)),),
        created=begun,
        preempted=(begun + timedelta(seconds=40),),
        licenses=WINDOWS,
    )
    found = cloud(vm)

    found.run(0)

    row = row_of(found, vm, 0)
    assert row.cost == 0
    assert row.attached.license == (Decimal("0.092") / 60).quantize(Decimal("1e-9"))


def test_a_list_of_disks_that_fails_makes_their_cost_unknown_until_the_hour_is_read_again() -> None:
    vm = Vm("vm")
    found = cloud(vm, disks=(disk("boot", "vm"),))
    found.denied.add(("disks", HOME))

    failed = found.run(0)
    row = row_of(found, vm, 0)
    found.denied.clear()
    found.run(1)

    assert (failed.complete, row.attached.disk, row.total_cost) == (True, None, None)
    assert row.attached.prices.disk.status is AttachedStatus.UNKNOWN
    assert row_of(found, vm, 0).attached.disk == DISK_HOUR


def test_a_list_of_disks_that_fails_takes_no_known_cost_away() -> None:
    vm = Vm("vm")
    found = cloud(vm, disks=(disk("boot", "vm"),))
    for hour in range(4):
        found.run(hour)
    found.denied.add(("disks", HOME))
    found.run(4)

    assert [row_of(found, vm, hour).attached.disk for hour in (3, 4)] == [DISK_HOUR, DISK_HOUR]


def test_a_list_of_disks_that_lacks_one_makes_the_cost_of_the_others_unknown_too() -> None:
    vm = Vm("vm")
    elsewhere = disk("elsewhere", "vm", place="us-central1-b")
    found = cloud(vm, disks=(disk("boot", "vm"), elsewhere))
    found.partial.add(("disks", HOME))

    found.run(0)

    assert row_of(found, vm, 0).attached.disk is None


def test_a_list_of_disks_that_fails_changes_nothing_in_the_inventory() -> None:
    vm = Vm("vm")
    found = cloud(vm, disks=(disk("boot", "vm"),))
    found.run(0)
    found.denied.add(("disks", HOME))
    found.run(1)
    found.denied.clear()
    found.run(2)

    [version] = found.ledger.tables.inventory
    assert (version.first_seen, version.last_seen) == (at(1, 7), at(3, 7))


def test_an_hour_has_what_the_scan_after_it_found_attached() -> None:
    vm = Vm("vm")
    grown = StoredDisk(
        "boot", ((at(-99), Disk("pd-balanced", Decimal(100))), (at(1, 20), Disk("pd-balanced", Decimal(300))))
    )
    found = cloud(vm, disks=(replace(grown, users=((at(-99), ((ZONE, "vm"),)),)),))

    for hour in range(4):
        found.run(hour)

    assert [row_of(found, vm, hour).attached.disk for hour in range(4)] == [
        DISK_HOUR,
        *[(GIB_MONTH * 300 / JULY_HOURS).quantize(Decimal("1e-9"))] * 3,
    ]


def test_a_shared_disk_is_borne_in_equal_parts_and_recorded_once() -> None:
    one, other = Vm("one"), Vm("other")
    found = cloud(one, other, disks=(disk("shared", "one", "other"),))

    found.run(0)

    half = (GIB_MONTH * 50 / JULY_HOURS).quantize(Decimal("1e-9"))
    assert [row_of(found, vm, 0).attached.disk for vm in (one, other)] == [half, half]
    [row] = found.ledger.tables.disks
    assert (row.price.usd, [user.instance_name for user in row.users]) == (DISK_HOUR, ["one", "other"])


def test_a_disk_costs_on_while_its_vm_is_stopped_and_after_it_is_deleted_until_it_is_gone() -> None:
    vm = Vm("vm", runs=((at(-99), at(0, 30)),), deleted=at(2, 30))
    left = StoredDisk("left", users=((at(-99), ((ZONE, "vm"),)), (at(2, 30), ())), created=at(-99), deleted=at(4, 30))
    found = cloud(vm, disks=(left,))

    for hour in range(6):
        found.run(hour)

    assert spans(found, "left") == [(at(0), at(2, 7)), (at(2, 7), at(4, 7))]
    rows = sorted(found.ledger.tables.disks, key=lambda row: row.start)
    assert [(row.last_user, len(row.users)) for row in rows] == [("vm", 1), ("vm", 0)]
    assert (rows[0].start, rows[-1].end) == (at(0), at(4, 7))


def test_a_resize_and_a_change_of_type_each_begin_a_row_where_the_last_one_ended() -> None:
    specs = (
        (at(-99), Disk("pd-balanced", Decimal(100))),
        (at(1, 20), Disk("pd-balanced", Decimal(200))),
        (at(2, 20), Disk("pd-of-tomorrow", Decimal(200))),
    )
    found = cloud(Vm("vm"), disks=(StoredDisk("disk", specs, ((at(-99), ((ZONE, "vm"),)),)),))

    for hour in range(4):
        found.run(hour)

    rows = sorted(found.ledger.tables.disks, key=lambda row: row.start)
    assert [(row.start, row.end) for row in rows] == [
        (at(0), at(1, 7)),
        (at(1, 7), at(2, 7)),
        (at(2, 7), at(4, 7)),
    ]
    assert [row.price.status for row in rows][-1] is AttachedStatus.UNKNOWN
    assert "pd-of-tomorrow" in rows[-1].price.reason
    assert rows[-1].cost is None


def test_a_disk_begins_with_its_creation() -> None:
    made = disk("made", "vm", created=at(1, 20))
    found = cloud(Vm("vm"), disks=(made,))

    for hour in range(3):
        found.run(hour)

    assert spans(found, "made") == [(at(1, 20), at(3, 7))]


def test_a_day_of_cloud_billing_ends_a_row() -> None:
    found = cloud(Vm("vm"), disks=(disk("disk", "vm"),))

    for hour in range(5, 9):
        found.run(hour)

    assert spans(found, "disk") == [(at(5), at(7)), (at(7), at(9, 7))]


@pytest.mark.parametrize("hours", [(0, 1, 2, 3), (0, 3), (0, 1, 1, 2, 3, 3)], ids=["hourly", "runs missed", "twice"])
def test_however_often_runs_take_place_a_disk_is_recorded_once(hours: tuple[int, ...]) -> None:
    found = cloud(Vm("vm"), disks=(disk("disk", "vm"), disk("nobody's")))

    for hour in hours:
        found.run(hour)

    assert spans(found, "disk") == spans(found, "nobody's") == [(at(0), at(4, 7))]


@pytest.mark.parametrize("failing", ["denied", "partial"])
def test_lists_of_disks_that_fail_for_hours_lose_no_time_of_a_disk(failing: str) -> None:
    of_far = StoredDisk("of far", place=FAR_ZONE, users=((at(-99), ((FAR_ZONE, "far"),)),))
    found = cloud(Vm("far", zone=FAR_ZONE), disks=(of_far, disk("nobody's", place=FAR_ZONE), disk("near")))
    for hour in range(3, 5):
        found.run(hour)
    getattr(found, failing).add(("disks", HOME))
    for hour in range(5, 10):
        found.run(hour)
    getattr(found, failing).clear()
    found.run(10)

    for name in ("of far", "nobody's", "near"):
        assert spans(found, name) == [(at(3), at(7)), (at(7), at(11, 7))]


def test_of_lists_of_disks_that_failed_for_days_the_last_48_hours_are_made_up_for() -> None:
    found = cloud(Vm("vm"), disks=(disk("disk", "vm"),))
    found.run(0)
    found.denied.add(("disks", HOME))
    for hour in range(1, 60):
        found.run(hour)
    found.denied.clear()
    found.run(60)

    assert spans(found, "disk") == [
        (at(0), at(1, 7)),
        (at(12), at(31)),
        (at(31), at(55)),
        (at(55), at(61, 7)),
    ]


def test_disks_that_no_spot_vm_has_are_not_recorded_unless_nothing_has_them() -> None:
    standard = Vm("standard", model=ProvisioningModel.STANDARD)
    found = cloud(standard, disks=(disk("of standard", "standard"), disk("nobody's")))

    found.run(0)

    assert [(row.name, row.last_user) for row in found.ledger.tables.disks] == [("nobody's", None)]


@pytest.mark.parametrize(
    ("lent", "back"), [((6, 10), (7, 0)), ((6, 10), (7, 50)), ((6, 59), (7, 8)), ((6, 8), (8, 6)), ((6, 6), (8, 8))]
)
def test_a_disk_that_a_standard_vm_has_for_a_while_is_recorded_within_two_hours_of_the_spot_vms_time(
    lent: tuple[int, int], back: tuple[int, int]
) -> None:
    before, after = ((ZONE, "worker"),), ((ZONE, "standard"),)
    users = ((at(-99), before), (at(*lent), after), (at(*back), before))
    found = cloud(
        Vm("worker"), Vm("standard", model=ProvisioningModel.STANDARD), disks=(StoredDisk("lent", users=users),)
    )
    for hour in range(4, 11):
        found.run(hour)

    recorded = spans(found, "lent")
    ran = sum((end - start for start, end in recorded), timedelta())
    truth = recorded[-1][1] - recorded[0][0] - (at(*back) - at(*lent))
    assert abs(ran - truth) <= timedelta(hours=2)


def test_a_run_that_reads_an_old_hour_again_records_no_earlier_time_of_a_disk_than_one_that_does_not() -> None:
    of_worker, of_standard = ((ZONE, "worker"),), ((ZONE, "standard"),)
    disks = (
        StoredDisk("back", users=((at(-99), of_worker), (at(5, 30), of_standard), (at(9, 30), of_worker))),
        StoredDisk("new to Spot", users=((at(-99), of_standard), (at(9, 30), of_worker))),
    )
    found = cloud(Vm("worker"), Vm("standard", model=ProvisioningModel.STANDARD), disks=disks)
    for hour in range(4, 9):
        found.run(hour)

    found.run(9, 4)

    assert spans(found, "back") == [(at(4), at(5, 7)), (at(8), at(10, 7))]
    assert spans(found, "new to Spot") == [(at(8), at(10, 7))]


def test_a_day_of_february_costs_more_than_one_of_march() -> None:
    of_february, of_march = ((GIB_MONTH * 100 / hours).quantize(Decimal("1e-9")) for hours in (28 * 24, 31 * 24 - 1))
    found = cloud(Vm("vm"), disks=(disk("disk", "vm"),))
    found.settings = replace(found.settings, catch_up_hours=6)
    first = datetime(2026, 3, 1, 6, 7, tzinfo=UTC)

    for number in range(5):
        found.run_at(first + timedelta(hours=number))

    rows = sorted(found.ledger.tables.disks, key=lambda row: row.start)
    assert [row.price.usd for row in rows] == [of_february, of_march]
    assert rows[0].end == rows[1].start == datetime(2026, 3, 1, 8, tzinfo=UTC)
