"""The example for a job on a Spot VM: it notices a stop, and resumes from the latest checkpoint that is whole."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from docs.guest.checkpoints import STOP_AT, Checkpoints, Notice, Notices, run
from spotkeeper.gcp.compute import actuator
from spotkeeper.periods import rfc3339


class MetadataServer:
    """Answers as the metadata server does: the header is required, and a request may wait for a change."""

    def __init__(self) -> None:
        self.values = {"preempted": "FALSE", "attributes/": "{}"}
        self.changed = threading.Condition()
        self.failures = 0
        self.closed = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def set(self, path: str, value: str) -> None:
        with self.changed:
            self.values[path] = value
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[str, str]:
        name = path.removeprefix("/computeMetadata/v1/instance/")
        with self.changed:
            if query.get("wait_for_change") == ["true"]:
                [last] = query["last_etag"]
                self.changed.wait_for(lambda: self.closed or self._etag(name) != last, float(query["timeout_sec"][0]))
            return self.values[name], self._etag(name)

    def _etag(self, name: str) -> str:
        return f"{abs(hash(self.values[name])):x}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers["Metadata-Flavor"] != "Google":
                    self.send_error(403)
                elif server.failures:
                    server.failures -= 1
                    self.send_error(503)
                else:
                    url = urlsplit(self.path)
                    text, etag = server.answer(url.path, parse_qs(url.query))
                    self.send_response(200)
                    self.send_header("ETag", etag)
                    self.end_headers()
                    self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing: a test prints what it has to say."""

        return Handler


class Bucket:
    """A bucket of Cloud Storage, as far as the example uses one: whole objects by name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def blob(self, name: str) -> "Blob":
        return Blob(self, name)

    def list_blobs(self, prefix: str) -> list["Blob"]:
        return [Blob(self, name) for name in sorted(self.objects) if name.startswith(prefix)]


class Blob:
    """One object of the bucket."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self.bucket, self.name = bucket, name

    def upload_from_filename(self, filename: str) -> None:
        self.bucket.objects[self.name] = Path(filename).read_bytes()

    def download_as_bytes(self) -> bytes:
        return self.bucket.objects[self.name]


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    """A metadata server on which nothing is announced."""
    server = MetadataServer()
    yield server
    # Watchers that still wait get their answer, and end with a notice.
    server.set("preempted", "TRUE")
    server.close()


def in_minutes(minutes: int) -> str:
    return rfc3339((datetime.now(UTC) + timedelta(minutes=minutes)).replace(microsecond=0))


def add(number: int, state: bytes | None) -> bytes:
    return (state or b"") + str(number).encode()


def test_the_attribute_is_the_one_that_the_enforcer_sets() -> None:
    assert STOP_AT == actuator.STOP_AT


def test_a_preemption_is_noticed_while_the_job_runs(metadata: MetadataServer) -> None:
    notices = Notices(metadata.address)
    before = notices.wait(0.2)
    metadata.set("preempted", "TRUE")

    assert before is None
    assert notices.wait(10) == Notice("preempted")


def test_a_stop_because_of_the_budget_is_noticed_with_its_time(metadata: MetadataServer) -> None:
    stop_at = in_minutes(2)
    notices = Notices(metadata.address)
    metadata.set("attributes/", json.dumps({"other": "value", STOP_AT: stop_at}))

    assert notices.wait(10) == Notice("budget", stop_at)


def test_a_stop_that_has_passed_is_not_announced_again_after_the_start(metadata: MetadataServer) -> None:
    metadata.set("attributes/", json.dumps({STOP_AT: in_minutes(-5)}))

    assert Notices(metadata.address).wait(0.5) is None


def test_a_metadata_server_that_fails_is_asked_again(metadata: MetadataServer) -> None:
    metadata.failures = 2
    metadata.set("preempted", "TRUE")

    assert Notices(metadata.address).wait(10) == Notice("preempted")


def test_a_job_saves_its_state_on_a_notice_and_goes_on_from_it_on_another_vm(
    metadata: MetadataServer, tmp_path: Path
) -> None:
    bucket, notices = Bucket(), Notices(metadata.address)

    def step(number: int, state: bytes | None) -> bytes:
        if number == 3:
            metadata.set("preempted", "TRUE")
            notices.wait(10)
        return add(number, state)

    stopped = run(8, step, notices, Checkpoints(tmp_path / "first", bucket, "run-7/"), interval=3600)
    metadata.set("preempted", "FALSE")
    elsewhere = Checkpoints(tmp_path / "second", bucket, "run-7/")
    resumed = elsewhere.load()
    done = run(8, add, Notices(metadata.address), elsewhere, interval=3600)

    assert (stopped, resumed, done) == (False, (4, b"0123"), True)
    assert elsewhere.load() == (8, b"01234567")


def test_a_checkpoint_is_due_when_its_interval_has_passed(metadata: MetadataServer, tmp_path: Path) -> None:
    bucket = Bucket()

    def step(number: int, state: bytes | None) -> bytes:
        time.sleep(0.06 if number == 1 else 0)
        return add(number, state)

    run(4, step, Notices(metadata.address), Checkpoints(tmp_path, bucket), interval=0.05)

    assert sorted(bucket.objects) == ["step-000000000002.ckpt", "step-000000000004.ckpt"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 8, None])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: bytes | None) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, b"one")
    path = checkpoints.save(2, b"two")
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)

    assert checkpoints.load() == (1, b"one")


def test_a_checkpoint_that_was_not_finished_is_not_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / "step-000000000009.unfinished").write_bytes(b"half of it")

    assert checkpoints.load() is None


def test_the_local_disk_keeps_the_latest_and_the_bucket_what_was_uploaded(tmp_path: Path) -> None:
    bucket = Bucket()
    checkpoints = Checkpoints(tmp_path, bucket, "run/", keep=2)
    for number in range(1, 5):
        checkpoints.save(number, str(number).encode(), upload=number == 1)

    assert sorted(path.name[-6:] for path in tmp_path.iterdir()) == ["3.ckpt", "4.ckpt"]
    assert list(bucket.objects) == ["run/step-000000000001.ckpt"]
    assert checkpoints.load() == (4, b"4")
