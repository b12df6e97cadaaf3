"""Stopping: from a verdict that may stop instances to the plan, the stops and their record."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spotkeeper.enforcement.actions import (
    ActionEvent,
    Outcome,
    PlannedEvent,
    Verb,
    VmRequest,
    retry_event,
    stop_events,
    vm_request,
)
from spotkeeper.enforcement.blockers import blocker
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Executor, Precondition
from spotkeeper.enforcement.following_up import follow_up, follow_ups
from spotkeeper.enforcement.freezes import FreezeDecision, freeze_events, is_reached
from spotkeeper.enforcement.freezing import Freezing
from spotkeeper.enforcement.history import History, ProposedPlan, RecordedAction, Reported
from spotkeeper.enforcement.message_freezes import MessageFreezes
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.permissions import needed_permissions
from spotkeeper.enforcement.plans import Plan, Situation, allowed_stops, plan
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.preconditions import NewerNotifications, StopPreconditions, limited
from spotkeeper.enforcement.recording import (
    MAX_PLANNING_ATTEMPTS,
    collecting,
    planned_meanwhile,
    raise_collected,
    record_delivery,
    record_outcomes,
    record_plan,
    waiting_for_records,
    with_estimate,
)
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import RUNNING, STOPPED_STATES, SpotVm
from spotkeeper.enforcement.verdicts import Verdict, VerdictName, verdict_with
from spotkeeper.errors import UnavailableError
from spotkeeper.pricing.price_book import PriceBook
from spotkeeper.pricing.skus import Market


@dataclass(frozen=True, slots=True)
class Stopping:
    """The way of one notification from its verdict to the stops and their record.

    `proposed_at` is when the plan was made that is executed once it is approved; with `undo` stops may be undone, which
    a drill needs to know.
    """

    policy: Policy
    ports: EnforcerPorts
    notification: BudgetNotification
    rule: BudgetRule
    proposed_at: datetime | None = None
    undo: bool = False

    def run(self, delivery: Delivery, executor: Executor) -> Verdict | None:
        """Plan and stop; or finish the plan that an earlier delivery of the message recorded.

        None, with nothing recorded, where a notification below the first step stops nothing by the estimate either.
        """
        for _ in range(MAX_PLANNING_ATTEMPTS):
            history, current = self.judged(delivery)
            stops = current.verdict.may_stop or any(not each.restart for each in history.plan)
            if not stops and not delivery.verdict.may_stop:
                return None
            plan = self._unapproved_plan(current, history)
            if plan is not None:
                current = replace(current, mode=Mode.ENFORCE, target=plan.message_id)
            way = replace(self, proposed_at=plan.planned_at) if plan is not None else self
            requests = way.requests(current, history, executor, plan)
            if requests is not None:
                way.stop(current, requests, history, executor)
                return current.verdict
        raise planned_meanwhile()

    def requests(
        self,
        delivery: Delivery,
        history: History,
        executor: Executor,
        proposal: ProposedPlan | None = None,
    ) -> dict[VmRequest, Precondition] | None:
        """Record a delivery with what it plans, executes or resumes, and return its requests.

        None if another plan was recorded meanwhile. `proposal` is a plan that is executed, in place of a new one.
        """
        if delivery.verdict.name is VerdictName.REDELIVERED:
            return self._resume(delivery, history, executor)
        if proposal is not None:
            return self._execute(delivery, proposal, history, executor)
        if delivery.verdict.may_stop:
            return self._begin(delivery, history, executor)
        record_delivery(self.ports.records, delivery)
        return {}

    def judged(self, delivery: Delivery, *, hypothetical: bool = False) -> tuple[History, Delivery]:
        """Return the history, and the delivery with its estimate and the verdict by both; raises UnavailableError.

        A hypothetical message is judged by itself: it supersedes nothing, and none supersedes it.
        """
        with waiting_for_records(delivery.message_id):
            history = self.ports.records.history(self.notification, self.rule, delivery.received_at)
        current = with_estimate(delivery, self.notification, self.policy, history.spending, hypothetical=hypothetical)
        verdict = current.verdict
        if not hypothetical:
            verdict = verdict_with(history, verdict, self.notification, self.policy)
            verdict = _with_pending_plan(replace(current, verdict=verdict), history)
        return history, replace(current, verdict=verdict, tracker_cost=history.tracker_cost)

    def planned(self, delivery: Delivery, history: History) -> Delivery:
        """Return the delivery with its plan; a drill also says which permissions are missing."""
        book = self._price_book(delivery)
        vms, gaps = self._fleet()
        priced: Iterable[SpotVm] = _priced(vms, book, history)
        freezes: tuple[FreezeDecision, ...] = ()
        unlisted: tuple[str, ...] = ()
        if is_reached(delivery.verdict, self.notification, self.policy, delivery.known_estimate):
            priced, freezes, unlisted = self._freezes.planned(delivery, list(priced), has_gaps=bool(gaps))
        made = self._plan(delivery, history, priced, has_gaps=bool(gaps))
        # Below the budget, a period that is kept without stops needs no freeze either.
        if delivery.verdict.name is not VerdictName.OVER_BUDGET and not made.stops and not made.deferred:
            freezes = ()
        missing = self._missing_permissions() if self.notification.drill else ()
        blocked = None if gaps else blocker(self.rule, vms, made)
        found = (*gaps, *unlisted)
        return replace(delivery, plan=made, freezes=freezes, gaps=found, missing_permissions=missing, blocker=blocked)

    def _end_freezes(self, delivery: Delivery, executor: Executor) -> None:
        """Thaw what was frozen in a period that is over, where this message may freeze it again.

        Thawed only afterwards, it would run on until the next message. What fails is tried again at the end.
        """
        if delivery.mode is Mode.DRY_RUN:
            return
        if not is_reached(delivery.verdict, self.notification, self.policy, delivery.known_estimate):
            return
        recorded = self._freezes.recorded(delivery)
        freezing = Freezing(self.ports.autoscalers, self.ports.records, executor.deadline, self.ports.parallel_requests)
        with suppress(UnavailableError, ExceptionGroup):
            freezing.end(delivery, [each for each in recorded if each.frozen])

    def _leave(self, delivery: Delivery, executor: Executor) -> None:
        """Record which frozen groups somebody else has switched on: a plan that waits carries out nothing that would.

        What fails is tried again by the next message.
        """
        if not delivery.freezes:
            return
        freezing = Freezing(self.ports.autoscalers, self.ports.records, executor.deadline, self.ports.parallel_requests)
        with suppress(UnavailableError, ExceptionGroup):
            freezing.leave(delivery, self._freezes.recorded(delivery), delivery.freezes)

    @property
    def _freezes(self) -> MessageFreezes:
        return MessageFreezes(self.policy, self.ports, self.notification, self.rule)

    def _missing_permissions(self) -> tuple[str, ...]:
        return self.ports.permissions.missing(self.rule.projects, needed_permissions(self.policy, undo=self.undo))

    def _begin(self, delivery: Delivery, history: History, executor: Executor) -> dict[VmRequest, Precondition] | None:
        """Record a new plan and return its requests; None if another plan was recorded meanwhile."""
        self._end_freezes(delivery, executor)
        planned = self.planned(delivery, history)
        if delivery.mode is Mode.APPROVE:
            from spotkeeper.enforcement.proposals import proposed  # noqa: PLC0415 (of this mode alone)

            planned = proposed(planned, self.policy)
        if not record_plan(self.ports.records, planned, _events(planned), history):
            return None
        if delivery.mode is Mode.APPROVE:
            self._leave(planned, executor)
        check = self._preconditions(delivery, history, executor).planned(delivery.received_at)
        instances = [decision.vm.instance for decision in (planned.plan.stops if planned.plan else ())]
        return {vm_request(Verb.STOP, delivery.message_id, each.key, each.name): check for each in instances}

    def _execute(
        self, delivery: Delivery, proposal: ProposedPlan, history: History, executor: Executor
    ) -> dict[VmRequest, Precondition] | None:
        """Record a proposed plan as that of this message, and return its requests; None if another came meanwhile."""
        from spotkeeper.enforcement.proposals import (  # noqa: PLC0415 (of the mode approve alone)
            executed_freezes,
            executed_plan,
        )

        stops, freezes = proposal.stops, executed_freezes(proposal.freezes)
        if freezes:
            known = {each.key for each in self._freezes.recorded(delivery) if each.is_open}
            freezes = tuple(each for each in freezes if each.autoscaler.key not in known)
        planned = replace(delivery, plan=executed_plan(stops, history.attached), freezes=freezes)
        if not record_plan(self.ports.records, planned, _events(planned), history):
            return None
        allowed, limit = self._allowed(list(stops), [], list(stops), history)
        check = self._preconditions(delivery, history, executor).planned(delivery.received_at)
        requests: dict[VmRequest, Precondition] = {}
        for number, each in enumerate(stops):
            request = vm_request(Verb.STOP, delivery.message_id, each.key, each.name)
            other = history.pending_stops.get(each.key)
            pending = f"message {other} stops it already" if other is not None else None
            reason = pending or (limit if number >= allowed else None)
            requests[request] = check if reason is None else limited(check, reason)
        return requests

    def _resume(self, delivery: Delivery, history: History, executor: Executor) -> dict[VmRequest, Precondition] | None:
        """Record what is requested again, and return the requests; None if a plan was recorded meanwhile."""
        stops = [each for each in history.plan if not each.restart]
        pending = [each for each in stops if not each.done and not each.failed]
        failed = [each for each in stops if not each.done and each.failed and each.key not in history.pending_stops]
        allowed, limit = self._allowed(stops, pending, failed, history)
        again = failed[: max(allowed - len(pending), 0)]
        retries = [retry_event(each) for each in again] if delivery.mode is Mode.ENFORCE else []
        if not retries:
            record_delivery(self.ports.records, _waiting(delivery, history))
        elif not record_plan(self.ports.records, delivery, retries, history):
            return None
        checks = self._preconditions(delivery, history, executor)
        requests: dict[VmRequest, Precondition] = {}
        for number, each in enumerate((*pending, *again)):
            request = vm_request(Verb.STOP, delivery.message_id, each.key, each.name)
            check = checks.resumed(each, request)
            requests[request] = check if number < allowed else limited(check, limit)
        return requests

    def _allowed(
        self, stops: list[RecordedAction], pending: list[RecordedAction], failed: list[RecordedAction], history: History
    ) -> tuple[int, str]:
        """Return how many unfinished stops of this message the limits still allow, and the limit that says so.

        More stops than one alert may make were planned in a burst.
        """
        if not pending and not failed:
            return 0, ""
        known = history.counts
        counts = replace(known, budget=known.budget - len(pending), total=known.total - len(pending))
        stopped = sum(each.stopped for each in stops)
        caps = replace(self.rule.caps, per_alert=max(self.rule.caps.per_alert - stopped, 0))
        running = {each.key for each in stops}
        if caps.fleet_share < 1:
            vms, _ = self._fleet()
            running = {vm.instance.key for vm in vms if vm.status == RUNNING and self.rule.covers(vm.instance)}
        burst = self.policy.burst and len(stops) > self.rule.caps.per_alert
        return allowed_stops(self.policy, replace(self.rule, caps=caps), running, counts, burst=burst)

    def _unapproved_plan(self, delivery: Delivery, history: History) -> ProposedPlan | None:
        """Return the plan that this message executes because nobody answered; only in the mode approve."""
        if delivery.mode is not Mode.APPROVE:
            return None
        from spotkeeper.enforcement.proposals import unapproved_plan  # noqa: PLC0415 (of this mode alone)

        return unapproved_plan(delivery, history, self.policy)

    def _preconditions(self, delivery: Delivery, history: History, executor: Executor) -> StopPreconditions:
        now = executor.deadline.now

        def newer() -> tuple[Reported, ...]:
            with waiting_for_records(delivery.message_id):
                return self.ports.records.newer(self.notification, self.rule, now())

        return StopPreconditions(
            self.policy,
            self.rule,
            delivery.verdict,
            self.notification,
            now,
            NewerNotifications(newer, now),
            executor.actuator.operation_of,
            delivery.known_estimate,
            history.snoozed,
            self.proposed_at,
        )

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

    def _plan(self, delivery: Delivery, history: History, vms: Iterable[SpotVm], *, has_gaps: bool) -> Plan:
        period = delivery.verdict.period
        if period is None:
            message = "a verdict that may stop instances has a period"
            raise ValueError(message)
        said = self.notification
        situation = Situation(said.cost, said.budget, period, delivery.received_at, has_gaps, delivery.known_estimate)
        return plan(delivery.verdict, situation, vms, self.policy, history.counts)

    def stop(
        self, delivery: Delivery, requests: Mapping[VmRequest, Precondition], history: History, executor: Executor
    ) -> None:
        """Freeze what is to be frozen, then stop what is requested, and record the outcomes.

        Raises an ExceptionGroup of what failed: a freeze that fails keeps nothing running.
        """
        failures: list[Exception] = []
        if delivery.mode is Mode.ENFORCE:
            with collecting(failures):
                newer = self._preconditions(delivery, history, executor).newer
                self._freezes.carry_out(delivery, history, executor.deadline, self._fleet, newer)
        if not failures:
            self._stop(delivery, requests, history, executor)
            return
        with collecting(failures):
            self._stop(delivery, requests, history, executor)
        raise_collected(delivery, failures)

    def _stop(
        self, delivery: Delivery, requests: Mapping[VmRequest, Precondition], history: History, executor: Executor
    ) -> None:
        if delivery.mode is not Mode.ENFORCE or not requests:
            follow_up(self.ports.records, delivery, history, self.policy, executor)
            return
        unwarned: Mapping[VmRequest, str] = {}
        if self.policy.grace_seconds:
            planned_at = min((each.planned_at for each in history.plan), default=delivery.received_at)
            unwarned = executor.warn(requests, timedelta(seconds=self.policy.grace_seconds), planned_at)
        others = follow_ups(self.policy, executor.actuator, executor.deadline.now, history)
        outcomes = [_with_warning(each, unwarned) for each in executor.execute(Verb.STOP, {**others, **requests})]
        record_outcomes(self.ports.records, delivery, outcomes, _unknown(history, requests))


def _events(delivery: Delivery) -> list[PlannedEvent]:
    """Return the plan of a delivery as it is recorded."""
    return [*stop_events(delivery.plan), *freeze_events(delivery.freezes)]


def _waiting(delivery: Delivery, history: History) -> Delivery:
    """Return a redelivery with the plan of its message that waits: who is to approve it may not know of it yet."""
    plan = history.proposed
    is_own = plan is not None and plan.message_id == delivery.message_id and plan.is_open(delivery.received_at)
    return replace(delivery, proposed=plan) if is_own and delivery.mode is Mode.APPROVE else delivery


def _with_pending_plan(delivery: Delivery, history: History) -> Verdict:
    """Return the verdict; in the mode approve, a budget whose plan waits gets no other."""
    if delivery.mode is not Mode.APPROVE:
        return delivery.verdict
    from spotkeeper.enforcement.proposals import with_pending_plan  # noqa: PLC0415 (of this mode alone)

    return with_pending_plan(delivery, history)


def _unknown(history: History, requests: Iterable[VmRequest]) -> frozenset[VmRequest]:
    """Return the requests of which an earlier delivery recorded no outcome."""
    pending = {each.key for each in history.plan if not each.done and not each.failed}
    return frozenset(each for each in requests if each.key in pending)


def _with_warning(outcome: Outcome, unwarned: Mapping[VmRequest, str]) -> Outcome:
    """Return an outcome that also says that the guest could not be warned."""
    problem = unwarned.get(outcome.request)
    if problem is None or outcome.event is not ActionEvent.STOPPED:
        return outcome
    return replace(outcome, reason=f"{outcome.reason}; its guest could not be warned: {problem}")


def _priced(vms: Iterable[SpotVm], book: PriceBook, history: History) -> Iterator[SpotVm]:
    """Yield the instances with what a stop saves, and with what is on record of them."""
    for vm in vms:
        price, key = book.price(vm.instance.shape, vm.instance.region, Market.SPOT).usd_per_hour, vm.instance.key
        attached = history.attached.get(key.instance_id)
        ending = attached.ending if attached is not None else None
        yield replace(
            vm,
            hourly_cost_usd=price + ending if price is not None and ending is not None else price,
            attached=attached,
            pending_stop=history.pending_stops.get(key),
            failed_stop=history.failed_stops.get(key),
            snoozed_until=history.snoozed.get(key),
            uptime_share=history.spending.uptime_shares.get(key.instance_id, vm.status not in STOPPED_STATES),
        )
