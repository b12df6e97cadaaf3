"""BigQuery behind the emulators' REST server, so that its calls fail by the same rules as all others."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from infra.local.emulators.faults import Kind
from infra.local.emulators.http_faults import respond
from infra.local.emulators.rest import ApiError
from infra.local.emulators.state import CloudState

NOT_PASSED_ON = {"accept-encoding", "connection", "transfer-encoding", "content-length", "date", "server"}
STATEMENTS = (("autoscaling_mode IS NOT NULL", "freeze outcomes"), ("@outcomes", "outcomes"), ("TRANSACTION", "commit"))
SECONDS = 120


class Proxy:
    """Passes every call on to a BigQuery at an address, unless a rule says otherwise."""

    def __init__(self, state: CloudState, address: str) -> None:
        """Know no job yet."""
        self._state = state
        self._netloc = urlsplit(address).netloc
        self._jobs = JobNames()

    def route(self) -> Route:
        """Return the route of all paths, to be the last one."""
        return Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        body = await request.body()
        path = f"{request.url.path}?{request.url.query}"
        name = self._jobs.name_of(request.method, path, body)
        faults = self._state.faults
        rules = faults.due("bigquery", name)

        async def answer() -> Response:
            for rule in rules:
                if rule.kind is Kind.STATUS:
                    error = ApiError(rule.status, f"bigquery.{name} fails on demand")
                    return Response(error.body(), rule.status, media_type="application/json")
            target = self._limited(request, name)
            return await asyncio.to_thread(self._forward, request.method, target, dict(request.headers), body)

        return await respond(request, faults, rules, answer)

    def _limited(self, request: Request, name: str) -> str:
        """The path and query, with smaller pages where they are limited."""
        query = parse_qsl(request.url.query, keep_blank_values=True)
        if limit := self._state.faults.page_limits.get(("bigquery", name)):
            query = [*((key, value) for key, value in query if key != "maxResults"), ("maxResults", str(limit))]
        return f"{request.url.path}?{urlencode(query)}" if query else request.url.path

    def _forward(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        connection = http.client.HTTPConnection(self._netloc, timeout=SECONDS)
        try:
            # The Host header stays the caller's: an upload goes on at the address that the server derives from it.
            passed = {name: value for name, value in headers.items() if name.lower() not in NOT_PASSED_ON}
            connection.request(method, target, body or None, {**passed, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in NOT_PASSED_ON}
            return Response(answer.read(), answer.status, kept)
        finally:
            connection.close()


class JobNames:
    """Names the calls of BigQuery by what they do for the product: those of one job belong together."""

    def __init__(self) -> None:
        """Know no job yet."""
        self._jobs: dict[str, str] = {}

    def name_of(self, method: str, path: str, body: bytes) -> str:
        """Return the name of a call."""
        if "/upload/" in path or "/tables" in path:
            return "sweep" if method == "DELETE" else "load"
        if method == "POST":
            return self._new(json.loads(body))
        job_id = path.partition("?")[0].rpartition("/")[2]
        kind = "load" if job_id.startswith("load_") else self._jobs.get(job_id, "query")
        return "rows" if kind == "query" and "/queries/" in path and "maxResults=0" not in path else kind

    def _new(self, job: Mapping[str, Any]) -> str:
        if "query" in job:
            return "record"
        text = job.get("configuration", {}).get("query", {}).get("query", "")
        kind = next((name for words, name in STATEMENTS if words in text), "query")
        self._jobs[job.get("jobReference", {}).get("jobId", "")] = kind
        return kind
