"""Operations that nobody began here: what the fleet's past was made of, preempted VMs and created ones."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from infra.local.emulators.compute.resources import ROOT, pacific
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import Operation as SystemEvent
from infra.local.fleet.fleet import Project, Vm

KEPT = timedelta(days=14)
"""How long operations are listed."""

_TAKES = timedelta(seconds=8)

type Json = dict[str, object]


def past_operations(state: CloudState, project: Project) -> Iterator[tuple[str, Json]]:
    """Yield the scope of each, and the operation as the API shows it."""
    now = state.clock.now
    for event in state.fleet.preemptions(project.project_id, now):
        if now - event.at <= KEPT:
            yield f"zones/{event.vm.zone}", _preempted(project, event)
    for vm in state.fleet.of_project(project.project_id):
        if now - KEPT <= vm.created <= now - _TAKES:
            yield f"zones/{vm.zone}", _created(project, vm)


def event_id(event: SystemEvent) -> tuple[int, str]:
    """Return the number and the name of the operation of an event."""
    number = _number(event.vm, event.operation_type, event.at)
    return number, f"systemevent-{int(event.at.timestamp() * 1000)}-{number:016x}"


def creator(project: Project, vm: Vm) -> str:
    """Return who created a VM: whoever asked, and the service agent for the members of a managed group."""
    return f"{project.number}@cloudservices.gserviceaccount.com" if vm.created_by else vm.user


def _preempted(project: Project, event: SystemEvent) -> Json:
    """Something Compute Engine did by itself."""
    return {
        **_operation(project, event.vm, event_id(event), (event.at, event.at)),
        "operationType": event.operation_type,
        "statusMessage": "Instance was preempted.",
        "user": "system",
    }


def _created(project: Project, vm: Vm) -> Json:
    """The creation of one VM, also of one that a bulk insert made with others."""
    number = _number(vm, "insert", vm.created)
    name = f"operation-{int(vm.created.timestamp() * 1000)}-{number:016x}"
    return {
        **_operation(project, vm, (number, name), (vm.created, vm.created + _TAKES)),
        "operationType": "insert",
        "user": creator(project, vm),
    }


def _operation(project: Project, vm: Vm, named: tuple[int, str], span: tuple[datetime, datetime]) -> Json:
    """What both have: the number and name of the operation, and when it began and ended."""
    number, name = named
    start, end = span
    where = f"{ROOT}/projects/{project.project_id}/zones/{vm.zone}"
    return {
        "kind": "compute#operation",
        "id": str(number),
        "name": name,
        "targetLink": f"{where}/instances/{vm.name}",
        "targetId": str(vm.instance_id),
        "status": "DONE",
        "progress": 100,
        "insertTime": pacific(start),
        "startTime": pacific(start),
        "endTime": pacific(end),
        "selfLink": f"{where}/operations/{name}",
        "zone": where,
    }


def _number(vm: Vm, operation_type: str, at: datetime) -> int:
    described = f"{vm.instance_id} {operation_type} {pacific(at)}"
    return int.from_bytes(hashlib.sha256(described.encode()).digest()[:8])
