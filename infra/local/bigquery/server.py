"""BigQuery on this machine: the package local-bigquery on plain DuckDB files.

As released, local-bigquery keeps its tables in DuckLake and loads DuckDB's spatial functions; both make DuckDB download
extensions when it starts. spotkeeper needs neither, so this launcher opens one DuckDB file for each project instead.
"""

import argparse
import functools
import gzip
import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import uvicorn
from local_bigquery.catalog import tables
from local_bigquery.engine import database
from local_bigquery.jobs import load, query, runner
from local_bigquery.models import JobConfigurationLoad, JobStatistics2, JobStatistics3, TableReference
from local_bigquery.settings import settings
from local_bigquery.sql import native
from local_bigquery.sql.dialect import FUNCTIONS, MACRO

from infra.local.bigquery import metadata_cache
from infra.local.bigquery.translation_cache import remembering
from infra.local.emulators.sockets import listening

type Executed = tuple[JobStatistics2, list[JobStatistics2], TableReference | None]
type Execute = Callable[..., Executed]

GZIP_MAGIC = b"\x1f\x8b"
KEPT_RESULTS = 100
"""BigQuery keeps the results of queries for a day; a local client reads them at once."""

NOT_PROJECTS = ("emulator", "bq", "memory", "system", "temp")


@dataclass(frozen=True, slots=True)
class Storage:
    """Where tables lie: in a file for each project or, where nothing waits for a disk, in memory."""

    in_memory: bool

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a connection, with every stored project attached."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        connection.execute(f"ATTACH '{self._place('emulator.duckdb')}' AS emulator")
        connection.execute(database.EMULATOR_SCHEMA)
        connection.execute("ATTACH ':memory:' AS bq")
        native.register(connection)
        for path in FUNCTIONS:
            if path.stem != "geography":
                connection.execute(MACRO.sub(r"CREATE MACRO bq.main.\1", path.read_text()))
        stored = {path.stem for path in settings.data_dir.glob("*.project")}
        for project_id in sorted(stored | {settings.default_project_id}):
            self.attach(connection, project_id)
        default = database.quote(settings.default_project_id, settings.default_dataset_id)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {default}")
        return connection

    def attach(self, connection: duckdb.DuckDBPyConnection, project_id: str) -> None:
        """Open the tables of one project, or make them."""
        place = self._place(f"{project_id}.project")
        connection.execute(f"ATTACH IF NOT EXISTS '{place}' AS {database.quote(project_id)}")
        database._attached.add(project_id)  # noqa: SLF001 (the package's own record of what is attached)

    def _place(self, name: str) -> str:
        return ":memory:" if self.in_memory else str(settings.data_dir / name)


def projects() -> list[str]:
    """The ids of all projects that have tables."""
    rows = database.fetch("SELECT database_name FROM duckdb_databases() WHERE NOT internal ORDER BY database_name")
    return [name for (name,) in rows if name not in NOT_PROJECTS]


def load_gzip(
    cursor: duckdb.DuckDBPyConnection, configuration: JobConfigurationLoad, upload: str | None
) -> JobStatistics3:
    """Load a file as the package does, but unpack it first: BigQuery takes gzip files, the package does not."""
    if upload is not None:
        path = Path(upload)
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        if packed:
            path.write_bytes(gzip.decompress(path.read_bytes()))
    return load.run(cursor, configuration, upload)


def forgetting(execute: Execute) -> Execute:
    """Return an execution after which only the latest results are kept: every statement looks through all tables."""
    recent = deque[TableReference]()

    def executed(*arguments: object, **named: object) -> Executed:
        done = execute(*arguments, **named)
        if done[2] is not None and done[2].datasetId == tables.RESULTS:
            recent.append(done[2])
        while len(recent) > KEPT_RESULTS:
            old = recent.popleft()
            database.execute(f"DROP TABLE IF EXISTS {tables.name(old.projectId, old.datasetId, old.tableId)}")
        return done

    return executed


def main() -> None:
    """Serve until told to stop; the first line printed is the address, as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--in-memory", action="store_true", help="keep no tables once the server ends")
    parser.add_argument("--access-log", action="store_true", help="print a line for every request")
    arguments = parser.parse_args()
    settings.data_dir = arguments.data_dir
    settings.default_project_id = arguments.project
    settings.default_dataset_id = arguments.dataset
    storage = Storage(arguments.in_memory)
    database._connect = functools.cache(storage.connect)  # noqa: SLF001 (there is no setting for the storage)
    database._attach = storage.attach  # noqa: SLF001
    database.projects = projects
    metadata_cache.install()
    runner.HANDLERS["load"] = load_gzip
    query.translate = remembering(query.translate)
    query.execute = forgetting(query.execute)
    database.connection()

    from local_bigquery.app import app  # noqa: PLC0415 (reads the settings when imported)

    listener, address = listening(arguments.port)
    sys.stdout.write(json.dumps({"bigquery": address}) + "\n")
    sys.stdout.flush()
    level = "info" if arguments.access_log else "warning"
    server = uvicorn.Server(uvicorn.Config(app, log_level=level, access_log=arguments.access_log))
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
