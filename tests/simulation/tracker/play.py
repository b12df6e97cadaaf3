"""Let the tracker live through a world."""

from tests.simulation.tracker.adapter import BUDGETS, Tracker
from tests.simulation.tracker.calls import SCHEDULES
from tests.simulation.tracker.fleet import draw
from tests.simulation.tracker.judgements import Outcome
from tests.simulation.tracker.parameters import Parameters


def outcome_of(parameters: Parameters) -> Outcome:
    """Draw a world, make all calls of its schedule, and return what was recorded."""
    world = draw(parameters)
    calls = tuple(SCHEDULES[parameters.runs](world))
    tracker = Tracker(world, asset_history=parameters.asset_history)
    if parameters.budgets:
        tracker.budgets = BUDGETS
    for call in calls:
        tracker.call(call)
    return Outcome(world, tracker.records(), calls)
