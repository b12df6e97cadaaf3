"""The demo in at most 15 lines: what the month cost, what was stopped and when, and what that avoids."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.demo.afternoon import BILL_DELAY, END, FREEZES, NOTIFICATIONS, STOPS, afternoon_rows
from infra.local.demo.costs import COVERAGE, PER_DAY, RECORD, rows_between
from infra.local.demo.month import MONTHLY_BUDGET
from infra.local.fleet.company import MONTH_START, SWEEP_START, SWEEP_VMS
from infra.local.stack.stack import Stack
from spotkeeper.periods import HOUR, PeriodKind, budget_period

WIDTH = 80
_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Stop:
    """What the enforcer did about one message over budget; `hourly_savings` is what it stopped, in USD per hour."""

    at: datetime
    verdict: str
    cost: Decimal
    budget: Decimal
    names: tuple[str, ...]
    planned: int
    hourly_cost: Decimal
    hourly_savings: Decimal
    frozen: int = 0
    """The groups whose autoscaler was switched off."""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened; `known_cost` is with licenses, addresses and disks, a lower bound if a part is not known.

    `month_cost` is that of the calendar month up to the sweep, which its budget is compared with.
    """

    days: int
    cost: Decimal
    ondemand_cost: Decimal
    known_cost: Decimal
    is_lower_bound: bool
    vm_hours: Decimal
    priced_hours: Decimal
    unresolved_hours: Decimal
    month_cost: Decimal
    stops: Sequence[Stop]
    last_hour_cost: Decimal

    @property
    def avoided(self) -> Decimal:
        """What the stopped VMs would have cost until the end of the month."""
        return sum((each.hourly_savings * _hours(_month_end() - each.at) for each in self.stops), Decimal(0))

    @property
    def exceeded_at(self) -> datetime | None:
        """When the bill of the month would have passed its budget, if nothing had been stopped."""
        if not self.stops:
            return None
        left = MONTHLY_BUDGET - self.month_cost
        return SWEEP_START + timedelta(hours=float(left / self.stops[0].hourly_cost))

    @property
    def cost_until_bill(self) -> Decimal:
        """What the stopped VMs would have cost until the bill said so."""
        if self.exceeded_at is None:
            return Decimal(0)
        billed_at = self.exceeded_at + BILL_DELAY
        return sum((each.hourly_savings * _hours(billed_at - each.at) for each in self.stops), Decimal(0))


def read_story(stack: Stack) -> Story:
    """Return what happened, by the tables."""
    client = stack.client()
    days = rows_between(client, PER_DAY, MONTH_START, END)
    [coverage], [record] = (rows_between(client, query, MONTH_START, END) for query in (COVERAGE, RECORD))
    month = rows_between(client, COVERAGE, budget_period(PeriodKind.MONTH, END).start, SWEEP_START.replace(minute=0))
    [last] = rows_between(client, COVERAGE, END.replace(minute=0) - HOUR, END.replace(minute=0))
    stopped = afternoon_rows(stack, STOPS)
    frozen = Counter(row["message_id"] for row in afternoon_rows(stack, FREEZES))
    over = [row for row in afternoon_rows(stack, NOTIFICATIONS) if row["verdict"] in {"over_budget", "approved"}]
    return Story(
        days=len(days),
        cost=sum((row["cost"] for row in days), Decimal(0)),
        ondemand_cost=sum((row["ondemand_cost"] for row in days), Decimal(0)),
        known_cost=coverage["known_cost"],
        is_lower_bound=coverage["partly_known"] > 0,
        vm_hours=coverage["hours"] + record["unresolved_hours"],
        priced_hours=coverage["priced_hours"],
        unresolved_hours=record["unresolved_hours"],
        month_cost=month[0]["known_cost"],
        stops=[_stop(row, stopped, frozen) for row in over],
        last_hour_cost=last["known_cost"],
    )


def summary_lines(story: Story) -> Iterator[str]:
    """Yield at most 15 lines of at most 80 columns."""
    yield f"{story.days} days of Spot VMs: {_usd(story.cost)}; on demand {_usd(story.ondemand_cost)}."
    least = "at least " * story.is_lower_bound
    yield (
        f"Spot saved {1 - story.cost / story.ondemand_cost:.1%}. With licenses, addresses and disks "
        f"{least}{_usd(story.known_cost)}."
    )
    yield (
        f"How sure: {story.priced_hours / story.vm_hours:.2%} of {story.vm_hours:,.2f} VM-hours have a price; "
        f"{story.unresolved_hours:.2f} not identified."
    )
    if story.stops:
        yield ""
        yield from _afternoon_lines(story)
        yield ""
        yield from _difference_lines(story)


def _afternoon_lines(story: Story) -> Iterator[str]:
    yield f"{SWEEP_START:%a %d %b %H:%M} UTC  a sweep of {SWEEP_VMS} GPU VMs starts and is left running"
    for stop in story.stops:
        yield f"{stop.at:%H:%M}".rjust(16) + f"      {_shortened(_said(stop))}"
    yield f"{END:%H:%M}".rjust(16) + f"      the last hour cost {_usd(story.last_hour_cost)}"


def _said(stop: Stop) -> str:
    if stop.verdict == "approved":
        return f"approved by a person: {len(stop.names)} VMs stopped"
    over = f"alert: {stop.cost:.2f} of {stop.budget:.2f} USD/h"
    if not stop.names:
        return f"{over}; a plan of {stop.planned} stops"
    frozen = ", group frozen" if stop.frozen else ""
    return f"{over}; {len(stop.names)} VMs stopped{frozen}"


def _difference_lines(story: Story) -> Iterator[str]:
    verb = "avoids" if any(stop.names for stop in story.stops) else "would avoid"
    saved = sum((stop.hourly_savings for stop in story.stops), Decimal(0))
    yield f"Stopping {verb} {_usd(saved)} an hour: {_usd(story.avoided)} by the end of the month."
    if story.exceeded_at is not None and story.exceeded_at < _month_end():
        budget = _usd(Decimal(MONTHLY_BUDGET))
        yield f"By the bill alone: the month's {budget} are spent {story.exceeded_at:%a %d %b %H:%M}, known"
        yield f"up to a day later, after {_usd(story.cost_until_bill)} more for these VMs."


def _stop(row: dict[str, Any], stopped: Sequence[dict[str, Any]], frozen: Mapping[str, int]) -> Stop:
    mine = [each for each in stopped if each["message_id"] == row["message_id"] and each["event"] == "stopped"]
    return Stop(
        at=row["received_at"],
        verdict=row["verdict"],
        cost=row["cost"] or Decimal(0),
        budget=row["budget"] or Decimal(0),
        names=tuple(each["instance_name"] for each in mine),
        planned=row["stops"] or 0,
        hourly_cost=row["hourly_cost"] or Decimal(0),
        hourly_savings=sum((each["hourly_savings"] or Decimal(0) for each in mine), Decimal(0)),
        frozen=frozen.get(row["message_id"], 0),
    )


def _month_end() -> datetime:
    return budget_period(PeriodKind.MONTH, END).end


def _hours(length: timedelta) -> Decimal:
    return Decimal(length.total_seconds()) / _HOUR_SECONDS


def _shortened(text: str) -> str:
    room = WIDTH - 22
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f} USD"
