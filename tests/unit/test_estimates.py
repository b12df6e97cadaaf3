"""What is spent, at which rate, and where the period ends: on records whose truth is known."""

from dataclasses import replace
from datetime import timedelta

import pytest

from spotkeeper.enforcement.estimates.estimate import NoEstimate, estimate
from spotkeeper.enforcement.estimates.running_totals import RunningTotal
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedStops, Spending
from tests.unit.enforcer_samples import JULY, NOW
from tests.unit.spending_samples import HOUR, HOURS, HourlyCost, asked, estimated, spending, steady, total


def nightly(hour: int) -> float:
    return 20.0 if hour % 24 < 10 else 5.0


def growing(hour: int) -> float:
    return 10.0 * 1.03 ** (hour // 24)


@pytest.mark.parametrize("delay", [0, 6, 24, 36])
@pytest.mark.parametrize(("factor", "other"), [(1.0, 0.0), (0.75, 0.0), (1.0, 5.0), (0.6, 3.0)])
def test_the_hours_that_the_bill_lacks_are_spent_too(delay: int, factor: float, other: float) -> None:
    made = estimated(spending(nightly, factor=factor, other=other, delay=delay))
    spent = factor * total(nightly, HOURS + 0.25) + other * (HOURS + 0.25)

    assert made.spent == pytest.approx(spent, rel=0.01)
    assert made.fit.delay == pytest.approx(delay, abs=1.5)


@pytest.mark.parametrize("costs", [steady, nightly, growing])
def test_a_steady_course_ends_where_it_truly_ends(costs: HourlyCost) -> None:
    made = estimated(spending(costs, factor=0.9, other=2.0))
    hours = (JULY.end - JULY.start) / HOUR
    end = 0.9 * total(costs, hours) + 2.0 * hours

    assert made.end() == pytest.approx(end, rel=0.025)
    assert made.end_sd < 0.1 * end


def test_a_changing_fleet_tells_the_factor_from_what_is_not_spot() -> None:
    made = estimated(spending(growing, factor=0.7, other=6.0))

    assert made.fit.factor == pytest.approx(0.7, abs=0.08)
    assert made.fit.other == pytest.approx(6.0, abs=1.2)


def test_a_steady_fleet_leaves_the_factor_uncertain_and_list_prices_are_assumed() -> None:
    made = estimated(spending(factor=0.7, other=6.0))

    assert made.fit.prior == 1.0
    assert made.fit.covariance.factor**0.5 > 0.05
    assert made.hourly() == pytest.approx(13.0, rel=0.02)


def test_never_less_is_spent_than_the_bill_says() -> None:
    made = estimated(spending(), cost=9000.0)

    assert made.billed == 9000.0
    assert made.spent >= 9000.0
    assert made.at_least >= 9000.0


def test_what_was_stopped_costs_nothing_from_now_on() -> None:
    made = estimated(spending(stopped=lambda _: 4.0))

    assert made.rate == pytest.approx(6.0)


def test_a_burst_of_the_last_hours_counts_at_once() -> None:
    made = estimated(spending(lambda hour: 30.0 if hour >= HOURS - 4 else 10.0))

    assert made.rate == pytest.approx(30.0, rel=0.01)


def test_a_fleet_that_rests_at_weekends_has_no_burst_on_monday_morning() -> None:
    """It costs 9 USD an hour over a week. Three hours into a week, 30 USD for the rest would be far too much."""

    def weekdays(hour: int) -> float:
        since_monday = (hour - (HOURS - 4)) % 168
        return 30.0 if since_monday < 120 and since_monday % 24 < 10 else 0.0

    assert estimated(spending(weekdays)).rate < 10


@pytest.mark.parametrize("hour", [2, 9, 14, 20])
def test_a_fleet_that_works_by_night_costs_its_mean_at_any_time_of_day(hour: int) -> None:
    made = estimated(spending(lambda at: nightly(at + hour)))

    assert made.rate == pytest.approx(11.25, rel=0.01)


def test_a_late_or_repeated_report_changes_nothing() -> None:
    record = spending()
    disturbed = replace(record, billed=(*record.billed[::-1], *record.billed[5:9]))

    assert estimated(disturbed).spent == estimated(record).spent


def test_a_fall_of_the_bill_that_lasts_is_a_credit_and_a_short_one_is_not() -> None:
    record = spending()
    credited = replace(
        record,
        billed=tuple(
            replace(each, cost=each.cost - 500) if each.published_at > NOW - 48 * HOUR else each
            for each in record.billed
        ),
    )
    late = replace(record, billed=(*record.billed[:-1], replace(record.billed[-1], cost=record.billed[-1].cost - 500)))

    assert estimated(credited, cost=credited.billed[-1].cost).spent == pytest.approx(
        estimated(record).spent - 500, rel=0.03
    )
    assert estimated(late, cost=late.billed[-1].cost).spent == pytest.approx(estimated(record).spent, rel=0.01)


def test_while_a_fall_of_the_bill_may_be_a_credit_only_the_last_report_is_certain() -> None:
    """Otherwise everything that may be stopped at 100 % would be stopped for a cost that the bill took back."""
    record = spending()
    fallen = record.billed[-1].cost - 500
    made = estimated(record, cost=fallen)
    recovering = estimated(replace(record, billed=(*record.billed, BilledCost(NOW - HOUR, fallen))))

    assert made.at_least == fallen
    assert made.end_sd > 500
    assert recovering.spent_sd < 50


def test_hours_that_are_not_recorded_in_time_are_spent_with_certainty_only_as_far_as_a_mean_day_says() -> None:
    """The last recorded hour costs ten times the others: nobody knows whether the five hours after it do."""
    last = HOURS - 6

    def burst(hour: int) -> float:
        return 100.0 if hour == last else 10.0

    made = estimated(spending(burst, hours=last + 1))
    spent = total(burst, HOURS + 0.25)

    assert made.spent > spent + 400
    assert made.at_least < spent
    assert estimated(spending(burst)).spent_sd < 10


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (Spending(), "before 8 reports"),
        (spending(first_report=HOURS - 30), "before 8 reports of the bill over 36 hours"),
        (spending(hours=HOURS - 8), "rows end 8 hours ago"),
        (spending(missing=range(200, 228)), "miss 28 hours in a row"),
        (spending(lambda _: 0.0, other=5.0), "no cost rows"),
        (spending(factor=0.2), "is not plausible"),
    ],
)
def test_without_enough_history_there_is_no_estimate_and_it_says_why(record: Spending, why: str) -> None:
    made = asked(record, cost=100.0 if not record.billed else None)

    assert isinstance(made, NoEstimate)
    assert why in made.basis


def test_missing_hours_are_filled_from_the_same_hours_of_other_days_or_their_neighbors() -> None:
    whole, gap = spending(nightly), spending(nightly, missing=range(200, 212))

    assert estimated(gap).spent == pytest.approx(estimated(whole).spent, rel=0.0001)
    assert estimated(spending(missing=range(200, 204))).spent == pytest.approx(estimated(spending()).spent, rel=0.001)
    assert RunningTotal([1.0, None, 3.0, None]).hourly == [1.0, 2.0, 3.0, 3.0]


def test_a_made_up_report_moves_the_spending_and_leaves_the_fit_alone() -> None:
    record = spending()
    real = estimated(record)
    made_up = estimate(record, BilledCost(NOW, real.billed + 1000), JULY, hypothetical=True)

    assert not isinstance(made_up, NoEstimate)
    assert made_up.spent == pytest.approx(real.spent + 1000, rel=0.005)
    assert made_up.fit.factor == pytest.approx(real.fit.factor, rel=0.01)


def test_a_group_that_starts_again_what_was_stopped_is_noticed_after_two_hours() -> None:
    stopped_at = JULY.start + (HOURS - 6) * HOUR
    stops = (RecordedStops(stopped_at, 4.0),)

    assert estimated(spending(stops=stops)).refilled is not None
    assert estimated(spending(lambda hour: 6.0 if hour > HOURS - 6 else 10.0, stops=stops)).refilled is None
    assert estimated(spending(stops=(RecordedStops(NOW - timedelta(hours=1), 4.0),))).refilled is None


def test_every_term_is_named_and_its_basis_said() -> None:
    made = estimated(spending(factor=0.9, other=2.0))
    terms = dict(made.terms())

    assert terms["estimated_spent"] == made.spent
    assert terms["bill_delay_hours"] == pytest.approx(12, abs=1)
    assert "about 12 h late" in made.basis
    assert "list prices assumed" in made.basis
