"""A wire to a REST service that breaks on demand: a proxy of this process, in front of an emulator or of BigQuery."""

import contextlib
import http.client
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.faults.wires import SILENT_SECONDS, SLOW_SECONDS, STATUSES, Kind, Trouble

PAGE = b"<!DOCTYPE html><title>Sign in to the network</title>"
NOT_PASSED_ON = {"accept-encoding", "connection", "host", "transfer-encoding", "content-length", "date", "server"}
GOOGLE_STATUSES = {
    401: ("UNAUTHENTICATED", "authError"),
    403: ("PERMISSION_DENIED", "forbidden"),
    429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded"),
    500: ("INTERNAL", "backendError"),
    503: ("UNAVAILABLE", "backendError"),
}
type Sort = Callable[[str, str, bytes], str]
"""Says which operation a call is, from its method, its path with query, and its body."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What the service answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class HttpWire:
    """Forwards every call to `upstream`, with smaller pages asked for, and lets those go wrong that are due."""

    upstream: str
    sort: Sort
    trouble: Trouble
    pages: Mapping[str, int]
    address: str = ""

    def __enter__(self) -> Self:
        """Listen on a free port."""
        wire = self

        class Handler(_Exchange):
            pass

        Handler.wire = wire
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    _server: "_Server" = field(init=False)

    def exchange(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Exchanged:
        """Call the service."""
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=120)
        try:
            # The service is told this wire's own address: an upload goes on where it says.
            passed = {"Host": urlsplit(self.address).netloc, "Content-Length": str(len(body)), **dict(headers)}
            connection.request(method, self._smaller(method, path), body or None, passed)
            answer = connection.getresponse()
            return Exchanged(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _smaller(self, method: str, path: str) -> str:
        """Ask for smaller pages than the caller did, as a service may give them."""
        for pattern, size in self.pages.items():
            if method == "GET" and re.search(pattern, path):
                parts = urlsplit(path)
                query = parse_qs(parts.query, keep_blank_values=True)
                name = "pageSize" if "/skus" in pattern else "maxResults"
                if query.get(name) != ["0"]:
                    query[name] = [str(size)]
                return f"{parts.path}?{urlencode(query, doseq=True)}"
        return path


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as the library has it)
        """Say nothing of callers that hang up: that is what this is about."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: HttpWire
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.wire.trouble.due(self.wire.sort(self.command, self.path, body))
        status = STATUSES.get(kind) if kind else None
        if status is not None:
            self._say(Exchanged(status, [("Content-Type", "application/json")], refusal(status)))
        elif kind is Kind.RESET:
            self._reset()
        elif kind is Kind.SILENT:
            self._say_nothing()
        elif kind is Kind.WRONG:
            self._say(Exchanged(200, [("Content-Type", "text/html")], PAGE))
        elif kind is Kind.NOTHING:
            self._say(Exchanged(200, [("Content-Type", "application/json")], b""))
        elif kind is Kind.EMPTY:
            self._say(Exchanged(200, [("Content-Type", "application/json")], b"{}"))
        else:
            self._pass_on(kind, body)

    def _pass_on(self, kind: Kind | None, body: bytes) -> None:
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON]
        answer = self.wire.exchange(self.command, self.path, headers, body)
        if kind is Kind.SLOW:
            time.sleep(SLOW_SECONDS)
        if kind is Kind.LOST:
            self._reset()
        elif kind is Kind.TRUNCATED:
            self._say(answer, of_body=len(answer.body) // 2)
        elif kind in (Kind.BAD_PAGE, Kind.PARTIAL, Kind.SAME_PAGE):
            self._say(self._spoilt(kind, answer))
        else:
            self._say(answer)

    def _spoilt(self, kind: Kind, answer: Exchanged) -> Exchanged:
        told = json.loads(answer.body)
        if kind is Kind.SAME_PAGE:
            token = (parse_qs(urlsplit(self.path).query).get("pageToken") or ["again"])[0]
            told["pageToken" if "/queries/" in self.path else "nextPageToken"] = token
            if self.wire.trouble.is_endless():
                return Exchanged(400, answer.headers, refusal(500))
        elif kind is Kind.PARTIAL:
            partial(told)
        else:
            told = bad(told)
        return Exchanged(answer.status, answer.headers, json.dumps(told).encode())

    def _say(self, answer: Exchanged, of_body: int | None = None) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[:of_body])
        self.wfile.flush()
        if of_body is not None:
            self.close_connection = True

    def _say_nothing(self) -> None:
        """Wait until the caller hangs up."""
        self.connection.settimeout(SILENT_SECONDS)
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def _reset(self) -> None:
        """Send RST: what a crashed server or a dropped connection looks like."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (as the library calls them)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the library has it)
        """Write no log."""


def refusal(status: int) -> bytes:
    """Return a refusal in Google's form."""
    name, reason = GOOGLE_STATUSES[status]
    message = f"{name} on demand"
    error = {"message": message, "domain": "global", "reason": reason}
    return json.dumps({"error": {"code": status, "message": message, "errors": [error], "status": name}}).encode()


def partial(told: dict[str, Any]) -> None:
    """Leave out the first zone that has something, and say so as Compute Engine does."""
    for scope, part in sorted(told.get("items", {}).items()):
        if part.get("instances") or part.get("operations"):
            told["items"][scope] = {"warning": {"code": "UNREACHABLE", "message": "The zone could not be reached."}}
            told["unreachables"] = [scope]
            told["warning"] = {"code": "UNREACHABLE", "message": "Some zones could not be reached."}
            return


def bad(told: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Return a page in the right form whose entries are of the wrong type."""
    for entries in _entries(told):
        for number, entry in enumerate(entries):
            entries[number] = {name: {"surprise": [value]} for name, value in entry.items()}
    return told


def _entries(told: Any) -> Iterator[list[Any]]:  # noqa: ANN401 (any JSON)
    if isinstance(told, dict):
        for name, value in told.items():
            if name in {"instances", "skus", "rows", "items", "operations"} and isinstance(value, list):
                yield value
            else:
                yield from _entries(value)
