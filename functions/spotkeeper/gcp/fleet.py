"""Compute Engine: the Spot instances that run now, and the requests it has taken."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud import compute_v1

from spotkeeper.enforcer_ports import Report
from spotkeeper.gcp.calls import TIMEOUT, client_options, credentials, failing_as_unavailable, retry
from spotkeeper.gcp.compute import ComputeInstances, QueryParameters, Shapes, mount, to_instance
from spotkeeper.instances import ProvisioningModel
from spotkeeper.plans import SpotVm

_OPERATIONS_PER_PAGE = 500
_OPERATION_FIELDS = "nextPageToken,items/*/operations(clientOperationId,insertTime)"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SpotFleet:
    """Reads the fleet; both verbs raise UnavailableError."""

    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        self._instances = ComputeInstances(
            endpoint, patience, more_fields=",status,creationTimestamp,lastStartTimestamp"
        )
        self._operations = compute_v1.GlobalOperationsClient(
            credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        mount(self._operations, QueryParameters(fields=_OPERATION_FIELDS))
        self._retry = retry(patience)

    @property
    def shapes(self) -> Shapes:
        """What machine types are made of."""
        return self._instances.shapes

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield all Spot instances of a project; a zone that does not answer is reported."""
        for found in self._instances.found(project_id, report):
            vm = to_spot_vm(project_id, found, self.shapes, report)
            if vm.instance.provisioning_model is ProvisioningModel.SPOT:
                yield vm

    def taken(self, projects: Iterable[str], since: datetime) -> frozenset[str]:
        """Return the ids of the requests that were taken since then: operations bear them as `clientOperationId`."""
        return frozenset(
            operation.client_operation_id
            for project_id in projects
            for operation in self._of_project(project_id)
            if _time(operation.insert_time) >= since
        )

    def _of_project(self, project_id: str) -> Iterator[Any]:
        request = compute_v1.AggregatedListGlobalOperationsRequest(project=project_id, max_results=_OPERATIONS_PER_PAGE)
        with failing_as_unavailable("Compute Engine"):
            pager = self._operations.aggregated_list(request=request, retry=self._retry, timeout=TIMEOUT)
            for page in pager.pages:
                for scope in compute_v1.OperationAggregatedList.pb(page).items.values():
                    yield from scope.operations


def to_spot_vm(project_id: str, found: Any, shapes: Shapes, report: Report) -> SpotVm:  # noqa: ANN401 (protobuf of compute_v1.Instance)
    """Return an instance with what it does now; one that never started counts from its creation."""
    instance = to_instance(project_id, found, shapes, report)
    started = _time(found.last_start_timestamp or found.creation_timestamp)
    return SpotVm(instance, found.status, started)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC) if text else _LONG_AGO
