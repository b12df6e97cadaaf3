"""Whatever a call of the tracker holds, it is understood or refused with what is wrong named."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotkeeper.errors import RefusedRequestError
from spotkeeper.logs import follow_trace
from spotkeeper.settings import Clock
from spotkeeper.tracking.http_api import SCHEDULE_HEADER, decode
from spotkeeper.tracking.interim import InterimRequest
from spotkeeper.tracking.run import TrackRequest
from tests.unit.any_json import TIMES, any_json, nested, spoilt

NOW = datetime(2026, 7, 21, 14, 7, 12, tzinfo=UTC)
BODY = {"start": "2026-07-21T05:00:00Z", "end": "2026-07-21T07:00:00Z"}
VALUES = st.sampled_from((*TIMES, *BODY.values(), "2026-07-21 05:00:00+00:00", "20260721T05Z", "2026-W30-2T05:00Z"))
QUERIES = st.dictionaries(
    st.sampled_from(("start", "end", "at", "check")) | st.text(max_size=4),
    st.lists(VALUES | st.just("interim") | st.text(max_size=12), min_size=1, max_size=2),
    max_size=3,
)
CLOCKS = st.sampled_from(Clock)


def check(query: dict[str, list[str]], body: bytes, clock: Clock, header: str | None = None) -> None:
    headers = {} if header is None else {SCHEDULE_HEADER: header}
    try:
        found = decode(headers, query, body, NOW, clock)
    except RefusedRequestError as error:
        refusal = str(error)
    else:
        if isinstance(found, InterimRequest):
            assert found.now.utcoffset() == timedelta(0)
            return
        assert found.due <= found.now
        assert found.due.utcoffset() == timedelta(0)
        assert all(hour.tzinfo is UTC and not hour.minute and hour < NOW for hour in found.hours)
        return
    assert 0 < len(refusal) < 600
    assert header is None or SCHEDULE_HEADER in refusal
    assert json.loads(json.dumps({"error": refusal}))["error"] == refusal


def test_the_sample_is_understood() -> None:
    found = decode({}, {}, json.dumps(BODY).encode(), NOW, Clock.SYSTEM)

    assert isinstance(found, TrackRequest)
    assert found.hours


@given(QUERIES, CLOCKS)
def test_any_query_is_understood_or_refused(query: dict[str, list[str]], clock: Clock) -> None:
    check(query, b"", clock)


@given(spoilt(BODY) | any_json, QUERIES, CLOCKS)
def test_any_body_is_understood_or_refused(body: object, query: dict[str, list[str]], clock: Clock) -> None:
    check({}, json.dumps(body).encode(), clock)
    check(query, json.dumps(body).encode(), clock)


@given(st.binary(max_size=60), CLOCKS)
@example(b'{"start": "\\ud800", "end": "\\udfff"}', Clock.SYSTEM)
@example(b'{"start": "0001-01-01T00:00:00+23:59", "end": "9999-12-31T23:00:00Z"}', Clock.SYSTEM)
@example(b'{"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:00:00-23:59"}', Clock.SCHEDULE)
def test_a_body_of_any_bytes_is_understood_or_refused(body: bytes, clock: Clock) -> None:
    check({}, body, clock)


@given(VALUES | st.text(max_size=30) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat), CLOCKS)
@example("9999-12-31T23:59:59Z", Clock.SCHEDULE)
@example("0001-01-01T00:00:00Z", Clock.SCHEDULE)
@example("2000-01-01T00:00:00Z", Clock.SCHEDULE)
@example("2999-12-31T23:59:59Z", Clock.SCHEDULE)
def test_any_schedule_header_is_understood_or_refused(header: str, clock: Clock) -> None:
    check({}, b"", clock, header)


@pytest.mark.parametrize("depth", [10, 900, 4_900, 9_900, 200_000])
@pytest.mark.parametrize("around", ["[]", "{}"])
def test_however_deeply_a_body_is_nested_it_is_refused(depth: int, around: str) -> None:
    for body in (nested(depth, around), f'{{"start": {nested(depth, around)}}}'):
        with pytest.raises(RefusedRequestError):
            decode({}, {}, body.encode(), NOW, Clock.SYSTEM)


@given(st.none() | st.text(max_size=20))
def test_any_trace_header_is_followed_or_left(header: str | None) -> None:
    follow_trace(header, "my-project-1")
    follow_trace(None, "my-project-1")
