"""A function without an event trigger takes what a push subscription sends."""

import base64
import json
from pathlib import Path

import functions_framework
import pytest

BODY = {
    "message": {
        "attributes": {"budgetId": "b-1", "schemaVersion": "1.0"},
        "data": base64.b64encode(b'{"costAmount": 1}').decode(),
        "messageId": "4711",
        "publishTime": "2026-07-21T05:00:00Z",
    },
    "subscription": "projects/home-project-1/subscriptions/spotkeeper-enforcer",
}
SOURCE = """
import functions_framework


@functions_framework.cloud_event
def taken(event):
    message = event.get_data()["message"]
    assert message["messageId"] == "4711" and message["attributes"]["budgetId"] == "b-1", message
    if message["data"] != "eyJjb3N0QW1vdW50IjogMX0=":
        raise ValueError(message)
"""


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
def test_a_function_deployed_over_http_takes_the_push_body_as_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "pushed.py"
    source.write_text(SOURCE)
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "http")  # so a function without an event trigger is deployed
    client = functions_framework.create_app("taken", str(source)).test_client()

    pushed = client.post("/", data=json.dumps(BODY), content_type="application/json")
    other = {**BODY, "message": {**BODY["message"], "data": ""}}  # type: ignore[dict-item]
    refused = client.post("/", data=json.dumps(other), content_type="application/json")

    assert pushed.status_code == 200
    assert refused.status_code == 500
