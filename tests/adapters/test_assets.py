"""Cloud Asset Inventory through Google's client: who the instances were that no scan saw."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.emulators.cloud import Cloud
from spotkeeper.gcp.assets import AssetHistory
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.instances import InstanceKey, ProvisioningModel
from spotkeeper.tracking.uptime import Uptime
from tests.simulation.tracker.lives import STAGING, Run, Vm
from tests.simulation.tracker.machines import Machine, MachineType
from tests.simulation.tracker.services import serving
from tests.simulation.tracker.world import Access, World

HOUR = datetime(2026, 7, 21, 10, tzinfo=UTC)
NOW = HOUR + timedelta(minutes=67)
PROJECT, ZONE = "research-ml", "us-central1-b"
RETRY_TIMEOUT = timedelta(seconds=1)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        running.state.clock.now = datetime(2026, 7, 22, 18, 7, tzinfo=UTC)
        yield running


def test_an_instance_that_asset_history_does_not_know_hides_no_other(cloud: Cloud) -> None:
    """An unknown name fails the whole call, which is then halved."""
    named = {vm.name: vm for vm in cloud.state.fleet.vms if vm.name in {"probe-20min", "probe-untraced"}}
    uptimes = [Uptime(InstanceKey(PROJECT, ZONE, str(vm.instance_id)), name, HOUR, 600.0) for name, vm in named.items()]
    history = AssetHistory(
        cloud.rest_url, Shapes(MachineTypes(compute_calls(cloud.rest_url, RETRY_TIMEOUT))), RETRY_TIMEOUT
    )
    problems: list[str] = []

    found = list(history.observations(PROJECT, uptimes, NOW, problems.append))

    assert ({each.instance.name for each in found}, problems) == ({"probe-20min"}, [])
    assert {(each.instance.shape.machine_type, each.instance.provisioning_model) for each in found} == {
        ("e2-standard-4", ProvisioningModel.SPOT)
    }
    assert found[0].first_seen == named["probe-20min"].created


@pytest.mark.parametrize("instance_id", ["4000000000000000001", "4000000000000000002"], ids=["no end", "the year 2262"])
def test_a_version_that_still_holds_was_observed_until_the_time_of_the_request(instance_id: str) -> None:
    created = HOUR + timedelta(minutes=10)
    run = Run(created + STAGING, created + timedelta(days=2), Machine(MachineType("n2-standard-2", ())))
    vm = Vm(PROJECT, ZONE, "fresh", instance_id, created, run.end, (run,), ((created, {}),))
    world = World(HOUR, run.end, {PROJECT: Access.OPEN}, [vm])
    problems: list[str] = []

    with serving(world) as services:
        services.now = NOW
        shapes = Shapes(MachineTypes(compute_calls(services.rest, RETRY_TIMEOUT)))
        history = AssetHistory(services.rest, shapes, RETRY_TIMEOUT)
        uptimes = [Uptime(InstanceKey(PROJECT, ZONE, instance_id), "fresh", HOUR, 2992.0)]
        found = list(history.observations(PROJECT, uptimes, NOW, problems.append))

    assert ([(each.first_seen, each.last_seen) for each in found], problems) == (
        [(created, NOW)],
        [],
    )
