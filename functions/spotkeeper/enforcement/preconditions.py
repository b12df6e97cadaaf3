"""The last look at an instance, right before it is stopped or started: is it still what the plan was made for?"""

from dataclasses import dataclass
from datetime import datetime

from spotkeeper.enforcement.actions import Event
from spotkeeper.enforcement.executor import Check, Settled
from spotkeeper.enforcement.plans import SpotVm, why_not
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.restarts import StoppedVm, why_not_restart
from spotkeeper.instances import ProvisioningModel

_STOPPED = frozenset({"PENDING_STOP", "STOPPING", "TERMINATED", "STOPPED"})
_STARTED = frozenset({"PROVISIONING", "STAGING", "RUNNING"})
_GONE = "it is gone: no instance has this id any more"


@dataclass(frozen=True, slots=True)
class StopChecks:
    """The looks before a stop."""

    policy: Policy
    now: datetime

    def stop(self, vm: SpotVm | None) -> Settled | None:
        """Whether an instance that was planned a moment ago is still to be stopped."""
        if vm is None:
            return Event.CHANGED, _GONE
        if vm.instance.provisioning_model is not ProvisioningModel.SPOT:
            return Event.CHANGED, f"it is no Spot VM any more, but {vm.instance.provisioning_model}"
        reason = why_not(vm, self.policy, self.now)
        return (Event.CHANGED, reason) if reason else None

    def resumed_stop(self, vm: SpotVm | None) -> Settled | None:
        """The same for a plan that an earlier delivery began: what that one stopped is found stopped."""
        if vm is not None and vm.status in _STOPPED:
            return Event.STOPPED, f"it was found {vm.status} when its plan was taken up again"
        return self.stop(vm)


def start_check(stopped: StoppedVm, *, resumed: bool) -> Check:
    """Return the look before a start; `resumed` as above."""

    def check(vm: SpotVm | None) -> Settled | None:
        if vm is None:
            return Event.NOT_RESTARTED, _GONE
        if resumed and vm.status in _STARTED:
            return Event.RESTARTED, f"it was found {vm.status} when its plan was taken up again"
        reason = why_not_restart(vm, stopped)
        return (Event.NOT_RESTARTED, reason) if reason else None

    return check
