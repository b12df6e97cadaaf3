"""Cloud Monitoring's gRPC service: the uptime metric of the fleet, and custom metrics that are written.

Where the real service is known to refuse, this one refuses; a form of request that only this emulator does not know is
UNIMPLEMENTED, so that nobody takes it for Google's word.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from functools import partial
from itertools import pairwise
from typing import Any

import grpc
from google.cloud import monitoring_v3
from google.protobuf import empty_pb2
from google.protobuf.message import Message

from infra.local.emulators import metric_filters
from infra.local.emulators.faults import AGAIN, Kind, Rule
from infra.local.emulators.grpc_calls import CallError, GrpcMethod, service
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import parse, rfc3339
from infra.local.fleet.fleet import VISIBLE_AFTER, Project, Vm

UPTIME = "compute.googleapis.com/instance/uptime"
CUSTOM = "custom.googleapis.com/"
UPTIME_LABELS = frozenset(
    {
        "project",
        "resource.type",
        "resource.labels.project_id",
        "resource.labels.zone",
        "resource.labels.instance_id",
        "metric.labels.instance_name",
    }
)
WRITABLE_RESOURCES = frozenset({"global", "generic_node", "generic_task", "gce_instance", "cloud_run_revision"})
LARGEST_PAGE = 100_000
MOST_SERIES_WRITTEN = 200
KEPT = timedelta(weeks=6)
OLDEST_WRITE = timedelta(hours=25)
NEWEST_WRITE = timedelta(minutes=5)
SHORTEST_PERIOD = timedelta(seconds=60)

Aligner = monitoring_v3.Aggregation.Aligner
Reducer = monitoring_v3.Aggregation.Reducer
ListRequest = monitoring_v3.ListTimeSeriesRequest.pb()
ListResponse = monitoring_v3.ListTimeSeriesResponse.pb()
CreateRequest = monitoring_v3.CreateTimeSeriesRequest.pb()
TimeSeries = monitoring_v3.TimeSeries.pb()

type Value = tuple[datetime, datetime, float]
"""When a point's stretch starts, when it ends, and the value."""


class MetricKind(IntEnum):
    """What a metric's numbers mean, numbered as in google.api.MetricDescriptor."""

    UNSPECIFIED = 0
    GAUGE = 1
    DELTA = 2
    CUMULATIVE = 3


@dataclass(frozen=True, slots=True)
class Series:
    """One time series: its head as a message already written, and its points, newest first."""

    head: bytes
    values: Callable[[], list[Value]]


@dataclass(frozen=True, slots=True)
class Query:
    """What a list asks for, checked."""

    start: datetime
    end: datetime
    period: timedelta | None
    interpolate: bool


@dataclass(slots=True)
class Monitoring:
    """The service, and the custom metrics it has been sent."""

    state: CloudState
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    _heads: dict[int, bytes] = field(default_factory=dict)

    def grpc_service(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """The service as gRPC serves it."""
        return service(
            self.state,
            "monitoring",
            "google.monitoring.v3.MetricService",
            {
                "ListTimeSeries": GrpcMethod(ListRequest, ListResponse, self.list_time_series, _project_name),
                "CreateTimeSeries": GrpcMethod(CreateRequest, empty_pb2.Empty, self.create_time_series, _project_name),
            },
        )

    def list_time_series(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (proto-plus types its messages so)
        """`ListTimeSeries`."""
        project = self._project(request.name, "monitoring.timeSeries.list")
        wanted = _filter(request.filter)
        token = _token(request, self.state.clock.now)
        query = _query(request)
        if wanted.metric_type == UPTIME:
            series = self._uptime(project, wanted, query, token.now)
        else:
            series = self._custom(project, wanted, query)
        response = ListResponse(unit="s" if wanted.metric_type == UPTIME else "")
        headers_only = request.view == monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.HEADERS
        next_token = _fill(response, series, token, _page_size(request.page_size), headers_only=headers_only)
        response.next_page_token = next_token
        self._spoil(request, response, {rule.kind for rule in faults})
        complete: Message = response
        return complete

    def _spoil(self, request: Any, response: Any, kinds: set[Kind]) -> None:  # noqa: ANN401 (as above)
        """Make a page wrong: incomplete and said to be so, of the wrong types, or followed by itself."""
        if Kind.EXECUTION_ERRORS in kinds:
            del response.time_series[len(response.time_series) // 2 :]
            response.execution_errors.add(code=14, message="One of the regions could not be read; data may be missing.")
        if Kind.BAD_PAGE in kinds:
            for series in response.time_series:
                series.resource.labels.clear()
                for point in series.points:
                    point.value.string_value = "a while"
        if Kind.PAGE_AGAIN in kinds:
            if self.state.faults.is_endless():
                raise CallError(400, "This page was asked for without end.")
            response.next_page_token = request.page_token or AGAIN

    def create_time_series(self, request: Any, faults: Iterable[Rule]) -> Message:  # noqa: ANN401 (as above)
        """`CreateTimeSeries`: write what is right, then refuse the call if anything was wrong, as the real one does."""
        del faults
        project = self._project(request.name, "monitoring.timeSeries.create")
        if not 0 < len(request.time_series) <= MOST_SERIES_WRITTEN:
            message = (
                f"Field timeSeries had an invalid value: between 1 and {MOST_SERIES_WRITTEN} TimeSeries may be written "
                f"in one request, not {len(request.time_series)}."
            )
            raise CallError(400, message)
        written = self.written.setdefault(project.project_id, {})
        problems = []
        keys = set()
        for number, series in enumerate(request.time_series):
            key = _identity(series)
            problem = "Duplicate TimeSeries." if key in keys else self._problem(series, written.get(key))
            keys.add(key)
            if problem:
                problems.append(f"timeSeries[{number}] ({series.metric.type}): {problem}")
            elif key in written:
                written[key].points.insert(0, series.points[0])
            else:
                written[key] = TimeSeries.FromString(series.SerializeToString())
        if problems:
            raise CallError(400, "One or more TimeSeries could not be written: " + "; ".join(problems))
        return empty_pb2.Empty()

    def _project(self, name: str, permission: str) -> Project:
        project = self.state.fleet.project(name.removeprefix("projects/")) if name.startswith("projects/") else None
        if project is None:
            raise CallError(403, f"Permission {permission} denied (or the resource may not exist).")
        return project

    def _uptime(self, project: Project, wanted: metric_filters.Filter, query: Query, now: datetime) -> Iterator[Series]:
        scoped = (project.project_id, *self.state.metrics_scopes.get(project.project_id, ()))
        start = max(query.start, now - KEPT)
        end = min(query.end, now - VISIBLE_AFTER)
        for project_id in scoped:
            for vm in self.state.fleet.of_project(project_id):
                if wanted.tests and not wanted.accepts(_labels(vm)):
                    continue
                if vm.uptime_seconds(start, end):
                    yield Series(self._head(vm), partial(_values, vm, query, start, end))

    def _head(self, vm: Vm) -> bytes:
        head = self._heads.get(vm.instance_id)
        if head is None:
            series = TimeSeries(metric_kind="DELTA", value_type="DOUBLE")
            series.metric.type = UPTIME
            series.metric.labels["instance_name"] = vm.name
            series.resource.type = "gce_instance"
            series.resource.labels["project_id"] = vm.project_id
            series.resource.labels["zone"] = vm.zone
            series.resource.labels["instance_id"] = str(vm.instance_id)
            head = self._heads[vm.instance_id] = series.SerializeToString(deterministic=True)
        return head

    def _custom(self, project: Project, wanted: metric_filters.Filter, query: Query) -> Iterator[Series]:
        if query.period is not None:
            raise CallError(501, "The emulator reads custom metrics unaligned only.")
        found = [
            series
            for series in self.written.get(project.project_id, {}).values()
            if series.metric.type == wanted.metric_type
        ]
        if not found:
            raise CallError(
                404,
                f'Cannot find metric(s) that match type = "{wanted.metric_type}". '
                "If a metric was created recently, it could take up to 10 minutes to become available.",
            )
        for series in found:
            if wanted.accepts(_written_labels(series)):
                kept = TimeSeries.FromString(series.SerializeToString())
                del kept.points[:]
                for point in series.points:
                    if query.start < _moment(point.interval.end_time) <= query.end:
                        kept.points.add().CopyFrom(point)
                if kept.points:
                    yield Series(kept.SerializeToString(), list)

    def _problem(self, series: Any, earlier: Any) -> str | None:  # noqa: ANN401, PLR0911 (one reason each)
        now = self.state.clock.now
        if not series.metric.type.startswith(CUSTOM):
            return f"only metrics of {CUSTOM} can be written"
        if series.resource.type not in WRITABLE_RESOURCES:
            return f"unrecognized or not writable monitored resource '{series.resource.type}'"
        if series.metric_kind == MetricKind.DELTA:
            return "custom metrics are GAUGE or CUMULATIVE"
        if len(series.points) != 1:
            return f"one point is written at a time, not {len(series.points)}"
        interval = series.points[0].interval
        end = _moment(interval.end_time)
        if end < now - OLDEST_WRITE or end > now + NEWEST_WRITE:
            return (
                f"Data points cannot be written more than 25h in the past or 5 minutes in the future: {rfc3339(end)}, "
                f"it is {rfc3339(now)}"
            )
        gauge = series.metric_kind in (MetricKind.UNSPECIFIED, MetricKind.GAUGE)
        if gauge and interval.HasField("start_time") and _moment(interval.start_time) != end:
            return "the start time of a GAUGE point must be its end time, or absent"
        if earlier is not None and _moment(earlier.points[0].interval.end_time) >= end:
            return "Points must be written in order: this one is not newer than the most recent one of its series"
        return None


@dataclass(frozen=True, slots=True)
class Token:
    """Where a page starts: a series, the points of it already sent, and the moment at which the first page was read."""

    series: int
    points: int
    now: datetime
    question: str

    def moved(self, series: int, points: int) -> str:
        """The token of a later page."""
        parts = [series, points, rfc3339(self.now), self.question]
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _token(request: Any, now: datetime) -> Token:  # noqa: ANN401 (a message)
    asked = ListRequest.FromString(request.SerializeToString())
    asked.page_token = ""
    question = hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]
    if not request.page_token:
        return Token(0, 0, now, question)
    try:
        series, points, then, earlier = json.loads(base64.urlsafe_b64decode(request.page_token))
        token = Token(int(series), int(points), parse(then), str(earlier))
    except (ValueError, binascii.Error) as error:
        raise CallError(400, "Field pageToken had an invalid value.") from error
    if token.question != question:
        raise CallError(400, "Field pageToken had an invalid value: it belongs to another request.")
    return token


def _fill(response: Any, series: Iterable[Series], token: Token, size: int, *, headers_only: bool) -> str:  # noqa: ANN401
    """Add a page to the response and return the next page's token, empty at the end."""
    room = size
    for number, one in enumerate(series):
        if number < token.series:
            continue
        if not room:
            return token.moved(number, 0)
        message = response.time_series.add()
        message.MergeFromString(one.head)
        if headers_only:
            del message.points[:]
            room -= 1
            continue
        already = token.points if number == token.series else 0
        values = one.values()[already:]
        for value in values[:room]:
            _add_point(message, value)
        if len(values) > room:
            return token.moved(number, already + room)
        room -= max(len(values), 1)
    return ""


def _add_point(series: Any, value: Value) -> None:  # noqa: ANN401 (a message)
    start, end, number = value
    point = series.points.add()
    point.interval.start_time.seconds = int(start.timestamp())
    point.interval.end_time.seconds = int(end.timestamp())
    point.value.double_value = number


def _query(request: Any) -> Query:  # noqa: ANN401 (a message)
    if request.order_by:
        raise CallError(400, "Field orderBy must be left blank.")
    if request.HasField("secondary_aggregation"):
        raise CallError(501, "The emulator knows no secondary aggregation.")
    if not request.interval.HasField("end_time"):
        raise CallError(400, "Field interval.endTime had an invalid value: it is required.")
    end = _moment(request.interval.end_time)
    start = _moment(request.interval.start_time) if request.interval.HasField("start_time") else end
    if start > end:
        raise CallError(400, "Field interval had an invalid value: the end time must not be before the start time.")
    aggregation = request.aggregation
    if aggregation.cross_series_reducer != Reducer.REDUCE_NONE:
        if aggregation.per_series_aligner == Aligner.ALIGN_NONE:
            raise CallError(400, "Field aggregation had an invalid value: a reducer needs an aligner.")
        raise CallError(501, "The emulator does not reduce across series.")
    if aggregation.per_series_aligner == Aligner.ALIGN_NONE:
        return Query(start, end, None, interpolate=False)
    period = timedelta(seconds=aggregation.alignment_period.seconds)
    if period < SHORTEST_PERIOD:
        raise CallError(400, "Field aggregation.alignmentPeriod had an invalid value: it must be at least 60 seconds.")
    if aggregation.per_series_aligner not in (Aligner.ALIGN_SUM, Aligner.ALIGN_DELTA):
        raise CallError(501, "The emulator aligns by ALIGN_SUM and ALIGN_DELTA only.")
    return Query(start, end, period, interpolate=aggregation.per_series_aligner == Aligner.ALIGN_DELTA)


def _filter(text: str) -> metric_filters.Filter:
    try:
        wanted = metric_filters.read(text)
    except ValueError as error:
        raise CallError(400, str(error)) from error
    if wanted.metric_type != UPTIME:
        return wanted
    resource_type = wanted.tests.get("resource.type")
    if wanted.tests.keys() - UPTIME_LABELS or (resource_type and not resource_type("gce_instance")):
        raise CallError(400, metric_filters.WRONG_COMBINATION)
    return wanted


def _values(vm: Vm, query: Query, start: datetime, end: datetime) -> list[Value]:
    """A VM's points as asked for, newest first."""
    if query.period is None:
        points = [(stamp - SHORTEST_PERIOD, stamp, float(up)) for stamp, up in vm.uptime_points(start, end)]
        return points[::-1]
    sums: list[tuple[datetime, Decimal]] = []
    stamp = query.end
    while stamp > query.start:
        begin = stamp - query.period
        sums.append((stamp, vm.uptime_seconds(max(begin, start), min(stamp, end))))
        stamp = begin
    if query.interpolate:
        sums = _interpolated(sums)
    return [(stamp - query.period, stamp, float(up)) for stamp, up in sums if up]


def _interpolated(sums: list[tuple[datetime, Decimal]]) -> list[tuple[datetime, Decimal]]:
    """Fill empty periods between two others with the mean of the nearest: what ALIGN_DELTA invents."""
    filled = [up for _, up in sums]
    known = [index for index, up in enumerate(filled) if up]
    for left, right in pairwise(known):
        for index in range(left + 1, right):
            filled[index] = (filled[left] + filled[right]) / 2
    return [(stamp, up) for (stamp, _), up in zip(sums, filled, strict=True)]


def _labels(vm: Vm) -> Mapping[str, str]:
    return {
        "project": vm.project_id,
        "resource.type": "gce_instance",
        "resource.labels.project_id": vm.project_id,
        "resource.labels.zone": vm.zone,
        "resource.labels.instance_id": str(vm.instance_id),
        "metric.labels.instance_name": vm.name,
    }


def _written_labels(series: Any) -> Mapping[str, str]:  # noqa: ANN401 (a message)
    return {
        "resource.type": series.resource.type,
        **{f"resource.labels.{key}": value for key, value in series.resource.labels.items()},
        **{f"metric.labels.{key}": value for key, value in series.metric.labels.items()},
    }


def _identity(series: Any) -> str:  # noqa: ANN401 (a message)
    return json.dumps([series.metric.type, sorted(_written_labels(series).items())])


def _project_name(request: Any) -> str:  # noqa: ANN401 (a message)
    return str(request.name).removeprefix("projects/")


def _page_size(asked: int) -> int:
    return asked if 0 < asked <= LARGEST_PAGE else LARGEST_PAGE


def _moment(stamp: Any) -> datetime:  # noqa: ANN401 (a message)
    return datetime.fromtimestamp(stamp.seconds, UTC) + timedelta(microseconds=stamp.nanos // 1000)
