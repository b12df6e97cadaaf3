"""Publishing alerts one after the other, until one fails."""

from collections.abc import Iterable
from typing import Protocol

from spotkeeper.errors import UnavailableError
from spotkeeper.tracking.alerts import Alert
from spotkeeper.tracking.run_summary import Gap


class AlertPublisher(Protocol):
    """Pub/Sub."""

    def publish(self, alert: Alert) -> str:
        """Send an alert and return its message id; raises UnavailableError."""
        ...


def publish_alerts(publisher: AlertPublisher, alerts: Iterable[Alert]) -> tuple[dict[str, Alert], list[Gap]]:
    """Publish alerts; return those that were sent by message id, and what failed."""
    sent: dict[str, Alert] = {}
    try:
        for alert in alerts:
            sent[publisher.publish(alert)] = alert
    except UnavailableError as error:
        return sent, [Gap("alerts", str(error))]
    return sent, []
