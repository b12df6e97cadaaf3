"""Blockers: why a rule can stop nothing at all, however much is spent. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from spotkeeper.enforcement.plans import Plan
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.spot_vms import SpotVm


class Blocker(StrEnum):
    """Log events of a rule that can stop nothing; an alert policy in Terraform matches them."""

    NO_VM_IN_SCOPE = "no Spot VM in scope"
    SHARE_ALLOWS_NO_STOP = "max_fleet_share allows no stop"


def blocker(rule: BudgetRule, vms: Iterable[SpotVm], plan: Plan) -> Blocker | None:
    """Return what keeps a rule from stopping any of these instances, whatever their status; None if nothing does.

    A stopped instance is in scope too: a rule whose instances are all stopped already has done its work.
    """
    in_scope = sum(rule.covers(vm.instance) for vm in vms)
    if not in_scope:
        return Blocker.NO_VM_IN_SCOPE
    if plan.deferred and not plan.stops and rule.caps.fleet_share * in_scope < 1:
        return Blocker.SHARE_ALLOWS_NO_STOP
    return None
