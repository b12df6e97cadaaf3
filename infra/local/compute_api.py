"""Compute Engine's REST interface, as far as the product uses it.

Every answer is computed from the fleet at the clock's moment. A list's page token names the last VM it showed, so that
pages stay whole when the fleet moves between them.
"""

import base64
import binascii
import functools
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import cast

from starlette.routing import Route

from infra.local import instances
from infra.local.faults import Kind
from infra.local.fleet import Project, Vm
from infra.local.machine_types import machine_types
from infra.local.rest import ApiError, Call, Mask, Method, mask, select
from infra.local.scenario import ZONES
from infra.local.world import World

LARGEST_PAGE = 500
MOST_RENDERED = 20_000
EMPTY_ZONES = (
    *(f"us-west1-{letter}" for letter in "abc"),
    *(f"europe-west3-{letter}" for letter in "abc"),
    *(f"asia-southeast1-{letter}" for letter in "abc"),
)
VISIBLE_ZONES = tuple(sorted((*ZONES, *EMPTY_ZONES)))
# fmt: off
INSTANCE_FIELDS = frozenset({
    "advancedMachineFeatures", "canIpForward", "confidentialInstanceConfig", "cpuPlatform", "creationTimestamp",
    "deletionProtection", "description", "disks", "displayDevice", "fingerprint", "guestAccelerators", "hostname",
    "id", "instanceEncryptionKey", "keyRevocationActionType", "kind", "labelFingerprint", "labels",
    "lastStartTimestamp", "lastStopTimestamp", "lastSuspendedTimestamp", "machineType", "metadata", "minCpuPlatform",
    "name", "networkInterfaces", "networkPerformanceConfig", "params", "privateIpv6GoogleAccess",
    "reservationAffinity", "resourcePolicies", "resourceStatus", "satisfiesPzi", "satisfiesPzs", "scheduling",
    "selfLink", "serviceAccounts", "shieldedInstanceConfig", "shieldedInstanceIntegrityPolicy", "sourceMachineImage",
    "startRestricted", "status", "statusMessage", "tags", "zone",
})
# fmt: on
TOP_FIELDS = {"kind", "id", "items", "nextPageToken", "selfLink", "unreachables", "warning"}

type Json = dict[str, object]
type Test = Callable[[Json], bool]


@dataclass(slots=True)
class ComputeEngine:
    """The service: routes and what they share, the instances already written as JSON."""

    world: World
    _written: dict[tuple[int, str], tuple[datetime, bytes]] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        """The paths it answers."""
        project = "/compute/v1/projects/{project}"
        zone = project + "/zones/{zone}"
        return [
            self._route(f"{project}/aggregated/instances", "instances.aggregatedList", self.aggregated_list),
            self._route(f"{zone}/instances/{{instance}}", "instances.get", self.get_instance),
            self._route(f"{zone}/machineTypes/{{machine_type}}", "machineTypes.get", self.get_machine_type),
        ]

    def aggregated_list(self, call: Call) -> bytes:
        """`instances.aggregatedList`: a page of all zones' instances; every zone is named on every page."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy", "includeAllScopes")
        project = self._project(call)
        size = _page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        unreachable = self._unreachable(call)
        wanted = _list_mask(call.query.get("fields", ""))
        test = _filter(call.query["filter"]) if call.query.get("filter") else None
        after = _decoded(call.query.get("pageToken", ""))
        now = self.world.clock.now
        owned = self.world.fleet.of_project(project.project_id)
        remaining = islice(owned, bisect_right(owned, after, key=lambda vm: (vm.zone, vm.name)), None)
        candidates = (vm for vm in remaining if vm.exists(now) and vm.zone not in unreachable)
        matching = (vm for vm in candidates if test is None or test(instances.instance(vm, project.number, now)))
        page = list(islice(matching, size + 1))
        shown, more = page[:size], len(page) > size
        envelope = self._envelope(project, shown, unreachable, _encoded(shown[-1]) if more else "")
        inner = wanted.get("items", {}).get("*", {}).get("instances", {}) if wanted else {}
        written: dict[str, list[bytes]] = {}
        for vm in shown:
            written.setdefault(vm.zone, []).append(self._write(vm, project, now, inner))
        return _assembled(envelope, written, wanted)

    def get_instance(self, call: Call) -> bytes:
        """`instances.get`, by name or by id."""
        call.only("fields")
        project, now = self._project(call), self.world.clock.now
        vm = self._instance(project, call.path["zone"], call.path["instance"])
        return self._write(vm, project, now, mask(call.query["fields"]) if "fields" in call.query else {})

    def get_machine_type(self, call: Call) -> bytes:
        """`machineTypes.get`, for custom types too."""
        call.only("fields")
        project, zone = self._project(call), _known_zone(call.path["zone"])
        name = call.path["machine_type"]
        shape = machine_types().get(name)
        if shape is None:
            raise _not_found(project, zone, "machineTypes", name)
        resource = instances.machine_type(shape, project.project_id, zone)
        return json.dumps(select(resource, mask(call.query["fields"]) if "fields" in call.query else {})).encode()

    def _route(self, path: str, name: str, handler: Callable[[Call], bytes], *methods: str) -> Route:
        return Route(path, Method(self.world, "compute", name, handler).answer, methods=methods or ["GET"])

    def _project(self, call: Call) -> Project:
        name = call.path["project"]
        project = self.world.fleet.project(name)
        if project is None:
            message = f"Required 'compute.instances.list' permission for 'projects/{name}'"
            raise ApiError(403, message)
        return project

    def _instance(self, project: Project, zone: str, name: str) -> Vm:
        _known_zone(zone)
        for vm in self.world.fleet.listed(project.project_id, self.world.clock.now):
            if vm.zone == zone and name in (vm.name, str(vm.instance_id)):
                return vm
        raise _not_found(project, zone, "instances", name)

    def _unreachable(self, call: Call) -> frozenset[str]:
        zones = frozenset(rule.zone for rule in call.faults if rule.kind is Kind.UNREACHABLE_ZONE)
        if zones and call.query.get("returnPartialSuccess") != "true":
            message = f"The zones {sorted(zones)} could not be reached."
            raise ApiError(503, message)
        return zones

    def _envelope(self, project: Project, shown: list[Vm], unreachable: frozenset[str], token: str) -> Json:
        filled = {vm.zone for vm in shown}
        items: Json = {f"zones/{zone}": _scope(zone, filled, unreachable) for zone in VISIBLE_ZONES}
        envelope: Json = {
            "kind": "compute#instanceAggregatedList",
            "id": f"projects/{project.project_id}/aggregated/instances",
            "items": items,
            "selfLink": f"{instances.ROOT}/projects/{project.project_id}/aggregated/instances",
        }
        if token:
            envelope["nextPageToken"] = token
        if unreachable:
            envelope["unreachables"] = [f"projects/{project.project_id}/zones/{zone}" for zone in sorted(unreachable)]
            envelope["warning"] = _warning("UNREACHABLE", "Some zones could not be reached.", sorted(unreachable))
        return envelope

    def _write(self, vm: Vm, project: Project, now: datetime, wanted: Mask) -> bytes:
        """An instance as JSON, kept until its description changes."""
        key = (vm.instance_id, repr(wanted))
        good_until, text = self._written.get(key, (now, b""))
        changed = max(moment for moment in vm.changes() if moment <= now)
        if not text or good_until != changed:
            resource = select(instances.instance(vm, project.number, now), wanted)
            text = json.dumps(resource, separators=(",", ":")).encode()
            if len(self._written) >= MOST_RENDERED:
                self._written.clear()
            self._written[key] = (changed, text)
        return text


def _assembled(envelope: Json, written: Mapping[str, list[bytes]], wanted: Mask) -> bytes:
    """Put the instances, written already, into the rest of the answer."""
    placed = {zone: f'"@{zone}"'.encode() for zone in written}
    items = cast("dict[str, Json]", envelope["items"])
    for zone in written:
        items[f"zones/{zone}"] = {"instances": f"@{zone}"}
    text = json.dumps(select(envelope, wanted), separators=(",", ":")).encode()
    for zone, mark in placed.items():
        text = text.replace(mark, b"[" + b",".join(written[zone]) + b"]", 1)
    return text


def _scope(zone: str, filled: set[str], unreachable: frozenset[str]) -> Json:
    if zone in unreachable:
        return {"warning": _warning("UNREACHABLE", f"The zone '{zone}' could not be reached.", [zone])}
    if zone in filled:
        return {"instances": []}
    return {
        "warning": _warning(
            "NO_RESULTS_ON_PAGE", f"There are no results for scope 'zones/{zone}' on this page.", [f"zones/{zone}"]
        )
    }


def _warning(code: str, message: str, scopes: list[str]) -> Json:
    return {"code": code, "message": message, "data": [{"key": "scope", "value": scope} for scope in scopes]}


def _known_zone(zone: str) -> str:
    if zone not in VISIBLE_ZONES:
        message = f"Invalid value for field 'zone': '{zone}'. Unknown zone."
        raise ApiError(400, message)
    return zone


def _not_found(project: Project, zone: str, collection: str, name: str) -> ApiError:
    resource = f"projects/{project.project_id}/zones/{zone}/{collection}/{name}"
    return ApiError(404, f"The resource '{resource}' was not found")


def _page_size(text: str) -> int:
    size = int(text) if text.isdecimal() else -1
    if not 0 <= size <= LARGEST_PAGE:
        message = f"Invalid value for field 'maxResults': '{text}'. Must be less than or equal to {LARGEST_PAGE}"
        raise ApiError(400, message)
    return size or LARGEST_PAGE


def _encoded(vm: Vm) -> str:
    return base64.urlsafe_b64encode(json.dumps([vm.zone, vm.name]).encode()).decode()


def _decoded(token: str) -> tuple[str, str]:
    if not token:
        return ("", "")
    try:
        zone, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as error:
        raise ApiError(400, f"Invalid value for field 'pageToken': '{token}'.") from error
    return str(zone), str(name)


@functools.lru_cache(maxsize=32)
def _list_mask(text: str) -> Mask:
    """The mask of a list; a field the list does not have is refused, as the real one does."""
    if not text:
        return {}
    wanted = mask(text)
    unknown = wanted.keys() - TOP_FIELDS - {"*"}
    inner = wanted.get("items", {}).get("*", {})
    unknown |= inner.keys() - {"instances", "warning", "*"}
    unknown |= inner.get("instances", {}).keys() - INSTANCE_FIELDS - {"*"}
    if unknown:
        raise ApiError(400, f"Invalid field selection {min(unknown)}", "invalidParameter")
    return wanted


TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z][\w.\-]*)\s*(?P<operator>!=|=|:|\beq\b|\bne\b)\s*(?P<value>"[^"]*"|'[^']*'|[^\s()"']+)\s*"""
)


@functools.lru_cache(maxsize=32)
def _filter(text: str) -> Test:
    """Read the simple forms of a filter: terms joined by AND, in parentheses or not, or one `eq`/`ne` expression."""
    tests = tuple(_terms(text))
    return lambda resource: all(test(resource) for test in tests)


def _terms(text: str) -> Iterator[Test]:
    for part in re.split(r"\s+AND\s+|\)\s*\(", text.strip()):
        term = TERM.fullmatch(part.strip().removeprefix("(").removesuffix(")"))
        if term is None or term["field"].partition(".")[0] not in INSTANCE_FIELDS:
            message = f"Invalid value for field 'filter': '{text}'. Invalid list filter expression."
            raise ApiError(400, message)
        yield functools.partial(_holds, term["field"], term["operator"], term["value"].strip("\"'"))


def _holds(name: str, operator: str, value: str, resource: Json) -> bool:
    found = _text_of(_value_at(resource, name.split(".", 1)))
    if operator == ":":
        return found is not None and (value == "*" or value.lower() in found.lower())
    if operator in ("eq", "ne"):
        return (re.fullmatch(value, found or "") is not None) == (operator == "eq")
    return (found == value) == (operator == "=")


def _value_at(resource: object, path: list[str]) -> object:
    if not isinstance(resource, dict):
        return None
    value = resource.get(path[0])
    return _value_at(value, path[1].split(".", 1)) if len(path) > 1 else value


def _text_of(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
