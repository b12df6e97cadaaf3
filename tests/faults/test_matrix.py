"""A sample of what `python -m tests.faults` runs in full: how a fault ends, and that a kill leaves no trace."""

import os
from collections.abc import Iterator

import pytest

from infra.local.stack.stack import Stack
from tests.faults.enforcer import FREEZES, Enforcer
from tests.faults.injection import Fault, Kind
from tests.faults.kills import enforcer_target, killed_at, tracker_target
from tests.faults.matrix import Cell
from tests.faults.outcomes import Outcome
from tests.faults.places import place
from tests.faults.running import ENFORCER, TRACKER, Trials
from tests.faults.sample import SAMPLE
from tests.faults.tracker import Tracker

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")  # of functions-framework


@pytest.fixture(scope="module")
def services(stack: Stack) -> Iterator[Trials]:
    before = dict(os.environ)
    with place(stack.bigquery) as here:
        yield Trials(here, every=True)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(("cell", "outcome"), SAMPLE.items(), ids=map(str, SAMPLE))
def test_a_fault_ends_as_it_must(services: Trials, cell: Cell, outcome: Outcome) -> None:
    tried = services.tried(cell)

    assert (tried.result.outcome, tried.result.reason) == (outcome, "")


def test_a_run_killed_while_its_commit_is_carried_out_leaves_the_tables_of_an_undisturbed_run(
    services: Trials,
) -> None:
    tracker = services.function(TRACKER)
    assert isinstance(tracker, Tracker)

    kill = killed_at(tracker_target(tracker), Fault("commit", Kind.LOST, 1, 1))

    assert kill.cut_off
    assert kill.problems == []


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST])
def test_an_alert_whose_run_is_killed_while_it_is_sent_is_sent_by_a_later_run(services: Trials, kind: Kind) -> None:
    tracker = services.function(TRACKER)
    assert isinstance(tracker, Tracker)

    kill = killed_at(tracker_target(tracker), Fault("publish", kind, 1, 1))

    assert kill.cut_off
    assert kill.problems == []


def test_a_delivery_killed_while_its_first_stop_is_carried_out_stops_each_vm_of_the_plan_once(
    services: Trials,
) -> None:
    enforcer = services.function(ENFORCER)
    assert isinstance(enforcer, Enforcer)

    kill = killed_at(enforcer_target(enforcer), Fault("stop", Kind.LOST, 1, 1))

    assert kill.cut_off
    assert kill.problems == []


def test_a_delivery_killed_while_a_group_is_frozen_freezes_it_once_and_sends_every_event(services: Trials) -> None:
    enforcer = services.function(ENFORCER)
    assert isinstance(enforcer, Enforcer)

    kill = killed_at(enforcer_target(enforcer, FREEZES), Fault("freeze", Kind.LOST, 1, 1))

    assert kill.cut_off
    assert kill.problems == []
