"""A relay in front of the gRPC server, which cannot break its own connections: it copies bytes."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from infra.local.emulators.sockets import HOST


class Relay:
    """Copies bytes between callers and a port of this machine and breaks connections on demand."""

    def __init__(self) -> None:
        """Wait for `listen`."""
        self._listener: socket.socket | None = None
        self._callers: list[socket.socket] = []
        self._left: int | None = None

    def listen(self, port: int, behind: int) -> int:
        """Pass on what comes in at a port, a free one if it is 0, to the port behind, and return the first."""
        self._behind = behind
        self._listener = socket.create_server((HOST, port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return int(self._listener.getsockname()[1])

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
        """Stop listening, and close all connections."""
        if self._listener is not None:
            _hang_up(self._listener)
        callers, self._callers = self._callers, []
        for caller in callers:
            _hang_up(caller)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                server = socket.create_connection((HOST, self._behind))
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
