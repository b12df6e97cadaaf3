"""Pub/Sub: publishing one message to a topic."""

from collections.abc import Mapping

from google.cloud import pubsub_v1  # type: ignore[attr-defined]

from spotkeeper.gcp.client_calls import TIMEOUT, translate_errors


def publish(topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
    """Send a message and return its id; raises UnavailableError."""
    with translate_errors("Pub/Sub"):
        publisher = pubsub_v1.PublisherClient()
        message_id = publisher.publish(topic, body, **attributes).result(timeout=TIMEOUT)
        publisher.stop()
        return str(message_id)
