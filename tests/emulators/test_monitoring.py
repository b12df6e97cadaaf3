"""The Cloud Monitoring emulator, as Google's client library sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from infra.local.emulators.cloud import FIRST_SCAN, Cloud
from infra.local.emulators.faults import Kind, Rule
from infra.local.fleet.fleet import FLEET_START, Vm

UPTIME = 'metric.type = "compute.googleapis.com/instance/uptime"'
HOUR = timedelta(hours=1)
DELTA, DOUBLE = 2, 3  # as google.api.MetricDescriptor numbers them
Aligner = monitoring_v3.Aggregation.Aligner

type Uptime = dict[tuple[str, Any], float]


@contextmanager
def connected(running: Cloud) -> Iterator[monitoring_v3.MetricServiceClient]:
    """A client with a connection of its own."""
    transport = monitoring_v3.MetricServiceClient.get_transport_class("grpc")
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(running.grpc_target, options=options) as channel:
        yield monitoring_v3.MetricServiceClient(transport=transport(channel=channel))


@pytest.fixture(scope="module")
def shared_client(running: Cloud) -> Iterator[monitoring_v3.MetricServiceClient]:
    with connected(running) as client:
        yield client


@pytest.fixture
def client(shared_client: monitoring_v3.MetricServiceClient, cloud: Cloud) -> monitoring_v3.MetricServiceClient:
    del cloud
    return shared_client


def request(  # noqa: PLR0913, PLR0917 (a request has this many parts)
    project: str = "research-ml",
    text: str = UPTIME,
    start: datetime | None = FLEET_START,
    end: datetime | None = FLEET_START + HOUR,
    period: int = 3600,
    aligner: int = Aligner.ALIGN_SUM,
    **more: object,
) -> dict[str, Any]:
    """A request for uptime; without a start or an end it has none."""
    return {
        "name": f"projects/{project}",
        "filter": text,
        "interval": {key: value for key, value in (("start_time", start), ("end_time", end)) if value is not None},
        "aggregation": {"alignment_period": {"seconds": period}, "per_series_aligner": aligner},
        **more,
    }


def uptime(client: monitoring_v3.MetricServiceClient, **wanted: Any) -> Uptime:  # noqa: ANN401 (parts of a request)
    """Seconds by instance id and stamp."""
    return {
        (series.resource.labels["instance_id"], point.interval.end_time): point.value.double_value
        for series in client.list_time_series(request=request(**wanted), retry=None)
        for point in series.points
    }


def the(cloud: Cloud, name: str) -> Vm:
    """The first VM of this name."""
    return next(vm for vm in cloud.state.fleet.vms if vm.name == name)


def test_an_hours_uptime_is_one_point_per_instance_stamped_at_its_end(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    expected = {
        (str(vm.instance_id), FLEET_START + HOUR): float(vm.uptime_seconds(FLEET_START, FLEET_START + HOUR))
        for vm in cloud.state.fleet.of_project("research-ml")
    }
    assert uptime(client) == {key: seconds for key, seconds in expected.items() if seconds}


def test_a_series_carries_exactly_the_labels_of_the_metric_and_its_resource(
    client: monitoring_v3.MetricServiceClient,
) -> None:
    series = next(iter(client.list_time_series(request=request())))
    assert series.metric.labels.keys() == {"instance_name"}
    assert series.resource.type == "gce_instance"
    assert series.resource.labels.keys() == {"project_id", "instance_id", "zone"}
    assert (series.metric_kind, series.value_type) == (DELTA, DOUBLE)
    assert series.points[0].interval.start_time == FLEET_START


def test_standard_instances_are_in_the_metric_like_any_other(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    assert (str(the(cloud, "bastion").instance_id), FLEET_START + HOUR) in uptime(client, project="web-frontend")


def test_raw_points_come_every_minute_newest_first_without_the_intervals_start(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    text = f'{UPTIME} AND resource.labels.instance_id = "{the(cloud, "gappy").instance_id}"'
    (series,) = client.list_time_series(request=request(text=text, aligner=Aligner.ALIGN_NONE))
    stamps = [point.interval.end_time for point in series.points]
    assert stamps == [FLEET_START + timedelta(minutes=minute) for minute in range(60, 0, -1)]
    assert {point.value.double_value for point in series.points} == {60.0}


def test_points_younger_than_four_minutes_are_not_there_yet(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    key = (str(the(cloud, "gappy").instance_id), FLEET_START + HOUR)
    seen = []
    for seconds in (0, 239, 240):
        cloud.state.clock.now = FLEET_START + HOUR + timedelta(seconds=seconds)
        seen.append(uptime(client)[key])
    assert seen == [3600 - 240, 3600 - 60, 3600]


def test_gaps_are_lost_from_the_sum(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    cloud.state.clock.now = FLEET_START + timedelta(days=1)
    key = str(the(cloud, "gappy").instance_id)
    sums = [
        uptime(client, start=FLEET_START + hour * HOUR, end=FLEET_START + (hour + 1) * HOUR)[
            key, FLEET_START + (hour + 1) * HOUR
        ]
        for hour in (15, 16, 17, 18)
    ]
    assert sums == [3600 - 7 * 60, 3600, 3600 - 5 * 60, 3600 - 5 * 60]


def test_align_delta_invents_uptime_where_align_sum_does_not(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    cloud.state.clock.now = FLEET_START + timedelta(days=2)
    wanted = {
        "project": "web-frontend",
        "text": f'{UPTIME} AND metric.labels.instance_name = "stopped-at-noon"',
        "end": FLEET_START + timedelta(days=2) - HOUR,
    }
    honest = uptime(client, **wanted)
    invented = uptime(client, aligner=Aligner.ALIGN_DELTA, **wanted)
    asleep = {key: value for key, value in invented.items() if key not in honest}
    assert len(asleep) == 21
    assert all(value > 0 for value in asleep.values())
    assert sum(honest.values()) < sum(invented.values())


@pytest.mark.parametrize("size", [1, 7, 100_000, 1_000_000])
def test_pages_count_points_and_may_cut_a_series_in_two(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient, size: int
) -> None:
    cloud.state.clock.now = FLEET_START + timedelta(hours=8)
    wanted = request(end=FLEET_START + 3 * HOUR, page_size=size)
    pages = list(client.list_time_series(request=wanted).pages)
    counts = [sum(len(series.points) for series in page.time_series) for page in pages]
    whole = uptime(client, end=FLEET_START + 3 * HOUR)
    found = [
        (series.resource.labels["instance_id"], point.interval.end_time)
        for page in pages
        for series in page.time_series
        for point in series.points
    ]
    assert all(count == min(size, len(whole)) for count in counts[:-1])
    assert len(found) == len(set(found))
    assert set(found) == whole.keys()


def test_later_pages_show_the_moment_of_the_first(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    wanted = request(end=FLEET_START + 2 * HOUR, page_size=10)
    early = {page.next_page_token: page for page in client.list_time_series(request=wanted).pages}
    pager = iter(client.list_time_series(request=wanted).pages)
    next(pager)
    cloud.state.clock.advance(7200)
    assert [page.time_series for page in pager] == [page.time_series for page in list(early.values())[1:]]


def test_headers_come_without_points(client: monitoring_v3.MetricServiceClient) -> None:
    view = monitoring_v3.ListTimeSeriesRequest.TimeSeriesView.HEADERS
    found = list(client.list_time_series(request=request(view=view, page_size=4)))
    assert len(found) == len(uptime(client))
    assert not any(series.points for series in found)


@pytest.mark.parametrize(
    "condition",
    [
        'resource.labels.project_id = "data-platform"',
        'resource.label.zone = "us-central1-a"',
        'resource.type = "gce_instance"',
        'resource.labels.zone = one_of("us-central1-a", "us-central1-b")',
        'metric.labels.instance_name = starts_with("gke-")',
    ],
)
def test_the_labels_of_the_metric_can_be_filtered_on(client: monitoring_v3.MetricServiceClient, condition: str) -> None:
    found = uptime(client, project="data-platform", text=f"{UPTIME} AND {condition}")
    assert found.items() <= uptime(client, project="data-platform").items()
    assert found


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ({"text": f'{UPTIME} AND resource.labels.preemptible = "true"'}, "valid combination"),
        ({"text": f'{UPTIME} AND resource.labels.instance_type = "e2-micro"'}, "valid combination"),
        ({"text": f'{UPTIME} AND resource.type = "k8s_node"'}, "valid combination"),
        ({"text": 'resource.type = "gce_instance"'}, "exactly one metric type"),
        ({"text": f'{UPTIME} AND metric.type = "other"'}, "exactly one metric type"),
        ({"text": f"{UPTIME} AND NOT zone"}, "could not be parsed"),
        ({"text": f'{UPTIME} OR resource.labels.zone = "b"'}, "could not be parsed"),
        ({"period": 59}, "at least 60 seconds"),
        ({"end": None}, "endTime"),
        ({"start": FLEET_START + 2 * HOUR}, "interval"),
        ({"order_by": "points"}, "orderBy"),
        ({"page_token": "made up"}, "pageToken"),
    ],
)
def test_a_read_that_the_real_one_refuses_is_an_invalid_argument(
    client: monitoring_v3.MetricServiceClient, wanted: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=complaint):
        uptime(client, **wanted)


def test_a_page_token_belongs_to_its_request(client: monitoring_v3.MetricServiceClient) -> None:
    page = next(iter(client.list_time_series(request=request(page_size=1)).pages))
    with pytest.raises(exceptions.InvalidArgument, match="another request"):
        uptime(client, period=60, page_token=page.next_page_token)


def test_an_unknown_metric_is_not_found(client: monitoring_v3.MetricServiceClient) -> None:
    with pytest.raises(exceptions.NotFound, match="Cannot find metric"):
        uptime(client, text='metric.type = "compute.googleapis.com/instance/uptime_total_sum"', aligner=0)


@pytest.mark.parametrize("project", ["somebody-elses", ""])
def test_an_unknown_project_is_denied(client: monitoring_v3.MetricServiceClient, project: str) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        uptime(client, project=project)


def test_points_older_than_six_weeks_are_gone(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    cloud.state.clock.now = FLEET_START + timedelta(weeks=6, minutes=30)
    assert set(uptime(client).values()) == {1800.0}
    cloud.state.clock.advance(3600)
    assert uptime(client) == {}


def test_a_metrics_scope_shows_other_projects_too_unless_filtered(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    own = uptime(client)
    cloud.state.metrics_scopes = {"research-ml": ("web-frontend",)}
    assert uptime(client) == own | uptime(client, project="web-frontend")
    assert uptime(client, text=f'{UPTIME} AND resource.labels.project_id = "research-ml"') == own


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (401, exceptions.Unauthenticated),
        (403, exceptions.PermissionDenied),
        (429, exceptions.ResourceExhausted),
        (500, exceptions.InternalServerError),
        (503, exceptions.ServiceUnavailable),
    ],
)
def test_a_read_fails_with_the_status_asked_for(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient, status: int, raised: type[Exception]
) -> None:
    cloud.state.faults.replace([Rule("monitoring", Kind.STATUS, method="ListTimeSeries", status=status)])
    with pytest.raises(raised, match="on demand"):
        uptime(client)


def test_an_answer_may_be_incomplete_and_say_so(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    cloud.state.faults.replace([Rule("monitoring", Kind.EXECUTION_ERRORS, first=2, last=2)])
    pages = client.list_time_series(request=request(page_size=5)).pages
    assert [bool(page.execution_errors) for page in pages][:3] == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (Kind.NOT_JSON, exceptions.InternalServerError),
        (Kind.RESET, exceptions.ServiceUnavailable),
        (Kind.LOST, exceptions.ServiceUnavailable),
        (Kind.TRUNCATED, exceptions.ServiceUnavailable),
    ],
)
def test_an_answer_may_be_no_message_or_break_off(
    running: Cloud, cloud: Cloud, kind: Kind, raised: type[Exception]
) -> None:
    with connected(running) as client:
        assert uptime(client)
        cloud.state.faults.replace([Rule("monitoring", kind)])
        with pytest.raises(raised):
            uptime(client)
    cloud.state.faults.replace([])
    with connected(running) as client:  # anew: the old connection may be found broken only by the next request
        assert uptime(client)


def test_an_answer_may_be_empty(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    cloud.state.faults.replace([Rule("monitoring", Kind.EMPTY)])
    assert uptime(client) == {}


def test_a_page_may_be_of_wrong_types_or_come_again(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    cloud.state.faults.replace(
        [Rule("monitoring", Kind.BAD_PAGE, last=1), Rule("monitoring", Kind.PAGE_AGAIN, first=3)]
    )
    [bad] = client.list_time_series(request=request()).pages
    pages = client.list_time_series(request=request(page_size=5)).pages
    _, first, second = next(pages), next(pages), next(pages)
    assert {series.points[0].value.string_value for series in bad.time_series} == {"a while"}
    assert (first.time_series, first.next_page_token) == (second.time_series, second.next_page_token)


def gauge(metric: str = "custom.googleapis.com/spotkeeper/hourly_cost", **changes: object) -> dict[str, Any]:
    """One point of a custom metric."""
    return {
        "metric": {"type": metric, "labels": {"project": "research-ml"}},
        "resource": {"type": "global", "labels": {"project_id": "research-ml"}},
        "points": [{"interval": {"end_time": FIRST_SCAN}, "value": {"double_value": 12.5}}],
        **changes,
    }


def point(end: datetime, start: datetime | None = None) -> dict[str, Any]:
    """A point of a custom metric."""
    interval = {"end_time": end} | ({"start_time": start} if start else {})
    return {"interval": interval, "value": {"double_value": 1.0}}


def write(client: monitoring_v3.MetricServiceClient, *series: dict[str, Any]) -> None:
    client.create_time_series(request={"name": "projects/research-ml", "time_series": list(series)})


def test_what_is_written_can_be_read(client: monitoring_v3.MetricServiceClient) -> None:
    write(client, gauge())
    write(client, gauge(points=[point(FIRST_SCAN + timedelta(minutes=1))]))
    text = 'metric.type = "custom.googleapis.com/spotkeeper/hourly_cost" AND metric.labels.project = "research-ml"'
    (series,) = client.list_time_series(request=request(text=text, end=FIRST_SCAN + HOUR, aligner=Aligner.ALIGN_NONE))
    assert [found.value.double_value for found in series.points] == [1.0, 12.5]


@pytest.mark.parametrize(
    ("series", "complaint"),
    [
        (gauge(metric="compute.googleapis.com/instance/uptime"), "custom.googleapis.com"),
        (gauge(resource={"type": "moon_base"}), "moon_base"),
        (gauge(metric_kind="DELTA"), "GAUGE or CUMULATIVE"),
        (gauge(points=[]), "one point"),
        (gauge(points=[point(FIRST_SCAN), point(FIRST_SCAN - HOUR)]), "one point"),
        (gauge(points=[point(FIRST_SCAN - timedelta(hours=25, seconds=1))]), "25h in the past"),
        (gauge(points=[point(FIRST_SCAN + timedelta(minutes=5, seconds=1))]), "5 minutes in the future"),
        (gauge(points=[point(FIRST_SCAN, FIRST_SCAN - HOUR)]), "start time of a GAUGE"),
    ],
)
def test_a_series_that_the_real_one_refuses_is_not_written(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient, series: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=complaint):
        write(client, series)
    assert not cloud.monitoring.written["research-ml"]


def test_points_are_written_in_order(client: monitoring_v3.MetricServiceClient) -> None:
    write(client, gauge())
    with pytest.raises(exceptions.InvalidArgument, match="in order"):
        write(client, gauge())


def test_one_wrong_series_does_not_keep_the_others_from_being_written(
    cloud: Cloud, client: monitoring_v3.MetricServiceClient
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"timeSeries\[1\]"):
        write(client, gauge(), gauge(metric="agent.googleapis.com/cost"))
    assert len(cloud.monitoring.written["research-ml"]) == 1


def test_a_series_is_written_once_a_call(client: monitoring_v3.MetricServiceClient) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Duplicate"):
        write(client, gauge(), gauge())


@pytest.mark.parametrize("number", [0, 201])
def test_between_1_and_200_series_are_written_at_a_time(client: monitoring_v3.MetricServiceClient, number: int) -> None:
    series = [gauge(metric=f"custom.googleapis.com/cost_{index}") for index in range(number)]
    with pytest.raises(exceptions.InvalidArgument, match="between 1 and 200"):
        write(client, *series)


def test_a_point_exactly_at_the_limits_is_written(cloud: Cloud, client: monitoring_v3.MetricServiceClient) -> None:
    now = datetime(2026, 7, 21, 1, 7, tzinfo=UTC)
    for end in (now - timedelta(hours=25), now + timedelta(minutes=5)):
        write(client, gauge(points=[point(end)]))
    assert len(cloud.monitoring.written["research-ml"]) == 1
