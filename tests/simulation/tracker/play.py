"""Let the tracker live through a world."""

from tests.simulation.tracker.adapter import Tracker
from tests.simulation.tracker.calls import calls_of
from tests.simulation.tracker.fleet import draw
from tests.simulation.tracker.judgements import Outcome
from tests.simulation.tracker.parameters import Parameters


def outcome_of(parameters: Parameters) -> Outcome:
    """Draw a world, make all calls of its schedule, and return what was recorded."""
    world = draw(parameters)
    calls = calls_of(world, parameters.runs, parameters.budgets)
    tracker = Tracker(world, asset_history=parameters.asset_history, audit_log=parameters.audit_log)
    for call in calls:
        tracker.call(call)
    return Outcome(world, tracker.records(), calls, parameters.audit_log)
