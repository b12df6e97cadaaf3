"""The tracker's function over HTTP, served by functions-framework as in the cloud."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from google.cloud import bigquery

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.processes import Processes, StartError, free_port
from infra.local.stack.stack import DATASET, ROOT, SCHEDULE_HEADER, Stack

TARGET = "track_spot_costs"
HOUR = FLEET_START + timedelta(hours=1)
END = HOUR + timedelta(hours=1)
NOW = END + timedelta(minutes=7)
TOO_LARGE = 11 * 1024 * 1024


def text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


RANGE = {"start": text(HOUR), "end": text(END)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls a function at a time of the fleet, with any method, query and body."""

    url: str

    def call(
        self,
        method: str = "POST",
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        at = {SCHEDULE_HEADER: text(NOW)}
        return requests.request(
            method, self.url, params=query, data=body, headers={**at, **(headers or {})}, timeout=60
        )


@pytest.fixture
def tracker(stack: Stack) -> Caller:
    stack.set_time(NOW)
    return Caller(stack.functions[TARGET])


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as running:
        yield running


def serve(processes: Processes, variables: Mapping[str, str]) -> Caller:
    """Start a function of our own with these settings."""
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--target", TARGET, "--host", "127.0.0.1"]
    source = ["--source", str(ROOT / "functions" / "main.py"), "--port", str(port)]
    processes.listening(TARGET, [*command, *source], {**variables, "FUNCTION_TARGET": TARGET}, port)
    return Caller(f"http://127.0.0.1:{port}/")


def logged(folder: Path) -> str:
    return (folder / f"{TARGET}.log").read_text()


def recorded(stack: Stack, hour: datetime) -> dict[str, Any]:
    """What the tables say of an hour."""
    at = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("hour", "TIMESTAMP", hour)])
    sql = f"SELECT COUNT(*) AS vms, SUM(cost) AS cost FROM {DATASET}.spot_vm_costs WHERE usage_start_time = @hour"
    [row] = stack.client().query(sql, job_config=at).result()
    return dict(row)


def test_a_call_is_answered_with_what_the_tables_then_say(stack: Stack, tracker: Caller) -> None:
    answer = tracker.call(body=json.dumps(RANGE).encode())
    body = answer.json()
    tables = recorded(stack, HOUR)

    assert answer.status_code == 200
    assert (body["status"], body["complete"], body["hours"]) == ("complete", True, [text(HOUR)])
    assert (body["rows"], Decimal(body["total_cost"])) == (tables["vms"], tables["cost"])
    assert body["rows"] > 50
    assert body["unresolved"] == len(body["unresolved_instances"])
    assert body["unpriced"] == sum(each["rows"] for each in body["unpriced_machine_types"])
    assert sum(body["price_statuses"].values()) == body["rows"]


def test_the_scheduler_s_call_leaves_nothing_to_do_for_the_next(stack: Stack) -> None:
    stack.set_time(NOW)
    first = stack.schedule(NOW)
    second = stack.schedule(NOW)

    assert (first.status, first.body["complete"]) == (200, True)
    assert (second.status, second.body["status"], second.body["hours"]) == (200, "nothing_to_do", [])


def test_a_range_means_the_same_in_the_body_and_in_the_query(tracker: Caller) -> None:
    def body_of(answer: requests.Response) -> dict[str, Any]:
        return {name: value for name, value in answer.json().items() if name not in {"run_id", "alerts"}}

    asked_in_body = tracker.call(body=json.dumps(RANGE).encode())
    asked_in_query = tracker.call(query=RANGE)
    asked_in_both = tracker.call(query={"start": RANGE["start"]}, body=json.dumps({"end": RANGE["end"]}).encode())

    assert body_of(asked_in_body)["hours"] == [RANGE["start"]]
    assert body_of(asked_in_body) == body_of(asked_in_query) == body_of(asked_in_both)


def test_a_schedule_time_with_the_offset_of_its_job_is_the_same_moment(tracker: Caller) -> None:
    in_los_angeles = (NOW - timedelta(hours=7)).replace(tzinfo=None).isoformat() + "-07:00"

    answer = tracker.call(query=RANGE, headers={SCHEDULE_HEADER: in_los_angeles})

    assert (answer.status_code, answer.json()["hours"]) == (200, [RANGE["start"]])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_any_method_but_post_is_refused(tracker: Caller, method: str) -> None:
    answer = tracker.call(method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json() == {"error": f"{method} is not allowed: use POST"}


def range_of(start: str, end: str) -> bytes:
    return json.dumps({"start": start, "end": end}).encode()


def test_a_wrong_body_is_refused_with_its_value_named(tracker: Caller) -> None:
    """tests/unit/test_http_api.py has every kind of refusal."""
    refused = tracker.call(body=range_of("yesterday", RANGE["end"]))

    assert refused.status_code == 400
    assert refused.json()["error"] == 'start is "yesterday", but must be a time such as 2026-07-21T05:00:00Z'


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"start": "tomorrow", "end": RANGE["end"]}, 'start is "tomorrow", but must be a time'),
        ({"end": RANGE["end"]}, "start is missing: give both start and end, or neither"),
        ({"start": RANGE["start"], "until": RANGE["end"]}, '"until" is not a field'),
        ({"start": [RANGE["start"], RANGE["start"]], "end": RANGE["end"]}, "start is given 2 times"),
    ],
)
def test_a_wrong_query_is_refused_with_its_value_named(
    tracker: Caller, query: Mapping[str, str | list[str]], message: str
) -> None:
    answer = tracker.call(query=query)

    assert answer.status_code == 400
    assert message in answer.json()["error"]


@pytest.mark.parametrize("header", ["yesterday", "2026-07-21", "2026-07-21T02:07:00", "0001-01-01T00:00:00Z"])
def test_a_wrong_schedule_time_is_refused_with_its_value_named(tracker: Caller, header: str) -> None:
    answer = tracker.call(headers={SCHEDULE_HEADER: header})

    assert answer.status_code == 400
    assert SCHEDULE_HEADER in answer.json()["error"]
    assert header in answer.json()["error"]


@pytest.mark.parametrize(("size", "statuses"), [(10_000_000, {400}), (TOO_LARGE, {400, 413})])
def test_a_body_of_rubbish_is_refused_and_the_process_lives_on(tracker: Caller, size: int, statuses: set[int]) -> None:
    answer = tracker.call(body=b"\x9c" * size)

    assert answer.status_code in statuses
    assert tracker.call("GET").status_code == 405


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"PROJECT_ID": ""}, "PROJECT_ID is not set"),
        ({"DAILY_BUDGET_USD": "-1"}, 'DAILY_BUDGET_USD is "-1", but must be an amount above 0'),
        ({"DATASET": "a-b", "CLOCK": "mine"}, 'CLOCK is "mine", but must be system or schedule'),
    ],
    ids=str,
)
def test_with_wrong_settings_the_function_does_not_start_and_says_why(
    processes: Processes, tmp_path: Path, wrong: Mapping[str, str], message: str
) -> None:
    with pytest.raises(StartError, match=r"ended with exit code [1-9]"):
        serve(processes, {"PROJECT_ID": "my-project-1", **wrong})

    assert message in logged(tmp_path)


def test_without_bigquery_the_answer_is_that_trying_again_can_help(
    stack: Stack, processes: Processes, tmp_path: Path
) -> None:
    nowhere = {"BIGQUERY_ENDPOINT": "http://127.0.0.1:9", "RETRY_TIMEOUT_SECONDS": "1"}
    tracker = serve(processes, {**stack.settings, **nowhere})

    answer = tracker.call(headers={"X-Cloud-Trace-Context": "0af7651916cd43dd8448eb211c80319c/1;o=1"})

    assert answer.status_code == 503
    assert answer.json()["error"].startswith("BigQuery: ")
    [line] = [json.loads(line) for line in logged(tmp_path).splitlines() if line.startswith("{")]
    assert (line["severity"], line["message"]) == ("ERROR", "nothing recorded")
    assert line["logging.googleapis.com/trace"].endswith("/traces/0af7651916cd43dd8448eb211c80319c")
    assert line["reason"] == answer.json()["error"]


def test_a_service_that_fails_is_named_in_the_response_and_not_in_the_status(stack: Stack, tracker: Caller) -> None:
    refused = {"service": "monitoring", "kind": "status", "status": 403, "project": "web-frontend"}
    stack.control("POST", "faults", [refused])
    try:
        disturbed = tracker.call(query=RANGE)
    finally:
        stack.control("DELETE", "faults")
    repaired = tracker.call(query=RANGE)

    body = disturbed.json()
    assert (disturbed.status_code, body["status"], body["complete"]) == (200, "incomplete", False)
    assert [(gap["source"], gap["project_id"]) for gap in body["gaps"]] == [("monitoring", "web-frontend")]
    assert repaired.json()["complete"]
    assert repaired.json()["rows"] > body["rows"]
