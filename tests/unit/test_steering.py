"""The smallest prefix that holds, by an estimate whose terms are known."""

import pytest

from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.estimates.fits import Covariance, DelayFit, Fit
from spotkeeper.enforcement.steering import Candidate, needed_stops
from tests.unit.enforcer_samples import LOW, MEDIUM


def known(spent: float = 800.0, rate: float = 10.0, hours_left: float = 100.0, sd: float = 0.0) -> Estimate:
    """Return an estimate with list prices and nothing beside Spot, as certain as wanted."""
    fit = Fit((DelayFit(0, 1.0, 0.0, 1.0, 0.0),), Covariance(0.0, 0.0, 0.0), 0.0, 1.0)
    return Estimate(spent, spent, sd, rate, hours_left, fit, 0.0)


CHEAP = [Candidate(LOW, 1.0)] * 8
"""What ends at 1,800 with 800 spent falls by 100 with each."""


@pytest.mark.parametrize(("budget", "needed"), [(1900, 0), (1800, 0), (1790, 0), (1780, 1), (1650, 2), (1100, 8)])
def test_no_more_are_stopped_than_keep_the_budget(budget: float, needed: int) -> None:
    assert needed_stops(known(), budget, CHEAP, {}) == needed


def test_what_is_not_exceeded_with_confidence_waits() -> None:
    assert needed_stops(known(sd=20.0), 1790, CHEAP, {}) == 0


def test_it_does_not_wait_until_everything_together_is_too_late() -> None:
    """With all 8 stopped in 36 hours, the end would be 800 + 36 x 10 + 64 x 2: one stop now makes the difference."""
    unsure = known(sd=400.0)

    assert needed_stops(unsure, 1500, CHEAP, {}) == 0
    assert needed_stops(unsure, 1390, CHEAP, {}) == 1


def test_what_a_lower_class_saves_when_it_wakes_counts_before_a_higher_class() -> None:
    candidates = [Candidate(LOW, 1.0), Candidate(MEDIUM, 1.0)]

    assert needed_stops(known(), 1500, candidates, {LOW: 0.0}) == 2
    assert needed_stops(known(), 1500, candidates, {LOW: 2.1}) == 1


def test_a_fleet_of_nothing_needs_nothing() -> None:
    assert needed_stops(known(), 100, [], {}) == 0
