"""Each view over a year of 200 Spot VMs: the seconds are those of the local engine, the bytes what BigQuery would bill.

The local engine is DuckDB behind BigQuery's interface. Its seconds say which view is heavy; BigQuery's own are others.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

from google.cloud import bigquery

from infra.local.bigquery.tables import create_views, local_client
from infra.local.stack.processes import Processes
from tests.bench.rows import Row
from tests.bench.year import DATASET, DAYS, NOW, PROJECT, ask, fill
from tests.sql.cases import queries
from tests.sql.query_costs import bytes_read

VMS = 200
_MOST_SECONDS = 60.0
_ASKED = {
    "daily_cost_breakdown": "usage_date",
    "daily_cost_by_team": "usage_date",
    "daily_spot_savings": "usage_date",
    "unattributed_cost": "usage_date",
    "focus_costs": "ChargePeriodStart",
}
"""The column by which a view is asked for a time; the others bound it themselves."""


def rows() -> Sequence[Row]:
    """Fill the tables and ask for every view as a whole."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        data = ["--data-dir", f"{folder}/data", "--project", PROJECT, "--dataset", DATASET]
        address = processes.announced("bigquery", [sys.executable, "-m", "infra.local.bigquery", *data])["bigquery"]
        client = local_client(address, PROJECT)
        fill(client, address, VMS)
        create_views(client, DATASET, NOW)
        return list(_asked(client))


def _asked(client: bigquery.Client) -> Iterator[Row]:
    deployed = {table.table_id for table in client.list_tables(DATASET)}
    yield Row("cost rows of the year", f"{VMS * 24 * DAYS:,}")
    for view in queries("views"):
        if view.stem not in deployed:
            continue
        where = f"WHERE {column} >= '2025-07-21'" if (column := _ASKED.get(view.stem)) else ""
        started = perf_counter()
        ask(client, f"CREATE OR REPLACE TABLE answer AS SELECT * FROM {view.stem} {where}")
        seconds = perf_counter() - started
        [found] = ask(client, "SELECT COUNT(*) AS answered FROM answer")
        size = bytes_read(view, VMS, DAYS) / 1024**2
        result = f"{seconds:.2f} s, {found.answered:,} rows, {size:,.0f} MiB billed"
        yield Row(view.stem, result, f"{_MOST_SECONDS:.0f} s", passed=seconds <= _MOST_SECONDS)
