"""Compute Engine: the instances of a project."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache

from spotkeeper.gcp.compute.lists import (
    PARSE_ERRORS,
    InstanceList,
    Json,
    compute_calls,
    last_part,
    translate_parse_errors,
    unexpected,
)
from spotkeeper.gcp.compute.shapes import MachineTypes, Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import (
    UNKNOWN_ATTACHMENTS,
    Attachments,
    Instance,
    InstanceKey,
    ProvisioningModel,
    Shape,
    Sighting,
)
from spotkeeper.logs import log_event
from spotkeeper.ports import Report
from spotkeeper.values import count, identifier, optional_boolean, optional_string, replace_surrogates, string, time

_LONGEST_NAME = 80
_LONGEST_VALUE = 300
"""Longer than the URL of any zone or machine type."""

_MODELS = {model.value: model for model in ProvisioningModel}

_LAST_STOP = {
    "TERMINATED": "lastStopTimestamp",
    "STOPPED": "lastStopTimestamp",
    "SUSPENDED": "lastSuspendedTimestamp",
}
"""The field that says since when an instance has not run, by its status."""

_NAT, _TIER_1 = "ONE_TO_ONE_NAT", "TIER_1"

_INSTANCE_FIELDS = (
    "id,name,machineType,zone,scheduling(preemptible,provisioningModel),labels,guestAccelerators,disks({disk}),"
    "metadata/items,status,creationTimestamp,lastStartTimestamp,lastSuspendedTimestamp{more}"
)
_ALONE = _INSTANCE_FIELDS.format(disk="type,diskSizeGb", more="")
_WITH_ATTACHMENTS = _INSTANCE_FIELDS.format(
    disk="type,diskSizeGb,licenses",
    more=",lastStopTimestamp,networkInterfaces/accessConfigs(type,natIP),networkPerformanceConfig/totalEgressBandwidthTier",
)
"""Only what is needed: a full instance is eight times as large."""


class ComputeInstances:
    """Lists the instances of a project over all zones, Spot or not: those not listed would seem unknown."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta, *, attachments: bool) -> None:
        calls = compute_calls(endpoint, retry_timeout)
        self._list = InstanceList(calls, _WITH_ATTACHMENTS if attachments else _ALONE)
        self.shapes = Shapes(MachineTypes(calls))

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield every instance; a zone that does not answer, and one that cannot be read, is reported.

        One whose machine type could not be read now is left out: recorded without its size, it would stay so for good.
        """

        def read(found: Json) -> Sighting:
            try:
                attached, local_ssds = attachments_of(found), _local_ssds(found)
                instance = _instance(project_id, found, self.shapes, report, attached, local_ssds)
                started, created = _start_and_creation(found)
                is_stopped, stopped = _stop(found)
            except PARSE_ERRORS as error:
                raise unexpected(error, _called(found)) from error
            since, disk_count = _running_since(found, started), len(found.get("disks", ())) - len(local_ssds)
            return Sighting(instance, since, started, created, disk_count, is_stopped, stopped)

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


def to_instance(
    project_id: str, found: Json, shapes: Shapes, report: Report, attached: Attachments = UNKNOWN_ATTACHMENTS
) -> Instance:
    """Return what is kept of an instance as Compute Engine or its asset history describes it, in JSON."""
    with translate_parse_errors(_called(found)):
        return _instance(project_id, found, shapes, report, attached, _local_ssds(found))


def _instance(  # noqa: PLR0913, PLR0917 (what was worked out of it before)
    project_id: str, found: Json, shapes: Shapes, report: Report, attached: Attachments, local_ssds: Sequence[Json]
) -> Instance:
    """Return an instance; its parts that others have too are shared. Raises one of PARSE_ERRORS.

    A hundred thousand instances are read in one run: what few of them need is not worked out for all.
    """
    zone, machine_type = _last_name(found["zone"]), _last_name(found["machineType"])
    sizes = shapes.sizes(project_id, zone, machine_type, report)
    return Instance(
        InstanceKey(project_id, zone, identifier(found["id"])),
        string(found["name"]),
        _provisioning_model(found.get("scheduling", {})),
        shapes.shape(machine_type, sizes, _attached_gpus(found), _gib(local_ssds)),
        labels_of(found.get("labels", {})),
        _managed_by(found),
        attached,
    )


def unreadable_instance(project_id: str, found: Json) -> Instance:
    """Return what can be read of an instance that `to_instance` refuses: a Spot VM, unless it surely is another."""
    labels, scheduling = found.get("labels"), found.get("scheduling")
    pairs = labels.items() if isinstance(labels, dict) else ()
    model = ProvisioningModel.SPOT
    if isinstance(scheduling, dict) and scheduling.keys() & {"preemptible", "provisioningModel"}:
        with suppress(ValueError):
            model = _provisioning_model(scheduling)
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
        return _start_and_creation(found)


def _start_and_creation(found: Json) -> tuple[datetime | None, datetime | None]:
    return time_from(found.get("lastStartTimestamp")), time_from(found.get("creationTimestamp"))


def _called(found: Json) -> str:
    """How a sentence about an instance calls it, whatever its name is."""
    return f"instance {str(found.get('name'))[:_LONGEST_NAME]}".encode(errors="replace").decode()


def _running_since(found: Json, started: datetime | None) -> datetime | None:
    """Since when an instance has run; a resumed one does not say."""
    return started if found.get("status") == "RUNNING" and not found.get("lastSuspendedTimestamp") else None


def _stop(found: Json) -> tuple[bool, datetime | None]:
    """Whether an instance is stopped or suspended, and since when if Compute Engine has it."""
    name = _LAST_STOP.get(found.get("status", ""))
    return (False, None) if name is None else (True, time_from(found.get(name)))


def _attached_gpus(found: Json) -> tuple[str, int] | None:
    for attached in found.get("guestAccelerators") or ():
        return _last_name(attached["acceleratorType"]), count(attached["acceleratorCount"])
    return None


def _local_ssds(found: Json) -> Sequence[Json]:
    return [disk for disk in found.get("disks", ()) if disk.get("type") == "SCRATCH"]


def _gib(local_ssds: Sequence[Json]) -> int:
    return sum([count(disk.get("diskSizeGb", 0)) for disk in local_ssds])


def attachments_of(found: Json, *, names_licenses: bool = True) -> Attachments:
    """Return what is attached to an instance, without its disks: another list has their types.

    An access config without an address is that of a stopped instance, which gets one when it starts. A request to
    create an instance does not name the licenses of its disks. What cannot be read is not known: it hides neither the
    instance nor what it costs without.
    """
    try:
        return _attached(found, names_licenses=names_licenses)
    except PARSE_ERRORS as error:
        log_event("attachments not read", logging.WARNING, instance=_called(found), detail=repr(error)[:_LONGEST_VALUE])
        return UNKNOWN_ATTACHMENTS


def _attached(found: Json, *, names_licenses: bool) -> Attachments:
    interfaces, performance = found.get("networkInterfaces"), found.get("networkPerformanceConfig")
    urls = [url for disk in found.get("disks", ()) if "licenses" in disk for url in disk["licenses"]]
    addresses = [
        config.get("natIP")
        for interface in interfaces or ()
        for config in interface.get("accessConfigs", ())
        if config.get("type", _NAT) == _NAT
    ]
    return _alike(
        tuple(urls) if names_licenses else None,
        None if interfaces is None else len(addresses),
        performance is not None and performance.get("totalEgressBandwidthTier") == _TIER_1,
        sum(map(bool, addresses)) if found.get("status") == "TERMINATED" else 0,
    )


@lru_cache(maxsize=4096)
def _alike(urls: tuple[str, ...] | None, addresses: int | None, tier_1: bool, reserved: int) -> Attachments:  # noqa: FBT001
    """Return attachments; those of equal instances are one object."""
    licenses = None if urls is None else tuple(sorted({_license(url) for url in urls}))
    return Attachments(None, addresses, licenses, tier_1=tier_1, reserved_addresses=reserved)


def _license(url: object) -> str:
    """Return the project and the name of a license: `…/projects/PROJECT/global/licenses/NAME`."""
    *_, project_id, _scope, kind, name = string(url).split("/")
    if kind != "licenses" or not project_id or not name:
        expected = "the URL of a license"
        raise ValueError(expected)
    return f"{project_id}/{name}"


def labels_of(labels: Json) -> tuple[tuple[str, str], ...]:
    """Return labels in order."""
    pairs = tuple(labels.items())
    try:
        return _sorted_labels(pairs)
    except TypeError:  # A value is an object or a list, which cannot be looked up.
        return _sorted_labels.__wrapped__(pairs)


@lru_cache(maxsize=4096)
def _sorted_labels(pairs: Iterable[tuple[str, object]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, optional_string(label)) for key, label in pairs))


def _managed_by(found: Json) -> str | None:
    """Return what created an instance, such as the URL of its group; None when nothing says so."""
    for item in found.get("metadata", {}).get("items", ()):
        if item.get("key") == "created-by" and (value := item.get("value")):
            return _shared_string(value)
    return None


def _provisioning_model(scheduling: Json) -> ProvisioningModel:
    """Return SPOT for Spot VMs and for their predecessor, preemptible VMs: they have one price."""
    model = optional_string(scheduling.get("provisioningModel"))
    if optional_boolean(scheduling.get("preemptible")):
        return ProvisioningModel.SPOT
    return _MODELS.get(model, ProvisioningModel.STANDARD)


@lru_cache(maxsize=4096)
def _last_name(url: str) -> str:
    return string(last_part(url))


_shared_string = lru_cache(maxsize=4096)(string)
