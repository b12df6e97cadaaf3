"""What all methods of Compute Engine ask first: which project, zone, VM and permission a call is about."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import Route

from infra.local.emulators.faults import Kind
from infra.local.emulators.rest import ApiError, Call, Handler, Method
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import Project, Vm
from infra.local.fleet.scenario import ZONES

PROJECT = "/compute/v1/projects/{project}"
ZONE = PROJECT + "/zones/{zone}"
REGION = PROJECT + "/regions/{region}"
INSTANCE = ZONE + "/instances/{instance}"
EMPTY_ZONES = (
    *(f"us-west1-{letter}" for letter in "abc"),
    *(f"europe-west3-{letter}" for letter in "abc"),
    *(f"asia-southeast1-{letter}" for letter in "abc"),
)
VISIBLE_ZONES = tuple(sorted((*ZONES, *EMPTY_ZONES)))
VISIBLE_REGIONS = tuple(sorted({zone.rpartition("-")[0] for zone in VISIBLE_ZONES}))


@dataclass(frozen=True, slots=True)
class Access:
    """Finds what a call names, and refuses what the caller may not see or do."""

    state: CloudState

    def route(self, path: str, name: str, handler: Handler, http: str = "GET", *, changes: bool = False) -> Route:
        """One method of the service under its path."""
        return Route(path, Method(self.state, "compute", name, handler, changes=changes).answer, methods=[http])

    def project(self, call: Call, permission: str, resource: str = "", instance: str = "") -> Project:
        """The project of a call; `resource` is what the permission is needed on when it is not the project itself."""
        name = call.path["project"]
        project = self.state.fleet.project(name)
        known = project.project_id if project else name
        if project is None or not self.state.permissions.allow(permission, known, instance):
            where = f"projects/{known}{resource and f'/{resource}'}"
            message = f"Required '{permission}' permission for '{where}'"
            raise ApiError(403, message)
        return project

    def instance(self, call: Call, permission: str) -> tuple[Project, Vm]:
        """The VM of a call, by name or by id, and its project."""
        zone, name = call.path["zone"], call.path["instance"]
        found = self.vm(call.path["project"], zone, name)
        shown = found.name if found else name
        resource = f"zones/{zone}/instances/{shown}"
        project = self.project(call, permission, resource, shown)
        known_zone(zone)
        if found is None:
            raise not_found(project.project_id, resource)
        return project, found

    def vm(self, project_name: str, zone: str, name: str) -> Vm | None:
        """The VM with this name or id that exists now."""
        fleet, now = self.state.fleet, self.state.clock.now
        project = fleet.project(project_name)
        if project is None:
            return None
        by_id = fleet.by_id(int(name)) if name.isdecimal() else None
        lives = fleet.named(project.project_id, zone, name) if by_id is None else (by_id,)
        where = (project.project_id, zone)
        return next((vm for vm in lives if (vm.project_id, vm.zone) == where and vm.exists(now)), None)


def known_zone(zone: str) -> str:
    """The zone, when there is one of this name."""
    if zone not in VISIBLE_ZONES:
        message = f"Invalid value for field 'zone': '{zone}'. Unknown zone."
        raise ApiError(400, message)
    return zone


def known_region(region: str) -> str:
    """The region, when there is one of this name."""
    if region not in VISIBLE_REGIONS:
        message = f"Invalid value for field 'region': '{region}'. Unknown region."
        raise ApiError(400, message)
    return region


def not_found(project_id: str, resource: str) -> ApiError:
    """What is answered when a project has no such resource."""
    return ApiError(404, f"The resource 'projects/{project_id}/{resource}' was not found")


def request_id(call: Call) -> str:
    """The request's id, empty when it has none; one that is no UUID, or all zeros, is refused."""
    text = call.query.get("requestId", "")
    if not text:
        return ""
    try:
        usable = str(uuid.UUID(text)) == text.lower() and uuid.UUID(text).int != 0
    except ValueError:
        usable = False
    if not usable:
        message = f"Invalid value for field 'requestId': '{text}'. Must be a valid UUID that is not all zeros."
        raise ApiError(400, message)
    return text


def unreachable(call: Call) -> frozenset[str]:
    """The zones that a list cannot reach; it fails unless it may be partial."""
    zones = frozenset(rule.zone for rule in call.faults if rule.kind is Kind.UNREACHABLE_ZONE)
    if zones and call.query.get("returnPartialSuccess") != "true":
        message = f"The zones {sorted(zones)} could not be reached."
        raise ApiError(503, message)
    return zones


def permissions_asked(call: Call, known: frozenset[str]) -> Sequence[str]:
    """The permissions a call wants tested; those the resource does not have are refused, and wildcards."""
    call.only()
    asked = call.json().get("permissions", [])
    if not isinstance(asked, list):
        raise ApiError(400, "Invalid value for field 'permissions': a list of strings was expected.")
    for name in asked:
        if name not in known:
            message = f"Permission {name} is not valid for this resource."
            raise ApiError(400, message, "badRequest")
    return asked
