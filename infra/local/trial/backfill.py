"""The tracker's own use case over past days, as its first run."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.local.trial.steps import Step
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR, hours_between, latest_closed_hour
from spotkeeper.ports import Report
from spotkeeper.tracking.ports import Ports, UptimeReader
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.run_summary import Gap
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.uptime import Sample, Uptime


def hours_of(days: int, now: datetime) -> tuple[datetime, ...]:
    """Return the closed hours of the last days, the latest of them included."""
    end = latest_closed_hour(now) + HOUR
    return tuple(hours_between(end - timedelta(days=days), end))


def backfill(
    settings: TrackerSettings, ports: Ports, hours: tuple[datetime, ...], now: datetime, step: Step
) -> list[Gap]:
    """Record what Spot VMs cost in these hours, and return what the sources did not say; raises UnavailableError.

    It is one run, which takes what is listed now for what ran before: a second one would ask the recorded history about
    every VM. A function has a deadline, a trial has none: its stopwatch stands still.
    """
    unhurried = replace(ports, uptime=_Announced(ports.uptime, settings.projects, step), stopwatch=timedelta)
    return track(settings, unhurried, uuid.uuid4().hex, TrackRequest(now, now, hours)).gaps


@dataclass(frozen=True, slots=True)
class _Announced:
    """The uptime, and how far its reading is."""

    reader: UptimeReader
    projects: Sequence[str]
    step: Step

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        place = f"{self.projects.index(project_id) + 1} of {len(self.projects)}"
        self.step.say(f"project {project_id} ({place}), from {hours[0]:%a %d %b %H:%M} UTC")
        return self.reader.uptime(project_id, hours, report)

    def samples(self, project_id: str, keys: Sequence[InstanceKey], hour: datetime, report: Report) -> Iterator[Sample]:
        self.step.say(f"restarts in project {project_id}, {hour:%a %d %b %H:%M} UTC")
        return self.reader.samples(project_id, keys, hour, report)
