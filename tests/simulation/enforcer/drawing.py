"""Random stories; each kind of world has more of one thing than life has."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.policies import Policy, Rule
from tests.simulation.enforcer.stories import (
    Approver,
    Deed,
    Happening,
    Message,
    NewScaler,
    NewVm,
    Outage,
    Person,
    PolicyChange,
    Side,
    Story,
    Switch,
    Trap,
    Trouble,
)
from tests.simulation.enforcer.vms import Answer

_PROJECTS = ("web-frontend", "batch-jobs")
_ZONES = ("us-central1-a", "us-central1-b")
_VALUES = ("vision", "search")
_LABELS = (
    *((("priority", "low"),),) * 5,
    (("priority", "medium"),),
    (("priority", "high"),),
    (("priority", "urgent"),),
    (("priority", "low"), ("spotkeeper-protect", "true")),
    (("priority", "low"), ("spotkeeper-protect", "2027-12-31-demo")),
    (("priority", "low"), ("spotkeeper-protect", "2026-07-01-to-2026-12-31")),
    (("priority", "low"), ("spotkeeper-protect", "incident-2026-06-30")),
    (("priority", "low"), ("spotkeeper-protect", "2026-06-30")),
    (("goog-gke-node", ""),),
    (("goog-k8s-cluster-name", "main"),),
    (),
)
_GROUPS = (None, None, None, None, "workers", "gke-main-pool-1", "gk3-main-pool-1")
_SCALED_GROUPS = (None, "workers", "workers", "workers", "gke-main-pool-1")
_BROKEN = tuple(answer for answer in Answer if answer is not Answer.STOPS)
_RECORDS = ("history", "rates", "record", "record_plan", "record_outcomes", "stopped")
_FREEZE_CALLS = (
    "autoscalers",
    "find_autoscaler",
    "set_mode",
    "set_mode",
    "operation_of_autoscaler",
    "freezes",
    "record_freezes",
)
_PER_VM = ("find", "act", "warn")
_UNSEEN = (("find", Side.AFTER), ("act", Side.BEFORE))
"""Between the last reading of a VM and the request to stop it, nobody can see what happens."""

_HARMLESS = (Deed.STOP, Deed.PREEMPT, Deed.DELETE)
_OVERTAKING = (Deed.RAISE, Deed.PROTECT, Deed.MOVE, Deed.RESTART, Deed.STOP, Deed.RECREATE, Deed.PREEMPT, Deed.DELETE)
"""What makes a plan wrong that is recorded."""

_MONTH_ENDS = (
    datetime(2026, 7, 31, 20, tzinfo=UTC),
    datetime(2026, 10, 31, 22, tzinfo=UTC),
    datetime(2027, 2, 28, 23, tzinfo=UTC),
)
_BEGINNINGS = (*_MONTH_ENDS, datetime(2026, 7, 14, 9, tzinfo=UTC), datetime(2027, 3, 14, 2, tzinfo=UTC))
_THRESHOLDS = (
    (("1.0", ("low",)),),
    (("1.0", ("low",)),),
    (("1.0", ("low",)), ("1.2", ("medium",))),
    (("0.8", ("low",)), ("1.2", ("medium",))),
    (("1.0", ("low", "medium")),),
    (("1.0", ("low", "medium", "high")),),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of world: how large its fleet is, and how much of what happens in it."""

    name: str
    vms: tuple[int, int] = (2, 8)
    budgets: tuple[int, int] = (1, 2)
    hours: tuple[int, int] = (3, 12)
    broken: float = 0.1
    late: float = 0.05
    duplicated: float = 0.1
    forged: float = 0.0
    deeds: int = 2
    traps: int = 1
    aftermaths: int = 1
    outages: int = 0
    changes: int = 0
    month_end: bool = False
    simple: bool = False
    commands: int = 0
    freezes: bool = False


KINDS = (
    Kind("ordinary"),
    Kind("stuck", vms=(5, 10), hours=(3, 7), broken=0.5, deeds=0, traps=0, aftermaths=0, simple=True, budgets=(1, 1)),
    Kind("people", deeds=12, traps=6, aftermaths=3),
    Kind("backlog", late=0.7, duplicated=0.3),
    Kind("month end", vms=(4, 8), month_end=True, hours=(10, 16), budgets=(1, 2), deeds=5),
    Kind("troubles", traps=8, aftermaths=3, outages=2, broken=0.3),
    Kind("large", vms=(56, 64), budgets=(2, 3), hours=(1, 2), deeds=0, simple=True),
    Kind("forged", forged=0.3, month_end=True, hours=(6, 16), late=0.2),
    Kind("gaps", outages=4, traps=0),
    Kind("taken up again", vms=(3, 6), budgets=(1, 1), hours=(2, 4), deeds=0, traps=0, aftermaths=5),
    Kind("operators", changes=5, traps=4, aftermaths=3, broken=0.3),
    Kind("approvals", changes=2, deeds=4, traps=3, broken=0.2, duplicated=0.3, commands=12),
    Kind(
        "freezes", vms=(4, 9), month_end=True, hours=(8, 16), deeds=4, traps=4, aftermaths=2, freezes=True, commands=3
    ),
    Kind("frozen by approval", vms=(4, 8), deeds=2, traps=2, freezes=True, commands=10, duplicated=0.3),
)


def story_of(seed: int) -> Story:
    """Return the story of a seed."""
    chance = random.Random(seed)  # noqa: S311 (the same story each time)
    return _Drawing(chance, KINDS[seed % len(KINDS)]).story()


def kind_of(seed: int) -> str:
    """Return the name of the kind of world of a seed."""
    return KINDS[seed % len(KINDS)].name


@dataclass
class _Drawing:
    chance: random.Random
    kind: Kind

    def story(self) -> Story:
        chance, kind = self.chance, self.kind
        begins = chance.choice(_MONTH_ENDS if kind.month_end else _BEGINNINGS)
        begins += timedelta(minutes=chance.randrange(0, 120))
        length = timedelta(hours=chance.randint(*kind.hours))
        policy = self._approving(self._policy())
        fleet = tuple(self._vm(number) for number in range(1, chance.randint(*kind.vms) + 1))
        names = [vm.name for vm in fleet]
        happenings: list[Happening] = list(self._messages(policy, begins, length))
        happenings += [self._person(names, length) for _ in range(chance.randint(0, kind.deeds))]
        happenings += [self._trap(names, length, policy) for _ in range(chance.randint(0, kind.traps))]
        for _ in range(chance.randint(0, kind.aftermaths)):
            happenings += self._aftermath(names, length, policy)
        happenings += [self._outage(length) for _ in range(chance.randint(0, kind.outages))]
        happenings += [self._change(policy, length) for _ in range(chance.randint(0, kind.changes))]
        happenings += [self._approver(number, length) for number in range(chance.randint(0, kind.commands))]
        scalers = self._scalers(fleet) if kind.freezes else ()
        if kind.freezes:
            policy = replace(policy, freeze_groups=chance.choice((0.8, 1.0, 1.0, 1.0, 1.2)))
            happenings += [self._switch(length) for _ in range(chance.randint(0, 4))]
            happenings += [self._freeze_trap(length) for _ in range(chance.randint(0, 5))]
        happenings.sort(key=lambda each: each.at)
        return Story(begins, policy, fleet, tuple(happenings), scalers, attempts=chance.choice((3, 3, 6)))

    def _scalers(self, fleet: Sequence[NewVm]) -> tuple[NewScaler, ...]:
        """Give most groups an autoscaler."""
        chance = self.chance
        groups = sorted(
            {(vm.project, vm.zone, vm.created_by.rpartition("/")[2]) for vm in fleet if vm.created_by is not None}
        )
        groups += [("web-frontend", "us-central1-a", "standard-only")]
        return tuple(
            NewScaler(*group, chance.choice(("ON", "ON", "ONLY_SCALE_OUT", "OFF")))
            for group in groups
            if chance.random() < 0.85
        )

    def _switch(self, length: timedelta) -> Switch:
        chance = self.chance
        mode = chance.choice(("ON", "ON", "OFF", "ONLY_UP", "DELETED"))
        return Switch(self._moment(length), chance.choice(("workers", "gke-main-pool-1")), mode)

    def _freeze_trap(self, length: timedelta) -> Trap:
        chance, at = self.chance, self._moment(length)
        call = chance.choice(_FREEZE_CALLS)
        side = chance.choice(tuple(Side))
        switch = Switch(at, "workers", chance.choice(("ON", "OFF", "ONLY_UP")))
        effects: list[Trouble | Switch] = [Trouble.FAILS, Trouble.KILLED, Trouble.OVERLAP, switch]
        # Between the last look at an autoscaler and the request nobody can see what happens.
        if (call, side) in (("find_autoscaler", Side.AFTER), ("set_mode", Side.BEFORE)):
            effects.remove(switch)
            effects.remove(Trouble.OVERLAP)
        return Trap(at, call, side, chance.choice(effects))

    def _policy(self) -> Policy:
        chance, kind = self.chance, self.kind
        rules = {}
        for number in range(1, chance.randint(*kind.budgets) + 1):
            rules[f"b{number}"] = self._rule(f"b{number}")
        return Policy(
            rules=rules,
            mode="dry_run" if not kind.simple and chance.random() < 0.05 else "enforce",
            unlabelled=chance.choice(("low", "low", "medium")),
            minimum_age_minutes=chance.choice((0, 0, 0, 30)),
            grace_seconds=chance.choice((0, 0, 60, 300)),
            restart=chance.random() < (0.9 if kind.month_end else 0.3),
            max_age_minutes=chance.choice((120, 120, 120, 30)),
            per_day_total=50 if kind.simple else chance.choice((50, 50, 50, 4)),
            spare_local_ssd=chance.random() < 0.2,
        )

    def _approving(self, policy: Policy) -> Policy:
        chance = self.chance
        if not self.kind.commands:
            return policy
        minutes, unapproved = chance.choice((10, 30, 60, 240)), chance.random() < 0.4
        mode = "approve" if chance.random() < 0.85 else policy.mode
        return replace(policy, mode=mode, approval_minutes=minutes, execute_unapproved=unapproved)

    def _approver(self, number: int, length: timedelta) -> Approver:
        chance = self.chance
        return Approver(
            at=timedelta(seconds=chance.randrange(int(length.total_seconds()))),
            name=f"command-{number}",
            undo=chance.random() < 0.3,
            wrong=chance.random() < 0.15,
            thaw=self.kind.freezes and chance.random() < 0.2,
            earlier=chance.random() < 0.2,
            delays=tuple(self._delays()),
        )

    def _rule(self, budget: str) -> Rule:
        chance = self.chance
        caps = (20, 30) if self.kind.name == "large" else (chance.choice((1, 2, 3)), chance.choice((2, 4, 30)))
        billing, tracker = chance.choice((("stop", "warn"), ("stop", "warn"), ("stop", "stop"), ("warn", "stop")))
        return Rule(
            budget=budget,
            projects=chance.choice((_PROJECTS, _PROJECTS, _PROJECTS[:1])),
            values=() if self.kind.simple or chance.random() < 0.6 else _VALUES[: chance.randint(1, 2)],
            label=chance.choice(("team", "team", "experiment")),
            thresholds=chance.choice(_THRESHOLDS),
            per_alert=caps[0],
            per_day=caps[1],
            fleet_share="1.0" if self.kind.simple else chance.choice(("1.0", "1.0", "0.5")),
            billing=billing,
            tracker=tracker,
            period=chance.choice(("month", "month", "month", "quarter", "year")),
        )

    def _vm(self, number: int) -> NewVm:
        chance = self.chance
        labels = dict(
            chance.choice(
                _LABELS[:5] if (self.kind.simple or self.kind.month_end) and chance.random() < 0.7 else _LABELS
            )
        )
        if chance.random() < 0.8:
            labels["team"] = chance.choice((*_VALUES, *_VALUES, "finance"))
        if chance.random() < 0.8:
            labels["experiment"] = chance.choice((*_VALUES, *_VALUES, "finance"))
        group = None if self.kind.simple else chance.choice(_SCALED_GROUPS if self.kind.freezes else _GROUPS)
        zone = chance.choice(_ZONES)
        return NewVm(
            name=f"vm-{number}",
            project=chance.choice(_PROJECTS),
            zone=zone,
            labels=tuple(labels.items()),
            created_by=group and f"projects/1/zones/{zone}/instanceGroupManagers/{group}",
            vcpus=chance.choice((2, 4, 8)),
            age=chance.choice((timedelta(minutes=10), timedelta(days=2))),
            answer=chance.choice(_BROKEN) if chance.random() < self.kind.broken else Answer.STOPS,
            refilled=group == "workers" and chance.random() < 0.5,
            spot=chance.random() < 0.95,
            local_ssd=chance.random() < 0.1,
        )

    def _messages(self, policy: Policy, begins: datetime, length: timedelta) -> Iterator[Message]:
        chance, number = self.chance, 0
        for rule in policy.rules.values():
            for source in ("billing", "tracker"):
                if source == "tracker" and rule.tracker == "warn" and chance.random() < 0.7:
                    continue
                curve = self._curve(length)
                early = timedelta(hours=chance.choice((0, 0, 0, 1, 7, 8))) if source == "billing" else timedelta(0)
                at = timedelta(minutes=chance.randrange(0, 40))
                while at < length:
                    number += 1
                    message = self._message(rule, source, f"{rule.budget}-m{number}", at, begins, curve)
                    yield replace(message, early=early)
                    at += timedelta(minutes=chance.randint(20, 40) if source == "billing" else 60)

    def _message(  # noqa: PLR0913, PLR0917 (all of it is drawn together)
        self,
        rule: Rule,
        source: str,
        name: str,
        at: timedelta,
        begins: datetime,
        curve: Sequence[tuple[float, Decimal]],
    ) -> Message:
        chance = self.chance
        spent = next(value for until, value in reversed(curve) if at / timedelta(hours=1) >= until)
        published = begins + at
        kind = "day" if source == "tracker" and chance.random() < 0.3 else "month"
        kind = rule.period if source == "billing" else kind
        is_new = period_start(kind, published) > begins
        last_period = chance.random() < (0.3 if is_new else 0.03)
        if is_new and not last_period and chance.random() < 0.85:
            spent = Decimal("0.02")
        own = chance.choice((spent, spent, (spent * Decimal("0.6")).quantize(Decimal("0.01")), None))
        budget = "b9" if chance.random() < 0.01 else rule.budget
        message = Message(at, name, budget, spent, own, source, kind, last_period, delays=tuple(self._delays()))
        if chance.random() < self.kind.forged:
            return replace(
                message, spent=Decimal("0.01"), own=chance.choice((Decimal("1.3"), Decimal("0.9"))), forged=True
            )
        return replace(message, drill=chance.random() < 0.01, currency="EUR" if chance.random() < 0.01 else "USD")

    def _delays(self) -> Iterator[timedelta]:
        chance = self.chance
        late = chance.random() < self.kind.late
        yield timedelta(minutes=chance.randint(30, 400)) if late else timedelta(seconds=chance.randint(0, 30))
        while chance.random() < self.kind.duplicated:
            yield chance.choice((timedelta(minutes=chance.randint(1, 300)), timedelta(days=chance.randint(1, 20))))

    def _curve(self, length: timedelta) -> list[tuple[float, Decimal]]:
        """The share spent, each value from an hour on."""
        chance, hours = self.chance, length / timedelta(hours=1)
        half = chance.uniform(0.2, 0.8) * hours
        over, under = Decimal(chance.choice(("1.05", "1.1", "1.3"))), Decimal(chance.choice(("0.5", "0.7", "0.9")))
        if self.kind.simple or self.kind.name == "taken up again" or (self.kind.month_end and chance.random() < 0.5):
            return [(0.0, over)]
        rising, falling = [(0.0, under), (half, over)], [(0.0, over), (half, under)]
        return chance.choice(([(0.0, over)], [(0.0, over)], rising, falling, falling, [(0.0, under)]))

    def _person(self, names: Sequence[str], length: timedelta) -> Person:
        return Person(self._moment(length), self.chance.choice(tuple(Deed)), self.chance.choice(names))

    def _trap(self, names: Sequence[str], length: timedelta, policy: Policy) -> Trap:
        chance, at = self.chance, self._moment(length)
        side = chance.choice(tuple(Side))
        person = Person(at, chance.choice(tuple(Deed)), chance.choice(names))
        if chance.random() < 0.4:
            call = chance.choice(_PER_VM)
            if (call, side) in _UNSEEN:
                person = replace(person, deed=chance.choice(_HARMLESS))
            return Trap(at, call, side, chance.choice((Trouble.FAILS, Trouble.KILLED, person, person)), person.vm)
        calls = (
            *_RECORDS,
            "record_plan",
            "record_plan",
            "spot_vms",
            *(("wait", "wait") if policy.grace_seconds else ()),
        )
        effect = chance.choice((Trouble.FAILS, Trouble.KILLED, Trouble.OVERLAP, person, person))
        return Trap(at, chance.choice(calls), side, effect)

    def _aftermath(self, names: Sequence[str], length: timedelta, policy: Policy) -> Iterator[Trap | Outage]:
        """A plan is recorded and not carried out; by the time it is taken up again, something is different."""
        chance, at = self.chance, self._moment(length)
        trouble = Trouble.KILLED if chance.random() < 0.5 else Trouble.FAILS
        call, side = chance.choice((("record_plan", Side.AFTER), ("record_outcomes", Side.BEFORE)))
        if chance.random() < 0.3:
            yield Trap(at, call, side, self._change(policy, length, at))
        for name in chance.sample(names, min(len(names), chance.randint(1, 4))):
            yield Trap(at, call, side, Person(at, chance.choice(_OVERTAKING), name))
        if chance.random() < 0.2:
            yield Trap(at, call, side, Trouble.OVERLAP)
        yield Trap(at, call, side, trouble)
        if chance.random() < 0.3:
            yield Outage(
                at + timedelta(minutes=1), chance.choice(_ZONES), timedelta(minutes=chance.choice((5, 20, 60)))
            )

    def _outage(self, length: timedelta) -> Outage:
        what = self.chance.choice(("records", *_ZONES, *_ZONES, *_PROJECTS))
        return Outage(self._moment(length), what, timedelta(minutes=self.chance.choice((5, 60, 240))))

    def _change(self, policy: Policy, length: timedelta, at: timedelta | None = None) -> PolicyChange:
        chance, at = self.chance, self._moment(length) if at is None else at
        budget = chance.choice(tuple(policy.rules))
        field, value, of_rule = chance.choice(
            (
                ("projects", _PROJECTS[1:], True),
                ("values", _VALUES[:1], True),
                ("thresholds", (("1.5", ("low",)),), True),
                ("thresholds", (("1.0", ("low", "medium", "high")),), True),
                ("per_alert", 1, True),
                ("per_day", 2, True),
                ("mode", "dry_run", False),
                ("mode", "approve" if self.kind.commands and chance.random() < 0.7 else "enforce", False),
                ("snoozed_until", at + timedelta(hours=chance.choice((1, 5))), False),
                ("minimum_age_minutes", 60, False),
                ("restart", True, False),
            )
        )
        return PolicyChange(at, field, value, budget if of_rule else None)

    def _moment(self, length: timedelta) -> timedelta:
        """Rather early: later on, most of what can be stopped is."""
        return timedelta(seconds=int(length.total_seconds() * self.chance.random() ** 2))
