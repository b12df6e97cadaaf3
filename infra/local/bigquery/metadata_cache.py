"""What the local BigQuery looks up for every statement, asked for in a cheaper way.

It keeps its jobs in a table, and finds one table by looking through the columns of all tables: together that was two
fifths of its processor time.
"""

from collections.abc import Sequence

import duckdb
from local_bigquery.catalog import tabledata, tables
from local_bigquery.engine import database, types
from local_bigquery.jobs import store
from local_bigquery.models import Job, TableFieldSchema

type Object = tuple[str, str, int]

_all_objects = database.objects


class Jobs:
    """The jobs of a server, which end with it."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}

    def save(self, job: Job) -> Job:
        """Keep what is known of a job now."""
        self._jobs[job.jobReference.projectId, job.jobReference.jobId] = job.model_copy(deep=True)
        return job

    def load(self, project_id: str, job_id: str) -> Job | None:
        """Return what is known of a job; None when there is none."""
        found = self._jobs.get((project_id, job_id))
        return found and found.model_copy(deep=True)

    def delete(self, project_id: str, job_id: str) -> None:
        """Forget a job and those that it started."""
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
            told = cursor.execute('SELECT name FROM pragma_table_info(?) WHERE "notnull"', [table]).fetchall()
        except duckdb.CatalogException:
            label = tables.names.label(project_id, dataset_id, table_id)
            raise tables.not_found("Table", label) from None  # noqa: EM101 (the kind of what is not there)
        required = {name for (name,) in told}
        return [
            types.field(name, kind, name in required)
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if name != tables.INGESTION_TIME or dataset_id == tables.RESULTS
        ]


def install() -> None:
    """Let the server look things up in these ways."""
    jobs = Jobs()
    store.save, store.load, store.list_, store.delete = jobs.save, jobs.load, jobs.list_, jobs.delete
    database.objects = objects
    tables.columns = tabledata.columns = columns
