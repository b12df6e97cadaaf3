"""Runs of overlapping hours at the same time, through the tracker's function: they leave what one run leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.clock import Clock
from infra.local.stack.stack import HOME_PROJECT, SCHEDULE_HEADER, Stack
from spotkeeper.periods import rfc3339
from tests.adapters.conftest import Tracker, new_dataset, new_tracker
from tests.entry.descriptions import validate
from tests.entry.served import served
from tests.faults.fleets import at, small_fleet

NOW = at(2, 7)
OVERLAPPING = [(0, 1), (1, 2), (0, 2)]
"""Each from the start of one hour to the start of another."""


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[Stack]:
    """The session's BigQuery, and a cloud of fourteen VMs after its second hour."""
    with Cloud(small_fleet(), Clock(NOW)) as cloud:
        own = dict.fromkeys(("COMPUTE_ENDPOINT", "BILLING_ENDPOINT", "ASSETS_ENDPOINT"), cloud.rest_url)
        own |= {"MONITORING_ENDPOINT": f"http://{cloud.grpc_target}", "PROJECTS": HOME_PROJECT}
        own |= {"BUDGET_TOPIC": "", "BUDGET_ID": "", "CUSTOM_METRICS": "false"}
        yield replace(stack, rest=cloud.rest_url, grpc=cloud.grpc_target, settings={**stack.settings, **own})


@pytest.fixture
def orderly(small: Stack) -> Iterator[Tracker]:
    with new_dataset(small, "overlapping_orderly") as dataset:
        yield new_tracker(small, dataset)


@pytest.fixture
def hasty(small: Stack) -> Iterator[Tracker]:
    with new_dataset(small, "overlapping_hasty") as dataset:
        yield new_tracker(small, dataset)


def post(function: Flask, moment: datetime, body: object = None) -> TestResponse:
    answer = function.test_client().post("/", json=body, headers={SCHEDULE_HEADER: rfc3339(moment)})
    validate(answer)
    return answer


def known(tracker: Tracker) -> dict[str, list[dict[str, Any]]]:
    """What the tables know, and no run of its own."""
    inventory = "SELECT * EXCEPT (first_seen, last_seen) FROM vm_inventory ORDER BY instance_id"
    prices = "SELECT * EXCEPT (run_id) FROM spot_prices ORDER BY sku_id, region, valid_from"
    return {"costs": tracker.costs(), "inventory": tracker.rows(inventory), "prices": tracker.rows(prices)}


def test_overlapping_hours_at_once_leave_what_one_run_leaves(orderly: Tracker, hasty: Tracker) -> None:
    orderly.run(1, 0, 1)
    with served("track_spot_costs", {**hasty.stack.settings, "DATASET": hasty.dataset}) as function:

        def run(hours: tuple[int, int]) -> TestResponse:
            first, end = hours
            return post(function, NOW, {"start": rfc3339(at(first)), "end": rfc3339(at(end))})

        with ThreadPoolExecutor(len(OVERLAPPING)) as pool:
            answers = list(pool.map(run, OVERLAPPING))

    assert [answer.status_code for answer in answers] == [200] * len(OVERLAPPING)
    assert [len(answer.get_json()["hours"]) for answer in answers] == [end - first for first, end in OVERLAPPING]
    assert all(answer.get_json()["complete"] for answer in answers)
    assert known(hasty) == known(orderly)
    assert len(known(hasty)["costs"]) > 15
    assert [name for name in hasty.tables() if name.startswith("staging")] == []
