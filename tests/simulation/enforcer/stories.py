"""A story: a fleet, a policy, and what happens when; the same story always leads to the same life."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tests.simulation.enforcer.policies import Policy
from tests.simulation.enforcer.vms import Answer, Scaler, Vm


class Deed(StrEnum):
    """What people, groups and Google do to a VM."""

    STOP = "a person stops"
    START = "a person starts"
    RESTART = "a person stops and starts"
    USE = "a person starts and then stops"
    DELETE = "a person deletes"
    RECREATE = "a group recreates"
    SUSPEND = "a person suspends"
    PREEMPT = "Google preempts"
    PROTECT = "a person protects"
    RAISE = "a person labels priority=high"
    LOWER = "a person labels priority=low"
    MOVE = "a person moves out of scope"
    STANDARD = "a person makes standard"
    REPAIR = "a person lets the enforcer stop"
    FORBID = "a person forbids the enforcer to stop"


class Side(StrEnum):
    """On which side of a call something happens."""

    BEFORE = "before"
    AFTER = "after"


class Trouble(StrEnum):
    """What befalls the function during a call."""

    FAILS = "the call fails"
    KILLED = "the process is killed"
    OVERLAP = "the next message is delivered meanwhile"


@dataclass(frozen=True, slots=True)
class Command:
    """What an approver published at `sent`: to approve or undo the plan of the message `target`, or to thaw groups."""

    target: str
    sent: datetime
    undo: bool = False
    wrong: bool = False
    thaw: bool = False


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody approves the latest plan or an earlier one, or undoes the latest stops; `wrong` has another hash.

    With `thaw` somebody thaws all groups.

    `delays` are the deliveries of the command, counted from then.
    """

    at: timedelta
    name: str
    undo: bool = False
    wrong: bool = False
    earlier: bool = False
    thaw: bool = False
    delays: tuple[timedelta, ...] = (timedelta(seconds=1),)

    def __str__(self) -> str:
        which = "an earlier" if self.earlier else "the latest"
        what = f"the stops of {which} message" if self.undo else f"{which} plan"
        late = ", ".join(str(delay) for delay in self.delays)
        verb = "undoes" if self.undo else "approves"
        if self.thaw:
            return f"an approver thaws all groups ({self.name}); delivered after {late}"
        return f"an approver {verb} {what}{' by another hash' * self.wrong} ({self.name}); delivered after {late}"


@dataclass(frozen=True, slots=True)
class Message:
    """A budget message: `spent` is a share of the budget; `own` is what the tracker's rows say, None for no rows.

    `early` is by how much its costIntervalStart comes before midnight in Los Angeles.
    `delays` are its deliveries, counted from its publication: the first, and duplicates. With a `command` it is that
    command, and what it says is what the message says that the command is about.
    """

    at: timedelta
    name: str
    budget: str
    spent: Decimal
    own: Decimal | None
    source: str = "billing"
    kind: str = "month"
    last_period: bool = False
    early: timedelta = timedelta(0)
    currency: str = "USD"
    forged: bool = False
    drill: bool = False
    delays: tuple[timedelta, ...] = (timedelta(seconds=1),)
    command: Command | None = None

    def __str__(self) -> str:
        period = f"last {self.kind}'s" if self.last_period else f"the {self.kind}'s"
        own = "no rows" if self.own is None else f"{self.own:.0%}"
        late = ", ".join(str(delay) for delay in self.delays)
        odd = f" in {self.currency}" if self.currency != "USD" else ""
        odd += f" (begun {self.early} early)" if self.early else ""
        marks = "forged " * self.forged + "drill " * self.drill
        return (
            f"{marks}{self.name}: {self.source} says {self.spent:.0%} of {period} {self.budget} is spent{odd} "
            f"(own figure {own}); delivered after {late}"
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Something done to the VM of a name."""

    at: timedelta
    deed: Deed
    vm: str

    def __str__(self) -> str:
        return f"{self.deed}: {self.vm}"


@dataclass(frozen=True, slots=True)
class Switch:
    """A person sets the mode of the autoscalers of the groups of a name; DELETED deletes them."""

    at: timedelta
    group: str
    mode: str

    def __str__(self) -> str:
        return f"a person sets the autoscalers of {self.group} to {self.mode}"


@dataclass(frozen=True, slots=True)
class Outage:
    """Something does not answer for a while: `records`, a zone or a project."""

    at: timedelta
    what: str
    lasting: timedelta

    def __str__(self) -> str:
        return f"{self.what} does not answer for {self.lasting}"


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """The operator changes a field of the policy, or of the rule of a budget."""

    at: timedelta
    field: str
    value: object
    budget: str | None = None

    def __str__(self) -> str:
        return f"the policy's {f'{self.budget}.' if self.budget else ''}{self.field} becomes {self.value}"


@dataclass(frozen=True, slots=True)
class Trap:
    """Something that happens at the next call of this name, about `vm` if named.

    Traps of the same time are sprung together, by the first call that meets one of them.
    """

    at: timedelta
    call: str
    side: Side
    effect: Trouble | Person | PolicyChange | Switch
    vm: str | None = None

    def __str__(self) -> str:
        about = f" of {self.vm}" if self.vm else ""
        return f"at the next {self.call}{about}, {self.side} it: {self.effect}"


type Happening = Message | Person | Trap | Outage | PolicyChange | Approver | Switch


@dataclass(frozen=True, slots=True)
class NewVm:
    """A VM of the fleet at the beginning; `age` is how long it has run by then."""

    name: str
    project: str
    zone: str
    labels: tuple[tuple[str, str], ...] = ()
    created_by: str | None = None
    vcpus: int = 4
    age: timedelta = timedelta(days=2)
    answer: Answer = Answer.STOPS
    refilled: bool = False
    spot: bool = True
    local_ssd: bool = False

    def born(self, number: str, now: datetime) -> Vm:
        """Return the VM."""
        return Vm(
            name=self.name,
            number=number,
            project=self.project,
            zone=self.zone,
            started=now - self.age,
            labels=dict(self.labels),
            created_by=self.created_by,
            vcpus=self.vcpus,
            answer=self.answer,
            refilled=self.refilled,
            spot=self.spot,
            local_ssd=self.local_ssd,
        )

    def __str__(self) -> str:
        labels = " ".join(f"{key}={value}" for key, value in self.labels)
        marks = [labels, self.created_by or "", "standard" * (not self.spot), "refilled" * self.refilled]
        marks.append("local SSD" * self.local_ssd)
        described = ", ".join(filter(None, marks))
        return f"{self.name} in {self.project}/{self.zone} ({described or 'no labels'}), on a stop: {self.answer}"


@dataclass(frozen=True, slots=True)
class NewScaler:
    """The autoscaler of a group at the beginning."""

    project: str
    zone: str
    group: str
    mode: str

    def born(self, number: str) -> Scaler:
        """Return the autoscaler."""
        return Scaler(number, self.project, self.zone, self.group, self.mode)

    def __str__(self) -> str:
        return f"{self.group} in {self.project}/{self.zone} has an autoscaler in mode {self.mode}"


@dataclass(frozen=True, slots=True)
class Story:
    """All that a life is made of."""

    begins: datetime
    policy: Policy
    fleet: tuple[NewVm, ...]
    happenings: tuple[Happening, ...]
    scalers: tuple[NewScaler, ...] = ()
    attempts: int = 6
    settled: timedelta = field(default=timedelta(hours=12))

    def sentences(self) -> Iterator[str]:
        """Tell the story."""
        yield f"It begins {self.begins:%Y-%m-%d %H:%M} UTC; a message is tried {self.attempts} times at most."
        yield f"Policy: {self.policy}."
        yield from (f"VM {vm}." for vm in self.fleet)
        yield from (f"Group {each}." for each in self.scalers)
        yield from (f"{_time(each.at)} {each}." for each in sorted(self.happenings, key=lambda each: each.at))
        yield "Three and four hours later every trouble is over, and each budget repeats what it said, as last-…"


def _time(offset: timedelta) -> str:
    return f"day {offset.days} {str(timedelta(seconds=offset.seconds))[:7]}:"
