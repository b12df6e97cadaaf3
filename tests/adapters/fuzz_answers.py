"""Services whose answers are made up, byte by byte or as JSON."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from io import BytesIO
from typing import Any

from google.auth.transport.urllib3 import AuthorizedHttp
from urllib3 import BaseHTTPResponse, HTTPResponse

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import HttpCalls


class Wire(AuthorizedHttp):
    """Answers every request with the same bytes."""

    def __init__(self, body: bytes, status: int = HTTPStatus.OK) -> None:
        self.body, self.status = body, status

    def request(self, *_: object, **__: object) -> BaseHTTPResponse:
        return HTTPResponse(BytesIO(self.body), status=self.status, reason="Some reason", preload_content=True)


class Answers(HttpCalls):
    """Answers every call with what a function says of its path."""

    def __init__(self, response_to: Callable[[str], Any]) -> None:
        self.response_to = response_to

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        assert method
        assert body is None or query is None
        found: dict[str, Any] = self.response_to(path)
        return found


def calls(body: bytes, status: int = HTTPStatus.OK) -> HttpCalls:
    """Return the way to a service that answers so."""
    found = HttpCalls("Compute Engine", "compute.example", "http://127.0.0.1:9", timedelta(0))
    found._http = Wire(body, status)  # noqa: SLF001 (there is no other way in)
    return found


def or_unavailable[Value](service: str, read: Callable[[], Value]) -> Value | None:
    """Return what is read, or None where it is refused as a service out of order that is named."""
    try:
        return read()
    except UnavailableError as error:
        refusal = str(error)
    assert service in refusal
    assert refusal == refusal.encode(errors="replace").decode()
    return None


def nothing(_: str) -> None:
    """Take no note of a gap."""
