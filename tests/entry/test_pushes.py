"""Whatever is posted to the enforcer's function: a notification, or something that is acknowledged and recorded."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.entry.served import served

TARGET = "enforce_budget_limit"
BUDGET = "budget-of-pushes"
POLICY = json.dumps({"budgets": {BUDGET: {"projects": ["data-platform"]}}})
ATTRIBUTES = {"budgetId": BUDGET, "billingAccountId": "account", "schemaVersion": "1.0"}
NOTIFICATION = {
    "budgetDisplayName": "Spot",
    "costAmount": 100,
    "budgetAmount": 1000,
    "costIntervalStart": "2026-07-01T07:00:00Z",
    "currencyCode": "USD",
}
SUBSCRIPTION = "projects/data-platform/subscriptions/enforcer"
APPROVALS = "projects/data-platform/subscriptions/spotkeeper-approvals"
CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "//pubsub", "ce-type": "messagePublished"}
JSON = {"Content-Type": "application/json"}
UNDER, MALFORMED = "under_budget", "malformed"


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def push(**changes: object) -> dict[str, Any]:
    """Return a push of a message under budget, with fields of the message changed, or left out where they are None."""
    message = {
        "data": encoded(json.dumps(NOTIFICATION).encode()),
        "attributes": ATTRIBUTES,
        "messageId": "1",
        "publishTime": "2026-07-21T05:00:00Z",
    }
    changed = {**message, **changes}
    return {
        "message": {name: value for name, value in changed.items() if value is not None},
        "subscription": SUBSCRIPTION,
    }


class Kept(ThreadingHTTPServer):
    """A BigQuery that keeps the parameters of every statement, and answers at once that no stop is unfinished."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statements: list[dict[str, Any]] = []

    def taken(self) -> list[dict[str, Any]]:
        """Return what was recorded since the last look."""
        taken, self.statements = self.statements, []
        return taken


class _Handler(BaseHTTPRequestHandler):
    server: Kept

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parameters = {each["name"]: each["parameterValue"]["value"] for each in query["queryParameters"]}
        self.server.statements.append(parameters)
        body = b'{"jobComplete": true, "rows": [{"f": [{"v": "false"}]}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (named by the base class)
        del format, args


@contextmanager
def kept() -> Iterator[Kept]:
    with Kept() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def records() -> Iterator[Kept]:
    """Where the function records."""
    with kept() as server:
        yield server


@pytest.fixture(scope="module")
def function(records: Kept) -> Iterator[Flask]:
    """The function, which can reach nothing but its records."""
    nowhere = {"PROJECT_ID": "data-platform", "COMPUTE_ENDPOINT": "http://127.0.0.1:9", "RETRY_TIMEOUT_SECONDS": "1"}
    address = {"BIGQUERY_ENDPOINT": f"http://127.0.0.1:{records.server_port}"}
    variables = {"ENFORCEMENT_MODE": "enforce", "ENFORCEMENT_POLICY": POLICY, "CLOCK": "schedule"}
    variables["APPROVALS_SUBSCRIPTION"] = APPROVALS
    with served(TARGET, {**nowhere, **address, **variables}) as application:
        yield application


def post(function: Flask, body: object, headers: Mapping[str, str] = JSON) -> int:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return function.test_client().post("/", data=written, headers=dict(headers)).status_code


STRUCTURED = {"specversion": "1.0", "id": "1", "source": "//pubsub", "type": "messagePublished"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (push(), JSON),
        (push(), {}),
        (push(messageId=None, message_id="1", publishTime=None, publish_time="2026-07-21T05:00:00Z"), JSON),
        (push(), {**JSON, **CE}),
        ({"message": push()["message"]}, {**JSON, **CE}),
        ({**STRUCTURED, "data": push()}, {"Content-Type": "application/cloudevents+json"}),
        ({**STRUCTURED, "data": json.dumps(push())}, JSON),
        ({**STRUCTURED, "data_base64": encoded(json.dumps(push()).encode())}, JSON),
    ],
    ids=["push", "no type", "other spelling", "binary", "no subscription", "structured", "text", "base64"],
)
def test_a_notification_is_read_in_every_envelope(
    function: Flask, records: Kept, body: object, headers: Mapping[str, str]
) -> None:
    status = post(function, body, headers)

    [notification] = records.taken()
    assert (status, notification["message_id"], notification["verdict"], notification["budget_id"]) == (
        200,
        "1",
        UNDER,
        BUDGET,
    )


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (push(data=None), JSON, "the message has no data"),
        (push(data=""), JSON, "the message has no data"),
        (push(data="%%%"), JSON, "the message's data is not base64"),
        (push(data=encoded(b"\xff\xfe")), JSON, "the body is not JSON"),
        (push(data=encoded(b"[1]")), JSON, "the body is [1], but must be a JSON object"),
        (push(messageId=None), JSON, "the message has no usable messageId"),
        (push(publishTime="soon"), JSON, "the message has no usable publishTime"),
        (push(attributes=None), JSON, "attribute schemaVersion is missing"),
        (push(attributes=["a"]), JSON, "attribute schemaVersion is missing"),
        ({"message": "text", "subscription": SUBSCRIPTION}, JSON, "the message has no data"),
        ({"message": None, "subscription": SUBSCRIPTION}, JSON, "the message has no data"),
        ({"context": {}, "data": {}}, JSON, "the message has no data"),
        ([], JSON, "the message has no data"),
        (b"", JSON, "the message has no data"),
        (b"\xff\xfe{", JSON, "the message has no data"),
        (b"[" * 100_000, JSON, "the message has no data"),
        (b"{}", {**JSON, **CE, "ce-specversion": "7"}, "the message has no data"),
        (b"not json", {"Content-Type": "text/plain", **CE}, "the message has no data"),
        ({**STRUCTURED, "data_base64": "%%%"}, JSON, "the message has no data"),
        ({**STRUCTURED, "specversion": [1]}, JSON, "the message has no data"),
        ({"specversion": "1.0"}, JSON, "the message has no data"),
    ],
    ids=str,
)
def test_what_is_no_notification_is_acknowledged_and_recorded_with_the_reason(
    function: Flask, records: Kept, body: object, headers: Mapping[str, str], reason: str
) -> None:
    status = post(function, body, headers)

    [notification] = records.taken()
    assert (status, notification["verdict"]) == (200, MALFORMED)
    assert notification["reason"].startswith(reason)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(encoded(b"{}")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["message", "data", "attributes", "messageId", "publishTime"]), inner)
        | st.dictionaries(st.sampled_from([*STRUCTURED, "data", "data_base64", "subscription", "context"]), inner)
    ),
    max_leaves=8,
)
PUSHES = st.dictionaries(st.sampled_from(sorted(push()["message"])), JSONS).map(lambda changes: push(**changes))
BODIES = JSONS.map(lambda body: json.dumps(body).encode()) | PUSHES.map(lambda body: json.dumps(body).encode())
HEADERS = st.sampled_from([JSON, {**JSON, **CE}, {"Content-Type": "application/cloudevents+json"}, {}])


@settings(derandomize=True)
@given(st.binary() | BODIES, HEADERS)
@example(json.dumps(push(attributes={"budgetId": "\ud800", "schemaVersion": "1.0"})).encode(), JSON)
def test_no_body_is_refused_and_every_one_is_recorded_once(
    function: Flask, records: Kept, body: bytes, headers: Mapping[str, str]
) -> None:
    status = post(function, body, headers)

    [notification] = records.taken()
    assert (status, notification["verdict"] in {MALFORMED, UNDER, "unknown_budget"}) == (200, True), notification


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_any_method_but_post_is_refused_and_nothing_is_recorded(function: Flask, records: Kept, method: str) -> None:
    answer = function.test_client().open("/", method=method)

    assert (answer.status_code, records.taken()) == (405, [])


def test_only_the_subscription_of_the_approvals_delivers_commands_and_it_delivers_nothing_else(
    function: Flask, records: Kept
) -> None:
    command = encoded(b'{"command": "approve", "plan": "1:abc"}')
    post(function, push(data=command))
    post(function, push() | {"subscription": APPROVALS})
    post(function, push(data=encoded(b'{"command": "explode"}')) | {"subscription": APPROVALS})

    by_budget_topic, notification, unknown = records.taken()
    assert [each["verdict"] for each in (by_budget_topic, notification, unknown)] == [MALFORMED] * 3
    assert by_budget_topic["reason"].startswith("costAmount is missing")
    assert notification["reason"].startswith("command is missing")
    assert unknown["reason"] == 'command is "explode", but must be approve or undo or thaw'
