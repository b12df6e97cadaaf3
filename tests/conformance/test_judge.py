"""The judge finds what deviates from Google's descriptions, and accepts what follows them."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.cloud import monitoring_v3

from infra.local.emulators.exchanges import FOLDER, MOST_ALIKE, RestCall, record_grpc, record_rest
from tests.conformance.discovery import document
from tests.conformance.judge import ACCEPTED, DOCUMENTS, deviations, judged

INSTANCES = "GET /compute/v1/projects/p/aggregated/instances"
STOP = "POST /compute/v1/projects/p/zones/z/instances/1/stop"
QUERIES = "POST /bigquery/v2/projects/p/queries"
SKUS = "GET /v1/services/6F81-5844-456A/skus"


def rest(
    service: str, call: str, query: Mapping[str, str] | None = None, body: object = None, answer: object = None
) -> dict[str, Any]:
    verb, _, path = call.partition(" ")
    return {
        "service": service,
        "verb": verb,
        "path": path,
        "query": {name: [value] for name, value in (query or {}).items()},
        "body": "" if body is None else json.dumps(body),
        "status": 200,
        "answer": "" if answer is None else json.dumps(answer),
    }


def grpc(request: monitoring_v3.ListTimeSeriesRequest, more: bytes = b"") -> dict[str, Any]:
    message = type(request).pb(request)
    described = {
        "type": message.DESCRIPTOR.full_name,
        "bytes": base64.b64encode(message.SerializeToString() + more).decode(),
    }
    empty = {"type": "google.monitoring.v3.ListTimeSeriesResponse", "bytes": ""}
    return {"method": "ListTimeSeries", "request": described, "answer": empty}


def whole_request() -> monitoring_v3.ListTimeSeriesRequest:
    return monitoring_v3.ListTimeSeriesRequest(
        name="projects/p", filter="metric.type = x", interval=monitoring_v3.TimeInterval(end_time={"seconds": 1})
    )


@pytest.mark.parametrize(
    "exchange",
    [
        rest("compute", INSTANCES, {"maxResults": "500", "fields": "kind,items/*/instances(id,labels)"}),
        rest("compute", STOP, {"requestId": "r", "discardLocalSsd": "true"}, answer={"status": "DONE"}),
        rest("bigquery", QUERIES, body={"query": "SELECT 1", "timeoutMs": 1, "location": None}),
        rest("catalog", SKUS, answer={"skus": [{"pricingInfo": [{"effectiveTime": "2026-07-21T07:00:00.5Z"}]}]}),
        grpc(whole_request()),
    ],
    ids=["list", "stop", "query", "catalog", "grpc"],
)
def test_what_follows_the_descriptions_is_accepted(exchange: Mapping[str, Any]) -> None:
    assert list(judged(exchange)) == []


@pytest.mark.parametrize(
    ("exchange", "fault"),
    [
        (rest("compute", f"{INSTANCES}/all"), f"compute.v1 has no method {INSTANCES}/all"),
        (rest("compute", STOP.replace("POST", "GET")), "compute.v1 has no method GET /compute/v1/projects/p/zones/z/"),
        (rest("compute", INSTANCES, {"maxResult": "1"}), "maxResult is not a parameter"),
        (rest("compute", INSTANCES, {"maxResults": "-1"}), "is '-1', which is not from 0 to"),
        (rest("compute", STOP, {"discardLocalSsd": "True"}), "is 'True', which is not true or false"),
        (rest("compute", INSTANCES, {"fields": "items/*/instances(machineTyp)"}), "/machineTyp, which the"),
        (rest("assets", "GET /v1/projects/p:batchGetAssetsHistory", {"contentType": "ALL"}), "member of its enum"),
        (rest("bigquery", QUERIES, body={"queri": "SELECT 1"}), "request: .queri is not a field"),
        (rest("bigquery", QUERIES, body={"query": 1}), "request: .query is '1', which is no string"),
        (rest("bigquery", QUERIES, answer={"totalRows": 1}), "answer: .totalRows is '1', which is no uint64"),
        (rest("compute", INSTANCES, answer={"items": {"zones/z": {"instances": [{"id": 1}]}}}), "no uint64"),
        (
            rest("compute", INSTANCES, answer={"items": {"zones/z": {"instances": [{"status": "ON"}]}}}),
            "[].status is 'ON', which is no member of its enum",
        ),
        (rest("compute", INSTANCES, answer={"kind": None}), "answer: .kind is null"),
        (
            rest("catalog", SKUS, answer={"skus": [{"pricingInfo": [{"effectiveTime": "yesterday"}]}]}),
            "which is no google-datetime",
        ),
        ({**rest("compute", INSTANCES, answer="no"), "status": 404}, "is no error"),
        (grpc(monitoring_v3.ListTimeSeriesRequest(whole_request(), view=7)), "which is no member of its enum"),
        (grpc(whole_request(), b"\xfa\x3f\x01x"), "it has unknown fields"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_deviation_is_named(exchange: Mapping[str, Any], fault: str) -> None:
    [found] = judged(exchange)

    assert fault in found


def test_the_first_of_exchanges_that_are_alike_are_recorded_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    call = RestCall("compute", "GET", INSTANCES.removeprefix("GET "), {"maxResult": ["1"]}, b"")
    request = monitoring_v3.ListTimeSeriesRequest.pb(whole_request())

    for _ in range(MOST_ALIKE + 1):
        record_rest(call, 200, b"{}")
    record_grpc("ListTimeSeries", request, request.DESCRIPTOR.full_name, b"\xfa\x3f\x01x")

    assert deviations(tmp_path) == {
        "compute.instances.aggregatedList request: maxResult is not a parameter": MOST_ALIKE,
        "ListTimeSeries answer: it has unknown fields": 1,
    }


def test_nothing_is_recorded_outside_a_test_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)

    record_rest(RestCall("compute", "GET", INSTANCES.removeprefix("GET "), {}, b""), 200, b"{}")

    assert list(tmp_path.iterdir()) == []


def test_every_service_of_the_emulators_has_a_description() -> None:
    assert {name: document(name).content["id"].replace(":", ".") for name in DOCUMENTS.values()} == {
        name: name for name in DOCUMENTS.values()
    }
    assert all(reason for reason in ACCEPTED.values())
