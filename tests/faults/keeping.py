"""Putting a dataset back to what it was: quicker than a new one for every cell, whose statements are all new ones."""

from collections.abc import Iterable

from google.cloud import bigquery

from tests.faults.snapshots import partition_columns


def keep(client: bigquery.Client, dataset: str, name: str) -> None:
    """Keep a copy of all tables under a name."""
    copies = [
        f"CREATE TABLE {dataset}.kept_{name}_{table} AS SELECT * FROM {dataset}.{table}{_all(column)}"
        for table, column in partition_columns().items()
    ]
    _run(client, dataset, copies)


def put_back(client: bigquery.Client, dataset: str, name: str) -> None:
    """Let all tables hold what was kept under a name, and nothing else; staging tables are deleted."""
    kept = [f"INSERT INTO {table} SELECT * FROM kept_{name}_{table}" for table in partition_columns()]
    _run(client, dataset, [*_deletions(), *kept])
    for table in staging_tables(client, dataset):
        client.delete_table(table)


def empty(client: bigquery.Client, dataset: str) -> None:
    """Delete all rows."""
    _run(client, dataset, _deletions())


def staging_tables(client: bigquery.Client, dataset: str) -> list[bigquery.TableReference]:
    """Return the staging tables that are there."""
    return [each.reference for each in client.list_tables(dataset) if each.table_id.startswith("staging")]


def _deletions() -> list[str]:
    return [f"DELETE FROM {table}{_all(column) or ' WHERE TRUE'}" for table, column in partition_columns().items()]


def _all(column: str | None) -> str:
    return f" WHERE {column} >= '2000-01-01'" if column else ""


def _run(client: bigquery.Client, dataset: str, statements: Iterable[str]) -> None:
    configuration = bigquery.QueryJobConfig(default_dataset=f"{client.project}.{dataset}")
    client.query(";\n".join(statements), job_config=configuration).result()
