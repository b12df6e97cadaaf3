"""What is on record of the spending of one budget in its period: the bill as it was reported, and our own cost rows.

Amounts are floats: they are measurements, of which an estimate is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BilledCost:
    """The cost that a notification reported, by the time it was published."""

    published_at: datetime
    cost: float


@dataclass(frozen=True, slots=True)
class RecordedHour:
    """The cost rows of one hour in USD; `stopped_cost` is the part of instances that the enforcer has stopped since.

    The cost is None where the hour of one of the budget's projects is not recorded completely.
    """

    start: datetime
    cost: float | None
    stopped_cost: float = 0.0


@dataclass(frozen=True, slots=True)
class RecordedStops:
    """What the stops of one hour of instances that groups created were to save, in USD per hour."""

    stopped_at: datetime
    hourly_savings: float


@dataclass(frozen=True, slots=True)
class Spending:
    """All of it, in order of time.

    `uptime_shares` maps the ids of instances that ran only a part of the last 24 hours to that part.
    `group_stops` are the stops of the last 24 hours.
    """

    billed: tuple[BilledCost, ...] = ()
    hours: tuple[RecordedHour, ...] = ()
    uptime_shares: Mapping[str, float] = field(default_factory=dict)
    group_stops: tuple[RecordedStops, ...] = ()
