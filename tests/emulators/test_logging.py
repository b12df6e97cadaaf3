"""The Cloud Logging emulator: entries.list over REST, and what it refuses as the real one does."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.permissions import Denial

NOW = datetime(2026, 7, 22, 18, 7, tzinfo=UTC)
ACTIVITY = 'logName="projects/research-ml/logs/cloudaudit.googleapis.com%2Factivity"'
INSERTS = f'{ACTIVITY} AND protoPayload.methodName:"compute.instances.insert"'
REQUEST = {"resourceNames": ["projects/research-ml"], "filter": INSERTS}


@pytest.fixture
def logging(cloud: Cloud) -> Cloud:
    cloud.state.clock.now = NOW
    return cloud


def listed(cloud: Cloud, **changes: object) -> tuple[int, dict[str, Any]]:
    """Return the status and the answer to a list of all inserts, with changes."""
    response = requests.post(f"{cloud.rest_url}/v2/entries:list", json={**REQUEST, **changes}, timeout=5)
    return response.status_code, response.json()


def test_an_insert_has_two_entries_and_the_first_has_the_request(logging: Cloud) -> None:
    [vm] = [vm for vm in logging.state.fleet.vms if vm.name == "probe-untraced"]
    _, answer = listed(logging, filter=f'{INSERTS}\nresource.labels.instance_id=("{vm.instance_id}" OR "1")')

    first, last = answer["entries"]
    assert (first["operation"]["first"], last["operation"]["last"]) == (True, True)
    assert first["operation"]["id"] == last["operation"]["id"]
    assert first["protoPayload"]["request"]["machineType"].endswith("/machineTypes/e2-standard-4")
    assert last["protoPayload"]["request"] == {"@type": "type.googleapis.com/compute.instances.insert"}


def test_entries_come_in_pages_of_fifty_oldest_first(logging: Cloud) -> None:
    _, first = listed(logging)
    _, second = listed(logging, pageToken=first["nextPageToken"])
    _, whole = listed(logging, pageSize=1000)

    assert len(first["entries"]) == 50
    assert first["entries"] + second["entries"] == whole["entries"]
    times = [entry["timestamp"] for entry in whole["entries"]]
    assert times == sorted(times)
    assert "nextPageToken" not in whole


def test_a_filter_keeps_what_meets_all_of_its_conditions(logging: Cloud) -> None:
    since, until = "2026-07-21T10:00:00Z", "2026-07-21T11:00:00Z"
    _, answer = listed(logging, filter=f'{INSERTS} operation.first=true timestamp>="{since}" timestamp<="{until}"')

    assert answer["entries"]
    assert all(since <= entry["timestamp"] <= until for entry in answer["entries"])
    assert all(entry["operation"].get("first") for entry in answer["entries"])


@pytest.mark.parametrize(
    "changes",
    [
        {"resourceNames": []},
        {"filter": "severity>=ERROR"},
        {"filter": "an unquoted ( sentence"},
        {"filter": f'insertId="{"x" * 20_000}"'},
        {"orderBy": "insertId"},
        {"pageSize": 1001},
        {"pageSize": -1},
        {"pageToken": "foreign.50"},
        {"maxResults": 5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_the_real_one_refuses_is_a_bad_request(logging: Cloud, changes: dict[str, object]) -> None:
    status, answer = listed(logging, **changes)

    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_page_token_is_good_for_its_own_request_alone(logging: Cloud) -> None:
    _, first = listed(logging)

    assert listed(logging, pageToken=first["nextPageToken"], orderBy="timestamp desc")[0] == 400


def test_whoever_may_not_read_the_logs_of_a_project_is_denied(logging: Cloud) -> None:
    logging.state.permissions.denials = (Denial(denied=("logging.logEntries.list",)),)

    assert listed(logging)[0] == 403
    assert listed(logging, resourceNames=["projects/somebody-elses"])[0] == 403
