"""Cloud Monitoring through Google's client: the uptime of one project and no other."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.fleet import FLEET_START
from spotkeeper.gcp.monitoring import MonitoringUptime, metric_client
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import HOUR

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
