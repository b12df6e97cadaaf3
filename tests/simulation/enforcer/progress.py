"""The enforcer is never stuck: while a budget is exceeded and the caps allow, a VM that can be stopped is stopped."""

from datetime import timedelta
from decimal import Decimal

from tests.simulation.enforcer.calendar import period_start
from tests.simulation.enforcer.facts import FRESH, HELD_BACK, Facts, may_act
from tests.simulation.enforcer.journal import Delivery, Seen
from tests.simulation.enforcer.policies import Rule

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
    if stopped or not waiting or not _counts(facts, delivery, rule):
        facts.chances.pop(rule.budget, None)
        return None
    count, earlier = facts.chances.get(rule.budget, (0, waiting))
    if not waiting & earlier:
        count, earlier = 0, waiting
    count, waiting = count + 1, waiting & earlier
    facts.chances[rule.budget] = count, waiting
    tried = [seen for seen in delivery.seen.values() if _eligible(seen, delivery)]
    if count <= -(-len(tried) // rule.per_alert) + _SPARE_ALERTS:
        return None
    facts.chances.pop(rule.budget)
    names = ", ".join(sorted(facts.world.vms[number].name for number in waiting))
    return f"{count} alerts of {rule.budget} stopped none of {names}"


def _counts(facts: Facts, delivery: Delivery, rule: Rule) -> bool:
    """Whether an alert has to stop something."""
    now = facts.world.now
    return (
        may_act(delivery.policy, delivery, now) is None
        and delivery.message.spent >= 1
        and not delivery.message.forged
        and delivery.began - delivery.published < FRESH
        and delivery.interval_start == period_start(delivery.message.kind, now)
        and not delivery.troubled
        and not facts.lately_troubled()
        and delivery.gap is None
        and not any(facts.journal.newer(delivery))
        and _caps_allow(facts, delivery, rule)
    )


def _caps_allow(facts: Facts, delivery: Delivery, rule: Rule) -> bool:
    since = facts.world.now - _ONE_DAY
    stopped = len(facts.journal.stopped_since(since, rule.budget))
    of_fleet = int(Decimal(rule.fleet_share) * facts.fleet_base(delivery))
    return (
        stopped < min(rule.per_day, of_fleet)
        and len(facts.journal.stopped_since(since)) < delivery.policy.per_day_total
    )


def _eligible(seen: Seen, delivery: Delivery) -> bool:
    return seen.in_scope and seen.status == "RUNNING" and seen.spared is None and seen.priority in delivery.allowed


def _stoppable(facts: Facts, delivery: Delivery, rule: Rule) -> frozenset[str]:
    """The VMs that could have been stopped from the beginning of the delivery to its end."""
    now = facts.world.now
    return frozenset(
        number
        for number, seen in delivery.seen.items()
        if facts.could_be_stopped(seen, delivery)
        and seen.vm.works
        and seen.vm.status == "RUNNING"
        and rule.covers(seen.vm)
        and delivery.policy.spares(seen.vm, now) is None
        and (seen.vm.requested_at is None or now - seen.vm.requested_at > HELD_BACK)
    )
