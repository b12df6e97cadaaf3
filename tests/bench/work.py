"""A million records of work in a month: loading stays as fast, and views take longer in proportion at most.

The local engine is DuckDB behind BigQuery's interface: its seconds are not BigQuery's, their ratio says what grows. The
bytes are what BigQuery would bill.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset, create_views, local_client
from infra.local.stack.processes import Processes
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.work_tables import WorkTables
from spotkeeper.work.formats import csv_lines
from tests.bench.rows import Row
from tests.sql.cases import SQL
from tests.sql.query_costs import bytes_read
from tests.unit.work_reading import read_records

RECORDS, FILES = 1_000_000, 10
VMS = 240
PROJECT, DATASET = "data-platform", "cost_tracking"
FIRST = datetime(2026, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 7, 30, 6, tzinfo=UTC)
_FILL = Path(__file__).parent / "month_of_work.sql"
_ASKED = ("work_hours", "cost_by_work")
_SPAN = timedelta(minutes=10)
_MOST_OF_LAST_LOAD = 3.0
_MOST_OF_VIEW = 2.0
"""How many times longer than in proportion a view may take with ten times the records."""


def rows() -> Sequence[Row]:
    """Load a tenth and ask, then the rest and ask again."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        data = ["--data-dir", f"{folder}/data", "--project", PROJECT, "--dataset", DATASET]
        address = processes.announced("bigquery", [sys.executable, "-m", "infra.local.bigquery", *data])["bigquery"]
        client = local_client(address, PROJECT)
        create_dataset(client, DATASET)
        for statement in _FILL.read_text().split(";\n"):
            _ask(client, statement)
        create_views(client, DATASET, NOW)
        tables = WorkTables(Jobs(PROJECT, DATASET, address, timedelta(seconds=60)))
        first = _load(tables, 0)
        few = {view: _seconds(client, view) for view in _ASKED}
        last = [_load(tables, number) for number in range(1, FILES)][-1]
        return [*_loads(first, last), *_views(client, few)]


def _loads(first: tuple[float, float], last: tuple[float, float]) -> Iterator[Row]:
    each = RECORDS // FILES
    yield Row(f"reading {each:,} records of CSV", f"{first[0]:.1f} s")
    yield Row(f"loading {each:,} records, the first", f"{first[1]:.1f} s")
    limit = first[1] * _MOST_OF_LAST_LOAD
    yield Row(
        f"loading {each:,} records, the last of {RECORDS:,}", f"{last[1]:.1f} s", f"{limit:.1f} s", last[1] <= limit
    )


def _views(client: bigquery.Client, few: dict[str, float]) -> Iterator[Row]:
    for view in _ASKED:
        seconds, limit = _seconds(client, view), few[view] * FILES * _MOST_OF_VIEW
        size = bytes_read(SQL / "views" / f"{view}.sql", RECORDS // 30) / 1024**3
        result = f"{seconds:.1f} s, with a tenth {few[view]:.1f} s"
        yield Row(f"{view}: {RECORDS:,} records", result, f"{limit:.1f} s", seconds <= limit)
        yield Row(f"{view}: {RECORDS // 30:,} VMs with a record a day, 92 days", f"{size:.1f} GiB billed")


def _load(tables: WorkTables, number: int) -> tuple[float, float]:
    """Load one file; the seconds of reading it, and of writing its records."""
    text = _file(number)
    started = perf_counter()
    records, problems = read_records(csv_lines(text), {"project_id": "ci"})
    read = perf_counter()
    if problems:
        message = f"the bench's own records are wrong: {problems[0]}"
        raise AssertionError(message)
    tables.write(records, NOW)
    return read - started, perf_counter() - read


def _file(number: int) -> str:
    """One build after the other on each VM, ten minutes each."""
    each = RECORDS // FILES
    lines = ["work_id,attempt,kind,instance_id,start_time,end_time,keys.team"]
    for record in range(number * each, (number + 1) * each):
        turn, vm = divmod(record, VMS)
        start = FIRST + turn * _SPAN
        end = start + timedelta(minutes=9)
        lines.append(f"{record // 8}/job-{record % 8},1,ci,{1000000 + vm},{_time(start)},{_time(end)},team-{vm % 7}")
    return "\n".join(lines)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _seconds(client: bigquery.Client, view: str) -> float:
    started = perf_counter()
    _ask(client, f"CREATE OR REPLACE TABLE answer AS SELECT * FROM {view}")
    return perf_counter() - started


def _ask(client: bigquery.Client, statement: str) -> Sequence[bigquery.Row]:
    configuration = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{DATASET}")
    return list(client.query(statement, job_config=configuration).result())
