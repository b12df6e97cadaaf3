"""Cloud Asset Inventory through Google's client: who the instances were that no scan saw."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.fleet import Vm
from spotkeeper.gcp.assets import MAX_SPLIT_CALLS, AssetHistory
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.instances import InstanceKey, ProvisioningModel
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.uptime import Uptime
from tests.simulation.tracker.lives import STAGING, Run
from tests.simulation.tracker.lives import Vm as Life
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


def uptimes(vms: Iterable[Vm], *hours: datetime) -> list[Uptime]:
    """Return ten minutes of uptime of each VM in each hour."""
    return [
        Uptime(InstanceKey(vm.project_id, vm.zone, str(vm.instance_id)), vm.name, hour, 600.0)
        for vm in vms
        for hour in hours
    ]


def read(cloud: Cloud, asked: Sequence[Uptime]) -> tuple[list[Observation], list[str], int]:
    """Return what the inventory has on record, what was reported, and the number of calls."""
    shapes = Shapes(MachineTypes(compute_calls(cloud.rest_url, RETRY_TIMEOUT)))
    history = AssetHistory(cloud.rest_url, shapes, RETRY_TIMEOUT)
    problems: list[str] = []
    cloud.state.requests.clear()
    project_id = asked[0].key.project_id
    found = list(history.observations(project_id, asked, cloud.state.clock.now, problems.append))
    return found, problems, cloud.state.requests["assets", "batchGetAssetsHistory"]


def named(cloud: Cloud, *names: str) -> list[Vm]:
    return [vm for vm in cloud.state.fleet.vms if vm.name in names]


def test_an_instance_that_asset_history_does_not_know_hides_no_other(cloud: Cloud) -> None:
    """An unknown name fails the whole call, which is then halved."""
    vms = named(cloud, "probe-20min", "probe-untraced")

    found, problems, calls = read(cloud, uptimes(vms, HOUR))

    assert ({each.instance.name for each in found}, problems, calls) == ({"probe-20min"}, [], 3)
    assert {(each.instance.shape.machine_type, each.instance.provisioning_model) for each in found} == {
        ("e2-standard-4", ProvisioningModel.SPOT)
    }
    [known] = [vm for vm in vms if vm.name == "probe-20min"]
    assert (found[0].first_seen, found[-1].last_seen) == (known.created, known.deleted)


def test_unknown_instances_cost_a_bounded_number_of_calls(cloud: Cloud) -> None:
    [unknown] = named(cloud, "probe-untraced")
    many = [replace(unknown, name=f"unknown-{number}") for number in range(500)]

    found, problems, calls = read(cloud, uptimes([*many, *named(cloud, "probe-20min")], HOUR))

    assert ({each.instance.name for each in found}, problems, calls) == ({"probe-20min"}, [], 6 + MAX_SPLIT_CALLS)


def test_an_instance_is_distinguished_from_others_of_its_name_by_its_id(cloud: Cloud) -> None:
    second = named(cloud, "sweep-worker-1")[1]

    found, _, calls = read(cloud, uptimes([second], HOUR + timedelta(hours=1)))

    assert ({each.instance.key.instance_id for each in found}, calls) == ({str(second.instance_id)}, 1)


def test_the_shape_of_custom_types_and_the_provisioning_model_of_preemptible_vms_are_known(cloud: Cloud) -> None:
    vms = named(cloud, "custom-n2", "custom-n1", "legacy-preemptible", "scheduler", "shuffle-ssd")

    found, problems, _ = read(cloud, uptimes(vms, HOUR))

    assert problems == []
    assert {
        each.instance.name: (
            str(each.instance.shape.vcpus),
            each.instance.shape.local_ssd_gib,
            each.instance.provisioning_model,
        )
        for each in found
    } == {
        "custom-n2": ("8", 0, ProvisioningModel.SPOT),
        "custom-n1": ("4", 0, ProvisioningModel.SPOT),
        "legacy-preemptible": ("4", 0, ProvisioningModel.SPOT),
        "scheduler": ("1", 0, ProvisioningModel.STANDARD),
        "shuffle-ssd": ("8", 750, ProvisioningModel.SPOT),
    }


def test_labels_are_those_of_their_time(cloud: Cloud) -> None:
    found, _, _ = read(cloud, uptimes(named(cloud, "notebook-relabelled"), HOUR))

    assert [dict(each.instance.labels)["team"] for each in found] == ["vision", "language"]
    assert found[0].last_seen == found[1].first_seen == HOUR + timedelta(minutes=40)


def test_hours_far_apart_are_windows_of_their_own(cloud: Cloud) -> None:
    """One window over all of them would have every instance of a name that is used again and again."""
    hours = [HOUR + timedelta(hours=number) for number in (0, 1, 2, 3, 4, 20)]

    found, problems, calls = read(cloud, uptimes(named(cloud, "trainer-t4"), *hours))

    assert (len({each.instance.key for each in found}), problems, calls) == (1, [], 3)


def test_uptime_that_is_counted_a_minute_late_is_of_an_instance_that_ended_in_the_hour_before(cloud: Cloud) -> None:
    [probe] = named(cloud, "probe-20min")
    cloud.state.change([replace(probe, deleted=HOUR - timedelta(seconds=20), created=HOUR - timedelta(minutes=9))])

    found, _, _ = read(cloud, uptimes([probe], HOUR))
    cloud.state.reset()

    assert {each.instance.name for each in found} == {"probe-20min"}


@pytest.mark.parametrize("instance_id", ["4000000000000000001", "4000000000000000002"], ids=["no end", "the year 2262"])
def test_a_version_that_still_holds_was_observed_until_the_time_of_the_request(instance_id: str) -> None:
    created = HOUR + timedelta(minutes=10)
    run = Run(created + STAGING, created + timedelta(days=2), Machine(MachineType("n2-standard-2", ())))
    vm = Life(PROJECT, ZONE, "fresh", instance_id, created, run.end, (run,), ((created, {}),))
    world = World(HOUR, run.end, {PROJECT: Access.OPEN}, [vm])
    problems: list[str] = []

    with serving(world) as services:
        services.now = NOW
        shapes = Shapes(MachineTypes(compute_calls(services.rest, RETRY_TIMEOUT)))
        history = AssetHistory(services.rest, shapes, RETRY_TIMEOUT)
        asked = [Uptime(InstanceKey(PROJECT, ZONE, instance_id), "fresh", HOUR, 2992.0)]
        found = list(history.observations(PROJECT, asked, NOW, problems.append))

    assert ([(each.first_seen, each.last_seen) for each in found], problems) == (
        [(created, NOW)],
        [],
    )
