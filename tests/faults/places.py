"""A place to fail in: the emulators of the cloud in this process, BigQuery elsewhere, and wires to them that break."""

import contextlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud import bigquery
from werkzeug.test import Client

from infra.local.bigquery.tables import create_dataset, local_client
from infra.local.emulators.cloud import Cloud
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import Fleet
from infra.local.stack.stack import HOME_PROJECT, SCHEDULE_HEADER, TOPIC, Answer
from tests.faults.fleets import at, small_fleet
from tests.faults.grpc_wire import GrpcWire
from tests.faults.http_wire import HttpWire
from tests.faults.keeping import staging_tables
from tests.faults.victims import function
from tests.faults.wires import Trouble

PAGES = {
    "/aggregated/instances": 5,
    "/aggregated/operations": 1,
    "/skus": 600,
    r"/queries/[^?]*\?(?!.*maxResults=0)": 150,
}
SERIES_PAGE = 12
A_DAY = timedelta(days=1)
GRPC_OPERATIONS = {"ListTimeSeries": "uptime", "CreateTimeSeries": "figures", "Publish": "publish"}
_numbers = itertools.count()


def sort_rest(_: str, path: str, body: bytes) -> str:
    """Say which operation a call of Compute Engine or the catalog is."""
    del body
    for pattern, name in REST_OPERATIONS:
        if re.search(pattern, path):
            return name
    return "other"


REST_OPERATIONS = (
    (r"/aggregated/instances", "instances"),
    (r"/aggregated/operations", "preemptions"),
    (r"/machineTypes/", "machine types"),
    (r"/skus", "skus"),
    (r":batchGetAssetsHistory", "assets"),
    (r"/instances/[^/]+/stop|/stopInstances", "stop"),
    (r"/instances/[^/?]+", "instance"),
    (r"/operations/", "operation"),
)


class JobSorter:
    """Tells the calls of BigQuery apart: those of one job belong to what the job does."""

    def __init__(self) -> None:
        """Know no job yet."""
        self._jobs: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: bytes) -> str:
        """Say which operation a call is."""
        if "/upload/" in path or "/tables" in path:
            return "sweep" if method == "DELETE" else "load"
        if method == "POST":
            return self._begun(json.loads(body))
        job_id = path.partition("?")[0].rpartition("/")[2]
        kind = "load" if job_id.startswith("load_") else self._jobs.get(job_id, "query")
        return "rows" if kind == "query" and "/queries/" in path and "maxResults=0" not in path else kind

    def _begun(self, told: Mapping[str, Any]) -> str:
        if "query" in told:
            return "record"
        text = told.get("configuration", {}).get("query", {}).get("query", "")
        kind = next((name for words, name in STATEMENTS if words in text), "query")
        self._jobs[told.get("jobReference", {}).get("jobId", "")] = kind
        return kind


STATEMENTS = (("@outcomes", "outcomes"), ("TRANSACTION", "commit"))


@dataclass(slots=True)
class Place:
    """Where one function after the other is let loose; each has a dataset of its own."""

    cloud: Cloud
    address: str
    trouble: Trouble
    rest: HttpWire
    warehouse: HttpWire
    grpc: GrpcWire
    client: bigquery.Client = field(init=False)

    def __post_init__(self) -> None:
        """Reach BigQuery past the wires."""
        self.client = local_client(self.address, HOME_PROJECT)

    def new_dataset(self) -> str:
        """Make an empty dataset and return its name."""
        name = f"faults_{os.getpid()}_{next(_numbers)}"
        create_dataset(self.client, name)
        return name

    def settings(self, dataset: str, extra: Mapping[str, str]) -> dict[str, str]:
        """Return what tells a function to use the wires."""
        return {
            "PROJECT_ID": HOME_PROJECT,
            "DATASET": dataset,
            "CLOCK": "schedule",
            "BIGQUERY_ENDPOINT": self.warehouse.address,
            "COMPUTE_ENDPOINT": self.rest.address,
            "MONITORING_ENDPOINT": f"http://{self.grpc.address}",
            "BILLING_ENDPOINT": self.rest.address,
            "ASSETS_ENDPOINT": self.rest.address,
            "PUBSUB_EMULATOR_HOST": self.grpc.address,
            **extra,
        }

    def function(self, target: str, settings: Mapping[str, str]) -> Client:
        """Start a function in this process."""
        return function(target, settings)

    def leftovers(self, dataset: str) -> list[str]:
        """Say which staging tables will still be there when a day has passed."""
        tomorrow = datetime.now(UTC) + A_DAY
        expiring = ((table, self.client.get_table(table).expires) for table in staging_tables(self.client, dataset))
        return [f"{table.table_id} expires {at}" for table, at in expiring if at is None or at > tomorrow]


@contextmanager
def place(bigquery_address: str, fleet: Fleet | None = None) -> Iterator[Place]:
    """Set up the emulators and the wires."""
    trouble = Trouble()
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(Cloud(fleet or small_fleet(), Clock(at(1, 7))))
        create_topic(cloud)
        rest = stack.enter_context(HttpWire(cloud.rest_url, sort_rest, trouble, PAGES))
        warehouse = stack.enter_context(HttpWire(bigquery_address, JobSorter(), trouble, PAGES))
        grpc = stack.enter_context(GrpcWire(cloud.grpc_target, GRPC_OPERATIONS, trouble, SERIES_PAGE))
        yield Place(cloud, bigquery_address, trouble, rest, warehouse, grpc)


def create_topic(cloud: Cloud) -> None:
    """Make the budget topic."""
    os.environ["PUBSUB_EMULATOR_HOST"] = cloud.grpc_target
    from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (reads the variable when a client is made)

    publisher = pubsub_v1.PublisherClient()
    publisher.create_topic(name=TOPIC)
    publisher.stop()


def schedule(function: Client, moment: datetime, body: object = None) -> Answer:
    """Call the tracker as Cloud Scheduler does."""
    header = moment.isoformat().replace("+00:00", "Z")
    answer = function.post("/", json=body, headers={SCHEDULE_HEADER: header})
    told: Any = answer.get_json(silent=True)
    return Answer(answer.status_code, told if isinstance(told, dict) else {"text": answer.get_data(as_text=True)[:500]})
