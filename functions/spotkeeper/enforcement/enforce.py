"""The budget use case, from a notification to the stops and their record.

Verdict, history, plan, record of the plan, stops, record of the outcomes. The plan is on record before the first stop,
and a redelivered message finishes the plan it finds: whatever fails in between, one message stops what its plan names
and no other instance.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Deadline, Executor
from spotkeeper.enforcement.following_up import follow_up
from spotkeeper.enforcement.freezing import Freezing
from spotkeeper.enforcement.notifications import BudgetNotification, Malformed
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.publishing import publishing
from spotkeeper.enforcement.recording import collecting, raise_collected, record_delivery, waiting_for_records
from spotkeeper.enforcement.restarting import Restarting, may_restart
from spotkeeper.enforcement.settings import EnforcerSettings, Mode
from spotkeeper.enforcement.stopping import Stopping
from spotkeeper.enforcement.verdicts import Verdict, first_verdict, is_near_step
from spotkeeper.errors import UnavailableError

STOP_DEADLINE_SECONDS = 540
"""The timeout of the function, below Pub/Sub's ack deadline of 600 s. Stops are followed until there is just enough
time left to retry a failing call. https://cloud.google.com/pubsub/docs/push#receive_push
"""


def enforce(
    settings: EnforcerSettings,
    ports: EnforcerPorts,
    delivery_id: str,
    notification: BudgetNotification | Malformed,
    now: datetime,
) -> Verdict:
    """Do what the policy says about a notification, and return the verdict.

    Whatever it says, what was frozen in a period that is over is thawed. Raises UnavailableError when nothing could be
    decided or recorded, and an ExceptionGroup of what failed after the plan was recorded: the message has to be
    redelivered, which finishes the plan.
    """
    drill = isinstance(notification, BudgetNotification) and notification.drill
    mode = Mode.DRY_RUN if drill else settings.mode
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery(delivery_id, now, mode, notification, verdict, _overdue_since(settings, now))
    with publishing(ports, settings.project_id) as published:
        return _finished(settings, published, delivery, notification)


def _finished(
    settings: EnforcerSettings, ports: EnforcerPorts, delivery: Delivery, notification: BudgetNotification | Malformed
) -> Verdict:
    """Do what the policy says, and thaw what was frozen in a period that is over."""
    failures: list[Exception] = []
    found, may_end = delivery.verdict, True
    try:
        found, may_end = _executed(settings, ports, delivery, notification)
    except ExceptionGroup as group:
        # A message that fails for long keeps no group frozen.
        failures.extend(group.exceptions)
    except UnavailableError:
        # Nor does one about a fleet that cannot be read; why nothing was decided is what the caller has to know.
        if settings.policy.freeze_groups is not None:
            with suppress(UnavailableError, ExceptionGroup):
                end_freezes(settings, ports, delivery)
        raise
    # Also without freeze_groups: what was frozen before it was removed ends with its period.
    if may_end:
        with collecting(failures):
            end_freezes(settings, ports, delivery)
    raise_collected(delivery, failures)
    return found


def end_freezes(settings: EnforcerSettings, ports: EnforcerPorts, delivery: Delivery) -> None:
    """Thaw what was frozen in a period that is over; raises UnavailableError and an ExceptionGroup of what failed."""
    if delivery.mode is Mode.DRY_RUN:
        return
    with waiting_for_records(delivery.message_id):
        freezes = ports.records.freezes(delivery.received_at)
    freezing_of(settings, ports, delivery.received_at).end(delivery, freezes)


def _executed(
    settings: EnforcerSettings, ports: EnforcerPorts, delivery: Delivery, notification: BudgetNotification | Malformed
) -> tuple[Verdict, bool]:
    """Do what the policy says, and return the verdict, and whether freezes may have to be ended."""
    verdict, mode, now = delivery.verdict, delivery.mode, delivery.received_at
    if isinstance(notification, BudgetNotification) and verdict.rule is not None:
        if verdict.may_stop or is_near_step(verdict, notification, settings.policy, now):
            executor = executor_of(settings, ports, now)
            undo = settings.approvals_subscription is not None
            stopping = Stopping(settings.policy, ports, notification, verdict.rule, undo=undo)
            stopped = stopping.run(delivery, executor)
            if stopped is not None:
                return stopped, True
        if may_restart(settings.policy, delivery, notification):
            executor = executor_of(settings, ports, now)
            # What waits for an approval are stops; what the policy starts again waits for none.
            starting = replace(delivery, mode=Mode.ENFORCE) if mode is Mode.APPROVE else delivery
            restarting = Restarting(settings.policy, ports.records, executor, notification, verdict.rule)
            return restarting.run(starting), True
    are_unfinished = record_delivery(ports.records, delivery)
    if are_unfinished and isinstance(notification, BudgetNotification) and verdict.rule is not None:
        with waiting_for_records(delivery.message_id):
            history = ports.records.history(notification, verdict.rule, now)
        follow_up(ports.records, delivery, history, settings.policy, executor_of(settings, ports, now))
        return verdict, True
    return verdict, False


def preview(
    settings: EnforcerSettings, ports: EnforcerPorts, notification: BudgetNotification, now: datetime
) -> Delivery:
    """Return the delivery that `enforce` would record now, with its plan; nothing is stopped or recorded.

    Raises UnavailableError.
    """
    verdict = first_verdict(notification, settings.policy, now)
    delivery = Delivery("", now, Mode.DRY_RUN, notification, verdict, _overdue_since(settings, now))
    near = is_near_step(verdict, notification, settings.policy, now)
    if verdict.rule is None or not (verdict.may_stop or near):
        return delivery
    stopping = Stopping(settings.policy, ports, notification, verdict.rule)
    history, current = stopping.judged(delivery, hypothetical=True)
    return stopping.planned(current, history) if current.verdict.may_stop else current


def freezing_of(settings: EnforcerSettings, ports: EnforcerPorts, now: datetime) -> Freezing:
    """Return what changes autoscalers in a delivery that was received now."""
    deadline = executor_of(settings, ports, now).deadline
    return Freezing(ports.autoscalers, ports.records, deadline, ports.parallel_requests)


def executor_of(settings: EnforcerSettings, ports: EnforcerPorts, now: datetime) -> Executor:
    """Return what sends the requests of a delivery that was received now, within the time of the function."""
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    limit = timedelta(seconds=STOP_DEADLINE_SECONDS) - retry_timeout
    deadline = Deadline(now, limit, ports.stopwatch, ports.wait, ports.stopwatch(), retry_timeout)
    return Executor(ports.actuator, deadline, ports.parallel_requests)


def _overdue_since(settings: EnforcerSettings, now: datetime) -> datetime:
    return now - timedelta(minutes=settings.policy.max_message_age_minutes)
