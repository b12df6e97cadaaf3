"""How much of an instance's uptime Google bills: by the second, at least a minute of each run.

A Spot VM that is preempted less than a minute after its creation is not billed; its licenses are.
https://cloud.google.com/compute/vm-instance-pricing and https://cloud.google.com/compute/docs/instances/spot
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from spotkeeper.periods import HOUR

SHORTEST_RUN_SECONDS = 60.0

_FIRST_MINUTE = timedelta(minutes=1)


class Life(NamedTuple):
    """What is known of a Spot VM's runs: its last start, its creation and its first preemption among those read."""

    started: datetime | None = None
    created: datetime | None = None
    preempted: datetime | None = None


class Billed(NamedTuple):
    """What is billed of a Spot VM's uptime in an hour, in seconds: of its machine type, and of its licenses."""

    machine: float
    licenses: float


def billed_time(seconds: float, hour: datetime, life: Life, later: float | None) -> Billed:
    """Return what is billed of what a Spot VM ran in an hour; `later` as for `billed_seconds`."""
    machine = billed_seconds(seconds, hour, life, later)
    if machine:
        return Billed(machine, machine)
    return Billed(machine, billed_seconds(seconds, hour, life._replace(preempted=None), later))


def billed_seconds(seconds: float, hour: datetime, life: Life, later: float | None) -> float:
    """Return the billed part of what a Spot VM ran in an hour, in seconds.

    `later` is its uptime in the next hour, None when that is not read. What a run lacks to a minute is billed in the
    hour in which it began. A run that may go on in the next hour is taken to be long enough until that is read.
    """
    if seconds > SHORTEST_RUN_SECONDS:
        return seconds
    end = hour + HOUR
    if _is_free(life, end):
        return 0.0
    if seconds == SHORTEST_RUN_SECONDS or life.started is None or not hour <= life.started < end:
        return seconds
    if later is None:
        if life.started + timedelta(seconds=seconds + SHORTEST_RUN_SECONDS) >= end:
            return seconds
        later = 0.0
    return max(seconds, SHORTEST_RUN_SECONDS - later)


def _is_free(life: Life, end: datetime) -> bool:
    """Whether a VM was preempted in its first minute, and not started again before the end of the hour."""
    if life.preempted is None or life.created is None or life.preempted - life.created >= _FIRST_MINUTE:
        return False
    return life.started is None or not life.preempted < life.started < end
