"""Every change that this project makes to the package local-bigquery, each with its reason and the sign that it can go.

The package has no extension points for these, so `install` replaces functions of it by name. That is safe for one exact
version only: another one is refused until each patch has been reviewed against it.
"""

import functools
import gzip
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from local_bigquery.catalog import tabledata, tables
from local_bigquery.engine import database, types
from local_bigquery.jobs import load, query, runner, store
from local_bigquery.models import (
    Job,
    JobConfigurationLoad,
    JobStatistics3,
    TableFieldSchema,
    TableReference,
)
from local_bigquery.settings import settings
from local_bigquery.sql import native, params, script, translate
from local_bigquery.sql.dialect import FUNCTIONS, MACRO
from local_bigquery.sql.rules import partitions
from sqlglot import exp

from infra.local.bigquery.empty_arrays import EmptyArrays
from infra.local.bigquery.list_aggregates import aggregate_in_place
from infra.local.bigquery.translation_cache import cached, cached_parse
from infra.local.bigquery.view_cache import Execute, Executed, ViewCache

VERSION = "0.4.0"
GZIP_MAGIC = b"\x1f\x8b"
KEPT_RESULTS = 100
MEMORY_LIMIT = "2GiB"
"""What DuckDB may take; what does not fit is written to a file beside the tables."""

VIEWS = Path(__file__).parents[3] / ".local" / "views"
NOT_PROJECTS = ("emulator", "bq", "memory", "system", "temp")

type Object = tuple[str, str, int]

_all_objects = database.objects


@dataclass(frozen=True, slots=True)
class Patch:
    """One name of the package that is replaced: why, and how to see that the patch is not needed any more."""

    place: Any
    name: str
    replacement: Any
    why: str
    obsolete_when: str

    def apply(self) -> None:
        """Replace the name, which must exist: an entry of a dictionary or an attribute of a module."""
        if isinstance(self.place, dict):
            if self.name not in self.place:
                raise KeyError(self.name)
            self.place[self.name] = self.replacement
        else:
            getattr(self.place, self.name)
            setattr(self.place, self.name, self.replacement)


class VersionError(RuntimeError):
    """Another version of local-bigquery is installed than the one that the patches were written for."""


def check_version(installed: str | None = None) -> None:
    """Refuse any other version of the package than the one that the patches were reviewed against."""
    found = installed or version("local-bigquery")
    if found != VERSION:
        message = (
            f"local-bigquery {found} is installed, and infra/local/bigquery/patches.py was written for {VERSION}: "
            "review each patch against the new version, then change VERSION there"
        )
        raise VersionError(message)


def install(empty_arrays: EmptyArrays, *, in_memory: bool) -> None:
    """Apply all patches to this process; the settings of the package must be set before."""
    check_version()
    for patch in patches(empty_arrays, in_memory=in_memory):
        patch.apply()


def patches(empty_arrays: EmptyArrays, *, in_memory: bool) -> tuple[Patch, ...]:
    """Return all patches; tables end with the process when they are kept in memory."""
    storage, jobs, view_cache = Storage(in_memory), Jobs(), ViewCache(VIEWS)
    files = "the package stores its tables in DuckLake, for which DuckDB downloads an extension at the start"
    no_lake = "the server starts without a network and without this patch"
    slow_jobs = "the package keeps jobs in a DuckDB table: reading and writing it took a fifth of the server's CPU time"
    fast_jobs = "the server's CPU time per query without this patch is within a tenth of that with it"
    scan = "the package finds one table by scanning the columns of all tables: another fifth of the CPU time"
    fast_scan = "the time of a query does not grow with the number of tables without this patch"
    return (
        Patch(database, "_connect", functools.cache(storage.connect), files, no_lake),
        Patch(database, "_attach", storage.attach, files, no_lake),
        Patch(database, "projects", projects, "the package counts DuckLake databases only", no_lake),
        Patch(store, "save", jobs.save, slow_jobs, fast_jobs),
        Patch(store, "load", jobs.load, slow_jobs, fast_jobs),
        Patch(store, "list_", jobs.list_, slow_jobs, fast_jobs),
        Patch(store, "delete", jobs.delete, slow_jobs, fast_jobs),
        Patch(database, "objects", objects, scan, fast_scan),
        Patch(tables, "columns", columns, scan, fast_scan),
        Patch(tabledata, "columns", columns, scan, fast_scan),
        Patch(partitions, "_hidden", has_ingestion_time, scan, fast_scan),
        Patch(
            runner.HANDLERS,
            "load",
            load_gzip,
            "BigQuery loads gzip files, and the package does not",
            "a load job of a gzip file ends without an error without this patch",
        ),
        Patch(
            params,
            "_plain",
            empty_arrays.delivering(params._plain),  # noqa: SLF001 (the place where a parameter gets its value)
            "an empty array may reach BigQuery as NULL, and the package always delivers it empty",
            "the package has a setting for it",
        ),
        Patch(
            script,
            "parse",
            cached_parse(script.parse),
            "the package parses every statement anew: a sixth of its CPU time",
            "a statement that runs twice is not parsed twice without this patch",
        ),
        Patch(
            duckdb.DuckDBPyRelation,
            "to_arrow_reader",
            arrow_stream,
            "the package hands the rows of a transaction over as an object of pyarrow, 170 MB that nothing else needs",
            "a transaction returns rows without this patch where pyarrow is not installed",
        ),
        Patch(
            translate,
            "NODE_RULES",
            [*translate.NODE_RULES, aggregate_in_place],
            "DuckDB joins rows with their distinct arrays to read one label of each: nine tenths of the CPU time of "
            "the views of work",
            "`make bench ONLY=views_year` takes as long without this patch",
        ),
        Patch(
            query,
            "translate",
            view_cache.translating(cached(query.translate)),
            "the package translates every statement anew: half of its CPU time",
            "a statement that runs twice is not translated twice without this patch",
        ),
        Patch(
            query,
            "execute",
            keeping_latest_results(view_cache.executing(query.execute)),
            f"the package takes a third of a second for a view; it keeps the results of all queries, and each result "
            f"slows every later statement: a client here reads them at once, so {KEPT_RESULTS} are enough",
            "the package creates a view in a tenth of that, and drops results by itself",
        ),
    )


def arrow_stream(relation: duckdb.DuckDBPyRelation, *_: object) -> object:
    """Return the rows of a relation as a stream that DuckDB reads, which needs no other package.

    https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
    """
    return relation.__arrow_c_stream__()


@dataclass(frozen=True, slots=True)
class Storage:
    """Tables in one plain DuckDB file for each project, or in memory."""

    in_memory: bool

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a connection, with every stored project attached and without spatial functions (a download)."""
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET threads = 1")
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"SET temp_directory = '{settings.data_dir / 'spilled'}'")
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
        """Open the tables of one project, or create them."""
        place = self._place(f"{project_id}.project")
        connection.execute(f"ATTACH IF NOT EXISTS '{place}' AS {database.quote(project_id)}")
        database._attached.add(project_id)  # noqa: SLF001 (the package's own record of what is attached)

    def _place(self, name: str) -> str:
        return ":memory:" if self.in_memory else str(settings.data_dir / name)


def projects() -> list[str]:
    """Return the ids of all projects that have tables."""
    rows = database.fetch("SELECT database_name FROM duckdb_databases() WHERE NOT internal ORDER BY database_name")
    return [name for (name,) in rows if name not in NOT_PROJECTS]


class Jobs:
    """The jobs of a server, in memory."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}

    def save(self, job: Job) -> Job:
        """Store the present state of a job; the package makes a new object for every later one."""
        self._jobs[job.jobReference.projectId, job.jobReference.jobId] = job
        return job

    def load(self, project_id: str, job_id: str) -> Job | None:
        """Return a job; None when there is none."""
        return self._jobs.get((project_id, job_id))

    def delete(self, project_id: str, job_id: str) -> None:
        """Delete a job and its child jobs."""
        started = [key for key, job in self._jobs.items() if job.statistics.parentJobId == job_id]
        for key in {(project_id, job_id), *started}:
            self._jobs.pop(key, None)

    def list_(
        self,
        project_id: str,
        states: Sequence[str] | None = None,
        parent_job_id: str | None = None,
        min_creation_time: int | None = None,
        max_creation_time: int | None = None,
    ) -> list[Job]:
        """Return jobs of a project, the latest first."""
        earliest, latest = min_creation_time or 0, max_creation_time or float("inf")
        found = [
            job
            for (project, _), job in self._jobs.items()
            if project == project_id
            and job.statistics.parentJobId == parent_job_id
            and (not states or job.status.state in states)
            and earliest <= int(job.statistics.creationTime) <= latest
        ]
        return sorted(found, key=lambda job: (-int(job.statistics.creationTime), job.jobReference.jobId))


def objects(project_id: str, dataset_id: str, table_id: str | None = None) -> list[Object]:
    """Return the tables and views of a dataset, or the one of a name, each with its kind and number of rows."""
    if table_id is None:
        return list(_all_objects(project_id, dataset_id))
    try:
        [(rows,)] = database.fetch(f"SELECT count(rowid) FROM {database.quote(project_id, dataset_id, table_id)}")  # noqa: S608
    except duckdb.CatalogException as error:
        if f"Table with name {table_id} does not exist" in str(error):
            return []
    except duckdb.Error:
        pass  # A view has no row ids, and one whose source is gone has nothing.
    else:
        return [(table_id, "TABLE", rows)]
    return list(_all_objects(project_id, dataset_id, table_id))


def columns(project_id: str, dataset_id: str, table_id: str) -> list[TableFieldSchema]:
    """Return the columns of a table or view."""
    table = tables.name(project_id, dataset_id, table_id)
    with database.cursor() as cursor:
        try:
            relation = cursor.sql(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608
            names = cursor.execute('SELECT name FROM pragma_table_info(?) WHERE "notnull"', [table]).fetchall()
        except duckdb.CatalogException:
            label = tables.names.label(project_id, dataset_id, table_id)
            raise tables.not_found("Table", label) from None  # noqa: EM101 (the kind of what is not there)
        required = {name for (name,) in names}
        return [
            types.field(name, kind, name in required)
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if name != tables.INGESTION_TIME or dataset_id == tables.RESULTS
        ]


def has_ingestion_time(table: exp.Table) -> bool:
    """Return whether a table is partitioned by the time its rows were loaded: a column that `SELECT *` leaves out."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    named = database.quote(table.catalog, table.db, table.name)
    try:
        return bool(database.fetch("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", [named, tables.INGESTION_TIME]))
    except duckdb.Error:
        return False  # It is not there, or a view whose source is gone.


def load_gzip(
    cursor: duckdb.DuckDBPyConnection, configuration: JobConfigurationLoad, upload: str | None
) -> JobStatistics3:
    """Load a file as the package does, and decompress a gzip file first."""
    if upload is not None:
        path = Path(upload)
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        if packed:
            path.write_bytes(gzip.decompress(path.read_bytes()))
    return load.run(cursor, configuration, upload)


def keeping_latest_results(execute: Execute) -> Execute:
    """Return the same execution, which drops all results but the latest."""
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
