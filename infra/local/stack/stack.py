"""The product on one machine: emulators for the cloud, BigQuery, Pub/Sub, and the functions under functions-framework.

The functions find every service through their settings alone; their code is the same as in the cloud.
"""

import base64
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from google.cloud.bigquery import Client

from infra.local.bigquery.job_requests import EMPTY_ARRAYS, LOCATION
from infra.local.bigquery.tables import create_dataset, local_client
from infra.local.fleet.scenario import PROJECTS
from infra.local.stack.processes import Processes, free_port

ROOT = Path(__file__).parents[3]
STATE = ROOT / ".local"
HOME_PROJECT = "data-platform"
DATASET = "cost_tracking"
BUDGET_ID = "11111111-2222-3333-4444-555555555555"
POLICY = {
    "budgets": {BUDGET_ID: {"projects": [project.project_id for project in PROJECTS]}},
    "steps": [{"threshold": 1.0, "priorities": ["low"]}, {"threshold": 1.2, "priorities": ["medium"]}],
    "restart": True,
}
SUBSCRIPTION = f"projects/{HOME_PROJECT}/subscriptions/enforcer"
TOPIC = f"projects/{HOME_PROJECT}/topics/budget-notifications"
CALL_SECONDS = 600.0
SCHEDULE_HEADER = "X-CloudScheduler-ScheduleTime"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answered."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; addresses are http://127.0.0.1:PORT, but `pubsub` and `grpc`, which are 127.0.0.1:PORT."""

    processes: Processes
    rest: str
    grpc: str
    bigquery: str
    pubsub: str
    state: Path
    settings: Mapping[str, str]
    functions: dict[str, str] = field(default_factory=dict)

    def set_time(self, now: datetime) -> None:
        """Move the time of the cloud's emulators."""
        self.control("POST", "clock", {"now": now.isoformat()})

    def control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call the emulators' control interface."""
        answer = _call(method, f"{self.rest}/_control/{path}", body)
        return answer.body

    def schedule(self, at: datetime, body: object = None) -> Answer:
        """Call the tracker as Cloud Scheduler does, at this time of the fleet."""
        header = at.isoformat().replace("+00:00", "Z")
        return _call("POST", self.functions["track_spot_costs"], body, {SCHEDULE_HEADER: header})

    def serve_function(self, target: str, extra: Mapping[str, str] | None = None) -> None:
        """Start one function, again if it runs already."""
        if target in self.functions:
            self.processes.stop(target)
        port = free_port()
        source = str(ROOT / "functions" / "main.py")
        command = [sys.executable, "-m", "functions_framework", "--target", target, "--source", source]
        environment = {**self.settings, **(extra or {}), "FUNCTION_TARGET": target}
        self.processes.listening(target, [*command, "--host", "127.0.0.1", "--port", str(port)], environment, port)
        self.functions[target] = f"http://127.0.0.1:{port}/"

    def subscribe(self, endpoint: str) -> None:
        """Let Pub/Sub push the messages of the budget topic to an address, and again until it takes them."""
        os.environ["PUBSUB_EMULATOR_HOST"] = self.pubsub
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (reads the variable when a client is made)

        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.create_subscription(
                name=SUBSCRIPTION,
                topic=TOPIC,
                push_config={"push_endpoint": endpoint},
                ack_deadline_seconds=600,
            )

    def unsubscribe(self) -> None:
        """Let Pub/Sub push nothing any more."""
        os.environ["PUBSUB_EMULATOR_HOST"] = self.pubsub
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (as above)

        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.delete_subscription(subscription=SUBSCRIPTION)

    def publish(self, body: bytes, **attributes: str) -> str:
        """Publish a message to the budget topic and return its id."""
        os.environ["PUBSUB_EMULATOR_HOST"] = self.pubsub
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (as above)

        publisher = pubsub_v1.PublisherClient()
        message_id: str = publisher.publish(TOPIC, body, **attributes).result()
        publisher.stop()
        return message_id

    def deliver(  # noqa: PLR0913, PLR0917 (what Pub/Sub pushes)
        self,
        target: str,
        message_id: str,
        body: bytes,
        attributes: Mapping[str, str],
        at: datetime,
        subscription: str = SUBSCRIPTION,
    ) -> Answer:
        """Deliver a message as Pub/Sub does, the same one as often as one likes."""
        message = {
            "data": base64.b64encode(body).decode(),
            "attributes": dict(attributes),
            "messageId": message_id,
            "publishTime": at.isoformat().replace("+00:00", "Z"),
        }
        return _call("POST", self.functions[target], {"message": message, "subscription": subscription})

    def deliver_empty_arrays(self, form: str) -> None:
        """Let BigQuery get an empty array parameter as `empty`, as it was sent, or as `null`."""
        _call("PUT", f"{self.bigquery}{EMPTY_ARRAYS}{form}")

    def client(self) -> Client:
        """Return a client of the stack's BigQuery."""
        return local_client(self.bigquery, HOME_PROJECT)


@contextmanager
def running_stack(
    state: Path = STATE,
    *,
    extra: Mapping[str, str] | None = None,
    fresh: bool = True,
    kept: bool = False,
    company: bool = False,
) -> Iterator[Stack]:
    """Start everything, by default with empty tables, and stop everything at the end; tables may be kept.

    The VMs are those of the small fleet in which everything happens, or those of the demo's company.
    """
    if fresh:
        shutil.rmtree(state / "data", ignore_errors=True)
    with Processes(state / "logs") as processes:
        fleet = ["--company"] if company else []
        cloud = processes.announced("cloud", [sys.executable, "-m", "infra.local.emulators.cloud", *fleet])
        warehouse = serve_bigquery(processes, state, kept=kept)
        pubsub = _serve_pubsub(processes, cloud["grpc"])
        stack = Stack(
            processes,
            cloud["rest"],
            cloud["grpc"],
            warehouse,
            pubsub,
            state,
            _settings(cloud, warehouse, pubsub, extra),
        )
        create_dataset(stack.client(), DATASET)
        _create_topic(pubsub)
        stack.serve_function("track_spot_costs")
        yield stack


def serve_bigquery(
    processes: Processes,
    state: Path,
    *,
    kept: bool = False,
    project_id: str = HOME_PROJECT,
    empty_arrays_as_null: bool = False,
) -> str:
    """Start BigQuery and return its address; its tables are those of the state folder, or end with it."""
    command = [sys.executable, "-m", "infra.local.bigquery", "--data-dir", str(state / "data")]
    place = [] if kept else ["--in-memory"]
    arrays = ["--empty-arrays-as-null"] if empty_arrays_as_null else []
    named = ["--project", project_id, "--dataset", DATASET]
    return processes.announced("bigquery", [*command, *named, *place, *arrays])["bigquery"]


def _serve_pubsub(processes: Processes, own: str) -> str:
    """Start Google's emulator where it is installed; elsewhere our own serves."""
    emulator = find_pubsub_emulator()
    if emulator is None:
        return own
    port = free_port()
    processes.listening("pubsub", [str(emulator), "--host=127.0.0.1", f"--port={port}"], {}, port)
    return f"127.0.0.1:{port}"


def find_pubsub_emulator() -> Path | None:
    """Return the start script of Google's Pub/Sub emulator, which is part of gcloud; None where it is not installed."""
    gcloud = shutil.which("gcloud")
    if gcloud is None or shutil.which("java") is None:
        return None
    roots = [Path(gcloud).resolve().parents[1], Path("/usr/lib/google-cloud-sdk"), Path("/opt/google-cloud-sdk")]
    scripts = (root / "platform" / "pubsub-emulator" / "bin" / "cloud-pubsub-emulator" for root in roots)
    return next((script for script in scripts if script.is_file() and os.access(script, os.X_OK)), None)


def _create_topic(pubsub: str) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = pubsub
    from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (reads the variable when a client is made)

    publisher = pubsub_v1.PublisherClient()
    publisher.create_topic(name=TOPIC)
    publisher.stop()


def _settings(
    cloud: Mapping[str, str], warehouse: str, pubsub: str, extra: Mapping[str, str] | None
) -> Mapping[str, str]:
    return {
        "PROJECT_ID": HOME_PROJECT,
        "PROJECTS": ",".join(project.project_id for project in PROJECTS),
        "DATASET": DATASET,
        "DATASET_LOCATION": LOCATION,
        "CLOCK": "schedule",
        "CAPACITY_HISTORY": "true",
        "DAILY_BUDGET_USD": "250",
        "MONTHLY_BUDGET_USD": "500",
        "BUDGET_TOPIC": TOPIC,
        "BUDGET_ID": BUDGET_ID,
        "ENFORCEMENT_MODE": "enforce",
        "ENFORCEMENT_POLICY": json.dumps(POLICY),
        "BUDGET_DISPLAY_NAME": "Spot fleet",
        "RETRY_TIMEOUT_SECONDS": "5",
        "BIGQUERY_ENDPOINT": warehouse,
        "COMPUTE_ENDPOINT": cloud["rest"],
        "MONITORING_ENDPOINT": f"http://{cloud['grpc']}",
        "BILLING_ENDPOINT": cloud["rest"],
        "ASSETS_ENDPOINT": cloud["rest"],
        "LOGGING_ENDPOINT": cloud["rest"],
        "RESOURCE_MANAGER_ENDPOINT": cloud["rest"],
        "PUBSUB_EMULATOR_HOST": pubsub,
        **(extra or {}),
    }


def _call(method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)  # noqa: S310 (always http://127.0.0.1)
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:  # noqa: S310
            return Answer(response.status, _decoded(response.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _json_or_text(error.read()))


def _decoded(body: bytes) -> Any:  # noqa: ANN401 (whatever JSON holds)
    try:
        return json.loads(body or b"{}")
    except ValueError:
        return {"text": body.decode(errors="replace")}


def _json_or_text(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"text": body.decode(errors="replace")}
