"""Cloud Monitoring through Google's client: the uptime of one project and no other."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.fleet import FLEET_START
from spotkeeper.gcp.monitoring import INSTANCES_PER_FILTER, MonitoringUptime, metric_client
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR
from spotkeeper.tracking.uptime import SAMPLE

HOURS = (FLEET_START, FLEET_START + HOUR)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        running.state.clock.now = FLEET_START + timedelta(hours=2, minutes=7)
        yield running


def read(cloud: Cloud, project_id: str) -> dict[tuple[InstanceKey, int], float]:
    """Return the seconds of every instance by hour."""
    source = MonitoringUptime(metric_client(f"http://{cloud.grpc_target}"), timedelta(seconds=1))
    problems: list[str] = []
    found = {
        (uptime.key, uptime.hour.hour): uptime.seconds for uptime in source.uptime(project_id, HOURS, problems.append)
    }
    assert problems == []
    return found


def test_a_metrics_scope_that_shows_other_projects_counts_nothing_twice(cloud: Cloud) -> None:
    alone = read(cloud, "research-ml")
    cloud.state.metrics_scopes = {"research-ml": ("web-frontend",)}

    assert read(cloud, "research-ml") == alone
    assert {key.project_id for key, _ in alone} == {"research-ml"}
    assert {hour for _, hour in alone} == {0, 1}
    assert max(alone.values()) == 3600


def test_the_samples_of_some_instances_add_up_to_their_uptime_of_the_hour(cloud: Cloud) -> None:
    """More instances than one filter may name are read in several requests; of others nothing is read."""
    uptimes = {key: seconds for (key, hour), seconds in read(cloud, "research-ml").items() if hour == 0}
    left_out, *keys = sorted(uptimes)
    strangers = [key._replace(instance_id=str(number)) for number in range(INSTANCES_PER_FILTER) for key in keys[:1]]
    source = MonitoringUptime(metric_client(f"http://{cloud.grpc_target}"), timedelta(seconds=1))
    problems: list[str] = []

    samples = list(source.samples("research-ml", [*strangers, *keys], FLEET_START, problems.append))

    summed: dict[InstanceKey, float] = defaultdict(float)
    for sample in samples:
        if sample.end <= FLEET_START + HOUR:
            summed[sample.key] += sample.seconds
    assert problems == []
    assert summed == {key: uptimes[key] for key in keys}
    assert left_out not in summed
    assert max(sample.end for sample in samples) == FLEET_START + HOUR + 2 * SAMPLE
    assert max(sample.seconds for sample in samples) == 60
