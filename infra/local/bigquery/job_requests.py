"""What BigQuery does with requests for jobs, and the package local-bigquery does not: locations and request ids.

A query that is sent again with its request id runs once, and the second answer is that of the first.

A job is found only at its location, outside the US and EU multi-regions: https://cloud.google.com/bigquery/docs/locations
A script whose tables are named through the default dataset only is sent to the US; so it is here, where nothing lies.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra.local.emulators.exchanges import RestCall, record_rest

LOCATION = "us-central1"
"""Where all datasets of this server lie."""

EMPTY_ARRAYS = "/_control/empty_arrays/"
"""A PUT of this and `null` delivers empty arrays as NULL from then on, of this and `empty` as they were sent."""

_JOB = re.compile(r"/bigquery/v2/projects/(?P<project>[^/]+)/(?:jobs|queries)/(?P<job>[^/]+)(?:/cancel)?")
_JOBS = re.compile(r"(?:/upload|/resumable/upload)?/bigquery/v2/projects/(?P<project>[^/]+)/(?:jobs|queries)")
_SCRIPT = re.compile(r";\s*\S")
_TEXT_OR_COMMENT = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|--[^\n]*""")
_US, _HERE = re.compile(rb'"location": ?"US"'), f'"location":"{LOCATION}"'.encode()
_US_IN_TEXT, _HERE_IN_TEXT = b"in location US", f"in location {LOCATION}".encode()


class Regional:
    """Serves an application that knows one location only as one whose datasets lie in LOCATION."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._request_ids: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        asked = parse_qs(scope["query_string"].decode()).get("location", [""])[0]
        if (job := _JOB.fullmatch(path)) and method in {"GET", "POST", "DELETE"} and not _is_here(asked):
            await _refuse(send, f"Not found: Job {job['project']}:{asked or 'US'}.{job['job']}")
            return
        if (jobs := _JOBS.fullmatch(path)) and method == "POST":
            body = await _read(receive)
            request = _first_object(body)
            if wrong := _wrong_location(request):
                await _refuse(send, f"Not found: Dataset {jobs['project']} was not found in location {wrong}")
                return
            served = scope
            if (request_id := str(request.get("requestId", ""))) in self._request_ids:
                served = _results_of(scope, request_id)
            elif request_id:
                self._request_ids.add(request_id)
            await self._app(served, _again(body, receive), _translated(send, scope, body))
            return
        await self._app(scope, receive, _translated(send, scope))


def _is_here(location: str) -> bool:
    return location.lower() == LOCATION


def _wrong_location(request: dict[str, Any]) -> str:
    """Where BigQuery would run a job, when that is another place; else nothing."""
    named = request.get("location") or request.get("jobReference", {}).get("location")
    if named:
        return "" if _is_here(named) else str(named)
    query = request.get("query") or request.get("configuration", {}).get("query", {}).get("query", "")
    return "US" if _SCRIPT.search(_TEXT_OR_COMMENT.sub(" ", str(query))) else ""


def _first_object(body: bytes) -> dict[str, Any]:
    """The request, which in an upload is the first part of several."""
    start = body.find(b"{")
    try:
        found, _ = json.JSONDecoder().raw_decode(body[start:].decode(errors="replace"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _results_of(scope: Scope, request_id: str) -> Scope:
    """Return the request for the results of a query, which the package runs under its request id."""
    path = f"{scope['path']}/{request_id}"
    return {**scope, "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}


async def _read(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receiver of a body that was read already."""
    unread = [body]

    async def receive_again() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return receive_again


def _translated(send: Send, scope: Scope, request: bytes = b"") -> Send:
    """Return a sender that names the location of this server where the application names the US."""
    start: Message = {}
    parts: list[bytes] = []

    async def send_translated(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            body = _US.sub(_HERE, b"".join(parts)).replace(_US_IN_TEXT, _HERE_IN_TEXT)
            _record(scope, request, start["status"], body)
            headers = {**dict(start["headers"]), b"content-length": str(len(body)).encode()}
            await send({**start, "headers": list(headers.items())})
            await send({"type": "http.response.body", "body": body})

    return send_translated


def _record(scope: Scope, request: bytes, status: int, answer: bytes) -> None:
    """Record an exchange; an upload has several parts, of which the first is the request."""
    if scope["path"].startswith("/upload/"):
        request = json.dumps(_first_object(request)).encode()
    query = parse_qs(scope["query_string"].decode())
    record_rest(RestCall("bigquery", scope["method"], scope["path"], query, request), status, answer)


async def _refuse(send: Send, message: str) -> None:
    error = {"message": message, "domain": "global", "reason": "notFound"}
    refusal = {"error": {"code": 404, "message": message, "errors": [error], "status": "NOT_FOUND"}}
    body = json.dumps(refusal).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
