"""Runs of the tracker with contract prices: what rows cost by the contract, and what it does not know.

`expected` works a row out from the terms alone, in whole numbers, without the code of the product.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest

from spotkeeper.instances import Disk
from spotkeeper.pricing.contract_prices import ContractPrice
from spotkeeper.pricing.skus import Market, RateUnit
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.run_summary import Completeness
from spotkeeper.tracking.settings import TrackerSettings
from tests.unit.tracker_fakes import HOME, LARGE, LONG_AGO, RATES, SMALL, ZONE, Cloud, StoredDisk, Vm, at, rate

DISK_RATE = replace(rate("pd-balanced:capacity", Market.ON_DEMAND, RateUnit.GIB_HOUR, "0.0001"), by_month=True)
ADDRESS_RATE = rate("address:spot", Market.ON_DEMAND, RateUnit.ADDRESS_HOUR, "0.0025")
CORE, RAM, DISK, ADDRESS = "spot-e2:core", "spot-e2:ram", "on_demand-pd-balanced:capacity", "on_demand-address:spot"
UNITS = {CORE: RateUnit.VCPU_HOUR, RAM: RateUnit.GIB_HOUR, DISK: RateUnit.GIB_HOUR, ADDRESS: RateUnit.ADDRESS_HOUR}
TERMS = {CORE: "0.0173", RAM: "0.00431", DISK: "0.00008765", ADDRESS: "0.0021"}
CHANGED = {**TERMS, CORE: "0.0151", DISK: "0.00007"}
MIDNIGHT = 7
"""The hour after START at which a day begins in Los Angeles, and the new terms count."""

JULY_HOURS = 744


def agreed(terms: dict[str, str]) -> dict[str, ContractPrice]:
    return {
        sku_id: ContractPrice(sku_id, UNITS[sku_id], Decimal(usd), origin="fixed-price", by_month=sku_id == DISK)
        for sku_id, usd in terms.items()
    }


def fleet(terms: dict[str, str]) -> Cloud:
    """A worker with an address and a disk, which ran for 47 minutes of every hour, and a large one without."""
    runs = tuple((at(hour), at(hour, 47)) for hour in range(12))
    worker = Vm("worker", runs=((LONG_AGO, at(-1)), *runs), addresses=1)
    large = Vm("large", shape=LARGE)
    disk = StoredDisk(
        "data", ((LONG_AGO, Disk("pd-balanced", Decimal(100))),), users=((LONG_AGO, ((ZONE, "worker"),)),)
    )
    return Cloud(
        [worker, large],
        TrackerSettings(HOME, (HOME,), asset_history=False),
        disks=[disk],
        rates=(*RATES, DISK_RATE, ADDRESS_RATE),
        contract=agreed(terms),
    )


def half_up(exact: Fraction) -> Fraction:
    return Fraction(floor(exact * 10**9 + Fraction(1, 2)), 10**9)


def expected(name: str, terms: dict[str, str]) -> tuple[Fraction, Fraction]:
    """What a VM costs an hour by the contract: of its machine type, and in total."""
    usd = {sku_id: Fraction(price) for sku_id, price in terms.items()}
    hours = Fraction(47, 60) if name == "worker" else Fraction(1)
    vcpus, gib = (2, 8) if name == "worker" else (4, 16)
    machine = half_up(half_up(vcpus * usd[CORE] + gib * usd[RAM]) * hours)
    if name != "worker":
        return machine, machine
    disk = half_up(half_up(100 * usd[DISK] * 730 / JULY_HOURS) * hours)
    return machine, machine + half_up(usd[ADDRESS] * hours) + disk


def contract_costs(row: CostRow) -> tuple[Fraction | None, Fraction | None]:
    """What a row costs by the contract: of its machine type, and in total if every part is known."""
    assert row.contract is not None
    compute = row.contract.compute_billionths
    known = [part for part in row.contract if part is not None]
    total = Fraction(sum(known), 10**9) if len(known) == len(row.contract) else None
    return None if compute is None else Fraction(compute, 10**9), total


def rows(cloud: Cloud) -> dict[tuple[datetime, str], CostRow]:
    return {(row.hour, row.instance.name): row for row in cloud.ledger.tables.costs.values()}


def test_rows_cost_the_contract_prices_to_nine_digits_before_and_after_a_change_of_the_terms() -> None:
    cloud = fleet(TERMS)
    for number in range(12):
        if number == MIDNIGHT - 1:  # The run of this hour takes place in minute 7 of the new day.
            cloud.contract = agreed(CHANGED)
        cloud.run(number)

    found = rows(cloud)
    assert len(found) == 24
    for (hour, name), row in found.items():
        assert contract_costs(row) == expected(name, TERMS if hour < at(MIDNIGHT) else CHANGED)
        assert row.rates.contract is not None
        assert row.rates.contract.reason == ""
        assert row.cost is not None
        assert Fraction(row.cost) > expected(name, TERMS)[0]


def test_contract_prices_that_are_the_list_prices_give_the_same_costs_to_the_last_digit() -> None:
    listed = {each.sku_id: str(each.usd) for each in (*RATES, DISK_RATE, ADDRESS_RATE) if each.sku_id in UNITS}
    cloud = fleet(listed)
    cloud.run(0)

    for row in rows(cloud).values():
        assert contract_costs(row) == (row.cost, row.total_cost)
        assert row.contract is not None
        assert row.contract.disk_billionths == row.attached.disk_billionths


def test_a_sku_without_a_contract_price_leaves_only_its_part_and_the_total_unknown() -> None:
    without_disk = {sku_id: usd for sku_id, usd in TERMS.items() if sku_id != DISK}
    cloud = fleet(without_disk)
    cloud.run(0)

    worker, large = (rows(cloud)[at(0), name] for name in ("worker", "large"))
    assert worker.contract is not None
    assert worker.rates.contract is not None
    assert worker.contract.disk_billionths is None
    assert worker.contract.address_billionths is not None
    assert contract_costs(worker) == (expected("worker", TERMS)[0], None)
    assert worker.rates.contract.reason == f"disk: pd-balanced:capacity: no contract price of SKU {DISK}"
    assert worker.total_cost is not None
    assert contract_costs(large) == expected("large", TERMS)


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_a_price_in_another_currency_is_recorded_and_costs_nothing_that_is_known(currency: str) -> None:
    cloud = fleet(TERMS)
    assert cloud.contract is not None
    cloud.contract = {name: replace(price, currency=currency) for name, price in cloud.contract.items()}
    cloud.run(0)

    assert {row.contract and row.contract.compute_billionths for row in rows(cloud).values()} == {None}
    assert {dated.price.currency for dated in cloud.ledger.tables.contract_prices.values()} == {currency}


def test_hours_are_complete_while_contract_prices_cannot_be_read_and_say_why_they_are_not_known() -> None:
    cloud = fleet(TERMS)
    cloud.denied.add(("contract prices", ""))

    summary = cloud.run(0)

    [run] = summary.hours
    assert (summary.complete, run.gaps) == (True, [])
    assert run.contract_prices_problem == "contract prices: 403 of "
    assert {known.state for known, _ in cloud.ledger.tables.project_hours.values()} == {Completeness.PROVISIONAL}
    for row in rows(cloud).values():
        assert row.contract is not None
        assert row.contract.compute_billionths is None
        assert row.rates.contract is not None
        assert row.rates.contract.reason.startswith("compute: contract prices have not been read yet")


def test_they_are_asked_for_again_in_the_next_run_after_a_failure_and_with_the_catalog_after_that() -> None:
    cloud = fleet(TERMS)
    cloud.denied.add(("contract prices", ""))
    for hour in range(3):
        cloud.run(hour)
    cloud.denied.clear()
    for hour in range(3, 7):
        cloud.run(hour)

    # Three that failed, one that did not, and one before and after midnight in Los Angeles, as of the catalog.
    assert (cloud.calls["contract prices"], cloud.calls["catalog"]) == (6, 3)
    known = {
        hour for (hour, _), row in rows(cloud).items() if row.contract and row.contract.compute_billionths is not None
    }
    assert known == {at(hour) for hour in range(3, 7)}


def test_after_a_reading_that_failed_when_it_was_due_the_earlier_prices_are_not_taken_for_later_hours() -> None:
    cloud = fleet(TERMS)
    cloud.run(0)
    cloud.denied.add(("contract prices", ""))
    cloud.run(6)

    by_hour = {
        hour: row.contract and row.contract.compute_billionths
        for (hour, name), row in rows(cloud).items()
        if name == "large"
    }
    assert by_hour[at(0)] is not None
    assert by_hour[at(6)] is None
    assert None not in {row.cost for row in rows(cloud).values()}


def test_where_they_are_not_to_be_read_nothing_is_asked_and_no_row_has_any() -> None:
    cloud = fleet(TERMS)
    cloud.contract = None
    cloud.run(0)

    assert cloud.calls["contract prices"] == 0
    assert {row.contract for row in rows(cloud).values()} == {None}
    assert cloud.ledger.tables.contract_prices == {}


@pytest.mark.parametrize("call", ["commit", "close"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_is_killed_and_repeated_leaves_what_one_run_does(call: str, moment: str) -> None:
    class KilledError(BaseException):
        """The process is gone."""

    def kill(name: str, when: str) -> None:
        if (name, when) == (call, moment):
            raise KilledError

    whole, killed = fleet(TERMS), fleet(TERMS)
    whole.run(0)
    killed.vms, killed.on_call = whole.vms, kill
    with pytest.raises(KilledError):
        killed.run(0)
    killed.on_call = None
    killed.run_at(at(1, 7) + timedelta(seconds=30))

    assert killed.ledger.tables.contract_prices == whole.ledger.tables.contract_prices
    assert {key: row.contract for key, row in rows(killed).items()} == {
        key: row.contract for key, row in rows(whole).items()
    }


def test_a_second_run_of_the_same_hour_changes_no_contract_price() -> None:
    cloud = fleet(TERMS)
    cloud.run(0)
    before = (dict(cloud.ledger.tables.contract_prices), {key: row.contract for key, row in rows(cloud).items()})
    cloud.run(0, 0)

    assert before == (
        cloud.ledger.tables.contract_prices,
        {key: row.contract for key, row in rows(cloud).items()},
    )


def test_the_shape_of_the_fleet_is_the_one_that_is_expected() -> None:
    assert [SMALL.vcpus, SMALL.memory_gib, LARGE.vcpus, LARGE.memory_gib] == [Decimal(each) for each in (2, 8, 4, 16)]
