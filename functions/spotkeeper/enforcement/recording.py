"""Records of a delivery, its plan and its outcomes, each with its log event.

Nothing is stopped without its record: while BigQuery is unavailable, every step here raises UnavailableError.
"""

import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from spotkeeper.enforcement.actions import ActionEvent, Outcome, PlannedEvent, VmRequest
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.estimate import Estimate, NoEstimate, estimate
from spotkeeper.enforcement.estimates.spending import BilledCost, Spending
from spotkeeper.enforcement.history import History
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import PRICED_CURRENCY, BudgetRule, Policy, Source
from spotkeeper.enforcement.ports import Records
from spotkeeper.enforcement.verdicts import VerdictName, first_verdict, verdict_with
from spotkeeper.errors import UnavailableError
from spotkeeper.logs import log_event
from spotkeeper.periods import rfc3339

RECORDS_UNAVAILABLE = "records unavailable: waiting for BigQuery"
"""The log event that the log-based metric `spotkeeper/records_unavailable` counts."""


AWAITING_APPROVAL = "plan awaits approval"
"""The log event of a plan that a person may approve; an alert policy in Terraform matches it."""

MAX_PLANNING_ATTEMPTS = 5


def planned_meanwhile() -> UnavailableError:
    """Return the error of a message that never got its turn: Pub/Sub will redeliver it."""
    return UnavailableError(f"{MAX_PLANNING_ATTEMPTS} times, another notification was planned at the same time")


@contextmanager
def waiting_for_records(message_id: str) -> Iterator[None]:
    """Log when BigQuery cannot be reached, and raise the UnavailableError: Pub/Sub will redeliver the message."""
    try:
        yield
    except UnavailableError as error:
        log_event(RECORDS_UNAVAILABLE, logging.ERROR, message_id=message_id, error=str(error))
        raise


def with_history(
    records: Records, delivery: Delivery, notification: BudgetNotification, rule: BudgetRule, policy: Policy
) -> tuple[Delivery, History]:
    """Return the delivery with the verdict that follows from what is on record, and that history."""
    with waiting_for_records(delivery.message_id):
        history = records.history(notification, rule, delivery.received_at)
    verdict = verdict_with(history, delivery.verdict, notification, policy)
    return replace(delivery, verdict=verdict, tracker_cost=history.tracker_cost), history


def with_estimate(
    delivery: Delivery,
    notification: BudgetNotification,
    policy: Policy,
    spending: Spending,
    *,
    hypothetical: bool = False,
) -> Delivery:
    """Return the delivery with an estimate of the period's spending, and the verdict that follows from it."""
    made = _estimate(delivery, notification, spending, hypothetical=hypothetical or notification.drill)
    if not isinstance(made, Estimate):
        return replace(delivery, estimate=made)
    return replace(delivery, estimate=made, verdict=first_verdict(notification, policy, delivery.received_at, made))


def _estimate(
    delivery: Delivery, notification: BudgetNotification, spending: Spending, *, hypothetical: bool
) -> Estimate | NoEstimate | None:
    period, rule = delivery.verdict.period, delivery.verdict.rule
    if period is None or rule is None:
        return None
    if notification.source is Source.TRACKER:
        return NoEstimate("no estimate: the tracker reports its own rows")
    if rule.currency != PRICED_CURRENCY:
        return NoEstimate(f"no estimate in {rule.currency}: prices are in {PRICED_CURRENCY}")
    said = BilledCost(notification.published_at, float(notification.cost))
    return estimate(spending, said, period, hypothetical=hypothetical)


@contextmanager
def collecting(failures: list[Exception]) -> Iterator[None]:
    """Collect what keeps a message from being finished, so that the rest of it is done before that is raised."""
    try:
        yield
    except ExceptionGroup as group:
        failures.extend(group.exceptions)
    except UnavailableError as error:
        failures.append(error)


def raise_collected(delivery: Delivery, failures: Sequence[Exception]) -> None:
    """Raise an ExceptionGroup of what keeps a message from being finished, if there is anything."""
    if failures:
        message = f"message {delivery.message_id} is not finished"
        raise ExceptionGroup(message, failures)


def record_delivery(records: Records, delivery: Delivery) -> bool:
    """Record a delivery that has no plan of its own.

    True if stops of other messages are unfinished, or freezes are to be ended.
    """
    with waiting_for_records(delivery.message_id):
        are_unfinished = records.record(delivery)
    _log_verdict(delivery)
    _log_proposal(delivery)
    return are_unfinished


def record_plan(records: Records, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
    """Record a delivery with its plan, or with what it requests again of an earlier one.

    False if another plan or a newer notification was recorded since `history` was read.
    """
    with waiting_for_records(delivery.message_id):
        recorded = records.record_plan(delivery, events, history)
    if recorded:
        _log_verdict(delivery)
        _log_proposal(delivery)
    return recorded


def record_outcomes(
    records: Records,
    delivery: Delivery,
    outcomes: Sequence[Outcome],
    unknown: Container[VmRequest] = (),
    *,
    retries_starts: bool = False,
) -> None:
    """Record outcomes; raises an ExceptionGroup of all that failed of this message's plan, recording included.

    The next message tries a start that failed again; where there is none, with `retries_starts`, it is raised too.

    A stop of another message that could not be looked at has no outcome: the next message looks again. Nor has one of
    an earlier delivery whose outcome is `unknown`: it may have stopped the instance, and counts against the limits.
    """
    known = [
        each
        for each in outcomes
        if (each.begun or each.request not in unknown)
        and (each.request.message_id == delivery.message_id or (each.begun and each.error is None))
    ]
    failures: list[Exception] = [
        outcome.exception or UnavailableError(f"{outcome.request.name}: {outcome.error or outcome.reason}")
        for outcome in outcomes
        if outcome.request.message_id == delivery.message_id
        and (
            outcome.event in (ActionEvent.FAILED, ActionEvent.WAITING)
            or outcome.exception
            or (retries_starts and outcome.event is ActionEvent.RESTART_FAILED and outcome.error is not None)
        )
    ]
    try:
        with waiting_for_records(delivery.message_id):
            records.record_outcomes(delivery, known)
    except UnavailableError as error:
        failures.append(error)
    raise_collected(delivery, failures)


def _log_verdict(delivery: Delivery) -> None:
    verdict, made = delivery.verdict, delivery.plan
    if delivery.blocker is not None and verdict.rule is not None:
        log_event(delivery.blocker, logging.WARNING, message_id=delivery.message_id, budget_id=verdict.rule.budget_id)
    log_event(
        f"budget notification: {verdict.name}",
        logging.WARNING if verdict.may_stop or verdict.name is VerdictName.MALFORMED else logging.INFO,
        message_id=delivery.message_id,
        reason=verdict.reason,
        mode=delivery.mode,
        gaps=delivery.gaps,
        stops=[decision.vm.instance.name for decision in made.stops] if made else [],
        freezes=[each.autoscaler.group.name for each in delivery.freezes if each.freeze],
        hourly_savings=made.hourly_savings if made else None,
    )


def _log_proposal(delivery: Delivery) -> None:
    plan = delivery.proposed
    if plan is None:
        return
    log_event(
        AWAITING_APPROVAL,
        logging.WARNING,
        message_id=delivery.message_id,
        reason=delivery.verdict.reason,
        plan=plan.plan_id,
        expires_at=rfc3339(plan.expires_at),
        stops=[each.name for each in plan.stops],
        freezes=[each.name for each in plan.freezes],
        hourly_savings=sum((each.hourly_savings or Decimal(0) for each in plan.stops), Decimal(0)),
        command=f"python -m spotkeeper approve {plan.plan_id}",
    )
