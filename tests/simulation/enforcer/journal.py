"""What happened in a life, as the world saw it: deliveries, plans, requests and what was recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start, previous_period_start
from tests.simulation.enforcer.policies import Policy, Rule
from tests.simulation.enforcer.stories import Message
from tests.simulation.enforcer.vms import Scaler, Vm

type Key = tuple[str, str, str, datetime]

MEMORY = timedelta(days=8)
"""For how long records are read: longer than Pub/Sub keeps a message."""

PLANNED = ("planned", "restart_planned")
OPEN = (*PLANNED, "waiting", "retried")
"""Events after which another one has to come."""


@dataclass(frozen=True, slots=True)
class Row:
    """A recorded action on one VM: what was planned for it or came of it, and why."""

    message: str
    number: str
    event: str
    reason: str
    mode: str
    at: datetime


@dataclass
class Seen:
    """A VM as it was when a delivery began, or when the function listed the fleet."""

    vm: Vm
    status: str
    started: datetime
    project: str
    priority: str
    in_scope: bool
    spared: str | None
    answers: bool
    was_spot: bool = True


@dataclass
class Delivery:
    """One delivery of one message."""

    number: int
    message: Message
    published: datetime
    began: datetime
    policy: Policy
    first: bool
    interval_start: datetime
    present: dict[str, Seen] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    gap: str | None = None
    verdicts: list[str] = field(default_factory=list)
    troubled: bool = False
    acknowledged: bool = False
    ended: datetime | None = None

    @property
    def rule(self) -> Rule | None:
        """The rule of the message's budget."""
        return self.policy.rules.get(self.message.budget)

    @property
    def allowed(self) -> frozenset[str]:
        """The priorities that the message allows to be stopped."""
        return self.rule.allowed(self.message.spent) if self.rule else frozenset()

    @property
    def subject(self) -> Key:
        """What the message is about: budget, source, kind of period and its start."""
        return self.message.budget, self.message.source, self.message.kind, self.interval_start

    @property
    def is_fresh(self) -> bool:
        """Whether the message was delivered soon enough after its publication to stop or start anything."""
        published = self.message.command.sent if self.message.command else self.published
        return self.began - published <= timedelta(minutes=self.policy.max_age_minutes)

    @property
    def is_contradicted(self) -> bool:
        """Whether the message says less than a tenth of what the tracker's own rows say."""
        return self.is_contradicted_by(self.message.own)

    def is_contradicted_by(self, present: Decimal | None) -> bool:
        """Whether it says less than a tenth of what the rows said then, or say at `present` if there were none."""
        own = present if self.message.own is None else self.message.own
        return own is not None and self.message.spent * 10 < own


@dataclass
class Request:
    """A request to stop or to start a VM: accepted when there is an operation, effective when it changed the VM."""

    at: datetime
    delivery: Delivery
    vm: Vm
    accepted: bool = False
    effective: bool = False


@dataclass
class ModeChange:
    """A request to set the mode of an autoscaler, and the mode that it has when it comes."""

    at: datetime
    delivery: Delivery
    scaler: Scaler
    before: str
    mode: str


@dataclass
class Journal:
    """All of it, in order."""

    deliveries: list[Delivery] = field(default_factory=list)
    stops: list[Request] = field(default_factory=list)
    starts: list[Request] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)

    def stopped_since(self, since: datetime, budget: str | None = None) -> set[str]:
        """Return the VMs that the function stopped since a time, for one budget or for any."""
        return {
            each.vm.number
            for each in self.stops
            if each.effective and each.at > since and budget in (None, each.delivery.message.budget)
        }

    def stopped_by_message(self, message: str) -> set[str]:
        """Return the VMs that one message stopped."""
        return {each.vm.number for each in self.stops if each.effective and each.delivery.message.name == message}

    def planned_at(self, message: str, number: str) -> datetime | None:
        """Return when a VM's stop was planned for a message."""
        found = (row.at for row in self.rows if row.message == message and row.number == number)
        return next(found, None)

    def delivery_of(self, row: Row) -> Delivery | None:
        """Return the delivery that recorded a row: the latest one of its message."""
        return next((each for each in reversed(self.deliveries) if each.message.name == row.message), None)

    def newer(self, delivery: Delivery) -> Iterator[Delivery]:
        """Yield the deliveries of newer messages on the same subject that are on record."""
        for each in self.deliveries:
            if (
                (each.acknowledged or each.verdicts)
                and each.subject == delivery.subject
                and each.published > delivery.published
                and not each.message.drill
                and each.message.command is None
            ):
                yield each

    def latest(self, policy: Policy, now: datetime) -> dict[Key, Delivery]:
        """Return the newest acknowledged message on each subject of a current period whose source may stop.

        A budget sends several messages an hour; one that was silent for longer than MEMORY says nothing any more: an
        old message of it that is delivered again tells nothing new.
        """
        found: dict[Key, Delivery] = {}
        for each in self.deliveries:
            rule = policy.rules.get(each.message.budget)
            current = each.interval_start == period_start(each.message.kind, now) and now - each.published < MEMORY
            if not each.acknowledged or not current or rule is None or each.message.drill or each.is_contradicted:
                continue
            if each.message.command is not None:
                continue
            known = found.get(each.subject)
            if rule.may_stop(each.message.source) and (known is None or known.published < each.published):
                found[each.subject] = each
        return found


def interval_start(message: Message, published: datetime) -> datetime:
    """Return the start of the period that a message is about."""
    start = previous_period_start if message.last_period else period_start
    return start(message.kind, published)
