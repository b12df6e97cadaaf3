"""A function in a process of its own, to be killed: forked from one that has everything imported, so that it is quick.

Nothing here may open a gRPC channel before the fork.
"""

import os
import resource
from collections.abc import Mapping
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import functions_framework
from google.cloud import asset_v1, billing_v1, compute_v1, monitoring_v3, pubsub_v1  # type: ignore[attr-defined]  # noqa: F401 (imported once, before the forks)
from werkzeug.test import Client

from infra.local.stack.stack import ROOT, SCHEDULE_HEADER
from tests.faults.deliveries import deliver

_set_before: set[str] = set()
"""The variables of the function that was started last: the next one does not have them."""


def function(target: str, settings: Mapping[str, str]) -> Client:
    """Start a function as functions-framework does, without a socket: its instance lives as long as the client."""
    for name in _set_before - settings.keys():
        os.environ.pop(name, None)
    _set_before.clear()
    _set_before.update(settings)
    os.environ.update({**settings, "FUNCTION_TARGET": target})
    application = functions_framework.create_app(target, str(ROOT / "functions" / "main.py"))
    application.logger.disabled = True
    return Client(application)


def track(settings: Mapping[str, str], moment: datetime) -> None:
    """Run the tracker once, as Cloud Scheduler calls it."""
    _say_nothing()
    header = moment.isoformat().replace("+00:00", "Z")
    function("track_spot_costs", settings).post("/", headers={SCHEDULE_HEADER: header})


def enforce(settings: Mapping[str, str], budget_id: str, published: datetime, cost: int) -> None:
    """Let the enforcer take one message, as Pub/Sub delivers it."""
    _say_nothing()
    deliver(function("enforce_budget_limit", settings), budget_id, "1", published, cost)


def serve(settings: Mapping[str, str], calls: Connection) -> None:
    """Run the tracker at every time that is received, and send back its status and the MiB of memory in use."""
    _say_nothing()
    tracker = function("track_spot_costs", settings)
    for moment in iter(calls.recv, None):
        answer = tracker.post("/", headers={SCHEDULE_HEADER: moment.isoformat().replace("+00:00", "Z")})
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        calls.send((answer.status_code, pages * resource.getpagesize() / 2**20))


def _say_nothing() -> None:
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 (as long as the process lives)
    os.dup2(nowhere.fileno(), 1)
