"""Operations over REST: to be read, listed and waited for, those of Compute Engine itself among them."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import Route

from infra.local.emulators.compute import filters
from infra.local.emulators.compute.access import (
    PROJECT,
    REGION,
    VISIBLE_REGIONS,
    VISIBLE_ZONES,
    ZONE,
    Access,
    known_region,
    known_zone,
    not_found,
    request_id,
    unreachable,
)
from infra.local.emulators.compute.lists import (
    LARGEST_PAGE,
    aggregated_mask,
    envelope,
    items_of,
    page_size,
    place,
    token,
)
from infra.local.emulators.compute.past_operations import past_operations
from infra.local.emulators.compute.resources import ROOT, pacific
from infra.local.emulators.operations import Operation
from infra.local.emulators.rest import ApiError, Call, mask, select
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import Project

LOOKS_AGAIN = 0.01
NEWEST_FIRST = "creationTimestamp desc"
SCOPES = (
    "global",
    *(f"regions/{region}" for region in VISIBLE_REGIONS),
    *(f"zones/{zone}" for zone in VISIBLE_ZONES),
)
# fmt: off
OPERATION_FIELDS = frozenset({
    "clientOperationId", "creationTimestamp", "description", "endTime", "error", "httpErrorMessage",
    "httpErrorStatusCode", "id", "insertTime", "kind", "name", "operationGroupId", "operationType", "progress",
    "region", "selfLink", "startTime", "status", "statusMessage", "targetId", "targetLink", "user", "warnings", "zone",
})
# fmt: on

type Json = dict[str, object]


@dataclass(slots=True)
class OperationsApi:
    """Zonal and regional operations, and the list of all."""

    state: CloudState

    def routes(self) -> list[Route]:
        """The paths it answers."""
        route = Access(self.state).route
        one = "/operations/{operation}"
        return [
            route(f"{ZONE}{one}", "zoneOperations.get", self.get),
            route(f"{REGION}{one}", "regionOperations.get", self.get),
            route(f"{ZONE}/operations", "zoneOperations.list", self.list_scope),
            route(f"{REGION}/operations", "regionOperations.list", self.list_scope),
            route(f"{ZONE}{one}/wait", "zoneOperations.wait", self.wait, "POST"),
            route(f"{REGION}{one}/wait", "regionOperations.wait", self.wait, "POST"),
            route(f"{PROJECT}/aggregated/operations", "globalOperations.aggregatedList", self.aggregated_list),
        ]

    def get(self, call: Call) -> bytes:
        """`zoneOperations.get` and `regionOperations.get`, by name or by id."""
        call.only("fields")
        return _written(self._named(call), call)

    async def wait(self, call: Call) -> bytes:
        """`zoneOperations.wait` and `regionOperations.wait`: after two minutes it answers, done or not."""
        call.only("fields")
        # The clock may be moved at any time, which ends operations too: no event says when.
        until = time.monotonic() + self.state.operations.wait_seconds
        while (found := self._named(call))["status"] != "DONE" and time.monotonic() < until:  # noqa: ASYNC110 (see above)
            await asyncio.sleep(LOOKS_AGAIN)
        return _written(found, call)

    def list_scope(self, call: Call) -> bytes:
        """`zoneOperations.list` and `regionOperations.list`."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy")
        scope, service = _scope(call)
        project = Access(self.state).project(call, f"compute.{service}.list")
        _known(scope)
        shown, more = self._page(call, [one for one in self._all(project) if one[0] == scope])
        page: Json = {
            "kind": "compute#operationList",
            "id": f"projects/{project.project_id}/{scope}/operations",
            "items": [resource for _, resource in shown],
            "selfLink": f"{ROOT}/projects/{project.project_id}/{scope}/operations",
        }
        if more:
            page["nextPageToken"] = more
        if not shown:
            del page["items"]
        return _written(page, call)

    def aggregated_list(self, call: Call) -> bytes:
        """`globalOperations.aggregatedList`: a page of the operations of all scopes; each is named on every page."""
        call.only("maxResults", "pageToken", "filter", "fields", "returnPartialSuccess", "orderBy", "includeAllScopes")
        project = Access(self.state).project(call, "compute.globalOperations.list")
        missing = unreachable(call)
        wanted = aggregated_mask(call.query.get("fields", ""), "operations", OPERATION_FIELDS)
        reached = [one for one in self._all(project) if one[0].rpartition("/")[2] not in missing]
        shown, more = self._page(call, reached)
        by_scope: dict[str, list[Json]] = {}
        for scope, resource in shown:
            by_scope.setdefault(scope, []).append(resource)
        page = envelope(
            "compute#operationAggregatedList",
            "operations",
            project,
            filled=by_scope.keys(),
            unreachable=missing,
            next_token=more,
            scopes=SCOPES,
        )
        page["items"] = {**items_of(page), **{scope: {"operations": found} for scope, found in by_scope.items()}}
        return json.dumps(select(page, wanted)).encode()

    def _page(self, call: Call, rows: list[tuple[str, Json]]) -> tuple[list[tuple[str, Json]], str]:
        """The rows of a page, and the token of the next."""
        size = page_size(call.query.get("maxResults", str(LARGEST_PAGE)))
        if call.query.get("filter"):
            test = filters.read(call.query["filter"], OPERATION_FIELDS)
            rows = [row for row in rows if test(row[1])]
        after = place(call.query.get("pageToken", ""))
        order = call.query.get("orderBy", "name")
        if order == NEWEST_FIRST:
            rows.sort(key=_key)
            rows.sort(key=lambda row: str(row[1]["insertTime"]), reverse=True)
            seen = next((number for number, row in enumerate(rows, 1) if _key(row) == after), 0)
            rows = rows[seen:]
        elif order == "name":
            rows = sorted((row for row in rows if _key(row) > after), key=_key)
        else:
            raise ApiError(400, f"Invalid value for field 'orderBy': '{order}'.")
        more = len(rows) > size
        return rows[:size], token(_key(rows[size - 1])) if more else ""

    def _named(self, call: Call) -> Json:
        scope, service = _scope(call)
        name = call.path["operation"]
        resource = f"{scope}/operations/{name}"
        project = Access(self.state).project(call, f"compute.{service}.get", resource)
        _known(scope)
        self.state.settle()
        found = self.state.operations.find(project.project_id, scope, name)
        if found is not None:
            return described(found)
        past = (one for where, one in past_operations(self.state, project) if where == scope)
        done = next((one for one in past if name in (one["name"], one["id"])), None)
        if done is None:
            raise not_found(project.project_id, resource)
        return done

    def _all(self, project: Project) -> list[tuple[str, Json]]:
        self.state.settle()
        changes = [(one.task.scope, described(one)) for one in self.state.operations.of_project(project.project_id)]
        return [*changes, *past_operations(self.state, project)]


def once(state: CloudState, call: Call, project: Project, request: object, begin: Callable[[str], Operation]) -> bytes:
    """Begin an operation, or answer the one that the same request began; another request with its id is refused."""
    number = request_id(call)
    known = state.operations.begun_by(project.project_id, number)
    if known is None:
        operation = begin(number)
        state.operations.remember(operation, request)
    else:
        earlier, operation = known
        if earlier != request:
            message = f"Invalid value for field 'requestId': '{number}'. The ID belongs to another request."
            raise ApiError(400, message)
    return json.dumps(described(operation)).encode()


def described(operation: Operation) -> Json:
    """An operation as the API shows it."""
    task = operation.task
    where = f"{ROOT}/projects/{task.project.project_id}/{task.scope}"
    status = operation.status
    resource: Json = {
        "kind": "compute#operation",
        "id": str(operation.number),
        "name": operation.name,
        "operationType": task.operation_type,
        "targetLink": f"{ROOT}/{task.target}",
        "targetId": str(task.target_id),
        "status": status,
        "user": task.user,
        "progress": 100 if status == "DONE" else 0,
        "insertTime": pacific(operation.inserted),
        "selfLink": f"{where}/operations/{operation.name}",
        task.scope.partition("s/")[0]: where,
    }
    if status != "PENDING":
        resource["startTime"] = pacific(operation.inserted)
    if operation.ended is not None:
        resource["endTime"] = pacific(operation.ended)
    if task.request_id:
        resource["clientOperationId"] = task.request_id
    if operation.ended is not None and task.failure is not None:
        resource["error"] = {"errors": [{"code": task.failure.code, "message": task.failure.message}]}
        resource["httpErrorStatusCode"] = task.failure.status
        resource["httpErrorMessage"] = task.failure.phrase
    return resource


def _key(row: tuple[str, Json]) -> tuple[str, str]:
    return row[0], str(row[1]["name"])


def _scope(call: Call) -> tuple[str, str]:
    """The scope of a call, and what the service of its operations is called."""
    if "zone" in call.path:
        return f"zones/{call.path['zone']}", "zoneOperations"
    return f"regions/{call.path['region']}", "regionOperations"


def _known(scope: str) -> None:
    kind, _, name = scope.partition("/")
    (known_zone if kind == "zones" else known_region)(name)


def _written(resource: Json, call: Call) -> bytes:
    return json.dumps(select(resource, mask(call.query["fields"]) if "fields" in call.query else {})).encode()
