"""The lives of VMs: when they exist, run, change and stop, and which of their uptime points reach Cloud Monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from tests.simulation.tracker.machines import Machine

HOUR = timedelta(hours=1)
STAGING = timedelta(seconds=8)
"""Between the creation of a VM, or its start, and the moment from which it runs."""

FIRST_MINUTE = timedelta(minutes=1)

type Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of running, `[start, end)`; a VM can change its machine only between two of them."""

    start: datetime
    end: datetime
    machine: Machine
    preempted: bool = False

    def seconds(self, start: datetime, end: datetime) -> Fraction:
        """Return how long it ran from `start` up to `end`."""
        return seconds_between(max(start, self.start), min(end, self.end))


@dataclass(frozen=True, slots=True)
class Withheld:
    """Uptime points stamped in `(after, until]` that are visible only from `visible_at` on; None is never."""

    after: datetime
    until: datetime
    visible_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM for all its life; `labels` say what held from when on, `items` are its metadata.

    Its uptime is sampled once a minute: the last sample of an hour ends by `lag` before the hour does, and what ran
    after it counts in the next hour.
    """

    project_id: str
    zone: str
    name: str
    instance_id: str
    created: datetime
    deleted: datetime
    runs: tuple[Run, ...]
    labels: tuple[tuple[datetime, Labels], ...]
    items: tuple[Mapping[str, str], ...] = ()
    withheld: tuple[Withheld, ...] = ()
    lag: timedelta = timedelta(0)

    @property
    def region(self) -> str:
        """The region of its zone."""
        return self.zone.rpartition("-")[0]

    def exists(self, at: datetime) -> bool:
        """Whether Compute Engine lists it."""
        return self.created <= at < self.deleted

    def run_at(self, at: datetime) -> Run | None:
        """Return the run that goes on at a moment; None when the VM does not run."""
        return next((run for run in self.runs if run.start <= at < run.end), None)

    def machine_at(self, at: datetime) -> Machine:
        """Return the machine that it is at a moment, running or not."""
        begun = [run.machine for run in self.runs if run.start - STAGING <= at]
        return begun[-1] if begun else self.runs[0].machine

    def labels_at(self, at: datetime) -> Labels:
        """Return the labels that it has at a moment."""
        return [labels for since, labels in self.labels if since <= at][-1]

    def billed_seconds(self, run: Run) -> Fraction:
        """Return what is billed of a run: at least a minute, and nothing of a VM preempted in its first minute.

        https://cloud.google.com/compute/docs/instances/preemptible
        """
        if run.preempted and run.machine.spot and run.end - self.created < FIRST_MINUTE:
            return Fraction(0)
        return max(seconds_between(run.start, run.end), Fraction(60))

    def metered(self, run: Run, start: datetime, end: datetime, now: datetime | None = None) -> Fraction:
        """Return the uptime of a run that Cloud Monitoring shows at a moment; at the end of time when none is given."""
        start, end = start - self.lag, end - self.lag
        hidden = sum(
            (
                run.seconds(max(start, some.after), min(end, some.until))
                for some in self.withheld
                if some.visible_at is None or (now is not None and some.visible_at > now)
            ),
            Fraction(0),
        )
        return run.seconds(start, end) - hidden

    def changes(self) -> list[datetime]:
        """Return every moment at which its description changed, in order; its deletion is the last."""
        moments = {self.created, self.deleted, *(since for since, _ in self.labels)}
        for run in self.runs:
            moments |= {run.start - STAGING, run.start, run.end}
        return sorted(moment for moment in moments if self.created <= moment <= self.deleted)


def seconds_between(start: datetime, end: datetime) -> Fraction:
    """Return the seconds from `start` to `end`, to the microsecond; none when they are the other way round."""
    return max(Fraction((end - start) // timedelta(microseconds=1), 10**6), Fraction(0))
