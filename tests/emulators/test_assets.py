"""The Cloud Asset Inventory emulator, as Google's client library sees it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import asset_v1

from infra.local.emulators.cloud import Cloud

NOW = datetime(2026, 7, 22, 18, 7, tzinfo=UTC)
ZONE = "//compute.googleapis.com/projects/research-ml/zones/us-central1-{}/instances/{}"
SPOT_SCHEDULING = {
    "onHostMaintenance": "TERMINATE",
    "automaticRestart": False,
    "preemptible": True,
    "provisioningModel": "SPOT",
    "instanceTerminationAction": "DELETE",
}
PROBE = ZONE.format("b", "probe-20min")
ANYBODY = AnonymousCredentials()  # as google-auth ships it


@pytest.fixture
def assets(cloud: Cloud) -> Iterator[asset_v1.AssetServiceClient]:
    cloud.state.clock.now = NOW
    with asset_v1.AssetServiceClient(
        transport="rest", credentials=ANYBODY, client_options={"api_endpoint": cloud.rest_url}
    ) as client:
        yield client


def history(client: asset_v1.AssetServiceClient, *names: str, **changes: object) -> list[asset_v1.TemporalAsset]:
    """What the inventory knows of some VMs since the fleet began."""
    request = {
        "parent": "projects/research-ml",
        "asset_names": list(names),
        "content_type": asset_v1.ContentType.RESOURCE,
        "read_time_window": {"start_time": datetime(2026, 7, 21, tzinfo=UTC), "end_time": NOW},
        **changes,
    }
    return list(client.batch_get_assets_history(request=request).assets)


def test_a_short_lived_vm_is_known_with_its_shape_and_end(cloud: Cloud, assets: asset_v1.AssetServiceClient) -> None:
    (vm,) = [vm for vm in cloud.state.fleet.vms if vm.name == "probe-20min"]
    found = history(assets, PROBE)
    data = dict(found[-2].asset.resource.data)
    assert [temporal.deleted for temporal in found][-2:] == [False, True]
    assert data["id"] == str(vm.instance_id)
    assert str(data["machineType"]).endswith("/machineTypes/e2-standard-4")
    assert data["scheduling"] == SPOT_SCHEDULING
    assert found[0].window.start_time == vm.created


def test_every_vm_of_a_name_is_in_its_history(assets: asset_v1.AssetServiceClient) -> None:
    found = history(assets, ZONE.format("a", "sweep-worker-1"))
    ids = {temporal.asset.resource.data["id"] for temporal in found if not temporal.deleted}
    assert len(ids) == 4


def test_a_state_that_still_holds_ends_in_the_year_2262(assets: asset_v1.AssetServiceClient) -> None:
    *_, latest = history(assets, ZONE.format("a", "protected-run"))
    end: Any = latest.window.end_time  # a datetime, whatever its annotation says
    assert end.year == 2262


def test_only_what_overlaps_the_window_is_returned(assets: asset_v1.AssetServiceClient) -> None:
    start = datetime(2026, 7, 21, 10, 20, tzinfo=UTC)
    window = {"start_time": start, "end_time": start + timedelta(minutes=1)}
    (found,) = history(assets, PROBE, read_time_window=window)
    assert found.asset.resource.data["status"] == "RUNNING"


def test_one_untraced_vm_refuses_the_whole_call(assets: asset_v1.AssetServiceClient) -> None:
    """As documented: "If a specified asset does not exist, this API returns an INVALID_ARGUMENT error."."""
    with pytest.raises(exceptions.BadRequest, match="probe-untraced"):
        history(assets, PROBE, ZONE.format("b", "probe-untraced"))


@pytest.mark.parametrize(
    "changes",
    [
        {"asset_names": [PROBE] * 101},
        {"asset_names": ["probe-20min"]},
        {"asset_names": [PROBE.replace("research-ml", "web-frontend")]},
        {"content_type": asset_v1.ContentType.IAM_POLICY},
        {"read_time_window": {"start_time": NOW - timedelta(days=35, seconds=1), "end_time": NOW}},
        {"read_time_window": {"start_time": NOW, "end_time": NOW - timedelta(hours=1)}},
    ],
)
def test_what_the_real_one_refuses_is_a_bad_request(
    assets: asset_v1.AssetServiceClient, changes: dict[str, Any]
) -> None:
    with pytest.raises(exceptions.BadRequest):
        history(assets, PROBE, **changes)


def test_no_names_are_no_assets(assets: asset_v1.AssetServiceClient) -> None:
    assert history(assets) == []


def test_an_unknown_project_is_forbidden(assets: asset_v1.AssetServiceClient) -> None:
    with pytest.raises(exceptions.Forbidden):
        history(assets, PROBE, parent="projects/somebody-elses")
