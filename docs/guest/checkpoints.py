"""Survive a stop of a Spot VM: notices of it, and checkpoints to resume from.

Copy this file into your job. It needs Python 3.11 and, for the bucket, google-cloud-storage.
"""

import hashlib
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA_SERVER = "http://metadata.google.internal"
STOP_AT = "spotkeeper-stop-at"
"""The attribute with the time at which spotkeeper will stop the VM."""

_WAIT_SECONDS = 60
_PAUSE_SECONDS = 1.0
_FILE = re.compile(r"step-(\d{12})\.ckpt$")


@dataclass(frozen=True, slots=True)
class Notice:
    """Why the VM will stop, and when as far as that is known: after a preemption notice it has about 30 seconds."""

    reason: str
    stop_at: str | None = None


class Notices:
    """Watches the metadata server for a preemption and for a stop because of the budget.

    https://cloud.google.com/compute/docs/metadata/querying-metadata#waitforchange: a request that waits returns when a
    value changes, or after its time.
    """

    def __init__(self, server: str = METADATA_SERVER) -> None:
        """Start to watch, in two threads that end with the program."""
        self._server = f"{server}/computeMetadata/v1/instance"
        self._noticed = threading.Event()
        self._first: Notice | None = None
        for path, read in (("preempted?", _preemption), ("attributes/?recursive=true&", _budget_stop)):
            threading.Thread(target=self._watch, args=(path, read), daemon=True).start()

    def pending(self) -> Notice | None:
        """Return the first notice, None while there is none."""
        return self._first

    def wait(self, seconds: float) -> Notice | None:
        """Wait for a notice for so many seconds at most."""
        self._noticed.wait(seconds)
        return self._first

    def _watch(self, path: str, read: Callable[[str], Notice | None]) -> None:
        etag = "0"
        while self._first is None:
            try:
                text, etag = self._value(f"{path}wait_for_change=true&timeout_sec={_WAIT_SECONDS}&last_etag={etag}")
                notice = read(text)
            except (OSError, ValueError) as error:
                # The server is away while a VM is migrated: ask again.
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                time.sleep(_PAUSE_SECONDS)
                continue
            if notice is not None:
                self._first = self._first or notice
                self._noticed.set()

    def _value(self, path: str) -> tuple[str, str]:
        request = urllib.request.Request(f"{self._server}/{path}", headers={"Metadata-Flavor": "Google"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_WAIT_SECONDS + 10) as answer:  # noqa: S310 (a fixed address)
            return answer.read().decode(), answer.headers["ETag"]


class Checkpoints:
    """Checkpoints on the local disk, fast, and in a bucket, which outlives the VM.

    `bucket` is a `google.cloud.storage.Bucket`, or None. Every file begins with the SHA-256 of what follows: one that
    was cut short or damaged is not resumed from.
    """

    def __init__(self, folder: Path, bucket: Any = None, prefix: str = "", keep: int = 2) -> None:  # noqa: ANN401
        """Keep the latest so many files on the local disk."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._bucket, self._prefix, self._keep = folder, bucket, prefix, keep

    def save(self, step: int, state: bytes, *, upload: bool = False) -> Path:
        """Write the state after a step; the file has its name only when all of it is on the disk."""
        path = self._folder / f"step-{step:012d}.ckpt"
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(hashlib.sha256(state).digest() + state)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        if upload and self._bucket is not None:
            # An object appears whole or not at all.
            self._bucket.blob(f"{self._prefix}{path.name}").upload_from_filename(str(path))
        for old in sorted(self._folder.glob("step-*.ckpt"))[: -self._keep]:
            old.unlink()
        return path

    def load(self) -> tuple[int, bytes] | None:
        """Return the latest step whose state is whole, and the state; None when there is none."""
        for step, read in sorted(self._found(), key=lambda each: each[0], reverse=True):
            content = read()
            digest, state = content[:32], content[32:]
            if hashlib.sha256(state).digest() == digest:
                return step, state
        return None

    def _found(self) -> Iterator[tuple[int, Callable[[], bytes]]]:
        for path in self._folder.glob("step-*.ckpt"):
            if match := _FILE.search(path.name):
                yield int(match[1]), path.read_bytes
        for blob in self._bucket.list_blobs(prefix=self._prefix) if self._bucket is not None else ():
            if match := _FILE.search(blob.name):
                yield int(match[1]), blob.download_as_bytes


def run(
    steps: int, step: Callable[[int, bytes | None], bytes], notices: Notices, checkpoints: Checkpoints, interval: float
) -> bool:
    """Run steps from the latest checkpoint; True when all are done, False after a notice.

    `step` takes the number of the step and the state before it, and returns the state after it. `interval` is the time
    between two checkpoints in seconds: `recommended_minutes` of the view cost_by_experiment says which costs least.
    """
    # With torch: state = io.BytesIO(); torch.save({"model": model.state_dict(), …}, state); state.getvalue()
    number, state = checkpoints.load() or (0, None)
    saved_at = time.monotonic()
    while number < steps:
        state = step(number, state)
        number += 1
        stop = notices.pending()
        if stop or number == steps or time.monotonic() - saved_at >= interval:
            checkpoints.save(number, state, upload=True)
            saved_at = time.monotonic()
        if stop and number < steps:
            return False
    return True


def _preemption(text: str) -> Notice | None:
    return Notice("preempted") if text.strip() == "TRUE" else None


def _budget_stop(text: str) -> Notice | None:
    stop_at = json.loads(text).get(STOP_AT)
    # What was announced and has passed was the stop before this start.
    if not stop_at or stop_at < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()):
        return None
    return Notice("budget", stop_at)
