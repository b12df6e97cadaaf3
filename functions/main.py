"""The entry points of the two Cloud Functions: decode, call one use case, answer.

Each function imports what it alone needs when it is first called: a cold start is not to pay for the other one.
"""

import logging
import os
import uuid
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import flask
import functions_framework
from cloudevents.http import CloudEvent

from spotkeeper.enforcement.envelopes import event_data
from spotkeeper.enforcement.notifications import BudgetNotification, read_notification
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.errors import RefusedRequestError, UnavailableError
from spotkeeper.logs import follow_trace, log_event, write_json_lines
from spotkeeper.settings import Clock
from spotkeeper.tracking.settings import TrackerSettings

if TYPE_CHECKING:
    from spotkeeper.enforcement.ports import EnforcerPorts
    from spotkeeper.tracking.ports import Ports

_PUBLISHED, _PUBSUB = "google.cloud.pubsub.topic.v1.messagePublished", "//pubsub.googleapis.com/"
"""Of which type the events of Pub/Sub are, and whose: https://cloud.google.com/eventarc/docs/cloudevents"""

write_json_lines()


@functions_framework.http
def track_spot_costs(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Record what Spot VMs cost in the hours that are due, or in those that the request names.

    200: done, or recorded as far as it could be (`complete` tells); 400, 405: the request is wrong, trying it again
    cannot help; 503: nothing was recorded, trying it again can help.
    """
    from spotkeeper.tracking.http_api import answer, decode  # noqa: PLC0415 (see above)
    from spotkeeper.tracking.run import track  # noqa: PLC0415 (see above)

    if request.method != "POST":
        refusal = {"error": f"{request.method} is not allowed: use POST"}
        return refusal, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "POST"}
    settings = _tracker_settings()
    follow_trace(request.headers.get("X-Cloud-Trace-Context"), settings.project_id)
    run_id = uuid.uuid4().hex
    query = {name: request.args.getlist(name) for name in request.args}
    try:
        wanted = decode(dict(request.headers), query, request.get_data(), datetime.now(UTC), settings.clock)
        summary = track(settings, _tracker_ports(), run_id, wanted)
    except RefusedRequestError as error:
        log_event("refused", logging.WARNING, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.BAD_REQUEST
    except UnavailableError as error:
        log_event("nothing recorded", logging.ERROR, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE
    told = answer(summary)
    log_event("run recorded", **told)
    return told, HTTPStatus.OK


@functions_framework.cloud_event
def enforce_budget_limit(cloud_event: CloudEvent) -> None:
    """Do what a budget notification from Pub/Sub asks for: most often nothing, else stop Spot VMs by the policy.

    Returning acknowledges the message. Raising has it delivered again, which finishes what was begun.
    """
    from spotkeeper.enforcement.enforce import enforce  # noqa: PLC0415 (see above)

    settings = _enforcer_settings()
    received_at = datetime.now(UTC)
    notification = read_notification(cloud_event.get_data(), replay=settings.clock is Clock.SCHEDULE)
    if settings.clock is Clock.SCHEDULE and isinstance(notification, BudgetNotification):
        received_at = notification.published_at
    try:
        enforce(settings, _enforcer_ports(), uuid.uuid4().hex, notification, received_at)
    except* UnavailableError as group:
        message_id = notification.message.message_id
        log_event(
            "to be delivered again", logging.ERROR, message_id=message_id, reasons=[str(e) for e in group.exceptions]
        )
        raise


def _take_whatever_is_posted() -> str | None:
    """Hand every POST to the enforcer, before functions-framework tries to make an event of it.

    That answers 400 or 500 to what it cannot read, a message of attributes alone among it, and Pub/Sub would deliver it
    again for hours; the enforcer records and acknowledges it.
    """
    if flask.request.method != "POST":
        return None
    data = event_data(dict(flask.request.headers), flask.request.get_data())
    enforce_budget_limit(CloudEvent({"type": _PUBLISHED, "source": _PUBSUB}, data))
    return "OK"


@cache
def _tracker_settings() -> TrackerSettings:
    return TrackerSettings.from_mapping(os.environ)


@cache
def _tracker_ports() -> "Ports":
    from spotkeeper.gcp.tracker import tracker_ports  # noqa: PLC0415 (see above)

    return tracker_ports(_tracker_settings())


@cache
def _enforcer_settings() -> EnforcerSettings:
    return EnforcerSettings.from_mapping(os.environ)


@cache
def _enforcer_ports() -> "EnforcerPorts":
    from spotkeeper.gcp.enforcer import enforcer_ports  # noqa: PLC0415 (see above)

    return enforcer_ports(_enforcer_settings())


match os.environ.get("FUNCTION_TARGET"):
    case "track_spot_costs":
        _tracker_settings()
    case "enforce_budget_limit":
        _enforcer_settings()
        flask.current_app.before_request(_take_whatever_is_posted)
