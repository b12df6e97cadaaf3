"""An upgrade of a deployment whose tables lack newer columns, and the way back, on the emulated platform.

`earlier_tables.json` has the tables as they were before license, address and disk costs were recorded.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset, create_views, tables
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import HOME_PROJECT, ROOT, Answer, Stack
from spotkeeper.cli.main import main
from spotkeeper.periods import rfc3339

EARLIER: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "stack" / "earlier_tables.json").read_text())
SQL = ROOT / "sql" / "tables"
DATASET, SOURCE = "upgraded", "recorded_anew"
PARTITIONED_SINCE = {"vm_inventory"}
OF_HOURS = {"spot_vm_costs": "usage_start_time", "tracker_runs": "hour", "project_hours": "hour"}
OF_ALL_HOURS = {
    "spot_prices": "TRUE",
    "machine_type_prices": "TRUE",
    "shape_components": "TRUE",
    "vm_inventory": "last_seen >= '2026-07-01'",
}
HOUR, MINUTES = timedelta(hours=1), timedelta(minutes=7)
ARGUMENTS = ["--project", HOME_PROJECT, "--dataset", DATASET]
REBUILD = ["rebuild-rollups", *ARGUMENTS, "--from", "2026-07-21", "--to", "2026-07-21"]

pytestmark = pytest.mark.timeout(600)


def present(table: str) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads((SQL / f"{table}.json").read_text())
    return definition


def columns(definition: dict[str, Any]) -> dict[str, tuple[str, str]]:
    fields = definition["schema"]["fields"]
    return {field["name"]: (field["type"], field.get("mode", "NULLABLE")) for field in fields}


@pytest.mark.parametrize("table", EARLIER)
def test_a_table_only_gains_columns_that_may_be_null_so_that_bigquery_can_add_them(table: str) -> None:
    earlier, now = columns(EARLIER[table]), columns(present(table))

    assert {name: now.get(name) for name in earlier} == earlier
    assert [name for name in now.keys() - earlier.keys() if now[name][1] == "REQUIRED"] == []
    partitions = (EARLIER[table].get("timePartitioning"), present(table).get("timePartitioning"))
    assert partitions[0] == partitions[1] or (table in PARTITIONED_SINCE and partitions[0] is None)


class Deployment:
    """A dataset of the stack and the tracker that writes to it."""

    def __init__(self, stack: Stack, dataset: str) -> None:
        self.stack, self.dataset, self.client = stack, dataset, stack.client()

    def call(self, hour: int) -> Answer:
        """Call the tracker at minute 7 of an hour of the fleet."""
        self.stack.serve_function("track_spot_costs", {"DATASET": self.dataset})
        at = FLEET_START + hour * HOUR + MINUTES
        self.stack.set_time(at)
        return self.stack.schedule(at)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        configuration = bigquery.QueryJobConfig(default_dataset=f"{HOME_PROJECT}.{self.dataset}")
        return [dict(row) for row in self.client.query(sql, job_config=configuration).result()]

    def hours(self, counted: str) -> dict[int, int]:
        """Return by hour of the fleet how many cost rows have a value."""
        found = self.rows(
            f"SELECT usage_start_time, COUNT({counted}) AS row_count FROM spot_vm_costs "
            f"WHERE usage_start_time >= '{rfc3339(FLEET_START)}' GROUP BY usage_start_time ORDER BY usage_start_time"
        )
        return {(row["usage_start_time"] - FLEET_START) // HOUR: row["row_count"] for row in found}

    def create_earlier_tables(self) -> None:
        dataset = bigquery.DatasetReference(HOME_PROJECT, self.dataset)
        self.client.create_dataset(dataset)
        for name, definition in EARLIER.items():
            resource = {**definition, "tableReference": dataset.table(name).to_api_repr()}
            self.client.create_table(bigquery.Table.from_api_repr(resource))

    def write_as_earlier(self, first: int, last: int) -> None:
        """Write the records of some hours as the earlier tracker did: without the columns that its tables had not."""
        start, end = (rfc3339(FLEET_START + hour * HOUR) for hour in (first, last + 1))
        for name, condition in (
            *((name, f"{key} >= '{start}' AND {key} < '{end}'") for name, key in OF_HOURS.items()),
            *((name, condition) for name, condition in OF_ALL_HOURS.items() if first == 0),
        ):
            listed = ", ".join(columns(EARLIER[name]))
            self.rows(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {SOURCE}.{name} WHERE {condition}")

    def apply_tables(self) -> None:
        """Add the columns and the tables that are new, as Terraform does."""
        create_dataset(self.client, self.dataset)
        for wanted in tables(bigquery.DatasetReference(HOME_PROJECT, self.dataset)):
            self.client.update_table(wanted, ["schema"])

    def assert_consistent(self, hour: int) -> None:
        """Make the views anew and run all checks, as of ten minutes after a call."""
        at = FLEET_START + hour * HOUR + timedelta(minutes=17)
        create_views(self.client, self.dataset, at)
        assert main(["check", *ARGUMENTS, "--at", rfc3339(at)]) == 0


@pytest.fixture(scope="module")
def deployment(stack: Stack) -> Iterator[Deployment]:
    """The tables of the earlier version, and beside them a dataset with all hours of the story."""
    stack.control("POST", "reset")
    written = Deployment(stack, SOURCE)
    create_dataset(stack.client(), SOURCE)
    for hour in range(1, 7):
        assert written.call(hour).status == 200
    deployment = Deployment(stack, DATASET)
    deployment.create_earlier_tables()
    yield deployment
    stack.control("POST", "reset")
    stack.serve_function("track_spot_costs")


def test_an_upgrade_and_the_way_back_lose_no_hour_and_end_with_consistent_tables(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIGQUERY_ENDPOINT", deployment.stack.bigquery)
    deployment.write_as_earlier(0, 2)
    earlier = deployment.hours("1")

    too_early = deployment.call(4)
    untouched = deployment.hours("1")
    assert main(["partition-tables", *ARGUMENTS]) == 0
    deployment.apply_tables()
    upgraded = deployment.call(4)
    assert main(REBUILD) == 0
    deployment.assert_consistent(4)
    # The way back: the earlier tracker records an hour into the tables of the later one, which then runs again.
    deployment.write_as_earlier(4, 4)
    again = deployment.call(6)
    assert main(REBUILD) == 0
    deployment.assert_consistent(6)

    assert (too_early.status, upgraded.status, again.status) == (503, 200, 200)
    assert earlier == untouched
    assert (list(earlier), upgraded.body["status"], again.body["status"]) == ([0, 1, 2], "complete", "complete")
    rows, totals = deployment.hours("1"), deployment.hours("total_cost")
    assert {hour: rows[hour] for hour in earlier} == earlier
    assert [hour for hour in rows if totals[hour]] == [3, 5]
    assert list(rows) == list(range(6))
