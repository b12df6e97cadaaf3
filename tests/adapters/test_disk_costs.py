"""The tracker on a local BigQuery, compared with the tables in memory: disks, and what is attached to VMs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from infra.local.bigquery.tables import local_client
from infra.local.stack.stack import Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.instances import Disk
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.run import TrackRequest, track
from tests.adapters.conftest import new_dataset
from tests.unit.tracker_fakes import HOME, ZONE, Cloud, StoredDisk, Vm, at
from tests.unit.whole_cost_samples import SOLD, WINDOWS, disk

RUNS = (5, 6, 6, 8, 9)
"""Hours after which the tracker runs: it misses one, and takes one twice. The day of Cloud Billing ends at 07:00."""


def cloud() -> Cloud:
    ends = at(8, 30)
    vms = [
        Vm("worker", licenses=WINDOWS, addresses=1),
        Vm("gone", runs=((at(-99), ends),), deleted=ends),
        Vm("odd", licenses=("other-cloud/other-1",)),
    ]
    grown = ((at(-99), Disk("pd-balanced", Decimal(100))), (at(6, 20), Disk("pd-balanced", Decimal(333))))
    disks = [
        StoredDisk("grown", grown, ((at(-99), ((ZONE, "worker"),)),), labels=(("owner", "o'neil"),)),
        disk("shared", "worker", "odd"),
        StoredDisk("left", users=((at(-99), ((ZONE, "gone"),)), (ends, ()))),
        disk("nobody-s", created=at(6, 40), deleted=at(9)),
        StoredDisk("regional", ((at(-99), Disk("pd-balanced", Decimal(7), regional=True)),), place="us-central1"),
        StoredDisk("of-a-pool", ((at(-99), Disk("hyperdisk-balanced", Decimal(1), special="storage-pool")),)),
    ]
    return Cloud(vms, disks=disks, rates=SOLD)


def run_on(found: Cloud, tables: TrackerTables, hours: Iterable[int], runs: str = "disk") -> None:
    """Let the tracker run after these hours; no two runs of a BigQuery may have one id."""
    for number, hour in enumerate(hours):
        found.now = at(hour + 1, 7)
        ports = replace(found.ports(), ledger=tables, inventory=tables)
        track(found.settings, ports, f"{runs}{number}_{hour}", TrackRequest(found.now, found.now))


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "disk_costs") as name:
        yield name


@pytest.fixture
def dataset_tables(stack: Stack, dataset: str) -> TrackerTables:
    return TrackerTables(Jobs(HOME, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5)))


def test_disks_and_costs_in_bigquery_are_those_in_memory(
    stack: Stack, dataset: str, dataset_tables: TrackerTables
) -> None:
    in_memory = cloud()
    in_bigquery = cloud_of(in_memory)
    for hour in RUNS:
        in_memory.run(hour)
    run_on(in_bigquery, dataset_tables, RUNS)
    # The disks of a last run, which reads the hour before again, are those of an earlier scan.
    for each in (in_memory, in_bigquery):
        each.denied.add(("disks", HOME))
    in_memory.run(RUNS[-1] + 1)
    run_on(in_bigquery, dataset_tables, (RUNS[-1] + 1,))

    client = local_client(stack.settings["BIGQUERY_ENDPOINT"], HOME)
    disks = client.query(
        f"SELECT * FROM {dataset}.disk_costs WHERE usage_start_time >= '2026-07-01'"
        " ORDER BY disk_name, usage_start_time"
    ).result()
    stored = [
        (
            row["disk_name"],
            row["usage_start_time"],
            row["usage_end_time"],
            row["zone"],
            row["size_gib"],
            row["price"],
            row["price_status"],
            row["skus"],
            row["cost"],
            sorted(user["instance_name"] for user in row["attached_to"]),
            row["last_instance_name"],
        )
        for row in disks
    ]
    expected = [
        (
            row.name,
            row.start,
            row.end,
            None if row.disk.regional else row.place,
            row.disk.size_gib,
            row.price.usd,
            str(row.price.status),
            " ".join(row.price.skus) or None,
            row.cost,
            sorted(user.instance_name for user in row.users),
            row.last_user,
        )
        for row in sorted(in_memory.ledger.tables.disks, key=lambda row: (row.name, row.start))
    ]
    assert stored == expected
    assert {row[0] for row in stored} == {"grown", "shared", "left", "nobody-s", "regional", "of-a-pool"}
    rows = client.query(
        f"SELECT * FROM {dataset}.spot_vm_costs WHERE usage_start_time >= '2026-07-01'"
        " ORDER BY usage_start_time, instance_id"
    ).result()
    costs = [
        (
            row["usage_start_time"],
            row["instance_name"],
            row["license_cost"],
            row["address_cost"],
            row["disk_cost"],
            row["disk_status"],
            *(row[f"{kind}_skus"] for kind in ("compute", "license", "address", "disk")),
            row["known_cost"],
            row["total_cost"],
        )
        for row in rows
    ]
    of_memory = in_memory.ledger.tables.costs.items()
    assert costs == [
        (
            start,
            row.instance.name,
            row.attached.license,
            row.attached.address,
            row.attached.disk,
            str(row.attached.prices.disk.status),
            *(" ".join(skus) or None for skus in skus_of(row)),
            row.known_cost,
            row.total_cost,
        )
        for (start, _), row in sorted(of_memory, key=lambda item: (item[0][0], item[0][1].instance_id))
    ]


def skus_of(row: CostRow) -> Iterator[tuple[str, ...]]:
    yield row.price.skus
    prices = row.attached.prices
    yield from (prices.license.skus, prices.address.skus, prices.disk.skus)


def cloud_of(other: Cloud) -> Cloud:
    """A cloud with the same past, and no tables yet."""
    return Cloud(other.vms, disks=other.disks, rates=other.rates)


def test_whatever_changes_of_a_disk_begins_a_row_and_what_does_not_change_goes_on(
    stack: Stack, dataset: str, dataset_tables: TrackerTables
) -> None:
    plain = Disk("hyperdisk-balanced", Decimal(100), 3600, 290)
    changes = {
        "same": plain,
        "type": replace(plain, disk_type="pd-balanced"),
        "size": replace(plain, size_gib=Decimal(101)),
        "iops": replace(plain, iops=3601),
        "throughput": replace(plain, throughput_mibps=291),
        "special": replace(plain, special="storage-pool"),
    }
    disks = [
        *(StoredDisk(name, ((at(-99), plain), (at(5, 20), later))) for name, later in changes.items()),
        StoredDisk("attached", ((at(-99), plain),), ((at(5, 20), ((ZONE, "worker"),)),)),
        StoredDisk("moved", ((at(-99), plain),), ((at(-99), ((ZONE, "worker"),)), (at(5, 20), ((ZONE, "odd"),)))),
        StoredDisk("labelled", ((at(-99), plain),)),
    ]
    found = Cloud([Vm("worker"), Vm("odd")], disks=disks, rates=SOLD)
    run_on(found, dataset_tables, (4,), "changed")
    found.disks[-1] = replace(disks[-1], labels=(("team", "a"),))
    run_on(found, dataset_tables, (5,), "changed")

    rows = local_client(stack.settings["BIGQUERY_ENDPOINT"], HOME).query(
        f"SELECT disk_name, COUNT(*) AS row_count FROM {dataset}.disk_costs"
        " WHERE usage_start_time >= '2026-07-01' GROUP BY disk_name"
    )

    counts = {row["disk_name"]: row["row_count"] for row in rows.result()}
    assert counts == {disk.name: 1 if disk.name == "same" else 2 for disk in disks}
