"""The judge: it knows the true spending and the ideal course, and says what a controller reached of the goals."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tests.simulation.steering.fleets import Vm
from tests.simulation.steering.ideal import Course, course_of, ideal_course
from tests.simulation.steering.months import Message, Month
from tests.simulation.steering.scenarios import CLASSES, MONTH_HOURS, Disturbance, Scenario

type Decide = Callable[[Message], Iterable[Vm]]

BAND = (0.97, 1.005)
_KEEPABLE = 1.0005
_HOURS_FACTOR, _HOURS_SHARE = 1.15, 0.01
_NOT_KEEPABLE_POINTS = 0.005
_PER_DAY = 30
"""Stops that the policy's default allows in a day: the ideal has no such limit."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One month under a controller beside the ideal's."""

    scenario: Scenario
    course: Course
    ideal: Course
    fleet_hours: float
    requests: int
    limited: Course | None = None
    """The ideal's course with the limit per day, of a month that it cannot keep."""

    @property
    def is_stoppable(self) -> bool:
        """Whether a stop saves anything: no group starts another VM in its place."""
        return self.scenario.disturbance is not Disturbance.REFILLED

    @property
    def is_keepable(self) -> bool:
        """Whether the ideal keeps the budget; it need not be reached by it."""
        return self.is_stoppable and self.ideal.end <= _KEEPABLE and self.ideal.first_stop is not None

    @property
    def is_in_band(self) -> bool:
        """Whether the month ends at 97 to 100.5 % of the budget."""
        return BAND[0] <= self.course.end <= BAND[1]

    @property
    def is_frugal(self) -> bool:
        """Whether hardly more VM-hours are lost than the ideal loses."""
        allowed = _HOURS_FACTOR * self.ideal.lost_hours + _HOURS_SHARE * self.fleet_hours
        return self.course.lost_hours <= allowed

    @property
    def misses_a_goal(self) -> bool:
        """Whether the month is one that a goal does not allow."""
        if self.is_hopeless:
            return not self.is_near_ideal
        return self.is_keepable and not (self.is_in_band and self.is_frugal and not self.stops_higher_for_nothing)

    @property
    def is_hopeless(self) -> bool:
        """Whether the ideal itself ends above the budget."""
        return self.is_stoppable and self.ideal.end > _KEEPABLE

    @property
    def is_near_ideal(self) -> bool:
        """Whether the month ends hardly above the ideal."""
        return self.course.end - self.ideal.end <= _NOT_KEEPABLE_POINTS

    @property
    def is_near_limited(self) -> bool:
        """Whether the month ends hardly above what the limit per day allows."""
        return self.limited is not None and self.course.end - self.limited.end <= _NOT_KEEPABLE_POINTS

    @property
    def stops_higher_for_nothing(self) -> bool:
        """Whether a class was touched that the ideal leaves alone."""
        return any(self.course.stopped[name] and not self.ideal.stopped[name] for name in CLASSES[1:])


def play(scenario: Scenario, controller: Callable[[Month], Decide]) -> Judgement:
    """Play a month, and judge it."""
    month, disorder = Month(scenario), 0
    decide = controller(month)
    for _ in range(MONTH_HOURS):
        for message in month.messages():
            for vm in decide(message):
                disorder += _overlooked(month, vm, message.received)
                month.stop(vm, message.received)
        month.close_hour()
    fleet_hours = float(sum(sum(vm.works) for vm in month.fleet))
    judged = Judgement(scenario, course_of(month, disorder), ideal_course(scenario), fleet_hours, len(month.requests))
    return replace(judged, limited=ideal_course(scenario, _PER_DAY)) if judged.is_hopeless else judged


def table(judged: list[Judgement]) -> Iterator[str]:
    """Yield the goals, each with what was reached and whether that is enough."""
    keepable = [each for each in judged if each.is_keepable]
    hopeless = [each for each in judged if each.is_hopeless]
    needless = 0.10 if any(each.scenario.disturbance is not Disturbance.NONE for each in judged) else 0.05
    yield f"{len(judged)} months, {len(keepable)} can be kept by the allowed classes, {len(hopeless)} cannot"
    if keepable:
        yield _goal("end in 97 to 100.5 %", _share(each.is_in_band for each in keepable), 1 - needless)
        over = _share(each.course.end > BAND[1] for each in keepable)
        under = _share(each.course.end < BAND[0] for each in keepable)
        yield f"  over {over:.1%}, under {under:.1%}"
        yield _goal("hours lost at most 1.15 x ideal + 1 %", _share(each.is_frugal for each in keepable), 0.95)
        spared = 1 - _share(each.stops_higher_for_nothing for each in keepable)
        yield _goal("no higher class stopped for nothing", spared, 0.99)
        for name in CLASSES:
            mean = _mean(each.course.stopped[name] for each in keepable)
            yield f"  {name}: {mean:.1f} stopped, the ideal {_mean(each.ideal.stopped[name] for each in keepable):.1f}"
        lost = _mean(each.course.lost_hours for each in keepable)
        yield f"  VM-hours: {lost:,.0f} lost, the ideal {_mean(each.ideal.lost_hours for each in keepable):,.0f}"
    if not all(each.is_stoppable for each in judged):
        requests = _mean(float(each.requests) for each in judged)
        yield f"  {requests:.0f} stops requested, all of them in vain"
    disorder = sum(each.course.disorder for each in judged)
    yield _goal("no higher class before a running lower one", float(not disorder), 1.0)
    if hopeless:
        above = [each.course.end - each.ideal.end for each in hopeless]
        near = _share(each.is_near_ideal for each in hopeless)
        yield _goal("cannot be kept: at most 0.5 points above the ideal", near, 1.0)
        near = _share(each.is_near_limited for each in hopeless)
        yield f"  at most 0.5 points above the ideal with {_PER_DAY} stops a day: {near:.1%}"
        yield f"  mean {_mean(above) * 100:.2f} points above, at most {max(above) * 100:.2f}"


def _overlooked(month: Month, vm: Vm, at: float) -> bool:
    """Whether a VM of a lower class runs that could be stopped instead, apart from those of the same message."""
    lower = CLASSES[: CLASSES.index(vm.priority)]
    return any(month.runs(each, at) for each in month.fleet if each.priority in lower)


def _goal(name: str, reached: float, wanted: float) -> str:
    return f"  {name}: {reached:.1%} (goal {wanted:.0%}: {'met' if reached >= wanted else 'NOT MET'})"


def _share(values: Iterable[bool]) -> float:
    return _mean(map(float, values))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
