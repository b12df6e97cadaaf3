"""What `advise` reads: machine types in use, and the places where they could run."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from spotkeeper.advice.placements import GoogleRate, InUse, OwnRecord, Place, Scope
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.jobs import Parameter
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 300.0
"""Seconds that one query may take."""


class AdviceTables:
    """Reads one dataset; every verb raises UnavailableError."""

    def __init__(self, project_id: str, dataset: str, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._dataset = bigquery.DatasetReference(project_id, dataset)
        self._retry = retry(retry_timeout)

    def places(
        self, machine_types: Sequence[str], zones: Sequence[str], most_types: int, most_places: int, now: datetime
    ) -> list[tuple[InUse, list[Place]]]:
        """Return what is in use, the dearest first, each with its places; where it runs is one of them.

        Without machine types, the dearest `most_types` in their regions; of each scope the cheapest `most_places`. With
        zones, only these.
        """
        rows = self._answer(
            "advice",
            [
                ArrayQueryParameter("machine_types", "STRING", machine_types),
                ArrayQueryParameter("zones", "STRING", zones),
                ScalarQueryParameter("most_types", "INT64", most_types),
                ScalarQueryParameter("most_places", "INT64", most_places),
                ScalarQueryParameter("now", "TIMESTAMP", now),
            ],
        )
        return [(in_use, [_place(row) for row in group]) for in_use, group in groupby(rows, key=_in_use)]

    def _answer(self, statement: str, parameters: Sequence[Parameter]) -> list[Mapping[str, Any]]:
        configuration = bigquery.QueryJobConfig(default_dataset=self._dataset, query_parameters=list(parameters))
        with translate_errors("BigQuery"):
            job = self._client.query(
                statement_text(statement), job_config=configuration, retry=self._retry, job_retry=None, timeout=TIMEOUT
            )
            rows = job.result(retry=self._retry, timeout=QUERY_SECONDS)
            found = list(rows)
        if not rows.schema:
            message = "BigQuery: unexpected response: a query result without a schema"
            raise UnavailableError(message)
        return found


def _in_use(row: Mapping[str, Any]) -> InUse:
    return InUse(row["used_type"], row["used_region"], row["used_vm_hours"])


def _place(row: Mapping[str, Any]) -> Place:
    return Place(
        scope=Scope(row["scope"]),
        machine_type=row["machine_type"],
        region=row["region"],
        zone=row["zone"],
        vcpus=row["vcpus"],
        memory_gib=row["memory_gib"],
        spot_price=row["spot_price"],
        ondemand_price=row["ondemand_price"],
        slower_because=row["slower_because"],
        google=None if row["observed_days"] is None else GoogleRate(row["preemption_rate"], row["observed_days"]),
        own=OwnRecord(row["own_preemptions"], row["own_vm_hours"]) if row["own_vm_hours"] else None,
    )
