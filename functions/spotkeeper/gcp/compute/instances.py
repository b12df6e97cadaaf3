"""Compute Engine: the instances of a project."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from spotkeeper.gcp.compute.lists import InstanceList, Json, compute_calls, last_part, translate_parse_errors
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape, Sighting
from spotkeeper.ports import Report
from spotkeeper.values import count, identifier, optional_boolean, optional_string, replace_surrogates, string, time

_LONGEST_NAME = 80
_LONGEST_VALUE = 300
"""Longer than the URL of any zone or machine type."""

_INSTANCE_FIELDS = (
    "id,name,machineType,zone,scheduling(preemptible,provisioningModel),labels,guestAccelerators,"
    "disks(type,diskSizeGb),metadata/items,status,creationTimestamp,lastStartTimestamp,lastSuspendedTimestamp"
)
"""Only what is needed: a full instance is eight times as large."""


class ComputeInstances:
    """Lists the instances of a project over all zones, Spot or not: those not listed would seem unknown."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        calls = compute_calls(endpoint, retry_timeout)
        self._list = InstanceList(calls, _INSTANCE_FIELDS)
        self.shapes = Shapes(MachineTypes(calls))

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield every instance; a zone that does not answer, and one that cannot be read, is reported.

        One whose machine type could not be read now is left out: recorded without its size, it would stay so for good.
        """

        def read(found: Json) -> Sighting:
            return Sighting(
                to_instance(project_id, found, self.shapes, report), _running_since(found), *start_and_creation(found)
            )

        for sighting in parse_each(self.found(project_id, report), read, report):
            if sighting.instance.shape.machine_type not in self.shapes.unread:
                yield sighting

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters that choose what is read."""
        return self._list.query

    def found(self, project_id: str, report: Report) -> Iterator[Json]:
        """Yield every instance as Compute Engine describes it."""
        self.shapes.unread.clear()
        return self._list.items(project_id, report)


def to_instance(project_id: str, found: Json, shapes: Shapes, report: Report) -> Instance:
    """Return what is kept of an instance as Compute Engine or its asset history describes it, in JSON."""
    with translate_parse_errors(_called(found)):
        zone = string(last_part(found["zone"]))
        machine_type = string(last_part(found["machineType"]))
        sizes = shapes.sizes(project_id, zone, machine_type, report)
        attached = (found.get("guestAccelerators") or [None])[0]
        local_ssd_gib = sum(
            count(disk.get("diskSizeGb", 0)) for disk in found.get("disks", ()) if disk.get("type") == "SCRATCH"
        )
        return Instance(
            key=InstanceKey(project_id, zone, identifier(found["id"])),
            name=string(found["name"]),
            provisioning_model=_provisioning_model(found.get("scheduling", {})),
            shape=shapes.same(
                Shape(
                    machine_type=machine_type,
                    vcpus=sizes.vcpus if sizes else None,
                    memory_gib=sizes.memory_gib if sizes else None,
                    gpu_type=string(last_part(attached["acceleratorType"]))
                    if attached
                    else sizes.gpu_type
                    if sizes
                    else None,
                    gpu_count=count(attached["acceleratorCount"]) if attached else sizes.gpu_count if sizes else 0,
                    local_ssd_gib=local_ssd_gib or (sizes.local_ssd_gib if sizes else 0),
                )
            ),
            labels=tuple(sorted((key, optional_string(label)) for key, label in found.get("labels", {}).items())),
            managed_by=next(
                (
                    string(value)
                    for item in _metadata(found)
                    if item.get("key") == "created-by" and (value := item.get("value"))
                ),
                None,
            ),
        )


def unreadable_instance(project_id: str, found: Json) -> Instance:
    """Return what can be read of an instance that `to_instance` refuses: a Spot VM, unless it surely is another."""
    labels = found.get("labels")
    pairs = labels.items() if isinstance(labels, dict) else ()
    try:
        model = _provisioning_model(found.get("scheduling", {}))
    except (AttributeError, ValueError):
        model = ProvisioningModel.SPOT
    return Instance(
        key=InstanceKey(project_id, last_part(_written(found.get("zone"))), _written(found.get("id"))),
        name=_written(found.get("name")),
        provisioning_model=model,
        shape=Shape(last_part(_written(found.get("machineType"))), None, None),
        labels=tuple(sorted((key, value) for key, value in pairs if isinstance(value, str))),
    )


def _written(value: object) -> str:
    return replace_surrogates(str(value)[:_LONGEST_VALUE]) if isinstance(value, str | int) else ""


def time_from(written: object) -> datetime | None:
    """Return a time of Compute Engine's; None for no time."""
    return time(written) if written else None


def start_and_creation(found: Json) -> tuple[datetime | None, datetime | None]:
    """Return when an instance started last and when it was created; None for one that never started.

    A resumed instance keeps the time at which it started before it was suspended.
    """
    with translate_parse_errors(_called(found)):
        return time_from(found.get("lastStartTimestamp")), time_from(found.get("creationTimestamp"))


def _called(found: Json) -> str:
    """How a sentence about an instance calls it, whatever its name is."""
    return f"instance {str(found.get('name'))[:_LONGEST_NAME]}".encode(errors="replace").decode()


def _running_since(found: Json) -> datetime | None:
    """Since when an instance has run; a resumed one does not say."""
    if found.get("status") != "RUNNING" or found.get("lastSuspendedTimestamp"):
        return None
    with translate_parse_errors(_called(found)):
        return time_from(found.get("lastStartTimestamp"))


def _metadata(found: Json) -> Iterable[Json]:
    items: Iterable[Json] = found.get("metadata", {}).get("items", ())
    return items


def _provisioning_model(scheduling: Json) -> ProvisioningModel:
    """Return SPOT for Spot VMs and for their predecessor, preemptible VMs: they have one price."""
    model = optional_string(scheduling.get("provisioningModel"))
    if optional_boolean(scheduling.get("preemptible")):
        return ProvisioningModel.SPOT
    try:
        return ProvisioningModel(model or ProvisioningModel.STANDARD)
    except ValueError:
        return ProvisioningModel.STANDARD
