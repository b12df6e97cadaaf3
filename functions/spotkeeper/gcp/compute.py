"""Compute Engine: the instances of a project."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from spotkeeper import machine_types
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.answer_values import count, moment, number_as_text, optional_text, size, text, text_or_none, truth
from spotkeeper.gcp.plain_calls import CallError, PlainCalls, Turning, readable
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape, Sighting
from spotkeeper.machine_types import Sizes
from spotkeeper.tracker_ports import Report

HOST = "compute.googleapis.com"
PROJECTS = "/compute/v1/projects"

ITEMS_PER_PAGE = 500
"""The most that aggregatedList gives."""

_LONGEST_NAME = 80

type Json = dict[str, Any]

_INSTANCE_FIELDS = (
    "id,name,machineType,zone,scheduling(preemptible,provisioningModel),labels,guestAccelerators,"
    "disks(type,diskSizeGb),metadata/items,status,creationTimestamp,lastStartTimestamp,lastSuspendedTimestamp"
)
"""Only what is needed: a full instance is eight times as large."""

_HARMLESS_WARNINGS = {"NO_RESULTS_ON_PAGE", ""}
_MIB_PER_GIB = Decimal(1024)


class ComputeInstances:
    """Lists the instances of a project over all zones, Spot or not: those not listed would seem unknown."""

    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        calls = compute_calls(endpoint, patience)
        self._list = InstanceList(calls, _INSTANCE_FIELDS)
        self.shapes = Shapes(MachineTypes(calls))

    def instances(self, project_id: str, report: Report) -> Iterator[Sighting]:
        """Yield every instance; a zone that does not answer, and one that cannot be read, is reported.

        One whose machine type could not be read now is left out: recorded without its size, it would stay so for good.
        """

        def read(found: Json) -> Sighting:
            return Sighting(to_instance(project_id, found, self.shapes, report), _running_since(found))

        for sighting in readable(self.found(project_id, report), read, report):
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


def compute_calls(endpoint: str | None, patience: timedelta) -> PlainCalls:
    """Return the way to Compute Engine, or to a server that speaks its protocol."""
    return PlainCalls("Compute Engine", HOST, endpoint, patience)


class AggregatedList:
    """A list over all zones of a project, in JSON; raises UnavailableError.

    https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList
    """

    collection = ""
    kind = ""

    def __init__(self, calls: PlainCalls, fields: str) -> None:
        """Prepare to read some fields of what is listed."""
        self._calls = calls
        self.query = {
            "maxResults": str(ITEMS_PER_PAGE),
            "returnPartialSuccess": "true",
            "fields": (
                "kind,nextPageToken,unreachables,warning(code,message),items/*/warning(code,message),"
                f"items/*/{self.collection}({fields})"
            ),
        }

    def items(self, project_id: str, report: Report, **more: str) -> Iterator[Json]:
        """Yield all that is listed, for a query with more parameters; a zone that does not answer is reported.

        Every page says that it is one: an answer that does not is no list of nothing.
        """
        query = {**self.query, **more}
        turned = Turning("Compute Engine")
        while True:
            page = self._calls.call("GET", f"{PROJECTS}/{project_id}/aggregated/{self.collection}", query=query)
            if page.get("kind") != self.kind:
                message = f"Compute Engine: {str(page)[:200]} was answered where a {self.kind} was promised"
                raise UnavailableError(message)
            scopes = list(_expected(page.get("items", {}), dict).values())
            _report_missing(page, scopes, report)
            for scope in scopes:
                for item in _expected(_expected(scope, dict).get(self.collection, []), list):
                    yield _expected(item, dict)
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = turned.to(_expected(page["nextPageToken"], str))


class InstanceList(AggregatedList):
    """The instances of a project."""

    collection = "instances"
    kind = "compute#instanceAggregatedList"


class OperationList(AggregatedList):
    """The operations of a project, zonal, regional and global.

    https://cloud.google.com/compute/docs/reference/rest/v1/globalOperations/aggregatedList
    """

    collection = "operations"
    kind = "compute#operationAggregatedList"


class MachineTypes:
    """What Compute Engine says of machine types."""

    def __init__(self, calls: PlainCalls) -> None:
        """Prepare to ask."""
        self._calls = calls

    def get(self, project_id: str, zone: str, machine_type: str) -> Json | None:
        """Return the description of a machine type; None when there is none of this name."""
        try:
            return self._calls.call("GET", f"{PROJECTS}/{project_id}/zones/{zone}/machineTypes/{machine_type}")
        except CallError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise


class Shapes:
    """Finds out what a machine type is made of: from our own table, else from Compute Engine, once for each type."""

    def __init__(self, described: MachineTypes) -> None:
        self._described = described
        self._sizes: dict[str, Sizes | None] = {}
        self.shapes: dict[Shape, Shape] = {}
        self.unread: set[str] = set()

    def sizes(self, project_id: str, zone: str, machine_type: str, report: Report) -> Sizes | None:
        """Return what is billed of a machine type; None when nobody knows, or cannot tell now, which is reported."""
        if machine_type in self.unread:
            return None
        if machine_type not in self._sizes:
            try:
                known = machine_types.sizes(machine_type) or self._ask(project_id, zone, machine_type)
            except UnavailableError as error:
                report(f"machine type {machine_type}: {error}")
                self.unread.add(machine_type)
                return None
            self._sizes[machine_type] = known
        return self._sizes[machine_type]

    def same(self, shape: Shape) -> Shape:
        """Return one object for all equal shapes: a fleet of 100,000 instances has a few dozen."""
        return self.shapes.setdefault(shape, shape)

    def _ask(self, project_id: str, zone: str, machine_type: str) -> Sizes | None:
        found = self._described.get(project_id, zone, machine_type)
        if found is None:
            return None
        with read_as_expected():
            if found.get("bundledLocalSsds", {}).get("partitionCount"):
                return None  # How large its disks are is not said here, and differs between families.
            accelerator = (found.get("accelerators") or [{}])[0]
            return Sizes(
                vcpus=size(found["guestCpus"]),
                memory_gib=size(found["memoryMb"]) / _MIB_PER_GIB,
                gpu_type=text_or_none(accelerator.get("guestAcceleratorType")),
                gpu_count=count(accelerator.get("guestAcceleratorCount", 0)),
                local_ssd_gib=0,
            )


def to_instance(project_id: str, found: Json, shapes: Shapes, report: Report) -> Instance:
    """Return what is kept of an instance as Compute Engine or its asset history describes it, in JSON."""
    with read_as_expected(_called(found)):
        zone = text(last_part(found["zone"]))
        machine_type = text(last_part(found["machineType"]))
        sizes = shapes.sizes(project_id, zone, machine_type, report)
        attached = (found.get("guestAccelerators") or [None])[0]
        local_ssd_gib = sum(
            count(disk.get("diskSizeGb", 0)) for disk in found.get("disks", ()) if disk.get("type") == "SCRATCH"
        )
        return Instance(
            key=InstanceKey(project_id, zone, number_as_text(found["id"])),
            name=text(found["name"]),
            provisioning_model=_provisioning_model(found.get("scheduling", {})),
            shape=shapes.same(
                Shape(
                    machine_type=machine_type,
                    vcpus=sizes.vcpus if sizes else None,
                    memory_gib=sizes.memory_gib if sizes else None,
                    gpu_type=text(last_part(attached["acceleratorType"]))
                    if attached
                    else sizes.gpu_type
                    if sizes
                    else None,
                    gpu_count=count(attached["acceleratorCount"]) if attached else sizes.gpu_count if sizes else 0,
                    local_ssd_gib=local_ssd_gib or (sizes.local_ssd_gib if sizes else 0),
                )
            ),
            labels=tuple(sorted((key, optional_text(label)) for key, label in found.get("labels", {}).items())),
            managed_by=next(
                (text(item["value"]) for item in _metadata(found) if item["key"] == "created-by"),
                None,
            ),
        )


def last_part(url: str) -> str:
    """Return the name at the end of a resource's URL."""
    return url.rpartition("/")[2]


def time_from(written: object) -> datetime | None:
    """Return a time of Compute Engine's; None for no time."""
    return moment(written) if written else None


def _called(found: Json) -> str:
    """How a sentence about an instance calls it, whatever its name is."""
    return f"instance {str(found.get('name'))[:_LONGEST_NAME]}".encode(errors="replace").decode()


def _running_since(found: Json) -> datetime | None:
    """Since when an instance has run; a resumed one does not say."""
    if found.get("status") != "RUNNING" or found.get("lastSuspendedTimestamp"):
        return None
    with read_as_expected(_called(found)):
        return time_from(found.get("lastStartTimestamp"))


def _metadata(found: Json) -> Iterable[Json]:
    items: Iterable[Json] = found.get("metadata", {}).get("items", ())
    return items


def _provisioning_model(scheduling: Json) -> ProvisioningModel:
    """Return SPOT for Spot VMs and for their predecessor, preemptible VMs: they have one price."""
    model = optional_text(scheduling.get("provisioningModel"))
    if truth(scheduling.get("preemptible")):
        return ProvisioningModel.SPOT
    try:
        return ProvisioningModel(model or ProvisioningModel.STANDARD)
    except ValueError:
        return ProvisioningModel.STANDARD


def _report_missing(page: Json, scopes: Iterable[Json], report: Report) -> None:
    """Report what a page of an aggregated list says is not in it."""
    for scope in _expected(page.get("unreachables", []), list):
        report(f"Compute Engine: {last_part(str(scope))} does not answer")
    for part in (page, *scopes):
        warning = _expected(part, dict).get("warning")
        if warning and str(_expected(warning, dict).get("code", "")) not in _HARMLESS_WARNINGS:
            report(f"Compute Engine: {warning.get('code')}: {warning.get('message', '')}")


def _expected[Kind](value: object, kind: type[Kind]) -> Kind:
    """Return a part of an answer that is of the promised kind."""
    if not isinstance(value, kind):
        message = f"Compute Engine: {str(value)[:200]!r} was answered where a {kind.__name__} was promised"
        raise UnavailableError(message)
    return value


@contextmanager
def read_as_expected(what: str = "an answer") -> Iterator[None]:
    """Take what does not fit into a description for a service that is out of order."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        message = f"Compute Engine: {what} is of another form than promised: {type(error).__name__}: {error}"
        raise UnavailableError(message) from error
