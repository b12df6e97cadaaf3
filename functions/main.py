"""The entry points of the two Cloud Functions: decode, call one use case, respond.

Each function imports its own half when it is first called, so that a cold start does not pay for the other one.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import flask
import functions_framework

from spotkeeper.errors import RefusedRequestError, UnavailableError
from spotkeeper.garbage import spare_collections
from spotkeeper.logs import follow_trace, log_event, write_json_lines
from spotkeeper.settings import Clock

if TYPE_CHECKING:
    from spotkeeper.enforcement.ports import EnforcerPorts
    from spotkeeper.enforcement.settings import EnforcerSettings
    from spotkeeper.tracking.capacity import CapacitySummary
    from spotkeeper.tracking.interim import InterimPorts, InterimRequest
    from spotkeeper.tracking.ports import Ports
    from spotkeeper.tracking.run import TrackRequest
    from spotkeeper.tracking.settings import TrackerSettings

write_json_lines()


@functions_framework.http
def track_spot_costs(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Record what Spot VMs cost in the hours that are due, or in those that the request names; or check budgets.

    200: recorded, with gaps when `complete` is false; 400, 405: the request is wrong and must not be retried; 503:
    nothing was recorded, retry.
    """
    from spotkeeper.tracking.http_api import decode, response_body  # noqa: PLC0415 (see above)
    from spotkeeper.tracking.interim import InterimRequest  # noqa: PLC0415 (see above)
    from spotkeeper.tracking.run import track  # noqa: PLC0415 (see above)

    if request.method != "POST":
        return _method_not_allowed(request)
    settings = _tracker_settings()
    follow_trace(request.headers.get("X-Cloud-Trace-Context"), settings.project_id)
    run_id = uuid.uuid4().hex
    query = {name: request.args.getlist(name) for name in request.args}
    try:
        wanted = decode(dict(request.headers), query, request.get_data(), datetime.now(UTC), settings.clock)
        if isinstance(wanted, InterimRequest):
            return _interim_check(settings, run_id, wanted), HTTPStatus.OK
        summary = track(settings, _tracker_ports(), run_id, wanted)
    except RefusedRequestError as error:
        log_event("refused", logging.WARNING, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.BAD_REQUEST
    except UnavailableError as error:
        log_event("nothing recorded", logging.ERROR, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE
    response = response_body(summary, _capacity_history(settings, run_id, wanted))
    log_event("run recorded", **response)
    return response, HTTPStatus.OK


def _interim_check(settings: "TrackerSettings", run_id: str, wanted: "InterimRequest") -> dict[str, object]:
    """Estimate between two hourly runs what the budgets have come to; raises what the function answers."""
    from spotkeeper.tracking.http_api import interim_body  # noqa: PLC0415 (see above)
    from spotkeeper.tracking.interim import check_interim  # noqa: PLC0415 (see above)

    response = interim_body(check_interim(settings, _interim_ports(), run_id, wanted), settings.budgets)
    log_event("interim check", **response)
    return response


@functions_framework.http
def enforce_budget_limit(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Do what the policy says about a budget notification that Pub/Sub pushes: most often nothing, else stop Spot VMs.

    What the subscription of the approvals delivers is a command of an operator, and nothing else is.
    200 acknowledges the message, also one that is no notification: it is recorded, and a redelivery would not help.
    Raising (500) has Pub/Sub redeliver it, which finishes what was begun. 405: not a POST.
    """
    from spotkeeper.enforcement.enforce import enforce  # noqa: PLC0415 (see above)
    from spotkeeper.enforcement.envelopes import event_data  # noqa: PLC0415 (see above)
    from spotkeeper.enforcement.notifications import (  # noqa: PLC0415 (see above)
        BudgetNotification,
        read_notification,
        subscription_of,
    )

    if request.method != "POST":
        return _method_not_allowed(request)
    settings = _enforcer_settings()
    received_at = datetime.now(UTC)
    data = event_data(dict(request.headers), request.get_data())
    if subscription_of(data) == settings.approvals_subscription:
        return _execute_command(data, received_at)
    notification = read_notification(data, replay=settings.clock is Clock.SCHEDULE)
    if settings.clock is Clock.SCHEDULE and isinstance(notification, BudgetNotification):
        received_at = notification.published_at
    with _redelivered_on_failure(notification.message.message_id):
        enforce(settings, _enforcer_ports(), uuid.uuid4().hex, notification, received_at)
    return "OK", HTTPStatus.OK


def _execute_command(data: object, received_at: datetime) -> flask.typing.ResponseReturnValue:
    from spotkeeper.enforcement.commanding import execute_command  # noqa: PLC0415 (few messages are commands)
    from spotkeeper.enforcement.notifications import Command, read_command  # noqa: PLC0415 (see above)
    from spotkeeper.gcp.enforcer import command_records  # noqa: PLC0415 (see above)

    settings = _enforcer_settings()
    command = read_command(data, replay=settings.clock is Clock.SCHEDULE)
    if settings.clock is Clock.SCHEDULE and isinstance(command, Command):
        received_at = command.published_at
    records = command_records(settings)
    with _redelivered_on_failure(command.message.message_id):
        execute_command(settings, _enforcer_ports(), records, uuid.uuid4().hex, command, received_at)
    return "OK", HTTPStatus.OK


@contextmanager
def _redelivered_on_failure(message_id: str) -> Iterator[None]:
    """Log what has Pub/Sub redeliver a message, and raise it."""
    try:
        yield
    except* UnavailableError as group:
        reasons = [str(error) for error in group.exceptions]
        log_event("delivery failed; Pub/Sub will redeliver", logging.ERROR, message_id=message_id, reasons=reasons)
        raise


def _capacity_history(settings: "TrackerSettings", run_id: str, wanted: "TrackRequest") -> "CapacitySummary | None":
    """Read Google's capacity history when it is due, after the hours are recorded; None when it is not."""
    if not settings.capacity_history or wanted.hours:
        return None
    from spotkeeper.gcp.tracker import capacity_ports  # noqa: PLC0415 (off by default)
    from spotkeeper.tracking.capacity import CapacityLimits, is_due, read_capacity_history  # noqa: PLC0415 (off by default)

    if not is_due(wanted.now):
        return None
    limits = CapacityLimits(settings.capacity_history_calls, settings.price_rise_alert_percent)
    return read_capacity_history(settings.project_id, limits, capacity_ports(settings), run_id, wanted.now)


def _method_not_allowed(request: flask.Request) -> flask.typing.ResponseReturnValue:
    refusal = {"error": f"{request.method} is not allowed: use POST"}
    return refusal, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"}


@cache
def _tracker_settings() -> "TrackerSettings":
    from spotkeeper.tracking.settings import TrackerSettings  # noqa: PLC0415 (see above)

    return TrackerSettings.from_mapping(os.environ)


@cache
def _tracker_ports() -> "Ports":
    from spotkeeper.gcp.tracker import tracker_ports  # noqa: PLC0415 (see above)

    ports = tracker_ports(_tracker_settings())
    spare_collections()
    return ports


@cache
def _interim_ports() -> "InterimPorts":
    from spotkeeper.gcp.tracker import interim_ports  # noqa: PLC0415 (off by default)

    return interim_ports(_tracker_settings())


@cache
def _enforcer_settings() -> "EnforcerSettings":
    from spotkeeper.enforcement.settings import EnforcerSettings  # noqa: PLC0415 (see above)

    return EnforcerSettings.from_mapping(os.environ)


@cache
def _enforcer_ports() -> "EnforcerPorts":
    from spotkeeper.gcp.enforcer import enforcer_ports  # noqa: PLC0415 (see above)

    ports = enforcer_ports(_enforcer_settings())
    spare_collections()
    return ports


match os.environ.get("FUNCTION_TARGET"):
    case "track_spot_costs":
        _tracker_settings()
    case "enforce_budget_limit":
        _enforcer_settings()
