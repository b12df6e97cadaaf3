"""The fleet of a scenario: every VM with its price, and the hours in which it works when nobody stops it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.steering.scenarios import MONTH_HOURS, Disturbance, Scenario, Shape

_SIZES = {"low": 40, "medium": 15, "high": 5}
_PRICES = {"low": (0.2, 0.9), "medium": (0.4, 1.2), "high": (0.8, 1.6)}
_GROWTH = 0.03
_NIGHT = (20, 6)
_BURST_HOURS = (48, 48 + 5 * 24)
_SUDDEN_VMS = 500
_PREEMPTED_EVERY_HOURS = 48


type _Member = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Vm:
    """A VM, whether it would run in each hour of the month, and how often it was created again by then."""

    slot: int
    priority: str
    price: float
    works: tuple[bool, ...]
    generations: tuple[int, ...]


def fleet_of(scenario: Scenario) -> list[Vm]:
    """Return the fleet of a scenario."""
    chance = random.Random(f"fleet {scenario.seed} {scenario.shape} {scenario.disturbance}")  # noqa: S311 (the same month each time)
    members: list[_Member] = [(priority, 0, MONTH_HOURS) for priority, size in _SIZES.items() for _ in range(size)]
    if scenario.shape is Shape.GROWING:
        members += [("low", born, MONTH_HOURS) for born in _births()]
    if scenario.shape is Shape.BURST:
        members += [("low", *_BURST_HOURS)] * _SIZES["low"]
    if scenario.disturbance is Disturbance.SUDDEN:
        members += [("low", _BURST_HOURS[0], MONTH_HOURS)] * _SUDDEN_VMS
    return [_vm(slot, member, scenario, chance) for slot, member in enumerate(members)]


def _births() -> Iterator[int]:
    """Yield the hours at which a fleet that grows by 3 % a day gets another VM."""
    size = float(sum(_SIZES.values()))
    grown = size
    for day in range(1, MONTH_HOURS // 24):
        grown *= 1 + _GROWTH
        while size + 1 <= grown:
            size += 1
            yield day * 24


def _vm(slot: int, member: _Member, scenario: Scenario, chance: random.Random) -> Vm:
    priority, born, ends = member
    works = [born <= hour < ends for hour in range(MONTH_HOURS)]
    if scenario.shape is Shape.NIGHTLY and priority == "low":
        works = [works[hour] and _is_night(hour) for hour in range(MONTH_HOURS)]
    generations, generation = [], 0
    for hour in range(MONTH_HOURS):
        if scenario.shape is Shape.PREEMPTED and works[hour] and chance.random() < 1 / _PREEMPTED_EVERY_HOURS:
            works[hour] = False
            generation += 1
        generations.append(generation)
    return Vm(slot, priority, round(chance.uniform(*_PRICES[priority]), 4), tuple(works), tuple(generations))


def _is_night(hour: int) -> bool:
    return hour % 24 >= _NIGHT[0] or hour % 24 < _NIGHT[1]
