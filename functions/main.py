"""The entry points of the two Cloud Functions: decode, call one use case, answer."""

import logging
import os
import uuid
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus

import flask
import functions_framework

from spotkeeper.errors import RefusedRequestError, UnavailableError
from spotkeeper.logs import event, follow_trace, write_json_lines
from spotkeeper.settings import TrackerSettings
from spotkeeper.tracker_api import answer, decode
from spotkeeper.tracking import Ports, track

write_json_lines()


@functions_framework.http
def track_spot_costs(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Record what Spot VMs cost in the hours that are due, or in those that the request names.

    200: done, or recorded as far as it could be (`complete` tells); 400, 405: the request is wrong, trying it again
    cannot help; 503: nothing was recorded, trying it again can help.
    """
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
        event("refused", logging.WARNING, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.BAD_REQUEST
    except UnavailableError as error:
        event("nothing recorded", logging.ERROR, run_id=run_id, reason=str(error))
        return {"error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE
    told = answer(summary)
    event("run recorded", **told)
    return told, HTTPStatus.OK


@cache
def _tracker_settings() -> TrackerSettings:
    return TrackerSettings.from_mapping(os.environ)


@cache
def _tracker_ports() -> Ports:
    from spotkeeper.gcp.tracker import tracker_ports  # noqa: PLC0415 (the other function needs none of it)

    return tracker_ports(_tracker_settings())


if os.environ.get("FUNCTION_TARGET") == "track_spot_costs":
    _tracker_settings()
