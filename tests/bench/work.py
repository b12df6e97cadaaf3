"""A million records of work in a month, one a day on each of 33,333 VMs, each with a cost row.

Loading stays as fast, and views take CPU time in proportion. The local engine is DuckDB behind BigQuery's interface:
its seconds are not BigQuery's, their ratio says what grows. The bytes are what BigQuery would bill.
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
from tests.bench.engine import Engine
from tests.bench.rows import Row
from tests.sql.cases import SQL
from tests.sql.query_costs import bytes_read
from tests.unit.work_reading import read_records

DAYS, FILES = 30, 10
VMS_OF_A_FILE = 3_333
RECORDS = DAYS * FILES * VMS_OF_A_FILE
PROJECT, DATASET = "data-platform", "cost_tracking"
FIRST = datetime(2026, 6, 30, tzinfo=UTC)
NOW = datetime(2026, 7, 30, 6, tzinfo=UTC)
_FILL = Path(__file__).parent / "month_of_work.sql"
_ASKED = ("work_hours", "cost_by_work")
_HOURS_OF_STARTS = 22
_BIGQUERY = "bigquery"
_MOST_OF_LAST_LOAD = 3.0
_MOST_OF_VIEW = 1.5
"""How much more CPU time than in proportion a view may take with ten times the records: sorting takes a little more."""


def rows() -> Sequence[Row]:
    """Load a tenth and ask, then the rest and ask again."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        data = ["--data-dir", f"{folder}/data", "--project", PROJECT, "--dataset", DATASET]
        address = processes.announced(_BIGQUERY, [sys.executable, "-m", "infra.local.bigquery", *data])[_BIGQUERY]
        client = local_client(address, PROJECT)
        create_dataset(client, DATASET)
        create_views(client, DATASET, NOW)
        tables = WorkTables(Jobs(PROJECT, DATASET, address, timedelta(seconds=60)))
        engine = Engine(processes.pid(_BIGQUERY))
        _fill(client, 0, 1)
        first = _load(tables, 0)
        few = {view: _seconds(client, engine, view) for view in _ASKED}
        _fill(client, 1, FILES)
        last = [_load(tables, number) for number in range(1, FILES)][-1]
        return [*_loads(first, last), *_views(client, engine, few)]


def _loads(first: tuple[float, float], last: tuple[float, float]) -> Iterator[Row]:
    each = RECORDS // FILES
    yield Row(f"reading {each:,} records of CSV", f"{first[0]:.1f} s")
    yield Row(f"loading {each:,} records, the first", f"{first[1]:.1f} s")
    limit = first[1] * _MOST_OF_LAST_LOAD
    yield Row(
        f"loading {each:,} records, the last of {RECORDS:,}", f"{last[1]:.1f} s", f"{limit:.1f} s", last[1] <= limit
    )


def _views(client: bigquery.Client, engine: Engine, few: dict[str, float]) -> Iterator[Row]:
    for view in _ASKED:
        seconds, limit = _seconds(client, engine, view), few[view] * FILES * _MOST_OF_VIEW
        size = bytes_read(SQL / "views" / f"{view}.sql", RECORDS // DAYS) / 1024**3
        result = f"{seconds:.1f} CPU s, with a tenth {few[view]:.1f}"
        yield Row(f"{view}: {RECORDS:,} records", result, f"{limit:.1f} CPU s", seconds <= limit)
        yield Row(f"{view}: {RECORDS // DAYS:,} VMs with a record a day, 92 days", f"{size:.1f} GiB billed")


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
    """Return the month of some VMs: a build of forty minutes a day on each."""
    lines = ["work_id,attempt,kind,instance_id,start_time,end_time,keys.team"]
    for day in range(DAYS):
        for vm in range(number * VMS_OF_A_FILE, (number + 1) * VMS_OF_A_FILE):
            start = FIRST + timedelta(days=day, hours=vm % _HOURS_OF_STARTS, minutes=5)
            end = start + timedelta(minutes=40)
            work = f"{day}-{vm // 8}/job-{vm % 8}"
            lines.append(f"{work},1,ci,{1000000 + vm},{_time(start)},{_time(end)},team-{vm % 7}")
    return "\n".join(lines)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _fill(client: bigquery.Client, first: int, last: int) -> None:
    """Write the cost rows and preemptions of the VMs of these files."""
    text = _FILL.read_text().format(first=first * VMS_OF_A_FILE, last=last * VMS_OF_A_FILE)
    for statement in text.split(";\n"):
        _ask(client, statement)


def _seconds(client: bigquery.Client, engine: Engine, view: str) -> float:
    """Ask a view; the CPU seconds of the local BigQuery, whose wall time says more of what else runs here."""
    before = engine.cpu_seconds()
    _ask(client, f"CREATE OR REPLACE TABLE answer AS SELECT * FROM {view}")
    return engine.cpu_seconds() - before


def _ask(client: bigquery.Client, statement: str) -> Sequence[bigquery.Row]:
    configuration = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{DATASET}")
    return list(client.query(statement, job_config=configuration).result())
