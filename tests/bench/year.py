"""A year of Spot VMs that run all the time, in the tables of a local BigQuery."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from google.cloud import bigquery
from google.cloud.bigquery import ScalarQueryParameter

from infra.local.bigquery.job_requests import LOCATION
from infra.local.bigquery.tables import SQL, create_dataset
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.rollups import ROLLUPS, Rollups, rollup_parameters

PROJECT, DATASET = "data-platform", "cost_tracking"
DAYS = 365
NOW = datetime(2026, 7, 21, tzinfo=UTC)
_FILL = Path(__file__).parent / "year.sql"
_WEEKS = 52
_TIMEOUT = timedelta(minutes=10)
_MONTHS = "monthly_costs"


def fill(client: bigquery.Client, address: str, vms: int) -> None:
    """Write the rows of so many VMs, and their rollups.

    The product's own statements write the rollups of the last week. Every week is like it, so the others are copies of
    it at an earlier time; a clock change moves the day of Cloud Billing by an hour, which a copy does not follow.
    """
    create_dataset(client, DATASET)
    for statement in _FILL.read_text().replace("${vms}", str(vms)).split(";\n"):
        if statement.strip():
            ask(client, statement)
    jobs = Jobs(PROJECT, DATASET, address, _TIMEOUT, LOCATION)
    list(Rollups(jobs).rebuild(_days(7), NOW))
    for name in ROLLUPS:
        if name != _MONTHS:
            ask(client, _copies(name))
    recorded_at = ScalarQueryParameter("recorded_at", "TIMESTAMP", NOW)
    jobs.transaction("rebuild", [*rollup_parameters(_days(DAYS)), recorded_at], parts=(f"rollup_{_MONTHS}",))


def ask(client: bigquery.Client, statement: str) -> Sequence[bigquery.Row]:
    """Run a statement, and return its rows."""
    configuration = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{DATASET}")
    return list(client.query(statement, job_config=configuration).result())


def _days(count: int) -> Iterator[date]:
    return ((NOW - timedelta(days=number)).date() for number in range(1, count + 1))


def _copies(name: str) -> str:
    """The statement that copies the week of a rollup to all weeks before it."""
    fields = json.loads((SQL / "tables" / f"{name}.json").read_text())["schema"]["fields"]
    names = ", ".join(field["name"] for field in fields)
    earlier = ", ".join(_earlier(field["name"], field["type"]) for field in fields)
    weeks = f"CROSS JOIN UNNEST(GENERATE_ARRAY(1, {_WEEKS})) AS week"
    return f"INSERT INTO {name} ({names}) SELECT {earlier} FROM {name} {weeks}"


def _earlier(name: str, kind: str) -> str:
    if name == "booked_month":
        return "DATE_TRUNC(DATE_SUB(billing_date, INTERVAL week * 7 DAY), MONTH)"
    return f"{kind}_SUB({name}, INTERVAL week * 7 DAY)" if kind in {"DATE", "TIMESTAMP"} else name
