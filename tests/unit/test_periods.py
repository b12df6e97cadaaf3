from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import (
    HOUR,
    PeriodKind,
    budget_period,
    budget_periods,
    end_of_day,
    hours_of_month,
    latest_closed_hour,
    requested_hours,
    rfc3339,
    spans,
    start_of_day,
)

NOW = datetime(2026, 7, 21, 14, 7, tzinfo=UTC)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "hour"),
    [
        ("2026-07-21T14:05:59", "2026-07-21T12:00:00"),
        ("2026-07-21T14:06:00", "2026-07-21T13:00:00"),
        ("2026-07-21T14:59:59", "2026-07-21T13:00:00"),
        ("2026-07-21T00:06:00", "2026-07-20T23:00:00"),
        ("2027-01-01T00:05:00", "2026-12-31T22:00:00"),
    ],
)
def test_an_hour_is_closed_six_minutes_after_its_end(now: str, hour: str) -> None:
    assert latest_closed_hour(at(now)) == at(hour)


def test_a_range_is_the_hours_from_start_up_to_end() -> None:
    hours = requested_hours("2026-07-21T05:00:00Z", "2026-07-21T08:00:00Z", NOW)

    assert hours == (at("2026-07-21T05:00:00"), at("2026-07-21T06:00:00"), at("2026-07-21T07:00:00"))


def test_the_latest_closed_hour_may_be_asked_for() -> None:
    assert requested_hours("2026-07-21T13:00:00Z", "2026-07-21T14:00:00+00:00", NOW) == (at("2026-07-21T13:00:00"),)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("yesterday", "2026-07-21T08:00:00Z", 'start is "yesterday", but must be a time'),
        ("2026-07-21", "2026-07-21T08:00:00Z", 'start is "2026-07-21", but must be a time'),
        ("2026-07-21T05:00:00", "2026-07-21T08:00:00Z", 'start is "2026-07-21T05:00:00", but must be a time'),
        ("2026-07-21T05:00:00Z", "", 'end is "", but must be a time'),
        ("2026-07-21T05:00:00+02:00", "2026-07-21T08:00:00Z", "is not in UTC: write it with Z"),
        ("2026-07-21T05:30:00Z", "2026-07-21T08:00:00Z", "start 2026-07-21T05:30:00Z is not a full hour"),
        ("2026-07-21T05:00:00.5Z", "2026-07-21T08:00:00Z", "is not a full hour"),
        ("2026-07-21T08:00:00Z", "2026-07-21T05:00:00Z", "must be before end"),
        ("2026-07-21T08:00:00Z", "2026-07-21T08:00:00Z", "must be before end"),
        ("2026-07-21T13:00:00Z", "2026-07-21T15:00:00Z", "the latest closed hour ends at 2026-07-21T14:00:00Z"),
        ("2027-07-21T13:00:00Z", "2027-07-21T15:00:00Z", "is too late"),
        ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", "start 2026-06-01T00:00:00Z is too old"),
        ("2026-07-10T00:00:00Z", "2026-07-17T01:00:00Z", "is too long: ask for at most 7 days"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z", "is not in the years 2000 to 2999"),
    ],
)
def test_a_wrong_range_is_refused_with_its_value_named(start: str, end: str, message: str) -> None:
    with pytest.raises(RefusedRequestError) as refusal:
        requested_hours(start, end, NOW)

    assert message in str(refusal.value)


def test_the_oldest_hour_still_kept_may_be_asked_for_and_the_one_before_not() -> None:
    oldest = at("2026-06-09T15:00:00")

    assert requested_hours(rfc3339(oldest), rfc3339(oldest + HOUR), NOW) == (oldest,)
    with pytest.raises(RefusedRequestError, match="too old"):
        requested_hours(rfc3339(oldest - HOUR), rfc3339(oldest), NOW)


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        ("2026-07-21T06:00:00", ("2026-07-20T07:00:00", 24), ("2026-07-01T07:00:00", "2026-08-01T07:00:00")),
        ("2026-07-21T07:00:00", ("2026-07-21T07:00:00", 24), ("2026-07-01T07:00:00", "2026-08-01T07:00:00")),
        ("2026-08-01T06:59:00", ("2026-07-31T07:00:00", 24), ("2026-07-01T07:00:00", "2026-08-01T07:00:00")),
        ("2026-03-08T12:00:00", ("2026-03-08T08:00:00", 23), ("2026-03-01T08:00:00", "2026-04-01T07:00:00")),
        ("2026-11-01T12:00:00", ("2026-11-01T07:00:00", 25), ("2026-11-01T07:00:00", "2026-12-01T08:00:00")),
        ("2027-01-01T07:00:00", ("2026-12-31T08:00:00", 24), ("2026-12-01T08:00:00", "2027-01-01T08:00:00")),
    ],
)
def test_budget_periods_begin_at_midnight_in_los_angeles(
    moment: str, day: tuple[str, int], month: tuple[str, str]
) -> None:
    hour_period, day_period, month_period = budget_periods(at(moment))

    assert (hour_period.kind, hour_period.start, hour_period.end - hour_period.start) == (
        PeriodKind.HOUR,
        at(moment).replace(minute=0),
        HOUR,
    )
    assert (day_period.start, (day_period.end - day_period.start) // HOUR) == (at(day[0]), day[1])
    assert (month_period.start, month_period.end) == (at(month[0]), at(month[1]))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds the zone)
def test_every_moment_lies_in_its_periods_and_each_lies_in_the_next_longer(moment: datetime) -> None:
    hour, day, month = budget_periods(moment)

    assert month.start <= day.start <= hour.start <= moment < hour.end <= day.end <= month.end


def test_hours_are_read_in_runs_of_consecutive_hours() -> None:
    hours = [at(f"2026-07-21T{hour:02}:00:00") for hour in (9, 1, 2, 3, 4, 5, 3)]

    assert [len(span) for span in spans(hours, 4)] == [4, 1, 1]
    assert [span[0].hour for span in spans(hours, 4)] == [1, 5, 9]


@given(st.sets(st.integers(0, 200), max_size=60), st.integers(1, 6))
def test_runs_hold_every_hour_once_and_in_order(numbers: set[int], longest: int) -> None:
    hours = {at("2026-01-01T00:00:00") + timedelta(hours=number) for number in numbers}

    found = spans(hours, longest)

    assert [hour for span in found for hour in span] == sorted(hours)
    assert all(len(span) <= longest and span[-1] - span[0] == HOUR * (len(span) - 1) for span in found)


@pytest.mark.parametrize(
    ("kind", "moment", "start", "end"),
    [
        (PeriodKind.QUARTER, "2026-04-01T06:59:59", "2026-01-01T08:00:00", "2026-04-01T07:00:00"),
        (PeriodKind.QUARTER, "2026-04-01T07:00:00", "2026-04-01T07:00:00", "2026-07-01T07:00:00"),
        (PeriodKind.QUARTER, "2026-05-31T12:00:00", "2026-04-01T07:00:00", "2026-07-01T07:00:00"),
        (PeriodKind.QUARTER, "2026-12-31T12:00:00", "2026-10-01T07:00:00", "2027-01-01T08:00:00"),
        (PeriodKind.QUARTER, "2027-01-01T07:59:59", "2026-10-01T07:00:00", "2027-01-01T08:00:00"),
        (PeriodKind.YEAR, "2027-01-01T07:59:59", "2026-01-01T08:00:00", "2027-01-01T08:00:00"),
        (PeriodKind.YEAR, "2027-01-01T08:00:00", "2027-01-01T08:00:00", "2028-01-01T08:00:00"),
        (PeriodKind.MONTH, "2028-02-29T12:00:00", "2028-02-01T08:00:00", "2028-03-01T08:00:00"),
        (PeriodKind.MONTH, "2026-03-31T12:00:00", "2026-03-01T08:00:00", "2026-04-01T07:00:00"),
        (PeriodKind.DAY, "2026-11-01T09:30:00", "2026-11-01T07:00:00", "2026-11-02T08:00:00"),
        (PeriodKind.DAY, "2026-03-08T10:30:00", "2026-03-08T08:00:00", "2026-03-09T07:00:00"),
        (PeriodKind.HOUR, "2026-11-01T09:30:00", "2026-11-01T09:00:00", "2026-11-01T10:00:00"),
    ],
)
def test_a_budget_period_of_any_length_is_cut_at_midnight_in_los_angeles(
    kind: PeriodKind, moment: str, start: str, end: str
) -> None:
    assert budget_period(kind, at(moment)) == (kind, at(start), at(end))


@given(
    st.sampled_from([kind for kind in PeriodKind if kind is not PeriodKind.CUSTOM]),
    st.datetimes(datetime(2000, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (hypothesis adds the zone)
)
def test_periods_of_one_kind_follow_each_other_without_a_gap(kind: PeriodKind, moment: datetime) -> None:
    period = budget_period(kind, moment)

    assert period.start <= moment < period.end
    assert budget_period(kind, period.start) == period
    assert budget_period(kind, period.end).start == period.end
    assert budget_period(kind, period.start - timedelta(microseconds=1)).end == period.start


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 7, 21), "2026-07-21T07:00:00", "2026-07-22T07:00:00"),
        (date(2026, 3, 8), "2026-03-08T08:00:00", "2026-03-09T07:00:00"),
        (date(2026, 11, 1), "2026-11-01T07:00:00", "2026-11-02T08:00:00"),
        (date(2026, 12, 31), "2026-12-31T08:00:00", "2027-01-01T08:00:00"),
        (date(2028, 2, 29), "2028-02-29T08:00:00", "2028-03-01T08:00:00"),
    ],
)
def test_a_calendar_day_of_a_budget_is_one_in_los_angeles(day: date, start: str, end: str) -> None:
    assert (start_of_day(day), end_of_day(day)) == (at(start), at(end))


def test_the_last_day_there_is_ends_after_all_others() -> None:
    assert end_of_day(date(9999, 12, 30)) < end_of_day(date.max)
    assert end_of_day(date.max).tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-02-01T07:59:59", 744),
        ("2026-02-01T08:00:00", 672),
        ("2028-02-15T00:00:00", 696),
        ("2026-03-15T00:00:00", 743),
        ("2026-06-30T12:00:00", 720),
        ("2026-11-15T00:00:00", 721),
    ],
    ids=["January", "February", "February of a leap year", "clocks go forward", "June", "clocks go back"],
)
def test_a_month_of_cloud_billing_has_the_hours_of_its_days_in_los_angeles(moment: str, hours: int) -> None:
    assert hours_of_month(at(moment)) == hours
