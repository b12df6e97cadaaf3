"""The enforcer is never stuck: while a budget is exceeded and the caps allow, a VM that can be stopped is stopped."""

from datetime import timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.facts import HELD_BACK, PENDING, Facts, may_act
from tests.simulation.enforcer.journal import Delivery, Seen
from tests.simulation.enforcer.policies import Rule
from tests.simulation.enforcer.vms import TERMINATED, Actor

_ONE_DAY = timedelta(days=1)
_SPARE_ALERTS = 2


def stoppable_vms_stop_within_a_few_alerts(facts: Facts, delivery: Delivery) -> str | None:
    """Within as many alerts as it takes to try every VM once, and two more, one that can be stopped is stopped.

    An alert counts when it is new, current and undisturbed, and the caps allow a stop by what took effect.
    """
    rule = delivery.rule
    if rule is None or not delivery.first:
        return None
    waiting = _stoppable(facts, delivery, rule)
    stopped = any(each.delivery is delivery and each.effective for each in facts.journal.stops)
    if stopped or not waiting:
        facts.chances.pop(rule.budget, None)
    if stopped or not waiting or not _counts(facts, delivery, rule):
        return None
    count, earlier = facts.chances.get(rule.budget, (0, waiting))
    if not waiting & earlier:
        count, earlier = 0, waiting
    count, waiting = count + 1, waiting & earlier
    facts.chances[rule.budget] = count, waiting
    tried = [seen for seen in delivery.present.values() if _eligible(seen, delivery)]
    if count <= -(-len(tried) // rule.per_alert) + _SPARE_ALERTS:
        return None
    facts.chances.pop(rule.budget)
    names = ", ".join(sorted(facts.world.vms[number].name for number in waiting))
    return f"{count} alerts of {rule.budget} stopped none of {names}"


def stopped_vms_restart_within_a_few_alerts(facts: Facts, delivery: Delivery) -> str | None:
    """Where the policy restarts, a VM stopped in an earlier month starts within a few alerts under budget.

    As many as it takes to try every VM that was ever stopped, those gone since as well, and two more. An alert counts
    when it is new, current, undisturbed and credible, and no budget has reached a threshold.
    """
    rule, key = delivery.rule, f"restart {delivery.message.budget}"
    if rule is None or not delivery.first:
        return None
    waiting = _restartable(facts, delivery, rule)
    started = any(each.delivery is delivery for each in facts.journal.starts)
    if started or not waiting:
        facts.chances.pop(key, None)
    if started or not waiting or not _asks_for_restarts(facts, delivery):
        return None
    count, earlier = facts.chances.get(key, (0, waiting))
    waiting = waiting & earlier or waiting
    facts.chances[key] = count + 1, waiting
    tried = {each.vm.number for each in facts.journal.stops if each.effective}
    if count + 1 <= -(-len(tried) // rule.per_alert) + _SPARE_ALERTS:
        return None
    facts.chances.pop(key)
    names = ", ".join(sorted(facts.world.vms[number].name for number in waiting))
    return f"{count + 1} alerts of {rule.budget} under budget started none of {names}"


def _asks_for_restarts(facts: Facts, delivery: Delivery) -> bool:
    now, policy = facts.world.now, delivery.policy
    reached = facts.journal.latest(policy, now).values()
    return (
        policy.restart
        and delivery.message.command is None
        and may_act(policy, delivery, now) is None
        and _is_current(facts, delivery)
        and not delivery.is_contradicted
        and not delivery.allowed
        and not any(each.allowed for each in reached)
        and not facts.lately_troubled()
    )


def _restartable(facts: Facts, delivery: Delivery, rule: Rule) -> frozenset[str]:
    """The VMs that messages of this budget stopped in an earlier month, as is recorded, and nobody touched since."""
    month = period_start("month", facts.world.now)
    ours = {
        each.vm.number
        for each in facts.journal.stops
        if each.effective
        and each.delivery.message.budget == rule.budget
        and each.delivery.message.kind == "month"
        and each.at < month
    }
    recorded = {row.number for row in facts.journal.rows if row.event == "stopped" and row.at < month}
    given_up = {row.number for row in facts.journal.rows if row.event in ("restarted", "not_restarted")}
    vms = [facts.world.vms[number] for number in (ours & recorded) - given_up]
    return frozenset(
        vm.number
        for vm in vms
        if vm.status == TERMINATED and vm.stopped_by is Actor.ENFORCER and vm.spot and rule.covers(vm)
        if vm.started < min(each.at for each in facts.journal.stops if each.vm is vm)
        if not any(each.vm is vm and each.at >= month for each in facts.journal.stops)
        if {each.delivery.message.budget for each in facts.journal.stops if each.vm is vm} == {rule.budget}
        if facts.world.answers(vm.zone)
        if not any(each.vm is vm for each in facts.journal.starts)
        if delivery.message.kind == "month"
    )


def _is_current(facts: Facts, delivery: Delivery) -> bool:
    """Whether a message is news about the current period, and nothing disturbs its delivery."""
    now, message, rule = facts.world.now, delivery.message, delivery.rule
    fits = rule is not None and (message.source == "tracker" or message.kind == rule.period)
    return (
        fits
        and not message.forged
        and delivery.is_fresh
        and delivery.interval_start == period_start(delivery.message.kind, now)
        and not delivery.troubled
        and not any(facts.journal.newer(delivery))
    )


def _counts(facts: Facts, delivery: Delivery, rule: Rule) -> bool:
    """Whether an alert has to stop something."""
    now = facts.world.now
    return (
        may_act(delivery.policy, delivery, now) is None
        and delivery.policy.mode == "enforce"
        and delivery.message.command is None
        and delivery.message.spent >= 1
        and _is_current(facts, delivery)
        and not facts.lately_troubled()
        and delivery.gap is None
        and _caps_allow(facts, delivery, rule)
    )


def _caps_allow(facts: Facts, delivery: Delivery, rule: Rule) -> bool:
    since = facts.world.now - _ONE_DAY
    accepted = [each for each in facts.journal.stops if each.accepted and each.at > facts.world.now - PENDING]
    open_stops = {each.vm.number for each in accepted}
    own = {each.vm.number for each in accepted if each.delivery.message.budget == rule.budget}
    of_fleet = int(Decimal(rule.fleet_share) * facts.fleet_base(delivery))
    return (
        len(facts.journal.stopped_since(since, rule.budget) | own) < min(rule.per_day, of_fleet)
        and len(facts.journal.stopped_since(since) | open_stops) < delivery.policy.per_day_total
    )


def _eligible(seen: Seen, delivery: Delivery) -> bool:
    return seen.in_scope and seen.status == "RUNNING" and seen.spared is None and seen.priority in delivery.allowed


def _stoppable(facts: Facts, delivery: Delivery, rule: Rule) -> frozenset[str]:
    """The VMs that could have been stopped from the beginning of the delivery to its end."""
    now = facts.world.now
    return frozenset(
        number
        for number, seen in delivery.present.items()
        if facts.could_be_stopped(seen, delivery)
        and seen.vm.works
        and seen.vm.status == "RUNNING"
        and rule.covers(seen.vm)
        and delivery.policy.spares(seen.vm, now) is None
        and (seen.vm.requested_at is None or now - seen.vm.requested_at > HELD_BACK)
    )
