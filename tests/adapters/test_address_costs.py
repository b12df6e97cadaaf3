"""The tracker on a local BigQuery, compared with the tables in memory: reserved addresses."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from infra.local.bigquery.tables import local_client
from infra.local.stack.stack import Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.instances import ProvisioningModel
from spotkeeper.tracking.disks import Place
from spotkeeper.tracking.run import TrackRequest, track
from tests.adapters.conftest import new_dataset
from tests.unit.tracker_fakes import HOME, ZONE, Cloud, StoredAddress, Vm, at
from tests.unit.whole_cost_samples import SOLD

RUNS = (3, 4, 5, 5, 6, 8, 9)
"""Hours after which the tracker runs: it misses one, and takes one twice. The day of Cloud Billing ends at 07:00."""


def held(*times: tuple[float, str]) -> tuple[tuple[datetime, tuple[Place, ...]], ...]:
    return tuple((at(hour), ((ZONE, name),) if name else ()) for hour, name in times)


def cloud() -> Cloud:
    vms = [
        Vm("worker", addresses=1),
        Vm("stopped", runs=((at(-99), at(4, 30)), (at(5, 10), at(5, 20)), (at(8, 40), None)), addresses=1),
        Vm("standard", model=ProvisioningModel.STANDARD),
        Vm("gone", runs=((at(-99), at(6, 30)),), deleted=at(6, 30)),
    ]
    addresses = [
        StoredAddress("of-worker", held((-99, "worker"))),
        StoredAddress("of-stopped", held((-99, "stopped")), labels=(("owner", "o'neil"),)),
        StoredAddress("left", held((-99, "gone"), (6.5, ""))),
        StoredAddress("nobody-s", created=at(4, 40), released=at(8)),
        StoredAddress("handed-on", held((-99, ""), (5.5, "stopped"), (8.2, "worker"))),
        StoredAddress("lent", held((-99, ""), (4.5, "standard"), (5.5, ""), (7.5, "standard"))),
        StoredAddress("everywhere-s", region="global", special="global"),
    ]
    return Cloud(vms, addresses=addresses, rates=SOLD)


def run_on(found: Cloud, tables: TrackerTables, hours: Iterable[int]) -> None:
    for number, hour in enumerate(hours):
        found.now = at(hour + 1, 7)
        ports = replace(found.ports(), ledger=tables, inventory=tables)
        track(found.settings, ports, f"address{number}_{hour}", TrackRequest(found.now, found.now))


@pytest.fixture
def dataset(stack: Stack) -> Iterator[str]:
    with new_dataset(stack, "address_costs") as name:
        yield name


def test_reserved_addresses_in_bigquery_are_those_in_memory(stack: Stack, dataset: str) -> None:
    in_memory = cloud()
    in_bigquery = Cloud(in_memory.vms, addresses=in_memory.addresses, rates=SOLD)
    endpoint = stack.settings["BIGQUERY_ENDPOINT"]

    for hour in RUNS:
        in_memory.run(hour)
    run_on(in_bigquery, TrackerTables(Jobs(HOME, dataset, endpoint, timedelta(seconds=5))), RUNS)

    rows = local_client(endpoint, HOME).query(
        f"SELECT * FROM {dataset}.address_costs WHERE usage_start_time >= '2026-07-01'"
        " ORDER BY address_name, usage_start_time"
    )
    stored = [
        (
            row["address_name"],
            row["usage_start_time"],
            row["usage_end_time"],
            row["held_by"],
            row["instance_id"],
            row["last_instance_name"],
            row["idle_since"],
            row["price"],
            row["price_status"],
            row["skus"],
            row["cost"],
        )
        for row in rows.result()
    ]
    assert stored == [
        (
            row.name,
            row.start,
            row.end,
            str(row.use),
            row.instance_id,
            row.last_user,
            row.idle_since,
            row.price.usd,
            str(row.price.status),
            " ".join(row.price.skus) or None,
            row.cost,
        )
        for row in sorted(in_memory.ledger.tables.addresses, key=lambda row: (row.name, row.start))
    ]
    assert {row[0] for row in stored} == {address.name for address in in_memory.addresses}
