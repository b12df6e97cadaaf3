"""Cloud Monitoring: the uptime of instances."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from google.cloud.monitoring_v3 import (
    Aggregation,
    ListTimeSeriesRequest,
    ListTimeSeriesResponse,
    MetricServiceClient,
    TimeInterval,
)
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.client_calls import (
    TIMEOUT,
    client_options,
    credentials,
    insecure_channel,
    is_local,
    retry,
    translate_errors,
)
from spotkeeper.gcp.http_calls import PageTokens, parse_each
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR
from spotkeeper.ports import Report
from spotkeeper.tracking.uptime import Uptime

POINTS_PER_PAGE = 10_000
"""Few enough to keep a page of decoded series below some 20 MB; the service allows 100,000."""


def metric_client(endpoint: str | None) -> MetricServiceClient:
    """Return a client of Cloud Monitoring, or of a plain-text server that speaks its protocol."""
    if endpoint is not None and is_local(endpoint):
        return MetricServiceClient(transport=MetricServiceGrpcTransport(channel=insecure_channel(endpoint)))
    return MetricServiceClient(credentials=credentials(endpoint), client_options=client_options(endpoint))


class MonitoringUptime:
    """Reads `compute.googleapis.com/instance/uptime`.

    Samples are summed by ALIGN_SUM; ALIGN_DELTA would interpolate and invent uptime where samples are missing.
    The metric knows neither the provisioning model nor labels nor machine types: those come from Compute Engine.
    https://cloud.google.com/monitoring/api/metrics_gcp_c
    """

    def __init__(self, client: MetricServiceClient, retry_timeout: timedelta) -> None:
        self._client = client
        self._retry = retry(retry_timeout)

    def uptime(self, project_id: str, hours: Sequence[datetime], report: Report) -> Iterator[Uptime]:
        """Yield the uptime of every instance of the project in these consecutive hours; zeros are left out."""
        wanted = {int((hour + HOUR).timestamp()): hour for hour in hours}
        request = uptime_request(project_id, hours)
        with translate_errors("Cloud Monitoring"):
            page_tokens = PageTokens("Cloud Monitoring")
            while True:
                decoded = self._page(request)
                if request.page_token and not decoded.time_series and not decoded.next_page_token:
                    decoded = self._page(request)  # A page that a token announced should not be empty.
                for error in decoded.execution_errors:
                    report(f"Cloud Monitoring: {error.message or 'an incomplete response'}")
                for uptimes in parse_each(decoded.time_series, lambda series: _uptimes(series, wanted), report):
                    yield from uptimes
                if not decoded.next_page_token:
                    return
                request.page_token = page_tokens.follow(decoded.next_page_token)

    def _page(self, request: ListTimeSeriesRequest) -> RawMessage:
        pager = self._client.list_time_series(request=request, retry=self._retry, timeout=TIMEOUT)
        return ListTimeSeriesResponse.pb(next(iter(pager.pages)))


def uptime_request(project_id: str, hours: Sequence[datetime]) -> ListTimeSeriesRequest:
    """Return the request for the uptime of every instance of the project in these consecutive hours."""
    return ListTimeSeriesRequest(
        name=f"projects/{project_id}",
        filter=(
            f'metric.type = "compute.googleapis.com/instance/uptime" AND resource.labels.project_id = "{project_id}"'
        ),
        interval=TimeInterval(start_time=hours[0], end_time=hours[-1] + HOUR),
        aggregation=Aggregation(alignment_period=HOUR, per_series_aligner=Aggregation.Aligner.ALIGN_SUM),
        view=ListTimeSeriesRequest.TimeSeriesView.FULL,
        page_size=POINTS_PER_PAGE,
    )


def _uptimes(series: RawMessage, wanted: dict[int, datetime]) -> list[Uptime]:
    labels = series.resource.labels
    key = InstanceKey(labels["project_id"], labels["zone"], labels["instance_id"])
    name = series.metric.labels["instance_name"]
    if not all(key):
        message = f"Cloud Monitoring: the time series of {name!r} lacks a resource label: {str(labels)[:200]}"
        raise UnavailableError(message)
    return [
        Uptime(key, name, wanted[point.interval.end_time.seconds], seconds)
        for point in series.points
        if point.interval.end_time.seconds in wanted and (seconds := _seconds(point.value, name))
    ]


def _seconds(value: RawMessage, name: str) -> float:
    """Return an uptime in seconds; raises UnavailableError for a value that is not a number."""
    match value.WhichOneof("value"):
        case "double_value":
            return float(value.double_value)
        case "int64_value":
            return float(value.int64_value)
        case other:
            message = f"Cloud Monitoring: the uptime of {name} is a {other}, not a number"
            raise UnavailableError(message)
