"""Cloud Resource Manager's REST service: `projects.testIamPermissions`."""

import functools
import json

from starlette.routing import Route

from infra.local.emulators.compute.access import permissions_asked
from infra.local.emulators.permissions import PERMISSIONS
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.state import World


def routes(world: World) -> list[Route]:
    """The paths it answers."""
    method = Method(world, "resource_manager", "projects.testIamPermissions", functools.partial(_test, world))
    return [Route("/v3/projects/{project}:testIamPermissions", method.answer, methods=["POST"])]


def _test(world: World, call: Call) -> bytes:
    asked = permissions_asked(call, PERMISSIONS)
    project = world.fleet.project(call.path["project"])
    if project is None:
        raise ApiError(403, "The caller does not have permission")
    granted = [name for name in asked if world.permissions.allow(name, project.project_id)]
    return json.dumps({"permissions": granted} if granted else {}).encode()
