"""The ideal controller: it knows the future, and stops the smallest prefix as soon as the policy allows it."""

from dataclasses import dataclass

from tests.simulation.steering.fleets import Vm
from tests.simulation.steering.months import Month
from tests.simulation.steering.scenarios import CLASSES, MONTH_HOURS, STEPS, Scenario


@dataclass(frozen=True, slots=True)
class Course:
    """How a month went: the share of the budget at its end, what was stopped by class, and VM-hours not worked."""

    end: float
    stopped: dict[str, int]
    lost_hours: float
    first_stop: float | None
    disorder: int = 0


def course_of(month: Month, disorder: int = 0) -> Course:
    """Return how a month that is over went."""
    stopped = {name: sum(month.fleet[slot].priority == name for slot in month.stops) for name in CLASSES}
    lost = sum(_lost(month.fleet[slot], at) for slot, at in month.stops.items())
    first = min(month.stops.values(), default=None)
    return Course(month.totals[-1] / month.budget, stopped, lost, first, disorder)


def ideal_course(scenario: Scenario, per_day: int | None = None) -> Course:
    """Return the course of the ideal controller.

    At the true time of each step it stops the fewest of the VMs that the step allows, in the order of the policy; with
    `per_day` not more than so many in 24 hours.
    """
    steps = STEPS[scenario.steps]
    chosen: list[tuple[Vm, float]] = []
    for share, names in steps:
        month = _played(scenario, chosen)
        reached = next((hour for hour, total in enumerate(month.totals) if total >= share * month.budget), None)
        if reached is None or month.totals[-1] <= month.budget:
            break
        taken = {vm.slot for vm, _ in chosen}
        order = [vm for vm in sorted(month.fleet, key=_order) if vm.priority in names and vm.slot not in taken]
        if per_day:  # Nobody waits for a VM that does not run yet while others do.
            order.sort(key=lambda vm: (CLASSES.index(vm.priority), _works_from(vm, reached)))
        excess = month.totals[-1] - month.budget
        for vm in order:
            if excess <= 0:
                break
            at = float(_works_from(vm, reached))
            if per_day:
                at = max(at, _free_at([stopped for _, stopped in chosen], per_day))
            chosen.append((vm, at))
            excess -= scenario.factor * _lost(vm, at) * vm.price
    return course_of(_played(scenario, chosen))


def _works_from(vm: Vm, hour: int) -> int:
    """Return from when on a VM runs that was not stopped before an hour."""
    return max(hour, next((each for each, works in enumerate(vm.works) if works), MONTH_HOURS))


def _free_at(stops: list[float], per_day: int) -> float:
    """Return when one more may be stopped: a day after the stop that is so many before it."""
    return sorted(stops)[-per_day] + 24 if len(stops) >= per_day else 0.0


def _played(scenario: Scenario, chosen: list[tuple[Vm, float]]) -> Month:
    month = Month(scenario)
    for vm, at in chosen:
        month.stops[vm.slot] = at
    for _ in range(MONTH_HOURS):
        month.close_hour()
    return month


def _order(vm: Vm) -> tuple[int, bool, float]:
    return CLASSES.index(vm.priority), not vm.works[MONTH_HOURS - 1 - 12], -vm.price


def _lost(vm: Vm, at: float) -> float:
    if at >= MONTH_HOURS:
        return 0.0
    return sum(vm.works[int(at) + 1 :]) + (1 - at % 1 if vm.works[min(int(at), MONTH_HOURS - 1)] else 0.0)
