"""A REST server in a thread of this process."""

import asyncio
import signal
import threading

import uvicorn
from starlette.applications import Starlette

from infra.local.emulators.http_faults import BreakableProtocol
from infra.local.emulators.sockets import listening


class RestServer:
    """Serves an application between `start` and `stop`; its connections can be broken."""

    def start(self, application: Starlette, port: int = 0) -> str:
        """Listen on the port, or on a free one, and return the address."""
        listener, address = listening(port)
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=BreakableProtocol,
                ws="none",
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=asyncio.run, args=(self._server.serve([listener]),), daemon=True)
        self._thread.start()
        return address

    def stop(self) -> None:
        """Stop answering; what is being answered is finished first."""
        self._server.should_exit = True
        self._thread.join()


def stop_signal() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
