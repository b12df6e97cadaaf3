"""Every figure of a month of work is what it has to be, through the loader and the views on the local BigQuery."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.tables import create_views
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.work_tables import WorkTables
from spotkeeper.work.formats import csv_lines
from tests.adapters.conftest import new_dataset
from tests.simulation.work.figures import VIEWS, differences
from tests.simulation.work.month import Attempt, Month, month
from tests.simulation.work.rows import RULES, cost_rows, preemptions, present, work_file
from tests.sql.usual_rows import Row, complete
from tests.unit.work_reading import read_records

BUILDS = 2_500
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def whole_month() -> Month:
    """A month of 2,500 builds, a Slurm partition of four nodes, and a training run."""
    return month(seed=7, days=31, builds=BUILDS)


@pytest.fixture(scope="module")
def views(stack: Stack, whole_month: Month) -> Iterator[Mapping[str, list[Mapping[str, Any]]]]:
    """The rows of the views, after the attempts were loaded once while they ran, and twice when they had ended."""
    with new_dataset(stack, "month") as name:
        client = stack.client()
        append(client, f"{name}.spot_vm_costs", cost_rows(whole_month.vms))
        append(client, f"{name}.spot_preemptions", preemptions(whole_month.vms))
        append(client, f"{name}.job_system_rules", RULES)
        now = datetime.fromisoformat(present(whole_month))
        tables = WorkTables(Jobs(HOME_PROJECT, name, stack.bigquery, timedelta(seconds=30)))
        for attempts in (whole_month.replaced, whole_month.attempts, whole_month.attempts):
            load(tables, attempts, now)
        create_views(client, name, now)
        yield {view: [dict(row) for row in client.query_and_wait(f"SELECT * FROM {name}.{view}")] for view in VIEWS}


def load(tables: WorkTables, attempts: Iterable[Attempt], now: datetime) -> None:
    """Load attempts as `work load` does."""
    records, problems = read_records(csv_lines(work_file(attempts)), {})
    assert problems == []
    tables.write(records, now.astimezone(UTC))


def append(client: bigquery.Client, table: str, rows: Iterable[Row]) -> None:
    """Append rows with the usual values where they have none."""
    lines = "\n".join(json.dumps(complete(table.partition(".")[2], row)) for row in rows)
    appended = bigquery.LoadJobConfig(source_format="NEWLINE_DELIMITED_JSON")
    client.load_table_from_file(io.BytesIO(lines.encode()), table, job_config=appended).result()


def test_every_figure_of_a_month_is_what_it_has_to_be(
    whole_month: Month, views: Mapping[str, list[Mapping[str, Any]]]
) -> None:
    assert differences(whole_month, views) == []


def test_the_month_has_the_cases_that_it_is_about(whole_month: Month) -> None:
    tracked = [each for each in whole_month.attempts if each.vm is not None]
    training = [each for each in tracked if each.kind == "training"]

    assert len(whole_month.vms) > BUILDS
    assert sum(each.preempted for each in training) == 12
    assert {each.known_by for each in tracked} == {"id", "name", "run"}
    assert len(tracked) < len(whole_month.attempts)
    for case in (
        lambda each: each.real_end >= each.vm.end + 600,
        lambda each: each.start < each.vm.start,
        lambda each: each.end is None,
        lambda each: each.preempted and each.outcome is None,
        lambda each: each.vm.spot is None,
        lambda each: each.vm.ondemand is None,
    ):
        assert len([each for each in tracked if case(each)]) >= 5
