"""Spot VMs as they are: identity, labels, life, and how Compute Engine answers requests about them."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from tests.simulation.enforcer.calendar import LOS_ANGELES

RUNNING, STOPPING, TERMINATED, SUSPENDED = "RUNNING", "STOPPING", "TERMINATED", "SUSPENDED"


class Answer(StrEnum):
    """How a request to stop a VM ends."""

    STOPS = "stops"
    FORBIDDEN = "403"
    BUSY = "429 twice, then stops"
    UNAVAILABLE = "503"
    OPERATION_FAILS = "the operation fails"
    OPERATION_ENDLESS = "the operation never ends"
    DELAYED = "stops after 40 minutes"


class Actor(StrEnum):
    """Who stopped a VM last."""

    ENFORCER = "enforcer"
    PERSON = "person"
    GOOGLE = "Google"


_DELAYS = {Answer.DELAYED: timedelta(minutes=40)}
WORKING = frozenset({Answer.STOPS, Answer.BUSY, Answer.DELAYED})
"""Answers with which a stop takes effect in the end."""

_GKE_LABELS = ("goog-gke-node", "goog-k8s-cluster-name")
_GKE_GROUPS = ("gke-", "gk3-")


@dataclass
class Vm:
    """One VM, identified by its number; a recreated one has the same name and another number."""

    name: str
    number: str
    project: str
    zone: str
    started: datetime
    labels: dict[str, str] = field(default_factory=dict)
    created_by: str | None = None
    vcpus: int = 4
    spot: bool = True
    status: str = RUNNING
    answer: Answer = Answer.STOPS
    refilled: bool = False
    local_ssd: bool = False
    attempts: int = 0
    stopped_by: Actor | None = None
    stopped_at: datetime | None = None
    failed_at: datetime | None = None
    requested_at: datetime | None = None
    warned_until: datetime | None = None

    @property
    def is_gke_node(self) -> bool:
        """Whether any mark says that GKE made it."""
        group = (self.created_by or "").rpartition("/instanceGroupManagers/")[2]
        return any(label in self.labels for label in _GKE_LABELS) or group.startswith(_GKE_GROUPS)

    @property
    def works(self) -> bool:
        """Whether a request to stop it takes effect in the end."""
        return self.answer in WORKING

    @property
    def saving(self) -> int:
        """What its stop saves, in some unit; a local SSD of these machine types has no known price."""
        return 0 if self.local_ssd else self.vcpus

    @property
    def delay(self) -> timedelta:
        """How long after the request it stops."""
        return _DELAYS.get(self.answer, timedelta(0))

    def is_protected(self, now: datetime) -> bool:
        """Whether its label protects it: true, a reason, or a last day in Los Angeles with or without a reason."""
        value = self.labels.get("spotkeeper-protect")
        if value is None or value in ("false", "no", "off", "0"):
            return False
        last_day = _leading_date(value)
        if last_day is None:
            return True
        return now < datetime.combine(last_day + timedelta(days=1), time(), LOS_ANGELES)


@dataclass
class Scaler:
    """The autoscaler of a group, identified by its number.

    `frozen_until` is the end of the period for which the enforcer switched it off, `former` the mode that it had then;
    once a person has changed it, it is theirs, and not to be frozen before `theirs_until`. `unseen` is the freeze that
    they ended, as long as the enforcer has not looked: when they switch it off again before, nobody can tell.
    """

    number: str
    project: str
    zone: str
    group: str
    mode: str = "ON"
    exists: bool = True
    former: str = ""
    frozen_until: datetime | None = None
    frozen_by: str | None = None
    theirs_until: datetime | None = None
    unseen: tuple[datetime, str | None] | None = None
    changed_at: datetime | None = None

    def owns(self, vm: Vm) -> bool:
        """Whether a VM is a member of its group."""
        group = (vm.created_by or "").rpartition("/instanceGroupManagers/")[2]
        return (vm.project, vm.zone, group) == (self.project, self.zone, self.group)

    def change(self, mode: str, now: datetime) -> None:
        """Let a person set its mode; to set it to the one that it has changes nothing."""
        if mode == self.mode:
            return
        self.mode, self.changed_at = mode, now
        if self.unseen is not None and mode == "OFF":
            (self.frozen_until, self.frozen_by), self.theirs_until, self.unseen = self.unseen, None, None
        elif self.frozen_until is not None:
            self.unseen = self.frozen_until, self.frozen_by
            self.theirs_until, self.frozen_until, self.frozen_by = self.frozen_until, None, None


def _leading_date(value: str) -> date | None:
    """The last day: a date at the beginning that stands alone or before a reason, and is not the start of a range."""
    head, rest = value[:10], value[10:]
    try:
        found = date.fromisoformat(head)
    except ValueError:
        return None
    is_range = any(mark in rest for mark in ("-to-", "-until-")) and any(part.isdigit() for part in rest.split("-"))
    return None if (rest and not rest.startswith("-")) or is_range else found
