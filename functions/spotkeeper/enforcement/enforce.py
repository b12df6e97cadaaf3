"""The budget use case, from a notification to the stops and their record.

Verdict, history, plan, record of the plan, stops, record of the outcomes. The plan is on record before the first stop,
and a redelivered message finishes the plan it finds: whatever fails in between, one message stops what its plan names
and no other instance.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spotkeeper.enforcement.actions import Verb, VmRequest, stop_events, vm_request
from spotkeeper.enforcement.blockers import blocker
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Deadline, Executor, Precondition
from spotkeeper.enforcement.history import History, RecordedAction
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.permissions import needed_permissions
from spotkeeper.enforcement.plans import Plan, Situation, SpotVm, plan
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.preconditions import StopPreconditions
from spotkeeper.enforcement.recording import (
    record_delivery,
    record_outcomes,
    record_plan,
    waiting_for_records,
    with_history,
)
from spotkeeper.enforcement.restarting import Restarting, may_restart
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, first_verdict
from spotkeeper.errors import UnavailableError
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import Market

STOP_DEADLINE_SECONDS = 540
"""The timeout of the function, below Pub/Sub's ack deadline of 600 s. Stops are followed until there is just enough
time left to retry a failing call. https://cloud.google.com/pubsub/docs/push#receive_push
"""

_MAX_PLANNING_ATTEMPTS = 5


def enforce(
    settings: EnforcerSettings,
    ports: EnforcerPorts,
    delivery_id: str,
    notification: BudgetNotification | Malformed,
    now: datetime,
) -> Verdict:
    """Do what the policy says about a notification, and return the verdict.

    Raises UnavailableError when nothing could be decided or recorded, and an ExceptionGroup of what failed after the
    plan was recorded: the message has to be redelivered, which finishes the plan.
    """
    drill = isinstance(notification, BudgetNotification) and notification.drill
    mode = Mode.DRY_RUN if drill else settings.mode
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery(delivery_id, now, mode, notification, verdict)
    if isinstance(notification, BudgetNotification) and verdict.rule is not None:
        if verdict.may_stop:
            executor = _executor(settings, ports, now)
            return _Stopping(settings.policy, ports, notification, verdict.rule).run(delivery, executor)
        if may_restart(settings.policy, delivery, notification):
            executor = _executor(settings, ports, now)
            return Restarting(settings.policy, ports.records, executor, notification, verdict.rule).run(delivery)
    record_delivery(ports.records, delivery)
    return verdict


def preview(
    settings: EnforcerSettings, ports: EnforcerPorts, notification: BudgetNotification, now: datetime
) -> Delivery:
    """Return the delivery that `enforce` would record now, with its plan; nothing is stopped or recorded.

    Raises UnavailableError.
    """
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery("", now, Mode.DRY_RUN, notification, verdict)
    if verdict.rule is None or not verdict.may_stop:
        return delivery
    history = ports.records.history(notification, verdict.rule, now)
    return _Stopping(settings.policy, ports, notification, verdict.rule).planned(delivery, history)


@dataclass(frozen=True, slots=True)
class _Stopping:
    """The way of one notification from its verdict to the stops and their record."""

    policy: Policy
    ports: EnforcerPorts
    notification: BudgetNotification
    rule: BudgetRule

    def run(self, delivery: Delivery, executor: Executor) -> Verdict:
        """Plan and stop; or finish the plan that an earlier delivery of the message recorded."""
        records = self.ports.records
        for _ in range(_MAX_PLANNING_ATTEMPTS):
            delivery, history = with_history(records, delivery, self.notification, self.rule, self.policy)
            if not delivery.verdict.may_stop:
                record_delivery(records, delivery)
                if delivery.verdict.name is VerdictName.REDELIVERED:
                    self._resume(delivery, history.plan, executor)
                return delivery.verdict
            planned = self.planned(delivery, history)
            if record_plan(records, planned, stop_events(planned.plan), history):
                requests = dict.fromkeys(_requests(planned), StopPreconditions(self.policy, planned.received_at).stop)
                self._stop(planned, requests, planned.received_at, executor)
                return planned.verdict
        message = f"{_MAX_PLANNING_ATTEMPTS} times, another notification was planned at the same time"
        raise UnavailableError(message)

    def planned(self, delivery: Delivery, history: History) -> Delivery:
        """Return the delivery with its plan; a drill also says which permissions are missing."""
        book = self._price_book(delivery)
        vms, gaps = self._fleet()
        made = self._plan(delivery, history, _priced(vms, book, history))
        missing = self._missing_permissions() if self.notification.drill else ()
        blocked = None if gaps else blocker(self.rule, vms, made)
        return replace(delivery, plan=made, gaps=gaps, missing_permissions=missing, blocker=blocked)

    def _missing_permissions(self) -> tuple[str, ...]:
        return self.ports.permissions.missing(self.rule.projects, needed_permissions(self.policy))

    def _price_book(self, delivery: Delivery) -> PriceBook:
        with waiting_for_records(delivery.message_id):
            return PriceBook(dated.rate for dated in self.ports.records.rates(delivery.received_at))

    def _fleet(self) -> tuple[list[SpotVm], tuple[str, ...]]:
        """Return all Spot VMs of the rule's projects, and the gaps; raises UnavailableError if none could be read."""
        vms: list[SpotVm] = []
        gaps: list[str] = []
        unread = 0
        for project_id in self.rule.projects:
            try:
                vms.extend(self.ports.fleet.spot_vms(project_id, gaps.append))
            except UnavailableError as error:
                gaps.append(f"{project_id}: {error}")
                unread += 1
        if unread == len(self.rule.projects):
            raise UnavailableError("; ".join(gaps))
        return vms, tuple(dict.fromkeys(gaps))

    def _plan(self, delivery: Delivery, history: History, vms: Iterable[SpotVm]) -> Plan:
        period = delivery.verdict.period
        if period is None:
            message = "a verdict that may stop instances has a period"
            raise ValueError(message)
        situation = Situation(self.notification.cost, self.notification.budget, period, delivery.received_at)
        return plan(delivery.verdict, situation, vms, self.policy, history.stops_today)

    def _resume(self, delivery: Delivery, recorded: Iterable[RecordedAction], executor: Executor) -> None:
        unfinished = [each for each in recorded if not each.restart and not each.done]
        precondition = StopPreconditions(self.policy, delivery.received_at).resumed_stop
        requests = {
            vm_request(Verb.STOP, delivery.message_id, each.key, each.name): precondition for each in unfinished
        }
        planned_at = min((each.planned_at for each in unfinished), default=delivery.received_at)
        self._stop(delivery, requests, planned_at, executor)

    def _stop(
        self, delivery: Delivery, requests: Mapping[VmRequest, Precondition], planned_at: datetime, executor: Executor
    ) -> None:
        if delivery.mode is not Mode.ENFORCE or not requests:
            return
        if self.policy.grace_seconds:
            executor.warn(requests, timedelta(seconds=self.policy.grace_seconds), planned_at)
        record_outcomes(self.ports.records, delivery, executor.execute(Verb.STOP, requests))


def _executor(settings: EnforcerSettings, ports: EnforcerPorts, now: datetime) -> Executor:
    limit = timedelta(seconds=STOP_DEADLINE_SECONDS - settings.retry_timeout_seconds)
    deadline = Deadline(now, limit, ports.stopwatch, ports.wait, ports.stopwatch())
    return Executor(ports.actuator, deadline, ports.parallel_requests)


def _priced(vms: Iterable[SpotVm], book: PriceBook, history: History) -> Iterator[SpotVm]:
    """Yield the instances with their price, and with the message whose stop of them is pending."""
    for vm in vms:
        price = book.price(vm.instance.shape, vm.instance.region, Market.SPOT)
        pending = history.pending_stops.get(vm.instance.key)
        yield replace(vm, hourly_cost_usd=price.usd_per_hour, pending_stop=pending)


def _requests(delivery: Delivery) -> list[VmRequest]:
    instances = [decision.vm.instance for decision in (delivery.plan.stops if delivery.plan else ())]
    return [vm_request(Verb.STOP, delivery.message_id, each.key, each.name) for each in instances]
