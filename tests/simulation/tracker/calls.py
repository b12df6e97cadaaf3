"""How the tracker is called: on time, late, twice, killed, or not at all for days."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tests.simulation.tracker.lives import HOUR
from tests.simulation.tracker.world import World

MINUTE_OF_CALL = timedelta(minutes=7)


class Kill(StrEnum):
    """The moment at which the process of a run ends."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"
    AFTER_RESERVE = "after reserve"
    AFTER_PUBLISH = "after publish"
    BEFORE_CLOSE = "before close"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it runs, when it was due, the hours asked for, when it is killed, and USD by kind of period."""

    at: datetime
    due: datetime
    hours: tuple[datetime, ...] = ()
    kill: Kill | None = None
    budgets: Mapping[str, Decimal] = field(default_factory=dict)


def hourly(world: World) -> Iterator[Call]:
    """Call in minute 7 after each hour."""
    for number in range(len(world.hours)):
        at = world.start + HOUR * (number + 1) + MINUTE_OF_CALL
        yield Call(at, at)


def irregular(world: World) -> Iterator[Call]:
    """Call twice, late, out of order for one hour, and not at all for a day."""
    for number, call in enumerate(hourly(world)):
        if 30 <= number < 54:
            continue
        match number % 9:
            case 2:
                yield call
                yield Call(call.at + timedelta(minutes=1), call.due)
            case 4:
                yield Call(call.at + timedelta(minutes=35), call.due)
            case 6:
                yield Call(call.at + timedelta(minutes=2), call.due - 2 * HOUR)
                yield call
            case 7:
                yield call
                yield Call(call.at + timedelta(minutes=3), call.due, world.hours[3:5])
            case _:
                yield call


def interrupted(world: World) -> Iterator[Call]:
    """Kill every third run, each time at another moment; the scheduler calls again a minute later."""
    kills = tuple(Kill)
    for number, call in enumerate(hourly(world)):
        if number % 3 == 1:
            yield Call(call.at, call.due, kill=kills[number // 3 % len(kills)])
            yield Call(call.at + timedelta(minutes=1), call.due)
        else:
            yield call


def silent_for_days(world: World) -> Iterator[Call]:
    """Do not call for 62 hours, which is longer than the tracker catches up with by default."""
    return (call for number, call in enumerate(hourly(world)) if not 4 <= number < 66)


def with_budgets(calls: Iterable[Call], name: str) -> Iterator[Call]:
    """Give each call the budgets of that time; those of a later half may differ."""
    budgets = BUDGETS[name]
    every = tuple(calls)
    for number, call in enumerate(every):
        yield replace(call, budgets=budgets[number * len(budgets) // len(every)])


def calls_of(world: World, runs: str, budgets: str) -> tuple[Call, ...]:
    """Return all calls of a schedule, with the budgets of their time."""
    calls = SCHEDULES[runs](world)
    return tuple(with_budgets(calls, budgets) if budgets else calls)


_LOW = {"day": Decimal("0.5"), "month": Decimal(1)}
_HIGH = {"day": Decimal("0.75"), "month": Decimal("1.5")}
BUDGETS = {"constant": (_LOW,), "raised": (_LOW, _HIGH), "lowered": (_HIGH, _LOW)}

SCHEDULES: Mapping[str, Callable[[World], Iterator[Call]]] = {
    "hourly": hourly,
    "irregular": irregular,
    "interrupted": interrupted,
    "silent": silent_for_days,
}
