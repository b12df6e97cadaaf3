"""The sizes of machine types, as Compute Engine tells them."""

from decimal import Decimal
from http import HTTPStatus

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute.lists import PROJECTS, Json, translate_parse_errors
from spotkeeper.gcp.http_calls import CallError, HttpCalls
from spotkeeper.instances import Shape
from spotkeeper.ports import Report
from spotkeeper.pricing import machine_types
from spotkeeper.pricing.machine_types import Sizes
from spotkeeper.values import count, size, string_or_none

_MIB_PER_GIB = Decimal(1024)


class MachineTypes:
    """What Compute Engine says of machine types."""

    def __init__(self, calls: HttpCalls) -> None:
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
        self._shapes: dict[tuple[str, bool, tuple[str, int] | None, int], Shape] = {}
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

    def shape(self, machine_type: str, sizes: Sizes | None, gpus: tuple[str, int] | None, local_ssd_gib: int) -> Shape:
        """Return the shape of a machine type of these sizes with attached GPUs and local SSD, as far as it has any.

        All equal shapes are one object: a fleet of 100,000 instances has a few dozen.
        """
        attached = machine_type, sizes is None, gpus, local_ssd_gib
        known = self._shapes.get(attached)
        if known is None:
            gpu_type, gpu_count = gpus or ((sizes.gpu_type, sizes.gpu_count) if sizes else (None, 0))
            known = self._shapes[attached] = Shape(
                machine_type=machine_type,
                vcpus=sizes.vcpus if sizes else None,
                memory_gib=sizes.memory_gib if sizes else None,
                gpu_type=gpu_type,
                gpu_count=gpu_count,
                local_ssd_gib=local_ssd_gib or (sizes.local_ssd_gib if sizes else 0),
            )
        return known

    def _ask(self, project_id: str, zone: str, machine_type: str) -> Sizes | None:
        found = self._described.get(project_id, zone, machine_type)
        if found is None:
            return None
        with translate_parse_errors():
            if found.get("bundledLocalSsds", {}).get("partitionCount"):
                return None  # How large its disks are is not said here, and differs between families.
            accelerator = (found.get("accelerators") or [{}])[0]
            return Sizes(
                vcpus=size(found["guestCpus"]),
                memory_gib=size(found["memoryMb"]) / _MIB_PER_GIB,
                gpu_type=string_or_none(accelerator.get("guestAcceleratorType")),
                gpu_count=count(accelerator.get("guestAcceleratorCount", 0)),
                local_ssd_gib=0,
            )
