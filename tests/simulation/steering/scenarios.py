"""The scenarios: a month of a fleet of 60 VMs, how its bill is made, and from where on what may be stopped."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

MONTH_HOURS = 31 * 24
CLASSES = ("low", "medium", "high")
SEEDS = (1, 2, 3)


class Delay(StrEnum):
    """How late the bill is."""

    NONE = "none"
    VARYING = "6-24 h"
    DAY = "24 h"


class Shape(StrEnum):
    """What the fleet does over the month."""

    STEADY = "steady"
    GROWING = "growing"
    NIGHTLY = "nightly"
    BURST = "burst"
    PREEMPTED = "preempted"


class Disturbance(StrEnum):
    """What a model of a factor and a constant rest does not know."""

    NONE = "none"
    NEW_BESIDE_SPOT = "something new beside Spot"
    VARYING_REST = "a rest that varies"
    CREDIT = "a credit"
    MISSING_ROWS = "missing rows"
    REFILLED = "groups that refill"
    SUDDEN = "used up on day 4"


type Steps = tuple[tuple[float, tuple[str, ...]], ...]

STEPS: dict[str, Steps] = {
    "low at 0.8": ((0.8, ("low",)),),
    "low at 0.5": ((0.5, ("low",)),),
    "low at 0.8, medium at 1.0": ((0.8, ("low",)), (1.0, ("low", "medium"))),
    "low at 1.0, medium at 1.2": ((1.0, ("low",)), (1.2, ("low", "medium"))),
}
_RESTS = (0.0, 0.15, 0.3, 0.5)
_FACTORS = (0.6, 0.75, 1.0, 1.1)
_USED_UP_DAYS = (20, 25, 28)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One month; `rest` is the share of the bill that is not Spot, `factor` what is billed for a dollar of list price.

    Unmanaged, the budget is used up on the day `used_up`.
    """

    delay: Delay
    rest: float
    factor: float
    shape: Shape
    steps: str
    used_up: int
    seed: int
    disturbance: Disturbance = Disturbance.NONE
    burst: bool = False

    def __str__(self) -> str:
        return (
            f"{self.shape}, bill {self.delay} late, {self.rest:.0%} not Spot, factor {self.factor}, {self.steps}, "
            f"used up on day {self.used_up}, seed {self.seed}, {self.disturbance}"
        )


def grid() -> Iterator[Scenario]:
    """Yield the whole grid, without disturbances."""
    axes = (Delay, _RESTS, _FACTORS, Shape, STEPS, _USED_UP_DAYS, SEEDS)
    for each in itertools.product(*axes):
        yield Scenario(*each)


def disturbed() -> Iterator[Scenario]:
    """Yield what disturbs the bill or the rows, for the steps that leave time to steer."""
    disturbances = [each for each in Disturbance if each is not Disturbance.NONE]
    axes = ((Delay.VARYING,), _RESTS[1:3], (0.75, 1.0), (Shape.STEADY, Shape.PREEMPTED), [*STEPS][:3], (25, 28), SEEDS)
    for disturbance in disturbances:
        for each in itertools.product(*axes):
            yield replace(Scenario(*each), disturbance=disturbance)


def drawn(scenarios: Iterator[Scenario], count: int, seed: int) -> list[Scenario]:
    """Return so many of them at random, or all."""
    every = list(scenarios)
    chance = random.Random(seed)  # noqa: S311 (the same months each time)
    return every if count >= len(every) else chance.sample(every, count)
