"""What an invariant may look at: the world, the journal, and the events that it judges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.journal import OPEN, PLANNED, Delivery, Journal, Row, Seen
from tests.simulation.enforcer.policies import Policy
from tests.simulation.enforcer.vms import RUNNING
from tests.simulation.enforcer.world import World

HELD_BACK = timedelta(hours=24)
"""How long a VM whose stop failed may be left behind those not tried yet."""

WAITING = timedelta(minutes=125)
"""How long an accepted stop may take until it is looked at for the last time."""

PENDING = timedelta(hours=3)
"""How long a plan without an outcome may keep a VM from other plans; longer than any message is news."""


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, when, and how."""

    name: str
    problem: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.name}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as it was recorded for a message."""

    delivery: Delivery
    rows: list[Row]

    @property
    def stops(self) -> set[str]:
        """The VMs that it stops."""
        return {row.number for row in self.rows if row.event == "planned"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that waits for approval."""

    delivery: Delivery
    stops: frozenset[str]
    made_at: datetime

    @property
    def expires_at(self) -> datetime:
        """Until when it can be approved, unless its period ends before."""
        return self.made_at + timedelta(minutes=self.delivery.policy.approval_minutes)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a life."""

    at: datetime


@dataclass
class Facts:
    """What is known of a life so far; `chances` counts the alerts in a row that could have stopped a VM and did not."""

    world: World
    journal: Journal
    troubled_at: datetime | None = None
    fleet_at_plan: dict[str, int] = field(default_factory=dict)
    chances: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    executed: dict[str, tuple[str, Delivery]] = field(default_factory=dict)
    """By the message of a plan that waited: which message executed it, in which delivery."""

    def last_spent(self, budget: str) -> Decimal:
        """Return the share spent by the newest genuine message of a budget."""
        found = [
            (each.published, each.message.spent)
            for each in self.journal.deliveries
            if each.message.budget == budget and not each.message.forged and not each.message.last_period
        ]
        return max(found, default=(self.world.now, Decimal("0.5")))[1]

    def fleet_base(self, delivery: Delivery) -> int:
        """Return of how many VMs the share is a share: those that run in scope or were stopped in a day, each once."""
        rule = delivery.rule
        if rule is None:
            return 0
        existing = self.world.existing(rule.projects)
        running = {vm.number for vm in existing if vm.status == RUNNING and vm.spot and rule.covers(vm)}
        return len(running | self._stopped_in_a_day(rule.budget))

    def fleet_as_listed(self, delivery: Delivery) -> int:
        """Return the same of the fleet as the function listed it.

        It cannot know what changed since then, or runs where nothing answers.
        """
        if delivery.rule is None:
            return 0
        listed = {number: seen for number, seen in delivery.seen.items() if seen.in_scope and seen.answers}
        running = {number for number, seen in listed.items() if seen.status == RUNNING}
        return len(running | self._stopped_in_a_day(delivery.rule.budget))

    def _stopped_in_a_day(self, budget: str) -> set[str]:
        return self.journal.stopped_since(self.world.now - timedelta(hours=24), budget)

    def pending(self, number: str, message: str) -> bool:
        """Whether another message has planned the stop of a VM a while ago, and nothing has come of it yet."""
        since = self.world.now - PENDING
        rows = [row for row in self.journal.rows if row.number == number and row.message != message and row.at > since]
        planned = {row.message for row in rows if row.event in PLANNED and row.mode == "enforce"}
        return bool(planned - {row.message for row in rows if row.event not in OPEN})

    def undo_of(self, number: str) -> Delivery | None:
        """Return the undo that still keeps a VM from being stopped: to the end of the period of its stop."""
        for each in reversed(self.journal.deliveries):
            command = each.message.command
            if command is None or not command.undo or "undone" not in each.verdicts:
                continue
            rows = [row for row in self.journal.rows if row.message == command.target and row.number == number]
            is_planned = any(row.event == "planned" and row.mode == "enforce" for row in rows)
            if is_planned and period_start(each.message.kind, self.world.now) == each.interval_start:
                return each
        return None

    def could_be_stopped(self, seen: Seen, delivery: Delivery) -> bool:
        """Whether a VM, as it was listed, could be tried for a message and has not failed lately."""
        failed = seen.vm.failed_at
        return (
            seen.in_scope
            and seen.answers
            and seen.status == RUNNING
            and seen.spared is None
            and seen.priority in delivery.allowed
            and (delivery.message.spent >= 1 or seen.vm.saving > 0)
            and (failed is None or self.world.now - failed > HELD_BACK)
            and not self.pending(seen.vm.number, delivery.message.name)
            and self.undo_of(seen.vm.number) is None
        )

    def lately_troubled(self) -> bool:
        """Whether calls failed, so that plans may be on record whose outcome is not."""
        return self.troubled_at is not None and self.world.now - self.troubled_at < PENDING

    def newest_contrary(self, delivery: Delivery) -> Iterator[Delivery]:
        """Yield the newest message on the same subject, if it is newer than this one and credible."""
        present = delivery.message.own
        newer = [each for each in self.journal.newer(delivery) if not each.is_contradicted_by(present)]
        if newer:
            yield max(newer, key=lambda each: each.published)


def may_act(policy: Policy, delivery: Delivery, now: datetime) -> str | None:
    """Return why a message may not lead to any act under its policy; None when it may."""
    rule, command = delivery.rule, delivery.message.command
    if policy.mode == "dry_run":
        return f"the mode is {policy.mode}"
    if delivery.message.currency != "USD":
        return "the message is in another currency"
    if delivery.message.drill:
        return "the message is a drill"
    if policy.snoozed(now) and not (command is not None and command.undo):
        return "the policy is snoozed"
    if rule is None or not rule.may_stop(delivery.message.source):
        return f"{delivery.message.source} may only warn"
    return None
