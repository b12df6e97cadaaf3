"""Cloud Logging's REST service: `entries.list` of the audit logs, as far as they are about new and preempted VMs."""

import functools
import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from starlette.routing import Route

from infra.local.emulators import log_filters
from infra.local.emulators.compute import resources
from infra.local.emulators.compute.past_operations import creator, event_id
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import rfc3339
from infra.local.fleet.fleet import Operation, Project, Vm

LARGEST_PAGE = 1000
DEFAULT_PAGE = 50
KEPT = timedelta(days=400)
RECEIVED_AFTER = timedelta(seconds=2)
PERMISSION = "logging.logEntries.list"
ORDERS = ("", "timestamp asc", "timestamp desc")
FIELDS = {"resourceNames", "filter", "orderBy", "pageSize", "pageToken"}
TRIGGER = "compute.googleapis.com/root_trigger_id"

type Json = dict[str, Any]


def routes(state: CloudState) -> list[Route]:
    """The paths it answers."""
    method = Method(state, "logging", "entries.list", functools.partial(_list, state))
    return [Route("/v2/entries:list", method.answer, methods=["POST"])]


def _list(state: CloudState, call: Call) -> bytes:
    call.only()
    body = call.json()
    if unknown := body.keys() - FIELDS:
        raise ApiError(400, f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.')
    project = _project(state, body.get("resourceNames"))
    order, size = body.get("orderBy", ""), body.get("pageSize", 0)
    if order not in ORDERS:
        raise ApiError(400, f"Unsupported order_by: {order}")
    if not isinstance(size, int) or not 0 <= size <= LARGEST_PAGE:
        raise ApiError(400, f"page_size must be from 0 to {LARGEST_PAGE}, not {size}.")
    try:
        comparisons = log_filters.read(str(body.get("filter", "")))
    except ValueError as error:
        raise ApiError(400, str(error)) from error
    entries = [entry for entry in entries_of(state, project) if all(each.accepts(entry) for each in comparisons)]
    entries.sort(key=lambda entry: str(entry["timestamp"]), reverse=order == "timestamp desc")
    limit = state.faults.page_limits.get(("logging", "entries.list"))
    return _page(entries, str(body.get("pageToken", "")), min(size or DEFAULT_PAGE, limit or LARGEST_PAGE), body)


def _project(state: CloudState, names: object) -> Project:
    if not isinstance(names, list) or not names:
        raise ApiError(400, "At least one resource name is required.")
    if len(names) > 1 or not str(names[0]).startswith("projects/"):
        raise ApiError(400, "The emulator lists the entries of one project at a time.")
    project = state.fleet.project(str(names[0]).removeprefix("projects/"))
    if project is None or not state.permissions.allow(PERMISSION, project.project_id):
        raise ApiError(403, "Permission denied for all log views")
    return project


def _page(entries: Sequence[Json], token: str, size: int, body: Json) -> bytes:
    """One page; a token is good for the request that it was given for, and for no other."""
    request = repr(sorted((name, value) for name, value in body.items() if name not in {"pageToken", "pageSize"}))
    series = uuid.uuid5(uuid.NAMESPACE_OID, request).hex
    given, _, start = token.partition(".")
    if token and (given != series or not start.isdecimal()):
        raise ApiError(400, "page_token doesn't match arguments from the request")
    first = int(start or 0)
    answer: Json = {"entries": list(entries[first : first + size])} if entries[first : first + size] else {}
    if first + size < len(entries):
        answer["nextPageToken"] = f"{series}.{first + size}"
    return json.dumps(answer, separators=(",", ":")).encode()


def entries_of(state: CloudState, project: Project) -> Iterator[Json]:
    """Yield what the audit logs hold of the creation and the preemption of a project's VMs."""
    now = state.clock.now
    for event in state.fleet.preemptions(project.project_id, now - RECEIVED_AFTER):
        if now - event.at <= KEPT:
            yield _preempted(event, project)
    bulk: set[str] = set()
    for vm in state.fleet.of_project(project.project_id):
        if now - KEPT <= vm.created <= now - RECEIVED_AFTER:
            if not vm.bulk_insert:
                yield from _single(vm, project)
                continue
            if vm.bulk_insert not in bulk:
                bulk.add(vm.bulk_insert)
                yield _bulk_request(vm, project)
            yield _bulk_created(vm, project)


def _preempted(event: Operation, project: Project) -> Json:
    """An entry of the system event log: Compute Engine took back a VM."""
    vm, method = event.vm, event.operation_type
    _, name = event_id(event)
    return {
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": "system@google.com"},
            "serviceName": "compute.googleapis.com",
            "methodName": method,
            "resourceName": f"projects/{project.project_id}/zones/{vm.zone}/instances/{vm.name}",
            "request": {"@type": f"type.googleapis.com/{method}"},
        },
        "insertId": resources.fingerprint(vm.instance_id, name),
        "resource": {
            "type": "gce_instance",
            "labels": {"zone": vm.zone, "project_id": project.project_id, "instance_id": str(vm.instance_id)},
        },
        "timestamp": rfc3339(event.at),
        "severity": "INFO",
        "logName": f"projects/{project.project_id}/logs/cloudaudit.googleapis.com%2Fsystem_event",
        "operation": {"id": name, "producer": method, "first": True, "last": True},
        "receiveTimestamp": rfc3339(event.at + RECEIVED_AFTER),
    }


def _single(vm: Vm, project: Project) -> Iterator[Json]:
    """The two entries of one VM: the request, and the end of the operation."""
    method = "compute.instances.insert"
    yield _entry(vm, project, method, _request(vm, project), first=True)
    yield _entry(vm, project, method, {}, last=True)


def _bulk_request(vm: Vm, project: Project) -> Json:
    """What many VMs are made as; it names none of them."""
    properties = _request(vm, project)
    del properties["name"]
    request = {"count": "1", "namePattern": vm.bulk_insert, "instanceProperties": properties}
    method = "compute.instances.bulkInsert"
    entry = _entry(vm, project, method, request, first=True)
    entry["protoPayload"]["resourceName"] = f"projects/{project.project_id}/zones/{vm.zone}/instances"
    labels = {"method": method, "service": "compute.googleapis.com", "project_id": project.project_id}
    return {**entry, "resource": {"type": "audited_resource", "labels": labels}}


def _bulk_created(vm: Vm, project: Project) -> Json:
    """One VM that was made in bulk: its id and name, and nothing of the request."""
    return _entry(vm, project, "compute.instances.bulkInsert", {}, first=True, last=True)


def _entry(vm: Vm, project: Project, method: str, request: Json, **operation: bool) -> Json:
    """An entry of the admin activity log, as recorded ones look."""
    place = f"projects/{project.number if vm.created_by else project.project_id}/zones/{vm.zone}"
    agent = "GCE Managed Instance Group" if vm.created_by else "google-cloud-sdk gcloud/548.0.0"
    number = resources.fingerprint(vm.bulk_insert or vm.instance_id)
    at = vm.created + (timedelta(seconds=8) if operation == {"last": True} else timedelta(0))
    return {
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": creator(project, vm)},
            "requestMetadata": {"callerSuppliedUserAgent": agent, "requestAttributes": {}, "destinationAttributes": {}},
            "serviceName": "compute.googleapis.com",
            "methodName": f"v1.{method}",
            "resourceName": f"{place}/instances/{vm.name}",
            "request": {**request, "@type": f"type.googleapis.com/{method}"},
        },
        "insertId": resources.fingerprint(vm.instance_id, operation),
        "resource": {
            "type": "gce_instance",
            "labels": {"zone": vm.zone, "project_id": project.project_id, "instance_id": str(vm.instance_id)},
        },
        "timestamp": rfc3339(at),
        "severity": "NOTICE",
        "labels": {TRIGGER: str(uuid.uuid5(uuid.NAMESPACE_OID, number))},
        "logName": f"projects/{project.project_id}/logs/cloudaudit.googleapis.com%2Factivity",
        "operation": {"id": f"operation-{number}", "producer": "compute.googleapis.com", **operation},
        "receiveTimestamp": rfc3339(at + RECEIVED_AFTER),
    }


def _request(vm: Vm, project: Project) -> Json:
    """The request as the log writes it: maps as lists of keys and values, no metadata, the group as a link."""
    made = resources.instance(vm, project.number, vm.created)
    zone = f"projects/{project.number if vm.created_by else project.project_id}/zones/{vm.zone}"
    scratch = {"type": "SCRATCH", "interface": "NVME", "initializeParams": {"diskType": f"{zone}/diskTypes/local-ssd"}}
    request: Json = {
        "name": vm.name,
        "machineType": f"{zone}/machineTypes/{vm.machine_type(vm.created)}",
        "canIpForward": False,
        "disks": [
            {"type": "PERSISTENT", "boot": True, "initializeParams": {"diskSizeGb": "50"}},
            *[scratch] * vm.attached_local_ssds,
        ],
        "scheduling": made["scheduling"],
        "labels": [{"key": key, "value": value} for key, value in vm.labels_at(vm.created).items()],
    }
    if vm.gpu is not None:
        accelerator = f"{zone}/acceleratorTypes/{vm.gpu.gpu_type}"
        request["guestAccelerators"] = [{"acceleratorType": accelerator, "acceleratorCount": vm.gpu.count}]
    if vm.created_by is not None:
        *_, location, _, name = vm.created_by.split("/")
        source = f"projects/{project.number}/locations/{location}/instanceGroupManagers/{name}@3579973466633327805"
        request["links"] = [{"target": f"{zone}/instances/{vm.name}", "type": "MEMBER_OF", "source": source}]
    return request
