"""What becomes of a VM that is stopped, started, or made again by its group: a VM in, a VM out.

Whatever the scenario had in store for a VM ends when somebody acts on it: it stays as it was left.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from infra.local.fleet.fleet import STAGING_TIME, Fleet, Run, Vm, instance_id

REPAIRED_AFTER = timedelta(seconds=60)

STOPPED_STATUSES = frozenset({"TERMINATED", "STOPPED"})
"""The statuses of a VM that is stopped."""

STOPPING_STATUSES = frozenset({"STOPPING", "PENDING_STOP"})

COMING_UP = frozenset({"PENDING", "PROVISIONING", "STAGING"})


def stopped(vm: Vm, at: datetime, terminated_at: datetime) -> Vm:
    """The VM with a stop requested at one time and finished at another; its uptime ends with the first."""
    begun = [run for run in vm.runs if run.start < at]
    last = begun[-1] if begun else Run(at, at)
    end = at if last.end is None or last.end > at else last.end
    ended = Run(last.start, end, preempted=last.preempted and end == last.end, shutdown_end=max(terminated_at, end))
    return replace(_kept(vm), runs=(*begun[:-1], ended))


def started(vm: Vm, at: datetime) -> Vm:
    """The VM, running from a moment on."""
    return replace(_kept(vm), runs=(*(run for run in vm.runs if run.start < at), Run(at)))


def made_again(vm: Vm, at: datetime) -> tuple[Vm, Vm]:
    """The VM as its group deletes it at a moment, and the one made in its place: the same name, another id."""
    successor = replace(
        vm,
        instance_id=instance_id(*vm.place, "made again", at),
        created=at,
        runs=(Run(at + STAGING_TIME),),
        machine_types=((at, vm.machine_type(at)),),
        labels=((at, vm.labels_at(at)),),
        deleted=None,
        gaps=(),
        shown_status=None,
        metadata=None,
    )
    return replace(vm, deleted=at), successor


def still_to_come(fleet: Fleet, vm: Vm, at: datetime) -> list[Vm]:
    """The VMs of the same name that are yet to be made."""
    return [other for other in fleet.named(vm.project_id, vm.zone, vm.name) if other.created > at]


def has_local_ssd(vm: Vm, at: datetime) -> bool:
    """Whether it has local SSD, attached or part of its machine type."""
    return vm.local_ssd_gib(at) > 0


def _kept(vm: Vm) -> Vm:
    """The VM without the deletion it was headed for; what it does when preempted is shown as before."""
    return replace(vm, deleted=None, shown_status=None, termination_action=termination_action(vm))


def termination_action(vm: Vm) -> str:
    """What Compute Engine does with it when it is preempted."""
    return vm.termination_action or ("STOP" if vm.deleted is None else "DELETE")
