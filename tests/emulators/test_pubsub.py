"""The Pub/Sub emulator, as Google's client library sees it, and what it pushes."""

import base64
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import PubsubMessage

from infra.local.emulators.cloud import Cloud

TOPIC = "projects/research-ml/topics/budget-alerts"


class Subscriber(ThreadingHTTPServer):
    """An endpoint with prepared responses that keeps the requests it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.answers: queue.Queue[int] = queue.Queue()
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()


class Endpoint(BaseHTTPRequestHandler):
    """One request to it."""

    server: Subscriber

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.put(json.loads(body))
        self.send_response(200 if self.server.answers.empty() else self.server.answers.get())
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def channel(cloud: Cloud) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(cloud.grpc_target) as channel:
        yield channel


@pytest.fixture
def publisher(channel: grpc.Channel) -> PublisherClient:
    return PublisherClient(transport=PublisherClient.get_transport_class("grpc")(channel=channel))


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with Subscriber() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_topic_is_there_once_created(publisher: PublisherClient) -> None:
    with pytest.raises(exceptions.NotFound):
        publisher.get_topic(topic=TOPIC)
    publisher.create_topic(name=TOPIC)
    assert publisher.get_topic(topic=TOPIC).name == TOPIC
    assert [topic.name for topic in publisher.list_topics(project="projects/research-ml")] == [TOPIC]
    assert not list(publisher.list_topics(project="projects/research"))
    with pytest.raises(exceptions.AlreadyExists):
        publisher.create_topic(name=TOPIC)


def test_messages_for_a_missing_topic_are_refused(publisher: PublisherClient) -> None:
    with pytest.raises(exceptions.NotFound):
        publisher.publish(topic=TOPIC, messages=[PubsubMessage(data=b"lost")])


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [PubsubMessage(data=b"x")] * 1001,
        [PubsubMessage(data=b"")],
        [PubsubMessage(data=b"x" * 2_000_000)] * 6,
    ],
)
def test_too_many_or_too_big_or_empty_messages_are_refused(cloud: Cloud, messages: list[PubsubMessage]) -> None:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(cloud.grpc_target, options=options) as channel:
        publisher = PublisherClient(transport=PublisherClient.get_transport_class("grpc")(channel=channel))
        publisher.create_topic(name=TOPIC)
        with pytest.raises(exceptions.InvalidArgument):
            publisher.publish(topic=TOPIC, messages=messages)


def test_a_message_is_pushed_in_the_real_form_until_it_is_accepted(
    channel: grpc.Channel, publisher: PublisherClient, subscriber: Subscriber
) -> None:
    publisher.create_topic(name=TOPIC)
    subscriptions = SubscriberClient(transport=SubscriberClient.get_transport_class("grpc")(channel=channel))
    name = "projects/research-ml/subscriptions/enforcer"
    endpoint = f"http://127.0.0.1:{subscriber.server_port}/"
    subscriptions.create_subscription(
        request={"name": name, "topic": TOPIC, "push_config": {"push_endpoint": endpoint}}
    )
    for status in (500, 429):
        subscriber.answers.put(status)

    message = PubsubMessage(data=b'{"costAmount": 1}', attributes={"budgetId": "b-1"})
    sent = publisher.publish(topic=TOPIC, messages=[message]).message_ids[0]

    deliveries = [subscriber.received.get(timeout=5) for _ in range(3)]
    assert deliveries[0] == deliveries[1] == deliveries[2]
    pushed = deliveries[0]["message"]
    assert deliveries[0]["subscription"] == name
    assert base64.b64decode(pushed["data"]) == b'{"costAmount": 1}'
    assert pushed["attributes"] == {"budgetId": "b-1"}
    assert pushed["messageId"] == pushed["message_id"] == sent
    assert pushed["publishTime"] == "2026-07-21T01:07:00.000Z"
    with pytest.raises(queue.Empty):
        subscriber.received.get(timeout=0.5)
