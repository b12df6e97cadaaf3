"""BigQuery jobs: statements from files, loads, and transactions that others may collide with."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.api_core.future.polling import DEFAULT_POLLING, PollingFuture
from google.cloud import bigquery
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter, SchemaField
from google.cloud.bigquery.retry import DEFAULT_JOB_RETRY
from google.cloud.bigquery.table import RowIterator

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.rest_query import WRONG_LOCATION, statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors
from spotkeeper.gcp.http_calls import PageTokens
from spotkeeper.logs import log_event

JOB_SECONDS = 300.0
"""Seconds that one job may take."""

STAGING_LIFE = timedelta(days=1)
"""BigQuery deletes the staging table of a killed run after this time."""

UPLOAD_RETRIES = 3

_LOAD_POLLING = DEFAULT_POLLING.with_delay(initial=0.2, maximum=5.0, multiplier=1.5).with_timeout(JOB_SECONDS)
"""How a load is waited for, which takes seconds: the first pause is a fifth of the client library's, which would often
sleep for a second after the load has ended. Statements are waited for by BigQuery itself."""

_ROWS_PER_PAGE = 2000
"""Rows are held as JSON until their page is read: about 5 KiB for each observation of an instance."""

_MOST_COLLISIONS = 10
_COLLISION_WORDS = ("concurrent update", "conflict")

type Parameter = ScalarQueryParameter | ArrayQueryParameter


class Jobs:
    """Runs jobs in one dataset, at its location; every verb but `drop` raises UnavailableError.

    Without a location BigQuery chooses one, and is asked for that of the dataset when it chose wrong.
    """

    def __init__(
        self,
        project_id: str,
        dataset: str,
        endpoint: str | None,
        retry_timeout: timedelta,
        location: str | None = None,
    ) -> None:
        self._location = location
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._dataset = bigquery.DatasetReference(project_id, dataset)
        self._retry = retry(retry_timeout)
        self._job_retry = DEFAULT_JOB_RETRY.with_timeout(retry_timeout.total_seconds())
        self._fields: dict[str, tuple[SchemaField, ...]] = {}

    def query(self, statement: str, parameters: Sequence[Parameter]) -> Iterator[Any]:
        """Run one of the statements of this package, all of which have columns, and return its rows."""
        with translate_errors("BigQuery"):
            rows = self._run(statement_text(statement), parameters)
        if not rows.schema:
            message = f"BigQuery: the statement {statement} was answered without its columns"
            raise UnavailableError(message)
        return _all_rows(rows)

    def transaction(
        self,
        statement: str,
        parameters: Sequence[Parameter],
        staging: str = "",
        parts: Sequence[str] = (),
        answer: str = "",
    ) -> list[Any]:
        """Run a script that is one transaction, with some parts in it, and return the rows of its last statement.

        `answer` is a statement that is run after the transaction, in the same script.

        BigQuery ends a transaction that wrote to a table in which another one wrote meanwhile; then it is run again.
        https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency
        """
        within = "\n".join(map(statement_text, parts))
        script = statement_text(statement).replace("-- {parts}", within).replace("{staging}", f"`{staging}`")
        if answer:
            script = f"{script}\n{statement_text(answer)}"
        with translate_errors("BigQuery"):
            for collisions in range(_MOST_COLLISIONS):
                try:
                    return list(self._run(script, parameters))
                except BadRequest as error:
                    if not any(word in str(error).lower() for word in _COLLISION_WORDS):
                        raise
                    time.sleep(random.uniform(0.1, 1.0) * (collisions + 1))  # noqa: S311 (jitter needs no secrecy)
            return list(self._run(script, parameters))

    def fields(self, table: str) -> tuple[SchemaField, ...]:
        """Return the columns of a table, none of them required."""
        if table not in self._fields:
            with translate_errors("BigQuery"):
                found = self._client.get_table(self._dataset.table(table), retry=self._retry, timeout=TIMEOUT)
            self._fields[table] = tuple(_optional(field) for field in found.schema)
        return self._fields[table]

    def change(self, statement: str, **names: str) -> None:
        """Run a statement that changes tables whole, with the names of the dataset, of tables and columns filled in."""
        names["dataset"] = f"{self._dataset.project}.{self._dataset.dataset_id}"
        script = statement_text(statement)
        for placeholder, name in names.items():
            script = script.replace(f"{{{placeholder}}}", name)
        with translate_errors("BigQuery"):
            self._run(script, (), names_dataset=True)

    def exists(self, table: str) -> bool:
        """Return whether a table is there."""
        return self._table(table) is not None

    def partition_column(self, table: str) -> str | None:
        """Return the column by whose time a table is partitioned; None without one, and without the table."""
        found = self._table(table)
        partitioning = found.time_partitioning if found else None
        return partitioning.field if partitioning else None

    def partition_expiration(self, table: str) -> timedelta | None:
        """Return after how long BigQuery deletes a partition of a table; None when it never does."""
        found = self._table(table)
        partitioning = found.time_partitioning if found else None
        milliseconds = partitioning.expiration_ms if partitioning else None
        return None if milliseconds is None else timedelta(milliseconds=int(milliseconds))

    def row_count(self, table: str) -> int:
        """Return how many rows a table has; 0 when it is not there."""
        found = self._table(table)
        return (found.num_rows or 0) if found else 0

    def create(self, table: str, definition: Mapping[str, Any]) -> None:
        """Create a table as a definition of the REST API describes it."""
        reference = self._dataset.table(table).to_api_repr()
        new = bigquery.Table.from_api_repr({**definition, "tableReference": reference})
        with translate_errors("BigQuery"):
            self._client.create_table(new, retry=self._retry, timeout=TIMEOUT)

    def load(self, table: str, schema: Sequence[SchemaField], lines: IO[bytes]) -> None:
        """Load gzipped JSON lines into a new staging table.

        The load fills the empty table: whether one that replaces a table keeps its expiration is not documented.
        """
        new = bigquery.Table(self._dataset.table(table), schema=schema)
        new.expires = datetime.now(UTC) + STAGING_LIFE
        configuration = bigquery.LoadJobConfig(
            schema=schema,
            source_format=bigquery.SourceFormat.NEWLINE_DELIMITED_JSON,
            write_disposition=bigquery.WriteDisposition.WRITE_EMPTY,
        )
        with translate_errors("BigQuery"):
            self._client.create_table(new, exists_ok=True, retry=self._retry, timeout=TIMEOUT)
            self._location = self._location or self._find_location()
            try:
                job: Any = self._client.load_table_from_file(
                    lines,
                    new.reference,
                    rewind=True,
                    num_retries=UPLOAD_RETRIES,
                    job_id=f"load_{table}",
                    location=self._location,
                    job_config=configuration,
                    timeout=TIMEOUT,
                )
            except Conflict:
                # The response to an earlier attempt was lost: the job that it started is this one.
                job = self._client.get_job(f"load_{table}", location=self._location, retry=self._retry, timeout=TIMEOUT)
            PollingFuture.result(job, retry=self._retry, polling=_LOAD_POLLING)

    def drop(self, table: str) -> None:
        """Delete a staging table, if it is there; when that fails it expires."""
        try:
            with translate_errors("BigQuery"):
                self._client.delete_table(
                    self._dataset.table(table), not_found_ok=True, retry=self._retry, timeout=TIMEOUT
                )
        except UnavailableError as error:
            log_event("staging table left to expire", table=table, detail=str(error))

    def _table(self, table: str) -> bigquery.Table | None:
        with translate_errors("BigQuery"):
            try:
                return self._client.get_table(self._dataset.table(table), retry=self._retry, timeout=TIMEOUT)
            except NotFound:
                return None

    def _run(self, statement: str, parameters: Sequence[Parameter], *, names_dataset: bool = False) -> RowIterator:
        configuration = QueryJobConfig(query_parameters=list(parameters))
        if not names_dataset:
            configuration.default_dataset = self._dataset
        asked = self._location  # Another thread may find the location meanwhile.
        try:
            return self._run_there(statement, configuration, asked)
        except NotFound as error:
            if asked or WRONG_LOCATION not in str(error):
                raise
        self._location = self._location or self._find_location()
        return self._run_there(statement, configuration, self._location)

    def _run_there(self, statement: str, configuration: QueryJobConfig, location: str | None) -> RowIterator:
        # With a job_retry, query() would try for ten minutes to reach BigQuery, whatever it and retry say.
        job = self._client.query(
            statement,
            job_config=configuration,
            location=location,
            retry=self._retry,
            job_retry=None,
            timeout=TIMEOUT,
        )
        return job.result(retry=self._retry, job_retry=self._job_retry, timeout=JOB_SECONDS, page_size=_ROWS_PER_PAGE)

    def _find_location(self) -> str:
        location: str = self._client.get_dataset(self._dataset, retry=self._retry, timeout=TIMEOUT).location
        return location


def _all_rows(rows: RowIterator) -> Iterator[Any]:
    """Yield the rows of all pages; raises UnavailableError when they are not as many as BigQuery said."""
    read, page_tokens = 0, PageTokens("BigQuery")
    with translate_errors("BigQuery"):
        for page in rows.pages:
            for row in page:
                read += 1
                yield row
            if rows.next_page_token:
                page_tokens.follow(rows.next_page_token)
    if rows.total_rows is not None and read != rows.total_rows:
        message = f"BigQuery: {read} rows were read, not {rows.total_rows}"
        raise UnavailableError(message)


def _optional(field: SchemaField) -> SchemaField:
    mode = "REPEATED" if field.mode == "REPEATED" else "NULLABLE"
    return SchemaField(field.name, field.field_type, mode, fields=tuple(_optional(each) for each in field.fields))
