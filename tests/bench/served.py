"""The emulators as a process that answers every question once, and from memory when it is asked again.

    python -m tests.bench.served --vms 100000 --projects 1

A bench asks once before it measures; so it measures who asks, and not the emulators. Uptimes vary, so that nothing
that is worked out once for equal uptimes seems free. With `--copies` each project after
the first is served the pages of the first one under its own name: a million VMs do not fit one process of emulators.
"""

import argparse
import json
import re
import signal
import sys
import threading
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import grpc
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.metric_filters import Filter
from infra.local.emulators.monitoring_api import ListResponse, Monitoring, Query, Series
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import Clock, parse
from infra.local.fleet.fleet import Fleet, Project
from infra.local.fleet.scenario import synthetic_fleet

FIRST = b"load-000"
_PROJECT = re.compile(rb"load-\d{3}")


class Memo:
    """Answers to questions by what was asked; the questions of all projects are one when they are copies."""

    def __init__(self, *, copies: bool) -> None:
        self._copies = copies
        self._known: dict[bytes, bytes] = {}

    def find(self, question: bytes) -> bytes | None:
        """Return the answer to a question that was asked before."""
        found = _PROJECT.search(question) if self._copies else None
        if found is None or found[0] == FIRST:
            return self._known.get(question)
        answer = self._known.get(_PROJECT.sub(FIRST, question))
        return None if answer is None else answer.replace(FIRST, found[0])

    def keep(self, question: bytes, answer: bytes) -> None:
        """Remember an answer."""
        self._known[question] = answer


class RememberingApp:
    """REST: GET requests, but for those that control the emulators."""

    def __init__(self, app: ASGIApp, memo: Memo) -> None:
        self._app = app
        self._memo = memo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith("/_control"):
            await self._app(scope, receive, send)
            return
        question = scope["raw_path"] + b"?" + scope["query_string"]
        answer = self._memo.find(question)
        if answer is None:
            answer = await self._asked(question, scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _asked(self, question: bytes, scope: Scope, receive: Receive) -> bytes:
        parts: list[bytes] = []
        statuses: list[int] = []

        async def collect(message: Any) -> None:  # noqa: ANN401 (as ASGI has it)
            statuses.append(message.get("status", 200))
            parts.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        if statuses[0] != 200:
            message = f"the emulator answered {statuses[0]} to {question!r}: {b''.join(parts)!r}"
            raise RuntimeError(message)
        self._memo.keep(question, b"".join(parts))
        return b"".join(parts)


class _RememberingHandler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # it takes none when the program runs
    """gRPC: lists of time series."""

    def __init__(self, inner: Any, memo: Memo) -> None:  # noqa: ANN401 (a handler of the same kind)
        self._inner = inner
        self._memo = memo

    def service(self, call: Any) -> Any:  # noqa: ANN401 (as gRPC has it)
        """Return what answers a method."""
        handler = self._inner.service(call)
        if handler is None or not call.method.endswith("/ListTimeSeries"):
            return handler

        def answer(question: bytes, context: grpc.ServicerContext) -> bytes:
            known = self._memo.find(question)
            if known is None:
                known = _varied(handler.unary_unary(handler.request_deserializer(question), context))
                self._memo.keep(question, known)
            return known

        return grpc.unary_unary_rpc_method_handler(answer)


def _varied(answer: bytes) -> bytes:
    """Return a page with uptimes of whole seconds up to the hour, other ones for each instance and hour."""
    page = ListResponse.FromString(answer)
    for series in page.time_series:
        name = series.resource.labels["instance_id"].encode()
        for point in series.points:
            mixed = zlib.crc32(name + str(point.interval.end_time.seconds).encode())
            point.value.double_value = min(point.value.double_value, 1 + mixed % 3600)
    varied: bytes = page.SerializeToString()
    return varied


class RememberingMonitoring(Monitoring):
    """Cloud Monitoring with a memory; the time series of a list are found once, and not again for each page of it."""

    def __init__(self, state: CloudState, memo: Memo) -> None:
        """Answer for a state."""
        super().__init__(state)
        self._memo = memo
        self._asked = ""
        self._series: list[Series] = []

    def _uptime(self, project: Project, wanted: Filter, query: Query, now: datetime) -> Iterator[Series]:
        if "resource.labels.instance_id" in wanted.tests:
            return super()._uptime(project, wanted, query, now)
        asked = f"{project.project_id} {query} {now}"
        if asked != self._asked:
            self._series = list(super()._uptime(project, wanted, query, now))
            self._asked = asked
        return iter(self._series)

    def grpc_service(self) -> Any:  # noqa: ANN401 (a gRPC handler)
        """The service as gRPC serves it."""
        return _RememberingHandler(super().grpc_service(), self._memo)


class RememberingCloud(Cloud):
    """The emulators with a memory."""

    def __init__(self, fleet: Fleet, clock: Clock, memo: Memo) -> None:
        """Prepare to serve a fleet."""
        super().__init__(fleet, clock)
        self._memo = memo
        self.monitoring = RememberingMonitoring(self.state, memo)

    def _application(self) -> Any:  # noqa: ANN401 (an ASGI application)
        return RememberingApp(super()._application(), self._memo)


def main() -> None:
    """Serve until a signal arrives."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--vms", type=int, required=True)
    parser.add_argument("--projects", type=int, default=1)
    parser.add_argument("--bare", action="store_true", help="VMs without disks and addresses")
    parser.add_argument("--copies", action="store_true", help="`--vms` is what each project has")
    parser.add_argument("--now", required=True)
    options = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    fleet = synthetic_fleet(options.vms, 1 if options.copies else options.projects, attached=not options.bare)
    with RememberingCloud(fleet, Clock(parse(options.now)), Memo(copies=options.copies)) as cloud:
        sys.stdout.write(json.dumps({"rest": cloud.rest_url, "grpc": cloud.grpc_target}) + "\n")
        sys.stdout.flush()
        stopping.wait()


if __name__ == "__main__":
    main()
