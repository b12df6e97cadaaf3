"""Compute Engine: the Spot instances of a project as they are now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.gcp.compute.instances import ComputeInstances, time_from, to_instance
from spotkeeper.gcp.compute.lists import Json, translate_parse_errors
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import ProvisioningModel
from spotkeeper.ports import Report
from spotkeeper.values import optional_string

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SpotFleet:
    """Reads the fleet; raises UnavailableError."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._instances = ComputeInstances(endpoint, retry_timeout)

    @property
    def shapes(self) -> Shapes:
        """What machine types are made of."""
        return self._instances.shapes

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield all Spot instances of a project; a zone that does not answer is reported."""

        def read(found: Json) -> SpotVm:
            return to_spot_vm(project_id, found, self.shapes, report)

        for vm in parse_each(self._instances.found(project_id, report), read, report):
            if vm.instance.provisioning_model is ProvisioningModel.SPOT:
                yield vm


def to_spot_vm(project_id: str, found: Json, shapes: Shapes, report: Report) -> SpotVm:
    """Return an instance with what it does now; one that never started counts from its creation."""
    instance = to_instance(project_id, found, shapes, report)
    with translate_parse_errors(f"instance {instance.name}"):
        started = time_from(found.get("lastStartTimestamp") or found.get("creationTimestamp"))
        return SpotVm(instance, optional_string(found.get("status")), started or _LONG_AGO)
