"""The alert channel: Pub/Sub for alerts, and custom metrics in Cloud Monitoring."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from google.api import metric_pb2, monitored_resource_pb2
from google.api_core.exceptions import InvalidArgument
from google.cloud.monitoring_v3 import (
    CreateTimeSeriesRequest,
    MetricServiceClient,
    Point,
    TimeInterval,
    TimeSeries,
    TypedValue,
)

from spotkeeper.gcp.client_calls import TIMEOUT, retry, translate_errors
from spotkeeper.logs import log_event
from spotkeeper.tracking.alert_messages import notification_attributes, notification_body
from spotkeeper.tracking.alerts import Alert, AlertKind, Spend
from spotkeeper.tracking.run_summary import HourRun
from spotkeeper.tracking.settings import Budgets

_EVENTS = {
    AlertKind.THRESHOLD: "budget threshold passed",
    AlertKind.PACE: "an hour costs more than its share of the daily budget",
    AlertKind.PROJECTION: "the day is projected to pass its budget",
    AlertKind.WITHDRAWAL: "the recorded cost has not passed the threshold that an estimate passed",
}
METRIC_PREFIX = "custom.googleapis.com/spotkeeper/"


class PubSubAlertChannel:
    """Publishes alerts as budget notifications and writes the metrics of a run; both raise UnavailableError."""

    def __init__(
        self, metrics: MetricServiceClient | None, project_id: str, budgets: Budgets, retry_timeout: timedelta
    ) -> None:
        self._metrics = metrics
        self._project_id = project_id
        self._budgets = budgets
        self._retry = retry(retry_timeout)
        self._retry_timeout = retry_timeout

    def publish(self, alert: Alert) -> str:
        """Send an alert to the budget topic and return its message id; without a topic it is only logged."""
        body, attributes = notification_body(alert, self._budgets), notification_attributes(alert, self._budgets)
        event = "budget message repeated" if alert.repeated else _EVENTS[alert.kind]
        log_event(
            event, threshold=alert.thresholds[-1], budget_usd=alert.budget_usd, cost_usd=alert.cost_usd, **attributes
        )
        if self._budgets.topic is None:
            return f"not-sent-{alert.kind}-{alert.period.kind}-{alert.period.start:%Y%m%dT%H}-{alert.budget_usd}"
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # noqa: PLC0415 (most runs send no alert, and it takes half a second)

        with translate_errors("Pub/Sub"):
            client = pubsub_v1.PublisherClient()
            future = client.publish(
                self._budgets.topic, body, retry=self._retry, timeout=self._retry_timeout.total_seconds(), **attributes
            )
            message_id = future.result(timeout=self._retry_timeout.total_seconds() + TIMEOUT)
            client.stop()
            return str(message_id)

    def write_metrics(self, spends: Sequence[Spend], hours: Sequence[HourRun], at: datetime) -> None:
        """Write the cost of each period so far, and the rows, the hours of uptime and the open gaps of the run."""
        if self._metrics is None:
            return
        values = [("cost_usd", {"period": str(spend.period.kind)}, float(spend.cost_usd)) for spend in spends]
        values += [
            ("budget_share", {"period": str(spend.period.kind)}, float(spend.cost_usd / budget))
            for spend in spends
            if (budget := self._budgets.amounts_usd.get(spend.period.kind))
        ]
        values += [
            ("rows", {}, float(sum(hour.rows for hour in hours))),
            ("unpriced_rows", {}, float(sum(hour.unpriced.total() for hour in hours))),
            # An hour is read twice, and an instance may run in both of a run.
            ("unresolved_instances", {}, float(len({each.key for hour in hours for each in hour.unresolved}))),
            ("unresolved_hours", {}, float(sum(hour.unresolved_hours for hour in hours))),
            ("resolved_hours", {}, float(sum(hour.uptime_hours for hour in hours))),
            ("incomplete_hours", {}, float(sum(hour.open for hour in hours))),
        ]
        series = [self._series(name, labels, value, at) for name, labels, value in values]
        with translate_errors("Cloud Monitoring"):
            try:
                self._metrics.create_time_series(
                    request=CreateTimeSeriesRequest(name=f"projects/{self._project_id}", time_series=series),
                    retry=self._retry,
                    timeout=TIMEOUT,
                )
            except InvalidArgument as error:
                # Monitoring rejects a point that is not newer than the last one; that one was written by a later run.
                log_event("metrics refused", detail=str(error))

    def _series(self, name: str, labels: dict[str, str], value: float, at: datetime) -> TimeSeries:
        return TimeSeries(
            metric=metric_pb2.Metric(type=f"{METRIC_PREFIX}{name}", labels=labels),
            resource=monitored_resource_pb2.MonitoredResource(type="global", labels={"project_id": self._project_id}),
            points=[Point(interval=TimeInterval(end_time=at), value=TypedValue(double_value=value))],
        )
