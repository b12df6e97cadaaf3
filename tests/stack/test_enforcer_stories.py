"""What a platform team meets in a bad week, through the function, its statements and the Compute Engine emulator."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from flask import Flask

from infra.local.bigquery.tables import create_dataset
from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.periods import PeriodKind, budget_period
from tests.entry.served import served

TARGET = "enforce_budget_limit"
DATASET = "stories"
"""Records apart from other tests: with the prices of a tracker's run, a VM whose price is known is stopped first."""

NOW = FLEET_START + timedelta(hours=8, minutes=7)
JULY, AUGUST = "2026-07-01T07:00:00Z", "2026-08-01T07:00:00Z"
MINUTES_TO_AUGUST = int((datetime(2026, 8, 1, 8, tzinfo=UTC) - NOW).total_seconds() // 60)
DISTILL = {"projects": ["research-ml"], "labels": {"project": "llm-distill"}}
FIRST, SECOND = "early-bird", "infer-l4"
ZONES = {FIRST: "us-east1-b", SECOND: "europe-west4-a"}
FINAL = {"stopped", "changed", "expired"}
TABLES = {"enforcement_actions": "happened_at", "budget_notifications": "received_at", "spot_vm_costs": "recorded_at"}


@dataclass
class Play:
    """One story against the stack."""

    stack: Stack
    functions: dict[str, Flask]
    budget_id: str

    def push(self, message: str, published: datetime, cost: float, start: str, clock: str) -> int:
        """Deliver a message about a budget of 1000 USD, and return the status of the answer."""
        body = {"costAmount": cost, "budgetAmount": 1000, "costIntervalStart": start, "currencyCode": "USD"}
        pushed = {
            "data": base64.b64encode(json.dumps({**body, "budgetDisplayName": "Spot"}).encode()).decode(),
            "messageId": f"{self.budget_id}-{message}",
            "publishTime": published.isoformat().replace("+00:00", "Z"),
            "attributes": {"budgetId": self.budget_id, "billingAccountId": "account", "schemaVersion": "1.0"},
        }
        return self.functions[clock].test_client().post("/", json={"message": pushed}).status_code

    def compute(self, name: str, verb: str, body: object = None) -> dict[str, Any]:
        """Call Compute Engine about a VM, as a person does."""
        address = f"{self.stack.rest}/compute/v1/projects/research-ml/zones/{ZONES[name]}/instances/{name}"
        called = requests.request("POST" if verb else "GET", f"{address}/{verb}".rstrip("/"), json=body, timeout=5)
        called.raise_for_status()
        found: dict[str, Any] = called.json()
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return what is recorded of the budget, in the order of its time."""
        sql = f"SELECT * FROM {DATASET}.{table} WHERE budget_id = '{self.budget_id}' ORDER BY {TABLES[table]}"
        return [dict(row) for row in self.stack.client().query(sql).result()]

    def outcomes(self) -> dict[str, str]:
        """Return the outcome and its reason, by message and VM, and the verdicts, by message."""
        found = {}
        for row in sorted(self.rows("enforcement_actions"), key=lambda row: row["event"] in FINAL):
            name = f"{row['message_id'].removeprefix(self.budget_id + '-')} {row['instance_name']}"
            found[name] = f"{row['event']}: {row['reason']}"
        for row in self.rows("budget_notifications"):
            found.setdefault(row["message_id"].removeprefix(self.budget_id + "-"), row["verdict"])
        return found


type Step = Callable[[Play], object]


@dataclass(frozen=True)
class Story:
    """What happens, and what is on record at the end: by message its verdict, by message and VM event and reason."""

    name: str
    steps: tuple[Step, ...]
    outcomes: dict[str, str]
    rule: dict[str, object] = field(default_factory=dict)
    running: tuple[str, ...] = ()


def says(message: str, minute: int = 0, cost: float = 1100, status: int = 200, start: str = JULY) -> Step:
    """Deliver a message that was published so many minutes after the story began."""

    def step(play: Play) -> None:
        play.stack.set_time(NOW + timedelta(minutes=minute))
        assert play.push(message, NOW + timedelta(minutes=minute), cost, start, "schedule") == status

    return step


def says_late(message: str) -> Step:
    """Deliver a message of the present month three hours after it was published, by the system's clock."""

    def step(play: Play) -> None:
        published = datetime.now(UTC) - timedelta(hours=3)
        start = budget_period(PeriodKind.MONTH, published).start
        assert play.push(message, published, 1100, start.isoformat().replace("+00:00", "Z"), "system") == 200

    return step


def refused(*names: str) -> Step:
    """Let Compute Engine refuse to stop these VMs, and no other."""
    rule = {"service": "compute", "method": "instances.stop", "kind": "status", "status": 403, "message": "denied"}
    return lambda play: play.stack.control("POST", "faults", [{**rule, "instance": name} for name in names])


def silent(*zones: str) -> Step:
    """Let zones not answer."""
    rule = {"service": "compute", "kind": "unreachable_zone", "project": "research-ml"}
    return lambda play: play.stack.control("POST", "faults", [{**rule, "zone": zone} for zone in zones])


def a_person_stops(name: str) -> Step:
    """Stop a VM, and wait until it is."""

    def step(play: Play) -> None:
        play.compute(name, "stop")
        while play.compute(name, "")["status"] != "TERMINATED":
            pass

    return step


def an_item_without_value(name: str) -> Step:
    """Leave a VM with a metadata item that has a key alone."""

    def step(play: Play) -> None:
        fingerprint = play.compute(name, "")["metadata"]["fingerprint"]
        body = {"fingerprint": fingerprint, "items": [{"key": "created-by"}]}
        play.compute(name, "setMetadata", body)
        assert play.compute(name, "")["metadata"]["items"] == [{"key": "created-by"}]

    return step


def outcomes_are_lost(play: Play) -> None:
    """Forget what came of the plans, as if the process had been killed before it was recorded."""
    sql = f"DELETE FROM {DATASET}.enforcement_actions WHERE event = 'stopped' AND happened_at >= '2026-01-01'"
    play.stack.client().query(sql).result()


def the_tracker_has_rows(play: Play) -> None:
    """Let the tracker's rows say that 500 USD were spent in the period."""
    hour = FLEET_START.isoformat()
    sql = f"""
        INSERT INTO {DATASET}.spot_vm_costs (
          usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, uptime_hours, cost,
          currency, price_status, labels, run_id, recorded_at
        )
        VALUES (
          TIMESTAMP '{hour}', TIMESTAMP_ADD(TIMESTAMP '{hour}', INTERVAL 1 HOUR), 'research-ml', 'z', 'r', '1', 'n', 1,
          500, 'USD', 'exact', [STRUCT('project' AS key, 'llm-distill' AS value)], 'story', TIMESTAMP '{hour}'
        )
    """
    play.stack.client().query(sql).result()


STORIES = (
    Story(
        "a VM that cannot be stopped takes no turn from the others",
        (refused(FIRST), says("1", status=500), says("2", 30)),
        {
            f"1 {FIRST}": "failed: request failed",
            f"2 {SECOND}": "stopped: ",
            f"2 {FIRST}": "spared: deferred to the next alert (rank 2): limit of 1 stops per alert; its stop failed",
        },
        {"max_stops_per_alert": 1},
        running=(FIRST,),
    ),
    Story(
        "a metadata item without value switches nothing off",
        (an_item_without_value(FIRST), says("1")),
        {"1": "over_budget", f"1 {FIRST}": "stopped: ", f"1 {SECOND}": "stopped: "},
    ),
    Story(
        "a plan that a newer message has overtaken is not finished",
        (refused(FIRST, SECOND), says("1", status=500), refused(), says("2", 20, cost=500), says("1")),
        {
            "2": "under_budget",
            f"1 {FIRST}": "changed: a newer notification",
            f"1 {SECOND}": "changed: a newer notification",
        },
        running=(FIRST, SECOND),
    ),
    Story("a backlog stops nothing", (says_late("1"),), {"1": "too_old"}, running=(FIRST, SECOND)),
    Story(
        "a gap turns the order of no class round",
        (silent("us-central1-a", "us-central1-c", "europe-west4-b"), says("1")),
        {
            "1": "over_budget",
            f"1 {FIRST}": "spared: part of the fleet could not be read: only low priority may be stopped",
            f"1 {SECOND}": "spared: part of the fleet could not be read: only low priority may be stopped",
        },
        {"labels": {}},
        running=(FIRST, SECOND),
    ),
    Story(
        "the cap of a day holds for the next message too",
        (says("1"), says("2", 30)),
        {
            f"1 {FIRST}": "stopped: ",
            f"1 {SECOND}": "spared: deferred to the next alert (rank 2): limit of 1 stops per day",
            f"2 {SECOND}": "spared: deferred to the next alert (rank 1): limit of 1 stops per day (1 planned",
        },
        {"max_stops_per_day": 1},
        running=(SECOND,),
    ),
    Story(
        "what a person stopped is not ours",
        (refused(FIRST), says("1", status=500), refused(), a_person_stops(FIRST), says("1")),
        {
            f"1 {FIRST}": "changed: found TERMINATED, but no request of this message stopped it",
            f"1 {SECOND}": "stopped: ",
        },
    ),
    Story(
        "a plan whose period ended before its outcome was recorded has one",
        (says("1", MINUTES_TO_AUGUST - 90), outcomes_are_lost, says("august", MINUTES_TO_AUGUST, cost=1, start=AUGUST)),
        {
            "august": "under_budget",
            f"1 {FIRST}": "stopped: found TERMINATED when the plan was resumed",
            f"1 {SECOND}": "stopped: found TERMINATED when the plan was resumed",
        },
    ),
    Story(
        "a message that contradicts the tracker's rows supersedes nothing",
        (the_tracker_has_rows, says("forged", 20, cost=49), says("1", 10)),
        {"forged": "contradicted", "1": "over_budget", f"1 {FIRST}": "stopped: ", f"1 {SECOND}": "stopped: "},
    ),
)
RULES = {
    f"story-{number}": {**DISTILL, "steps": [{"threshold": 1.0, "priorities": ["low", "medium"]}], **story.rule}
    for number, story in enumerate(STORIES)
}


@pytest.fixture(scope="module")
def functions(stack: Stack) -> Iterator[dict[str, Flask]]:
    """The function, once by the time of its messages and once by the system's clock."""
    policy = json.dumps({"budgets": RULES, "restart": True})
    create_dataset(stack.client(), DATASET)
    settings = {**stack.settings, "DATASET": DATASET, "ENFORCEMENT_POLICY": policy}
    with served(TARGET, settings) as schedule, served(TARGET, {**settings, "CLOCK": "system"}) as system:
        yield {"schedule": schedule, "system": system}


@pytest.fixture
def empty(stack: Stack) -> Iterator[Stack]:
    """The stack with no VM stopped and nothing on record."""
    stack.control("POST", "reset")
    deletions = (f"DELETE FROM {DATASET}.{table} WHERE {time} >= '2026-01-01'" for table, time in TABLES.items())
    stack.client().query(";".join(deletions)).result()
    yield stack
    stack.control("POST", "reset")


@pytest.mark.parametrize("number", range(len(STORIES)), ids=[story.name for story in STORIES])
def test_the_story_ends_as_it_should(empty: Stack, functions: dict[str, Flask], number: int) -> None:
    story, play = STORIES[number], Play(empty, functions, f"story-{number}")
    empty.set_time(NOW)

    for step in story.steps:
        step(play)

    found = play.outcomes()
    assert {
        name: found.get(name, "nothing")[: len(wanted)] for name, wanted in story.outcomes.items()
    } == story.outcomes
    running = [name for name in (FIRST, SECOND) if play.compute(name, "")["status"] == "RUNNING"]
    assert running == list(story.running)
