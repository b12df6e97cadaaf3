"""Cloud Monitoring: the uptime of instances."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from sys import intern

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
from spotkeeper.tracking.uptime import SAMPLE, Sample, Uptime

POINTS_PER_PAGE = 10_000
"""Few enough to keep a page of decoded series below some 20 MB; the service allows 100,000."""

INSTANCES_PER_FILTER = 50
"""Ids have 19 digits; the length of a filter is limited."""


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
        with translate_errors("Cloud Monitoring"):
            for page in self._pages(uptime_request(project_id, hours), report):
                for uptimes in parse_each(page, lambda series: _uptimes(series, wanted), report):
                    yield from uptimes

    def samples(self, project_id: str, keys: Sequence[InstanceKey], hour: datetime, report: Report) -> Iterator[Sample]:
        """Yield the samples of these instances in an hour and the two minutes after it; zeros are left out."""
        wanted = frozenset(keys)
        with translate_errors("Cloud Monitoring"):
            for some in batched(keys, INSTANCES_PER_FILTER, strict=False):
                for page in self._pages(samples_request(project_id, some, hour), report):
                    for samples in parse_each(page, _samples, report):
                        yield from (sample for sample in samples if sample.key in wanted)

    def _pages(self, request: ListTimeSeriesRequest, report: Report) -> Iterator[Iterable[RawMessage]]:
        """Yield the time series of each page."""
        page_tokens = PageTokens("Cloud Monitoring")
        while True:
            decoded = self._page(request)
            if request.page_token and not decoded.time_series and not decoded.next_page_token:
                decoded = self._page(request)  # A page that a token announced should not be empty.
            for error in decoded.execution_errors:
                report(f"Cloud Monitoring: {error.message or 'an incomplete response'}")
            yield decoded.time_series
            if not decoded.next_page_token:
                return
            request.page_token = page_tokens.follow(decoded.next_page_token)

    def _page(self, request: ListTimeSeriesRequest) -> RawMessage:
        pager = self._client.list_time_series(request=request, retry=self._retry, timeout=TIMEOUT)
        return ListTimeSeriesResponse.pb(next(iter(pager.pages)))


def uptime_request(project_id: str, hours: Sequence[datetime]) -> ListTimeSeriesRequest:
    """Return the request for the uptime of every instance of the project in these consecutive hours."""
    return _request(project_id, "", (hours[0], hours[-1] + HOUR), HOUR)


def samples_request(project_id: str, keys: Sequence[InstanceKey], hour: datetime) -> ListTimeSeriesRequest:
    """Return the request for the samples of these instances in an hour and the two minutes after it."""
    instance_ids = ",".join(f'"{key.instance_id}"' for key in keys)
    wanted = f" AND resource.labels.instance_id = one_of({instance_ids})"
    return _request(project_id, wanted, (hour, hour + HOUR + 2 * SAMPLE), SAMPLE)


def _request(
    project_id: str, wanted: str, interval: tuple[datetime, datetime], alignment: timedelta
) -> ListTimeSeriesRequest:
    start, end = interval
    return ListTimeSeriesRequest(
        name=f"projects/{project_id}",
        filter=(
            'metric.type = "compute.googleapis.com/instance/uptime" '
            f'AND resource.labels.project_id = "{project_id}"{wanted}'
        ),
        interval=TimeInterval(start_time=start, end_time=end),
        aggregation=Aggregation(alignment_period=alignment, per_series_aligner=Aggregation.Aligner.ALIGN_SUM),
        view=ListTimeSeriesRequest.TimeSeriesView.FULL,
        page_size=POINTS_PER_PAGE,
    )


def _uptimes(series: RawMessage, wanted: dict[int, datetime]) -> list[Uptime]:
    key, name = _instance(series)
    found = []
    for point in series.points:
        hour = wanted.get(point.interval.end_time.seconds)
        if hour is not None and (seconds := point.value.double_value or _seconds(point.value, name)):
            found.append(Uptime(key, name, hour, seconds))
    return found


def _samples(series: RawMessage) -> list[Sample]:
    key, name = _instance(series)
    return [
        Sample(key, datetime.fromtimestamp(point.interval.end_time.seconds, UTC), seconds)
        for point in series.points
        if (seconds := _seconds(point.value, name))
    ]


def _instance(series: RawMessage) -> tuple[InstanceKey, str]:
    """Return the key and the name of the instance of a time series."""
    labels, name = series.resource.labels, series.metric.labels["instance_name"]
    project_id, zone, instance_id = labels["project_id"], labels["zone"], labels["instance_id"]
    key = InstanceKey(intern(project_id), intern(zone), instance_id)
    if not (project_id and zone and instance_id):
        message = f"Cloud Monitoring: the time series of {name!r} lacks a resource label: {str(labels)[:200]}"
        raise UnavailableError(message)
    return key, name


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
