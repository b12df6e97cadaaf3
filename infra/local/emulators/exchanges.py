"""Records requests and answers as they go over the wire, so that tests can compare both with Google's descriptions.

`RECORD_EXCHANGES` names the folder to write to; without it nothing is recorded. Of exchanges that are alike (the same
method, query parameters and status) the first ones are kept, and no large ones after the first: recording costs little.
"""

import base64
import json
import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

from google.protobuf.message import Message

FOLDER = "RECORD_EXCHANGES"
MOST_ALIKE = 20
LARGE = 100_000

_kept: Counter[Hashable] = Counter()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class RestCall:
    """A call of a REST API: `service` is what the emulators call it."""

    service: str
    verb: str
    path: str
    query: Mapping[str, Sequence[str]]
    body: bytes


def record_rest(call: RestCall, status: int, answer: bytes) -> None:
    """Record a call of a REST API and its answer."""
    method = call.service, call.verb, call.path.rpartition("/")[2]
    if not (folder := os.environ.get(FOLDER)) or not _wanted(
        (folder, *method, tuple(sorted(call.query)), status), len(answer)
    ):
        return
    texts = {"body": call.body.decode(errors="replace"), "answer": answer.decode(errors="replace")}
    _write(folder, {**asdict(call), **texts, "status": status})


def record_grpc(method: str, request: Message, answer_type: str, answer: bytes) -> None:
    """Record a call over gRPC and its answer, both as messages on the wire."""
    if not (folder := os.environ.get(FOLDER)) or not _wanted((folder, method), len(answer)):
        return
    _write(
        folder,
        {
            "method": method,
            "request": _described(request.DESCRIPTOR.full_name, request.SerializeToString()),
            "answer": _described(answer_type, answer),
        },
    )


def _wanted(key: Hashable, size: int) -> bool:
    with _lock:
        _kept[key] += 1
        return _kept[key] <= (1 if size > LARGE else MOST_ALIKE)


def _described(kind: str, message: bytes) -> Mapping[str, str]:
    return {"type": kind, "bytes": base64.b64encode(message).decode()}


def _write(folder: str, exchange: Mapping[str, object]) -> None:
    with _lock, (Path(folder) / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(exchange) + "\n")
