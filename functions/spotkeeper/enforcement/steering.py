"""How many instances to stop by the estimate: the smallest prefix that keeps the period within its budget. Pure.

A stop cannot be undone and one that is missing can be made later: while the budget is not exceeded with confidence,
or can still be kept when everything that may be stopped is stopped within 36 hours, nothing more is stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.policies import Priority

_AIM = 0.998
"""The share of the budget that stops aim at: above it, the whole class would be stopped."""

_CONFIDENCE = 1.6
"""Standard deviations by which the end must exceed the budget before anything is stopped."""

_REACTION_HOURS = 36.0
"""In so many hours everything can be stopped: the bill is up to a day late, and limits per day apply."""

_CAUTION = 0.3


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instance that may be stopped: its priority, and what its stop saves per hour over a day, in USD."""

    priority: Priority
    savings: float


def needed_stops(
    estimate: Estimate, budget: float, candidates: Sequence[Candidate], asleep: Mapping[Priority, float]
) -> int:
    """Return how many of the first to stop.

    `asleep` is what stopped instances save per hour that will run again and would then be stopped, by priority: it
    counts before an instance of a higher priority is taken.
    """
    confident = _smallest(candidates, asleep, lambda saved: estimate.end(saved) <= _AIM * budget)
    if estimate.end() - _CONFIDENCE * estimate.end_sd > budget:
        return confident
    everything = sum(each.savings for each in candidates) + sum(asleep.values())
    soon = min(_REACTION_HOURS, estimate.hours_left)
    later = estimate.hourly(everything) * (estimate.hours_left - soon) + _CAUTION * estimate.end_sd

    def is_safe(saved: float) -> bool:
        return estimate.spent + estimate.hourly(saved) * soon + later <= budget

    return min(_smallest(candidates, asleep, is_safe), confident)


def _smallest(
    candidates: Sequence[Candidate], asleep: Mapping[Priority, float], is_enough: Callable[[float], bool]
) -> int:
    saved = 0.0
    for count, each in enumerate(candidates):
        lower = sum(savings for priority, savings in asleep.items() if priority.rank < each.priority.rank)
        if is_enough(saved + lower):
            return count
        saved += each.savings
    return len(candidates)
