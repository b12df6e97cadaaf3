"""Faults of REST calls, carried out at the server: refusals, broken connections, and answers that are wrong."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from infra.local.emulators.faults import AGAIN, NO_ANSWER_SECONDS, Faults, Kind, Rule

SIGN_IN_PAGE = b"<!DOCTYPE html><title>Sign in to the network</title>"
WRONG_JSON = b'{"items": ["not what was promised", 1, null]}'
UNHEARD = {Kind.RESET, Kind.NO_ANSWER, Kind.NOT_JSON, Kind.WRONG_JSON, Kind.NO_BODY, Kind.EMPTY}
"""The kinds for which the service does nothing."""

PAUSE_SECONDS = 0.05
LISTS = {
    *("addresses", "autoscalers", "billingAccountPrices", "disks", "entries", "instances", "items", "operations"),
    *("rows", "skus"),
}
JSON = "application/json; charset=UTF-8"


async def respond(
    request: Request, faults: Faults, rules: Sequence[Rule], answer: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer a call as the rules that apply to it demand; a refusal with a status is the service's own to word."""
    kinds = [each.kind for each in rules]
    unheard = next((kind for kind in kinds if kind in UNHEARD), None)
    if unheard is not None:
        return await _unheard(request, unheard)
    response = await answer()
    for each in rules:
        if each.kind is Kind.SLOW:
            await asyncio.sleep(each.seconds)
        elif each.kind is Kind.LOST:
            return Broken(b"", answered=False)
        elif each.kind is Kind.TRUNCATED:
            return Broken(bytes(response.body), answered=True)
        elif response.status_code == HTTPStatus.OK and each.kind is Kind.BAD_PAGE:
            response = _json(json.dumps(bad_page(json.loads(bytes(response.body)))).encode())
        elif response.status_code == HTTPStatus.OK and each.kind is Kind.PAGE_AGAIN:
            response = _page_again(request, faults, json.loads(bytes(response.body)))
    return response


async def _unheard(request: Request, kind: Kind) -> Response:
    if kind is Kind.NO_ANSWER:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_hung_up(request), NO_ANSWER_SECONDS)
    if kind in (Kind.NO_ANSWER, Kind.RESET):
        return Broken(b"", answered=False)
    if kind is Kind.NOT_JSON:
        return Response(SIGN_IN_PAGE, media_type="text/html")
    return _json({Kind.WRONG_JSON: WRONG_JSON, Kind.EMPTY: b"{}"}.get(kind, b""))


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _page_again(request: Request, faults: Faults, page: dict[str, Any]) -> Response:
    """Let a page name itself as the next one; a caller in an endless loop is refused."""
    if faults.is_endless():
        return _json(b'{"error": {"code": 400, "message": "This page was asked for without end."}}', 400)
    name = "pageToken" if "/queries/" in request.url.path else "nextPageToken"
    return _json(json.dumps({**page, name: request.query_params.get("pageToken", AGAIN)}).encode())


def bad_page(page: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Return a page in the right form whose entries are of the wrong type."""
    for entries in _entries(page):
        for number, entry in enumerate(entries):
            entries[number] = {name: {"surprise": [value]} for name, value in entry.items()}
    return page


def _entries(page: Any) -> Iterator[list[Any]]:  # noqa: ANN401 (any JSON)
    if isinstance(page, dict):
        for name, value in page.items():
            if name in LISTS and isinstance(value, list):
                yield value
            else:
                yield from _entries(value)


class Broken(Response):
    """A connection that breaks: reset before the answer, or closed in the middle of it."""

    def __init__(self, body: bytes, *, answered: bool) -> None:
        """Keep the body of which half is sent."""
        super().__init__(body, media_type="application/json")
        self.answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the body, or nothing, and break."""
        del receive
        transport: asyncio.Transport = scope["state"]["transport"]
        if self.answered:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send(
                {"type": "http.response.body", "body": bytes(self.body[: len(self.body) // 2]), "more_body": True}
            )
            transport.close()
        else:
            if not transport.is_closing():  # The client may have gone in the meantime.
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        await asyncio.sleep(PAUSE_SECONDS)


class BreakableProtocol(H11Protocol):
    """HTTP whose requests know their connection, so that it can be broken."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Put the connection where a request finds it."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=JSON)
