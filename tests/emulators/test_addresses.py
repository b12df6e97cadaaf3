"""Reserved addresses in the list of Compute Engine, read by Google's client and by the tracker's adapter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.cloud import compute_v1

from infra.local.emulators.cloud import Cloud
from infra.local.fleet.fleet import Address
from infra.local.fleet.scenario import living_fleet
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.addresses import ComputeAddresses, to_address
from spotkeeper.tracking.addresses import ListedAddress

PROJECT, REGION = "research-ml", "us-central1"
CREATED = datetime(2026, 7, 1, 12, tzinfo=UTC)
VM = ("us-central1-a", "trainer-t4")
RAW: dict[str, object] = {
    "id": "7",
    "name": "ip",
    "region": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/regions/{REGION}",
    "status": "RESERVED",
    "addressType": "EXTERNAL",
    "creationTimestamp": "2026-07-01T05:00:00.000-07:00",
}


def reserved(name: str, **more: Any) -> Address:  # noqa: ANN401 (the fields of an address)
    return Address(**{"project_id": PROJECT, "region": REGION, "name": name, "created": CREATED, **more})


ADDRESSES = (
    reserved("unused", labels={"owner": "ana"}),
    reserved("of-a-vm", users=((CREATED, (VM,)),)),
    reserved("of-a-balancer", other_user=f"regions/{REGION}/forwardingRules/web"),
    reserved("inside", address_type="INTERNAL"),
    reserved("brought", ip_collection=f"regions/{REGION}/publicDelegatedPrefixes/own"),
    reserved("long", ip_version="IPV6"),
    reserved("everywhere", region=""),
    reserved("released", released=CREATED + timedelta(days=1)),
    reserved("elsewhere", project_id="web-frontend"),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    """The emulators with a fleet that has these addresses."""
    with Cloud(replace(living_fleet(), addresses=ADDRESSES)) as cloud:
        yield cloud


def read(cloud: Cloud, project_id: str = PROJECT) -> tuple[dict[str, ListedAddress], list[str]]:
    problems: list[str] = []
    reader = ComputeAddresses(cloud.rest_url, timedelta(seconds=2))
    return {each.name: each for each in reader.addresses(project_id, problems.append)}, problems


def test_the_adapter_reads_what_google_s_client_reads(
    cloud: Cloud, make_client: Callable[..., compute_v1.AddressesClient]
) -> None:
    pages = make_client(compute_v1.AddressesClient).aggregated_list(project=PROJECT)
    listed = {each.name: each for _, scope in pages for each in scope.addresses}

    found, problems = read(cloud)

    assert problems == []
    assert listed.keys() == found.keys() | {"inside"}
    for name, address in found.items():
        assert (str(listed[name].id), dict(listed[name].labels)) == (address.address_id, dict(address.labels))
        assert (listed[name].status == "IN_USE") == (bool(address.users) or address.other_users)
    assert found["unused"].created == CREATED
    assert found["of-a-vm"].users == (VM,)
    assert found["of-a-balancer"].other_users


def test_what_is_billed_otherwise_is_named(cloud: Cloud) -> None:
    special = {name: address.special for name, address in read(cloud)[0].items() if address.special}

    assert special == {"brought": "of an own range (BYOIP)", "long": "IPv6", "everywhere": "global"}
    assert read(cloud)[0]["everywhere"].region == "global"


def test_a_vm_with_a_reserved_address_has_it_while_it_exists(cloud: Cloud) -> None:
    vm = next(each for each in cloud.state.fleet.listed(PROJECT, cloud.state.clock.now))
    cloud.state.change([replace(vm, address="reserved")])

    assert read(cloud)[0][f"{vm.name}-ip"].users == ((vm.zone, vm.name),)


def test_pages_hold_each_address_once(cloud: Cloud) -> None:
    url, names, token = f"{cloud.rest_url}/compute/v1/projects/{PROJECT}/aggregated/addresses", [], ""
    while True:
        page = requests.get(url, params={"maxResults": "2", "pageToken": token}, timeout=5).json()
        names += [each["name"] for scope in page["items"].values() for each in scope.get("addresses", [])]
        if not (token := page.get("nextPageToken", "")):
            break

    assert len(names) == len(set(names))
    assert set(names) == read(cloud)[0].keys() | {"inside"}


def test_a_project_that_denies_the_list_is_unavailable(cloud: Cloud) -> None:
    with pytest.raises(UnavailableError, match=r"compute\.addresses\.list"):
        read(cloud, "somebody-elses")


@pytest.mark.parametrize(
    ("more", "users", "others"),
    [
        ({"status": "IN_USE"}, (), True),
        ({"users": [f"projects/{PROJECT}/regions/{REGION}/routers/nat"], "status": "IN_USE"}, (), True),
        ({"users": ["x"], "status": "RESERVED"}, (), True),
        ({"status": "RESERVING"}, (), False),
    ],
)
def test_only_an_address_without_any_user_counts_as_unused(
    more: dict[str, object], users: tuple[tuple[str, str], ...], *, others: bool
) -> None:
    found = to_address(PROJECT, {**RAW, **more})

    assert (found.users, found.other_users) == (users, others)


@pytest.mark.parametrize("more", [{"id": None}, {"users": 7}, {"users": [7]}, {"creationTimestamp": ""}, {"region": 7}])
def test_an_address_that_cannot_be_read_is_refused_by_name(more: dict[str, object]) -> None:
    with pytest.raises(UnavailableError, match="address 'ip'"):
        to_address(PROJECT, {**RAW, **more})
