"""The history: what is on record when a budget notification arrives."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.estimates.spending import Spending
from spotkeeper.enforcement.policies import Priority
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import rfc3339

PENDING_STOP_TTL = timedelta(minutes=10)
"""How long a planned stop without an outcome is pending, which excludes the instance from other plans: as long as
Pub/Sub's longest ack deadline. https://cloud.google.com/pubsub/docs/push
"""

WAITING_STOP_TTL = timedelta(minutes=125)
"""How long an accepted stop may take until the instance is stopping: the initial delay of a group ends an hour after
the instance was created at the latest, and connections drain for an hour and a minute at most. A graceful shutdown
comes after that: its instance no longer runs, and counts as stopped.
https://cloud.google.com/compute/docs/reference/rest/v1/instanceGroupManagers/stopInstances
https://cloud.google.com/load-balancing/docs/enabling-connection-draining
"""

CAP_WINDOW = timedelta(hours=24)
"""The day of the limits per day: the last 24 hours, whatever the date."""

FAILURE_MEMORY = timedelta(hours=48)
"""How far back failed stops are counted: twice the longest time that one ranks behind those not tried."""

_HASH_LENGTH = 32
"""128 bits in hexadecimal digits."""

_FIRST_PAUSE = timedelta(hours=1)
_LONGEST_PAUSE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RecordedAction:
    """A stop or, if `restart`, a start that the recorded plan of a message contains; `done` if its outcome is final.

    `failed` if its latest request failed, `stopped` if it is on record as stopped; `operation` is that of an accepted
    request that had not finished. `reason` is that of a stop that waits for approval. With an `autoscaling_mode`, it is
    the freeze of a group whose autoscaler had that mode.
    """

    message_id: str
    key: InstanceKey
    name: str
    planned_at: datetime
    done: bool
    restart: bool = False
    failed: bool = False
    stopped: bool = False
    operation: str | None = None
    priority: Priority = Priority.HIGH
    rank: int | None = None
    machine_type: str = ""
    managed_by: str | None = None
    hourly_savings: Decimal | None = None
    reason: str = ""
    autoscaling_mode: str | None = None


def order_of_stop(action: RecordedAction) -> tuple[int, InstanceKey]:
    """Return where a stop comes in the order of its plan."""
    return action.rank or 0, action.key


@dataclass(frozen=True, slots=True)
class AttachedCost:
    """What is attached to an instance cost per hour when it last ran, in USD; None where that is not known.

    A stop ends `ending`, its licenses and Tier_1 bandwidth, and not `disks`. It ends `addresses`, those that the
    instance has while it runs, unless they are reserved: which of the two a running one has is not recorded.
    """

    ending: Decimal | None
    disks: Decimal | None
    addresses: Decimal | None


@dataclass(frozen=True, slots=True)
class Reported:
    """What another notification of the same budget, source and period reported; `tracker_cost` as in History."""

    published_at: datetime
    cost: Decimal
    budget: Decimal
    tracker_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReportedPeriod:
    """What the newest notification on one budget, source and current period reported."""

    budget_id: str
    source: str
    period_end: datetime
    reported: Reported


@dataclass(frozen=True, slots=True)
class FailedStop:
    """A stop that failed, last at `failed_at`, for so many `messages`."""

    failed_at: datetime
    messages: int = 1

    @property
    def retry_at(self) -> datetime:
        """Until when the instance ranks behind those not tried: an hour, twice as long each time, at most a day."""
        pause = _FIRST_PAUSE * (1 << min(self.messages - 1, 10))
        return self.failed_at + min(pause, _LONGEST_PAUSE)

    @property
    def forgotten_at(self) -> datetime:
        """Until when the instance ranks behind those of its own priority that were not tried: a day."""
        return self.failed_at + _LONGEST_PAUSE


@dataclass(frozen=True, slots=True)
class StopCounts:
    """Instances stopped, or planned to be and not failed, in the last 24 hours: for one budget and for all.

    `instances` are those of the budget: one that was started again since is part of the running fleet too.
    """

    budget: int = 0
    total: int = 0
    instances: frozenset[InstanceKey] = frozenset()


@dataclass(frozen=True, slots=True)
class ProposedPlan:
    """A plan that waits for approval, and what it is to stop, for a budget period that ends at `period_end`.

    `freezes` are the groups that it freezes. `executed_by` is the message that began to execute it, `newer_plan` one
    that has planned for its budget since.
    """

    message_id: str
    plan_hash: str
    expires_at: datetime
    stops: tuple[RecordedAction, ...] = ()
    freezes: tuple[RecordedAction, ...] = ()
    executed_by: str | None = None
    newer_plan: str | None = None
    period_end: datetime | None = None

    @property
    def planned_at(self) -> datetime | None:
        """When it was made."""
        return min((each.planned_at for each in (*self.stops, *self.freezes)), default=None)

    @property
    def plan_id(self) -> str:
        """What a person approves: the message of the plan, and the hash of what it stops."""
        return f"{self.message_id}:{self.plan_hash}"

    @property
    def is_intact(self) -> bool:
        """Whether what is on record of it is what was proposed."""
        return self.plan_hash == self.hash_of_record()

    def hash_of_record(self) -> str:
        """Return the hash of what it stops and freezes and until when: it changes when the record of the plan does."""
        what = [[*each.key, each.name] for each in sorted(self.stops, key=order_of_stop)]
        what += [["freeze", *each.key, each.name] for each in sorted(self.freezes, key=order_of_stop)]
        written = json.dumps([self.message_id, rfc3339(self.expires_at), what], ensure_ascii=False)
        return hashlib.sha256(written.encode()).hexdigest()[:_HASH_LENGTH]

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be approved."""
        return self.is_unanswered and now < self.expires_at

    @property
    def is_unanswered(self) -> bool:
        """Whether no message has executed it, or planned anew since."""
        return self.executed_by is None and self.newer_plan is None


@dataclass(frozen=True, slots=True)
class History:
    """What is on record when a notification arrives.

    `newer` are newer notifications of the same budget, source and period; `plans` counts the plans of all budgets: it
    changes with every plan. `plan` is the recorded plan of this message; `pending_stops` maps instances to the other
    message whose stop of them is pending; `failed_stops` has those that failed lately. `unfinished` are
    stops of other messages that wait for Compute Engine, or whose deliveries ended before their outcome was recorded.
    `tracker_cost` is the cost of the period by the tracker's rows, in USD; `spending` what an estimate is made of.
    `attached` has what the instances with a cost row of the last day have attached.
    `proposed` is the latest plan of the budget that was to be approved; `snoozed` says until when an instance is not
    to be stopped, because a person undid its stop.
    """

    received_before: bool = False
    newer: tuple[Reported, ...] = ()
    counts: StopCounts = StopCounts()
    plans: int = 0
    plan: tuple[RecordedAction, ...] = ()
    pending_stops: Mapping[InstanceKey, str] = field(default_factory=dict)
    failed_stops: Mapping[InstanceKey, FailedStop] = field(default_factory=dict)
    unfinished: tuple[RecordedAction, ...] = ()
    tracker_cost: Decimal | None = None
    spending: Spending = field(default_factory=Spending)
    attached: Mapping[str, AttachedCost] = field(default_factory=dict)
    proposed: ProposedPlan | None = None
    snoozed: Mapping[InstanceKey, datetime] = field(default_factory=dict)
