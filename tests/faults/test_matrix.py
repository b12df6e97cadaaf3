"""A sample of what `python -m tests.faults` runs in full: no fault ends in a fourth way, no kill leaves a trace."""

import os
from collections.abc import Iterator

import pytest

from infra.local.stack.stack import Stack
from tests.faults.kills import killed_at, tracker_target
from tests.faults.matrix import Cell, Lasting, Position
from tests.faults.outcomes import Outcome
from tests.faults.places import place
from tests.faults.running import OPERATIONS, TRACKER, Range, all_cells
from tests.faults.sample import sample
from tests.faults.tracker import Tracker
from tests.faults.wires import Fault, Kind

SAMPLE = sample(all_cells())
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of functions-framework


@pytest.fixture(scope="module")
def shooting_range(stack: Stack) -> Iterator[Range]:
    before = dict(os.environ)
    with place(stack.bigquery) as here:
        yield Range(here, every=True)
    os.environ.clear()
    os.environ.update(before)


def test_the_sample_has_every_service_of_both_functions_and_each_with_a_fault_of_its_own() -> None:
    assert len({cell.kind for cell in SAMPLE}) == len(SAMPLE) >= 8
    services = {(cell.function, OPERATIONS[cell.function][cell.operation]) for cell in SAMPLE}
    assert services == {(name, service) for name, known in OPERATIONS.items() for service in known.values()}


@pytest.mark.parametrize("cell", SAMPLE, ids=str)
def test_a_fault_ends_in_one_of_three_ways(shooting_range: Range, cell: Cell) -> None:
    tried = shooting_range.tried(cell)

    assert tried.told.outcome in {Outcome.SAME, Outcome.COMPLETED, Outcome.REFUSED}, tried.told.reason


@pytest.mark.parametrize("operation", ["skus", "uptime"])
def test_a_promised_page_that_comes_empty_once_is_asked_for_again(shooting_range: Range, operation: str) -> None:
    tried = shooting_range.tried(Cell("tracker", operation, Kind.EMPTY, Position.LAST, Lasting.ONCE))

    assert tried.told.outcome is Outcome.SAME, tried.told.reason


@pytest.mark.parametrize("operation", ["load", "commit", "publish"])
def test_a_run_killed_while_a_call_is_heard_and_called_again_leaves_the_tables_of_an_undisturbed_run(
    shooting_range: Range, operation: str
) -> None:
    tracker = shooting_range.function(TRACKER)
    assert isinstance(tracker, Tracker)

    kill = killed_at(tracker_target(tracker), Fault(operation, Kind.LOST, 1, 1))

    assert kill.cut_off
    assert kill.problems == []
