"""The smallest prefix that holds, by an estimate whose terms are known."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.estimates.fits import Covariance, DelayFit, Fit
from spotkeeper.enforcement.history import Reported
from spotkeeper.enforcement.policies import Caps, Policy, Priority
from spotkeeper.enforcement.steering import Candidate, needed_stops
from spotkeeper.enforcement.verdicts import VerdictName, first_verdict
from tests.unit.enforcer_fakes import Cloud
from tests.unit.enforcer_samples import LOW, MEDIUM, NOW, notification, policy, preconditions, rule, steps, vm
from tests.unit.spending_samples import spending

TWO_STEPS = steps(("0.8", "low"), ("1", "low medium"))


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


@pytest.mark.parametrize(
    ("cost", "spent", "sd", "name", "priorities"),
    [
        ("79", 79.9, 0.0, VerdictName.UNDER_BUDGET, frozenset[Priority]()),
        ("70", 80.0, 9.0, VerdictName.NEARING_BUDGET, frozenset({LOW})),
        ("90", 104.0, 4.0, VerdictName.NEARING_BUDGET, frozenset({LOW})),
        ("90", 104.0, 1.0, VerdictName.OVER_BUDGET, frozenset({LOW, MEDIUM})),
        ("100", 100.0, 9.0, VerdictName.OVER_BUDGET, frozenset({LOW, MEDIUM})),
    ],
)
def test_the_first_step_is_reached_by_the_mean_and_the_others_with_confidence_or_by_the_bill(
    cost: str, spent: float, sd: float, name: VerdictName, priorities: frozenset[Priority]
) -> None:
    made = replace(known(spent, sd=sd), billed=float(cost))
    verdict = first_verdict(notification(cost), policy(rule(steps=TWO_STEPS)), NOW, made)

    assert (verdict.name, verdict.priorities) == (name, priorities)


def test_a_notification_near_a_step_is_decided_by_the_history_and_one_far_below_without_it() -> None:
    used = policy(rule(steps=TWO_STEPS))
    cloud = Cloud().has(vm("a", vcpus=3), vm("b", vcpus=1))
    cloud.tables.spending = spending(lambda _: 0.165, delay=24)

    far = cloud.deliver(notification("64", message_id="far"), used)
    near = cloud.deliver(notification("76.4", message_id="near", published=NOW + timedelta(minutes=1)), used)

    assert (far.name, near.name) == (VerdictName.UNDER_BUDGET, VerdictName.NEARING_BUDGET)
    assert "an estimated 8" in near.reason
    assert cloud.stopped_names() == ["a"]
    assert isinstance(cloud.tables.deliveries[-1].estimate, Estimate)


def test_a_newer_report_that_is_not_lower_does_not_contradict_the_estimate() -> None:
    used = policy(rule(steps=TWO_STEPS))
    said = notification("75")
    made = replace(known(85.0), billed=75.0)
    verdict = first_verdict(said, used, NOW, made)

    def outcome(cost: str) -> object:
        newer = (Reported(NOW + timedelta(minutes=1), Decimal(cost), Decimal(100)),)
        checks = replace(preconditions(used, newer=lambda: newer), verdict=verdict, notification=said, estimate=made)
        return checks.planned(NOW)(vm())

    assert outcome("76") is None
    assert outcome("60") is not None


def test_a_burst_lets_one_alert_stop_what_a_day_may_and_only_where_the_policy_says_so() -> None:
    vms = [vm(f"worker-{number}") for number in range(9)]
    said = notification("110")

    def stopped(used: Policy) -> int:
        cloud = Cloud().has(*vms)
        cloud.deliver(said, used)
        return len(cloud.stopped_names())

    caps = Caps(3, 7, Decimal(1))
    assert stopped(policy(rule(caps=caps))) == 3
    assert stopped(policy(rule(caps=caps), burst=True)) == 7
