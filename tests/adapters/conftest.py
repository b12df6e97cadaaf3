"""Both functions with their real clients in this process, against the stack's servers."""

import base64
import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.enforcement.commanding import execute_command
from spotkeeper.enforcement.enforce import enforce
from spotkeeper.enforcement.notifications import read_command, read_notification
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.enforcement.verdicts import Verdict
from spotkeeper.gcp.enforcer import command_records, enforcer_ports
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.tracking.ports import Ports
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import Summary
from spotkeeper.tracking.settings import TrackerSettings

COMPARED = (
    "usage_start_time, project_id, zone, instance_id, instance_name, machine_type, uptime_hours, spot_price, "
    "ondemand_price, cost, ondemand_cost, price_status, price_reason, TO_JSON_STRING(labels) AS labels, managed_by"
)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Tracker:
    """A tracker with a dataset of its own, and the fleet's clock."""

    stack: Stack
    settings: TrackerSettings
    ports: Ports
    dataset: str

    def look_at(self, hour_number: int) -> datetime:
        """Return minute 7 after the fleet's hour of this number."""
        return FLEET_START + timedelta(hours=hour_number + 1, minutes=7)

    def run(self, hour_number: int, *requested: int) -> Summary:
        """Run as scheduled after this hour of the fleet, for all that is due or for the requested hours."""
        now = self.look_at(hour_number)
        self.stack.set_time(now)
        hours = tuple(FLEET_START + timedelta(hours=number) for number in requested)
        return track(self.settings, self.ports, f"run{next(_numbers)}", TrackRequest(now, now, hours))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query on the tracker's dataset."""
        client = self.stack.client()
        configuration = bigquery.QueryJobConfig(default_dataset=f"{client.project}.{self.dataset}")
        return [dict(row) for row in client.query(sql, job_config=configuration).result()]

    def costs(self) -> list[dict[str, Any]]:
        """Return all cost rows, without what differs between runs that found the same."""
        return self.rows(
            f"SELECT {COMPARED} FROM spot_vm_costs WHERE usage_start_time >= '2026-07-01' "
            "ORDER BY usage_start_time, project_id, zone, instance_id"
        )

    def tables(self) -> list[str]:
        """Return the names of all tables in the dataset."""
        return sorted(table.table_id for table in self.stack.client().list_tables(self.dataset))


def new_tracker(stack: Stack, dataset: str, variables: Mapping[str, str] | None = None) -> Tracker:
    """Return a tracker that writes to a dataset."""
    settings = TrackerSettings.from_mapping(
        {**stack.settings, "DATASET": dataset, "RETRY_TIMEOUT_SECONDS": "1", **(variables or {})}
    )
    return Tracker(stack, settings, tracker_ports(settings), dataset)


@contextmanager
def new_dataset(stack: Stack, name: str) -> Iterator[str]:
    """Make a dataset, and drop it afterwards: the local BigQuery looks through all tables for every statement."""
    create_dataset(stack.client(), name)
    yield name
    stack.client().delete_dataset(name, delete_contents=True)


ENFORCER_DATASET = "enforcer"
ALL_PRIORITIES = [{"threshold": 1.0, "priorities": ["low", "medium", "high"]}]
STOPS = frozenset(
    {"instances.stop", "instanceGroupManagers.stopInstances", "regionInstanceGroupManagers.stopInstances"}
)


@dataclass(frozen=True, slots=True)
class Enforcer:
    """An enforcer with a budget of its own; the dataset is that of all enforcers."""

    stack: Stack
    settings: EnforcerSettings
    ports: EnforcerPorts
    budget_id: str

    def deliver(
        self,
        message_id: str,
        at: datetime,
        *,
        cost: float = 1100,
        start: str = "2026-07-01T07:00:00Z",
        received_at: datetime | None = None,
        **attributes: str,
    ) -> Verdict:
        """Take a message of Cloud Billing about a budget of 1000 USD, which was published at a time of the fleet."""
        body = {"budgetDisplayName": "Spot", "costAmount": cost, "budgetAmount": 1000, "costIntervalStart": start}
        required = {"budgetId": self.budget_id, "billingAccountId": "account", "schemaVersion": "1.0"}
        envelope = {
            "data": base64.b64encode(json.dumps({**body, "currencyCode": "USD"}).encode()).decode(),
            "messageId": f"{self.budget_id}-{message_id}",
            "publishTime": at.isoformat().replace("+00:00", "Z"),
            "attributes": {**required, **{name.replace("_", "-"): value for name, value in attributes.items()}},
        }
        notification = read_notification({"message": envelope})
        return enforce(self.settings, self.ports, uuid.uuid4().hex, notification, received_at or at)

    def command(self, message_id: str, at: datetime, /, **body: str) -> Verdict:
        """Deliver a command of an operator."""
        envelope = {
            "data": base64.b64encode(json.dumps(body).encode()).decode(),
            "messageId": f"{self.budget_id}-{message_id}",
            "publishTime": at.isoformat().replace("+00:00", "Z"),
            "attributes": {"budgetId": self.budget_id},
        }
        command, records = read_command({"message": envelope}), command_records(self.settings)
        return execute_command(self.settings, self.ports, records, uuid.uuid4().hex, command, at)

    def stop_calls(self) -> list[dict[str, Any]]:
        """Return the stops that Compute Engine was asked for, refused ones too."""
        return [call for call in look(self.stack, "calls") if call["method"] in STOPS]

    def stopped(self) -> list[str]:
        """Return the names of the VMs that Compute Engine was asked to stop, as often as it was asked."""
        return sorted(call["instance"] for call in self.stop_calls())

    def statuses(self, *names: str) -> dict[str, str]:
        """Return what these VMs do now."""
        return {one["name"]: one["status"] for one in look(self.stack, "instances") if one["name"] in names}

    def notifications(self) -> list[dict[str, Any]]:
        """Return what is recorded of each delivery."""
        return self._rows("budget_notifications", "received_at")

    def names(self, event: str) -> list[str]:
        """Return the names of the VMs of which an event is recorded, as often as it is."""
        return sorted(row["instance_name"] for row in self.events() if row["event"] == event)

    def events(self) -> list[dict[str, Any]]:
        """Return what is recorded of each VM."""
        return self._rows("enforcement_actions", "happened_at")

    def _rows(self, table: str, order: str) -> list[dict[str, Any]]:
        own = bigquery.ScalarQueryParameter("budget_id", "STRING", self.budget_id)
        sql = f"SELECT * FROM {ENFORCER_DATASET}.{table} WHERE budget_id = @budget_id ORDER BY {order}"
        configuration = bigquery.QueryJobConfig(query_parameters=[own])
        return [dict(row) for row in self.stack.client().query(sql, job_config=configuration).result()]


type MakeEnforcer = Callable[..., Enforcer]


def look(stack: Stack, path: str) -> list[dict[str, Any]]:
    """Return a list of the control interface."""
    found: list[dict[str, Any]] = requests.get(f"{stack.rest}/_control/{path}", timeout=5).json()
    return found


@pytest.fixture(params=["empty", "null"])
def empty_arrays(request: pytest.FixtureRequest, stack: Stack) -> Iterator[str]:
    """Deliver empty array parameters to BigQuery's statements as they are, then as NULL; the form's name."""
    form: str = request.param
    stack.deliver_empty_arrays(form)
    yield form
    stack.deliver_empty_arrays("empty")


@pytest.fixture
def null_arrays(stack: Stack) -> Iterator[None]:
    """Deliver empty array parameters to BigQuery's statements as NULL."""
    stack.deliver_empty_arrays("null")
    yield
    stack.deliver_empty_arrays("empty")


@pytest.fixture(scope="session")
def enforcer_dataset(stack: Stack) -> str:
    """The dataset of all enforcers: their budgets keep them apart."""
    create_dataset(stack.client(), ENFORCER_DATASET)
    return ENFORCER_DATASET


@pytest.fixture
def make_enforcer(stack: Stack, enforcer_dataset: str) -> Iterator[MakeEnforcer]:
    """Make enforcers for the labels of some VMs of a project; Compute Engine is as it was at first."""

    def make(
        project_id: str,
        labels: Mapping[str, str],
        *,
        variables: Mapping[str, str] | None = None,
        shared: Mapping[str, object] | None = None,
        **rule: object,
    ) -> Enforcer:
        budget_id = f"budget-{next(_numbers)}"
        scope = {"projects": [project_id], "labels": labels, "steps": ALL_PRIORITIES, "max_stops_per_alert": 20}
        policy = {"budgets": {budget_id: {**scope, **rule}}, **(shared or {})}
        overrides = {
            "DATASET": enforcer_dataset,
            "RETRY_TIMEOUT_SECONDS": "2",
            "ENFORCEMENT_POLICY": json.dumps(policy),
        }
        settings = EnforcerSettings.from_mapping({**stack.settings, **overrides, **(variables or {})})
        return Enforcer(stack, settings, enforcer_ports(settings), budget_id)

    stack.control("POST", "reset")
    yield make
    stack.control("POST", "reset")
    # What one budget stops or waits for, the others know: it must not outlive the fleet that it is about.
    for table in ("enforcement_actions", "instance_snoozes"):
        stack.client().query(f"DELETE FROM {enforcer_dataset}.{table} WHERE TRUE").result()
