"""What must hold for what is recorded of a plan, and of all plans in the end."""

from tests.simulation.enforcer.facts import PENDING, WAITING, End, Facts
from tests.simulation.enforcer.journal import MEMORY, OPEN, PLANNED, Delivery, Row
from tests.simulation.enforcer.stops import why_given_up
from tests.simulation.enforcer.vms import RUNNING, TERMINATED, Actor


def recorded_stops_are_ours(facts: Facts, row: Row) -> str | None:
    """A stop is recorded only if Compute Engine accepted a request of the same message for it."""
    if row.event != "stopped":
        return None
    accepted = any(
        each.accepted and each.vm.number == row.number and each.delivery.message.name == row.message
        for each in facts.journal.stops
    )
    return None if accepted else f"{_name(facts, row)} is recorded as stopped by {row.message}, which stopped nothing"


def our_stops_are_recorded_as_ours(facts: Facts, row: Row) -> str | None:
    """A VM that a message stopped, and that is stopped still, is not recorded as changed or as never stopped."""
    if row.event not in ("changed", "expired"):
        return None
    vm = facts.world.vms[row.number]
    if vm.status != TERMINATED or vm.stopped_by is not Actor.ENFORCER:
        return None
    stops = [each for each in facts.journal.stops if each.effective and each.vm is vm]
    ours = bool(stops) and stops[-1].delivery.message.name == row.message
    return f"{vm.name}, stopped by {row.message}, is recorded as {row.event}: {row.reason}" if ours else None


def every_recorded_action_has_a_reason(facts: Facts, row: Row) -> str | None:
    """Every recorded action says why."""
    return None if row.reason.strip() else f"{row.message} records {row.event} of {_name(facts, row)} without a reason"


def lost_local_ssds_are_named(facts: Facts, row: Row) -> str | None:
    """A planned stop that gives up the contents of local SSDs says so."""
    vm = facts.world.vms[row.number]
    is_silent = row.event == "planned" and vm.local_ssd and "local SSD" not in row.reason
    return f"the stop of {vm.name} does not say that its local SSDs are lost: {row.reason}" if is_silent else None


def running_vms_are_not_recorded_as_gone(facts: Facts, row: Row) -> str | None:
    """A VM that runs is not recorded as gone."""
    vm = facts.world.vms[row.number]
    is_wrong = row.event == "changed" and "gone" in row.reason and vm.status != "DELETED"
    return f"{vm.name} is recorded as gone, and is {vm.status}" if is_wrong else None


def unchanged_vms_are_not_recorded_as_changed(facts: Facts, row: Row) -> str | None:
    """A planned stop is given up only where the VM, the policy, the message or the caps no longer allow it."""
    if row.event != "changed":
        return None
    vm, delivery = facts.world.vms[row.number], facts.journal.delivery_of(row)
    if vm.status != RUNNING or delivery is None or why_given_up(facts, delivery, vm):
        return None
    return f"{vm.name}, of which nothing has changed, is recorded as changed by {row.message}: {row.reason}"


def contradicted_messages_supersede_nothing(facts: Facts, delivery: Delivery) -> str | None:
    """A message is superseded by none that says less than a tenth of what the tracker's rows say."""
    if "superseded" not in delivery.verdicts:
        return None
    newer = list(facts.journal.newer(delivery))
    if any(not each.is_contradicted_by(delivery.message.own) for each in newer):
        return None
    return f"{delivery.message.name} is superseded by {', '.join(each.message.name for each in newer) or 'nothing'}"


def every_plan_ends(facts: Facts, _: End) -> str | None:
    """In the end no plan is without an outcome: stopped, changed, failed or expired."""
    planned = {(row.message, row.number) for row in facts.journal.rows if row.event in PLANNED if row.mode == "enforce"}
    ended = {(row.message, row.number) for row in facts.journal.rows if row.event not in OPEN if row.event != "spared"}
    left = sorted(each for each in planned - ended if not _may_wait(facts, *each))
    names = ", ".join(f"{facts.world.vms[number].name} by {message}" for message, number in left)
    return f"planned for ever: {names}" if left else None


def _may_wait(facts: Facts, message: str, number: str) -> bool:
    """Whether a stop was accepted so late that no message came after the time that it may take.

    Or so early that the next message came when its plan was no longer read; that of the plan itself, delivered again
    when it is old, only says so.
    """
    planned_at = facts.journal.planned_at(message, number) or facts.world.now
    handled = [
        each.began - planned_at
        for each in facts.journal.deliveries
        if each.acknowledged and (each.is_fresh or each.message.name != message)
    ]
    later = [after for after in handled if after > PENDING]
    if later and min(later) > MEMORY:
        return True
    accepted = [each.at for each in facts.journal.stops if each.accepted and each.vm.number == number]
    last = max((each.began for each in facts.journal.deliveries), default=facts.world.now)
    waits = any(
        row.event == "waiting" and row.message == message and row.number == number for row in facts.journal.rows
    )
    return waits and bool(accepted) and last - max(accepted) < WAITING


def every_handled_message_has_a_verdict(facts: Facts, delivery: Delivery) -> str | None:
    """A message that is acknowledged has a recorded verdict with its reason."""
    if not delivery.acknowledged:
        return None
    name = delivery.message.name
    recorded = any(each.verdicts for each in facts.journal.deliveries if each.message.name == name)
    return None if recorded else f"{name} is acknowledged without a verdict on record"


def every_stop_is_on_record(facts: Facts, _: End) -> str | None:
    """In the end every VM that the enforcer stopped, and that is stopped still, is on record as stopped.

    Or as expired, which counts as well, if somebody started it between the request and the stop, which its group
    delayed: nobody can tell that stop from one of a person's.
    """
    recorded = {row.number for row in facts.journal.rows if row.event == "stopped"}
    recorded |= {row.number for row in facts.journal.rows if row.event == "expired" and _was_started_since(facts, row)}
    may_wait = {row.number for row in facts.journal.rows if _may_wait(facts, row.message, row.number)}
    silent = [
        vm.name
        for vm in facts.world.vms.values()
        if vm.status == TERMINATED and vm.stopped_by is Actor.ENFORCER and vm.number not in recorded | may_wait
    ]
    return f"stopped, and not on record as stopped: {', '.join(silent)}" if silent else None


def _was_started_since(facts: Facts, row: Row) -> bool:
    planned_at = facts.journal.planned_at(row.message, row.number)
    return planned_at is not None and facts.world.vms[row.number].started > planned_at


def _name(facts: Facts, row: Row) -> str:
    return facts.world.vms[row.number].name
