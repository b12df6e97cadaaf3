"""What must hold of groups that are frozen and thawed."""

from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.facts import End, Facts, may_act
from tests.simulation.enforcer.journal import Delivery, ModeChange, Request, Seen
from tests.simulation.enforcer.vms import Scaler


def is_reached(delivery: Delivery) -> bool:
    """Whether the policy lets a message freeze groups."""
    share = delivery.policy.freeze_groups
    return share is not None and bool(delivery.allowed) and delivery.message.spent >= Decimal(str(share))


def only_messages_that_reach_the_share_freeze(facts: Facts, change: ModeChange) -> str | None:
    """Nothing is frozen below the share, in a dry run, for a drill, in a snooze, by old news, or after its period."""
    delivery = change.delivery
    if change.mode != "OFF":
        return None
    if not is_reached(delivery):
        return f"{delivery.message.spent:.0%} is spent"
    if not delivery.is_fresh:
        return "the message is old"
    if delivery.interval_start != period_start(delivery.message.kind, facts.world.now):
        return "the period of the message is over"
    command = delivery.message.command
    if command is not None and (command.undo or command.thaw):
        return "an undo and a thaw freeze nothing"
    return may_act(delivery.policy, delivery, facts.world.now)


def only_approved_plans_freeze(_: Facts, change: ModeChange) -> str | None:
    """In the mode approve nothing is frozen but by a plan that was approved, or executed after its expiry."""
    delivery = change.delivery
    if change.mode != "OFF" or delivery.policy.mode != "approve" or delivery.message.command is not None:
        return None
    return None if delivery.policy.execute_unapproved else "nobody approved it"


def only_groups_in_scope_are_frozen(facts: Facts, change: ModeChange) -> str | None:
    """A group is frozen only where the budget covers all of its Spot VMs, may stop each, and there is one.

    As the function listed them: what people do afterwards it cannot see in time.
    """
    delivery = change.delivery
    if change.mode != "OFF":
        return None
    seen = [each for each in delivery.seen.values() if change.scaler.owns(each.vm) and each.was_spot]
    reasons = (_why_not(facts, delivery, each) for each in seen)
    return next((why for why in reasons if why is not None), None) if seen else "it has no Spot VM"


def _why_not(facts: Facts, delivery: Delivery, seen: Seen) -> str | None:
    """Return why a group with this member is not to be frozen."""
    name = seen.vm.name
    if seen.vm.is_gke_node:
        return f"{name} is a GKE node"
    if not seen.in_scope:
        return f"the budget does not cover {name}"
    if seen.spared == "is protected" and seen.vm.is_protected(facts.world.now):
        return f"{name} is protected"
    return None if seen.priority in delivery.allowed else f"{name} has {seen.priority} priority"


def what_people_switched_is_left_to_them(_: Facts, change: ModeChange) -> str | None:
    """An autoscaler is switched off only if it is on, and back only if the enforcer was the last to switch it."""
    scaler = change.scaler
    if change.mode == "OFF":
        return "it was off already" if change.before == "OFF" else None
    if scaler.frozen_until is None:
        return "the enforcer did not freeze it, or somebody has changed it since"
    if change.mode != scaler.former:
        return f"it was in mode {scaler.former}"
    return None if change.before == "OFF" else f"it is in mode {change.before}"


def what_was_thawed_early_is_not_frozen_again(facts: Facts, change: ModeChange) -> str | None:
    """What a person switched on or had thawed stays so to the end of the period of that freeze."""
    until = change.scaler.theirs_until
    again = change.mode == "OFF" and until is not None and facts.world.now < until
    return f"it is left alone until {until:%Y-%m-%d %H:%M}" if again and until is not None else None


def groups_thaw_when_their_period_is_over(facts: Facts, change: ModeChange) -> str | None:
    """A group is thawed by the end of its period, or by a person's command, and never in a dry run."""
    delivery, until = change.delivery, change.scaler.frozen_until
    if change.mode == "OFF" or until is None:
        return None
    if delivery.policy.mode == "dry_run" or delivery.message.drill:
        return "in a dry run nothing is changed"
    command = delivery.message.command
    wanted = command is not None and (command.undo or command.thaw)
    return None if wanted or facts.world.now >= until else f"it is frozen until {until:%Y-%m-%d %H:%M}"


def groups_are_frozen_before_their_members_stop(facts: Facts, stop: Request) -> str | None:
    """Where groups are to be frozen, no member is stopped while its autoscaler would replace it.

    Unless the delivery of another message is at it in the same moment: the freeze is left to that one.
    """
    delivery = stop.delivery
    scaler = facts.world.scaler_of(stop.vm)
    if scaler is None or scaler.mode == "OFF" or facts.lately_troubled() or not is_reached(delivery):
        return None
    if delivery.gap is not None or _left_alone(facts, scaler) or not delivery.first:
        return None
    if delivery.policy.mode == "approve" or delivery.message.command is not None:
        return None
    others = (each for each in facts.journal.deliveries if each.ended is None and each is not delivery)
    if any(map(is_reached, others)):
        return None
    change = ModeChange(facts.world.now, delivery, scaler, scaler.mode, "OFF")
    excuse = only_groups_in_scope_are_frozen(facts, change)
    undone = any(facts.undo_of(vm.number) for vm in facts.world.vms.values() if scaler.owns(vm))
    return None if excuse or undone else "its group was not frozen"


def _left_alone(facts: Facts, scaler: Scaler) -> bool:
    """Whether somebody changed it lately, or had it thawed: then it is theirs."""
    is_theirs = scaler.theirs_until is not None and facts.world.now < scaler.theirs_until
    return is_theirs or scaler.changed_at is not None


def no_group_stays_frozen_after_its_period(facts: Facts, end: End) -> str | None:
    """At the end no group is off that the enforcer froze for a period that was over when a message was handled."""
    for scaler in facts.world.scalers.values():
        until = scaler.frozen_until
        if not scaler.exists or scaler.mode != "OFF" or until is None or end.at < until:
            continue
        for each in facts.journal.deliveries:
            is_enforcing = each.policy.mode != "dry_run" and not each.message.drill
            if each.acknowledged and each.began >= until and each.rule and is_enforcing and not each.message.command:
                return f"{scaler.group} in {scaler.zone} is still off after {each.message.name}"
    return None
