"""Random days of budget notifications, and ways in which Pub/Sub may deliver them."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Caps, Policy, Response, Source
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import PeriodKind, budget_period
from tests.unit.enforcer_fakes import Cloud, Gate
from tests.unit.enforcer_samples import JULY, LOW, MEDIUM, NOW, notification, policy, rule, steps, vm
from tests.unit.enforcer_turns import Turns

DAY = budget_period(PeriodKind.DAY, NOW)
MINUTE = timedelta(minutes=1)
STEPS = (
    steps(("1.0", "low")),
    steps(("0.8", "low"), ("1.0", "low medium")),
    steps(("0.5", "low"), ("0.8", "low medium"), ("1.2", "high")),
)
SOURCES = (
    {Source.BILLING: Response.STOP, Source.TRACKER: Response.WARN},
    {Source.BILLING: Response.WARN, Source.TRACKER: Response.STOP},
)
BOTH_STOP = {Source.BILLING: Response.STOP, Source.TRACKER: Response.STOP}


@dataclass(frozen=True)
class Day:
    """A fleet, a policy, and the notifications of one day in the order in which they were published."""

    fleet: tuple[SpotVm, ...]
    policy: Policy
    news: tuple[BudgetNotification, ...]

    def scope(self, used: BudgetRule) -> set[InstanceKey]:
        """Return the instances that a budget covers."""
        return {each.instance.key for each in self.fleet if used.covers(each.instance)}


def random_day(chance: random.Random, sources: Sequence[dict[Source, Response]] = SOURCES) -> Day:
    """Return a day of one to three budgets that share no instance; what a label or the age says holds all day."""
    rules = [_rule(number, chance, sources) for number in range(chance.randint(1, 3))]
    fleet = tuple(_vm(number, chance) for number in range(chance.randint(4, 14)))
    times = sorted(DAY.start + chance.randrange(1, 23 * 60) * MINUTE for _ in range(chance.randint(3, 9)))
    news = tuple(_news(number, at, chance) for number, at in enumerate(times))
    return Day(
        fleet, policy(*rules, minimum_age_minutes=5 * 24 * 60, unlabelled_priority=chance.choice([LOW, MEDIUM])), news
    )


def orderly(day: Day, news: Iterable[BudgetNotification] | None = None) -> Cloud:
    """Return what a day leaves when every message is delivered once, in order, as soon as it is published."""
    cloud = Cloud().has(*day.fleet)
    for said in day.news if news is None else news:
        deliver(cloud, day, said, said.published_at)
    return cloud


def repeated(day: Day, chance: random.Random) -> Cloud:
    """Return what it leaves when messages are delivered again, at once and later."""
    cloud = Cloud().has(*day.fleet)
    for number, said in enumerate(day.news):
        deliver(cloud, day, said, said.published_at)
        for again in chance.choices(day.news[: number + 1], k=chance.randrange(3)):
            deliver(cloud, day, again, said.published_at)
    return cloud


def reordered(day: Day, chance: random.Random) -> Cloud:
    """Return what it leaves when every message is late by some time of its own, and some come twice.

    All of them come before midnight in Los Angeles: the next day has a cap of its own.
    """
    cloud = Cloud().has(*day.fleet)
    late = [(said.published_at + chance.randrange(6 * 60) * MINUTE, said) for said in (*day.news, *day.news[::2])]
    for at, said in sorted(late, key=lambda each: each[0]):
        deliver(cloud, day, said, min(at, DAY.end - MINUTE))
    return cloud


def concurrent(day: Day, chance: random.Random) -> Cloud:
    """Return what it leaves when up to four deliveries run at the same time, the same message among them."""
    cloud = Cloud().has(*day.fleet)
    left = [*day.news, *day.news[::3]]
    left.sort(key=lambda said: said.published_at)
    while left:
        batch, left = left[:4], left[4:]
        at = max(said.published_at for said in batch)
        cloud.now = max(cloud.now, at)
        Turns(chance).run([_delivery(cloud, day, said) for said in batch])
    return cloud


def deliver(cloud: Cloud, day: Day, said: BudgetNotification, at: datetime) -> None:
    """Deliver a message."""
    cloud.now = at
    cloud.deliver(said, day.policy)


def _delivery(cloud: Cloud, day: Day, said: BudgetNotification) -> Callable[[Gate], None]:
    def run(gate: Gate) -> None:
        for _ in range(20):
            try:
                cloud.deliver(said, day.policy, gate=gate)
            except UnavailableError:
                continue
            return

    return run


def _rule(number: int, chance: random.Random, sources: Sequence[dict[Source, Response]]) -> BudgetRule:
    return rule(
        budget_id=f"budget-{number}",
        projects=("team-a-prod", "team-b-prod"),
        labels={"team": frozenset({f"team-{number}"})},
        steps=chance.choice(STEPS),
        caps=Caps(chance.randint(1, 4), chance.randint(1, 9), Decimal(chance.choice(["1", "0.7", "0.4"]))),
        responses=chance.choice(sources),
    )


def _vm(number: int, chance: random.Random) -> SpotVm:
    labels = {"team": f"team-{chance.randrange(3)}"}
    if chance.random() < 0.8:
        labels["priority"] = chance.choice(["low", "low", "medium", "high"])
    if chance.random() < 0.1:
        labels["spotkeeper-protect"] = chance.choice(["true", "2026-07-25", "2026-07-19"])
    if chance.random() < 0.1:
        labels["goog-gke-node"] = ""
    return vm(
        f"vm-{number:02}",
        labels=labels,
        status=chance.choice(["RUNNING"] * 9 + ["STAGING", "TERMINATED"]),
        started=DAY.start - timedelta(days=chance.choice([2, 10, 11, 12])),
        project=chance.choice(["team-a-prod", "team-b-prod"]),
        vcpus=chance.choice([2, 4, 8, 16]),
    )


def _news(number: int, at: datetime, chance: random.Random) -> BudgetNotification:
    tracker = chance.random() < 0.4
    of_july = JULY.start if chance.random() < 0.9 else budget_period(PeriodKind.MONTH, JULY.start - MINUTE).start
    return notification(
        chance.choice(["20", "55", "85", "95", "99.9", "100", "115", "130", "-5"]),
        message_id=f"message-{number}",
        published=at,
        source=Source.TRACKER if tracker else Source.BILLING,
        start=DAY.start if tracker else of_july,
        period=PeriodKind.DAY if tracker else None,
        budget_id=f"budget-{chance.randrange(3)}",
        drill=chance.random() < 0.1,
    )
