"""The control interface of Compute Engine: statuses, operations, permissions, groups, and what was asked to change."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.routing import Route

from infra.local.emulators.compute.operations_api import described
from infra.local.emulators.control_routes import acting, reading
from infra.local.emulators.permissions import denial
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import rfc3339
from infra.local.fleet.fleet import Vm
from infra.local.fleet.groups import Autoscaler, Group

ACTIONS_ON_FAILURE = {"REPAIR": True, "DO_NOTHING": False}
INSTANCE_SETTINGS = {"project", "zone", "name", "status", "graceful_shutdown_seconds"}
GROUP_TIMES = {"initial_delay_seconds": "initial_delay", "draining_seconds": "draining"}
GROUP_SETTINGS = {
    "project",
    "scope",
    "name",
    "default_action_on_failure",
    "autoscaled",
    "autoscaling_mode",
    *GROUP_TIMES,
}
AUTOSCALING_MODES = {"OFF", "ON", "ONLY_SCALE_OUT", "ONLY_UP"}

type Json = dict[str, object]


def routes(state: CloudState, summary: Callable[[], Json]) -> list[Route]:
    """The paths under `/_control` that are about Compute Engine."""

    def set_seconds(wanted: Any) -> None:  # noqa: ANN401 (JSON)
        known = {"seconds", "wait_seconds"}
        if not wanted or wanted.keys() - known:
            message = f"operations have {sorted(known)}"
            raise ValueError(message)
        numbers = {name: float(number) for name, number in wanted.items()}
        state.operations.seconds = numbers.get("seconds", state.operations.seconds)
        state.operations.wait_seconds = numbers.get("wait_seconds", state.operations.wait_seconds)

    def set_denials(wanted: Any) -> None:  # noqa: ANN401 (JSON)
        state.permissions.denials = tuple(denial(one) for one in wanted)

    return [
        acting("reset", summary, POST=lambda _: state.reset()),
        reading("calls", lambda _: state.calls),
        acting("calls", summary, DELETE=lambda _: state.calls.clear()),
        reading("operations", lambda query: _operations(state, query)),
        acting("operations", summary, POST=set_seconds),
        acting("permissions", summary, POST=set_denials, DELETE=lambda _: set_denials(())),
        reading("instances", lambda query: _instances(state, query)),
        acting("instances", summary, POST=lambda wanted: _set_status(state, wanted)),
        reading("groups", lambda _: [_group(state, group) for group in state.groups.all()]),
        acting("groups", summary, POST=lambda wanted: _set_group(state, wanted)),
    ]


def _operations(state: CloudState, query: Mapping[str, str]) -> list[Json]:
    state.settle()
    projects = [project.project_id for project in state.fleet.projects]
    found = [one for project in projects for one in state.operations.of_project(project)]
    return [described(one) for one in found if query.get("project") in (None, one.task.project.project_id)]


def _instances(state: CloudState, query: Mapping[str, str]) -> list[Json]:
    now = state.clock.now
    shown = [_instance(state, vm) for vm in state.fleet.vms if vm.exists(now)]
    return [one for one in shown if all(one.get(name) == value for name, value in query.items())]


def _instance(state: CloudState, vm: Vm) -> Json:
    now = state.clock.now
    started, stopped = vm.started(now), vm.stopped(now)
    return {
        "project": vm.project_id,
        "zone": vm.zone,
        "name": vm.name,
        "instance_id": str(vm.instance_id),
        "status": vm.status(now),
        "created_by": vm.created_by,
        "started": rfc3339(started) if started else None,
        "stopped": rfc3339(stopped) if stopped else None,
    }


def _set_status(state: CloudState, wanted: Any) -> None:  # noqa: ANN401 (JSON)
    """Let a VM show any status, also one that nobody knows, or shut down gracefully; None is what its runs say."""
    status, now = wanted.get("status"), state.clock.now
    if wanted.keys() - INSTANCE_SETTINGS or not (status is None or isinstance(status, str)):
        message = f"an instance has {sorted(INSTANCE_SETTINGS)}"
        raise ValueError(message)
    found = [
        vm
        for vm in state.fleet.listed(wanted["project"], now)
        if vm.name == wanted["name"] and wanted.get("zone") in (None, vm.zone)
    ]
    if len(found) != 1:
        message = f"{len(found)} instances are called {wanted['name']!r} there, not one"
        raise ValueError(message)
    shutdown = timedelta(seconds=wanted.get("graceful_shutdown_seconds", 0))
    state.change([replace(found[0], shown_status=status, graceful_shutdown=shutdown)])


def _set_group(state: CloudState, wanted: Any) -> None:  # noqa: ANN401 (JSON)
    if wanted.keys() - GROUP_SETTINGS:
        message = f"a group has {sorted(GROUP_SETTINGS)}"
        raise ValueError(message)
    group = state.groups.get((wanted["project"], wanted["scope"], wanted["name"]))
    if group is None:
        message = f"no group is called {wanted['name']!r} in {wanted['scope']!r} of {wanted['project']!r}"
        raise ValueError(message)
    action = wanted.get("default_action_on_failure", "REPAIR" if group.repairs else "DO_NOTHING")
    group.repairs = ACTIONS_ON_FAILURE[action]
    if "autoscaled" in wanted:
        group.autoscaler = Autoscaler(group.name) if wanted["autoscaled"] else None
    if (mode := wanted.get("autoscaling_mode")) is not None:
        if mode not in AUTOSCALING_MODES or group.autoscaler is None:
            message = f"a group with an autoscaler has one of the modes {sorted(AUTOSCALING_MODES)}"
            raise ValueError(message)
        group.autoscaler.mode = mode
    for setting, name in GROUP_TIMES.items():
        if setting in wanted:
            setattr(group, name, timedelta(seconds=wanted[setting]))


def _group(state: CloudState, group: Group) -> Json:
    stopped = group.stopped_size(state.fleet, state.clock.now)
    return {
        "project": group.project_id,
        "scope": group.scope,
        "name": group.name,
        "members": [{"zone": zone, "name": name} for zone, name in sorted(group.members)],
        "target_size": len(group.members) - stopped,
        "target_stopped_size": stopped,
        "default_action_on_failure": "REPAIR" if group.repairs else "DO_NOTHING",
        "autoscaled": group.autoscaled,
        "autoscaling_mode": group.autoscaler.mode if group.autoscaler else None,
    }
