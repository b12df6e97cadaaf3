"""Events through the emulated Pub/Sub, and the subscriber of the documents that posts them to a chat."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from functions_framework import create_app
from google.cloud import pubsub_v1  # type: ignore[attr-defined]
from werkzeug.serving import make_server

from infra.local.fleet.fleet import FLEET_START
from infra.local.stack.stack import Stack
from spotkeeper.enforcement.events import CONTENT_TYPE, CloudEvent
from spotkeeper.gcp.event_channel import PubSubEventChannel

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
EVENT = json.loads(re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])  # type: ignore[index]
CODE = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]  # type: ignore[index]
MOST_LINES = 40

type Posted = list[dict[str, str]]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posted]:
    """A webhook of a chat on this machine: what was posted to it."""
    posted: Posted = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Chat)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WEBHOOK", f"http://127.0.0.1:{server.server_port}/")
    yield posted
    server.shutdown()
    server.server_close()


@pytest.fixture
def subscriber(tmp_path: Path) -> Iterator[str]:
    """The subscriber of the page, served; its address."""
    source = tmp_path / "main.py"
    source.write_text(CODE)
    server = make_server("127.0.0.1", 0, create_app("post", str(source)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.port}/"
    server.shutdown()
    server.server_close()


def sample(**changes: str) -> CloudEvent:
    name = EVENT["type"].split(".")[-2]
    fields: dict[str, Any] = {"event_id": EVENT["id"], "subject": EVENT["subject"], **changes}
    return CloudEvent(source=EVENT["source"], name=name, time=FLEET_START, data=EVENT["data"], **fields)


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_the_subscriber_of_the_page_posts_each_event_once(
    stack: Stack, webhook: Posted, subscriber: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    topic = f"projects/my-project-1/topics/events-{os.getpid()}"
    pubsub_v1.PublisherClient().create_topic(name=topic)
    push = {"push_endpoint": subscriber}
    name = topic.replace("/topics/", "/subscriptions/")
    with pubsub_v1.SubscriberClient() as client:
        client.create_subscription(name=name, topic=topic, push_config=push)
    channel = PubSubEventChannel(topic)

    for event in (sample(), sample(), sample(event_id="another")):
        channel.publish(event)
    channel.flush()
    until(lambda: len(webhook) >= 2)

    assert CODE.count("\n") < MOST_LINES
    assert [each["text"].splitlines() for each in webhook] == [
        [
            "*early-bird*: planned (owner: ada)",
            EVENT["data"]["reason"],
            "Saves 0.24 USD an hour.",
            f"`{EVENT['data']['command']}`",
        ]
    ] * 2


def test_an_event_that_cannot_be_sent_is_logged_and_keeps_nothing_waiting(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.pubsub)
    channel = PubSubEventChannel("projects/my-project-1/topics/nobody")

    began = time.monotonic()
    channel.publish(sample())
    channel.flush()

    assert time.monotonic() - began < 15
    assert "event not published" in caplog.messages


def test_the_page_shows_an_event_as_it_is_sent() -> None:
    assert json.loads(sample().body()) == {**EVENT, "time": "2026-07-21T00:00:00Z"}
    assert CONTENT_TYPE in PAGE.read_text()
