import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from spotkeeper.errors import RefusedRequestError
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import Period, PeriodKind
from spotkeeper.pricing.price_book import PriceStatus
from spotkeeper.settings import Clock
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.capacity import CapacitySummary, PriceCheck, PriceDifference, ReadingStatus
from spotkeeper.tracking.http_api import SCHEDULE_HEADER, SCHEDULED_LATER, decode, interim_body, response_body
from spotkeeper.tracking.interim import InterimRequest, InterimStatus, InterimSummary
from spotkeeper.tracking.run import TrackRequest
from spotkeeper.tracking.run_summary import Gap, HourRun, Summary, Unpriced
from spotkeeper.tracking.settings import Budgets
from spotkeeper.tracking.uptime import Uptime

NOW = datetime(2026, 7, 21, 14, 7, 12, tzinfo=UTC)
START, END = "2026-07-21T05:00:00Z", "2026-07-21T07:00:00Z"
HOURS = (datetime(2026, 7, 21, 5, tzinfo=UTC), datetime(2026, 7, 21, 6, tzinfo=UTC))
PLAIN = TrackRequest(NOW, NOW)
RANGE = TrackRequest(NOW, NOW, HOURS)


def asked(
    body: bytes | object = b"",
    query: Mapping[str, Sequence[str]] | None = None,
    schedule: str | None = None,
    clock: Clock = Clock.SYSTEM,
) -> TrackRequest:
    headers = {} if schedule is None else {SCHEDULE_HEADER: schedule}
    found = decode(headers, query or {}, body if isinstance(body, bytes) else json.dumps(body).encode(), NOW, clock)
    assert isinstance(found, TrackRequest)
    return found


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"{}", b" { } "])
def test_a_call_without_fields_asks_for_what_is_due(body: bytes) -> None:
    assert asked(body) == PLAIN


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"start": START, "end": END}, {}),
        (b"", {"start": [START], "end": [END]}),
        ({"start": START}, {"end": [END]}),
        ({"end": END}, {"start": [START]}),
        ({"end": "2026-07-21t07:00:00+00:00", "start": START}, {}),
    ],
)
def test_a_range_is_read_from_the_body_and_the_query(
    body: bytes | dict[str, str], query: Mapping[str, Sequence[str]]
) -> None:
    assert asked(body, query) == RANGE


@pytest.mark.parametrize(("body", "query"), [(b'{"check": "interim"}', {}), (b"", {"check": ["interim"]})])
def test_an_interim_check_is_of_the_present(body: bytes, query: Mapping[str, Sequence[str]]) -> None:
    late = {SCHEDULE_HEADER: "2026-07-21T14:00:00Z"}

    assert decode(late, query, body, NOW, Clock.SYSTEM) == InterimRequest(NOW)


@pytest.mark.parametrize(
    ("body", "query", "message"),
    [
        ({"check": "hourly"}, {}, "check must be interim, without start and end"),
        ({"check": "interim", "start": START, "end": END}, {}, "check must be interim, without start and end"),
        ({"check": "interim"}, {"check": ["interim"]}, "check is given 2 times"),
        ({"check": True}, {}, "check is true, but must be a non-empty string"),
        ({"start": START, "end": END, "dry_run": True}, {}, '"dry_run" is not a field of this request'),
        (b"", {"Start": [START]}, '"Start" is not a field of this request'),
        ({"": START}, {}, '"" is not a field of this request'),
        ({"x" * 1000: START}, {}, "xxx…"),
        (b"", {"start": [START, START], "end": [END]}, "start is given 2 times"),
        ({"start": START, "end": END}, {"end": [END]}, "end is given 2 times"),
        (f'{{"start": "{START}", "start": "{END}"}}'.encode(), {}, 'the body is not JSON: duplicate key "start"'),
        ({"start": 5, "end": 6}, {}, "start is 5, but must be a non-empty string"),
        ({"start": None, "end": END}, {}, "start is null, but must be a non-empty string"),
        ({"start": START, "end": [END]}, {}, 'end is ["2026-07-21T07:00:00Z"], but must be a non-empty string'),
        (
            {"start": START, "end": {"at": END}},
            {},
            'end is {"at": "2026-07-21T07:00:00Z"}, but must be a',
        ),
        ({"start": START, "end": "7" * 1000}, {}, "777…, but must be a time"),
        ({"start": START}, {}, "end is missing: give both start and end, or neither"),
        ({"end": END}, {}, "start is missing: give both start and end, or neither"),
        ({"start": "five", "end": END}, {}, 'start is "five", but must be a time'),
        ({"start": END, "end": START}, {}, "must be before end"),
        ({"start": START, "end": "2026-07-21T15:00:00Z"}, {}, "the latest closed hour ends at 2026-07-21T14:00:00Z"),
        (b"start=now", {}, "the body is not JSON"),
        (b'{"start": ', {}, "the body is not JSON"),
        (b"\xff\xfe\x00\x00", {}, "the body is not JSON"),
        (b'{"start": ' + b"9" * 5000 + b"}", {}, "99…, but must be a non-empty string"),
        (b"[" * 100_000, {}, "the body is not JSON"),
        (b"[]", {}, "the body is [], but must be a JSON object"),
        (b"null", {}, "the body is null, but must be a JSON object"),
        (b'"2026-07-21T05:00:00Z"', {}, 'the body is "2026-07-21T05:00:00Z", but must be a JSON object'),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_wrong_request_is_refused_with_its_value_named(
    body: bytes | object, query: Mapping[str, Sequence[str]], message: str
) -> None:
    with pytest.raises(RefusedRequestError) as refusal:
        asked(body, query)

    assert message in str(refusal.value)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("yesterday", 'is "yesterday", but must be a time'),
        ("2026-07-21T14:00:00", 'is "2026-07-21T14:00:00", but must be a time'),
        ("2026-07-21", 'is "2026-07-21", but must be a time'),
        ("2026-06-09T14:07:11Z", "2026-06-09T14:07:11Z is too old"),
        ("0001-01-01T00:00:00+01:00", "but must be a time"),
        ("0001-01-01T00:00:00Z", "is not in the years 2000 to 2999"),
        ("9999-12-31T23:59:59Z", "is not in the years 2000 to 2999"),
    ],
)
def test_a_wrong_schedule_time_is_refused_with_its_value_named(schedule: str, message: str) -> None:
    with pytest.raises(RefusedRequestError) as refusal:
        asked(schedule=schedule)

    assert str(refusal.value).startswith(SCHEDULE_HEADER)
    assert message in str(refusal.value)


@pytest.mark.parametrize("schedule", ["yesterday", "1999-12-31T23:59:59Z", "3000-01-01T00:00:00Z"])
def test_a_replay_takes_no_wrong_schedule_time_either(schedule: str) -> None:
    with pytest.raises(RefusedRequestError, match=SCHEDULE_HEADER):
        asked(schedule=schedule, clock=Clock.SCHEDULE)


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("2026-07-21T14:07:00Z", "2026-07-21T14:07:00Z"),
        ("2026-07-21T11:07:00Z", "2026-07-21T11:07:00Z"),
        ("2026-07-21T14:07:00.123456789Z", "2026-07-21T14:07:00.123456Z"),
        ("2026-07-21T07:07:00-07:00", "2026-07-21T14:07:00Z"),
        ("2026-07-21T19:37:00+05:30", "2026-07-21T14:07:00Z"),
        ("2026-06-09T14:07:12Z", "2026-06-09T14:07:12Z"),
        # On a forced run the header may hold the next time that the job is due.
        ("2026-07-21T15:07:00Z", "2026-07-21T14:07:12Z"),
        ("2026-08-21T00:07:00-07:00", "2026-07-21T14:07:12Z"),
        ("", "2026-07-21T14:07:12Z"),
    ],
)
def test_hours_are_due_up_to_the_time_the_call_was_scheduled_for(schedule: str, due: str) -> None:
    assert asked(schedule=schedule) == TrackRequest(NOW, datetime.fromisoformat(due))


def test_a_schedule_time_in_the_future_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    for schedule in ("2026-07-21T14:17:12Z", "2026-07-21T15:07:00Z"):
        asked(schedule=schedule)

    assert [record.getMessage() for record in caplog.records] == [SCHEDULED_LATER]


@pytest.mark.parametrize("name", ["X-Cloudscheduler-Scheduletime", "x-cloudscheduler-scheduletime"])
def test_a_server_may_write_the_header_s_name_in_other_letters(name: str) -> None:
    due = datetime(2026, 7, 21, 11, 7, tzinfo=UTC)

    assert decode({name: "2026-07-21T11:07:00Z"}, {}, b"", NOW, Clock.SYSTEM) == TrackRequest(NOW, due)


def test_a_late_call_may_still_ask_for_hours_up_to_the_present() -> None:
    late = asked({"start": "2026-07-21T13:00:00Z", "end": "2026-07-21T14:00:00Z"}, schedule="2026-07-21T11:07:00Z")

    assert late.hours == (datetime(2026, 7, 21, 13, tzinfo=UTC),)


def test_in_a_replay_the_schedule_time_is_the_present() -> None:
    long_ago = datetime(2024, 2, 29, 5, 7, tzinfo=UTC)

    assert asked(schedule="2024-02-29T05:07:00Z", clock=Clock.SCHEDULE) == TrackRequest(long_ago, long_ago)
    with pytest.raises(RefusedRequestError, match="is too late: the latest closed hour ends at 2024-02-29T05:00:00Z"):
        asked({"start": START, "end": END}, schedule="2024-02-29T05:07:00Z", clock=Clock.SCHEDULE)


def test_in_a_replay_a_call_without_a_schedule_time_is_of_the_present() -> None:
    assert asked(clock=Clock.SCHEDULE) == PLAIN


KEY = InstanceKey("blue", "us-central1-a", "17000000000000000001")
PERIOD = Period(PeriodKind.DAY, datetime(2026, 7, 21, 7, tzinfo=UTC), datetime(2026, 7, 22, 7, tzinfo=UTC))


def test_the_response_has_every_count_and_names_what_is_missing() -> None:
    hour = HourRun(
        "run1",
        HOURS[0],
        NOW,
        provisional=True,
        rows=7,
        cost_billionths=12,
        ondemand_billionths=1_500_000_000,
        statuses=Counter({PriceStatus.EXACT: 4, PriceStatus.UNKNOWN: 3}),
        unpriced=Counter({Unpriced("n9-standard-4", "us-central1", "no rule"): 3}),
        unresolved=[Uptime(KEY, "worker-1", HOURS[0], 60.0)],
        gaps=[Gap("compute", "503", "red")],
    )
    alert = Alert(PERIOD, Decimal(90), Decimal(100), (Decimal("0.5"), Decimal("0.8")))

    body = response_body(Summary("run1", (hour,), (alert,), "Cloud Monitoring: 403"))

    assert json.loads(json.dumps(body)) == {
        "status": "incomplete",
        "run_id": "run1",
        "hours": ["2026-07-21T05:00:00Z"],
        "provisional_hours": ["2026-07-21T05:00:00Z"],
        "rows": 7,
        "total_cost": "0.000000012",
        "ondemand_cost": "1.500000000",
        "currency": "USD",
        "complete": False,
        "unresolved": 1,
        "unresolved_hours": "0.016666667",
        "unresolved_instances": ["blue/us-central1-a/worker-1"],
        "unpriced": 3,
        "unpriced_machine_types": [
            {"machine_type": "n9-standard-4", "region": "us-central1", "reason": "no rule", "rows": 3}
        ],
        "price_statuses": {"exact": 4, "unknown": 3},
        "gaps": [{"source": "compute", "project_id": "red", "detail": "503", "final": False}],
        "alerts": [
            {
                "kind": "threshold",
                "label_budget": None,
                "period": "day",
                "period_start": "2026-07-21T07:00:00Z",
                "threshold": "0.8",
            }
        ],
        "metrics_error": "Cloud Monitoring: 403",
        "capacity_history": None,
    }


def test_the_response_to_an_interim_check_has_the_estimate_of_each_budget() -> None:
    day = Period(PeriodKind.DAY, datetime(2026, 7, 21, 7, tzinfo=UTC), datetime(2026, 7, 22, 7, tzinfo=UTC))
    month = Period(PeriodKind.MONTH, datetime(2026, 7, 1, 7, tzinfo=UTC), datetime(2026, 8, 1, 7, tzinfo=UTC))
    estimates = (Spend(day, Decimal("10.5")), Spend(month, Decimal(99)))
    alert = Alert(day, Decimal("10.5"), Decimal(10), (Decimal("1.0"),), estimated_at=NOW)
    gap = Gap("instances", "403", "web-frontend")
    found = InterimSummary(
        "run-1", InterimStatus.ESTIMATED, HOURS[1], estimates, (alert,), (gap,), instances=3, unpriced=1, undated=2
    )

    assert interim_body(found, Budgets({PeriodKind.DAY: Decimal(10)})) == {
        "status": "estimated",
        "run_id": "run-1",
        "recorded_until": "2026-07-21T06:00:00Z",
        "currency": "USD",
        "estimates": [
            {
                "label_budget": None,
                "period": "day",
                "period_start": "2026-07-21T07:00:00Z",
                "budget": "10",
                "estimated_cost": "10.5",
            }
        ],
        "instances": 3,
        "unpriced": 1,
        "undated": 2,
        "gaps": [{"source": "instances", "project_id": "web-frontend", "detail": "403", "final": False}],
        "alerts": [
            {
                "kind": "threshold",
                "label_budget": None,
                "period": "day",
                "period_start": "2026-07-21T07:00:00Z",
                "threshold": "1.0",
            }
        ],
    }


def test_the_response_names_the_prices_that_differ_from_googles_own() -> None:
    differs = PriceDifference("n2-a", "us-central1", date(2026, 7, 20), Decimal("0.100000001"), Decimal("0.2"))
    calls = Counter({ReadingStatus.READ: 7, ReadingStatus.QUOTA_EXHAUSTED: 1})
    capacity = CapacitySummary(calls, "not read further today: 429", PriceCheck(3, (differs,)))

    body = response_body(Summary("run1"), capacity)

    assert (body["status"], body["complete"]) == ("nothing_to_do", True)
    assert json.loads(json.dumps(body))["capacity_history"] == {
        "status": "quota_exhausted",
        "calls": {"quota_exhausted": 1, "read": 7},
        "stopped": "not read further today: 429",
        "prices_compared": 3,
        "prices_that_differ": [
            {
                "machine_type": "n2-a",
                "region": "us-central1",
                "day": "2026-07-20",
                "our_price": "0.100000001",
                "google_price": "0.2",
            }
        ],
    }


@pytest.mark.parametrize(
    ("hours", "status"),
    [
        ((), "nothing_to_do"),
        ((HourRun("run1", HOURS[0], NOW),), "complete"),
        ((HourRun("run1", HOURS[0], NOW), HourRun("run1", HOURS[1], NOW, gaps=[Gap("compute", "503")])), "incomplete"),
    ],
)
def test_the_status_is_one_of_three_words(hours: tuple[HourRun, ...], status: str) -> None:
    body = response_body(Summary("run1", hours))

    assert (body["status"], body["complete"]) == (status, status != "incomplete")


def test_a_hundred_that_could_not_be_found_out_are_counted_and_the_first_twenty_named() -> None:
    strangers = [
        Uptime(InstanceKey("blue", "us-central1-a", str(number)), f"worker-{number}", HOURS[0], 60.0)
        for number in range(100)
    ]
    unpriced = Counter(
        {Unpriced(f"n9-standard-{number}", "us-central1", "no rule"): number + 1 for number in range(100)}
    )

    body = response_body(Summary("run1", (HourRun("run1", HOURS[0], NOW, unresolved=strangers, unpriced=unpriced),)))

    assert (body["unresolved"], body["unpriced"]) == (100, 5050)
    assert body["unresolved_instances"] == [f"blue/us-central1-a/worker-{number}" for number in range(20)]
    assert [each["rows"] for each in body["unpriced_machine_types"]] == list(range(100, 80, -1))  # type: ignore[attr-defined]  # JSON


def test_an_instance_that_is_unresolved_in_several_hours_is_one() -> None:
    hours = [HourRun("run1", hour, NOW, unresolved=[Uptime(KEY, "worker-1", hour, 60.0)]) for hour in HOURS]

    body = response_body(Summary("run1", tuple(hours)))

    assert (body["unresolved"], body["unresolved_instances"]) == (1, ["blue/us-central1-a/worker-1"])
