"""Compute Engine's operations: a request is finished when its operation is."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
from google.cloud import compute_v1
from requests.adapters import HTTPAdapter

from spotkeeper.errors import UnavailableError, UnfinishedError
from spotkeeper.gcp.client_calls import TIMEOUT, retry, translate_errors
from spotkeeper.gcp.protobufs import RawMessage

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_MOST_REQUESTS = 3

type Request = Callable[[str], RawMessage]
"""Sends a request under the id it is given and returns the operation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation is found: `scope` is zones or regions, `name` the zone or the region."""

    project_id: str
    scope: str
    name: str


class Operations:
    """Waits for operations.

    The clients' own way to wait, `result()`, asks Google's address whatever endpoint the client was given.
    """

    def __init__(self, settings: dict[str, Any], parallel: int, retry_timeout: timedelta) -> None:
        self._clients: dict[str, Any] = {
            "zones": compute_v1.ZoneOperationsClient(**settings),
            "regions": compute_v1.RegionOperationsClient(**settings),
        }
        for client in self._clients.values():
            widen(client, parallel)
        self._retry = retry(retry_timeout)

    def followed(self, place: Place, request: Request, request_id: str, deadline: float) -> str:
        """Send a request and follow its operation to the end, up to a time of the monotonic clock; return its name.

        Compute Engine returns the same operation for the same request id. If that operation failed, the request is
        sent again with an id derived from it, so that a retry is a new request. Raises UnavailableError, and
        UnfinishedError when the operation did not finish before the deadline.
        """
        name = problem = ""
        for _ in range(_MOST_REQUESTS):
            with translate_errors("Compute Engine"):
                operation = request(request_id)
            name, ended_at_once = str(operation.name), _is_done(operation)
            if not name:
                message = "Compute Engine: unexpected response: a request without an operation"
                raise UnavailableError(message)
            operation = self._ended(place, operation, deadline)
            problem = _problem(operation)
            if not problem:
                return name
            if not ended_at_once:
                break
            request_id = derived(request_id, name)
        message = f"operation {name}: {problem}"
        raise UnavailableError(message)

    def accepted(self, place: Place, request_id: str) -> str | None:
        """Return the operation that a request began, if it did not fail; Compute Engine keeps it for an hour at least.

        Of a request that was sent again after a failed operation, the last one counts. Raises UnavailableError.
        """
        found = self._accepted(place, request_id)
        return None if found is None else str(found.name)

    def finished(self, place: Place, request_id: str) -> str | None:
        """Return the operation as `accepted` does; raises UnfinishedError while it has not ended."""
        found = self._accepted(place, request_id)
        if found is None:
            return None
        name = str(found.name)
        if not _is_done(found):
            message = f"operation {name} has not ended yet"
            raise UnfinishedError(message, name)
        return name

    def _accepted(self, place: Place, request_id: str) -> RawMessage | None:
        for _ in range(_MOST_REQUESTS):
            found = self._begun_by(place, request_id)
            if found is None:
                return None
            if not _problem(found):
                return found
            request_id = derived(request_id, str(found.name))
        return None

    def _begun_by(self, place: Place, request_id: str) -> RawMessage | None:
        where = {"project": place.project_id, place.scope.removesuffix("s"): place.name}
        request = {**where, "filter": f'clientOperationId = "{request_id}"'}
        with translate_errors("Compute Engine"):
            found = self._clients[place.scope].list(request=request, retry=self._retry, timeout=TIMEOUT)
            return next(iter(found), None)

    def _ended(self, place: Place, operation: RawMessage, deadline: float) -> RawMessage:
        pause, name = _FIRST_PAUSE, operation.name
        while not _is_done(operation):
            left = deadline - time.monotonic()
            if left <= 0:
                message = f"operation {name} did not finish before the deadline"
                raise UnfinishedError(message, str(name))
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            with translate_errors("Compute Engine"):
                operation = self._get(place, name)
        return operation

    def _get(self, place: Place, name: str) -> RawMessage:
        where = {"project": place.project_id, place.scope.removesuffix("s"): place.name, "operation": name}
        client = self._clients[place.scope]
        return client.get(request=where, retry=self._retry, timeout=TIMEOUT)


def derived(request_id: str, name: str) -> str:
    """Return the id of a further request for the same."""
    return str(uuid.uuid5(uuid.UUID(request_id), name))


def widen(client: Any, parallel: int) -> None:  # noqa: ANN401 (any client of compute_v1)
    """Give a client a connection pool for so many parallel calls; its session has no public name."""
    session: requests.Session = client.transport._session  # noqa: SLF001
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=parallel))


def _is_done(operation: RawMessage) -> bool:
    return bool(operation.status == compute_v1.Operation.Status.DONE)


def _problem(operation: RawMessage) -> str:
    errors = [f"{error.code}: {error.message}" for error in operation.error.errors]
    if not errors and operation.http_error_status_code:
        errors = [f"{operation.http_error_status_code}: {operation.http_error_message}"]
    return "; ".join(errors)[:500]
