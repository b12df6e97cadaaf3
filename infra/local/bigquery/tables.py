"""The dataset of the product in a BigQuery: made from the same files that Terraform deploys."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from infra.local.bigquery.job_requests import LOCATION
from infra.local.emulators.platform_resources import ACCOUNT
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.rollups import Rollups

SQL = Path(__file__).parents[3] / "sql"
_RETRY_TIMEOUT = timedelta(seconds=10)
_LABEL_KEYS = {"team": "team", "project_label": "project", "experiment": "experiment", "cost_center": "cost_center"}
"""The label of each column, as Terraform's variable label_keys has it by default."""


def local_client(endpoint: str, project_id: str) -> bigquery.Client:
    """Return a client of a BigQuery on this machine."""
    return bigquery.Client(
        project=project_id,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": endpoint},
        location=LOCATION,
    )


def tables(dataset: bigquery.DatasetReference) -> Iterator[bigquery.Table]:
    """Yield every table of the product."""
    for path in sorted((SQL / "tables").glob("*.json")):
        resource = json.loads(path.read_text())
        yield bigquery.Table.from_api_repr({**resource, "tableReference": dataset.table(path.stem).to_api_repr()})


def create_dataset(client: bigquery.Client, dataset_id: str) -> None:
    """Make the dataset with its tables, which stay if they are there, and the view that rollups are written with."""
    dataset = bigquery.DatasetReference(client.project, dataset_id)
    client.create_dataset(dataset, exists_ok=True)
    for table in tables(dataset):
        client.create_table(table, exists_ok=True)
    create_label_keys(client, dataset_id)


def roll_up(endpoint: str, project_id: str, dataset_id: str, days: Iterable[date]) -> None:
    """Write the rollups of some UTC days anew, for cost rows that the tracker did not write."""
    rollups = Rollups(Jobs(project_id, dataset_id, endpoint, _RETRY_TIMEOUT, LOCATION))
    for _ in rollups.rebuild(days, datetime.now(UTC)):
        pass


def views() -> list[Path]:
    """Return the files of all views, those that other views read first."""
    paths = sorted((SQL / "views").glob("*.sql"))
    shared = {name for path in paths for name in re.findall(r"`\$\{dataset\}\.(\w+)`", path.read_text())}
    return sorted(paths, key=lambda path: (path.stem != "label_keys", path.stem not in shared))


def with_label_keys(query: str) -> str:
    """Return the file of a view with the keys of the labels that Terraform fills in by default."""
    for column, key in _LABEL_KEYS.items():
        query = query.replace(f"${{{column}_keys}}", key)
    return query


def create_label_keys(client: bigquery.Client, dataset_id: str) -> None:
    """Make the view that rollups are written with."""
    query = with_label_keys((SQL / "views" / "label_keys.sql").read_text())
    client.query(f"CREATE OR REPLACE VIEW `{dataset_id}.label_keys` AS\n{query}").result()


def create_views(client: bigquery.Client, dataset_id: str, now: datetime) -> None:
    """Make all views, or make them again; `now` bounds what they read. Without a billing export one has no source."""
    values = {
        "${billing_account}": ACCOUNT,
        "${dataset}": dataset_id,
        "${now}": f"TIMESTAMP '{now:%Y-%m-%dT%H:%M:%SZ}'",
    }
    for path in views():
        query = with_label_keys(path.read_text())
        if "${billing_export_table}" in query:
            continue
        for name, value in values.items():
            query = query.replace(name, value)
        client.query(f"CREATE OR REPLACE VIEW `{dataset_id}.{path.stem}` AS\n{query}").result()
