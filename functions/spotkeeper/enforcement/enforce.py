"""The budget use case: what a notification means, which instances to stop for it, stopping them, and the record.

The plan is recorded before anything is stopped, and a message that is delivered again finishes the plan it finds. So
whatever happens in between, one message stops what its plan names and never one instance more.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spotkeeper.enforcement.actions import Event, Order, Outcome, Verb, order, restart_event, stop_events
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Check, Clockwork, Crew
from spotkeeper.enforcement.history import History, RecordedStop
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.plans import Situation, SpotVm, plan
from spotkeeper.enforcement.policies import BudgetRule, Policy, Response
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.preconditions import StopChecks, start_check
from spotkeeper.enforcement.restarts import StoppedVm, restarts
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, first_verdict, verdict_with
from spotkeeper.errors import UnavailableError
from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.logs import log_event
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.price_history import DatedRate
from spotkeeper.pricing.skus import Market

_MOST_PLANS_AT_ONCE = 5


def enforce(
    settings: EnforcerSettings,
    ports: EnforcerPorts,
    delivery_id: str,
    notification: BudgetNotification | Malformed,
    now: datetime,
) -> Verdict:
    """Do what a notification asks for under the policy, and return the verdict on it.

    Raises UnavailableError when it could not be decided or recorded, and an ExceptionGroup of them when some instances
    could not be stopped: then the message has to be delivered again, and that finishes what is left.
    """
    drill = isinstance(notification, BudgetNotification) and notification.drill
    mode = Mode.DRY_RUN if drill else settings.mode
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery(delivery_id, now, mode, notification, verdict)
    clock = Clockwork(now, timedelta(seconds=settings.acting_seconds), ports.stopwatch, ports.wait, ports.stopwatch())
    enforcement = _Enforcement(settings, ports, Crew(ports.actuator, clock, settings.parallel_stops))
    if isinstance(notification, BudgetNotification) and verdict.rule is not None:
        if verdict.may_stop:
            return enforcement.stop(delivery, notification, verdict.rule)
        if verdict.name is VerdictName.UNDER_BUDGET and _may_restart(settings.policy, verdict.rule, notification, now):
            return enforcement.start(delivery, notification, verdict.rule)
    return enforcement.leave(delivery)


def preview(
    settings: EnforcerSettings, ports: EnforcerPorts, notification: BudgetNotification, now: datetime
) -> Delivery:
    """Return what `enforce` would make of a notification now, with its plan if it led to one; nothing is done.

    Raises UnavailableError.
    """
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery("", now, Mode.DRY_RUN, notification, verdict)
    if verdict.rule is None or not verdict.may_stop:
        return delivery
    clock = Clockwork(now, timedelta(0), ports.stopwatch, ports.wait, ports.stopwatch())
    history = ports.records.history(notification, verdict.rule, now)
    rates = ports.records.rates(now)
    enforcement = _Enforcement(settings, ports, Crew(ports.actuator, clock, settings.parallel_stops))
    return enforcement.planned(delivery, notification, verdict.rule, rates, history)


@dataclass(frozen=True, slots=True)
class _Enforcement:
    """The steps of one delivery."""

    settings: EnforcerSettings
    ports: EnforcerPorts
    crew: Crew

    @property
    def _checks(self) -> StopChecks:
        return StopChecks(self.settings.policy, self.crew.clock.now)

    def leave(self, delivery: Delivery) -> Verdict:
        """Record a delivery that leads to nothing."""
        self.ports.records.record(delivery)
        _tell(delivery)
        return delivery.verdict

    def stop(self, delivery: Delivery, notification: BudgetNotification, rule: BudgetRule) -> Verdict:
        """Plan and stop; or finish the plan that an earlier delivery of the message recorded."""
        for _ in range(_MOST_PLANS_AT_ONCE):
            history = self.ports.records.history(notification, rule, delivery.received_at)
            delivery = _with_history(delivery, notification, history)
            if delivery.verdict.name is VerdictName.REDELIVERED:
                verdict = self.leave(delivery)
                self._finish(delivery, history.plan)
                return verdict
            if not delivery.verdict.may_stop:
                return self.leave(delivery)
            rates = self.ports.records.rates(delivery.received_at)
            planned = self.planned(delivery, notification, rule, rates, history)
            if self._recorded(planned, history.plans):
                _tell(planned)
                self._carry_out(planned, _orders(planned), self._checks.stop)
                return planned.verdict
        message = f"{_MOST_PLANS_AT_ONCE} times, another notification was planned for at the same time"
        raise UnavailableError(message)

    def start(self, delivery: Delivery, notification: BudgetNotification, rule: BudgetRule) -> Verdict:
        """Start again what this function stopped in an earlier period; or finish a recorded plan of it."""
        history = self.ports.records.history(notification, rule, delivery.received_at)
        delivery = _with_history(delivery, notification, history)
        if delivery.verdict.name is VerdictName.SUPERSEDED:
            return self.leave(delivery)
        stopped, starts_today = self.ports.records.stopped(rule, delivery.received_at)
        known = {vm.instance.key: vm for vm in stopped}
        if delivery.verdict.name is VerdictName.REDELIVERED:
            left = [each for each in history.plan if each.restart and not each.done and each.key in known]
            verdict = self.leave(delivery)
            self._start(delivery, {each.key: known[each.key] for each in left}, resumed=True)
            return verdict
        turn = restarts(stopped, rule.caps, starts_today)
        if not turn:
            return self.leave(delivery)
        if not self.ports.records.record_plan(delivery, [restart_event(each) for each in turn], history.plans):
            message = "another notification was planned for at the same time"
            raise UnavailableError(message)
        _tell(delivery)
        self._start(delivery, {each.stopped.instance.key: each.stopped for each in turn}, resumed=False)
        return delivery.verdict

    def planned(
        self,
        delivery: Delivery,
        notification: BudgetNotification,
        rule: BudgetRule,
        rates: Sequence[DatedRate],
        history: History,
    ) -> Delivery:
        """Return the delivery with its plan."""
        vms, gaps = self._fleet(rule)
        book = PriceBook(dated.rate for dated in rates)
        priced = [
            replace(
                vm,
                hourly_cost_usd=book.price(vm.instance.shape, vm.instance.region, Market.SPOT).usd_per_hour,
                planned_by=history.in_hand.get(vm.instance.key),
            )
            for vm in vms
        ]
        made = plan(
            delivery.verdict, _situation(delivery, notification), priced, self.settings.policy, history.stops_today
        )
        missing = self.ports.permissions.missing(rule.projects) if notification.drill else ()
        return replace(delivery, plan=made, gaps=tuple(gaps), missing_permissions=missing)

    def _recorded(self, planned: Delivery, plans: int) -> bool:
        """Record a plan; False when it has to be made again."""
        return self.ports.records.record_plan(planned, stop_events(planned.plan), plans)

    def _fleet(self, rule: BudgetRule) -> tuple[list[SpotVm], list[str]]:
        """All Spot instances of the rule's projects; raises UnavailableError when not one project could be read."""
        vms: list[SpotVm] = []
        gaps: list[str] = []
        unread = 0
        for project_id in rule.projects:
            found: list[SpotVm] = []
            try:
                found.extend(self.ports.fleet.spot_vms(project_id, gaps.append))
            except UnavailableError as error:
                gaps.append(f"{project_id}: {error}")
                unread += 1
            vms += found
        if unread == len(rule.projects):
            raise UnavailableError("; ".join(gaps))
        return vms, list(dict.fromkeys(gaps))

    def _finish(self, delivery: Delivery, recorded: Sequence[RecordedStop]) -> None:
        left = [each for each in recorded if not each.restart and not each.done]
        if left:
            orders = [order(Verb.STOP, delivery.message_id, each.key, each.name) for each in left]
            self._carry_out(delivery, orders, self._checks.resumed_stop, min(each.planned_at for each in left))

    def _carry_out(
        self, delivery: Delivery, orders: Sequence[Order], check: Check, since: datetime | None = None
    ) -> None:
        if delivery.mode is Mode.ENFORCE and orders:
            self._conclude(delivery, self._outcomes(delivery, orders, check, since))

    def _outcomes(
        self, delivery: Delivery, orders: Sequence[Order], check: Check, since: datetime | None = None
    ) -> list[Outcome]:
        if self.settings.policy.grace_seconds:
            grace = timedelta(seconds=self.settings.policy.grace_seconds)
            self.crew.warn(orders, grace, since or delivery.received_at)
        return self.crew.carry_out(Verb.STOP, dict.fromkeys(orders, check))

    def _start(self, delivery: Delivery, stopped: dict[InstanceKey, StoppedVm], *, resumed: bool) -> None:
        if delivery.mode is not Mode.ENFORCE or not stopped:
            return
        orders = {
            order(Verb.START, delivery.message_id, key, vm.instance.name): start_check(vm, resumed=resumed)
            for key, vm in stopped.items()
        }
        self._conclude(delivery, self.crew.carry_out(Verb.START, orders))

    def _conclude(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record what came of the orders; raises what failed, so that the message is delivered again."""
        failures = [
            outcome.fault or UnavailableError(f"{outcome.order.name}: {outcome.error}")
            for outcome in outcomes
            if outcome.event is Event.FAILED or outcome.fault
        ]
        try:
            self.ports.records.record_outcomes(delivery, outcomes)
        except UnavailableError as error:
            failures.append(error)
        if failures:
            message = f"message {delivery.message_id} is not done with"
            raise ExceptionGroup(message, failures)


def _may_restart(policy: Policy, rule: BudgetRule, notification: BudgetNotification, now: datetime) -> bool:
    """Whether this notification may start anything: not one that may only warn, and not in a snooze."""
    snoozed = policy.snooze_until is not None and now < policy.snooze_until
    return policy.restart and not snoozed and rule.responses[notification.source] is Response.STOP


def _with_history(delivery: Delivery, notification: BudgetNotification, history: History) -> Delivery:
    verdict = verdict_with(history, delivery.verdict, notification)
    return replace(delivery, verdict=verdict, tracker_cost=history.tracker_cost)


def _situation(delivery: Delivery, notification: BudgetNotification) -> Situation:
    period = delivery.verdict.period
    if period is None:
        message = "a verdict that may stop instances has a period"
        raise ValueError(message)
    return Situation(notification.cost, notification.budget, period, delivery.received_at)


def _orders(delivery: Delivery) -> list[Order]:
    stops = delivery.plan.stops if delivery.plan else ()
    return [_order(delivery, decision.vm.instance) for decision in stops]


def _order(delivery: Delivery, instance: Instance) -> Order:
    return order(Verb.STOP, delivery.message_id, instance.key, instance.name)


def _tell(delivery: Delivery) -> None:
    verdict, made = delivery.verdict, delivery.plan
    log_event(
        f"budget notification: {verdict.name}",
        logging.WARNING if verdict.may_stop or verdict.name is VerdictName.MALFORMED else logging.INFO,
        message_id=delivery.message_id,
        reason=verdict.reason,
        mode=delivery.mode,
        gaps=delivery.gaps,
        stops=[decision.vm.instance.name for decision in made.stops] if made else [],
        hourly_savings=made.hourly_savings if made else None,
    )
