"""The tracker with its real clients in this process, against the stack's servers."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from infra.local.fleet import FLEET_START
from infra.local.stack import Stack
from infra.local.tables import create_dataset
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.runs import Summary
from spotkeeper.settings import TrackerSettings
from spotkeeper.tracking import Ports, TrackRequest, track

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

    def run_late(self, hour_number: int, due: int) -> Summary:
        """Run after one hour of the fleet, as a call that was due after an earlier one."""
        now = self.look_at(hour_number)
        self.stack.set_time(now)
        return track(self.settings, self.ports, f"run{next(_numbers)}", TrackRequest(now, self.look_at(due)))

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


type MakeTracker = Callable[..., Tracker]


@pytest.fixture
def make_tracker(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeTracker]:
    """Make trackers with empty datasets; the stand-ins forget their faults afterwards."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)

    def make(variables: Mapping[str, str] | None = None, dataset: str | None = None) -> Tracker:
        name = dataset or f"tracker_{next(_numbers)}"
        create_dataset(stack.client(), name)
        settings = TrackerSettings.from_mapping(
            {**stack.settings, "DATASET": name, "CALL_PATIENCE_SECONDS": "1", **(variables or {})}
        )
        return Tracker(stack, settings, tracker_ports(settings), name)

    yield make
    stack.control("DELETE", "faults")


@pytest.fixture
def tracker(make_tracker: MakeTracker) -> Tracker:
    """A tracker with an empty dataset."""
    return make_tracker()
