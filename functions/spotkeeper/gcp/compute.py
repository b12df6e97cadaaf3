"""Compute Engine: the instances of a project."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import requests
from google.api_core.exceptions import NotFound
from google.cloud import compute_v1
from requests.adapters import HTTPAdapter

from spotkeeper import machine_types
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.calls import TIMEOUT, client_options, credentials, failing_as_unavailable, retry
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.machine_types import Sizes
from spotkeeper.tracking import Report

INSTANCES_PER_PAGE = 500
"""The most that aggregatedList gives."""

_INSTANCE_FIELDS = (
    "id,name,machineType,zone,scheduling(preemptible,provisioningModel),labels,guestAccelerators,"
    "disks(type,diskSizeGb),metadata/items"
)
"""Only what a cost row needs: a full instance is ten times as large."""

_HARMLESS_WARNINGS = {"NO_RESULTS_ON_PAGE", ""}
_MIB_PER_GIB = Decimal(1024)


class ComputeInstances:
    """Lists the instances of a project over all zones, Spot or not: those not listed would seem unknown."""

    def __init__(self, endpoint: str | None, patience: timedelta, *, more_fields: str = "") -> None:
        options, signer = client_options(endpoint), credentials(endpoint)
        self._client = compute_v1.InstancesClient(credentials=signer, client_options=options)
        fields = (
            "nextPageToken,unreachables,warning(code,message),items/*/warning(code,message),"
            f"items/*/instances({_INSTANCE_FIELDS}{more_fields})"
        )
        mount(self._client, QueryParameters(fields=fields, returnPartialSuccess="true"))
        self.shapes = Shapes(compute_v1.MachineTypesClient(credentials=signer, client_options=options), patience)
        self._retry = retry(patience)

    def instances(self, project_id: str, report: Report) -> Iterator[Instance]:
        """Yield every instance; a zone that does not answer is reported."""
        return (to_instance(project_id, found, self.shapes, report) for found in self.found(project_id, report))

    def found(self, project_id: str, report: Report) -> Iterator[Any]:
        """Yield every instance as Compute Engine describes it: a protobuf of compute_v1.Instance."""
        request = compute_v1.AggregatedListInstancesRequest(project=project_id, max_results=INSTANCES_PER_PAGE)
        with failing_as_unavailable("Compute Engine"):
            pager = self._client.aggregated_list(request=request, retry=self._retry, timeout=TIMEOUT)
            for page in pager.pages:
                decoded = compute_v1.InstanceAggregatedList.pb(page)
                report_missing(decoded, report)
                for scope in decoded.items.values():
                    yield from scope.instances


class QueryParameters(HTTPAdapter):
    """Adds query parameters that a request of these client versions has no field for.

    Default parameters of the session would not do: requests ignores them when a call brings a list of its own.
    """

    def __init__(self, **parameters: str) -> None:
        super().__init__()
        self._parameters = parameters

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401 (passed on as they are)
        request.prepare_url(request.url, self._parameters)
        return super().send(request, **settings)


def mount(client: Any, adapter: HTTPAdapter) -> None:  # noqa: ANN401 (any client of compute_v1)
    """Let all requests of a client go through an adapter; there is no public way to its session."""
    session: requests.Session = client.transport._session  # noqa: SLF001
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


class Shapes:
    """Finds out what a machine type is made of: from our own table, else from Compute Engine, once for each type."""

    def __init__(self, client: compute_v1.MachineTypesClient, patience: timedelta) -> None:
        self._client = client
        self._retry = retry(patience)
        self._sizes: dict[str, Sizes | None] = {}
        self.shapes: dict[Shape, Shape] = {}

    def sizes(self, project_id: str, zone: str, machine_type: str, report: Report) -> Sizes | None:
        """Return what is billed of a machine type; None when nobody knows, or cannot tell now, which is reported."""
        if machine_type not in self._sizes:
            try:
                known = machine_types.sizes(machine_type) or self._ask(project_id, zone, machine_type)
            except UnavailableError as error:
                report(f"machine type {machine_type}: {error}")
                return None
            self._sizes[machine_type] = known
        return self._sizes[machine_type]

    def same(self, shape: Shape) -> Shape:
        """Return one object for all equal shapes: a fleet of 100,000 instances has a few dozen."""
        return self.shapes.setdefault(shape, shape)

    def _ask(self, project_id: str, zone: str, machine_type: str) -> Sizes | None:
        with failing_as_unavailable("Compute Engine"):
            try:
                found = self._client.get(
                    project=project_id, zone=zone, machine_type=machine_type, retry=self._retry, timeout=TIMEOUT
                )
            except NotFound:
                return None
        if found.bundled_local_ssds.partition_count:
            return None  # How large its disks are is not said here, and differs between families.
        accelerator = found.accelerators[0] if found.accelerators else None
        return Sizes(
            vcpus=Decimal(found.guest_cpus),
            memory_gib=found.memory_mb / _MIB_PER_GIB,
            gpu_type=accelerator.guest_accelerator_type if accelerator else None,
            gpu_count=accelerator.guest_accelerator_count if accelerator else 0,
            local_ssd_gib=0,
        )


def to_instance(project_id: str, found: Any, shapes: Shapes, report: Report) -> Instance:  # noqa: ANN401 (protobuf of compute_v1.Instance)
    """Return what is kept of an instance that Compute Engine or its asset history describes."""
    zone = last_part(found.zone)
    machine_type = last_part(found.machine_type)
    sizes = shapes.sizes(project_id, zone, machine_type, report)
    attached = found.guest_accelerators[0] if found.guest_accelerators else None
    local_ssd_gib = sum(disk.disk_size_gb for disk in found.disks if disk.type_ == "SCRATCH")
    return Instance(
        key=InstanceKey(project_id, zone, str(found.id)),
        name=found.name,
        provisioning_model=_provisioning_model(found.scheduling),
        shape=shapes.same(
            Shape(
                machine_type=machine_type,
                vcpus=sizes.vcpus if sizes else None,
                memory_gib=sizes.memory_gib if sizes else None,
                gpu_type=last_part(attached.accelerator_type) if attached else sizes.gpu_type if sizes else None,
                gpu_count=attached.accelerator_count if attached else sizes.gpu_count if sizes else 0,
                local_ssd_gib=local_ssd_gib or (sizes.local_ssd_gib if sizes else 0),
            )
        ),
        labels=tuple(sorted(found.labels.items())),
        managed_by=next((item.value for item in found.metadata.items if item.key == "created-by"), None),
    )


def _provisioning_model(scheduling: Any) -> ProvisioningModel:  # noqa: ANN401 (protobuf of compute_v1.Scheduling)
    """Return SPOT for Spot VMs and for their predecessor, preemptible VMs: they have one price."""
    if scheduling.preemptible:
        return ProvisioningModel.SPOT
    try:
        return ProvisioningModel(scheduling.provisioning_model or ProvisioningModel.STANDARD)
    except ValueError:
        return ProvisioningModel.STANDARD


def report_missing(page: Any, report: Report) -> None:  # noqa: ANN401 (protobuf of an aggregated list)
    """Report what a page of an aggregated list says is not in it."""
    for scope in page.unreachables:
        report(f"Compute Engine: {last_part(scope)} does not answer")
    for warning in (page.warning, *(scope.warning for scope in page.items.values())):
        if warning.code not in _HARMLESS_WARNINGS:
            report(f"Compute Engine: {warning.code}: {warning.message}")


def last_part(url: str) -> str:
    """Return the name at the end of a resource's URL."""
    return url.rpartition("/")[2]
