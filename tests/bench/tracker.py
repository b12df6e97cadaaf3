"""The tracker on 10,000 VMs: against the design of tutorials, and against merely reading the same pages."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import requests
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField
from requests.adapters import HTTPAdapter

from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.settings import TrackerSettings
from tests.bench.load import DATASET, PROJECT, Load, hour, load
from tests.bench.reading import RETRY_TIMEOUT, Reading
from tests.bench.rows import ROUNDS, Row

VMS = 10_000
PEER = Path(__file__).parent / "peer.py"
_REQUEST_SHARE, _TIMES_FASTER, _READING_SHARE = 1 / 100, 20, 1.3
_PEER_TABLE = [
    SchemaField("timestamp", "TIMESTAMP"),
    *(SchemaField(name, "STRING") for name in ("project_id", "instance_name", "zone", "machine_type")),
    SchemaField("hourly_cost", "FLOAT"),
]


def rows() -> Sequence[Row]:
    """Measure both."""
    with load(VMS) as stack:
        return [*_against_peer(stack), *against_reading(stack.settings, VMS)]


def _against_peer(stack: Load) -> Iterator[Row]:
    stack.client().create_table(bigquery.Table(f"{PROJECT}.{DATASET}.vm_costs", _PEER_TABLE))
    reading = Reading(stack.settings)
    for number in range(2):
        reading.parsed(hour(number))
    stack.track([0], PEER, **{"X-Most-Rows": "1"})
    before = stack.requests()
    ours = stack.track([0, 1])
    between = stack.requests()
    theirs = stack.track([0], PEER)
    asked, peer_asked = between.since(before), stack.requests().since(between)
    seconds, peer_seconds = max(call.seconds for call in ours), theirs[0].seconds
    each = asked.calls / len(ours)
    yield Row("peer: BigQuery requests", f"{peer_asked.calls:,}")
    yield Row(
        "tracker: BigQuery requests (jobs) of a run",
        f"{each:.0f} ({asked.jobs / len(ours):.0f}) = 1/{peer_asked.calls / each:.0f} of that",
        "1/100",
        passed=each <= peer_asked.calls * _REQUEST_SHARE,
    )
    yield Row("peer: process start to answer", f"{peer_seconds:.1f} s")
    yield Row(
        "tracker: process start to answer, prices read",
        f"{seconds:.1f} s = 1/{peer_seconds / seconds:.0f} of that",
        f"1/{_TIMES_FASTER}",
        passed=seconds * _TIMES_FASTER <= peer_seconds,
    )


def against_reading(settings: Mapping[str, str], vms: int) -> Sequence[Row]:
    """Let the tracker, Google's clients and plain parsing take turns on the same pages, served from memory."""
    reading, tracker = Reading(settings), _Tracker(settings)
    tracker.run(2)
    clients, plain, whole, waited = [], [], [], []
    read = 0
    for number in range(3, 3 + ROUNDS):
        read = reading.parsed(hour(number))
        clients.append(_seconds(partial(reading.with_clients, hour(number))))
        plain.append(_seconds(partial(reading.parsed, hour(number))))
        tracker.waiting.seconds = 0.0
        whole.append(_seconds(partial(tracker.run, number)))
        waited.append(tracker.waiting.seconds)
    floor = median(clients)
    own = median(total - wait for total, wait in zip(whole, waited, strict=True))
    return [
        Row(f"{vms:,} VMs: pages read by Google's clients, thrown away (t0)", f"{floor:.2f} s"),
        Row(f"the same {read / 1e6:.0f} MB by HTTP, json.loads and protobuf", f"{median(plain):.2f} s"),
        Row(
            "tracker: read, identified, priced, written for loading",
            f"{own:.2f} s = {own / floor:.2f} t0",
            f"{_READING_SHARE} t0",
            passed=own <= _READING_SHARE * floor,
        ),
        Row("tracker: waiting for the local BigQuery", f"{median(waited):.2f} s"),
        Row("tracker: a whole run", f"{median(whole):.2f} s = {median(whole) / floor:.2f} t0"),
    ]


class _Timed(HTTPAdapter):
    """Sends requests, and adds up the seconds until they are answered."""

    seconds = 0.0

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401
        started = perf_counter()
        try:
            return super().send(request, **settings)
        finally:
            self.seconds += perf_counter() - started


class _Tracker:
    """The tracker in this process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._settings = TrackerSettings.from_mapping(variables)
        self.waiting = _Timed()
        jobs = Jobs(PROJECT, DATASET, self._settings.endpoints.bigquery, RETRY_TIMEOUT)
        jobs._client._http.mount("http://", self.waiting)  # noqa: SLF001 (there is no public way)
        warehouse = TrackerTables(jobs)
        self._ports = replace(tracker_ports(self._settings), ledger=warehouse, inventory=warehouse)

    def run(self, number: int) -> None:
        now: datetime = hour(number) + timedelta(hours=1, minutes=7)
        summary = track(self._settings, self._ports, uuid.uuid4().hex, TrackRequest(now, now))
        if not summary.complete:
            message = f"the run lacks {summary.gaps}"
            raise RuntimeError(message)


def _seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started
