"""Compute Engine: the Spot instances of a project as they are now."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.instances import ComputeInstances, time_from, to_instance, unreadable_instance
from spotkeeper.gcp.compute.lists import Json, translate_parse_errors
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.http_calls import MAX_UNREADABLE_SHARE
from spotkeeper.instances import ProvisioningModel
from spotkeeper.ports import Report
from spotkeeper.values import optional_string

MIN_UNREADABLE = 3
"""So many instances at least that cannot be read, and more than MAX_UNREADABLE_SHARE, put their list in doubt."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SpotFleet:
    """Reads the fleet; raises UnavailableError."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._instances = ComputeInstances(endpoint, retry_timeout, attachments=False)

    @property
    def shapes(self) -> Shapes:
        """What machine types are made of."""
        return self._instances.shapes

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield all Spot instances of a project; a zone that does not answer is reported.

        One that cannot be read says so. Raises UnavailableError when more than MAX_UNREADABLE_SHARE of the list, and
        at least MIN_UNREADABLE, cannot be read: a plan made without them would stop others instead.
        """
        count = unreadable = 0
        for count, found in enumerate(self._instances.found(project_id, report), 1):  # noqa: B007 (used after the loop)
            try:
                vm = to_spot_vm(project_id, found, self.shapes, report)
            except UnavailableError as error:
                unreadable += 1
                vm = _unreadable(project_id, found, str(error))
            if vm.instance.provisioning_model is ProvisioningModel.SPOT:
                yield vm
        if unreadable >= MIN_UNREADABLE and unreadable > count * MAX_UNREADABLE_SHARE:
            message = f"Compute Engine: {unreadable} of the {count} instances of {project_id} cannot be read"
            raise UnavailableError(message)


def to_spot_vm(project_id: str, found: Json, shapes: Shapes, report: Report) -> SpotVm:
    """Return an instance with what it does now; one that never started counts from its creation."""
    instance = to_instance(project_id, found, shapes, report)
    with translate_parse_errors(f"instance {instance.name}"):
        started = time_from(found.get("lastStartTimestamp") or found.get("creationTimestamp"))
        return SpotVm(instance, optional_string(found.get("status")), started or _LONG_AGO)


def _unreadable(project_id: str, found: Json, problem: str) -> SpotVm:
    instance, status = unreadable_instance(project_id, found), found.get("status")
    return SpotVm(instance, status if isinstance(status, str) else "", _LONG_AGO, unreadable=problem)
