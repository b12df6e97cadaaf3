"""Cold starts: from the start of a process to its first answer, with the packages that are deployed."""

import base64
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from infra.local.bigquery.tables import create_dataset
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import BUDGET_ID, SCHEDULE_HEADER, Stack, running_stack
from tests.bench.load import MAIN, TRACKER, Call, called
from tests.bench.rows import Row

ENFORCER = "enforce_budget_limit"
FOLDER = Path(__file__).parent
USUAL, BARE = FOLDER / "usual_function.py", FOLDER / "bare_function.py"
ROUNDS = 7
_TIME_SHARE, _MEMORY_SHARE = 1 / 3, 1 / 2
_BUDGET, _UNDER, _OVER = 500, 1, 600


def rows() -> Sequence[Row]:
    """Let all contestants take turns, each in a fresh process."""
    found: dict[str, list[Call]] = {}
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder)) as stack:
        usual_policy = {**stack.settings, "ENFORCEMENT_POLICY": json.dumps(_policy()), "ENFORCEMENT_MODE": "dry_run"}
        restarting = {**usual_policy, "ENFORCEMENT_POLICY": json.dumps({**_policy(), "restart": True})}
        now = FLEET_START.replace(hour=8, minute=7)
        stack.set_time(now)
        for number in range(ROUNDS):
            turns = {
                "bare": _call(BARE, _UNDER, usual_policy),
                "usual": _call(USUAL, _UNDER, usual_policy),
                "under": _call(MAIN, _UNDER, usual_policy),
                "restart": _call(MAIN, _UNDER, restarting),
                "over": _call(MAIN, _OVER, usual_policy),
                "tracker": _tracked(stack, number),
            }
            for name, call in turns.items():
                found.setdefault(name, []).append(call)
    usual = found["usual"]
    return [
        _row("a function that does nothing: the framework alone", found["bare"]),
        _row("the usual function: imports Compute, does nothing", usual),
        *_limited(found["under"], usual),
        _row("enforcer, under budget, restart on: looks for what to start", found["restart"]),
        _row("enforcer, over budget: history, prices, fleet, recorded plan (dry run)", found["over"]),
        _row("tracker: first hour of the fleet of `make run`, catalog read", found["tracker"]),
    ]


def _limited(ours: Sequence[Call], usual: Sequence[Call]) -> Sequence[Row]:
    time_share = median(call.seconds for call in ours) / median(call.seconds for call in usual)
    memory_share = median(call.peak_mib for call in ours) / median(call.peak_mib for call in usual)
    return [
        _row("enforcer, under budget, verdict recorded in BigQuery", ours),
        Row("  its time, of the usual function", f"{time_share:.2f}", "1/3", passed=time_share <= _TIME_SHARE),
        Row("  its memory, of the usual function", f"{memory_share:.2f}", "1/2", passed=memory_share <= _MEMORY_SHARE),
    ]


def _row(what: str, calls: Sequence[Call]) -> Row:
    seconds, peak = median(call.seconds for call in calls), median(call.peak_mib for call in calls)
    return Row(what, f"{seconds:.2f} s, {peak:.0f} MiB")


def _policy() -> dict[str, Any]:
    return {"budgets": {BUDGET_ID: {"projects": ["research-ml", "web-frontend"]}}}


def _call(source: Path, cost: float, settings: Mapping[str, str]) -> Call:
    body = {
        "costAmount": cost,
        "budgetAmount": _BUDGET,
        "currencyCode": "USD",
        "costIntervalStart": "2026-07-01T07:00:00Z",
    }
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "attributes": {"budgetId": BUDGET_ID, "schemaVersion": "1.0"},
        "messageId": f"bench-{time.monotonic_ns()}",
        "publishTime": "2026-07-21T08:07:00Z",
    }
    event = {"message": message, "subscription": "projects/p/subscriptions/s"}
    [call] = called(source, ENFORCER, "http", [{"headers": {}, "json": event}], settings)
    return call


def _tracked(stack: Stack, number: int) -> Call:
    """The first run of all: into an empty dataset, so it reads the catalog too."""
    dataset = f"cold_{number}"
    create_dataset(stack.client(), dataset)
    at = {SCHEDULE_HEADER: "2026-07-21T08:07:00Z"}
    [call] = called(MAIN, TRACKER, "http", [{"headers": at, "json": None}], {**stack.settings, "DATASET": dataset})
    return call
