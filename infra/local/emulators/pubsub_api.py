"""Pub/Sub where Google's emulator is not installed: topics, and push subscriptions with retries."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import requests
from google.protobuf import empty_pb2
from google.protobuf.message import Message
from google.pubsub_v1 import types

from infra.local.emulators.faults import Rule
from infra.local.emulators.grpc_calls import CallError, GrpcMethod, service
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import rfc3339

MOST_MESSAGES = 1000
MOST_BYTES = 10_000_000
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 5.0
PUSH_TIMEOUT = 600.0

type Json = dict[str, Any]


@dataclass(slots=True)
class PubSub:
    """The service: what was published, and who is pushed to."""

    state: CloudState
    published: list[Json] = field(default_factory=list)
    _topics: dict[str, Message] = field(default_factory=dict)
    _subscriptions: dict[str, Any] = field(default_factory=dict)
    _closed: threading.Event = field(default_factory=threading.Event)

    def grpc_services(self) -> "list[grpc.GenericRpcHandler[Any, Any]]":
        """Publisher and Subscriber as gRPC serves them."""
        publisher = {
            "CreateTopic": _method(types.Topic, types.Topic.pb(), self.create_topic),
            "GetTopic": _method(types.GetTopicRequest, types.Topic.pb(), self.get_topic),
            "ListTopics": _method(types.ListTopicsRequest, types.ListTopicsResponse.pb(), self.list_topics),
            "DeleteTopic": _method(types.DeleteTopicRequest, empty_pb2.Empty, self.delete_topic),
            "Publish": _method(types.PublishRequest, types.PublishResponse.pb(), self.publish),
        }
        subscriber = {
            "CreateSubscription": _method(types.Subscription, types.Subscription.pb(), self.create_subscription),
            "DeleteSubscription": _method(types.DeleteSubscriptionRequest, empty_pb2.Empty, self.delete_subscription),
        }
        return [
            service(self.state, "pubsub", "google.pubsub.v1.Publisher", publisher),
            service(self.state, "pubsub", "google.pubsub.v1.Subscriber", subscriber),
        ]

    def close(self) -> None:
        """Give up on what was not delivered."""
        self._closed.set()

    def create_topic(self, topic: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`CreateTopic`."""
        del faults
        if topic.name in self._topics:
            raise CallError(409, f"Topic already exists: {topic.name}")
        self._topics[topic.name] = topic
        return self._topics[topic.name]

    def get_topic(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`GetTopic`."""
        del faults
        return self._topic(request.topic)

    def list_topics(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`ListTopics`, in one page."""
        del faults
        response: Message = types.ListTopicsResponse.pb()(
            topics=[topic for name, topic in sorted(self._topics.items()) if name.startswith(f"{request.project}/")]
        )
        return response

    def delete_topic(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`DeleteTopic`."""
        del faults
        self._topic(request.topic)
        del self._topics[request.topic]
        return empty_pb2.Empty()

    def publish(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`Publish`: keep the messages and push them to whoever subscribed."""
        del faults
        self._topic(request.topic)
        _check_size(request)
        ids = []
        for message in request.messages:
            number = f"{len(self.published) + 1}"
            message_id = str(int(hashlib.sha256(number.encode()).hexdigest()[:13], 16))
            pushed = _pushed(message, message_id, rfc3339(self.state.clock.now))
            self.published.append({"topic": request.topic, **pushed})
            for subscription in self._subscriptions.values():
                if subscription.topic == request.topic and subscription.push_config.push_endpoint:
                    self._deliver(subscription, pushed)
            ids.append(message_id)
        response: Message = types.PublishResponse.pb()(message_ids=ids)
        return response

    def create_subscription(self, subscription: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`CreateSubscription`, with a push endpoint."""
        del faults
        self._topic(subscription.topic)
        if subscription.name in self._subscriptions:
            raise CallError(409, f"Subscription already exists: {subscription.name}")
        if not subscription.push_config.push_endpoint:
            raise CallError(501, "The emulator pushes only: push_config.push_endpoint is missing.")
        self._subscriptions[subscription.name] = subscription
        created: Message = subscription
        return created

    def delete_subscription(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (a message)
        """`DeleteSubscription`: what was not delivered is given up."""
        del faults
        if self._subscriptions.pop(request.subscription, None) is None:
            raise CallError(404, f"Subscription does not exist: {request.subscription}")
        return empty_pb2.Empty()

    def _topic(self, name: str) -> Message:
        if name not in self._topics:
            raise CallError(404, f"Topic not found (resource={name.rpartition('/')[2]}).")
        return self._topics[name]

    def _deliver(self, subscription: Any, pushed: Json) -> None:  # noqa: ANN401 (a message)
        threading.Thread(target=self._push, args=(subscription, pushed), daemon=True).start()

    def _push(self, subscription: Any, pushed: Json) -> None:  # noqa: ANN401 (a message)
        body = {"message": pushed, "subscription": subscription.name}
        backoff = FIRST_BACKOFF
        while not self._closed.is_set() and subscription.name in self._subscriptions:
            if _accepted(subscription.push_config.push_endpoint, body):
                return
            self._closed.wait(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF)


def _method(request: Any, response: Any, handler: Callable[[Any, Iterable[Rule]], Message]) -> GrpcMethod:  # noqa: ANN401
    return GrpcMethod(request.pb(), response, handler, _project_name)


def _project_name(request: Any) -> str:  # noqa: ANN401 (a message)
    names = {descriptor.name for descriptor in request.DESCRIPTOR.fields}
    name = next((getattr(request, key) for key in ("topic", "name", "project", "subscription") if key in names), "")
    return f"{name}//".split("/")[1]


def _check_size(request: Any) -> None:  # noqa: ANN401 (a message)
    if not 0 < len(request.messages) <= MOST_MESSAGES:
        raise CallError(400, f"The value for message_count is invalid: between 1 and {MOST_MESSAGES} are allowed.")
    if request.ByteSize() > MOST_BYTES:
        raise CallError(400, f"Request payload size exceeds the limit: {MOST_BYTES} bytes.")
    if any(not message.data and not message.attributes for message in request.messages):
        raise CallError(400, "Some messages in the Publish request are empty: they need data or an attribute.")


def _pushed(message: Any, message_id: str, publish_time: str) -> Json:  # noqa: ANN401 (a message)
    """A message as a push carries it: some of it under two names."""
    pushed: Json = {
        "data": base64.b64encode(message.data).decode(),
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": publish_time,
        "publish_time": publish_time,
    }
    if message.attributes:
        pushed["attributes"] = dict(message.attributes)
    if message.ordering_key:
        pushed["orderingKey"] = message.ordering_key
    return pushed


def _accepted(endpoint: str, body: Json) -> bool:
    try:
        return requests.post(endpoint, json=body, timeout=PUSH_TIMEOUT).ok
    except requests.RequestException:
        return False
