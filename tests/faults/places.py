"""The emulators in this process, through which a function reaches every service, BigQuery too."""

import itertools
import os
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
from tests.faults.bigquery import Proxy
from tests.faults.fleets import at, small_fleet
from tests.faults.injection import Injection
from tests.faults.keeping import staging_tables
from tests.faults.victims import function

PAGE_LIMITS = {
    ("compute", "instances.aggregatedList"): 5,
    ("compute", "addresses.aggregatedList"): 1,
    ("compute", "disks.aggregatedList"): 4,
    ("compute", "autoscalers.aggregatedList"): 1,
    ("compute", "globalOperations.aggregatedList"): 1,
    ("catalog", "skus.list"): 600,
    ("pricing", "skus.prices.list"): 600,
    ("logging", "entries.list"): 1,
    ("bigquery", "rows"): 150,
    ("monitoring", "ListTimeSeries"): 12,
}
"""Pages so small that every list has several."""

EVENTS_TOPIC = f"projects/{HOME_PROJECT}/topics/spotkeeper-events"
A_DAY = timedelta(days=1)
_numbers = itertools.count()


@dataclass(slots=True)
class Place:
    """Where one function after the other is let loose; each has a dataset of its own."""

    cloud: Cloud
    address: str
    client: bigquery.Client = field(init=False)
    injection: Injection = field(init=False)

    def __post_init__(self) -> None:
        """Reach BigQuery directly, where no fault is injected."""
        self.injection = Injection(self.cloud.state.faults)
        self.client = local_client(self.address, HOME_PROJECT)

    def new_dataset(self) -> str:
        """Make an empty dataset and return its name."""
        name = f"faults_{os.getpid()}_{next(_numbers)}"
        create_dataset(self.client, name)
        return name

    def settings(self, dataset: str, extra: Mapping[str, str]) -> dict[str, str]:
        """Return the settings of a function whose calls all go through the emulators."""
        return {
            "PROJECT_ID": HOME_PROJECT,
            "DATASET": dataset,
            "CLOCK": "schedule",
            "BIGQUERY_ENDPOINT": self.cloud.rest_url,
            "COMPUTE_ENDPOINT": self.cloud.rest_url,
            "MONITORING_ENDPOINT": f"http://{self.cloud.grpc_target}",
            "BILLING_ENDPOINT": self.cloud.rest_url,
            "ASSETS_ENDPOINT": self.cloud.rest_url,
            "LOGGING_ENDPOINT": self.cloud.rest_url,
            "PUBSUB_EMULATOR_HOST": self.cloud.grpc_target,
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
    """Set up the emulators, with BigQuery behind them."""
    routes = lambda state: [Proxy(state, bigquery_address).route()]  # noqa: E731 (one expression, named)
    with Cloud(fleet or small_fleet(), Clock(at(1, 7)), routes) as cloud:
        cloud.state.faults.page_limits = dict(PAGE_LIMITS)
        for topic in (TOPIC, EVENTS_TOPIC):
            create_topic(cloud, topic)
        yield Place(cloud, bigquery_address)


def create_topic(cloud: Cloud, topic: str) -> None:
    """Make a topic."""
    os.environ["PUBSUB_EMULATOR_HOST"] = cloud.grpc_target
    from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (reads the variable when a client is made)

    publisher = pubsub_v1.PublisherClient()
    publisher.create_topic(name=topic)
    publisher.stop()


def schedule(function: Client, moment: datetime, body: object = None) -> Answer:
    """Call the tracker as Cloud Scheduler does."""
    header = moment.isoformat().replace("+00:00", "Z")
    answer = function.post("/", json=body, headers={SCHEDULE_HEADER: header})
    body_json: Any = answer.get_json(silent=True)
    return Answer(
        answer.status_code,
        body_json if isinstance(body_json, dict) else {"text": answer.get_data(as_text=True)[:500]},
    )
