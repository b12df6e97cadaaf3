"""Preconditions: whether an instance is still what was planned, checked right before it is stopped or started."""

from dataclasses import dataclass
from datetime import datetime

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.executor import Precondition, Skip
from spotkeeper.enforcement.plans import SpotVm, reason_to_spare
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.restarts import StoppedVm, reason_not_to_restart
from spotkeeper.instances import ProvisioningModel

_STOPPED = frozenset({"PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"})
_STARTED = frozenset({"PROVISIONING", "STAGING", "RUNNING"})
_GONE = "the instance no longer exists (no instance has this id)"


@dataclass(frozen=True, slots=True)
class StopPreconditions:
    """The preconditions of a stop."""

    policy: Policy
    now: datetime

    def stop(self, vm: SpotVm | None) -> Skip | None:
        """Skip an instance of a new plan that may not be stopped any more."""
        if vm is None:
            return Skip(ActionEvent.CHANGED, _GONE)
        if vm.instance.provisioning_model is not ProvisioningModel.SPOT:
            return Skip(ActionEvent.CHANGED, f"no longer a Spot VM, but {vm.instance.provisioning_model}")
        reason = reason_to_spare(vm, self.policy, self.now)
        return Skip(ActionEvent.CHANGED, reason) if reason else None

    def resumed_stop(self, vm: SpotVm | None) -> Skip | None:
        """Do the same for a plan of an earlier delivery, which may have stopped the instance already."""
        if vm is not None and vm.status in _STOPPED:
            return Skip(ActionEvent.STOPPED, f"found {vm.status} when the plan was resumed")
        return self.stop(vm)


def start_precondition(stopped: StoppedVm, *, resumed: bool) -> Precondition:
    """Return the precondition of a start; a resumed plan may have started the instance already."""

    def precondition(vm: SpotVm | None) -> Skip | None:
        if vm is None:
            return Skip(ActionEvent.NOT_RESTARTED, _GONE)
        if resumed and vm.status in _STARTED:
            return Skip(ActionEvent.RESTARTED, f"found {vm.status} when the plan was resumed")
        reason = reason_not_to_restart(vm, stopped)
        return Skip(ActionEvent.NOT_RESTARTED, reason) if reason else None

    return precondition
