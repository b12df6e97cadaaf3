"""What a run asks for, what a cold start imports and what an instance holds, in counts: times depend on the machine."""

import base64
import json
import logging
import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from infra.local.bigquery.tables import create_dataset
from infra.local.emulators.contract import ACCOUNT
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import BUDGET_ID, ROOT, Stack
from spotkeeper.gcp.compute.instances import attachments_of, to_instance
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.tracker import interim_ports, tracker_ports
from spotkeeper.instances import Instance
from spotkeeper.periods import PeriodKind
from spotkeeper.tracking.interim import InterimRequest, InterimSummary, check_interim
from spotkeeper.tracking.ports import Ports
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.settings import TrackerSettings

HOUR = FLEET_START + timedelta(hours=6)
DATASET = "counted"
PROJECTS = 3
_LINE = re.compile(r'"(\w+) (\S+) HTTP/1\.1" \d+')
_NAMES = {
    r"POST /bigquery/v2/projects/[^/]+/jobs\?": "job: statement",
    r"POST /upload/": "job: load",
    r"PUT /(upload|resumable)/": "upload",
    r"GET /bigquery/v2/projects/[^/]+/queries/": "answer",
    r"GET /bigquery/v2/projects/[^/]+/jobs/": "job waited for",
    r"GET /bigquery/v2/.*/tables/[a-z_]+\?": "schema of a table",
    r"POST /bigquery/v2/.*/tables\?": "staging table made",
    r"DELETE /bigquery/v2/.*/tables/staging_": "staging table dropped",
    r"GET /compute/v1/projects/[^/]+/aggregated/addresses\?": "addresses of a project",
    r"GET /compute/v1/projects/[^/]+/aggregated/disks\?": "disks of a project",
    r"GET /compute/v1/projects/[^/]+/aggregated/instances\?": "instances of a project",
    r"GET /compute/v1/projects/[^/]+/aggregated/operations\?": "operations of a project",
    r"GET /compute/v1/.*/machineTypes/": "unknown machine type",
    r"GET /v2beta/billingAccounts/[^/]+/skus/-/prices\?": "page of contract prices",
    r"GET /v1/services/6F81-5844-456A/skus\?": "page of the price catalog",
}
HOURLY = {
    "job: statement": 6,
    "job: load": 1,
    "upload": 1,
    "answer": 12,
    "job waited for": 5,
    "staging table made": 1,
    "staging table dropped": 1,
    "addresses of a project": PROJECTS,
    "disks of a project": PROJECTS,
    "instances of a project": PROJECTS,
    "operations of a project": PROJECTS,
    "ListTimeSeries": PROJECTS,
    "CreateTimeSeries": 1,
}
"""All that a run asks of all services; more is slower, and costs more, in every hour of every user."""

FIRST = {"schema of a table": 9, "page of the price catalog": 1, "unknown machine type": 1}
"""What the first run of a process asks for besides, at most."""

LISTED = {"instances of a project": PROJECTS, "unknown machine type": 1}
"""What an interim check asks of Compute Engine near a limit, at most."""

_CODE = """
import json, sys
sys.modules.update(dict.fromkeys(("google.cloud.bigquery_storage_v1", "numpy", "pandas", "pyarrow")))
import functions_framework
framework = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - framework)))
"""
_CONNECT = """
import os, main, spotkeeper.tracking.http_api, spotkeeper.tracking.run
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.gcp.tracker import tracker_ports
tracker_ports(TrackerSettings.from_mapping(os.environ))
"""
_DELIVER = """
app = functions_framework.create_app("enforce_budget_limit", "functions/main.py", "http")
assert app.test_client().post("/", json=json.load(sys.stdin)).status_code == 200
"""
COMPUTE, BIGQUERY, GRPC = "google.cloud.compute_v1", "google.cloud.bigquery", "grpc"
OTHERS = ("google.cloud.asset_v1", "google.cloud.billing_v1", "google.cloud.pubsub_v1")


@dataclass(frozen=True)
class Counting:
    """Runs a tracker in this process and counts what it asks for."""

    stack: Stack
    log: pytest.LogCaptureFixture
    ports: Ports
    settings: TrackerSettings

    def run(self, hour: datetime) -> Counter[str]:
        now = hour + timedelta(hours=1, minutes=7)
        self._begin(now)
        assert track(self.settings, self.ports, f"{self.settings.dataset}_{hour.hour}", TrackRequest(now, now)).complete
        return self._counted()

    def check(self, now: datetime, share: str, monthly: str = "100000") -> tuple[InterimSummary, Counter[str]]:
        """Make an interim check that lists from this share of a monthly budget on."""
        budgets = replace(self.settings.budgets, amounts_usd={PeriodKind.MONTH: Decimal(monthly)}, topic=None)
        settings = replace(self.settings, interim_checks=True, interim_check_share=Decimal(share), budgets=budgets)
        ports = interim_ports(settings)
        self._begin(now)
        summary = check_interim(settings, ports, f"checked{now:%H%M}", InterimRequest(now))
        return summary, self._counted()

    def _begin(self, now: datetime) -> None:
        self.stack.set_time(now)
        self.stack.control("DELETE", "requests")
        self.log.clear()

    def _counted(self) -> Counter[str]:
        lines = [line for record in self.log.records if (line := _LINE.search(record.getMessage()))]
        asked = [f"{line[1]} {line[2]}" for line in lines]
        # How often one is asked whether a job is done depends on how fast the machine is.
        waited = {request for request in asked if request.startswith("GET /bigquery/")}
        counted = Counter(map(kind, [*waited, *(request for request in asked if request not in waited)]))
        requests = self.stack.control("GET", "requests")["requests"]
        return counted + Counter({name: number for name, number in requests.get("monitoring", {}).items() if number})


def kind(request: str) -> str:
    """The kind of a request, by its method and path; one of an unknown kind is named as it is."""
    return next((name for pattern, name in _NAMES.items() if re.match(pattern, request)), request)


def imported(code: str, settings: Mapping[str, str], message: object = None) -> list[str]:
    """What a fresh process imports besides the framework."""
    process = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", _CODE.format(code=code)],
        input=json.dumps(message),
        env={**os.environ, "PYTHONPATH": "functions", **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules: list[str] = json.loads(process.stdout.splitlines()[-1])
    return modules


def of_others(modules: Iterable[str]) -> list[str]:
    """The modules of Python and of other packages: a module of our own divided in two costs a start next to nothing."""
    return [name for name in modules if name.partition(".")[0] != "spotkeeper"]


def packages(modules: Iterable[str], *wanted: str) -> list[str]:
    return [name for name in wanted if name in set(modules)]


def push(cost: int, message_id: str) -> dict[str, object]:
    body = {"costAmount": cost, "budgetAmount": 500, "currencyCode": "USD", "costIntervalStart": "2026-07-01T07:00:00Z"}
    message = {
        "data": base64.b64encode(json.dumps(body).encode()).decode(),
        "attributes": {"budgetId": BUDGET_ID, "schemaVersion": "1.0"},
        "messageId": message_id,
        "publishTime": "2026-07-21T08:07:00Z",
    }
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


@pytest.fixture
def enforcer_settings(stack: Stack) -> dict[str, str]:
    policy = json.dumps({"budgets": {BUDGET_ID: {"projects": ["research-ml"]}}})
    target = {"FUNCTION_TARGET": "enforce_budget_limit", "ENFORCEMENT_MODE": "dry_run"}
    return {**stack.settings, **target, "ENFORCEMENT_POLICY": policy}


def test_an_hour_asks_for_the_same_few_things(
    stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    create_dataset(stack.client(), DATASET)
    settings = TrackerSettings.from_mapping({**stack.settings, "DATASET": DATASET, "MONTHLY_BUDGET_USD": "100000"})
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    counting = Counting(stack, caplog, tracker_ports(settings), settings)

    first, second = counting.run(HOUR), counting.run(HOUR + timedelta(hours=1))

    assert second["job: load"] == 1
    assert dict(second - Counter(HOURLY)) == {}
    assert dict(first - Counter(HOURLY) - Counter(FIRST)) == {}


def test_creators_take_one_more_list_of_each_project_and_no_job(
    stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    create_dataset(stack.client(), "counted_creators")
    wanted = {"DATASET": "counted_creators", "RECORD_CREATORS": "true"}
    settings = TrackerSettings.from_mapping({**stack.settings, **wanted})
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    counting = Counting(stack, caplog, tracker_ports(settings), settings)

    counting.run(HOUR)
    second = counting.run(HOUR + timedelta(hours=1))

    assert dict(second - Counter(HOURLY) - Counter(FIRST)) == {"operations of a project": PROJECTS}


def test_contract_prices_take_their_pages_when_they_are_due_and_no_job(
    stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    create_dataset(stack.client(), "counted_contract")
    wanted = {"DATASET": "counted_contract", "CONTRACT_PRICES": "true", "BILLING_ACCOUNT_ID": ACCOUNT}
    settings = TrackerSettings.from_mapping({**stack.settings, **wanted})
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    counting = Counting(stack, caplog, tracker_ports(settings), settings)

    first, second = counting.run(HOUR), counting.run(HOUR + timedelta(hours=1))

    assert dict(first - Counter(HOURLY) - Counter(FIRST)) == {"page of contract prices": 1}
    assert dict(second - Counter(HOURLY) - Counter(FIRST)) == {}
    recorded = "SELECT cost, contract_cost FROM counted_contract.spot_vm_costs WHERE usage_start_time >= '2026-07-01'"
    costs = [(row["cost"], row["contract_cost"]) for row in stack.client().query(recorded).result() if row["cost"]]
    assert len(costs) > 10
    assert all(agreed is not None and 0 < agreed < listed for listed, agreed in costs)


def test_an_interim_check_asks_for_one_value_and_near_a_limit_for_the_list_of_each_project(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    create_dataset(stack.client(), f"{DATASET}_between")
    settings = TrackerSettings.from_mapping(
        {**stack.settings, "DATASET": f"{DATASET}_between", "MONTHLY_BUDGET_USD": "100000"}
    )
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    counting = Counting(stack, caplog, tracker_ports(settings), settings)
    hour = HOUR + timedelta(hours=2)
    counting.run(hour)
    now = hour + timedelta(hours=1, minutes=20)

    below, asked_below = counting.check(now, "0.9")
    near, asked_near = counting.check(now, "0.000001")
    passed, asked_with_alert = counting.check(now, "0.000001", monthly="0.01")

    assert (below.status, near.status, len(near.alerts), len(passed.alerts)) == ("below", "estimated", 0, 1)
    assert dict(asked_below - Counter({"job: statement": 1, "answer": 2})) == {}
    assert dict(asked_near - Counter({"job: statement": 3, "answer": 6} | LISTED)) == {}
    assert dict(asked_with_alert - Counter({"job: statement": 5, "answer": 10} | LISTED)) == {}


def test_the_tracker_starts_without_the_clients_that_few_runs_need(stack: Stack) -> None:
    modules = imported(_CONNECT, {**stack.settings, "FUNCTION_TARGET": "track_spot_costs"})

    assert packages(modules, COMPUTE, *OTHERS, "spotkeeper.enforcement.enforce", "spotkeeper.enforcement.plans") == []
    assert len(of_others(modules)) <= 600


def test_a_message_under_budget_is_recorded_without_any_client_library(enforcer_settings: dict[str, str]) -> None:
    modules = imported(_DELIVER, enforcer_settings, push(1, "counted-under"))

    assert packages(modules, COMPUTE, BIGQUERY, GRPC, "requests", "google.api_core", "spotkeeper.tracking.run") == []
    assert len(of_others(modules)) <= 186


def test_a_plan_is_recorded_without_the_clients_that_stop(enforcer_settings: dict[str, str]) -> None:
    modules = imported(_DELIVER, enforcer_settings, push(600, "counted-over"))

    assert packages(modules, BIGQUERY) == [BIGQUERY]
    assert packages(modules, COMPUTE, *OTHERS) == []
    assert len(of_others(modules)) <= 456


def kept_of(written: str, shapes: Shapes) -> Instance:
    found = json.loads(written)
    return to_instance("load-000", found, shapes, print, attachments_of(found))


def test_an_instance_holds_few_bytes() -> None:
    """Memory is bounded by the largest project: so many bytes for each of its instances."""
    shapes = Shapes(MachineTypes(compute_calls("http://127.0.0.1:9", timedelta(0))))
    page = [
        json.dumps(
            {
                "id": str(2**62 + number),
                "name": f"load-{number:06}",
                "zone": "https://www.googleapis.com/compute/v1/projects/load-000/zones/us-central1-a",
                "machineType": "https://www.googleapis.com/compute/v1/projects/load-000/zones/us-central1-a/machineTypes/e2-standard-4",
                "scheduling": {"provisioningModel": "SPOT", "preemptible": True},
                "labels": {"team": f"team-{number % 20}", "priority": "low"},
            }
        )
        for number in range(1_000)
    ]
    kept_of(page[0], shapes)
    tracemalloc.start()
    try:
        kept = [kept_of(each, shapes) for each in page]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(kept) == 1_000
    assert held / 1_000 <= 620
