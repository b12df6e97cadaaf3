"""The history: what is on record when a budget notification arrives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.instances import InstanceKey

PENDING_STOP_TTL = timedelta(minutes=10)
"""How long a planned stop without an outcome is pending, which excludes the instance from other plans: as long as
Pub/Sub's longest ack deadline. https://cloud.google.com/pubsub/docs/push
"""


@dataclass(frozen=True, slots=True)
class RecordedAction:
    """A stop or, if `restart`, a start that a recorded plan contains; `done` if its outcome is recorded too."""

    key: InstanceKey
    name: str
    planned_at: datetime
    done: bool
    restart: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What is on record when a notification arrives.

    `latest` is when the newest other notification of the same budget, source and period was published; `stops_today`
    counts the stops planned for this budget today, `plans` the plans of all budgets: it changes with every plan. `plan`
    is the recorded plan of this message; `pending_stops` maps instances to the other message whose stop of them is
    pending. `tracker_cost` is the cost of the period by the tracker's rows, in USD.
    """

    received_before: bool = False
    latest: datetime | None = None
    stops_today: int = 0
    plans: int = 0
    plan: tuple[RecordedAction, ...] = ()
    pending_stops: Mapping[InstanceKey, str] = field(default_factory=dict)
    tracker_cost: Decimal | None = None
