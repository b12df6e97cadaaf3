"""What must hold of plans that wait for approval, and of what was undone."""

from datetime import timedelta

from tests.simulation.enforcer.facts import Facts
from tests.simulation.enforcer.journal import Delivery, Request


def only_approved_plans_stop(facts: Facts, stop: Request) -> str | None:
    """In the mode approve a VM is stopped only by a plan that names it and that was approved in time.

    Or by the first message that came after its expiry, where the policy says so.
    """
    delivery, name = stop.delivery, stop.delivery.message.name
    if delivery.message.command is None and delivery.policy.mode != "approve":
        return None
    executed = {target: found[1] for target, found in facts.executed.items() if found[0] == name}
    if len(executed) != 1:
        return "it executes no plan that waited, or several"
    [(target, first)] = executed.items()
    plan = facts.waiting[target]
    if stop.vm.number not in plan.stops or plan.delivery.message.budget != delivery.message.budget:
        return f"the plan of {target} does not name it"
    late = first.began - plan.expires_at
    if (command := delivery.message.command) is not None:
        is_valid = command.target == target and not command.undo and not command.wrong and late < timedelta(0)
    else:
        in_time = timedelta(0) <= late <= timedelta(minutes=delivery.policy.max_age_minutes)
        is_valid = delivery.policy.execute_unapproved and in_time
    return None if is_valid else f"nobody approved the plan of {target} in time, or it is executed {late} after that"


def plans_are_executed_once(facts: Facts, stop: Request) -> str | None:
    """No two messages stop VMs by one plan that waited."""
    name = stop.delivery.message.name
    command = stop.delivery.message.command
    if command is None:
        return None
    found = facts.executed.get(command.target)
    return f"{found[0]} executed the plan before" if found is not None and found[0] != name else None


def undone_vms_keep_running(facts: Facts, stop: Request) -> str | None:
    """A VM of which a stop was undone is not stopped before the end of the period of that stop."""
    undo = facts.undo_of(stop.vm.number)
    return f"{undo.message.name} undid its stop" if undo and undo_is_known(undo, stop.delivery) else None


def undo_is_known(undo: Delivery, delivery: Delivery) -> bool:
    """Whether an undo was on record when a delivery began."""
    return undo.ended is not None and undo.ended <= delivery.began


def an_undo_starts_only_what_its_message_stopped(facts: Facts, start: Request) -> str | None:
    """An undo starts only what its message stopped, and no other command starts anything."""
    command = start.delivery.message.command
    if command is None:
        return None
    if not command.undo:
        return "an approval starts nothing"
    stopped = facts.journal.stopped_by_message(command.target)
    return None if start.vm.number in stopped else f"{command.target} did not stop it"


def executes(facts: Facts, delivery: Delivery, stops: set[str]) -> str | None:
    """Return the message whose plan that waited this delivery begins to execute; None if the plan is its own."""
    command = delivery.message.command
    if command is not None:
        return command.target if command.target in facts.waiting else None
    found = [
        target
        for target, plan in facts.waiting.items()
        if plan.delivery.message.budget == delivery.message.budget and stops == plan.stops
        if target not in facts.executed
    ]
    return found[-1] if found and delivery.policy.mode == "approve" else None
