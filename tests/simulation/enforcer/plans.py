"""What must hold for every plan when it is recorded."""

from tests.simulation.enforcer.facts import Facts, Plan
from tests.simulation.enforcer.journal import Seen
from tests.simulation.enforcer.policies import rank
from tests.simulation.enforcer.vms import SUSPENDED, TERMINATED


def superseded_messages_plan_nothing(facts: Facts, plan: Plan) -> str | None:
    """A message older than one already handled on the same subject plans no stop."""
    if not plan.stops:
        return None
    for newest in facts.newest_contrary(plan.delivery):
        if newest.ended is not None and newest.ended <= plan.delivery.began:
            return f"{plan.delivery.message.name} is older than {newest.message.name}"
    return None


def every_vm_in_scope_has_a_reason(_: Facts, plan: Plan) -> str | None:
    """A plan gives every VM in scope that is not stopped a row with a reason."""
    explained = {row.number for row in plan.rows if row.reason}
    if not plan.stops and not any(row.event == "spared" for row in plan.rows):
        return None
    silent = [
        seen.vm.name
        for seen in plan.delivery.seen.values()
        if seen.in_scope and seen.answers and seen.status not in (TERMINATED, SUSPENDED)
        if seen.vm.number not in explained
    ]
    return f"{plan.delivery.message.name} says nothing of {', '.join(silent)}" if silent else None


def least_important_vms_stop_first(facts: Facts, plan: Plan) -> str | None:
    """No VM is planned while a less important one could be tried."""
    untried = _untried(facts, plan)
    for seen in _planned(plan):
        less = next((each for each in untried if rank(each.priority) < rank(seen.priority)), None)
        if less is not None:
            return f"{seen.vm.name} ({seen.priority}) is planned before {less.vm.name} ({less.priority})"
    return None


def largest_savings_stop_first(facts: Facts, plan: Plan) -> str | None:
    """Of one priority, no VM is planned while one that costs more could be tried."""
    untried = _untried(facts, plan)
    for seen in _planned(plan):
        for each in untried:
            if each.priority == seen.priority and each.vm.saving > seen.vm.saving:
                return f"{seen.vm.name} is planned before {each.vm.name}, which saves more"
    return None


def gaps_do_not_reverse_the_order(_: Facts, plan: Plan) -> str | None:
    """While part of the fleet cannot be read, only VMs of the least important allowed priority are planned."""
    delivery = plan.delivery
    if delivery.gap is None:
        return None
    least = min(map(rank, delivery.allowed), default=0)
    wrong = next((seen for seen in _planned(plan) if rank(seen.priority) > least), None)
    return f"{wrong.vm.name} ({wrong.priority}) is planned while {delivery.gap} does not answer" if wrong else None


def _planned(plan: Plan) -> list[Seen]:
    return [seen for number, seen in plan.delivery.seen.items() if number in plan.stops]


def _untried(facts: Facts, plan: Plan) -> list[Seen]:
    return [
        seen
        for number, seen in plan.delivery.seen.items()
        if number not in plan.stops and facts.could_be_stopped(seen, plan.delivery)
    ]
