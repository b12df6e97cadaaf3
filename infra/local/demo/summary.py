"""The demo in a dozen lines: what the fleet cost, when the budget was passed, and what the stops avoid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from infra.local.demo.budget_exceeded import NOTIFICATIONS, STOPS, afternoon_rows
from infra.local.demo.two_days import ALERTS, COVERAGE, PER_DAY, RECORD, fleet_rows
from infra.local.stack.stack import Stack

WIDTH = 80
_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of the tracker about the budget of the month, with the last recorded hour behind it."""

    share: Decimal
    cost: Decimal
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Stops:
    """What the enforcer did about the notification over budget; money is in USD per hour."""

    at: datetime
    period_end: datetime
    names: tuple[str, ...]
    planned: int
    deferred: int
    hourly_cost: Decimal
    hourly_savings: Decimal

    @property
    def avoided(self) -> Decimal:
        """What the stopped VMs would have cost until the end of the budget's period."""
        hours = Decimal((self.period_end - self.at).total_seconds()) / _HOUR_SECONDS
        return self.hourly_savings * hours


@dataclass(frozen=True, slots=True)
class Story:
    """What happened in the two days; `days` are the name and the cost of each at Spot prices.

    `known_cost` is with licenses, addresses and disks; a lower bound if a part of some hour is not known.
    """

    days: Sequence[tuple[str, Decimal]]
    ondemand_cost: Decimal
    known_cost: Decimal
    is_lower_bound: bool
    vm_hours: Decimal
    priced_hours: Decimal
    unresolved_hours: Decimal
    budget: Decimal
    alerts: Sequence[Alert]
    stops: Stops | None


def read_story(stack: Stack) -> Story:
    """Return what happened, by the tables."""
    days = fleet_rows(stack, PER_DAY)
    [coverage], [record] = fleet_rows(stack, COVERAGE), fleet_rows(stack, RECORD)
    monthly = [row for row in fleet_rows(stack, ALERTS) if row["period"] == "month"]
    over = next((row for row in afternoon_rows(stack, NOTIFICATIONS) if row["verdict"] == "over_budget"), None)
    names = tuple(row["instance_name"] for row in afternoon_rows(stack, STOPS) if row["event"] == "stopped")
    return Story(
        days=[(row["day"], row["cost"]) for row in days],
        ondemand_cost=sum((row["ondemand_cost"] for row in days), Decimal(0)),
        known_cost=coverage["known_cost"],
        is_lower_bound=coverage["partly_known"] > 0,
        vm_hours=coverage["hours"] + record["unresolved_hours"],
        priced_hours=coverage["priced_hours"],
        unresolved_hours=record["unresolved_hours"],
        budget=monthly[0]["budget"] if monthly else Decimal(0),
        alerts=[Alert(row["threshold"], row["cost"], row["sent_at"]) for row in monthly],
        stops=None if over is None else _stops(over, names),
    )


def summary_lines(story: Story) -> Iterator[str]:
    """Yield at most a dozen lines of at most 80 columns."""
    cost = sum((amount for _, amount in story.days), Decimal(0))
    yield f"Spot VMs cost {_usd(cost)} in {len(story.days)} days; on demand {_usd(story.ondemand_cost)}."
    yield f"Spot saved {1 - cost / story.ondemand_cost:.1%}. By day: {', '.join(_usd(usd) for _, usd in story.days)}."
    least = "at least " * story.is_lower_bound
    yield f"With licenses, addresses and disks: {least}{_usd(story.known_cost)}; budgets count this."
    yield (
        f"How sure: {story.priced_hours / story.vm_hours:.2%} of {story.vm_hours:,.2f} VM-hours have a price; "
        f"{story.unresolved_hours:.2f} not identified."
    )
    if story.alerts:
        yield ""
        yield f"Budget of the month: {_usd(story.budget)}. The tracker sent an alert at"
        yield from (
            f"  {each.share:>4.0%}  {each.sent_at:%a %d %b %H:%M} UTC, after {_usd(each.cost)}" for each in story.alerts
        )
    if story.stops:
        yield ""
        yield from _stop_lines(story.stops)


def _stop_lines(stops: Stops) -> Iterator[str]:
    when = f"{stops.at:%a %d %b %H:%M} UTC"
    if not stops.names:
        yield f"Over budget, {when}: {stops.planned} VMs would be stopped (dry run: nothing is)."
    else:
        yield f"Over budget, {when}: {len(stops.names)} VMs stopped, {stops.deferred} left for the next alert."
        yield f"  {_shortened(', '.join(stops.names))}"
    verb = "avoids" if stops.names else "would avoid"
    yield (
        f"  {verb} {_usd(stops.hourly_savings)} of {_usd(stops.hourly_cost)} an hour: "
        f"{_usd(stops.avoided)} by the end of the month"
    )


def _stops(row: dict[str, object], names: tuple[str, ...]) -> Stops:
    return Stops(
        at=_of(datetime, row["received_at"]),
        period_end=_of(datetime, row["period_end"]),
        names=names,
        planned=_of(int, row["stops"]),
        deferred=_of(int, row["deferred"]),
        hourly_cost=_of(Decimal, row["hourly_cost"]),
        hourly_savings=_of(Decimal, row["hourly_savings"]),
    )


def _of[Value](kind: type[Value], value: object) -> Value:
    if not isinstance(value, kind):
        message = f"{value!r} is not a {kind.__name__}"
        raise TypeError(message)
    return value


def _shortened(text: str) -> str:
    room = WIDTH - len("  ")
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f} USD"
