"""BigQuery jobs: what becomes of one whose response was lost."""

import gzip
import io
from datetime import timedelta

from google.cloud import bigquery

from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.gcp.bigquery.jobs import Jobs
from tests.adapters.conftest import new_dataset

SCHEMA = [bigquery.SchemaField("name", "STRING")]


def test_a_load_that_is_repeated_under_its_id_is_the_load_that_was_made(stack: Stack) -> None:
    with new_dataset(stack, "jobs") as dataset:
        jobs = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5))
        for name in ("first", "again"):
            jobs.load("staging", SCHEMA, io.BytesIO(gzip.compress(f'{{"name": "{name}"}}'.encode())), timedelta(days=1))

        [row] = stack.client().query(f"SELECT name FROM `{HOME_PROJECT}.{dataset}.staging`").result()

    assert row.name == "first"
