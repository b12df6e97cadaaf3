"""Managed instance groups over REST, zonal and regional: reading them, and stopping and starting members."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from starlette.routing import Route

from infra.local.emulators.compute import effects, filters
from infra.local.emulators.compute.access import REGION, ZONE, Access, known_region, known_zone, not_found
from infra.local.emulators.compute.instance_actions import boolean
from infra.local.emulators.compute.lists import LARGEST_PAGE, page_size, place, token
from infra.local.emulators.compute.operations_api import once
from infra.local.emulators.compute.resources import ROOT, fingerprint, pacific
from infra.local.emulators.faults import OF_OPERATIONS, Rule
from infra.local.emulators.operations import Operation, Task, endless, failure
from infra.local.emulators.rest import ApiError, Call, mask, select
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import FLEET_START, Project, Vm, instance_id
from infra.local.fleet.groups import Group
from infra.local.fleet.lifecycle import STOPPED_STATUSES

MOST_INSTANCES = 1000
FLAGGING_TIME = timedelta(seconds=1)
MEMBERS_TAKE = 2.0
"""How much longer the members' own operations take than the group's, which only flags them."""

INSTANCE_URL = re.compile(
    r"(?:https://(?:www|compute)\.googleapis\.com/compute/v1/)?(?:projects/([^/]+)/)?zones/([^/]+)/instances/([^/]+)"
)
IN_MOTION = {"STOPPING": "stopping", "STAGING": "starting", "PROVISIONING": "creating", "SUSPENDING": "suspending"}
# fmt: off
ACTIONS = (
    "abandoning", "creating", "creatingWithoutRetries", "deleting", "none", "recreating", "refreshing",
    "restarting", "resuming", "starting", "stopping", "suspending", "verifying",
)
GROUP_FIELDS = frozenset({
    "baseInstanceName", "creationTimestamp", "currentActions", "distributionPolicy", "fingerprint", "id",
    "instanceGroup", "instanceLifecyclePolicy", "instanceTemplate", "kind", "listManagedInstancesResults", "name",
    "region", "selfLink", "standbyPolicy", "status", "targetSize", "targetStoppedSize", "targetSuspendedSize",
    "updatePolicy", "versions", "zone",
})
# fmt: on

type Json = dict[str, object]
type Act = Callable[[Group, Project, Vm], None]


@dataclass(slots=True)
class GroupsApi:
    """`instanceGroupManagers` and `regionInstanceGroupManagers`."""

    state: CloudState

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        found = []
        for scope, service in ((ZONE, "instanceGroupManagers"), (REGION, "regionInstanceGroupManagers")):
            every = f"{scope}/instanceGroupManagers"
            one = f"{every}/{{instance_group_manager}}"
            found += [
                route(every, f"{service}.list", self.list_groups),
                route(one, f"{service}.get", self.get),
                route(f"{one}/stopInstances", f"{service}.stopInstances", self.stop, "POST", changes=True),
                route(f"{one}/startInstances", f"{service}.startInstances", self.start, "POST", changes=True),
            ]
        return found

    def get(self, call: Call) -> bytes:
        """`get`, zonal or regional."""
        call.only("fields")
        project, group = self._group(call, "compute.instanceGroupManagers.get")
        wanted = mask(call.query["fields"]) if "fields" in call.query else {}
        return json.dumps(select(self._described(project, group), wanted)).encode()

    def list_groups(self, call: Call) -> bytes:
        """`list`, zonal or regional."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess")
        project = Access(self.state).project(call, "compute.instanceGroupManagers.list")
        scope = _scope(call)
        size = page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        test = filters.read(call.query["filter"], GROUP_FIELDS) if call.query.get("filter") else None
        after = place(call.query.get("pageToken", ""))
        groups = [one for one in self.state.groups.all() if one.key[:2] == (project.project_id, scope)]
        rows = [self._described(project, one) for one in groups if (one.scope, one.name) > after]
        rows = [row for row in rows if test is None or test(row)]
        where = f"projects/{project.project_id}/{scope}/instanceGroupManagers"
        regional = "region" in call.path
        page: Json = {
            "kind": f"compute#{'regionInstanceGroupManagerList' if regional else 'instanceGroupManagerList'}",
            "id": where,
            "items": rows[:size],
            "selfLink": f"{ROOT}/{where}",
        }
        if len(rows) > size:
            page["nextPageToken"] = token((scope, str(rows[size - 1]["name"])))
        return json.dumps(select(page, mask(call.query["fields"]) if "fields" in call.query else {})).encode()

    def stop(self, call: Call) -> bytes:
        """`stopInstances`: running members are stopped and stay stopped."""
        body = call.json()
        if body.keys() - {"instances", "forceStop"} or not isinstance(body.get("forceStop", False), bool):
            raise ApiError(400, "Invalid JSON payload received: instances and forceStop were expected.")
        call.only("requestId", "noGracefulShutdown")
        forced, cut = bool(body.get("forceStop")), boolean(call, "noGracefulShutdown")
        act = partial(self._stop_member, forced=forced, graceful=not cut)
        return self._act(call, body, "stopInstances", frozenset({"RUNNING"}), act)

    def start(self, call: Call) -> bytes:
        """`startInstances`: members that are stopped run again."""
        body = call.json()
        call.only("requestId")
        if body.keys() - {"instances"}:
            raise ApiError(400, "Invalid JSON payload received: instances were expected.")
        return self._act(call, body, "startInstances", STOPPED_STATUSES, self._start_member)

    def _act(self, call: Call, body: dict[str, Any], method: str, statuses: frozenset[str], act: Act) -> bytes:
        project, group = self._group(call, "compute.instanceGroupManagers.update")

        def begin(request_id: str) -> Operation:
            vms = self._members(group, body.get("instances"), statuses)
            task = self._task(call, project, group, method, request_id)
            if task.failure is None:
                for vm in vms:
                    act(group, project, vm)
            return self.state.operations.begin(task, self.state.clock.now)

        return once(self.state, call, project, (method, group.key, call.body), begin)

    def _stop_member(self, group: Group, project: Project, vm: Vm, *, forced: bool, graceful: bool) -> None:
        """Stop a member, once its initial delay is over and its connections are drained."""
        rules, now = self._faults("instances.stop", vm), self.state.clock.now
        initial = timedelta(0) if forced else max(vm.created + group.initial_delay - now, timedelta(0))
        request = replace(_group_request(project, group), graceful=graceful)

        def stop() -> None:
            present = self.state.fleet.by_id(vm.instance_id)
            if present is not None and present.status(self.state.clock.now) == "RUNNING":
                effects.stop(self.state, project, present, rules, request)

        if initial + group.draining:
            self.state.later.append((now + initial + group.draining, stop))
        else:
            stop()

    def _start_member(self, group: Group, project: Project, vm: Vm) -> None:
        rules = self._faults("instances.start", vm)
        effects.start(self.state, project, vm, rules, _group_request(project, group))

    def _faults(self, method: str, vm: Vm) -> Sequence[Rule]:
        """What goes wrong with the operation of one member."""
        return self.state.faults.due("compute", method, vm.project_id, vm.zone, vm.name, OF_OPERATIONS)

    def _members(self, group: Group, urls: object, statuses: frozenset[str]) -> Sequence[Vm]:
        """The members that a body names; strangers, and those in another status, are refused."""
        if not isinstance(urls, list) or not urls:
            raise ApiError(400, "Required field 'instances' not specified", "required")
        if len(urls) > MOST_INSTANCES:
            message = (
                f"Invalid value for field 'instances': {len(urls)} were given, at most {MOST_INSTANCES} are allowed."
            )
            raise ApiError(400, message)
        found = {vm.instance_id: vm for number, url in enumerate(urls) for vm in [self._member(group, number, url)]}
        now = self.state.clock.now
        for vm in found.values():
            if vm.status(now) not in statuses:
                message = (
                    f"Instance '{effects.path(vm)}' is {vm.status(now)}, "
                    f"but this method is for instances that are {' or '.join(sorted(statuses))}."
                )
                raise ApiError(400, message, "conditionNotMet")
        return list(found.values())

    def _member(self, group: Group, number: int, url: object) -> Vm:
        field = f"Invalid value for field 'instances[{number}]': '{url}'."
        matched = INSTANCE_URL.fullmatch(str(url))
        if matched is None:
            message = f"{field} The URL is malformed."
            raise ApiError(400, message)
        owner, zone, name = matched[1] or group.project_id, matched[2], matched[3]
        vm = Access(self.state).vm(owner, zone, name)
        if vm is None or self.state.groups.owner(self.state.fleet, vm) is not group:
            message = f"{field} The instance is not a member of the instance group manager '{group.name}'."
            raise ApiError(400, message)
        return vm

    def _task(self, call: Call, project: Project, group: Group, method: str, request_id: str) -> Task:
        return Task(
            operation_type=f"compute.instanceGroupManagers.{method}",
            project=project,
            scope=group.scope,
            target=_path(group),
            target_id=instance_id(*group.key),
            user=effects.caller(project),
            lasts=FLAGGING_TIME,
            request_id=request_id,
            failure=failure(call.faults, f"projects/{project.project_id}/{group.scope}"),
            endless=endless(call.faults),
        )

    def _group(self, call: Call, permission: str) -> tuple[Project, Group]:
        scope, name = _scope(call), call.path["instance_group_manager"]
        resource = f"{scope}/instanceGroupManagers/{name}"
        project = Access(self.state).project(call, permission, resource)
        self.state.settle()
        group = self.state.groups.get((project.project_id, scope, name))
        if group is None:
            raise not_found(project.project_id, resource)
        return project, group

    def _described(self, project: Project, group: Group) -> Json:
        """A group as the API shows it."""
        fleet, now = self.state.fleet, self.state.clock.now
        stopped = group.stopped_size(fleet, now)
        where = f"{ROOT}/projects/{project.project_id}/{group.scope}"
        template = f"{ROOT}/projects/{project.project_id}/global/instanceTemplates/{group.name}-v3"
        running = len(group.members) - stopped
        actions = self._actions(group)
        resource: Json = {
            "kind": "compute#instanceGroupManager",
            "id": str(instance_id(*group.key)),
            "creationTimestamp": pacific(FLEET_START - timedelta(days=90)),
            "name": group.name,
            "baseInstanceName": group.name.removesuffix("-grp"),
            "instanceTemplate": template,
            "versions": [{"instanceTemplate": template, "targetSize": {"calculated": running}}],
            "instanceGroup": f"{where}/instanceGroups/{group.name}",
            "fingerprint": fingerprint("group", *group.key, running, stopped),
            "currentActions": actions,
            "targetSize": running,
            "targetStoppedSize": stopped,
            "targetSuspendedSize": 0,
            "standbyPolicy": {
                "initialDelaySec": int(group.initial_delay.total_seconds()),
                "mode": "SCALE_OUT_POOL" if group.autoscaled else "MANUAL",
            },
            "instanceLifecyclePolicy": {
                "forceUpdateOnRepair": "NO",
                "defaultActionOnFailure": "REPAIR" if group.repairs else "DO_NOTHING",
            },
            "listManagedInstancesResults": "PAGELESS",
            "status": {"isStable": actions["none"] == sum(actions.values())},
            "selfLink": f"{ROOT}/{_path(group)}",
            group.scope.partition("s/")[0]: where,
        }
        if group.autoscaler is not None:
            resource["status"] = {
                "isStable": actions["none"] == sum(actions.values()),
                "autoscaler": f"{where}/autoscalers/{group.autoscaler.name}",
            }
        if group.scope.startswith("regions/"):
            zones = sorted({zone for zone, _ in group.members})
            links = [{"zone": f"{ROOT}/projects/{project.project_id}/zones/{zone}"} for zone in zones]
            resource["distributionPolicy"] = {"zones": links, "targetShape": "EVEN"}
        return resource

    def _actions(self, group: Group) -> dict[str, int]:
        """How many members are being changed in which way; one that is not there is about to be made again."""
        counted = dict.fromkeys(ACTIONS, 0)
        for zone, name in group.members:
            vm = Access(self.state).vm(group.project_id, zone, name)
            status = vm.status(self.state.clock.now) if vm else None
            counted[IN_MOTION.get(status or "PROVISIONING", "none")] += 1
        return counted


def _group_request(project: Project, group: Group) -> effects.VmRequest:
    return effects.VmRequest(effects.agent(project), group=group, times=MEMBERS_TAKE)


def _scope(call: Call) -> str:
    if "zone" in call.path:
        return f"zones/{known_zone(call.path['zone'])}"
    return f"regions/{known_region(call.path['region'])}"


def _path(group: Group) -> str:
    return f"projects/{group.project_id}/{group.scope}/instanceGroupManagers/{group.name}"
