"""The messages of the budget topic, at the fleet's time: a clock of Pub/Sub's own would say that they are of today."""

import base64
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infra.local.stack.processes import StartError

LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """A message as it was pushed."""

    message_id: str
    body: bytes
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BudgetTopic:
    """An address that messages are pushed to, and those that came."""

    endpoint: str
    _pushed: "queue.Queue[Pushed]" = field(default_factory=queue.Queue)

    def next(self) -> Pushed:
        """Return the next message; raises StartError when none comes."""
        try:
            return self._pushed.get(timeout=LONGEST_WAIT)
        except queue.Empty as error:
            message = f"no message came from the budget topic in {LONGEST_WAIT:.0f} s"
            raise StartError(message) from error


@contextmanager
def budget_topic() -> Iterator[BudgetTopic]:
    """Take pushed messages on a free port of this machine."""
    pushed: queue.Queue[Pushed] = queue.Queue()

    class Push(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["message"]
            body = base64.b64decode(message.get("data", ""))
            pushed.put(Pushed(message["messageId"], body, message.get("attributes", {})))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as http.server names it)
            """Write nothing: the demo's lines are the functions' logs and its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Push) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield BudgetTopic(f"http://127.0.0.1:{server.server_port}/", pushed)
        server.shutdown()
