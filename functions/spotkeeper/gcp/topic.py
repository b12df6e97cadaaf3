"""Pub/Sub: publishing one message to a topic."""

from collections.abc import Mapping
from datetime import timedelta

from google.cloud import pubsub_v1  # type: ignore[attr-defined]

from spotkeeper.gcp.client_calls import TIMEOUT, retry, translate_errors


def publish(topic: str, body: bytes, attributes: Mapping[str, str], retry_timeout: timedelta) -> str:
    """Send a message and return its id; raises UnavailableError when it is not accepted in the time of retries."""
    seconds = retry_timeout.total_seconds()
    with translate_errors("Pub/Sub"):
        publisher = pubsub_v1.PublisherClient()
        future = publisher.publish(topic, body, retry=retry(retry_timeout), timeout=seconds, **attributes)
        message_id = future.result(timeout=seconds + TIMEOUT)
        publisher.stop()
        return str(message_id)
