"""A run that is killed at any moment, and run again, leaves the tables of an undisturbed run."""

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.local.fleet import FLEET_START
from infra.local.stack import Stack, running_stack
from infra.local.tables import create_dataset

TARGET = "track_spot_costs"
SETTINGS = {"PROJECTS": "research-ml", "PRICE_REFRESH_HOURS": "3"}
FIRST_HOUR = 28
"""The catalogue is read in this hour and, with a changed price, in the fourth."""

STEPS = {
    "reading prices": ("catalog", "*"),
    "reading uptime": ("monitoring", "ListTimeSeries"),
    "reading instances": ("compute", "*"),
    "telling figures, when all is committed": ("monitoring", "CreateTimeSeries"),
}
MOMENTS = [random.Random(21).uniform(0.1, 0.9)]  # noqa: S311 (the same moment each time)
HOURS = range(FIRST_HOUR, FIRST_HOUR + len(STEPS) + len(MOMENTS))
SLOW_SECONDS = 3.0
PATIENCE_SECONDS = 20.0
DIFFERENT_IN_EVERY_RUN = {"run_id", "recorded_at", "price_as_of"}


@dataclass(frozen=True, slots=True)
class Killed:
    """A stack whose runs were killed and run again, and an undisturbed dataset beside it."""

    stack: Stack
    cut_off: dict[str | float, bool]

    def rows(self, dataset: str, table: str, where: str) -> list[dict[str, Any]]:
        """Return the rows of a table, in an order of their own, without what differs between two runs."""
        found = self.stack.client().query(f"SELECT * FROM {dataset}.{table} WHERE {where}").result()
        kept = [{name: row[name] for name in row.keys() - DIFFERENT_IN_EVERY_RUN} for row in found]
        return sorted(kept, key=lambda row: sorted((name, repr(value)) for name, value in row.items()))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    with running_stack(tmp_path_factory.mktemp("killed"), extra=SETTINGS) as stack:
        create_dataset(stack.client(), "undisturbed")
        stack.serve_function(TARGET, {"DATASET": "undisturbed"})
        for number in HOURS:
            run(stack, number)
        stack.serve_function(TARGET)
        cut_off: dict[str | float, bool] = {}
        moments: list[str | float] = [*STEPS, *MOMENTS]
        for number, moment in zip(HOURS, moments, strict=True):
            cut_off[moment] = kill(stack, number, moment)
            stack.serve_function(TARGET)
            run(stack, number)
        yield Killed(stack, cut_off)


def call_time(number: int) -> datetime:
    """Minute 7 after an hour of the fleet."""
    return FLEET_START + timedelta(hours=number + 1, minutes=7)


def run(stack: Stack, number: int) -> None:
    stack.set_time(call_time(number))
    answer = stack.schedule(call_time(number))
    assert (answer.status, answer.body.get("complete")) == (200, True), answer


def kill(stack: Stack, number: int, moment: str | float) -> bool:
    """Call the function and kill its processes, in a step or after some seconds; tell whether the call was cut off."""
    stack.set_time(call_time(number))
    service, method = STEPS.get(str(moment), ("none", "*"))
    stack.control("POST", "faults", [{"service": service, "method": method, "kind": "slow", "seconds": SLOW_SECONDS}])
    stack.control("DELETE", "requests")
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stack.schedule, call_time(number))
        if isinstance(moment, float):
            time.sleep(moment)
        else:
            wait_for_call(stack, service, method)
        os.killpg(stack.processes.pid(TARGET), signal.SIGKILL)
        cut_off = isinstance(call.exception(), ConnectionError)
    stack.control("DELETE", "faults")
    return cut_off


def wait_for_call(stack: Stack, service: str, method: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        called = stack.control("GET", "state")["requests"].get(service, {})
        if method in called or (method == "*" and called):
            return
        time.sleep(0.02)
    pytest.fail(f"the run never called {service} {method}")


def test_every_step_was_cut_off_in_its_middle(killed: Killed) -> None:
    assert {name: cut_off for name, cut_off in killed.cut_off.items() if name in STEPS} == dict.fromkeys(STEPS, True)


@pytest.mark.parametrize(
    ("table", "where", "least"),
    [
        ("spot_vm_costs", "usage_start_time >= '2026-07-21'", 100),
        ("spot_prices", "TRUE", 100),
        ("vm_inventory", "TRUE", 20),
    ],
)
def test_the_table_is_that_of_an_undisturbed_run(killed: Killed, table: str, where: str, least: int) -> None:
    undisturbed = killed.rows("undisturbed", table, where)

    assert len(undisturbed) > least
    assert killed.rows("cost_tracking", table, where) == undisturbed


def test_the_runs_saw_a_price_change(killed: Killed) -> None:
    assert killed.rows("undisturbed", "spot_prices", "valid_to IS NOT NULL") != []


def test_every_hour_ends_complete_and_is_recorded_once(killed: Killed) -> None:
    recorded = killed.rows("cost_tracking", "tracker_runs", "hour >= '2026-07-21'")

    assert sorted(row["hour"] for row in recorded) == [FLEET_START + timedelta(hours=number) for number in HOURS]
    assert [row["hour"] for row in recorded if not row["complete"]] == []


def test_each_share_of_each_budget_is_recorded_once(killed: Killed) -> None:
    alerts = [
        [
            (row["period"], row["period_start"], row["threshold"])
            for row in killed.rows(dataset, "budget_alerts", "period_start >= '2026-06-01'")
        ]
        for dataset in ("cost_tracking", "undisturbed")
    ]

    assert sorted(alerts[0]) == sorted(alerts[1])
