"""The tracker on 10,000 VMs: against the design of tutorials, and against plain parsing of the same pages.

Once without disks and addresses, and once with two disks a VM.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

from google.cloud import bigquery
from google.cloud.bigquery import SchemaField

from spotkeeper.garbage import spare_collections
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.settings import TrackerSettings
from tests.bench.load import DATASET, PROJECT, Load, hour, load
from tests.bench.reading import Reading
from tests.bench.rows import ROUNDS, Row
from tests.bench.smallest import smallest

VMS = 10_000
PEER = Path(__file__).parent / "peer.py"
_REQUEST_SHARE, _TIMES_FASTER, _READING_TIMES, _ATTACHED_TIMES = 1 / 100, 20, 5, 1.5
_FIRST_COMPARED = 5
"""The first hour that is compared: other runs have recorded the hours before, so each run reads two."""

_PEER_TABLE = [
    SchemaField("timestamp", "TIMESTAMP"),
    *(SchemaField(name, "STRING") for name in ("project_id", "instance_name", "zone", "machine_type")),
    SchemaField("hourly_cost", "FLOAT"),
]


def rows() -> Sequence[Row]:
    """Measure all."""
    with load(VMS) as stack, load(VMS, bare=True) as bare_stack:
        peer = [*_against_peer(stack)]
        attached, bare = work(stack.settings, bare_stack.settings)
    share = attached.own / bare.own
    return [
        *peer,
        *_reading_rows(f"{VMS:,} VMs without disks and addresses", bare),
        Row(
            "  read, identified, priced, written for loading",
            f"{bare.own:.2f} CPU s = {bare.own / bare.plain:.1f} t0",
            f"{_READING_TIMES} t0",
            passed=bare.own <= _READING_TIMES * bare.plain,
        ),
        *_reading_rows(f"{VMS:,} VMs with two disks", attached),
        Row(
            "  read, identified, priced, written for loading",
            f"{attached.own:.2f} CPU s = {share:.2f} times that without = {attached.own / attached.plain:.1f} t0",
            f"{_ATTACHED_TIMES} times",
            passed=share <= _ATTACHED_TIMES,
        ),
        Row("  a whole run, with the local BigQuery", f"{attached.whole:.2f} s"),
    ]


def _reading_rows(fleet: str, found: "Work") -> Sequence[Row]:
    return [
        Row(f"{fleet}: uptime and instances, by Google's clients, discarded", f"{found.clients:.2f} CPU s"),
        Row(f"  {found.read / 1e6:.0f} MB by HTTP, json.loads and protobuf (t0)", f"{found.plain:.2f} CPU s"),
        Row(
            "  the smallest program that writes as many rows of VMs",
            f"{found.least:.2f} CPU s = {found.least / found.plain:.1f} t0",
        ),
    ]


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


class Work(NamedTuple):
    """What a round over the same pages took: CPU seconds of this process, and seconds of the whole run.

    Waiting for a server is no work, and other load on the machine adds little. `read` is how many bytes the pages have.
    """

    read: float
    clients: float
    plain: float
    least: float
    own: float
    whole: float


def work(*fleets: Mapping[str, str]) -> Sequence[Work]:
    """Let the tracker and what it is compared with take turns on the pages of each fleet, served from memory.

    Earlier runs have observed the VMs.
    """
    turns = [(Reading(settings), _Tracker(settings), list[Work]()) for settings in fleets]
    for number in range(_FIRST_COMPARED):
        for _, tracker, _ in turns:
            tracker.run(number)
    for number in range(_FIRST_COMPARED, _FIRST_COMPARED + ROUNDS):
        for reading, tracker, rounds in turns:
            rounds.append(_turn(reading, tracker, number))
    return [Work(*map(median, zip(*rounds, strict=True))) for _, _, rounds in turns]


def _turn(reading: Reading, tracker: "_Tracker", number: int) -> Work:
    """Measure each of them once, on the pages of one hour, which the server has in memory by then."""
    read = reading.parsed(hour(number))
    clients = _measured(partial(reading.with_clients, hour(number)))
    plain = _measured(partial(reading.parsed, hour(number)))
    least = _measured(partial(smallest, reading, hour(number)))
    own = _measured(partial(tracker.run, number))
    return Work(read, clients.cpu, plain.cpu, least.cpu, own.cpu, own.wall)


class _Tracker:
    """The tracker in this process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._settings = TrackerSettings.from_mapping(variables)
        self._ports = tracker_ports(self._settings)
        spare_collections()

    def run(self, number: int) -> None:
        now: datetime = hour(number) + timedelta(hours=1, minutes=7)
        summary = track(self._settings, self._ports, uuid.uuid4().hex, TrackRequest(now, now))
        if not summary.complete:
            message = f"the run lacks {summary.gaps}"
            raise RuntimeError(message)


class _Measured(NamedTuple):
    cpu: float
    wall: float


def _measured(work: Callable[[], object]) -> _Measured:
    wall, cpu = perf_counter(), process_time()
    work()
    return _Measured(process_time() - cpu, perf_counter() - wall)
