"""Compute Engine's REST interface, as far as the product reads from it; what acts on VMs has modules of its own.

Every answer is computed from the fleet at the clock's moment. A list's page token names the last VM it showed, so that
pages stay whole when the fleet moves between them.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import NamedTuple, cast

from starlette.routing import Route

from infra.local.emulators.compute import filters, resources
from infra.local.emulators.compute.access import INSTANCE, PROJECT, ZONE, Access, known_zone, not_found, unreachable
from infra.local.emulators.compute.autoscalers_api import AutoscalersApi
from infra.local.emulators.compute.capacity_api import CapacityApi
from infra.local.emulators.compute.groups_api import GroupsApi
from infra.local.emulators.compute.instance_actions import InstanceActions
from infra.local.emulators.compute.lists import (
    LARGEST_PAGE,
    REGIONAL_SCOPES,
    ZONAL_SCOPES,
    aggregated_mask,
    envelope,
    page_size,
    place,
    token,
)
from infra.local.emulators.compute.operations_api import OperationsApi
from infra.local.emulators.rest import Call, Mask, mask, select
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import Project, Vm
from infra.local.fleet.machine_types import machine_types

MOST_RENDERED = 20_000
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
DISK_FIELDS = frozenset({
    "accessMode", "architecture", "asyncPrimaryDisk", "asyncSecondaryDisks", "creationTimestamp", "description",
    "diskEncryptionKey", "enableConfidentialCompute", "guestOsFeatures", "id", "kind", "labelFingerprint", "labels",
    "lastAttachTimestamp", "lastDetachTimestamp", "licenseCodes", "licenses", "name", "options", "params",
    "physicalBlockSizeBytes", "provisionedIops", "provisionedThroughput", "region", "replicaZones", "resourcePolicies",
    "resourceStatus", "satisfiesPzi", "satisfiesPzs", "selfLink", "sizeGb", "sourceDisk", "sourceImage",
    "sourceSnapshot", "status", "storagePool", "type", "users", "zone",
})
ADDRESS_FIELDS = frozenset({
    "address", "addressType", "creationTimestamp", "description", "id", "ipCollection", "ipVersion",
    "ipv6EndpointType", "kind", "labelFingerprint", "labels", "name", "network", "networkTier", "prefixLength",
    "purpose", "region", "selfLink", "status", "subnetwork", "users",
})
# fmt: on

type Json = dict[str, object]
type _Found = tuple[str, str, Callable[[], Json]]


class _Kind(NamedTuple):
    """A collection of resources that has an aggregated list: the kind of the list, and the fields of an item."""

    collection: str
    kind: str
    fields: frozenset[str]
    scopes: tuple[str, ...] = (*ZONAL_SCOPES, *REGIONAL_SCOPES)


def routes(state: CloudState) -> list[Route]:
    """All of Compute Engine that this emulator knows."""
    groups = (GroupsApi(state), AutoscalersApi(state))
    parts = (ComputeReads(state), InstanceActions(state), OperationsApi(state), *groups, CapacityApi(state))
    return [route for part in parts for route in part.routes()]


@dataclass(slots=True)
class ComputeReads:
    """VMs and machine types to be read, and the VMs already written as JSON."""

    state: CloudState
    _written: dict[tuple[int, str], tuple[Vm, datetime, bytes]] = field(default_factory=dict)
    _disks: tuple[tuple[int, str, datetime], list[_Found]] | None = None

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        return [
            route(f"{PROJECT}/aggregated/instances", "instances.aggregatedList", self.aggregated_list),
            route(f"{PROJECT}/aggregated/addresses", "addresses.aggregatedList", self.list_addresses),
            route(f"{PROJECT}/aggregated/disks", "disks.aggregatedList", self.list_disks),
            route(INSTANCE, "instances.get", self.get_instance),
            route(f"{ZONE}/machineTypes/{{machine_type}}", "machineTypes.get", self.get_machine_type),
        ]

    def aggregated_list(self, call: Call) -> bytes:
        """`instances.aggregatedList`: a page of all zones' instances; every zone is named on every page."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy", "includeAllScopes")
        project = Access(self.state).project(call, "compute.instances.list")
        size = page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        missing = unreachable(call)
        wanted = aggregated_mask(call.query.get("fields", ""), "instances", INSTANCE_FIELDS)
        test = filters.read(call.query["filter"], INSTANCE_FIELDS) if call.query.get("filter") else None
        after = place(call.query.get("pageToken", ""))
        now = self.state.clock.now
        owned = self.state.fleet.of_project(project.project_id)
        remaining = islice(owned, bisect_right(owned, after, key=lambda vm: (vm.zone, vm.name)), None)
        candidates = (vm for vm in remaining if vm.exists(now) and vm.zone not in missing)
        matching = (vm for vm in candidates if test is None or test(resources.instance(vm, project.number, now)))
        page = list(islice(matching, size + 1))
        shown, more = page[:size], len(page) > size
        inner = wanted.get("items", {}).get("*", {}).get("instances", {}) if wanted else {}
        written: dict[str, list[bytes]] = {}
        for vm in shown:
            written.setdefault(f"zones/{vm.zone}", []).append(self._write(vm, project, now, inner))
        frame = envelope(
            "compute#instanceAggregatedList",
            "instances",
            project,
            filled=written.keys(),
            unreachable=missing,
            next_token=token((shown[-1].zone, shown[-1].name)) if more else "",
        )
        return _assembled(frame, written, wanted)

    def list_disks(self, call: Call) -> bytes:
        """`disks.aggregatedList`: a page of the disks of all zones and regions; each scope is named on every page."""
        project = Access(self.state).project(call, "compute.disks.list")
        return self._listed(call, project, _Kind("disks", "compute#diskAggregatedList", DISK_FIELDS), self._disks_of)

    def list_addresses(self, call: Call) -> bytes:
        """`addresses.aggregatedList`: a page of the reserved addresses of all regions, and of the global ones."""
        project = Access(self.state).project(call, "compute.addresses.list")
        kind = _Kind("addresses", "compute#addressAggregatedList", ADDRESS_FIELDS, ("global", *REGIONAL_SCOPES))
        return self._listed(call, project, kind, self._addresses_of)

    def _listed(self, call: Call, project: Project, kind: "_Kind", found_in: Callable[[str], list[_Found]]) -> bytes:
        """A page of resources by scope and name; every scope is named on every page."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy", "includeAllScopes")
        size = page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        missing = unreachable(call)
        wanted = aggregated_mask(call.query.get("fields", ""), kind.collection, kind.fields)
        test = filters.read(call.query["filter"], kind.fields) if call.query.get("filter") else None
        after = place(call.query.get("pageToken", ""))
        reachable = [each for each in found_in(project.project_id) if each[0].rpartition("/")[2] not in missing]
        remaining = islice(reachable, bisect_right(reachable, after, key=lambda each: each[:2]), None)
        described = ((scope, name, write()) for scope, name, write in remaining)
        page = list(islice((each for each in described if test is None or test(each[2])), size + 1))
        shown, more = page[:size], len(page) > size
        inner = wanted.get("items", {}).get("*", {}).get(kind.collection, {}) if wanted else {}
        written: dict[str, list[bytes]] = {}
        for scope, _, resource in shown:
            text = json.dumps(select(resource, inner), separators=(",", ":")).encode()
            written.setdefault(scope, []).append(text)
        frame = envelope(
            kind.kind,
            kind.collection,
            project,
            filled=written.keys(),
            unreachable=missing,
            next_token=token(shown[-1][:2]) if more else "",
            scopes=kind.scopes,
        )
        return _assembled(frame, written, wanted, kind.collection)

    def _addresses_of(self, project_id: str) -> list[_Found]:
        """The reserved addresses of a project by scope and name, each with what describes it."""
        now, fleet = self.state.clock.now, self.state.fleet
        own = (resources.own_address(vm) for vm in fleet.listed(project_id, now) if vm.address == "reserved")
        others = (each for each in fleet.addresses if each.project_id == project_id and each.exists(now))
        found = [(each.scope, each.name, partial(resources.address, each, now)) for each in (*own, *others)]
        return sorted(found, key=lambda each: each[:2])

    def _disks_of(self, project_id: str) -> list[_Found]:
        """The disks of a project by scope and name, each with what describes it; kept for the pages of one list."""
        now, fleet = self.state.clock.now, self.state.fleet
        key = id(fleet), project_id, now
        if self._disks is None or self._disks[0] != key:
            found: list[_Found] = [
                (f"zones/{vm.zone}", name, partial(resources.own_disk, vm, name, spec))
                for vm in fleet.listed(project_id, now)
                for name, spec in resources.own_disks(vm)
            ]
            found += [
                (disk.scope, disk.name, partial(resources.disk, disk, now))
                for disk in fleet.disks
                if disk.project_id == project_id and disk.exists(now)
            ]
            self._disks = key, sorted(found, key=lambda each: each[:2])
        return self._disks[1]

    def get_instance(self, call: Call) -> bytes:
        """`instances.get`, by name or by id."""
        call.only("fields")
        project, vm = Access(self.state).instance(call, "compute.instances.get")
        wanted = mask(call.query["fields"]) if "fields" in call.query else {}
        return self._write(vm, project, self.state.clock.now, wanted)

    def get_machine_type(self, call: Call) -> bytes:
        """`machineTypes.get`, for custom types too."""
        call.only("fields")
        zone, name = call.path["zone"], call.path["machine_type"]
        resource = f"zones/{zone}/machineTypes/{name}"
        project = Access(self.state).project(call, "compute.machineTypes.get", resource)
        known_zone(zone)
        shape = machine_types().get(name)
        if shape is None:
            raise not_found(project.project_id, resource)
        described = resources.machine_type(shape, project.project_id, zone)
        return json.dumps(select(described, mask(call.query["fields"]) if "fields" in call.query else {})).encode()

    def _write(self, vm: Vm, project: Project, now: datetime, wanted: Mask) -> bytes:
        """An instance as JSON, kept until its description changes."""
        attached = self.state.fleet.disks_of(vm, now) if self.state.fleet.disks else ()
        key = (vm.instance_id, repr([wanted, [(disk.name, disk.spec(now)) for disk in attached]]))
        described, good_since, text = self._written.get(key, (vm, now, b""))
        changed = max(moment for moment in vm.changes() if moment <= now)
        if not text or described is not vm or good_since != changed:
            resource = select(resources.instance(vm, project.number, now, attached), wanted)
            text = json.dumps(resource, separators=(",", ":")).encode()
            if len(self._written) >= MOST_RENDERED:
                self._written.clear()
            self._written[key] = (vm, changed, text)
        return text


def _assembled(frame: Json, written: Mapping[str, list[bytes]], wanted: Mask, collection: str = "instances") -> bytes:
    """Put the items, written already, into the rest of the answer."""
    placed = {scope: f'"@{scope}"'.encode() for scope in written}
    items = cast("dict[str, Json]", frame["items"])
    for scope in written:
        items[scope] = {collection: f"@{scope}"}
    text = json.dumps(select(frame, wanted), separators=(",", ":")).encode()
    for scope, mark in placed.items():
        text = text.replace(mark, b"[" + b",".join(written[scope]) + b"]", 1)
    return text
