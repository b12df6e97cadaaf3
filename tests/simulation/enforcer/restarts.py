"""What must hold at every request to start a VM."""

from tests.simulation.enforcer.facts import Facts, may_act
from tests.simulation.enforcer.journal import Request
from tests.simulation.enforcer.vms import Actor


def only_our_stops_are_restarted(facts: Facts, start: Request) -> str | None:
    """A VM that a person stopped is not started, unless our own stop of it was accepted and under way by then.

    So is a stop by a person between the last look at a VM and our request: nobody can tell which came first.
    """
    vm = start.vm
    under_way = any(
        each.accepted and each.vm is vm and vm.stopped_at is not None and vm.started <= each.at <= vm.stopped_at
        for each in facts.journal.stops
    )
    return "a person stopped it" if vm.stopped_by is Actor.PERSON and not under_way else None


def only_enforcing_messages_start(facts: Facts, start: Request) -> str | None:
    """Nothing is started unless the policy restarts, in enforce mode, by a source that may stop."""
    if start.delivery.message.command is None and not start.delivery.policy.restart:
        return "the policy does not restart"
    return may_act(start.delivery.policy, start.delivery, facts.world.now)


def nothing_restarts_above_a_threshold(facts: Facts, start: Request) -> str | None:
    """No VM is started while another budget, source or period that covers it has reached a threshold for it."""
    policy = start.delivery.policy
    for subject, latest in facts.journal.latest(policy, facts.world.now).items():
        budget, source, kind, _ = subject
        rule = policy.rules[budget]
        own = budget == start.delivery.message.budget and start.delivery.message.command is not None
        if (
            subject != start.delivery.subject
            and not own
            and rule.covers(start.vm)
            and policy.priority(start.vm) in rule.allowed(latest.message.spent)
        ):
            return f"{source} says {latest.message.spent:.0%} of the {kind}'s {budget} is spent"
    return None


def old_messages_start_nothing(_: Facts, start: Request) -> str | None:
    """A message delivered later after its publication than the policy allows starts nothing."""
    delivery = start.delivery
    return None if delivery.is_fresh else f"the message is {delivery.began - delivery.published} old"


def contradicted_messages_start_nothing(_: Facts, start: Request) -> str | None:
    """A message that says less than a tenth of what the tracker's rows say starts nothing."""
    message = start.delivery.message
    if message.command is not None:
        return None
    return f"it says {message.spent:.0%}, our rows {message.own:.0%}" if start.delivery.is_contradicted else None


def superseded_messages_start_nothing(facts: Facts, start: Request) -> str | None:
    """A message older than one already handled on the same subject starts nothing."""
    for newest in facts.newest_contrary(start.delivery) if start.delivery.message.command is None else ():
        if newest.ended is not None and newest.ended <= start.delivery.began:
            return f"it is older than {newest.message.name}"
    return None


def alert_cap_of_starts_holds(facts: Facts, start: Request) -> str | None:
    """One message starts no more VMs than the cap of an alert."""
    name = start.delivery.message.name
    started = {each.vm.number for each in facts.journal.starts if each.delivery.message.name == name}
    count, cap = len(started | {start.vm.number}), start.delivery.rule.per_alert if start.delivery.rule else 0
    if (command := start.delivery.message.command) is not None:
        cap = max(cap, len(facts.journal.stopped_by_message(command.target)))
    return f"start {count} of at most {cap} per alert" if count > cap else None
