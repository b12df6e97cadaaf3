"""Pub/Sub: the topic of events; what cannot be sent is logged, and never raised."""

import logging
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from spotkeeper.enforcement.events import CONTENT_TYPE, CloudEvent
from spotkeeper.logs import log_event

if TYPE_CHECKING:
    from google.cloud import pubsub_v1  # type: ignore[attr-defined]

FLUSH_SECONDS = 10.0
"""How long the end of a delivery waits for its events."""


class PubSubEventChannel:
    """Publishes events in the structured mode of the binding for Pub/Sub.

    https://github.com/googleapis/google-cloudevents/blob/main/docs/spec/pubsub.md
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._publisher: pubsub_v1.PublisherClient | None = None
        self._sent: list[tuple[CloudEvent, Future[str]]] = []

    def publish(self, event: CloudEvent) -> None:
        """Begin to send an event; the client library is imported with the first one."""
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 (most messages have no event)
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 (see above)
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (see above)

        try:
            self._publisher = self._publisher or pubsub_v1.PublisherClient()
            future = self._publisher.publish(
                self._topic, event.body(), timeout=FLUSH_SECONDS, **{"content-type": CONTENT_TYPE}
            )
        except (GoogleAPIError, GoogleAuthError, OSError, ValueError) as error:
            _log(event, error)
            return
        self._sent.append((event, future))

    def flush(self) -> None:
        """Wait for what is on its way, all together for FLUSH_SECONDS, and log what could not be sent."""
        until = time.monotonic() + FLUSH_SECONDS
        sent, self._sent = self._sent, []
        for event, future in sent:
            try:
                error = future.exception(timeout=max(until - time.monotonic(), 0.0))
            except TimeoutError as exception:
                error = exception
            if error is not None:
                _log(event, error)


def _log(event: CloudEvent, error: BaseException) -> None:
    log_event("event not published", logging.WARNING, event_id=event.event_id, type=event.name, error=repr(error))
