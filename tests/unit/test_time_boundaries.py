"""Clocks that are wrong and periods that end: tables of what then is due, and of what a notification then means."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from spotkeeper.enforcement.verdicts import VerdictName, first_verdict
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import HOUR, PeriodKind, budget_period, latest_closed_hour, periods_of, requested_hours, rfc3339
from spotkeeper.settings import Clock
from spotkeeper.tracking.backlog import HourState, pending_hours
from spotkeeper.tracking.http_api import SCHEDULE_HEADER, decode
from spotkeeper.tracking.run import TrackRequest
from tests.unit.enforcer_samples import notification, policy, rule

PROJECTS = ("blue",)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def due_hours(clock: str, header: str, *recorded: str) -> list[str]:
    """Return the hours that a call does when the function's clock shows this and Cloud Scheduler says that."""
    asked = decode({SCHEDULE_HEADER: header}, {}, b"", at(clock), Clock.SYSTEM)
    assert isinstance(asked, TrackRequest)
    states = [
        HourState(at(f"2026-07-21T{hour}:00:00Z"), notified=True, settled=frozenset(PROJECTS)) for hour in recorded
    ]
    work = pending_hours(states, latest_closed_hour(asked.due), timedelta(hours=48), PROJECTS)
    return [f"{hour:%H}" for hour in work]


@pytest.mark.parametrize(
    ("clock", "header", "hours"),
    [
        ("2026-07-21T14:07:00Z", "2026-07-21T14:07:00Z", ["13"]),
        ("2026-07-21T14:05:59Z", "2026-07-21T14:07:00Z", []),
        ("2026-07-21T14:06:00Z", "2026-07-21T14:07:00Z", ["13"]),
        ("2026-07-21T13:57:00Z", "2026-07-21T14:07:00Z", []),
        ("2026-07-21T13:07:00Z", "2026-07-21T14:07:00Z", []),
        ("2026-07-21T14:07:00Z", "2126-07-21T14:07:00Z", ["13"]),
        ("2026-07-21T14:17:00Z", "2026-07-21T14:07:00Z", ["13"]),
        ("2026-07-21T15:07:00Z", "2026-07-21T14:07:00Z", ["13"]),
        ("2026-07-21T15:07:00Z", "2026-07-21T15:07:00Z", ["13", "14"]),
        ("2026-07-21T14:07:00Z", "2026-07-21T16:07:00+02:00", ["13"]),
        ("2026-07-21T14:07:00Z", "2026-07-20T22:37:00-15:30", ["13"]),
    ],
)
def test_a_clock_that_is_off_by_minutes_does_no_hour_before_it_is_closed_and_loses_none(
    clock: str, header: str, hours: Sequence[str]
) -> None:
    assert due_hours(clock, header, "12") == hours
    assert due_hours("2026-07-21T16:07:00Z", "2026-07-21T16:07:00Z", "12", *hours) == [
        hour for hour in ("13", "14", "15") if hour not in hours
    ]


@pytest.mark.parametrize(
    ("clock", "header"),
    [
        ("2026-07-21T14:07:00Z", "2026-06-09T14:06:59Z"),
        ("2026-07-21T14:07:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_schedule_time_before_what_the_metric_keeps_is_refused(clock: str, header: str) -> None:
    with pytest.raises(RefusedRequestError, match=SCHEDULE_HEADER) as refusal:
        due_hours(clock, header)

    assert header in str(refusal.value)


@pytest.mark.parametrize(
    ("now", "hour", "closed"),
    [
        ("2026-07-21T14:05:59.999999Z", "2026-07-21T13:00:00Z", False),
        ("2026-07-21T14:06:00Z", "2026-07-21T13:00:00Z", True),
        ("2027-01-01T00:05:59Z", "2026-12-31T23:00:00Z", False),
        ("2027-01-01T00:06:00Z", "2026-12-31T23:00:00Z", True),
        ("2028-02-29T00:06:00Z", "2028-02-28T23:00:00Z", True),
        ("2028-03-01T00:05:00Z", "2028-02-29T23:00:00Z", False),
        ("2026-11-01T09:06:00Z", "2026-11-01T08:00:00Z", True),
        ("2026-11-01T10:05:59Z", "2026-11-01T09:00:00Z", False),
        ("2026-03-08T10:06:00Z", "2026-03-08T09:00:00Z", True),
    ],
)
def test_an_hour_may_be_asked_for_from_the_second_in_which_it_closes(now: str, hour: str, closed: bool) -> None:  # noqa: FBT001 (a table's column)
    asked = (rfc3339(at(hour)), rfc3339(at(hour) + HOUR))

    if closed:
        assert requested_hours(*asked, at(now)) == (at(hour),)
    else:
        with pytest.raises(RefusedRequestError, match="is too late"):
            requested_hours(*asked, at(now))


@pytest.mark.parametrize(
    ("first", "last", "days", "months"),
    [
        ("2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z", ["2026-12-31T08"], ["2026-12-01T08"]),
        (
            "2027-01-01T07:00:00Z",
            "2027-01-01T08:00:00Z",
            ["2026-12-31T08", "2027-01-01T08"],
            ["2026-12-01T08", "2027-01-01T08"],
        ),
        ("2028-02-29T07:00:00Z", "2028-02-29T08:00:00Z", ["2028-02-28T08", "2028-02-29T08"], ["2028-02-01T08"]),
        (
            "2028-03-01T07:00:00Z",
            "2028-03-01T08:00:00Z",
            ["2028-02-29T08", "2028-03-01T08"],
            ["2028-02-01T08", "2028-03-01T08"],
        ),
        ("2026-03-09T06:00:00Z", "2026-03-09T07:00:00Z", ["2026-03-08T08", "2026-03-09T07"], ["2026-03-01T08"]),
        ("2026-11-02T07:00:00Z", "2026-11-02T08:00:00Z", ["2026-11-01T07", "2026-11-02T08"], ["2026-11-01T07"]),
        ("2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z", ["2026-11-01T07"], ["2026-11-01T07"]),
    ],
)
def test_hours_that_are_caught_up_on_are_counted_in_every_period_they_are_in(
    first: str, last: str, days: Sequence[str], months: Sequence[str]
) -> None:
    found = periods_of([at(last), at(first)])

    def starts(kind: PeriodKind) -> list[str]:
        return [f"{period.start:%Y-%m-%dT%H}" for period in found if period.kind is kind]

    assert starts(PeriodKind.HOUR) == [f"{at(hour):%Y-%m-%dT%H}" for hour in (first, last)]
    assert (starts(PeriodKind.DAY), starts(PeriodKind.MONTH)) == (days, months)


MONTH_ENDS = [
    "2026-08-01T07:00:00Z",
    "2026-11-01T07:00:00Z",
    "2026-12-01T08:00:00Z",
    "2027-01-01T08:00:00Z",
    "2028-03-01T08:00:00Z",
]
OVER, EARLIER, MALFORMED = VerdictName.OVER_BUDGET, VerdictName.EARLIER_PERIOD, VerdictName.MALFORMED
MISMATCH, TOO_OLD = VerdictName.PERIOD_MISMATCH, VerdictName.TOO_OLD


@pytest.mark.parametrize("end", MONTH_ENDS)
@pytest.mark.parametrize(
    ("published", "received", "about", "verdict"),
    [
        (-MINUTE, -MINUTE, "old", OVER),
        (-MINUTE, MINUTE, "old", EARLIER),
        (timedelta(0), timedelta(0), "old", EARLIER),
        (DAY, DAY, "old", EARLIER),
        (2 * DAY, 2 * DAY, "old", EARLIER),
        (-MINUTE, 7 * DAY, "old", EARLIER),
        (MINUTE, -MINUTE, "old", EARLIER),
        (MINUTE, -MINUTE, "new", OVER),
        (MINUTE, -DAY, "new", OVER),
        (timedelta(0), timedelta(0), "new", OVER),
        (-MINUTE, -MINUTE, "new", MALFORMED),
        (-MINUTE, MINUTE, "new", OVER),
        (400 * DAY, MINUTE, "new", MISMATCH),
        (-400 * DAY, -MINUTE, "old", TOO_OLD),
        (-400 * DAY, MINUTE, "old", EARLIER),
    ],
)
def test_a_message_around_the_end_of_a_month_stops_only_for_the_month_it_is_about(
    end: str, published: timedelta, received: timedelta, about: str, verdict: VerdictName
) -> None:
    """The later of its publisher's clock and the function's is the present."""
    new = budget_period(PeriodKind.MONTH, at(end))
    old = budget_period(PeriodKind.MONTH, at(end) - MINUTE)
    start = new.start if about == "new" else old.start
    said = notification(published=at(end) + published, start=start)

    assert (new.start, old.end) == (at(end), at(end))
    assert first_verdict(said, policy(rule()), at(end) + received).name is verdict
