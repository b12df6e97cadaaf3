"""Reserved addresses: what they cost while no running VM has them, and that this is never in a VM's cost too."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from spotkeeper.instances import ProvisioningModel
from spotkeeper.tracking.addresses import AddressUse
from tests.unit.address_ledger import AddressRow
from tests.unit.tracker_fakes import HOME, ZONE, Cloud, StoredAddress, Vm, at
from tests.unit.whole_cost_samples import SOLD, disk

UNUSED_HOUR = Decimal("0.01")
OF_THE_VM = ((at(-99), ((ZONE, "vm"),)),)


def cloud(*vms: Vm, addresses: tuple[StoredAddress, ...] = ()) -> Cloud:
    return Cloud(list(vms), addresses=list(addresses), rates=SOLD)


def rows_of(found: Cloud) -> list[AddressRow]:
    return sorted(found.ledger.tables.addresses, key=lambda row: (row.name, row.start))


def idle(found: Cloud) -> list[tuple[datetime, datetime, AddressUse]]:
    elsewhere = {AddressUse.RUNNING_VM, AddressUse.OTHER}
    return [(row.start, row.end, row.use) for row in rows_of(found) if row.use not in elsewhere]


def test_a_stopped_vm_with_a_disk_of_100_gib_and_a_reserved_address_costs_what_the_price_list_says() -> None:
    vm = Vm("vm", runs=((at(-99), at(0, 30)),), addresses=1)
    found = cloud(vm, addresses=(StoredAddress("ip", OF_THE_VM),))
    found.disks.append(disk("data", "vm"))

    for hour in range(3):
        found.run(hour)

    [stored] = found.ledger.tables.disks
    address = rows_of(found)[-1]
    assert stored.price.usd is not None
    assert address.price.usd is not None
    assert round(stored.price.usd + address.price.usd, 3) == Decimal("0.023")
    # A price list counts 730 hours a month; July has 744.
    assert round(stored.price.usd * 744 / 730 + address.price.usd, 3) == Decimal("0.024")


def test_an_address_costs_by_itself_from_the_stop_of_its_vm_to_the_second() -> None:
    vm = Vm("vm", runs=((at(-99), at(1, 30)),), addresses=1)
    found = cloud(vm, addresses=(StoredAddress("ip", OF_THE_VM),))

    for hour in range(4):
        found.run(hour)

    assert idle(found) == [(at(1, 30), at(4, 7), AddressUse.STOPPED_VM)]
    running, stopped = rows_of(found)
    assert (running.cost, running.idle_since) == (Decimal(0), None)
    assert (stopped.cost, stopped.idle_since) == (Decimal("0.026166667"), at(1, 30))
    assert found.ledger.tables.costs[at(1), vm.key].attached.address == Decimal("0.00125")


def test_an_address_that_its_vm_left_is_counted_from_the_scan_that_found_it_and_names_the_vm() -> None:
    gone = Vm("vm", runs=((at(-99), at(1, 30)),), deleted=at(1, 30))
    found = cloud(gone, addresses=(StoredAddress("ip", (*OF_THE_VM, (at(1, 30), ()))),))

    for hour in range(4):
        found.run(hour)

    assert idle(found) == [(at(2, 7), at(4, 7), AddressUse.NONE)]
    [_, left] = rows_of(found)
    assert (left.last_user, left.idle_since) == ("vm", at(1, 7))


def test_an_address_that_was_unused_before_the_first_scan_counts_from_it_on() -> None:
    found = cloud(addresses=(StoredAddress("ip"),))

    for hour in range(2):
        found.run(hour)

    [row] = rows_of(found)
    assert (row.start, row.end, row.last_user, row.idle_since) == (at(1, 7), at(2, 7), None, None)


def test_an_address_that_is_reserved_between_two_scans_counts_from_then_until_it_is_last_found() -> None:
    found = cloud(Vm("other"), addresses=(StoredAddress("ip", created=at(1, 20), released=at(4)),))

    for hour in range(6):
        found.run(hour)

    assert idle(found) == [(at(1, 20), at(3, 7), AddressUse.NONE)]


def test_a_vm_that_ran_again_between_two_scans_leaves_its_hours_out() -> None:
    runs = ((at(-99), at(0, 30)), (at(2, 20), at(2, 40)))
    found = cloud(Vm("vm", runs=runs), addresses=(StoredAddress("ip", OF_THE_VM),))

    for hour in range(4):
        found.run(hour)

    assert idle(found) == [
        (at(1, 7), at(2, 7), AddressUse.STOPPED_VM),
        (at(2, 40), at(4, 7), AddressUse.STOPPED_VM),
    ]


@pytest.mark.parametrize("hours", [(0, 1, 2, 3), (0, 1, 1, 2, 3, 3)], ids=["once each", "some twice"])
def test_runs_that_are_repeated_record_an_address_once(hours: tuple[int, ...]) -> None:
    found = cloud(Vm("vm", runs=((at(-99), at(1, 30)),)), addresses=(StoredAddress("ip", OF_THE_VM),))

    for hour in hours:
        found.run(hour)

    assert idle(found) == [(at(1, 30), at(4, 7), AddressUse.STOPPED_VM)]


def test_a_day_of_cloud_billing_ends_a_row_and_begins_the_next_without_a_gap() -> None:
    found = cloud(addresses=(StoredAddress("ip"),))

    for hour in range(4, 9):
        found.run(hour)

    # Midnight in Los Angeles is at 07:00 in July.
    assert [row[:2] for row in idle(found)] == [(at(5, 7), at(7)), (at(7), at(9, 7))]


def test_addresses_of_others_are_not_recorded() -> None:
    users = tuple(StoredAddress(name, ((at(-99), ((ZONE, name),)),)) for name in ("standard", "of-no-listed-vm"))
    balancer = StoredAddress("balancer", other_users=True)
    found = cloud(Vm("standard", model=ProvisioningModel.STANDARD), addresses=(*users, balancer))

    found.run(0)

    assert rows_of(found) == []


@pytest.mark.parametrize("user", ["standard", "balancer"])
def test_the_time_of_an_address_between_two_scans_that_found_another_user_counts_as_nobodys(user: str) -> None:
    borrowed = StoredAddress("ip", ((at(-99), ()), (at(1, 10), ((ZONE, "standard"),)), (at(2, 40), ())))
    found = cloud(Vm("standard", model=ProvisioningModel.STANDARD), addresses=(borrowed,))
    found.run(0)
    if user == "balancer":
        found.addresses[0] = replace(borrowed, users=(), other_users=True)
    found.run(1)
    found.addresses[0] = borrowed

    for hour in (2, 3):
        found.run(hour)

    assert idle(found) == [(at(1, 7), at(1, 7), AddressUse.NONE), (at(3, 7), at(4, 7), AddressUse.NONE)]
    assert rows_of(found)[-1].idle_since == at(2, 7)
    assert sum(row.cost or 0 for row in rows_of(found)) == UNUSED_HOUR


@pytest.mark.parametrize("special", ["global", "IPv6", "of an own range (BYOIP)"])
def test_an_address_that_is_billed_otherwise_has_no_price_and_says_why(special: str) -> None:
    found = cloud(addresses=(StoredAddress("ip", special=special),))

    found.run(0)

    [row] = rows_of(found)
    assert row.cost is None
    assert special in row.price.reason


def test_a_list_of_addresses_that_fails_makes_no_hour_incomplete_and_the_next_run_records_the_time() -> None:
    found = cloud(Vm("vm"), addresses=(StoredAddress("ip"),))
    found.run(0)
    found.denied.add(("addresses", HOME))

    assert found.run(1).complete
    found.denied.clear()
    found.run(2)

    assert idle(found) == [(at(1, 7), at(3, 7), AddressUse.NONE)]
    assert rows_of(found)[0].cost == UNUSED_HOUR * 2


def test_lists_of_addresses_that_fail_for_hours_lose_no_time_of_an_address() -> None:
    found = cloud(Vm("vm"), addresses=(StoredAddress("ip"),))
    for hour in range(2):
        found.run(hour)
    found.denied.add(("addresses", HOME))
    for hour in range(2, 6):
        found.run(hour)
    found.denied.clear()
    found.run(6)

    assert idle(found) == [(at(1, 7), at(7), AddressUse.NONE), (at(7), at(7, 7), AddressUse.NONE)]
