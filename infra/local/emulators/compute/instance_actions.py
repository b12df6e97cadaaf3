"""What can be done to one VM over REST: stop, start, set its metadata, and ask what the caller may do."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import Route

from infra.local.emulators.compute import effects
from infra.local.emulators.compute.access import INSTANCE, Access, known_zone, not_found, permissions_asked
from infra.local.emulators.compute.operations_api import once
from infra.local.emulators.compute.resources import metadata_fingerprint
from infra.local.emulators.operations import Operation, Task, endless, failure
from infra.local.emulators.permissions import INSTANCE_PERMISSIONS
from infra.local.emulators.rest import ApiError, Call
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import Project, Vm
from infra.local.fleet.lifecycle import STOPPED_STATUSES, STOPPING_STATUSES, has_local_ssd

LOCAL_SSD = (
    "VM has a Local SSD attached but an undefined value for `discard-local-ssd`. If using gcloud, please add "
    "`--discard-local-ssd=false` or `--discard-local-ssd=true` to your command."
)
METADATA_KEY = re.compile(r"[a-zA-Z0-9_-]{1,128}")
LARGEST_VALUE = 262_144

type Items = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class InstanceActions:
    """The acting side of `instances`."""

    state: CloudState

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        return [
            route(f"{INSTANCE}/stop", "instances.stop", self.stop, "POST", changes=True),
            route(f"{INSTANCE}/start", "instances.start", self.start, "POST", changes=True),
            route(f"{INSTANCE}/setMetadata", "instances.setMetadata", self.set_metadata, "POST", changes=True),
            route(f"{INSTANCE}/testIamPermissions", "instances.testIamPermissions", self.test_permissions, "POST"),
        ]

    def stop(self, call: Call) -> bytes:
        """`instances.stop`; a VM with local SSD needs `discardLocalSsd`, whatever it says."""
        call.only("discardLocalSsd", "noGracefulShutdown", "requestId")
        project, vm = Access(self.state).instance(call, "compute.instances.stop")
        discard, cut = boolean(call, "discardLocalSsd"), boolean(call, "noGracefulShutdown")

        def begin(request_id: str) -> Operation:
            now = self.state.clock.now
            if (
                discard is None
                and has_local_ssd(vm, now)
                and vm.status(now) not in STOPPED_STATUSES | STOPPING_STATUSES
            ):
                raise ApiError(400, LOCAL_SSD, "badRequest")
            request = effects.VmRequest(effects.caller(project), request_id, graceful=not cut)
            return effects.stop(self.state, project, vm, call.faults, request)

        return once(self.state, call, project, ("stop", vm.zone, vm.name, discard, cut), begin)

    def start(self, call: Call) -> bytes:
        """`instances.start`."""
        call.only("requestId")
        project, vm = Access(self.state).instance(call, "compute.instances.start")

        def begin(request_id: str) -> Operation:
            request = effects.VmRequest(effects.caller(project), request_id)
            return effects.start(self.state, project, vm, call.faults, request)

        return once(self.state, call, project, ("start", vm.zone, vm.name), begin)

    def set_metadata(self, call: Call) -> bytes:
        """`instances.setMetadata`: all items at once, by a caller who knows those that were there."""
        call.only("requestId")
        project, vm = Access(self.state).instance(call, "compute.instances.setMetadata")
        body = call.json()
        items = _items(body)

        def begin(request_id: str) -> Operation:
            if body.get("fingerprint") != metadata_fingerprint(vm):
                raise ApiError(412, "Supplied fingerprint does not match current metadata fingerprint.")
            task = self._set_metadata(call, project, vm, request_id)
            if task.failure is None:
                self.state.change([replace(vm, metadata=items)])
            return self.state.operations.begin(task, self.state.clock.now)

        return once(self.state, call, project, ("setMetadata", vm.zone, vm.name, call.body), begin)

    def test_permissions(self, call: Call) -> bytes:
        """`instances.testIamPermissions`: those of the permissions that the caller has."""
        asked = permissions_asked(call, INSTANCE_PERMISSIONS)
        zone, name = call.path["zone"], call.path["instance"]
        resource = f"zones/{zone}/instances/{name}"
        known_zone(zone)
        vm = Access(self.state).vm(call.path["project"], zone, name)
        if vm is None:
            raise not_found(call.path["project"], resource)
        allow = self.state.permissions.allow
        granted = [permission for permission in asked if allow(permission, vm.project_id, vm.name)]
        return json.dumps({"permissions": granted} if granted else {}).encode()

    def _set_metadata(self, call: Call, project: Project, vm: Vm, request_id: str) -> Task:
        return Task(
            operation_type="setMetadata",
            project=project,
            scope=f"zones/{vm.zone}",
            target=effects.path(vm),
            target_id=vm.instance_id,
            user=effects.caller(project),
            request_id=request_id,
            failure=failure(call.faults, f"projects/{vm.project_id}/zones/{vm.zone}"),
            endless=endless(call.faults),
        )


def boolean(call: Call, name: str) -> bool | None:
    """Return a boolean of the query, None if it is not in it."""
    text = call.query.get(name)
    if text is not None and text.lower() not in ("true", "false"):
        raise ApiError(400, f"Invalid value for field '{name}': '{text}'. A boolean was expected.")
    return None if text is None else text.lower() == "true"


def _items(body: dict[str, Any]) -> Items:
    """The metadata of a body; keys that are not allowed or come twice are refused."""
    try:
        items = tuple((str(item["key"]), str(item.get("value", ""))) for item in body.get("items", ()))
    except (AttributeError, KeyError, TypeError) as error:
        raise ApiError(
            400, "Invalid value for field 'resource.items': a list of keys and values was expected."
        ) from error
    keys = [key for key, _ in items]
    for key, value in items:
        if METADATA_KEY.fullmatch(key) is None or keys.count(key) > 1 or len(value) > LARGEST_VALUE:
            raise ApiError(400, f"Invalid value for field 'metadata.items[{keys.index(key)}]': '{key}'.")
    return items
