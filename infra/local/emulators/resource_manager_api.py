"""Cloud Resource Manager's REST service: `projects.testIamPermissions`."""

import functools
import json

from starlette.routing import Route

from infra.local.emulators.compute.access import permissions_asked
from infra.local.emulators.permissions import PERMISSIONS
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import CloudState


def routes(state: CloudState) -> list[Route]:
    """The paths it answers."""
    method = Method(state, "resource_manager", "projects.testIamPermissions", functools.partial(_test, state))
    return [Route("/v3/projects/{project}:testIamPermissions", method.answer, methods=["POST"])]


def _test(state: CloudState, call: Call) -> bytes:
    asked = permissions_asked(call, PERMISSIONS)
    project = state.fleet.project(call.path["project"])
    if project is None:
        raise ApiError(403, "The caller does not have permission")
    granted = [name for name in asked if state.permissions.allow(name, project.project_id)]
    return json.dumps({"permissions": granted} if granted else {}).encode()
