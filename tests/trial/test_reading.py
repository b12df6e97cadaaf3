"""A trial's login signs calls that read, and refuses every other one before it is sent."""

import inspect
import re
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import Request
from google.cloud import asset_v1, billing_v1, monitoring_v3
from google.cloud.asset_v1.services.asset_service.transports.rest_base import _BaseAssetServiceRestTransport
from google.cloud.billing_v1.services.cloud_catalog.transports.rest_base import _BaseCloudCatalogRestTransport
from google.pubsub_v1 import PublisherClient

from infra.local.trial.reading import READING_GRPC, ReadingLogin, RefusedCallError, reads

COMPUTE = "https://compute.googleapis.com/compute/v1/projects/my-project-1"
CLIENTS = {
    "google.cloud.asset.v1.AssetService": asset_v1.AssetServiceClient,
    "google.cloud.billing.v1.CloudCatalog": billing_v1.CloudCatalogClient,
    "google.monitoring.v3.MetricService": monitoring_v3.MetricServiceClient,
    "google.pubsub.v1.Publisher": PublisherClient,
}
"""The clients of the gRPC services that the product calls."""


def methods(service: str) -> list[str]:
    """Return the methods of a service by the names that gRPC calls them by, from its client's transport."""
    transport = CLIENTS[service].get_transport_class("grpc")
    source = "".join(inspect.getsource(each) for each in transport.__mro__ if each.__module__.endswith(".grpc"))
    return sorted(set(re.findall(rf'"/{re.escape(service)}/(\w+)"', source)))


def signs(service: str, method: str) -> bool:
    return reads(method, f"https://any.googleapis.com/{service}")


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", f"{COMPUTE}/aggregated/instances?maxResults=500&pageToken=x"),
        ("GET", f"{COMPUTE}/aggregated/operations"),
        ("GET", f"{COMPUTE}/aggregated/addresses?maxResults=500"),
        ("GET", f"{COMPUTE}/aggregated/disks?maxResults=500"),
        ("GET", f"{COMPUTE}/zones/us-central1-a/machineTypes/n2-standard-8"),
        ("GET", "https://cloudresourcemanager.googleapis.com/v3/projects?parent=folders/1"),
        ("GET", "https://cloudresourcemanager.googleapis.com/v3/folders?parent=folders/1"),
        ("POST", "https://logging.googleapis.com/v2/entries:list"),
    ],
)
def test_a_call_that_reads_is_signed(method: str, url: str) -> None:
    ReadingLogin(AnonymousCredentials()).before_request(Request(), method, url, {})


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", f"{COMPUTE}/zones/us-central1-a/instances/1/stop"),
        ("POST", f"{COMPUTE}/zones/us-central1-a/instances/1/setMetadata"),
        ("DELETE", f"{COMPUTE}/zones/us-central1-a/instances/1"),
        ("POST", f"{COMPUTE}/aggregated/instances"),
        ("GET", f"{COMPUTE}/aggregated/instances/stop"),
        ("GET", f"{COMPUTE}/zones/us-central1-a/instances/1/serialPort?next=/aggregated/instances"),
        ("POST", "https://logging.googleapis.com/v2/entries:write"),
        ("POST", "https://cloudresourcemanager.googleapis.com/v3/projects"),
        ("POST", "https://bigquery.googleapis.com/bigquery/v2/projects/my-project-1/jobs"),
        ("get", f"{COMPUTE}/aggregated/instances"),
        ("Publish", "https://pubsub.googleapis.com/google.pubsub.v1.Publisher"),
        ("ListTimeSeries", "https://monitoring.googleapis.com/google.monitoring.v3.QueryService"),
    ],
)
def test_every_other_call_is_refused_and_kept(method: str, url: str) -> None:
    login = ReadingLogin(AnonymousCredentials())

    with pytest.raises(RefusedCallError, match="was not sent"):
        login.before_request(Request(), method, url, {})

    assert login.refused == [f"{method} {url}"]


def test_a_service_s_only_method_that_is_signed_lists_or_gets() -> None:
    signed = {service: [each for each in methods(service) if signs(service, each)] for service in CLIENTS}

    assert signed == {
        "google.cloud.asset.v1.AssetService": ["BatchGetAssetsHistory"],
        "google.cloud.billing.v1.CloudCatalog": ["ListSkus"],
        "google.monitoring.v3.MetricService": ["ListTimeSeries"],
        "google.pubsub.v1.Publisher": [],
    }
    assert {f"/{service}/{each}" for service, found in signed.items() for each in found} == READING_GRPC
    assert "CreateTimeSeries" in methods("google.monitoring.v3.MetricService")
    assert "Publish" in methods("google.pubsub.v1.Publisher")


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (_BaseAssetServiceRestTransport._BaseBatchGetAssetsHistory, "BatchGetAssetsHistory"),  # noqa: SLF001 (has no public name)
        (_BaseCloudCatalogRestTransport._BaseListSkus, "ListSkus"),  # noqa: SLF001 (as above)
    ],
)
def test_a_grpc_method_on_the_list_is_a_get_in_google_s_own_description(base: Any, method: str) -> None:  # noqa: ANN401 (not typed)
    assert {option["method"] for option in base._get_http_options()} == {"get"}  # noqa: SLF001 (as above)
    assert any(name.endswith(f"/{method}") for name in READING_GRPC)
