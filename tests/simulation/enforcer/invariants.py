"""All invariants by name, each with the event that it judges."""

from collections.abc import Callable
from datetime import datetime

from tests.simulation.enforcer import approvals, freezes, plans, progress, records, restarts, stops
from tests.simulation.enforcer.facts import End, Facts, Plan, Violation, Waiting
from tests.simulation.enforcer.journal import Delivery, ModeChange, Request, Row

type Event = Request | ModeChange | Plan | Row | Delivery | End

STOPS: tuple[Callable[[Facts, Request], str | None], ...] = (
    stops.protected_vms_keep_running,
    stops.gke_nodes_keep_running,
    stops.only_spot_vms_in_scope_stop,
    stops.only_allowed_priorities_stop,
    stops.only_vms_of_the_minimum_age_stop,
    stops.vms_started_after_their_plan_keep_running,
    stops.only_enforcing_messages_stop,
    stops.earlier_periods_stop_nothing,
    stops.old_messages_stop_nothing,
    stops.overtaken_plans_stop_nothing,
    stops.alert_cap_holds,
    stops.daily_cap_holds,
    stops.fleet_share_holds,
    stops.total_cap_holds,
    stops.guests_are_warned_first,
    approvals.only_approved_plans_stop,
    approvals.plans_are_executed_once,
    approvals.undone_vms_keep_running,
    freezes.groups_are_frozen_before_their_members_stop,
)
STARTS: tuple[Callable[[Facts, Request], str | None], ...] = (
    restarts.only_our_stops_are_restarted,
    restarts.only_enforcing_messages_start,
    restarts.nothing_restarts_above_a_threshold,
    restarts.old_messages_start_nothing,
    restarts.contradicted_messages_start_nothing,
    restarts.superseded_messages_start_nothing,
    restarts.alert_cap_of_starts_holds,
    approvals.an_undo_starts_only_what_its_message_stopped,
)
CHANGES: tuple[Callable[[Facts, ModeChange], str | None], ...] = (
    freezes.only_messages_that_reach_the_share_freeze,
    freezes.only_approved_plans_freeze,
    freezes.only_groups_in_scope_are_frozen,
    freezes.what_people_switched_is_left_to_them,
    freezes.what_was_thawed_early_is_not_frozen_again,
    freezes.groups_thaw_when_their_period_is_over,
)
PLANS: tuple[Callable[[Facts, Plan], str | None], ...] = (
    plans.superseded_messages_plan_nothing,
    plans.every_vm_in_scope_has_a_reason,
    plans.least_important_vms_stop_first,
    plans.largest_savings_stop_first,
    plans.gaps_do_not_reverse_the_order,
)
ROWS: tuple[Callable[[Facts, Row], str | None], ...] = (
    records.recorded_stops_are_ours,
    records.our_stops_are_recorded_as_ours,
    records.every_recorded_action_has_a_reason,
    records.lost_local_ssds_are_named,
    records.running_vms_are_not_recorded_as_gone,
    records.unchanged_vms_are_not_recorded_as_changed,
)
DELIVERIES: tuple[Callable[[Facts, Delivery], str | None], ...] = (
    progress.stoppable_vms_stop_within_a_few_alerts,
    progress.stopped_vms_restart_within_a_few_alerts,
    records.every_handled_message_has_a_verdict,
    records.contradicted_messages_supersede_nothing,
)
ENDS: tuple[Callable[[Facts, End], str | None], ...] = (
    records.every_plan_ends,
    records.every_stop_is_on_record,
    freezes.no_group_stays_frozen_after_its_period,
)

UNEXPECTED_ERROR = "no_unexpected_error"

NAMES: tuple[str, ...] = (
    *(check.__name__ for checks in (STOPS, STARTS, CHANGES, PLANS, ROWS, DELIVERIES, ENDS) for check in checks),
    UNEXPECTED_ERROR,
)


def violations_of(facts: Facts, event: Event, *, stop: bool = True) -> list[Violation]:  # noqa: PLR0911 (one for each kind of event)
    """Return what an event violates; `stop` tells a request to stop from one to start."""
    match event:
        case Request():
            about = f"{event.delivery.message.name} {'stops' if stop else 'starts'} {event.vm.name}: "
            return _found(STOPS if stop else STARTS, facts, event, about)
        case ModeChange():
            about = f"{event.delivery.message.name} sets {event.scaler.group} in {event.scaler.zone} to {event.mode}: "
            return _found(CHANGES, facts, event, about)
        case Plan():
            base = max(facts.fleet_base(event.delivery), facts.fleet_as_listed(event.delivery))
            facts.fleet_at_plan[event.delivery.message.name] = base
            if _waits_or_is_executed(facts, event):
                return []
            return _found(PLANS, facts, event)
        case Row():
            return _found(ROWS, facts, event)
        case Delivery():
            return _found(DELIVERIES, facts, event)
        case End():
            return _found(ENDS, facts, event)


def _waits_or_is_executed(facts: Facts, plan: Plan) -> bool:
    """Take note of a plan that waits, or is executed: the latter was judged when it was made."""
    delivery, modes = plan.delivery, {row.mode for row in plan.rows if row.event == "planned"}
    if modes == {"approve"}:
        facts.waiting[delivery.message.name] = Waiting(delivery, frozenset(plan.stops), facts.world.now)
        return False
    if delivery.message.command is None and delivery.policy.mode != "approve":
        return False
    target = approvals.executes(facts, delivery, plan.stops) if modes == {"enforce"} else None
    if target is not None:
        facts.executed.setdefault(target, (delivery.message.name, delivery))
    return True


def _found[T](
    checks: tuple[Callable[[Facts, T], str | None], ...], facts: Facts, event: T, about: str = ""
) -> list[Violation]:
    at: datetime = facts.world.now
    problems = ((check.__name__, check(facts, event)) for check in checks)
    return [Violation(name, f"{about}{problem}", at) for name, problem in problems if problem is not None]
