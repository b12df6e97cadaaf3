"""What must hold at every request to stop a VM."""

from datetime import timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.facts import Facts, may_act
from tests.simulation.enforcer.journal import OPEN, Delivery, Request
from tests.simulation.enforcer.vms import Vm

_ONE_DAY = timedelta(days=1)


def why_given_up(facts: Facts, delivery: Delivery, vm: Vm) -> str | None:
    """Return why a planned stop of a VM is not to be carried out now; None when it is."""
    now, policy = facts.world.now, delivery.policy
    stop = Request(now, delivery, vm)
    conditions = (
        only_spot_vms_in_scope_stop,
        only_allowed_priorities_stop,
        vms_started_after_their_plan_keep_running,
        only_enforcing_messages_stop,
        earlier_periods_stop_nothing,
        old_messages_stop_nothing,
        overtaken_plans_stop_nothing,
        _limits_leave_room,
    )
    found = (
        *(condition(facts, stop) for condition in conditions),
        "its stop was undone" if facts.undo_of(vm.number) else None,
        "another message stops it" if facts.pending(vm.number, delivery.message.name) else None,
    )
    return policy.spares(vm, now) or next((each for each in found if each is not None), None)


def protected_vms_keep_running(facts: Facts, stop: Request) -> str | None:
    """No protected VM is stopped."""
    return "it is protected" if stop.vm.is_protected(facts.world.now) else None


def gke_nodes_keep_running(_: Facts, stop: Request) -> str | None:
    """No GKE node is stopped, whichever of its marks it has."""
    return "it is a GKE node" if stop.vm.is_gke_node else None


def only_spot_vms_in_scope_stop(_: Facts, stop: Request) -> str | None:
    """Only Spot VMs that the budget covers now are stopped."""
    rule = stop.delivery.rule
    if not stop.vm.spot:
        return "it is no Spot VM"
    return None if rule and rule.covers(stop.vm) else "the budget does not cover it"


def only_allowed_priorities_stop(_: Facts, stop: Request) -> str | None:
    """Only VMs whose priority, as labelled now, the reached thresholds allow are stopped."""
    priority = stop.delivery.policy.priority(stop.vm)
    return None if priority in stop.delivery.allowed else f"its priority is {priority}"


def only_vms_of_the_minimum_age_stop(facts: Facts, stop: Request) -> str | None:
    """No VM younger than the minimum age is stopped."""
    age = facts.world.now - stop.vm.started
    return f"it is {age} old" if age < timedelta(minutes=stop.delivery.policy.minimum_age_minutes) else None


def vms_started_after_their_plan_keep_running(facts: Facts, stop: Request) -> str | None:
    """A VM that was started after its stop was planned is not stopped by that plan."""
    name = stop.delivery.message.name
    executed = next((target for target, found in facts.executed.items() if found[0] == name), name)
    planned_at = facts.journal.planned_at(executed, stop.vm.number)
    if planned_at is None:
        return "no plan of this message names it"
    return f"planned {planned_at:%H:%M:%S}, started after that" if stop.vm.started > planned_at else None


def only_enforcing_messages_stop(facts: Facts, stop: Request) -> str | None:
    """Nothing is stopped in a dry run, for a drill, in a snooze, or by a source that may only warn."""
    return may_act(stop.delivery.policy, stop.delivery, facts.world.now)


def earlier_periods_stop_nothing(facts: Facts, stop: Request) -> str | None:
    """A message about a period that is over stops nothing."""
    delivery = stop.delivery
    current = period_start(delivery.message.kind, facts.world.now)
    return None if delivery.interval_start == current else f"the {delivery.message.kind} of the message is over"


def old_messages_stop_nothing(_: Facts, stop: Request) -> str | None:
    """A message delivered later after its publication than the policy allows, two hours by default, stops nothing."""
    delivery = stop.delivery
    return None if delivery.is_fresh else f"the message is {delivery.began - delivery.published} old"


def overtaken_plans_stop_nothing(facts: Facts, stop: Request) -> str | None:
    """A plan stops no VM that a newer message on the same subject no longer allows to be stopped."""
    priority = stop.delivery.policy.priority(stop.vm)
    for newest in facts.newest_contrary(stop.delivery):
        if priority not in newest.allowed:
            return f"{newest.message.name} says {newest.message.spent:.0%} since"
    return None


def alert_cap_holds(facts: Facts, stop: Request) -> str | None:
    """One message stops no more VMs than the cap of an alert."""
    stopped = facts.journal.stopped_by_message(stop.delivery.message.name) | {stop.vm.number}
    cap = stop.delivery.rule.per_alert if stop.delivery.rule else 0
    return f"stop {len(stopped)} of at most {cap} per alert" if len(stopped) > cap else None


def daily_cap_holds(facts: Facts, stop: Request) -> str | None:
    """One budget stops no more VMs in 24 hours than the cap of a day."""
    rule = stop.delivery.rule
    if rule is None:
        return None
    stopped = facts.journal.stopped_since(facts.world.now - _ONE_DAY, rule.budget) | {stop.vm.number}
    return f"stop {len(stopped)} of at most {rule.per_day} in 24 hours" if len(stopped) > rule.per_day else None


def fleet_share_holds(facts: Facts, stop: Request) -> str | None:
    """One budget stops no larger share of its fleet in 24 hours than the policy allows."""
    delivery, rule = stop.delivery, stop.delivery.rule
    if rule is None:
        return None
    base = max(facts.fleet_base(delivery), facts.fleet_at_plan.get(delivery.message.name, 0))
    most = int(Decimal(rule.fleet_share) * base)
    stopped = facts.journal.stopped_since(facts.world.now - _ONE_DAY, rule.budget) | {stop.vm.number}
    return f"stop {len(stopped)} of at most {most} of {base} VMs" if len(stopped) > most else None


def total_cap_holds(facts: Facts, stop: Request) -> str | None:
    """All budgets together stop no more VMs in 24 hours than the total cap."""
    stopped = facts.journal.stopped_since(facts.world.now - _ONE_DAY) | {stop.vm.number}
    most = stop.delivery.policy.per_day_total
    return f"stop {len(stopped)} of at most {most} for all budgets" if len(stopped) > most else None


def guests_are_warned_first(facts: Facts, stop: Request) -> str | None:
    """With a grace period, a guest knows the time of its stop before that comes."""
    vm = stop.vm
    if not stop.delivery.policy.grace_seconds or facts.lately_troubled():
        return None
    return None if vm.warned_until is not None and vm.warned_until <= facts.world.now else "its guest was not warned"


def _limits_leave_room(facts: Facts, stop: Request) -> str | None:
    """A plan that is resumed keeps to the limits by the fleet as it is then; each of its stops without outcome counts.

    That one fails, or that its VM is gone, is known only after the limits were asked.
    """
    delivery, rule, journal = stop.delivery, stop.delivery.rule, facts.journal
    if rule is None:
        return None
    since, name = facts.world.now - _ONE_DAY, delivery.message.name
    own = [row for row in journal.rows if row.message == name]
    ended = {row.number for row in own if row.event not in OPEN}
    tried = {row.number for row in own if row.event == "planned"} - ended | {stop.vm.number}
    tried |= {each.vm.number for each in journal.stops if each.delivery.message.name == name}
    fleet = min(facts.fleet_base(delivery), facts.fleet_as_listed(delivery))
    most = min(rule.per_day, int(Decimal(rule.fleet_share) * fleet))
    is_full = (
        len(tried) > rule.per_alert
        or len(journal.stopped_since(since, rule.budget) | tried) > most
        or len(journal.stopped_since(since) | tried) > delivery.policy.per_day_total
    )
    return "the limits leave no room" if is_full else None
