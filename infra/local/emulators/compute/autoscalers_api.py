"""Autoscalers of managed instance groups over REST, zonal and regional: listing, reading and patching them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.routing import Route

from infra.local.emulators.compute import effects, filters
from infra.local.emulators.compute.access import (
    PROJECT,
    REGION,
    ZONE,
    Access,
    known_region,
    known_zone,
    not_found,
    unreachable,
)
from infra.local.emulators.compute.lists import (
    LARGEST_PAGE,
    REGIONAL_SCOPES,
    ZONAL_SCOPES,
    aggregated_mask,
    envelope,
    items_of,
    page_size,
    place,
    token,
)
from infra.local.emulators.compute.operations_api import once
from infra.local.emulators.compute.resources import ROOT, pacific
from infra.local.emulators.operations import Operation, Task, endless, failure
from infra.local.emulators.rest import ApiError, Call, mask, select
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import FLEET_START, Project, instance_id
from infra.local.fleet.groups import Autoscaler, Group

PATCHING_TIME = timedelta(seconds=1)
MODES = {"OFF", "ON", "ONLY_SCALE_OUT", "ONLY_UP"}
# fmt: off
AUTOSCALER_FIELDS = frozenset({
    "autoscalingPolicy", "creationTimestamp", "description", "id", "kind", "name", "recommendedSize", "region",
    "scalingScheduleStatus", "selfLink", "status", "statusDetails", "target", "zone",
})
# fmt: on

type Json = dict[str, object]
type Scaled = tuple[Group, Autoscaler]


@dataclass(slots=True)
class AutoscalersApi:
    """`autoscalers` and `regionAutoscalers`, as far as their mode and bounds go."""

    state: CloudState

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        found = [route(f"{PROJECT}/aggregated/autoscalers", "autoscalers.aggregatedList", self.aggregated_list)]
        for scope, service in ((ZONE, "autoscalers"), (REGION, "regionAutoscalers")):
            every = f"{scope}/autoscalers"
            found += [
                route(f"{every}/{{autoscaler}}", f"{service}.get", self.get),
                route(every, f"{service}.patch", self.patch, "PATCH", changes=True),
            ]
        return found

    def aggregated_list(self, call: Call) -> bytes:
        """`autoscalers.aggregatedList`: a page of those of all zones and regions."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy", "includeAllScopes")
        project = Access(self.state).project(call, "compute.autoscalers.list")
        size = page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        missing = unreachable(call)
        wanted = aggregated_mask(call.query.get("fields", ""), "autoscalers", AUTOSCALER_FIELDS)
        test = filters.read(call.query["filter"], AUTOSCALER_FIELDS) if call.query.get("filter") else None
        after = place(call.query.get("pageToken", ""))
        rows = [
            (group.scope, autoscaler.name, self._described(project, group, autoscaler))
            for group, autoscaler in self._all(project)
            if (group.scope, autoscaler.name) > after and group.scope.partition("/")[2] not in missing
        ]
        rows = [row for row in rows if test is None or test(row[2])]
        shown, more = rows[:size], len(rows) > size
        by_scope: dict[str, list[Json]] = {}
        for scope, _, described in shown:
            by_scope.setdefault(scope, []).append(described)
        page = envelope(
            "compute#autoscalerAggregatedList",
            "autoscalers",
            project,
            filled=by_scope.keys(),
            unreachable=missing,
            next_token=token(shown[-1][:2]) if more else "",
            scopes=(*ZONAL_SCOPES, *REGIONAL_SCOPES),
        )
        scopes = items_of(page)
        page["items"] = {**scopes, **{scope: {"autoscalers": found} for scope, found in by_scope.items()}}
        return json.dumps(select(page, wanted)).encode()

    def get(self, call: Call) -> bytes:
        """`get`, zonal or regional, by name or by id."""
        call.only("fields")
        project, group, autoscaler = self._named(call, call.path["autoscaler"], "compute.autoscalers.get")
        wanted = mask(call.query["fields"]) if "fields" in call.query else {}
        return json.dumps(select(self._described(project, group, autoscaler), wanted)).encode()

    def patch(self, call: Call) -> bytes:
        """`patch`, zonal or regional: what the body does not name stays as it was."""
        call.only("autoscaler", "requestId")
        project, group, autoscaler = self._named(call, call.query.get("autoscaler", ""), "compute.autoscalers.update")
        policy = _changed_policy(call.json())

        def begin(request_id: str) -> Operation:
            task = Task(
                operation_type="compute.autoscalers.patch",
                project=project,
                scope=group.scope,
                target=_path(group, autoscaler),
                target_id=_number(group, autoscaler),
                user=effects.caller(project),
                lasts=PATCHING_TIME,
                request_id=request_id,
                failure=failure(call.faults, f"projects/{project.project_id}/{group.scope}"),
                endless=endless(call.faults),
            )
            if task.failure is None:
                autoscaler.mode = str(policy.get("mode", autoscaler.mode))
                autoscaler.min_replicas = int(policy.get("minNumReplicas", autoscaler.min_replicas))
                autoscaler.max_replicas = int(policy.get("maxNumReplicas", autoscaler.max_replicas))
            return self.state.operations.begin(task, self.state.clock.now)

        return once(self.state, call, project, ("autoscalers.patch", group.key, call.body), begin)

    def _all(self, project: Project) -> list[Scaled]:
        groups = (one for one in self.state.groups.all() if one.project_id == project.project_id)
        found = [(group, group.autoscaler) for group in groups if group.autoscaler is not None]
        return sorted(found, key=lambda one: (one[0].scope, one[1].name))

    def _named(self, call: Call, name: str, permission: str) -> tuple[Project, Group, Autoscaler]:
        zonal = "zone" in call.path
        scope = f"zones/{known_zone(call.path['zone'])}" if zonal else f"regions/{known_region(call.path['region'])}"
        resource = f"{scope}/autoscalers/{name}"
        project = Access(self.state).project(call, permission, resource)
        self.state.settle()
        for group, autoscaler in self._all(project):
            if group.scope == scope and name in (autoscaler.name, str(_number(group, autoscaler))):
                return project, group, autoscaler
        raise not_found(project.project_id, resource)

    def _described(self, project: Project, group: Group, autoscaler: Autoscaler) -> Json:
        """An autoscaler as the API shows it."""
        where = f"{ROOT}/projects/{project.project_id}/{group.scope}"
        return {
            "kind": "compute#autoscaler",
            "id": str(_number(group, autoscaler)),
            "creationTimestamp": pacific(FLEET_START - timedelta(days=90)),
            "name": autoscaler.name,
            "target": f"{where}/instanceGroupManagers/{group.name}",
            "autoscalingPolicy": {
                "minNumReplicas": autoscaler.min_replicas,
                "maxNumReplicas": autoscaler.max_replicas,
                "coolDownPeriodSec": 60,
                "cpuUtilization": {"utilizationTarget": 0.6, "predictiveMethod": "NONE"},
                "mode": autoscaler.mode,
            },
            "status": "ACTIVE",
            "recommendedSize": len(group.members),
            "selfLink": f"{ROOT}/{_path(group, autoscaler)}",
            group.scope.partition("s/")[0]: where,
        }


def _changed_policy(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the policy that a patch changes; any other change is one that this emulator does not know."""
    policy = body.get("autoscalingPolicy", {})
    if body.keys() - {"autoscalingPolicy"} or not isinstance(policy, dict):
        raise ApiError(400, "Invalid JSON payload received: autoscalingPolicy was expected.")
    if policy.keys() - {"mode", "minNumReplicas", "maxNumReplicas"}:
        raise ApiError(400, f"the emulator does not know the fields {sorted(policy)} of an autoscaling policy")
    if policy.get("mode", "ON") not in MODES:
        message = f"Invalid value for field 'resource.autoscalingPolicy.mode': '{policy['mode']}'."
        raise ApiError(400, message)
    return policy


def _number(group: Group, autoscaler: Autoscaler) -> int:
    return instance_id("autoscaler", *group.key, autoscaler.name)


def _path(group: Group, autoscaler: Autoscaler) -> str:
    return f"projects/{group.project_id}/{group.scope}/autoscalers/{autoscaler.name}"
