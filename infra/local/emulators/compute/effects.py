"""What stopping and starting do: an operation begins, and the fleet changes when it begins and when it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.local.emulators.faults import Rule
from infra.local.emulators.operations import Effect, Operation, Task, endless, failure
from infra.local.emulators.rest import ApiError
from infra.local.emulators.state import CloudState
from infra.local.fleet.fleet import STAGING_TIME, STOPPING_TIME, Project, Vm
from infra.local.fleet.groups import Group
from infra.local.fleet.lifecycle import (
    COMING_UP,
    REPAIRED_AFTER,
    STOPPED_STATUSES,
    STOPPING_STATUSES,
    made_again,
    started,
    still_to_come,
    stopped,
)

NEEDS_ANOTHER_CALL = STOPPING_STATUSES | {"SUSPENDING", "SUSPENDED"}
"""The statuses in which a VM cannot be started."""


def caller(project: Project) -> str:
    """Who calls, as operations name it."""
    return f"caller@{project.project_id}.iam.gserviceaccount.com"


def agent(project: Project) -> str:
    """Who acts for a managed instance group."""
    return f"{project.number}@cloudservices.gserviceaccount.com"


def path(vm: Vm) -> str:
    """A VM's place among all resources."""
    return f"projects/{vm.project_id}/zones/{vm.zone}/instances/{vm.name}"


@dataclass(frozen=True, slots=True)
class VmRequest:
    """Who wants it, under which request id, for which group, how much longer than usual it takes, and how it stops."""

    user: str
    request_id: str = ""
    group: Group | None = None
    times: float = 1.0
    graceful: bool = True


def stop(state: CloudState, project: Project, vm: Vm, rules: Sequence[Rule], request: VmRequest) -> Operation:
    """Stop a VM; for one that is stopped, or about to be, there is nothing to do."""
    now = state.clock.now
    task = _task("stop", project, vm, request)
    if vm.status(now) in STOPPED_STATUSES | STOPPING_STATUSES:
        return state.operations.begin(task, now, at_once=True)
    shutdown = vm.graceful_shutdown if request.graceful else timedelta(0)
    effect = _stopping(state, vm, now + shutdown, request.group)
    task = replace(task, lasts=shutdown + STOPPING_TIME, by_clock=bool(shutdown), effect=effect)
    return _begin(state, task, vm, rules, "PENDING_STOP" if shutdown else "STOPPING", request)


def start(state: CloudState, project: Project, vm: Vm, rules: Sequence[Rule], request: VmRequest) -> Operation:
    """Start a VM; for one that runs there is nothing to do, and one that is stopping cannot be started."""
    now = state.clock.now
    task = replace(_task("start", project, vm, request), lasts=STAGING_TIME)
    status = vm.status(now)
    if status in COMING_UP | {"RUNNING"}:
        return state.operations.begin(task, now, at_once=True)
    if status in NEEDS_ANOTHER_CALL:
        message = f"The resource '{path(vm)}' is not ready"
        raise ApiError(400, message, "resourceNotReady")
    return _begin(state, replace(task, effect=_starting(state, vm)), vm, rules, "STAGING", request)


def _task(operation_type: str, project: Project, vm: Vm, request: VmRequest) -> Task:
    return Task(
        operation_type=operation_type,
        project=project,
        scope=f"zones/{vm.zone}",
        target=path(vm),
        target_id=vm.instance_id,
        user=request.user,
        request_id=request.request_id,
    )


def _begin(  # noqa: PLR0913, PLR0917 (all of it is what an operation needs)
    state: CloudState, task: Task, vm: Vm, rules: Sequence[Rule], status: str, request: VmRequest
) -> Operation:
    """Begin an operation that shows in the VM's status; one that is going to fail leaves the VM as it is."""
    zone = f"projects/{vm.project_id}/zones/{vm.zone}"
    task = replace(task, failure=failure(rules, zone), endless=endless(rules))
    if task.failure is None:
        state.change([replace(vm, shown_status=status)])
        owner = state.groups.owner(state.fleet, vm)
        if owner is not None:
            owner.hold(vm.instance_id, kept=status in STOPPING_STATUSES and request.group is owner)
    return state.operations.begin(task, state.clock.now, times=request.times)


def _stopping(state: CloudState, vm: Vm, requested: datetime, requested_by: Group | None) -> Effect:
    """End the VM's uptime at the time of the request; its group may make it again, or start it, a minute later."""

    def effect(moment: datetime) -> None:
        fleet = state.fleet
        present = fleet.by_id(vm.instance_id) or vm
        stopped_vm = stopped(present, min(requested, moment), moment)
        changed: tuple[Vm, ...] = (stopped_vm,)
        group = state.groups.owner(fleet, present)
        if group is not None and group is requested_by and group.autoscaled:
            changed = (_started_later(stopped_vm, moment),)
        elif group is not None and group is not requested_by and group.repairs:
            changed = made_again(stopped_vm, moment + REPAIRED_AFTER)
        state.change(changed, still_to_come(fleet, present, moment))

    return effect


def _starting(state: CloudState, vm: Vm) -> Effect:
    def effect(moment: datetime) -> None:
        fleet = state.fleet
        present = fleet.by_id(vm.instance_id) or vm
        state.change([started(present, moment)], still_to_come(fleet, present, moment))

    return effect


def _started_later(vm: Vm, moment: datetime) -> Vm:
    later = started(vm, moment + REPAIRED_AFTER)
    return replace(later, runs=(*vm.runs, later.runs[-1]))
