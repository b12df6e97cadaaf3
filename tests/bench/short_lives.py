"""Who 1,000 VMs were that lived for 15 minutes of an hour: calls and CPU time of each source, in counts and ratios."""

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from time import process_time
from typing import NamedTuple
from urllib.request import urlopen

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import FLEET_START, STAGING_TIME, Fleet, Project, Run, Vm
from spotkeeper.gcp.assets import MAX_SPLIT_CALLS
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.instances import InstanceKey
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.uptime import Uptime
from tests.bench.rows import Row

VMS = 1_000
LIFE = timedelta(minutes=15)
NOW = FLEET_START + timedelta(minutes=67)
LATE = timedelta(minutes=30)
PROJECT = Project("short-lives", "415104041262")


class Measured(NamedTuple):
    """What one source needed, and how many VMs it identified."""

    identified: int
    calls: int
    cpu_seconds: float


def rows() -> Sequence[Row]:
    """Measure both sources on an inventory that is up to date, and on one that is 30 minutes late."""
    up_to_date, from_log = _measured(timedelta(0))
    late, _ = _measured(LATE)
    return [
        _row("asset history, up to date", up_to_date, VMS // 100),
        _row("asset history, 30 minutes late", late, VMS // 100 + MAX_SPLIT_CALLS),
        _row("audit log", from_log, VMS // 500),
    ]


def _row(what: str, measured: Measured, most_calls: int) -> Row:
    figures = f"{measured.calls} calls, {measured.identified / VMS:.0%} identified, {measured.cpu_seconds:.2f} CPU s"
    return Row(f"{VMS:,} short-lived VMs: {what}", figures, f"{most_calls} calls", passed=measured.calls <= most_calls)


def _measured(delay: timedelta) -> Sequence[Measured]:
    with _served(delay) as endpoint:
        settings = TrackerSettings.from_mapping(
            {
                "PROJECT_ID": PROJECT.project_id,
                "AUDIT_LOG_HISTORY": "true",
                "CUSTOM_METRICS": "false",
                **{f"{name}_ENDPOINT": endpoint for name in ("ASSETS", "BIGQUERY", "COMPUTE", "LOGGING", "MONITORING")},
            }
        )
        found = []
        for history in tracker_ports(settings).histories:
            before, started = _calls(endpoint), process_time()
            observations = history.observations(PROJECT.project_id, _uptimes(), NOW, _fail)
            identified = {each.instance.key for each in observations}
            found.append(Measured(len(identified), _calls(endpoint) - before, process_time() - started))
        return found


def _uptimes() -> list[Uptime]:
    return [
        Uptime(InstanceKey(vm.project_id, vm.zone, str(vm.instance_id)), vm.name, FLEET_START, LIFE.total_seconds())
        for vm in _fleet(timedelta(0)).vms
    ]


def _fleet(delay: timedelta) -> Fleet:
    """VMs that begin evenly over the hour and are gone at its end; a late inventory does not know the last ones."""
    spread = (timedelta(hours=1) - LIFE) / VMS
    return Fleet((PROJECT,), tuple(_vm(number, FLEET_START + spread * number, delay) for number in range(VMS)))


def _vm(number: int, created: datetime, delay: timedelta) -> Vm:
    return Vm(
        project_id=PROJECT.project_id,
        zone=f"us-central1-{'abcf'[number % 4]}",
        name=f"runner-{number * 7919 % VMS:04}",
        instance_id=2**62 + number,
        created=created,
        runs=(Run(created + STAGING_TIME, created + LIFE),),
        machine_types=((created, "e2-standard-4"),),
        labels=((created, {"team": "ci"}),),
        deleted=created + LIFE,
        has_history=created <= NOW - delay,
    )


@contextmanager
def _served(delay: timedelta) -> Iterator[str]:
    """Serve the fleet from a process of its own, so that its CPU time is not counted."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(delay, theirs))
    server.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        server.join()


def _serve(delay: timedelta, pipe: Connection) -> None:
    with Cloud(_fleet(delay), Clock(NOW)) as cloud:
        pipe.send(cloud.rest_url)
        pipe.recv()


def _calls(endpoint: str) -> int:
    with urlopen(f"{endpoint}/_control/requests") as answer:  # noqa: S310 (always http://127.0.0.1)
        services = json.load(answer)["requests"]
    return sum(sum(services.get(name, {}).values()) for name in ("assets", "logging"))


def _fail(problem: str) -> None:
    raise AssertionError(problem)
