"""The probes of `doctor --probe`: what the emulators do is what is assumed, and what differs is named."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.local.emulators.platform_api import Platform
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import HOME_PROJECT, Stack
from spotkeeper.cli.main import main
from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.findings import Finding, State
from spotkeeper.gcp.probes import Prober
from spotkeeper.settings import Endpoints
from tests.adapters.conftest import new_dataset

NOW = FLEET_START + timedelta(hours=8, minutes=7)
NOON = datetime(2026, 7, 21, 12, tzinfo=UTC)
ONE = {"kind": "compute#instanceAggregatedList", "items": {"zones/z": {"instances": [{"name": "a", "zone": "z"}]}}}
QUERY, DATASET = "/bigquery/v2/projects/p/queries", "/bigquery/v2/projects/p/datasets/d"
INSTANCES, OPERATIONS = "/compute/v1/projects/p/aggregated/instances", "/compute/v1/projects/p/aggregated/operations"
HISTORY, ENTRIES = "/v1/projects/p:batchGetAssetsHistory", "/v2/entries:list"
ACCOUNT, BUDGETS = "/v1/projects/p/billingInfo", "/v1/billingAccounts/A/budgets"
PRICES = "/v2beta/billingAccounts/A/skus/-/prices"
AS_ASSUMED: Mapping[str, Any] = {
    DATASET: {"location": "EU"},
    QUERY: {"jobReference": {"location": "EU"}, "rows": [{"f": [{"v": "NULL"}]}]},
    INSTANCES: ONE,
    HISTORY: {"assets": [{"window": {"endTime": "2262-04-11T23:47:16.854775807Z"}}]},
    OPERATIONS: {"items": {"zones/z": {"operations": [{"insertTime": "2026-07-08T12:00:00-07:00"}]}}},
    ENTRIES: {"entries": [{"timestamp": "2026-07-20T00:00:00Z", "jsonPayload": {"scheduled": "2026-07-21T00:07:00Z"}}]},
    ACCOUNT: {"billingAccountName": "billingAccounts/A"},
    PRICES: {
        "billingAccountPrices": [
            {
                "name": "billingAccounts/A/skus/CORE/price",
                "currencyCode": "USD",
                "valueType": "rate",
                "rate": {"tiers": [{"contractPrice": {"currencyCode": "USD", "nanos": 1}}]},
            }
        ]
    },
    BUDGETS: {
        "budgets": [
            {
                "name": "billingAccounts/A/budgets/b",
                "amount": {"specifiedAmount": {"units": "1000"}},
                "notificationsRule": {"pubsubTopic": "projects/p/topics/spotkeeper-budget"},
            }
        ]
    },
}


@dataclass
class Server:
    """Answers each path with what it is given."""

    answers: dict[str, Any] = field(default_factory=dict)
    address: str = ""

    def findings(self, **answers: object) -> dict[str, Finding]:
        """Return what the probes find when some paths are answered in another way."""
        self.answers = {**AS_ASSUMED, **answers}
        services = ("bigquery", "compute", "assets", "logging", "billing")
        everywhere = Endpoints(**dict.fromkeys(services, self.address))
        prober = Prober(Installation("p", "d"), everywhere, self.address, timedelta(0))
        return {each.about.removeprefix("probe "): each for each in prober.findings(NOON)}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    serving = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = serving.answers.get(self.path.partition("?")[0])
            body = json.dumps(answer if answer is not None else {"error": {"code": 403, "message": "no"}}).encode()
            self.send_response(200 if answer is not None else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 (as the base class names it)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (as it is declared)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        serving.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        listening.shutdown()
        thread.join()


def test_the_emulators_do_what_is_assumed(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.set_time(NOW)
    with Platform(HOME_PROJECT, "us-central1", "probed", NOW) as platform, new_dataset(stack, "probed") as dataset:
        for name in ("BIGQUERY", "COMPUTE", "ASSETS", "LOGGING", "BILLING"):
            monkeypatch.setenv(f"{name}_ENDPOINT", stack.settings[f"{name}_ENDPOINT"])
        monkeypatch.setenv("PLATFORM_ENDPOINT", platform.url)
        at = NOW.isoformat().replace("+00:00", "Z")

        code = main(["doctor", "--project", HOME_PROJECT, "--dataset", dataset, "--probe", "--at", at])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, ""), printed.out
    assert printed.out.splitlines()[-1] == "doctor: 9 ok, 0 problems, 0 unknown"
    assert "probe empty-array: An empty array parameter arrives as 0." in printed.out
    assert (
        "probe location: The dataset lies in us-central1; a query without a location ran in us-central1." in printed.out
    )


def test_what_is_as_assumed_is_ok(server: Server) -> None:
    found = server.findings()

    assert {each.state for each in found.values()} == {State.OK}
    assert found["empty-array"].sentence == "An empty array parameter arrives as NULL."


@pytest.mark.parametrize(
    ("name", "path", "answer", "sentence"),
    [
        ("empty-array", QUERY, {"rows": [{"f": [{"v": "1"}]}], "jobReference": {"location": "EU"}}, "arrives as 1."),
        ("location", QUERY, {"jobReference": {"location": "US"}, "rows": [{"f": [{"v": "0"}]}]}, "EU; a query wit"),
        ("field-mask", INSTANCES, {**ONE, "selfLink": "x"}, "A list with a field mask has selfLink."),
        ("kind", INSTANCES, {**ONE, "kind": "compute#instances"}, "is of kind compute#instances."),
        ("asset-window", HISTORY, {"assets": [{"window": {"endTime": "2026-07-21T12:00:00Z"}}]}, "ends at 2026-07-21"),
        (
            "operations-age",
            OPERATIONS,
            {"items": {"global": {"operations": [{"insertTime": "2026-06-21T12:00:00Z"}]}}},
            "The oldest operation listed is 30 days old.",
        ),
        (
            "contract-price-form",
            PRICES,
            {"billingAccountPrices": [{**AS_ASSUMED[PRICES]["billingAccountPrices"][0], "valueType": "fee", "fee": 1}]},
            "has the type fee, is in USD and has fee.",
        ),
        (
            "budget-form",
            BUDGETS,
            {"budgets": [{**AS_ASSUMED[BUDGETS]["budgets"][0], "amount": {}, "spendCap": {}}]},
            "field spendCap, no amount",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value and " " not in value else "",
)
def test_what_differs_is_a_problem_that_is_named(
    server: Server, name: str, path: str, answer: object, sentence: str
) -> None:
    problems = {about: each for about, each in server.findings(**{path: answer}).items() if each.state is State.PROBLEM}

    assert set(problems) == {name}
    assert problems[name].sentence.startswith("Not as assumed: ")
    assert sentence in problems[name].sentence


@pytest.mark.parametrize(
    ("name", "path", "answer"),
    [
        ("asset-window", INSTANCES, {"kind": "compute#instanceAggregatedList"}),
        ("asset-window", HISTORY, {}),
        ("operations-age", OPERATIONS, {}),
        ("scheduler-header", ENTRIES, {}),
        ("budget-form", BUDGETS, {}),
        ("contract-price-form", PRICES, None),
    ],
)
def test_where_there_is_nothing_to_see_nothing_is_claimed(server: Server, name: str, path: str, answer: object) -> None:
    found = server.findings(**{path: answer})

    assert found[name].sentence.startswith("Nothing to see yet: ")
    assert {each.state for each in found.values()} == {State.OK}


def test_what_may_not_be_read_is_unknown_with_the_role_to_ask_for(server: Server) -> None:
    found = server.findings(**dict.fromkeys(AS_ASSUMED))

    assert {each.state for each in found.values()} == {State.UNKNOWN}
    assert all(each.sentence.endswith("Ask for roles/viewer on the project.") for each in found.values())


def test_an_answer_in_another_form_is_unknown_and_no_problem(server: Server) -> None:
    odd = {"rows": "none", "items": [], "assets": [{}], "budgets": [{}], "location": 1, "kind": ONE["kind"]}

    found = server.findings(**dict.fromkeys(AS_ASSUMED, odd))

    assert {each.state for name, each in found.items() if name != "kind"} == {State.UNKNOWN}
    assert found["kind"].state is State.OK
