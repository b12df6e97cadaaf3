"""Run the checks: each query returns the rows that violate an invariant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import QueryJob

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 300.0
"""Seconds that one check may take."""

MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """How many rows a check found, and the first of them, by the names of their columns."""

    row_count: int
    first: tuple[Mapping[str, Any], ...]


class CheckQueries:
    """Runs checks; raises UnavailableError naming the check that could not be run."""

    def __init__(self, project_id: str, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._retry = retry(retry_timeout)

    def run(self, queries: Mapping[str, str]) -> dict[str, Found]:
        """Return what each check found; all are asked before the first answer is waited for."""
        asked = {name: self._ask(name, query) for name, query in queries.items()}
        return {name: self._answer(name, job) for name, job in asked.items()}

    def _ask(self, name: str, query: str) -> QueryJob:
        with translate_errors(f"BigQuery, check {name}"):
            return self._client.query(query, retry=self._retry, job_retry=None, timeout=TIMEOUT)

    def _answer(self, name: str, job: QueryJob) -> Found:
        with translate_errors(f"BigQuery, check {name}"):
            rows = job.result(retry=self._retry, timeout=QUERY_SECONDS, max_results=MOST_SHOWN)
            first = tuple(dict(row.items()) for row in rows)
        if not rows.schema:
            message = f"BigQuery, check {name}: it was answered without its columns"
            raise UnavailableError(message)
        return Found(max(int(rows.total_rows or 0), len(first)), first)
