"""What `advise` reads: machine types in use, and the places where they could run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from spotkeeper.advice.backtests import PoolHour, PriceSpan
from spotkeeper.advice.mixes import Pool
from spotkeeper.advice.placements import GoogleHistory, GoogleRate, InUse, OwnRecord, Place, Scope
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.jobs import Parameter
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 300.0
"""Seconds that one query may take."""


@dataclass(frozen=True, slots=True)
class PoolRecords:
    """The pools of a machine type, the hours in which they had VMs, and the on-demand price of each region."""

    pools: list[Pool]
    hours: list[PoolHour]
    ondemand_prices: dict[str, Decimal]


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
                _zones(zones),
                ScalarQueryParameter("most_types", "INT64", most_types),
                ScalarQueryParameter("most_places", "INT64", most_places),
                _time(now),
            ],
        )
        return [(in_use, [_place(row) for row in group]) for in_use, group in groupby(rows, key=_in_use)]

    def pools(self, machine_type: str, zones: Sequence[str], now: datetime) -> PoolRecords:
        """Return the zones in which a machine type ran in the last 30 days, hour by hour; with zones, only these."""
        rows = self._answer("mix_hours", [_string("machine_type", machine_type), _zones(zones), _time(now)])
        pools = [_pool(list(group)) for _, group in groupby(rows, key=lambda row: (row["region"], row["zone"]))]
        hours = [PoolHour(row["zone"], row["hour"], row["preemptions"]) for row in rows]
        return PoolRecords(pools, hours, {row["region"]: row["ondemand_price"] for row in rows})

    def price_history(self, machine_type: str, now: datetime) -> dict[str, list[PriceSpan]]:
        """Return Google's Spot prices of a machine type by region, the earliest first."""
        rows = self._answer("mix_prices", [_string("machine_type", machine_type), _time(now)])
        return {
            region: [PriceSpan(row["valid_from"], row["valid_to"], row["price"]) for row in group]
            for region, group in groupby(rows, key=lambda row: row["region"])
        }

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
        google_history=GoogleHistory(row["google_history"]),
    )


def _pool(rows: Sequence[Mapping[str, Any]]) -> Pool:
    first = rows[0]
    preemptions = sum(row["preemptions"] for row in rows)
    return Pool(first["region"], first["zone"], first["spot_price"], preemptions, sum(row["vm_hours"] for row in rows))


def _zones(zones: Sequence[str]) -> ArrayQueryParameter:
    return ArrayQueryParameter("zones", "STRING", zones)


def _string(name: str, value: str) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "STRING", value)


def _time(now: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter("now", "TIMESTAMP", now)
