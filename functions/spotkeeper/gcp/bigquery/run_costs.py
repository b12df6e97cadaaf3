"""What `cost` reads: the cost of one run, by a label of its VMs or by the records of its work."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import ScalarQueryParameter

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 300.0
"""Seconds that one query may take."""


@dataclass(frozen=True, slots=True)
class RunCost:
    """The cost of a run in USD, None where it is not known.

    `cost` is at Spot prices, `whole_cost` with what is attached as far as it is known. `hourly_cost` is that of the
    latest recorded hour. `net_saved` is against on demand, where nothing is lost. The last four are None without
    records of work.
    """

    vms: int
    vm_hours: Decimal
    unpriced_hours: Decimal
    cost: Decimal | None
    whole_cost: Decimal | None
    ondemand_cost: Decimal | None
    hourly_cost: Decimal | None
    preemptions: int
    lost_hours: Decimal
    lost_cost: Decimal | None
    net_saved: Decimal | None
    first_hour: datetime | None
    last_hour: datetime | None
    works: int | None
    attempts: int | None
    waiting_hours: Decimal | None
    unrecorded_hours: Decimal | None


class RunCosts:
    """Reads one dataset; every verb raises UnavailableError."""

    def __init__(self, project_id: str, dataset: str, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._dataset = bigquery.DatasetReference(project_id, dataset)
        self._retry = retry(retry_timeout)

    def by_label(self, label: str, value: str, first_time: datetime, end_time: datetime) -> RunCost:
        """Return the cost of the VMs that have a label with this value, from `first_time` until `end_time`."""
        parameters = [
            ScalarQueryParameter("label", "STRING", label),
            ScalarQueryParameter("value", "STRING", value),
            ScalarQueryParameter("first_time", "TIMESTAMP", first_time),
            ScalarQueryParameter("end_time", "TIMESTAMP", end_time),
        ]
        return self._answer("run_cost_by_label", parameters)

    def by_work(self, work_id: str, first_time: datetime) -> RunCost:
        """Return the cost of a piece of work and of its parts; `first_time` bounds the search for the latest hour."""
        parameters = [
            ScalarQueryParameter("work", "STRING", work_id),
            ScalarQueryParameter("first_time", "TIMESTAMP", first_time),
        ]
        return self._answer("run_cost_by_work", parameters)

    def _answer(self, statement: str, parameters: Sequence[ScalarQueryParameter]) -> RunCost:
        configuration = bigquery.QueryJobConfig(default_dataset=self._dataset, query_parameters=list(parameters))
        with translate_errors("BigQuery"):
            job = self._client.query(
                statement_text(statement),
                job_config=configuration,
                retry=self._retry,
                job_retry=None,
                timeout=TIMEOUT,
            )
            rows = list(job.result(retry=self._retry, timeout=QUERY_SECONDS))
        if len(rows) != 1:
            message = f"BigQuery: unexpected response: {len(rows)} rows for the cost of one run"
            raise UnavailableError(message)
        return RunCost(*(_value(rows[0][field.name]) for field in fields(RunCost)))


def _value(value: Any) -> Any:  # noqa: ANN401 (a value of any column)
    """A quotient may come as a float, with the digits that its text shows."""
    return Decimal(str(value)) if isinstance(value, float) else value
