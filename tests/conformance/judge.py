"""Compares what was recorded on the wire with Google's own descriptions: discovery documents and the clients' protos.

The emulators record the exchanges of a test session; at its end they are compared here, and a deviation without a
reason fails the session.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from google.cloud import monitoring_v3, pubsub_v1  # type: ignore[attr-defined]  # noqa: F401 (they register messages)
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from tests.conformance.discovery import document

DOCUMENTS = {
    "assets": "cloudasset.v1",
    "bigquery": "bigquery.v2",
    "billing": "cloudbilling.v1",
    "budgets": "billingbudgets.v1",
    "catalog": "cloudbilling.v1",
    "compute": "compute.v1",
    "functions": "cloudfunctions.v2",
    "iam": "iam.v1",
    "logging": "logging.v2",
    "monitoring": "monitoring.v3",
    "pricing": "cloudbilling.v1beta",
    "pubsub": "pubsub.v1",
    "resource_manager": "cloudresourcemanager.v3",
    "run": "run.v2",
    "scheduler": "cloudscheduler.v1",
}
"""The discovery document of each service of the emulators."""

ACCEPTED: Mapping[str, str] = {
    r"bigquery\.tables\.list answer: .*": (
        "the package local-bigquery lists whole tables and a null token; the client libraries ignore both"
    ),
    r"bigquery\.v2 has no method PUT /upload/bigquery/v2/projects/[^/]+/jobs": (
        "the second request of a resumable upload, which belongs to the protocol and not to the API: "
        "https://cloud.google.com/bigquery/docs/reference/api-uploads#resumable"
    ),
    r"bigquery\.jobs\.get request: projection is not a parameter": (
        "the client library asks for a job as for a list of jobs, which has the parameter; BigQuery ignores it"
    ),
    r"bigquery\.jobs\.getQueryResults request: parameter formatOptions\.useInt64Timestamp is 'True', .*": (
        "the client library writes a boolean as Python does, and BigQuery takes it"
    ),
    r"bigquery\.jobs\.getQueryResults answer: \.(statementType|dmlStats) is not a field": (
        "the package local-bigquery answers as jobs.query does; the client libraries ignore unknown fields"
    ),
    r"cloud(asset|billing)\.[\w.]+ request: parameter (\$alt is 'json;enum-encoding=int'|contentType is '\d+'), .*": (
        "the client library's REST transport, which only local endpoints use, writes enums as numbers and says so"
    ),
    r"bigquery\.v2 has no method GET /\$discovery/rest": (
        "the address of the description itself, which bq reads before its first call; no description lists it"
    ),
    r"compute\.\w+\.aggregatedList request: returnPartialSuccess is not a parameter": (
        "gone from the description since revision 20260922: lists are always partial under the header "
        "X-Goog-Api-Version 2026-09-01, and without it, as here, the parameter still decides"
    ),
    r"compute\.advice\.capacityHistory answer: \.priceHistory\[\]\.listPrice\.nanos is '\d+', .*": (
        "the service has been seen to answer nanos as text, which the description has as a number"
    ),
}
"""Deviations that stay, as regular expressions, each with its reason."""

_SAME_FORM = re.compile(r"^/v2beta/(?=billingAccounts/)")
"""The package has no document of the Pricing API's v2beta, whose reference has the methods and fields of v1beta:
https://cloud.google.com/billing/docs/reference/pricing-api/rest"""

_ERROR_FIELDS = {"code", "message", "errors", "status", "details"}


def deviations(folder: Path) -> Counter[str]:
    """Return the deviations in a folder of recorded exchanges, without the accepted ones, and how often each occurs."""
    found: Counter[str] = Counter()
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            found.update({each for each in judged(json.loads(line)) if not _is_accepted(each)})
    return found


def judged(exchange: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an exchange; a refused request is no concern, the form of its refusal is."""
    if "service" in exchange:
        yield from _rest(exchange)
    else:
        for part in ("request", "answer"):
            yield from (f"{exchange['method']} {part}: {fault}" for fault in _grpc(exchange[part]))


def _is_accepted(deviation: str) -> bool:
    return any(re.fullmatch(pattern, deviation) for pattern in ACCEPTED)


def _rest(exchange: Mapping[str, Any]) -> Iterator[str]:
    if exchange["status"] >= HTTPStatus.BAD_REQUEST:
        yield from (f"{exchange['service']} error: {fault}" for fault in _error_faults(exchange["answer"]))
        return
    api = document(DOCUMENTS[exchange["service"]])
    method = api.method(exchange["verb"], _SAME_FORM.sub("/v1beta/", exchange["path"]))
    if method is None:
        yield f"{api.name} has no method {exchange['verb']} {exchange['path']}"
        return
    name = method["id"]
    yield from (f"{name} request: {fault}" for fault in api.parameter_faults(method, exchange["query"]))
    for part, text, schema in (
        ("request", exchange["body"], method.get("request")),
        ("answer", exchange["answer"], method.get("response")),
    ):
        try:
            value = json.loads(text) if text else None
        except ValueError:
            yield f"{name} {part}: it is not JSON"
            continue
        if value is not None and schema is None:
            yield f"{name} {part}: it has a body"
        elif value is not None and schema is not None:
            yield from (f"{name} {part}: {fault}" for fault in api.body_faults(schema, value, answer=part == "answer"))


def _error_faults(answer: str) -> Iterator[str]:
    """Yield what is wrong with a refusal: https://cloud.google.com/apis/design/errors#http_mapping."""
    try:
        error = json.loads(answer)["error"]
        unknown = error.keys() - _ERROR_FIELDS
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{answer[:100]!r} is no error"
        return
    if unknown:
        yield f"it has the fields {sorted(unknown)}"
    if not isinstance(error.get("code"), int) or not isinstance(error.get("message"), str):
        yield "it has no code or no message"


def _grpc(described: Mapping[str, str]) -> Iterator[str]:
    kind = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(described["type"]))
    yield from _message_faults(kind.FromString(base64.b64decode(described["bytes"])), "")


def _message_faults(message: Message, where: str) -> Iterator[str]:
    """Yield unknown fields and numbers that are no member of their enum.

    Which fields are required is not known: the client libraries keep no options of fields.
    """
    if len(UnknownFieldSet(message)):
        yield f"{where or 'it'} has unknown fields"
    for field, present in message.ListFields():
        at = f"{where}.{field.name}"
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        for value in () if is_map else present if field.is_repeated else (present,):
            if field.cpp_type == field.CPPTYPE_MESSAGE:
                yield from _message_faults(value, at)
            elif field.enum_type is not None and value not in field.enum_type.values_by_number:
                yield f"{at} is {value}, which is no member of its enum"
