"""A life: a story comes true, message by message, while the invariants watch."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tests.simulation.enforcer.adapter import CallFailedError, Function, Killed, NotAcknowledgedError
from tests.simulation.enforcer.calendar import period_end
from tests.simulation.enforcer.facts import End, Facts, Plan, Violation
from tests.simulation.enforcer.invariants import UNEXPECTED_ERROR, Event, violations_of
from tests.simulation.enforcer.journal import PLANNED, Delivery, Journal, ModeChange, Request, Row, Seen, interval_start
from tests.simulation.enforcer.policies import Policy
from tests.simulation.enforcer.stories import (
    Approver,
    Command,
    Happening,
    Message,
    Outage,
    Person,
    PolicyChange,
    Side,
    Story,
    Switch,
    Trap,
    Trouble,
)
from tests.simulation.enforcer.vms import Scaler, Vm
from tests.simulation.enforcer.world import RefusedError, World

_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(seconds=10), timedelta(minutes=10)
_WORLD, _DELIVERIES = 0, 1
_BUSY = timedelta(seconds=30)
"""How long a message waits that comes while another one is handled: there is one instance, for one request."""

_CLOSING = (timedelta(hours=3), timedelta(hours=4))


class Deliverable(Protocol):
    """What messages are delivered to."""

    def deliver(self, delivery: Delivery, own: Decimal | None) -> str:
        """Handle a delivery and return its verdict; raises NotAcknowledgedError and Killed."""
        ...


@dataclass
class Life:
    """One run of a story against the function."""

    story: Story
    function_of: Callable[["Life"], Deliverable] = Function
    world: World = field(init=False)
    policy: Policy = field(init=False)
    journal: Journal = field(default_factory=Journal)
    violations: list[Violation] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    _busy: bool = False
    _waiting: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world, self.policy = World(self.story.begins), self.story.policy
        self._function = self.function_of(self)
        self._facts = Facts(self.world, self.journal)
        self._numbers = itertools.count(1)

    def run(self) -> list[Violation]:
        """Live it, and return what was wrong."""
        for vm in self.story.fleet:
            self.world.add(vm)
        for scaler in self.story.scalers:
            self.world.scale(scaler)
        for each in self.story.happenings:
            self._plan(each)
        self.world.run()
        self._close()
        self._check(End(self.world.now))
        return self.violations

    def passes(self, delivery: Delivery, call: str, side: Side, vm: str | None = None) -> None:
        """Spring the traps that are set for this call."""
        matching = [each for each in self.traps if each.call == call and each.side is side and each.vm == vm]
        for trap in [each for each in matching if each.at == matching[0].at]:
            if trap in self.traps:
                self.traps.remove(trap)
                self._spring(trap, delivery)

    def lists(self, delivery: Delivery, project: str) -> None:
        """Remember the fleet as it is read."""
        delivery.seen = {number: seen for number, seen in delivery.seen.items() if seen.project != project}
        delivery.seen |= self._present(delivery, [project])

    def stops(self, delivery: Delivery, vm: Vm, request: Callable[[], None]) -> None:
        """Check a request to stop a VM, then make it."""
        with self.world.lock:
            made = Request(self.world.now, delivery, vm)
            self._check(made, stop=True)
            self.journal.stops.append(made)
            was_running = vm.status == "RUNNING"
            try:
                request()
            except RefusedError as error:
                made.accepted = error.accepted
                made.effective = was_running and error.accepted and vm.works
                raise
            made.accepted, made.effective = True, was_running

    def starts(self, delivery: Delivery, vm: Vm) -> None:
        """Check a request to start a VM, then make it."""
        with self.world.lock:
            made = Request(self.world.now, delivery, vm, effective=True)
            self._check(made, stop=False)
            self.journal.starts.append(made)
            self.world.start(vm)

    def sets_mode(self, delivery: Delivery, scaler: Scaler, mode: str) -> None:
        """Check a request to set the mode of an autoscaler, then make it."""
        with self.world.lock:
            self._check(ModeChange(self.world.now, delivery, scaler, scaler.mode, mode))
            if mode == "OFF":
                kind = delivery.message.kind
                scaler.former, scaler.frozen_by = scaler.mode, delivery.message.name
                scaler.frozen_until = period_end(kind, self.world.now)
            else:
                scaler.theirs_until = scaler.frozen_until
                scaler.frozen_until = scaler.frozen_by = None
            scaler.mode = mode

    def records(self, delivery: Delivery, rows: list[Row]) -> None:
        """Check what is recorded."""
        if any(row.event in (*PLANNED, "spared") for row in rows):
            self._check(Plan(delivery, rows))
        for row in rows:
            self._check(row)
        self.journal.rows += rows

    def deliver(self, message: Message, attempt: int) -> None:
        """Deliver a message once; Pub/Sub delivers it again when that fails."""
        published = self.story.begins + message.at
        delivery = Delivery(
            number=next(self._numbers),
            message=message,
            published=published,
            began=self.world.now,
            policy=self.policy,
            first=all(each.message.name != message.name for each in self.journal.deliveries),
            interval_start=interval_start(message, published),
        )
        self.journal.deliveries.append(delivery)
        delivery.present = self._present(delivery, delivery.rule.projects if delivery.rule else ())
        outer, self._busy = self._busy, True
        try:
            verdict = self._function.deliver(delivery, message.own)
            self.journal.verdicts.setdefault(message.name, verdict)
            delivery.acknowledged = True
        except (NotAcknowledgedError, Killed):
            if attempt < self.story.attempts:
                pause = min(_FIRST_BACKOFF * 2 ** (attempt - 1), _LONGEST_BACKOFF)
                self._send(self.world.now + pause, message, attempt + 1)
        except Exception as error:  # noqa: BLE001 (whatever the function raises is a finding)
            self.violations.append(Violation(UNEXPECTED_ERROR, f"{message.name}: {error!r}", self.world.now))
        self._busy = outer
        delivery.ended = self.world.now
        self._check(delivery)

    def _present(self, delivery: Delivery, projects: Iterable[str]) -> dict[str, Seen]:
        rule, found = delivery.rule, {}
        for vm in self.world.existing(projects) if rule else ():
            answers = self.world.answers(vm.zone) and self.world.answers(vm.project)
            if not answers:
                delivery.gap = vm.zone
            found[vm.number] = Seen(
                vm=vm,
                status=vm.status,
                started=vm.started,
                project=vm.project,
                priority=delivery.policy.priority(vm),
                in_scope=rule is not None and rule.covers(vm) and vm.spot,
                spared=delivery.policy.spares(vm, self.world.now),
                answers=answers,
                was_spot=vm.spot,
            )
        return found

    def _spring(self, trap: Trap, delivery: Delivery) -> None:
        if isinstance(trap.effect, Person | PolicyChange | Switch):
            self._happen(trap.effect)
        elif trap.effect is Trouble.OVERLAP:
            self._overlap()
        else:
            delivery.troubled, self._facts.troubled_at = True, self.world.now
            if trap.effect is Trouble.KILLED:
                raise Killed
            if trap.vm is not None and (vm := self.world.named(trap.vm)) is not None:
                vm.failed_at = self.world.now  # Whoever asked for its stop cannot tell this from a stop that failed.
            message = f"{trap.call} fails"
            raise CallFailedError(message)

    def _plan(self, happening: Happening) -> None:
        at = self.story.begins + happening.at
        if isinstance(happening, Message):
            for delay in happening.delays:
                self._send(at + delay, happening, 1)
        else:
            self.world.plan(at, _WORLD, "", lambda: self._happen(happening))

    def _happen(self, happening: Person | Trap | Outage | PolicyChange | Approver | Switch) -> None:
        if isinstance(happening, Approver):
            self._command(happening)
        elif isinstance(happening, Switch):
            self.world.switch(happening.group, happening.mode)
        elif isinstance(happening, Person):
            self.world.do(happening.deed, happening.vm)
        elif isinstance(happening, Trap):
            self.traps.append(happening)
        elif isinstance(happening, Outage):
            self.world.silent[happening.what] = self.world.now + happening.lasting
            self._facts.troubled_at = self.world.now + happening.lasting
        else:
            self.policy = changed(self.policy, happening, self.story.begins)

    def _command(self, approver: Approver) -> None:
        """Publish a command about the latest plan or stops that are known, if there are any."""
        stopped = [each.delivery.message for each in self.journal.stops if each.effective]
        planned = [each.delivery.message for each in self._facts.waiting.values()]
        known = stopped if approver.undo else planned
        if approver.thaw:
            known = [each.message for each in self.journal.deliveries if each.message.command is None]
        if not known:
            return
        about, now = known[-2 if approver.earlier and len(known) > 1 else -1], self.world.now
        command = Command(about.name, now, approver.undo, approver.wrong, approver.thaw)
        for delay in approver.delays:
            self._send(now + delay, replace(about, name=approver.name, command=command), 1)

    def _send(self, at: datetime, message: Message, attempt: int) -> None:
        entry = (at, lambda: self.deliver(message, attempt))
        self._waiting.append(entry)

        def arrive() -> None:
            if entry not in self._waiting:
                return
            self._waiting.remove(entry)
            if self._busy:
                self._send(self.world.now + _BUSY, message, attempt)
            else:
                entry[1]()

        self.world.plan(at, _DELIVERIES, message.name, arrive)

    def _overlap(self) -> None:
        """Deliver the message that is next in the queue, now."""
        if self._waiting:
            entry = min(self._waiting, key=lambda each: each[0])
            self._waiting.remove(entry)
            entry[1]()

    def _close(self) -> None:
        """End every trouble, and let each budget send two ordinary messages more."""
        self.traps.clear()
        self.world.silent.clear()
        now = self.world.now
        for budget, rule in self.policy.rules.items():
            for number, delay in enumerate(_CLOSING):
                source = "billing" if rule.billing == "stop" else "tracker"
                last = self._facts.last_spent(budget)
                at = now + delay - self.story.begins
                kind = rule.period if source == "billing" else "month"
                self._plan(Message(at, f"last-{budget}-{number}", budget, last, last, source=source, kind=kind))
        self.world.run(now + self.story.settled)

    def _check(self, event: Event, *, stop: bool = True) -> None:
        self.violations += violations_of(self._facts, event, stop=stop)


def changed(policy: Policy, change: PolicyChange, begins: datetime) -> Policy:
    """Return the policy after a change; a snooze is given as time since the beginning."""
    value = begins + change.value if isinstance(change.value, timedelta) else change.value
    if change.budget is None:
        return replace(policy, **{change.field: value})  # type: ignore[arg-type]
    rule = replace(policy.rules[change.budget], **{change.field: value})  # type: ignore[arg-type]
    return replace(policy, rules={**policy.rules, change.budget: rule})
