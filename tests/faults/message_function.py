"""The enforcer in a process of its own, which takes messages one by one or several at once until it receives None."""

import logging
import os
import resource
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import flask
from werkzeug.test import Client

from tests.faults.victims import function

TARGET = "enforce_budget_limit"
EVENT = {
    "ce-id": "1",
    "ce-source": "//pubsub.googleapis.com/projects/data-platform/topics/budget",
    "ce-specversion": "1.0",
    "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
}
"""What Eventarc sends along; a push subscription sends the message alone."""


class Push(NamedTuple):
    """A message as it is delivered."""

    envelope: Mapping[str, Any]
    as_event: bool


class Answer(NamedTuple):
    """What a delivery was answered; `reasons` are those in the log, `fault` is what nobody foresaw."""

    status: int
    reasons: tuple[str, ...] = ()
    fault: str = ""


def serve(calls: Connection) -> None:
    """Start anew with every mapping of settings that is received, and answer every list of messages."""
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 (as long as the process lives)
    os.dup2(nowhere.fileno(), 1)
    heard = _Heard()
    logging.getLogger("spotkeeper").addHandler(heard)
    flask.got_request_exception.connect(heard.note)
    enforcer = None
    for received in iter(calls.recv, None):
        if isinstance(received, dict):
            enforcer = function(TARGET, received)
        elif enforcer is not None:
            calls.send((_answers(enforcer, received, heard), _memory_mib()))


def _answers(enforcer: Client, pushes: Sequence[Push], heard: "_Heard") -> list[Answer]:
    heard.forget()
    with ThreadPoolExecutor(len(pushes)) as pool:
        statuses = list(pool.map(lambda push: _status(enforcer, push), pushes))
    return [Answer(status, *heard.of(push)) for status, push in zip(statuses, pushes, strict=True)]


def _status(enforcer: Client, push: Push) -> int:
    headers = EVENT if push.as_event else {}
    return int(Client(enforcer.application).post("/", json=push.envelope, headers=headers).status_code)


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class _Heard(logging.Handler):
    """Keeps why messages are to be delivered again, as the log says it, and what was raised besides."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._reasons: dict[str, tuple[str, ...]] = {}
        self._faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "spotkeeper_fields", {})
        if record.getMessage() == "delivery failed; Pub/Sub will redeliver":
            self._reasons[fields["message_id"]] = tuple(fields["reasons"])

    def note(self, _: object, exception: BaseException) -> None:
        """Keep where an exception came from."""
        self._faults.append("".join(traceback.format_exception(exception))[-3000:])

    def of(self, push: Push) -> tuple[tuple[str, ...], str]:
        """Return what is known of one message."""
        message = push.envelope.get("message")
        message_id = message.get("messageId") if isinstance(message, dict) else None
        reasons = self._reasons.get(message_id, ()) if isinstance(message_id, str) else ()
        return reasons, "" if reasons else "\n".join(self._faults)
