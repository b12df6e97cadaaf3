"""Google's capacity history through the function over HTTP: a status of its own, whatever becomes of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.local.bigquery.tables import create_dataset
from infra.local.emulators.compute.capacity_api import DISAGREES
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.processes import Processes
from infra.local.stack.stack import SCHEDULE_HEADER, Stack
from tests.entry.test_track_spot_costs import serve, text


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as running:
        yield running


def test_a_capacity_history_that_fails_leaves_the_hour_complete_and_is_read_an_hour_later(
    stack: Stack, processes: Processes
) -> None:
    create_dataset(stack.client(), "capacity_entry")
    tracker = serve(processes, {**stack.settings, "DATASET": "capacity_entry"})
    due = FLEET_START + timedelta(hours=10, minutes=7)

    def called(at: datetime) -> dict[str, Any]:
        stack.set_time(at)
        body: dict[str, Any] = tracker.call(headers={SCHEDULE_HEADER: text(at)}).json()
        return body

    before = called(due - timedelta(hours=1))
    stack.control(
        "POST", "faults", [{"service": "compute", "method": "advice.capacityHistory", "kind": "status", "status": 403}]
    )
    try:
        failed = called(due)
    finally:
        stack.control("DELETE", "faults")
    read = called(due + timedelta(hours=1))

    assert before["capacity_history"] is None
    assert (failed["status"], failed["gaps"], failed["capacity_history"]["status"]) == ("complete", [], "unavailable")
    assert failed["capacity_history"]["calls"] == {"unavailable": 3}
    assert (read["status"], read["capacity_history"]["status"]) == ("complete", "read")
    assert sum(read["capacity_history"]["calls"].values()) == 47
    found = read["capacity_history"]["prices_that_differ"]
    assert [(each["machine_type"], each["region"]) for each in found] == [DISAGREES]
