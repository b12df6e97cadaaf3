"""Reading the pages that a run reads and discarding them: by Google's client libraries, and without them."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import compute_v1, monitoring_v3
from requests.adapters import HTTPAdapter

from spotkeeper.gcp.client_calls import insecure_channel
from spotkeeper.gcp.compute.addresses import ComputeAddresses
from spotkeeper.gcp.compute.disks import ComputeDisks
from spotkeeper.gcp.compute.instances import ComputeInstances
from spotkeeper.gcp.monitoring import metric_client, uptime_request
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.periods import HOUR

RETRY_TIMEOUT = timedelta(minutes=1)
_LIST = "/google.monitoring.v3.MetricService/ListTimeSeries"


class _Query(HTTPAdapter):
    """Adds query parameters that the client has no field for, so that it reads the same pages."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__()
        self._parameters = parameters

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401
        request.prepare_url(request.url, self._parameters)
        return super().send(request, **settings)


class Reading:
    """What a run reads of a fleet: the uptime of two hours, instances, addresses and disks, of all projects."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Prepare to read what the tracker reads under these settings."""
        self._projects = settings["PROJECTS"].split(",")
        address = settings["COMPUTE_ENDPOINT"]
        self._query = dict(ComputeInstances(address, RETRY_TIMEOUT, attachments=True).query)
        self._addresses_query = dict(ComputeAddresses(address, RETRY_TIMEOUT).query)
        self._disks_query = dict(ComputeDisks(address, RETRY_TIMEOUT).query)
        self._compute = compute_v1.InstancesClient(
            credentials=AnonymousCredentials(), client_options={"api_endpoint": address}
        )
        more = {name: value for name, value in self._query.items() if name != "maxResults"}
        transport: Any = self._compute.transport
        transport._session.mount("http://", _Query(more))  # noqa: SLF001 (there is no public way)
        self._metrics = metric_client(settings["MONITORING_ENDPOINT"])
        self._session = requests.Session()
        self._list = insecure_channel(settings["MONITORING_ENDPOINT"]).unary_unary(_LIST, None, None)
        self._address = f"{address}/compute/v1/projects"

    def with_clients(self, hour: datetime) -> None:
        """Read uptime and instances with Google's client libraries."""
        for project_id in self._projects:
            size = int(self._query["maxResults"])
            request = compute_v1.AggregatedListInstancesRequest(project=project_id, max_results=size)
            for _ in self._compute.aggregated_list(request=request, timeout=60.0).pages:
                pass
            for _ in self._metrics.list_time_series(request=uptime_request(project_id, _both(hour))).pages:
                pass

    def parsed(self, hour: datetime) -> int:
        """Read the same bytes by HTTP and gRPC alone, parse them, and return how many they are."""
        return sum(
            self._compute_bytes(project_id, "instances", self._query)
            + self._compute_bytes(project_id, "addresses", self._addresses_query)
            + self._compute_bytes(project_id, "disks", self._disks_query)
            + self._metric_bytes(project_id, hour)
            for project_id in self._projects
        )

    def instance_pages(self) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of instances of all projects."""
        for project_id in self._projects:
            yield from (page for page, _ in self._compute_pages(project_id, "instances", self._query))

    def uptime_pages(self, hour: datetime) -> Iterator[RawMessage]:
        """Yield the pages of uptime of all projects."""
        for project_id in self._projects:
            yield from (page for page, _ in self._metric_pages(project_id, hour))

    def _compute_bytes(self, project_id: str, collection: str, wanted: Mapping[str, str]) -> int:
        return sum(size for _, size in self._compute_pages(project_id, collection, wanted))

    def _compute_pages(
        self, project_id: str, collection: str, wanted: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, Any], int]]:
        """Yield each page of a list, parsed, with its size in bytes."""
        query = dict(wanted)
        while True:
            page = self._session.get(f"{self._address}/{project_id}/aggregated/{collection}", params=query, timeout=60)
            parsed = json.loads(page.content)
            yield parsed, len(page.content)
            query["pageToken"] = parsed.get("nextPageToken", "")
            if not query["pageToken"]:
                return

    def _metric_bytes(self, project_id: str, hour: datetime) -> int:
        return sum(size for _, size in self._metric_pages(project_id, hour))

    def _metric_pages(self, project_id: str, hour: datetime) -> Iterator[tuple[RawMessage, int]]:
        """Yield each page of uptime, parsed, with its size in bytes."""
        request: Any = monitoring_v3.ListTimeSeriesRequest.pb(uptime_request(project_id, _both(hour)))
        response: Any = monitoring_v3.ListTimeSeriesResponse.pb()
        while True:
            page = self._list(request.SerializeToString())
            parsed = response.FromString(page)
            yield parsed, len(page)
            request.page_token = parsed.next_page_token
            if not request.page_token:
                return


def _both(hour: datetime) -> list[datetime]:
    """The hours whose uptime the run of an hour reads: those before the fleet's first are read too, and are empty."""
    return [hour - HOUR, hour]
