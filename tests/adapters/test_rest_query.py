"""BigQuery by its REST interface, against a server that answers what a test tells it to."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.rest_query import RestQuery, Scalar, statement_text

DONE = (200, {"jobComplete": True, "rows": [{"f": [{"v": "true"}]}, {"f": [{"v": "false"}]}]})
QUERIES = "/bigquery/v2/projects/home/queries"
PENDING = (200, {"jobComplete": False, "jobReference": {"jobId": "j1", "location": "EU"}})
RETRY_TIMEOUT, NO_RETRY = timedelta(seconds=5), timedelta(0)


def refusal(status: int, reason: str) -> tuple[int, object]:
    return status, {"error": {"code": status, "message": "no", "errors": [{"reason": reason}]}}


@dataclass
class Server:
    """Answers in turn with what it is given, the last one for ever, and keeps what it was asked."""

    answers: list[tuple[int, object]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self.asked.append((method, path, json.loads(body) if body else None))
        status, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return status, content if isinstance(content, bytes) else json.dumps(content).encode()

    def run(self, *answers: tuple[int, object], retry_timeout: timedelta = RETRY_TIMEOUT) -> str | None:
        self.answers = list(answers)
        return RestQuery("home", "costs", self.address, retry_timeout).run(
            "notification", parameters=[Scalar("reason", "STRING", "why")]
        )


@pytest.fixture(scope="module")
def listening() -> Iterator[Server]:
    recorded = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, content = recorded.answer(
                self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 (as above)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (as it is declared)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        recorded.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield recorded
        server.shutdown()
        thread.join()


@pytest.fixture
def server(listening: Server) -> Server:
    listening.asked.clear()
    return listening


def test_the_statement_of_the_file_is_sent_once_with_its_dataset_and_parameters(server: Server) -> None:
    server.answers = [DONE]
    at = datetime(2026, 7, 21, 2, tzinfo=UTC)
    parameters = [
        Scalar("reason", "STRING", "it's ü"),
        Scalar("budget_id", "STRING", None),
        Scalar("drill", "BOOL", value=False),
        Scalar("received_at", "TIMESTAMP", at),
        Scalar("cost", "NUMERIC", Decimal("1E+3")),
    ]

    RestQuery("home", "costs", server.address, RETRY_TIMEOUT).run("notification", parameters=parameters)

    [(method, path, body)] = server.asked
    assert (method, path) == ("POST", QUERIES)
    assert (body["query"], body["useLegacySql"]) == (statement_text("notification"), False)
    assert body["defaultDataset"] == {"projectId": "home", "datasetId": "costs"}
    assert [
        (each["name"], each["parameterType"]["type"], each["parameterValue"]["value"])
        for each in body["queryParameters"]
    ] == [
        ("reason", "STRING", "it's ü"),
        ("budget_id", "STRING", None),
        ("drill", "BOOL", "false"),
        ("received_at", "TIMESTAMP", "2026-07-21T02:00:00Z"),
        ("cost", "NUMERIC", "1000"),
    ]


@pytest.mark.parametrize("rows", [None, [], {}, [{}], [{"f": []}], [{"f": [{"v": None}]}], [{"f": [{"v": {"f": []}}]}]])
def test_a_result_without_a_value_is_none(server: Server, rows: object) -> None:
    assert server.run((200, {"jobComplete": True, "rows": rows})) is None


def test_a_statement_that_goes_on_is_waited_for_where_it_runs(server: Server) -> None:
    assert server.run(PENDING, PENDING, DONE) == "true"

    assert [method for method, _, _ in server.asked] == ["POST", "GET", "GET"]
    address = urlsplit(server.asked[-1][1])
    assert address.path == f"{QUERIES}/j1"
    assert parse_qs(address.query)["location"] == ["EU"]


def test_a_repeated_request_has_the_id_of_the_first_and_another_statement_a_new_one(server: Server) -> None:
    server.asked.clear()
    server.run((503, b"{}"), DONE)
    server.run(DONE)

    first, repeated, other = (body["requestId"] for _, _, body in server.asked)
    assert first == repeated != other


def test_a_dataset_that_lies_elsewhere_is_asked_for_its_location_once(server: Server) -> None:
    elsewhere = json.dumps({"error": {"message": "Dataset home:costs was not found in location US"}}).encode()
    server.answers = [(404, elsewhere), (200, b'{"location": "asia-east1"}'), DONE, DONE]
    query = RestQuery("home", "costs", server.address, NO_RETRY)

    for _ in range(2):
        query.run("notification", parameters=[])

    assert [(method, path.rpartition("/")[2]) for method, path, _ in server.asked] == [
        ("POST", "queries"),
        ("GET", "costs"),
        ("POST", "queries"),
        ("POST", "queries"),
    ]
    assert [body.get("location") for method, _, body in server.asked if method == "POST"] == [
        None,
        "asia-east1",
        "asia-east1",
    ]


@pytest.mark.parametrize(
    "passing",
    [
        refusal(503, "backendError"),
        refusal(500, "internalError"),
        refusal(429, "anything"),
        refusal(403, "rateLimitExceeded"),
        refusal(400, "jobBackendError"),
    ],
    ids=lambda answer: f"{answer[0]} {answer[1]['error']['errors'][0]['reason']}",
)
def test_a_failure_that_may_pass_is_tried_again(server: Server, passing: tuple[int, object]) -> None:
    server.run(passing, DONE)

    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal(403, "accessDenied"), "403 Forbidden"),
        (refusal(400, "invalidQuery"), "invalidQuery"),
        (refusal(404, "notFound"), "404"),
        ((401, b"not JSON"), "Anonymous credentials cannot be refreshed"),
        ((403, ["not", "an", "object"]), "403"),
        ((200, b'{"jobComplete": tr'), "JSONDecodeError"),
        ((200, ["not", "an", "object"]), "not a JSON object"),
        ((200, {"items": []}), "notification has not ended"),
        ((200, {"jobComplete": False, "jobReference": {}}), "notification has not ended"),
    ],
)
def test_a_failure_that_stays_is_named_and_not_tried_again(
    server: Server, answer: tuple[int, object], message: str
) -> None:
    with pytest.raises(UnavailableError, match=f"BigQuery: .*{message}"):
        server.run(answer)

    assert [method for method, _, _ in server.asked] == ["POST"]


def test_retries_end_at_the_retry_timeout(server: Server) -> None:
    with pytest.raises(UnavailableError, match="503"):
        server.run(refusal(503, "backendError"), retry_timeout=NO_RETRY)

    assert len(server.asked) == 1


def test_a_statement_that_never_ends_is_given_up(server: Server) -> None:
    with pytest.raises(UnavailableError, match="has not ended"):
        server.run(PENDING)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="BigQuery: NewConnectionError"):
        RestQuery("home", "costs", "http://127.0.0.1:9", NO_RETRY).run("notification", parameters=[])
