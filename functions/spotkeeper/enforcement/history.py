"""What is on record when a budget notification arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.instances import InstanceKey

IN_HAND = timedelta(minutes=10)
"""How long a plan without an outcome keeps an instance from other plans: no delivery takes longer than Pub/Sub waits,
and what one that died has left over is not to be spared for ever. https://cloud.google.com/pubsub/docs/push
"""


@dataclass(frozen=True, slots=True)
class RecordedStop:
    """An instance that a recorded plan wants stopped, since when, and whether what came of it is recorded too.

    `restart` says that the plan wants it started again.
    """

    key: InstanceKey
    name: str
    planned_at: datetime
    done: bool
    restart: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What is on record when a notification arrives.

    `latest` is when the newest other notification of the same budget, source and period was published; `stops_today`
    counts what was planned for this budget today, and `plans` all plans made for any: it changes with every plan.
    `plan` is the recorded plan of this very message; `in_hand` are the instances that other messages are having stopped
    at this moment, each with the message. `tracker_cost` is what our own rows say was spent in the period.
    """

    received_before: bool = False
    latest: datetime | None = None
    stops_today: int = 0
    plans: int = 0
    plan: tuple[RecordedStop, ...] = ()
    in_hand: Mapping[InstanceKey, str] = field(default_factory=dict)
    tracker_cost: Decimal | None = None
