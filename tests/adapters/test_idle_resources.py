"""The tracker on a local BigQuery, compared with a calculation of its own: disks and addresses while no VM runs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from infra.local.bigquery.tables import local_client
from infra.local.stack.stack import Stack
from spotkeeper.cli.main import main
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.instances import Disk, ProvisioningModel
from spotkeeper.periods import budget_periods, rfc3339
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import HourReading
from spotkeeper.tracking.settings import Budgets
from tests.adapters.conftest import new_dataset
from tests.sql.cases import SQL, rendered
from tests.unit.idle_resources import idle_cost
from tests.unit.tracker_fakes import HOME, ZONE, Cloud, StoredAddress, StoredDisk, Vm, at
from tests.unit.whole_cost_samples import SOLD, disk

RUNS = (5, 6, 6, 8)
"""Hours after which the tracker runs: it misses one, and takes one twice. The day of Cloud Billing ends at 07:00."""


def cloud() -> Cloud:
    vms = [
        Vm("worker", addresses=1),
        Vm("stopped", runs=((at(-99), at(5, 30)), (at(8, 40), None))),
        Vm("standard", model=ProvisioningModel.STANDARD),
        Vm("gone", runs=((at(-99), at(6, 30)),), deleted=at(6, 30)),
    ]
    disks = [
        disk("of-worker", "worker"),
        disk("of-stopped", "stopped"),
        disk("shared", "stopped", "standard", "worker"),
        disk("of-standard", "standard"),
        disk("nobody-s"),
        StoredDisk("left", users=((at(-99), ((ZONE, "gone"),)), (at(6, 30), ()))),
        StoredDisk(
            "of-a-pool",
            ((at(-99), Disk("hyperdisk-balanced", Decimal(1), special="storage-pool")),),
            ((at(-99), ((ZONE, "stopped"),)),),
        ),
    ]
    addresses = [
        StoredAddress("of-worker", ((at(-99), ((ZONE, "worker"),)),)),
        StoredAddress("of-stopped", ((at(-99), ((ZONE, "stopped"),)),)),
        StoredAddress("left", ((at(-99), ((ZONE, "gone"),)), (at(6, 30), ()))),
        StoredAddress("nobody-s"),
    ]
    return Cloud(vms, disks=disks, addresses=addresses, rates=SOLD)


def run_on(found: Cloud, tables: TrackerTables, hours: Iterable[int]) -> None:
    for number, hour in enumerate(hours):
        found.now = at(hour + 1, 7)
        ports = replace(found.ports(), ledger=tables, inventory=tables)
        track(found.settings, ports, f"idle{number}_{hour}", TrackRequest(found.now, found.now))


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "idle_resources") as name:
        yield name


def test_idle_resources_are_the_disks_and_addresses_that_no_cost_row_has(
    stack: Stack, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, in_bigquery = cloud(), cloud()
    tables = TrackerTables(Jobs(HOME, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5)))
    for hour in RUNS:
        in_memory.run(hour)
    run_on(in_bigquery, tables, RUNS)

    client = local_client(stack.settings["BIGQUERY_ENDPOINT"], HOME)

    def stored() -> list[tuple[object, ...]]:
        rows = client.query(
            "SELECT usage_hour, project_id, cost, unpriced_hours, disk_cost, address_cost"
            f" FROM {dataset}.hourly_idle_resources ORDER BY usage_hour"
        ).result()
        return [tuple(row.values()) for row in rows]

    of_memory = in_memory.ledger.tables
    hours = sorted(of_memory.project_hours)
    expected = [
        (hour, project, *idle_cost(project, hour, of_memory.costs.values(), of_memory.disks, of_memory.addresses))
        for hour, project in hours
    ]
    written = stored()
    assert [row[:4] for row in written] == expected
    assert [row[0] for row in written] == [at(hour) for hour in range(5, 9)]
    # While all run, nothing is idle but the rest of the hour of the VM that stopped, and a part of the shared disk.
    assert all(row[2] > 0 for row in expected)
    assert {row[3] for row in expected} == {Decimal(1)}

    check = rendered(SQL / "checks" / "idle_resources_equal_rows.sql", rfc3339(at(9)), dataset)
    assert [tuple(row.values()) for row in client.query(check).result()] == []

    # The disks of whole hours, and the rows' own, are what the Spot VMs bear of disk_costs.
    [sums] = client.query(
        "SELECT"
        f" (SELECT SUM(disk_cost) FROM {dataset}.hourly_idle_resources)"
        f" + (SELECT SUM(disk_cost) FROM {dataset}.spot_vm_costs WHERE usage_start_time >= '2026-07-01') AS carried,"
        f" (SELECT SUM(address_cost) FROM {dataset}.hourly_idle_resources) AS addresses"
    ).result()
    until = at(9)
    borne = sum(
        (row.price.usd * _seconds(row.start, min(row.end, until)) / 3600 * _spot_part(row.name))
        for row in of_memory.disks
        if row.price.usd is not None and row.start < until
    )
    assert abs(sums["carried"] - borne) < Decimal("1e-7")
    assert sums["addresses"] > 0

    periods = budget_periods(at(8))
    spends = []
    for ledger in (in_memory.ledger, tables):
        with ledger.stage("spent", at(9, 30)) as stage:
            stage.add(HourReading(HOME, at(8)))
            for row in [row for row in of_memory.costs.values() if row.hour == at(8)]:
                stage.add(row)
            spends.append(stage.commit([at(8)], periods, Budgets())[0])
    assert spends[0] == spends[1]

    client.query(f"DELETE FROM {dataset}.hourly_idle_resources WHERE TRUE").result()
    monkeypatch.setenv("BIGQUERY_ENDPOINT", stack.settings["BIGQUERY_ENDPOINT"])
    days = ["--from", at(5).date().isoformat(), "--to", at(8).date().isoformat()]
    assert main(["rebuild-rollups", "--project", HOME, "--dataset", dataset, *days]) == 0
    assert stored() == written


def _seconds(start: datetime, end: datetime) -> int:
    return int((end - start).total_seconds())


def _spot_part(name: str) -> Decimal:
    return {"shared": Decimal(2) / 3, "nobody-s": Decimal(0), "of-standard": Decimal(0)}.get(name, Decimal(1))
