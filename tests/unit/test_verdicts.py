from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotkeeper.enforcement.history import History, Reported, StopCounts
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed, Message
from spotkeeper.enforcement.policies import CustomPeriod, Policy, Priority, Response, Source
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, first_verdict, verdict_with
from spotkeeper.periods import PeriodKind, budget_period
from tests.unit.enforcer_samples import (
    ACCOUNT,
    HIGH,
    JULY,
    LOW,
    MEDIUM,
    NOW,
    at,
    notification,
    policy,
    rule,
    steps,
    tracker_alert,
)

SECOND = timedelta(seconds=1)
STEPS = steps(("0.8", "low"), ("1.0", "medium"), ("1.2", "high"))
TRACKER_STOPS = policy(rule(responses={Source.BILLING: Response.WARN, Source.TRACKER: Response.STOP}))
OVER, NEARING, UNDER = VerdictName.OVER_BUDGET, VerdictName.NEARING_BUDGET, VerdictName.UNDER_BUDGET
EARLIER, MISMATCH = VerdictName.EARLIER_PERIOD, VerdictName.PERIOD_MISMATCH


def verdict(said: BudgetNotification | Malformed, used: Policy | None = None, now: datetime = NOW) -> Verdict:
    return first_verdict(said, used or policy(), now)


def reported(at: datetime, cost: str = "1", own: str | None = None) -> tuple[Reported, ...]:
    """What one other notification reported, and the tracker's figure."""
    return (Reported(at, Decimal(cost), Decimal(100), None if own is None else Decimal(own)),)


@pytest.mark.parametrize(
    ("cost", "name", "priorities"),
    [
        ("-20", UNDER, set()),
        ("0", UNDER, set()),
        ("79.999999999", UNDER, set()),
        ("80", NEARING, {LOW}),
        ("99.999999999", NEARING, {LOW}),
        ("100", OVER, {LOW, MEDIUM}),
        ("119.999999999", OVER, {LOW, MEDIUM}),
        ("120", OVER, {LOW, MEDIUM, HIGH}),
        ("999999999999999999", OVER, {LOW, MEDIUM, HIGH}),
    ],
)
def test_a_share_of_the_budget_opens_the_steps_up_to_it(
    cost: str, name: VerdictName, priorities: set[Priority]
) -> None:
    found = verdict(notification(cost), policy(rule(steps=STEPS)))

    assert (found.name, set(found.priorities)) == (name, priorities)
    assert found.may_stop is bool(priorities)
    assert found.rule == rule(steps=STEPS)
    assert found.period == JULY


@pytest.mark.parametrize(("cost", "name"), [("99.999999999", UNDER), ("100", OVER)])
def test_without_more_said_only_low_priority_is_stopped_and_only_at_the_whole_budget(
    cost: str, name: VerdictName
) -> None:
    found = verdict(notification(cost))

    assert (found.name, set(found.priorities)) == (name, {LOW} if name is OVER else set())


@pytest.mark.parametrize(
    ("cost", "spent"),
    [
        ("99.999", "99.999 USD of 100.000 USD spent (99.9%)"),
        ("99.999999999", "99.999999999 USD of 100.000000000 USD spent (99.9%)"),
        ("99.99", "99.99 USD of 100.00 USD spent (99.9%)"),
        ("100.001", "100.001 USD of 100.000 USD spent (100.0%)"),
    ],
)
def test_an_amount_below_a_threshold_never_reads_as_if_it_had_reached_it(cost: str, spent: str) -> None:
    assert verdict(notification(cost)).reason.startswith(f"{spent}; ")


@pytest.mark.parametrize(
    ("age", "name"),
    [(timedelta(minutes=120), OVER), (timedelta(minutes=120, seconds=1), VerdictName.TOO_OLD)],
)
def test_a_message_older_than_the_policy_allows_stops_nothing(age: timedelta, name: VerdictName) -> None:
    found = verdict(notification(published=NOW - age))

    assert (found.name, found.may_stop) == (name, name is OVER)
    assert verdict(notification(published=NOW - age), policy(max_message_age_minutes=121)).name is OVER


@pytest.mark.parametrize(
    ("cost", "own", "changes", "name"),
    [
        ("4.99", "50", {}, VerdictName.CONTRADICTED),
        ("5", "50", {}, UNDER),
        ("-1", "50", {}, VerdictName.CONTRADICTED),
        ("4.99", None, {}, UNDER),
        ("4.99", "50", {"min_share_of_tracker_cost": Decimal(0)}, UNDER),
        ("120", "5000", {}, OVER),
    ],
)
def test_a_message_under_budget_may_contradict_the_tracker_s_rows(
    cost: str, own: str | None, changes: dict[str, object], name: VerdictName
) -> None:
    said, used = notification(cost), policy(**changes)
    history = History(tracker_cost=None if own is None else Decimal(own))

    assert verdict_with(history, verdict(said, used), said, used).name is name


def test_rows_in_usd_contradict_no_message_in_another_currency() -> None:
    said, used = notification("1", currency="EUR"), policy(rule(currency="EUR"))

    assert verdict_with(History(tracker_cost=Decimal(50)), verdict(said, used), said, used).name is UNDER


def test_a_small_budget_is_a_budget() -> None:
    assert verdict(notification("0.000000002", "0.000000001")).name is OVER
    assert verdict(notification("0.5", "1")).name is UNDER


def test_a_first_step_beyond_the_budget_leaves_what_is_over_it_alone() -> None:
    found = verdict(notification("110"), policy(rule(steps=steps(("1.2", "low")))))

    assert found.name is UNDER
    assert found.reason == "110.00 USD of 100.00 USD spent (110.0%); the lowest threshold is 120.0%"


@pytest.mark.parametrize(
    ("said", "used", "name", "reason"),
    [
        (
            notification("50"),
            policy(),
            UNDER,
            "50.00 USD of 100.00 USD spent (50.0%); the lowest threshold is 100.0%",
        ),
        (
            notification("1234567.891", "1000000"),
            policy(rule(steps=STEPS)),
            OVER,
            (
                "1,234,567.89 USD of 1,000,000.00 USD spent (123.4%); at 120.0%, low and medium and high "
                "priority may be stopped"
            ),
        ),
        (
            notification("85"),
            policy(rule(steps=STEPS)),
            NEARING,
            "85.00 USD of 100.00 USD spent (85.0%); at 80.0%, low priority may be stopped",
        ),
        (
            notification(budget_id="budget-2"),
            policy(),
            VerdictName.UNKNOWN_BUDGET,
            "the policy has no budget 'budget-2'",
        ),
        (
            notification(account="999999-BBBBBB-222222"),
            policy(billing_account_id=ACCOUNT),
            VerdictName.UNKNOWN_BUDGET,
            "billing account '999999-BBBBBB-222222' is not the policy's",
        ),
        (
            notification(currency="EUR"),
            policy(),
            VerdictName.OTHER_CURRENCY,
            "amounts are in EUR, but the policy's budget is in USD",
        ),
        (
            notification(budget="0"),
            policy(),
            VerdictName.UNUSABLE_AMOUNT,
            "no threshold can be reached of a budget of 0.00 USD",
        ),
        (
            notification(budget="-100"),
            policy(),
            VerdictName.UNUSABLE_AMOUNT,
            "no threshold can be reached of a budget of -100.00 USD",
        ),
        (
            notification(),
            policy(snooze_until=NOW + SECOND),
            VerdictName.SNOOZED,
            "120.00 USD of 100.00 USD spent (120.0%), but snoozed until 2026-07-21T14:15:01Z",
        ),
        (
            notification(),
            policy(rule(responses={Source.BILLING: Response.WARN, Source.TRACKER: Response.STOP})),
            VerdictName.WARN_ONLY,
            "120.00 USD of 100.00 USD spent (120.0%), but source billing may only warn",
        ),
        (
            tracker_alert(PeriodKind.DAY, budget_period(PeriodKind.DAY, NOW)),
            policy(),
            VerdictName.WARN_ONLY,
            "120.00 USD of 100.00 USD spent (120.0%), but source tracker may only warn",
        ),
        (
            notification(start=at("2026-06-01T07:00:00"), published=at("2026-07-03T00:00:00")),
            policy(),
            EARLIER,
            "notification for an earlier month (2026-06-01T07:00:00Z); the current month started 2026-07-01T07:00:00Z",
        ),
        (
            notification(start=JULY.end),
            policy(),
            VerdictName.MALFORMED,
            "costIntervalStart 2026-08-01T07:00:00Z is after the end of the current month, 2026-08-01T07:00:00Z",
        ),
        (
            Malformed(Message("m", None, {}, ""), "the message has no data"),
            policy(),
            VerdictName.MALFORMED,
            "the message has no data",
        ),
    ],
)
def test_every_verdict_has_a_name_and_a_reason(
    said: BudgetNotification | Malformed, used: Policy, name: VerdictName, reason: str
) -> None:
    found = verdict(said, used)

    assert (found.name, found.reason) == (name, reason)
    assert found.may_stop is (name in (OVER, NEARING))
    assert bool(found.priorities) is found.may_stop


def test_the_account_is_looked_at_only_when_the_policy_names_one() -> None:
    assert verdict(notification(account="")).name is OVER
    assert verdict(notification(), policy(billing_account_id=ACCOUNT)).name is OVER
    assert verdict(notification(account=""), policy(billing_account_id=ACCOUNT)).name is VerdictName.UNKNOWN_BUDGET


def test_a_verdict_on_a_known_budget_carries_its_rule_and_where_there_is_one_its_period() -> None:
    assert verdict(notification(budget_id="other")).rule is None
    assert verdict(notification(currency="EUR")).rule == rule()
    assert verdict(notification(budget="0")).rule == rule()
    assert verdict(notification(start=JULY.start - SECOND)).rule == rule()
    for said in (notification("1"), notification(start=JULY.start - SECOND), notification(start=JULY.end)):
        assert (verdict(said).rule, verdict(said).period) == (rule(), JULY)
    for used in (policy(snooze_until=NOW + SECOND), TRACKER_STOPS):
        assert (verdict(notification(), used).rule, verdict(notification(), used).period) == (
            used.budgets["budget-1"],
            JULY,
        )


def test_a_budget_in_another_currency_is_compared_in_that_currency() -> None:
    euros = policy(rule(currency="EUR"))

    assert verdict(notification(currency="EUR"), euros).name is OVER
    assert verdict(notification(), euros).name is VerdictName.OTHER_CURRENCY
    assert "120.00 EUR of 100.00 EUR" in verdict(notification(currency="EUR"), euros).reason


def test_a_snooze_ends_at_its_time() -> None:
    assert verdict(notification(), policy(snooze_until=NOW + SECOND)).name is VerdictName.SNOOZED
    assert verdict(notification(), policy(snooze_until=NOW)).name is OVER


def test_a_snooze_does_not_hide_that_the_budget_is_not_reached() -> None:
    assert verdict(notification("1"), policy(snooze_until=NOW + SECOND)).name is UNDER


@pytest.mark.parametrize(
    ("start", "now", "name"),
    [
        # the monthly budget goes on reporting July for two days of August
        ("2026-07-01T07:00:00", "2026-07-31T23:59:59", OVER),
        ("2026-07-01T07:00:00", "2026-08-01T06:59:59", OVER),
        ("2026-07-01T07:00:00", "2026-08-01T07:00:00", EARLIER),
        ("2026-07-01T07:00:00", "2026-08-03T06:59:59", EARLIER),
        ("2026-08-01T07:00:00", "2026-08-01T07:00:00", OVER),
        # a period that starts at midnight UTC, or up to eight hours before midnight in Los Angeles, is the same month
        ("2026-08-01T00:00:00", "2026-08-01T07:00:00", OVER),
        ("2026-07-31T23:00:00", "2026-08-01T07:00:00", OVER),
        ("2026-07-31T22:59:59", "2026-08-01T07:00:00", MISMATCH),
        # daylight saving begins on 2026-03-08 and ends on 2026-11-01
        ("2026-03-01T08:00:00", "2026-04-01T06:59:59", OVER),
        ("2026-03-01T08:00:00", "2026-04-01T07:00:00", EARLIER),
        ("2026-02-28T23:59:59", "2026-03-08T12:00:00", MISMATCH),
        ("2026-10-01T07:00:00", "2026-11-01T06:59:59", OVER),
        ("2026-10-01T07:00:00", "2026-11-01T07:00:00", EARLIER),
        ("2026-11-01T07:00:00", "2026-11-01T09:30:00", OVER),
        ("2026-11-01T07:00:00", "2026-12-01T07:59:59", OVER),
        ("2026-11-01T07:00:00", "2026-12-01T08:00:00", EARLIER),
        # the year ends, and a leap day is a day of February
        ("2026-12-01T08:00:00", "2027-01-01T07:59:59", OVER),
        ("2026-12-01T08:00:00", "2027-01-01T08:00:00", EARLIER),
        ("2028-02-01T08:00:00", "2028-03-01T07:59:59", OVER),
        ("2028-02-01T08:00:00", "2028-03-01T08:00:00", EARLIER),
        ("2027-02-01T08:00:00", "2027-03-01T08:00:00", EARLIER),
    ],
)
def test_a_monthly_budget_counts_only_in_its_own_month_of_los_angeles(start: str, now: str, name: VerdictName) -> None:
    said = notification(start=at(start), published=at(now))

    assert verdict(said, now=at(now)).name is name


@pytest.mark.parametrize(
    ("period", "start", "now", "name"),
    [
        (PeriodKind.QUARTER, "2026-07-01T07:00:00", "2026-10-01T06:59:59", OVER),
        (PeriodKind.QUARTER, "2026-07-01T07:00:00", "2026-10-01T07:00:00", EARLIER),
        (PeriodKind.QUARTER, "2026-10-01T07:00:00", "2027-01-01T07:59:59", OVER),
        (PeriodKind.QUARTER, "2026-10-01T07:00:00", "2027-01-01T08:00:00", EARLIER),
        (PeriodKind.QUARTER, "2026-01-01T08:00:00", "2026-04-01T06:59:59", OVER),
        (PeriodKind.QUARTER, "2026-01-01T08:00:00", "2026-04-01T07:00:00", EARLIER),
        (PeriodKind.QUARTER, "2026-08-01T07:00:00", "2026-08-15T00:00:00", MISMATCH),
        (PeriodKind.QUARTER, "2026-07-02T06:59:59", "2026-08-15T00:00:00", OVER),
        (PeriodKind.QUARTER, "2026-07-02T07:00:00", "2026-08-15T00:00:00", MISMATCH),
        (PeriodKind.YEAR, "2026-08-01T07:00:00", "2026-08-15T00:00:00", MISMATCH),
        (PeriodKind.YEAR, "2026-01-01T08:00:00", "2027-01-01T07:59:59", OVER),
        (PeriodKind.YEAR, "2026-01-01T08:00:00", "2027-01-01T08:00:00", EARLIER),
        (PeriodKind.MONTH, "2026-07-01T07:00:00", "2026-08-04T06:59:59", EARLIER),
        (PeriodKind.MONTH, "2026-07-01T07:00:00", "2026-08-04T07:00:00", MISMATCH),
        (PeriodKind.MONTH, "2026-07-01T07:00:00", "2026-08-15T00:00:00", MISMATCH),
        (PeriodKind.MONTH, "2026-01-01T08:00:00", "2026-07-15T10:00:00", MISMATCH),
        (PeriodKind.MONTH, "2026-07-10T07:00:00", "2026-07-15T10:00:00", MISMATCH),
        (PeriodKind.QUARTER, "2026-01-01T08:00:00", "2026-07-15T10:00:00", MISMATCH),
        (CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)), "2026-03-08T08:00:00", "2026-11-02T07:59:59", OVER),
        (CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)), "2026-03-08T08:00:00", "2026-11-02T08:00:00", EARLIER),
        (CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)), "2026-03-07T23:59:59", "2026-06-01T00:00:00", MISMATCH),
        (CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)), "2026-03-08T00:00:00", "2026-06-01T00:00:00", OVER),
        (CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)), "2026-03-09T08:00:00", "2026-06-01T00:00:00", MISMATCH),
        (
            CustomPeriod(date(2026, 3, 8), date(2026, 11, 1)),
            "2026-11-02T08:00:00",
            "2026-06-01T00:00:00",
            MISMATCH,
        ),
        (CustomPeriod(date(2028, 2, 29), date(2028, 2, 29)), "2028-02-29T08:00:00", "2028-03-01T07:59:59", OVER),
        (CustomPeriod(date(2028, 2, 29), date(2028, 2, 29)), "2028-02-29T08:00:00", "2028-03-01T08:00:00", EARLIER),
    ],
)
def test_a_budget_counts_only_in_the_period_that_the_policy_gives_it(
    period: PeriodKind | CustomPeriod, start: str, now: str, name: VerdictName
) -> None:
    said = notification(start=at(start), published=at(now))

    assert verdict(said, policy(rule(period=period)), at(now)).name is name


def test_messages_of_a_monthly_budget_are_not_taken_for_those_of_a_quarter() -> None:
    found = verdict(notification(start=at("2026-08-01T07:00:00")), policy(rule(period=PeriodKind.QUARTER)))

    assert found.reason == (
        "the rule's period does not fit this budget: costIntervalStart is 2026-08-01T07:00:00Z, but the quarter of the "
        "policy started 2026-07-01T07:00:00Z: set period to that of the budget"
    )


def test_a_yearly_budget_under_a_monthly_rule_is_named_in_july() -> None:
    said = notification("1500", "1000", start=at("2026-01-01T08:00:00"), published=at("2026-07-15T10:00:00"))
    found = verdict(said, now=at("2026-07-15T10:00:00"))

    assert found.name is MISMATCH
    assert found.reason == (
        "the rule's period does not fit this budget: costIntervalStart is 2026-01-01T08:00:00Z, but the month of the "
        "policy started 2026-07-01T07:00:00Z: set period to year"
    )


@pytest.mark.parametrize(
    ("used", "start", "now", "advice"),
    [
        (PeriodKind.QUARTER, "2026-08-01T07:00:00", "2026-08-15T00:00:00", "set period to month"),
        (PeriodKind.MONTH, "2026-04-01T07:00:00", "2026-05-15T00:00:00", "set period to quarter"),
    ],
)
def test_a_period_that_does_not_fit_names_the_one_that_does(
    used: PeriodKind, start: str, now: str, advice: str
) -> None:
    found = verdict(notification(start=at(start), published=at(now)), policy(rule(period=used)), at(now))

    assert found.name is MISMATCH
    assert found.reason.endswith(advice)


def test_a_message_that_is_delivered_weeks_late_is_of_an_earlier_period_and_no_other_budget() -> None:
    said = notification(start=at("2026-06-01T07:00:00"), published=at("2026-06-20T00:00:00"))

    assert verdict(said).name is EARLIER


@pytest.mark.parametrize("cost", ["0", "-3"])
def test_a_budget_of_which_nothing_is_spent_may_be_covered_by_credits(cost: str) -> None:
    assert ", or credits cover the cost; the lowest threshold is " in verdict(notification(cost)).reason
    assert "credits" not in verdict(notification("0.01")).reason


def test_a_budget_of_fixed_dates_that_is_over_says_so() -> None:
    spring = policy(rule(period=CustomPeriod(date(2026, 3, 1), date(2026, 5, 31))))
    found = verdict(notification(start=at("2026-03-01T08:00:00")), spring)

    assert (found.name, found.reason) == (EARLIER, "the budget ended 2026-06-01T07:00:00Z")
    assert found.rule == spring.budgets["budget-1"]
    assert found.period == (PeriodKind.CUSTOM, at("2026-03-01T08:00:00"), at("2026-06-01T07:00:00"))


@pytest.mark.parametrize(
    ("kind", "start", "now", "name"),
    [
        # an hour is reported once it is closed, six minutes after its end, and only until the next one is
        (PeriodKind.HOUR, "2026-07-21T13:00:00", "2026-07-21T14:06:00", OVER),
        (PeriodKind.HOUR, "2026-07-21T13:00:00", "2026-07-21T15:05:59", OVER),
        (PeriodKind.HOUR, "2026-07-21T13:00:00", "2026-07-21T15:06:00", EARLIER),
        (PeriodKind.HOUR, "2026-07-21T13:00:00", "2026-07-21T14:05:59", VerdictName.MALFORMED),
        (PeriodKind.DAY, "2026-07-20T07:00:00", "2026-07-21T06:59:59", OVER),
        (PeriodKind.DAY, "2026-07-20T07:00:00", "2026-07-21T07:00:00", EARLIER),
        (PeriodKind.DAY, "2026-03-08T08:00:00", "2026-03-09T06:59:59", OVER),
        (PeriodKind.DAY, "2026-03-08T08:00:00", "2026-03-09T07:00:00", EARLIER),
        (PeriodKind.DAY, "2026-11-01T07:00:00", "2026-11-02T07:59:59", OVER),
        (PeriodKind.DAY, "2026-11-01T07:00:00", "2026-11-02T08:00:00", EARLIER),
        (PeriodKind.MONTH, "2026-07-01T07:00:00", "2026-08-01T06:59:59", OVER),
        (PeriodKind.MONTH, "2026-07-01T07:00:00", "2026-08-01T07:00:00", EARLIER),
    ],
)
def test_the_trackers_alerts_count_only_in_the_period_they_name(
    kind: PeriodKind, start: str, now: str, name: VerdictName
) -> None:
    said = tracker_alert(kind, budget_period(kind, at(start)), published_at=at(now), interval_start=at(start))
    found = verdict(said, TRACKER_STOPS, at(now))

    assert found.name is name
    assert found.period is not None
    assert found.period.kind is kind


def test_a_clock_that_lags_behind_the_publisher_does_not_bring_an_old_month_back() -> None:
    said = notification(published=JULY.end + SECOND)

    assert verdict(said, now=JULY.end - SECOND).name is EARLIER
    assert verdict(notification(published=JULY.end - SECOND), now=JULY.end).name is EARLIER


@pytest.mark.parametrize(
    ("history", "name"),
    [
        (History(), OVER),
        (History(received_before=True), VerdictName.REDELIVERED),
        (History(received_before=True, newer=reported(NOW + SECOND)), VerdictName.REDELIVERED),
        (History(newer=reported(NOW + SECOND)), VerdictName.SUPERSEDED),
        (History(newer=reported(NOW + timedelta(microseconds=1))), VerdictName.SUPERSEDED),
        (History(newer=reported(NOW)), OVER),
        (History(newer=reported(NOW - SECOND)), OVER),
        (History(newer=reported(NOW + SECOND, "9", "100")), OVER),
        (History(newer=reported(NOW + SECOND, "10", "100")), VerdictName.SUPERSEDED),
        (History(counts=StopCounts(99, 99), plans=99), OVER),
    ],
)
def test_what_is_on_record_makes_a_notification_a_redelivered_or_a_superseded_one(
    history: History, name: VerdictName
) -> None:
    first = verdict(notification())
    found = verdict_with(history, first, notification(), policy())

    assert found.name is name
    assert found.may_stop is (name is OVER)
    assert (found.rule, found.period) == (first.rule, first.period)


def test_the_history_gives_its_reason() -> None:
    first = verdict(notification())

    assert verdict_with(History(), first, notification(), policy()) == first
    again = verdict_with(History(received_before=True), first, notification(), policy())
    assert again.reason == "this message was received before"
    newer = verdict_with(History(newer=reported(NOW + SECOND)), first, notification(), policy())
    assert newer.reason == "superseded by a newer notification of this budget (2026-07-21T14:15:01Z)"


AMOUNTS = st.decimals(-(10**18), 10**18, places=9, allow_nan=False)
MOMENTS = st.datetimes(datetime(2000, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (hypothesis adds the zone)


@settings(deadline=None)
@given(st.tuples(AMOUNTS, AMOUNTS), st.sampled_from(["USD", "EUR"]), MOMENTS, MOMENTS, MOMENTS)
def test_nothing_is_stopped_unless_a_step_of_this_very_period_is_reached(
    amounts: tuple[Decimal, Decimal], currency: str, start: datetime, published: datetime, now: datetime
) -> None:
    cost, budget = amounts
    said = notification(str(cost), str(budget), currency=currency, start=start, published=published)
    found = first_verdict(said, policy(rule(steps=STEPS)), now)

    assert found.reason
    if found.may_stop:
        assert cost >= budget * Decimal("0.8") > 0
        assert currency == "USD"
        assert budget_period(PeriodKind.MONTH, start) == budget_period(PeriodKind.MONTH, max(now, published))


@settings(deadline=None)
@given(MOMENTS, st.sampled_from(["1", "85", "120"]))
def test_a_notification_of_the_present_month_is_always_judged_by_its_amounts(moment: datetime, cost: str) -> None:
    month = budget_period(PeriodKind.MONTH, moment)
    said = replace(notification(cost, published=moment), interval_start=month.start)

    assert first_verdict(said, policy(rule(steps=STEPS)), moment).name is {"1": UNDER, "85": NEARING, "120": OVER}[cost]
