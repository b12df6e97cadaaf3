"""The tracker's function keeps to its OpenAPI description, whatever it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from schemathesis.engine import Status, events, from_schema
from werkzeug.test import TestResponse

from spotkeeper.tracking.http_api import SCHEDULE_HEADER
from tests.entry.descriptions import described, validate
from tests.entry.served import served

NOWHERE = "http://127.0.0.1:9"
SETTINGS = {
    "PROJECT_ID": "data-platform",
    "RETRY_TIMEOUT_SECONDS": "0",
    "CLOCK": "schedule",
    **{f"{name}_ENDPOINT": NOWHERE for name in ("BIGQUERY", "COMPUTE", "MONITORING", "BILLING", "ASSETS", "LOGGING")},
}
NOW = "2026-07-21T14:07:00Z"
NAMED = (SCHEDULE_HEADER, "start", "end", "check must", "the body", "is not a field of this request", "is given")


@dataclass(slots=True)
class Fuzzed:
    """What was answered to some hundred requests, and what was wrong with that."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def function() -> Iterator[Flask]:
    """The function, which reaches nothing: what it does not refuse, it answers with 503."""
    with served("track_spot_costs", SETTINGS) as application:
        yield application


@pytest.fixture(scope="module")
def fuzzed(function: Flask) -> Fuzzed:
    """Right and wrong requests of every form that the description knows, the same ones each time."""
    schema = described(function)
    schema.config.seed = 1
    schema.config.continue_on_failure = True
    schema.config.generation.max_examples = 80
    schema.config.generation.deterministic = True
    checks = schema.config.checks
    checks.not_a_server_error.expected_statuses = ["2XX", "4XX", "503"]
    # Hours have to be closed, and Cloud Run asks for the token before the function is called: no schema can tell.
    checks.positive_data_acceptance.enabled = checks.ignored_auth.enabled = False
    checks.missing_required_header.enabled = False
    found = Fuzzed()
    for event in from_schema(schema).execute():
        _take(event, found)
    return found


def _take(event: object, found: Fuzzed) -> None:
    if isinstance(event, events.NonFatalError | events.FatalError):
        found.failures.append(repr(event))
    if isinstance(event, events.ScenarioFinished):
        answers = {each: one.response for each, one in event.recorder.interactions.items() if one.response is not None}
        found.answers += [(answer.status_code, answer.content) for answer in answers.values()]
        found.failures += [
            f"{check.name}: {event.recorder.interactions[each].request}"
            for each, checks in event.recorder.checks.items()
            for check in checks
            if check.status is Status.FAILURE
        ]


def test_every_answer_is_one_that_the_description_has(fuzzed: Fuzzed) -> None:
    assert fuzzed.failures == []
    assert {status for status, _ in fuzzed.answers} == {400, 405, 503}
    assert len(fuzzed.answers) > 100


def test_every_refusal_names_what_is_wrong(fuzzed: Fuzzed) -> None:
    refusals = {message.decode() for status, message in fuzzed.answers if status == 400}

    assert [message for message in refusals if not any(name in message for name in NAMED)] == []
    assert len(refusals) > 20


def post(function: Flask, *, query: str = "", body: bytes = b"", header: str = NOW) -> TestResponse:
    return function.test_client().post(f"/{query}", data=body, headers={SCHEDULE_HEADER: header})


@pytest.mark.parametrize(
    "odd",
    [
        {"query": "?start=%00&end=%FF"},
        {"query": "?start=2026-07-21T05:00:00%2B00:00&end=2026-W30-2T07:00Z&&&=;"},
        {"query": "?" + "&".join(f"a{number}=1" for number in range(2000))},
        {"body": b'{"start": "\\u0000", "end": "\\ud800"}'},
        {"body": b'{"start": 1e999, "end": -1e999}'},
        {"body": b'{"a":' * 5000},
        {"header": "9" * 5000},
        {"header": "2026-07-21T14:07:00Z, 2026-07-21T15:07:00Z"},
        {"header": "\u00e9\u00ff"},
        {"header": "-271821-04-20T00:00:00Z"},
    ],
    ids=str,
)
def test_what_no_description_thinks_of_is_refused_too(function: Flask, odd: dict[str, str | bytes]) -> None:
    answer = post(function, **odd)  # type: ignore[arg-type]

    assert answer.status_code == 400
    validate(answer)
