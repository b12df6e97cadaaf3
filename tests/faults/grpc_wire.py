"""A wire to a gRPC service that breaks on demand: a proxy that knows calls, behind a relay that owns the bytes."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.cloud import monitoring_v3
from google.pubsub_v1 import types as pubsub_types

from tests.faults.wires import SILENT_SECONDS, SLOW_SECONDS, STATUSES, Kind, Trouble

GARBAGE = b"\xff\xff\xff\xff not a message"
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
ListRequest = monitoring_v3.ListTimeSeriesRequest.pb()
ListResponse = monitoring_v3.ListTimeSeriesResponse.pb()
PublishResponse = pubsub_types.PublishResponse.pb()


@dataclass(slots=True)
class GrpcWire:
    """Forwards every call to `upstream`, with smaller pages asked for, and lets those go wrong that are due."""

    upstream: str
    operations: Mapping[str, str]
    trouble: Trouble
    page_size: int
    address: str = ""
    _relay: "Relay" = field(init=False)
    _server: grpc.Server = field(init=False)
    _channel: grpc.Channel = field(init=False)

    def __enter__(self) -> Self:
        """Listen on free ports."""
        self._channel = grpc.insecure_channel(self.upstream)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8), handlers=[_Generic(self)])
        behind = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._relay = Relay(behind)
        self.address = f"127.0.0.1:{self._relay.port}"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._relay.close()
        self._server.stop(None).wait()
        self._channel.close()

    def answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer one call, or break it off."""
        name = method.rpartition("/")[2]
        kind = self.trouble.due(self.operations.get(name, name))
        if (unheard := self._unheard(kind, context)) is not None:
            return unheard
        try:
            told: bytes = self._channel.unary_unary(method, None, None)(self._smaller(name, request), timeout=60)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        if kind is Kind.SLOW:
            time.sleep(SLOW_SECONDS)
        elif kind is Kind.LOST:
            return self._reset()
        elif kind is Kind.TRUNCATED:
            self._relay.cut_after(len(told) // 2)
        elif kind is not None:
            told = self._spoilt(kind, name, request, told, context)
        return told

    def _unheard(self, kind: Kind | None, context: grpc.ServicerContext) -> bytes | None:
        """What is answered without asking the service; None when it is to be asked."""
        if status := STATUSES.get(kind) if kind else None:
            context.abort(CODES[status], f"{CODES[status].name} on demand")
        match kind:
            case Kind.RESET:
                return self._reset()
            case Kind.SILENT:
                hung_up = threading.Event()
                context.add_callback(hung_up.set)
                hung_up.wait(SILENT_SECONDS)
                return b""
            case Kind.WRONG:
                return GARBAGE
            case Kind.EMPTY:
                return b""
        return None

    def _reset(self) -> bytes:
        self._relay.reset()
        return b""

    def _smaller(self, name: str, request: bytes) -> bytes:
        if name != "ListTimeSeries":
            return request
        asked = ListRequest.FromString(request)
        asked.page_size = self.page_size
        return bytes(asked.SerializeToString())

    def _spoilt(self, kind: Kind, name: str, request: bytes, told: bytes, context: grpc.ServicerContext) -> bytes:
        if name == "Publish":
            return bytes(PublishResponse().SerializeToString())
        page = ListResponse.FromString(told)
        if kind is Kind.PARTIAL:
            del page.time_series[len(page.time_series) // 2 :]
            page.execution_errors.add(code=14, message="One of the regions could not be read; data may be missing.")
        elif kind is Kind.SAME_PAGE:
            page.next_page_token = ListRequest.FromString(request).page_token or "again"
            if self.trouble.is_endless():
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this never ends")
        else:
            for series in page.time_series:
                series.resource.labels.clear()
                for point in series.points:
                    point.value.string_value = "a while"
        return bytes(page.SerializeToString())


class _Generic(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs only
    def __init__(self, wire: GrpcWire) -> None:
        self._wire = wire

    def service(self, handler_call_details: Any) -> Any:  # noqa: ANN401 (as the library has it)
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._wire.answer(method, request, context))


class Relay:
    """Copies bytes between callers and a port of this machine, until told to break them off."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._callers: list[socket.socket] = []
        self._left: int | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """Send RST to every caller."""
        callers, self._callers = self._callers, []
        for caller in callers:
            with contextlib.suppress(OSError):
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                _hang_up(caller)

    def cut_after(self, size: int) -> None:
        """Pass on so many bytes more of what comes back, and then close the connection."""
        self._left = size

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                for each in (caller, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._callers.append(caller)
                for copy in (lambda c=caller, s=server: self._forth(c, s), lambda c=caller, s=server: self._back(c, s)):
                    threading.Thread(target=copy, daemon=True).start()

    def _forth(self, caller: socket.socket, server: socket.socket) -> None:
        _copied(caller, server, lambda data: data)

    def _back(self, caller: socket.socket, server: socket.socket) -> None:
        _copied(server, caller, self._kept)

    def _kept(self, data: bytes) -> bytes | None:
        """What is passed on of some bytes; None for the end."""
        if self._left is None:
            return data
        kept, self._left = data[: self._left], self._left - len(data)
        if self._left > 0:
            return kept
        self._left = None
        return kept or None


def _copied(source: socket.socket, sink: socket.socket, kept: Callable[[bytes], bytes | None]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            passed = kept(data)
            if passed is None:
                break
            sink.sendall(passed)
            if len(passed) < len(data):
                break
    for each in (source, sink):
        _hang_up(each)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RD)  # wakes whoever reads; what is sent by closing is then FIN, or RST
    each.close()
