"""Compute Engine: the Spot instances that run now, and the requests it has taken."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from spotkeeper.enforcer_ports import Report
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.answer_values import moment, optional_text
from spotkeeper.gcp.compute import (
    ComputeInstances,
    Json,
    OperationList,
    Shapes,
    compute_calls,
    read_as_expected,
    to_instance,
)
from spotkeeper.instances import ProvisioningModel
from spotkeeper.plans import SpotVm

_OPERATION_FIELDS = "clientOperationId,insertTime"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SpotFleet:
    """Reads the fleet; both verbs raise UnavailableError."""

    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        self._instances = ComputeInstances(
            endpoint, patience, more_fields=",status,creationTimestamp,lastStartTimestamp"
        )
        self._operations = OperationList(compute_calls(endpoint, patience), _OPERATION_FIELDS)

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
        with read_as_expected():
            return frozenset(
                optional_text(operation.get("clientOperationId"))
                for project_id in projects
                for operation in self._operations.items(project_id, _refused)
                if _time(operation.get("insertTime")) >= since
            )


def to_spot_vm(project_id: str, found: Json, shapes: Shapes, report: Report) -> SpotVm:
    """Return an instance with what it does now; one that never started counts from its creation."""
    instance = to_instance(project_id, found, shapes, report)
    with read_as_expected():
        started = _time(found.get("lastStartTimestamp") or found.get("creationTimestamp"))
        return SpotVm(instance, optional_text(found.get("status")), started)


def _time(written: object) -> datetime:
    return moment(written) if written else _LONG_AGO


def _refused(detail: str) -> None:
    """Refuse an answer that lacks something: a request that is not in it may have been taken all the same."""
    raise UnavailableError(detail)
