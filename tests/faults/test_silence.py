"""An hour without any uptime is one of no use only where nothing ran."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from infra.local.fleet.fleet import Fleet
from infra.local.stack.stack import Answer, Stack
from spotkeeper.gcp.compute.instances import _running_since, time_from
from tests.faults import tracker
from tests.faults.fleets import BATCH, BEFORE, OWNER, at, one_vm
from tests.faults.injection import Fault, Kind
from tests.faults.places import Place, place, schedule
from tests.faults.snapshots import snapshot

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of functions-framework
SILENCE = Fault("uptime", Kind.EMPTY)
FLEET = Fleet((OWNER,), (one_vm("us-central1-a", "gone-at-two", "e2-medium", BATCH, end=at(2)),))


@pytest.fixture(scope="module")
def here(stack: Stack) -> Iterator[Place]:
    before = dict(os.environ)
    with place(stack.bigquery, FLEET) as found:
        yield found
    os.environ.clear()
    os.environ.update(before)


def run(here: Place, dataset: str, moment: datetime, body: object = None) -> Answer:
    here.cloud.state.clock.now = moment
    settings = here.settings(dataset, tracker.SETTINGS | {"CUSTOM_METRICS": "false"})
    return schedule(here.function(tracker.TARGET, settings), moment, body)


def test_an_hour_that_is_asked_for_again_in_silence_keeps_its_costs_while_something_runs(here: Place) -> None:
    dataset = here.new_dataset()
    run(here, dataset, at(1, 7))
    before = snapshot(here.client, dataset)["spot_vm_costs"]
    here.injection.inject(SILENCE)

    silent = run(here, dataset, at(1, 8), {"start": "2026-07-21T00:00:00Z", "end": "2026-07-21T01:00:00Z"})

    here.injection.inject()
    [gap] = silent.body["gaps"]
    assert "no uptime at all, though an instance has run since 2026-07-20T04:00:00Z" in gap["detail"]
    assert snapshot(here.client, dataset)["spot_vm_costs"] == before != []


def test_an_hour_in_which_nothing_ran_is_complete_without_uptime(here: Place) -> None:
    answer = run(here, here.new_dataset(), at(4, 7))

    assert (answer.body["complete"], answer.body["rows"], answer.body["gaps"]) == (True, 0, [])


@pytest.mark.parametrize(
    ("instance", "since"),
    [
        ({"status": "RUNNING", "lastStartTimestamp": "2026-07-19T21:00:00.000-07:00"}, BEFORE),
        ({"status": "RUNNING"}, None),
        ({"status": "TERMINATED", "lastStartTimestamp": "2026-07-19T21:00:00.000-07:00"}, None),
        (
            {
                "status": "RUNNING",
                "lastStartTimestamp": "2026-07-19T21:00:00.000-07:00",
                "lastSuspendedTimestamp": "2026-07-20T01:00:00.000-07:00",
            },
            None,
        ),
    ],
    ids=["runs", "never said when", "stopped", "was suspended"],
)
def test_an_instance_runs_since_its_last_start_unless_it_was_suspended(
    instance: dict[str, Any], since: datetime | None
) -> None:
    assert _running_since(instance, time_from(instance.get("lastStartTimestamp"))) == since
