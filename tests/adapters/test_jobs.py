"""BigQuery jobs: what becomes of one whose response was lost, and where jobs run."""

import gzip
import io
import logging
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.bigquery.job_requests import LOCATION
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.periods import PeriodKind, budget_periods
from spotkeeper.tracking.settings import Budgets
from tests.adapters.conftest import new_dataset

NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
DAY = next(period for period in budget_periods(NOON) if period.kind is PeriodKind.DAY)
SCHEMA = [bigquery.SchemaField("name", "STRING")]


def test_a_load_that_is_repeated_under_its_id_is_the_load_that_was_made(stack: Stack) -> None:
    with new_dataset(stack, "jobs") as dataset:
        jobs = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5))
        for name in ("first", "again"):
            jobs.load("staging", SCHEMA, io.BytesIO(gzip.compress(f'{{"name": "{name}"}}'.encode())))

        [row] = stack.client().query(f"SELECT name FROM `{HOME_PROJECT}.{dataset}.staging`").result()

    assert row.name == "first"


def test_a_load_fills_a_table_that_expires_and_replaces_none(stack: Stack) -> None:
    with new_dataset(stack, "expiring") as dataset:
        jobs = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(seconds=5))
        jobs.load("staging_once", SCHEMA, io.BytesIO(gzip.compress(b'{"name": "first"}')))

        expires = stack.client().get_table(f"{HOME_PROJECT}.{dataset}.staging_once").expires
        job: Any = stack.client().get_job("load_staging_once", location=LOCATION)

    assert expires is not None
    assert timedelta(hours=23) < expires - datetime.now(UTC) < timedelta(hours=25)
    assert job.write_disposition == bigquery.WriteDisposition.WRITE_EMPTY


def test_a_staging_table_that_cannot_be_deleted_is_left_to_expire(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unserved, caplog.at_level(logging.INFO, "spotkeeper"):
        unserved.bind(("127.0.0.1", 0))
        jobs = Jobs(HOME_PROJECT, "jobs", f"http://127.0.0.1:{unserved.getsockname()[1]}", timedelta(0))
        jobs.drop("staging_left")

    [record] = [each for each in caplog.records if each.getMessage() == "staging table left to expire"]
    assert record.__dict__["spotkeeper_fields"]["table"] == "staging_left"


def test_a_job_runs_where_the_dataset_lies_and_a_wrong_location_is_named(stack: Stack) -> None:
    budget = Budgets(amounts_usd={PeriodKind.DAY: Decimal(7)})
    with new_dataset(stack, "located") as dataset:
        for location in (None, LOCATION):
            jobs = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(0), location)
            with TrackerTables(jobs).stage("r1", NOON) as stage:
                [spend], _ = stage.commit([NOON], [DAY], Budgets())
                stage.close({}, [], budget)
            assert spend.cost_usd == 0
        lost = Jobs(HOME_PROJECT, dataset, stack.settings["BIGQUERY_ENDPOINT"], timedelta(0), "EU")
        with TrackerTables(lost).stage("r2", NOON) as stage, pytest.raises(UnavailableError, match="in location EU"):
            stage.commit([NOON], [DAY], Budgets())

        [row] = stack.client().query(f"SELECT budget FROM `{HOME_PROJECT}.{dataset}.budgets`").result()

    assert row.budget == 7
