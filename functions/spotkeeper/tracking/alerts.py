"""Alerts for spend that passes a threshold, a pace or a projection, and their withdrawal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from spotkeeper.periods import HOUR, Period, PeriodKind
from spotkeeper.tracking.settings import Budgets, Covers

RESERVATION = timedelta(minutes=15)
"""How long a run may send an alert that it reserved: as long as the function runs. Then the next one takes it over."""

_SHARE = Decimal("1e-6")


class AlertKind(StrEnum):
    """What an alert is about: the spend of a period, the cost of an hour of a day, or what the day will have cost.

    A withdrawal says that an estimated spend passed a threshold which the recorded spend has not passed.
    """

    THRESHOLD = "threshold"
    PACE = "pace"
    PROJECTION = "projection"
    WITHDRAWAL = "withdrawal"


class Notified(NamedTuple):
    """What was notified in a period: a threshold of a budget of this amount, so that another amount is news.

    `label_budget` is the id of a budget of a label value, and empty for the budgets of all VMs.
    """

    kind: AlertKind
    threshold: Decimal
    budget_usd: Decimal
    label_budget: str = ""


class Sent(NamedTuple):
    """What was notified of the period of a kind that began at `start`; `estimated_at` is the time of an estimate."""

    kind: str
    start: datetime
    notified: Notified
    estimated_at: datetime | None = None


class HourSpend(NamedTuple):
    """The cost of one hour that budgets are compared with, and its uptime in hours.

    `unpriced_hours` are of rows without a Spot price, `unresolved_hours` of VMs without an identity. A budget of the
    total cost has two more: `partial_hours` of rows with a Spot price, but without that of something attached, and
    `compute_only_hours` of rows recorded before what is attached was. Such an hour counts with what is known. Its cost
    has disks and reserved addresses while no VM runs with them, too; `unpriced_resource_hours` are of those without a
    price.
    """

    hour: datetime
    cost_usd: Decimal
    uptime_hours: Decimal = Decimal(0)
    unpriced_hours: Decimal = Decimal(0)
    unresolved_hours: Decimal = Decimal(0)
    partial_hours: Decimal = Decimal(0)
    compute_only_hours: Decimal = Decimal(0)
    unpriced_resource_hours: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Spend:
    """What Spot VMs cost in a period so far, in USD, by recorded hour, and what was notified already.

    They are all VMs, or those that `label_budget` is about. What has no identity has no label: it may be one of them.
    `estimates` are those of `notified` that were estimated, with the times of the estimates.
    """

    period: Period
    cost_usd: Decimal
    notified: frozenset[Notified] = frozenset()
    hours: tuple[HourSpend, ...] = ()
    label_budget: str = ""
    estimates: tuple[tuple[Notified, datetime], ...] = ()

    @property
    def unseen_share(self) -> Decimal | None:
        """The share of the uptime whose cost is not known: without a price or an identity; None without uptime."""
        return self._share(sum((each.unpriced_hours + each.unresolved_hours for each in self.hours), Decimal(0)))

    @property
    def partial_share(self) -> Decimal | None:
        """The share of the uptime of whose total cost a part is not known; None without uptime."""
        return self._share(sum((each.partial_hours for each in self.hours), Decimal(0)))

    @property
    def unpriced_resource_hours(self) -> Decimal:
        """Hours of disks and reserved addresses whose price is not known."""
        return sum((each.unpriced_resource_hours for each in self.hours), Decimal(0))

    def _share(self, part: Decimal) -> Decimal | None:
        uptime = sum((each.uptime_hours + each.unresolved_hours for each in self.hours), Decimal(0))
        return (part / uptime).quantize(_SHARE, ROUND_HALF_UP) if uptime else None

    @property
    def counts_from(self) -> datetime | None:
        """The first recorded hour, when the period began before it; None when the figures are of the whole period."""
        first = min((each.hour for each in self.hours), default=None)
        return first if first is not None and first > self.period.start else None

    @property
    def total_from(self) -> datetime | None:
        """When the total cost counts from; None unless an earlier hour has rows of compute cost alone."""
        latest = max((each.hour for each in self.hours if each.compute_only_hours), default=None)
        return None if latest is None else latest + HOUR

    @property
    def recorded_until(self) -> datetime | None:
        """The end of the latest recorded hour; None without any."""
        return max((each.hour + HOUR for each in self.hours), default=None)

    @property
    def dearest_hour_usd(self) -> Decimal:
        """The cost of the hour that cost most."""
        return max((each.cost_usd for each in self.hours), default=Decimal(0))

    @property
    def projected_usd(self) -> Decimal:
        """What the period will have cost if all hours after the latest recorded one cost as much as that one."""
        latest = max(self.hours, default=None)
        if latest is None:
            return self.cost_usd
        return self.cost_usd + latest.cost_usd * ((self.period.end - latest.hour - HOUR) // HOUR)


@dataclass(frozen=True, slots=True)
class Alert:
    """A period that passed one or more thresholds of its budget for the first time; `thresholds` ascend.

    A `repeated` one was notified before: it reminds the enforcer, not people, that a threshold at which it may stop
    instances is still passed. `unseen_share`, `counts_from`, `partial_share`, `total_from`, `label_budget` and
    `unpriced_resource_hours` are those of the spend. `estimated_at` is when the cost was estimated, None for a recorded
    one. An estimate is of the instances that run then: what ended since the last recorded hour is not in it.
    """

    period: Period
    cost_usd: Decimal
    budget_usd: Decimal
    thresholds: tuple[Decimal, ...]
    kind: AlertKind = AlertKind.THRESHOLD
    repeated: bool = False
    unseen_share: Decimal | None = None
    counts_from: datetime | None = None
    covers: Covers = Covers.TOTAL
    partial_share: Decimal | None = None
    total_from: datetime | None = None
    label_budget: str = ""
    unpriced_resource_hours: Decimal = Decimal(0)
    estimated_at: datetime | None = None

    @property
    def at_least(self) -> bool:
        """Whether the period cost more than is known."""
        begins_late = self.counts_from or self.total_from
        unknown = self.unseen_share or self.partial_share or self.unpriced_resource_hours
        return bool(unknown or begins_late or self.estimated_at)


def spend_of(period: Period, hours: Iterable[HourSpend], sent: Iterable[Sent], label_budget: str = "") -> Spend:
    """Return the spend of a period, from hours and alerts of any."""
    within = tuple(each for each in sorted(hours) if period.start <= each.hour < period.end)
    about = (period.kind, period.start, label_budget)
    own = [each for each in sent if (each.kind, each.start, each.notified.label_budget) == about]
    return Spend(
        period,
        sum((each.cost_usd for each in within), Decimal(0)),
        frozenset(each.notified for each in own),
        within,
        label_budget,
        tuple((each.notified, each.estimated_at) for each in own if each.estimated_at),
    )


def due_alerts(spends: Iterable[Spend], budgets: Budgets, present: Iterable[Period]) -> list[Alert]:
    """Return the alerts that are due: for each period one for all thresholds that were not notified yet.

    A present day has two more, once each: when an hour costs more than its share of the budget, and when the day is
    projected to cost more than it; neither once it has cost that much and the enforcer may stop instances for it. A
    present period that has passed a threshold at which the enforcer may stop
    instances is repeated: the ledger lets that happen once an hour.
    """
    now = frozenset(present)
    by_id = budgets.by_id()
    return [
        alert
        for spend in spends
        for alert in _alerts_of(spend, by_id[spend.label_budget], is_present=spend.period in now)
    ]


def withdrawals(spends: Iterable[Spend], budgets: Budgets) -> list[Alert]:
    """Return what is to be withdrawn: thresholds of estimates that the recorded spend has not passed either.

    A full hour after the estimate has to be recorded too: a spend that rises on passes the threshold by then, a minute
    later than estimated. What is withdrawn may be notified again.
    """
    by_id = budgets.by_id()
    found = []
    for spend in spends:
        own = by_id[spend.label_budget]
        budget = own.amounts_usd.get(spend.period.kind)
        thresholds = tuple(
            sorted(
                each.threshold
                for each, at in spend.estimates
                if each.budget_usd == budget
                and spend.cost_usd < each.budget_usd * each.threshold
                and spend.recorded_until is not None
                and at + HOUR <= spend.recorded_until
            )
        )
        if thresholds:
            found.append(_alert(spend, own, thresholds, AlertKind.WITHDRAWAL))
    return found


def _alerts_of(spend: Spend, budgets: Budgets, *, is_present: bool) -> Iterator[Alert]:
    budget = budgets.amounts_usd.get(spend.period.kind)
    if budget is None:
        return
    reached = tuple(each for each in budgets.all_thresholds if spend.cost_usd >= budget * each)
    new = tuple(
        each
        for each in reached
        if Notified(AlertKind.THRESHOLD, each, budget, spend.label_budget) not in spend.notified
    )
    if new:
        yield _alert(spend, budgets, new)
    stopping = tuple(each for each in reached if each in budgets.stop_thresholds)
    if is_present and stopping and not new:
        yield _alert(spend, budgets, stopping, repeated=True)
    # Above the budget, a second message of the same cost would have the enforcer stop twice as many at once.
    doubles = bool(stopping) and spend.cost_usd >= budget
    if is_present and spend.period.kind is PeriodKind.DAY and not doubles:
        for kind, share, cost in (
            (AlertKind.PACE, budgets.hour_share, spend.dearest_hour_usd),
            (AlertKind.PROJECTION, budgets.projection_share, spend.projected_usd),
        ):
            passed = kind is AlertKind.PROJECTION and spend.cost_usd > budget * share
            notified = Notified(kind, share, budget, spend.label_budget) in spend.notified
            if cost > budget * share and not passed and not notified:
                yield _alert(spend, budgets, (share,), kind)


def _alert(
    spend: Spend,
    budgets: Budgets,
    thresholds: tuple[Decimal, ...],
    kind: AlertKind = AlertKind.THRESHOLD,
    *,
    repeated: bool = False,
) -> Alert:
    return Alert(
        spend.period,
        spend.cost_usd,
        budgets.amounts_usd[spend.period.kind],
        thresholds,
        kind,
        repeated,
        spend.unseen_share,
        spend.counts_from,
        budgets.covers,
        spend.partial_share,
        spend.total_from,
        spend.label_budget,
        spend.unpriced_resource_hours,
    )
