"""Which sources a login may read in each project; the others are named and left out."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.local.trial.reading import ReadingLogin
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.lists import HOST, PROJECTS
from spotkeeper.gcp.http_calls import CallError, HttpCalls
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import latest_closed_hour
from spotkeeper.ports import Report
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import InstanceHistory, Ports, PreemptionReader
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.uptime import Uptime

PARALLEL_PROJECTS = 8
"""How many projects are asked at a time."""

_QUOTA_PROJECT_DENIED = ("USER_PROJECT_DENIED", "serviceusage.services.use")
_MESSAGE = re.compile(r'(?:"message":|\bdetails =)\s*("(?:[^"\\]|\\.)*")')
"""The sentence in an error of REST, which is JSON, and in one of gRPC, which writes its strings alike."""

HINTS = {
    "quota project": "choose another one: gcloud auth application-default set-quota-project PROJECT",
    "asset history": "short-lived VMs stay unidentified without it (roles/cloudasset.viewer)",
    "audit log": "it names VMs that no longer exist, and older preemptions (roles/logging.viewer)",
    "instances": "nothing is read there (roles/compute.viewer)",
    "preemptions": "the report lacks interruptions (roles/compute.viewer)",
    "uptime": "nothing is read there (roles/monitoring.viewer)",
}
"""What a source is for, and the role that grants it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source of some projects that is left out, and why."""

    source: str
    reason: str
    projects: tuple[str, ...]

    def __str__(self) -> str:
        """One line: what, where, why, and what it is needed for."""
        first, *others = self.projects
        where = f"{first} and {len(others)} more projects" if others else first
        if self.source == "quota project":
            return f"quota project {where}: {self.reason}; {HINTS[self.source]}"
        return f"{self.source} of {where}: {self.reason.rstrip('.')}; {HINTS[self.source]}"


@dataclass(frozen=True, slots=True)
class Access:
    """The projects that can be read, the tracker's ports limited to what may be read, and what is left out."""

    projects: tuple[str, ...]
    ports: Ports
    left_out: tuple[LeftOut, ...]


def usable_quota_project(login: ReadingLogin, probes: Iterable[Callable[[], object]]) -> tuple[LeftOut, ...]:
    """Leave the quota project out of all later calls when these calls are refused because of it."""
    named = login.quota_project
    refusals = [_refusal(probe) or "" for probe in probes] if named else []
    if named is None or not any(word in refusal for refusal in refusals for word in _QUOTA_PROJECT_DENIED):
        return ()
    login.leave_out_quota_project()
    return (LeftOut("quota project", "you may not use it (serviceusage.services.use)", (named,)),)


def readable(projects: Sequence[str], ports: Ports, calls: HttpCalls, now: datetime) -> Access:
    """Ask each source of each project for a little, and return what answers."""
    with ThreadPoolExecutor(PARALLEL_PROJECTS) as pool:
        refusals = list(pool.map(lambda project: dict(_refusals(project, ports, calls, now)), projects))
    refused = dict(zip(projects, refusals, strict=True))
    usable = tuple(name for name in projects if not refused[name].keys() & {"instances", "uptime"})
    return Access(usable, _limited(ports, usable, refused), tuple(_left_out(refused)))


def _refusals(project: str, ports: Ports, calls: HttpCalls, now: datetime) -> Iterator[tuple[str, str]]:
    """Each source that the project does not let the login read, and why; without instances nothing else is asked."""
    refusal = _refusal(lambda: list_one(calls, project, "instances"))
    if refusal:
        yield "instances", refusal
        return
    hour = latest_closed_hour(now)
    nobody = Uptime(InstanceKey(project, "us-central1-a", "1"), "spotkeeper-trial-asks-whether-it-may-read", hour, 1.0)
    probes: dict[str, Callable[[], object]] = {
        "uptime": lambda: next(iter(ports.uptime.uptime(project, [hour], _ignore)), None),
        "preemptions": lambda: list_one(calls, project, "operations"),
        **{each.name: _probe(each, nobody, now) for each in ports.histories},
    }
    for source, probe in probes.items():
        if refusal := _refusal(probe):
            yield source, refusal


def _probe(history: InstanceHistory, nobody: Uptime, now: datetime) -> Callable[[], object]:
    return lambda: list(history.observations(nobody.key.project_id, [nobody], now, _ignore))


def list_one(calls: HttpCalls, project: str, collection: str) -> object:
    """Read nothing but the kind of a list of Compute Engine: whether it may be read; raises CallError."""
    query = {"maxResults": "1", "fields": "kind"}
    return calls.call("GET", f"{PROJECTS}/{project}/aggregated/{collection}", query=query)


def _refusal(probe: Callable[[], object]) -> str | None:
    """Why a source does not answer, in one sentence; None when it does."""
    try:
        probe()
    except CallError as error:
        if error.disabled_service == HOST:
            return "the Compute Engine API is not enabled"
        return _message(error)
    except UnavailableError as error:
        return _message(error)
    return None


def _message(error: Exception) -> str:
    """The sentence of the service, or the whole error."""
    found = _MESSAGE.search(str(error))
    return found[1][1:-1].replace('\\"', '"') if found else str(error)


def _limited(ports: Ports, projects: Iterable[str], refused: dict[str, dict[str, str]]) -> Ports:
    def readers_of(source: str) -> frozenset[str]:
        return frozenset(project for project in projects if source not in refused[project])

    log = ports.preemption_log
    log_readers = readers_of("audit log")
    return replace(
        ports,
        preemptions=_PreemptionsOf(ports.preemptions, readers_of("preemptions")),
        histories=[_HistoryOf(each, readers_of(each.name)) for each in ports.histories if readers_of(each.name)],
        preemption_log=_PreemptionsOf(log, log_readers) if log and log_readers else None,
    )


def _left_out(refused: dict[str, dict[str, str]]) -> Iterator[LeftOut]:
    """One line for each source and reason, however many projects it is about; a project's name in it does not count."""
    grouped: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for project, reasons in refused.items():
        for source, reason in reasons.items():
            grouped.setdefault((source, reason.replace(project, "PROJECT")), []).append((project, reason))
    for (source, _), found in grouped.items():
        yield LeftOut(source, found[0][1], tuple(project for project, _ in found))


@dataclass(frozen=True, slots=True)
class _HistoryOf:
    """A history that is asked about some projects only."""

    history: InstanceHistory
    projects: frozenset[str]

    @property
    def name(self) -> str:
        return self.history.name

    @property
    def retention(self) -> timedelta:
        return self.history.retention

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        if project_id in self.projects:
            yield from self.history.observations(project_id, uptimes, now, report)


@dataclass(frozen=True, slots=True)
class _PreemptionsOf:
    """The preemptions of some projects only."""

    preemptions_of: PreemptionReader
    projects: frozenset[str]

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        if project_id in self.projects:
            yield from self.preemptions_of.preemptions(project_id, start, end, report)


def _ignore(_detail: str) -> None:
    """What is incomplete in a probe is recorded when the source is read."""
