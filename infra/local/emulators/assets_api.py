"""Cloud Asset Inventory's REST service: `batchGetAssetsHistory` for the fleet's VMs."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from starlette.routing import Route

from infra.local.emulators.compute import resources
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import parse, rfc3339
from infra.local.fleet.fleet import Project, Vm

MOST_NAMES = 100
KEPT = timedelta(days=35)
NAME = re.compile(r"//compute\.googleapis\.com/projects/([^/]+)/zones/([^/]+)/instances/([^/]+)")
RESOURCE = ("RESOURCE", "1")
NO_END = "2262-04-11T23:47:16.854775807Z"
"""The end of a state that still holds, as recorded answers have it: the largest 64-bit number of nanoseconds."""

type Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, `[start, end)`."""

    start: datetime
    end: datetime

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether another stretch has a moment in common with it."""
        return start < self.end and self.start < end


def routes(state: CloudState) -> list[Route]:
    """The paths it answers."""
    method = Method(state, "assets", "batchGetAssetsHistory", functools.partial(_history, state))
    return [Route("/v1/projects/{project}:batchGetAssetsHistory", method.answer)]


def _history(state: CloudState, call: Call) -> bytes:
    call.only("assetNames", "contentType", "readTimeWindow.startTime", "readTimeWindow.endTime")
    project = state.fleet.project(call.path["project"])
    if project is None:
        raise ApiError(403, "The caller does not have permission")
    if call.query.get("contentType") not in RESOURCE:
        raise ApiError(400, "The emulator knows contentType RESOURCE only.")
    names = call.lists.get("assetNames", [])
    if len(names) > MOST_NAMES:
        raise ApiError(400, f"At most {MOST_NAMES} asset names may be given, not {len(names)}.")
    window = _window(call, state.clock.now)
    assets = [asset for name in names for asset in _of_name(state, project, name, window)]
    return json.dumps({"assets": assets}, separators=(",", ":")).encode()


def _window(call: Call, now: datetime) -> Window:
    try:
        end = parse(call.query["readTimeWindow.endTime"]) if "readTimeWindow.endTime" in call.query else now
        start = parse(call.query["readTimeWindow.startTime"]) if "readTimeWindow.startTime" in call.query else end
    except ValueError as error:
        raise ApiError(400, f"Invalid readTimeWindow: {error}") from error
    if start < now - KEPT or end < now - KEPT:
        raise ApiError(400, "The read time window must be within the last 35 days.")
    if start > end:
        raise ApiError(400, "The read time window must not end before it starts.")
    return Window(start, max(min(end, now), start + timedelta(microseconds=1)))


def _of_name(state: CloudState, project: Project, name: str, window: Window) -> Iterator[Json]:
    matched = NAME.fullmatch(name)
    owner = state.fleet.project(matched[1]) if matched else None
    if matched is None or owner != project:
        raise ApiError(400, f"Invalid asset name, or not of this project: {name}")
    vms = [
        vm
        for vm in state.fleet.of_project(project.project_id)
        if vm.zone == matched[2] and vm.name == matched[3] and vm.has_history and vm.created <= state.clock.now
    ]
    if not vms:
        raise ApiError(400, f"The asset does not exist: {name}")
    for vm in vms:
        yield from _of_vm(vm, project, name, window, state.clock.now)


def _of_vm(vm: Vm, project: Project, name: str, window: Window, now: datetime) -> Iterator[Json]:
    """Yield a VM's states in a window, oldest first, and its deletion."""
    gone = vm.deleted is not None and vm.deleted <= now
    changes = [change for change in vm.changes() if change <= now]
    for start, end in zip_longest(changes, [*changes[1:], *([vm.deleted] if gone else [])]):
        if window.overlaps(start, end or window.end):
            yield _temporal(vm, project, name, start, end)
    if vm.deleted is not None and gone and vm.deleted < window.end:
        yield {
            "window": {"startTime": rfc3339(vm.deleted)},
            "deleted": True,
            "asset": {"name": name, "assetType": "compute.googleapis.com/Instance"},
            "priorAssetState": "PRESENT",
        }


def _temporal(vm: Vm, project: Project, name: str, start: datetime, end: datetime | None) -> Json:
    """One state of a VM; one that still holds ends with time itself."""
    parent = f"//cloudresourcemanager.googleapis.com/projects/{project.number}"
    return {
        "window": {"startTime": rfc3339(start), "endTime": rfc3339(end) if end else NO_END},
        "asset": {
            "name": name,
            "assetType": "compute.googleapis.com/Instance",
            "updateTime": rfc3339(start),
            "ancestors": [f"projects/{project.number}"],
            "resource": {
                "version": "v1",
                "discoveryDocumentUri": "https://www.googleapis.com/discovery/v1/apis/compute/v1/rest",
                "discoveryName": "Instance",
                "parent": parent,
                "data": resources.instance(vm, project.number, start),
                "location": vm.zone,
            },
        },
    }
