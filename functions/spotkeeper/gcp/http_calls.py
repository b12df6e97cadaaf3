"""Calls by HTTP alone, and the rules that all calls share.

Most budget messages need one call, and Google's client libraries take longer to import than such a message takes in
all; and most of an hour's run was spent on turning pages of JSON into their messages. So nothing here may import one,
nor gRPC, nor requests: docs/speed.md has the figures.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.urllib3 import AuthorizedHttp
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as LateError

from spotkeeper.errors import UnavailableError

TIMEOUT = 60.0
"""Seconds that one attempt of one call may take."""

PASSING_STATUSES = (429, 500, 502, 503, 504)
"""HTTP statuses of failures that may pass by themselves."""

RATE_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
"""Reasons with which calls that came too fast are refused, under statuses that mean something else too."""

FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH = 0.2, 10.0, 2.0
"""Seconds, at most, between the first attempts and between the last ones, and by how much they grow."""

MOST_UNREADABLE, TOLERATED = 20, 10
"""So many items of one list may be of another form than promised, and one in so many, before the whole list is."""

_PASSING_ERRORS = (TransportError, NewConnectionError, ProtocolError, LateError)
_HEADERS = {"Accept-Encoding": "gzip", "User-Agent": "spotkeeper (gzip)"}
"""Google compresses what is asked for in both ways: https://cloud.google.com/compute/docs/api/best-practices#use-gzip"""

_HALF = re.compile(rb"\\u[dD]")
_JOB_FAILURES = frozenset({"backendError", "internalError", "jobBackendError", "jobInternalError"})
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def is_local(endpoint: str | None) -> bool:
    """Whether the endpoint is a plain-text server, which takes no credentials."""
    return endpoint is not None and endpoint.startswith("http://")


def credentials(endpoint: str | None) -> Credentials:
    """Return what to sign calls with: the function's own service account, or whoever is logged in at a terminal.

    Raises UnavailableError where neither is.
    """
    return AnonymousCredentials() if is_local(endpoint) else _own_credentials()


@cache
def _own_credentials() -> Credentials:
    try:
        signer, _ = google.auth.default(scopes=[_SCOPE])
    except GoogleAuthError as error:
        message = f"Google Cloud: {error} At a terminal: gcloud auth application-default login"
        raise UnavailableError(message) from error
    return signer


class CallError(UnavailableError):
    """A call that failed for good; `status` is what the service answered, 0 when it did not."""

    def __init__(self, message: str, status: int) -> None:
        """Say what went wrong."""
        super().__init__(message)
        self.status = status


class PlainCalls:
    """Calls a service that speaks JSON; a failure that may pass is tried again, any other is a CallError."""

    def __init__(self, service: str, host: str, endpoint: str | None, patience: timedelta) -> None:
        """Prepare to call a host of Google's, or the endpoint instead."""
        self._service = service
        address = endpoint or host
        self._address = address if "://" in address else f"https://{address}"
        self._http = AuthorizedHttp(credentials(endpoint))
        self._patience = patience.total_seconds()

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the object that a call with a body of JSON, or with a query, is answered with."""
        deadline = time.monotonic() + self._patience
        longest = FIRST_PAUSE
        while True:
            found, failure = self._attempt(method, f"{self._address}{path}", body, query)
            if found is not None:
                return found
            pause = random.uniform(0, longest)  # noqa: S311 (jitter needs no secrecy)
            if not failure.may_pass or time.monotonic() + pause > deadline:
                message = f"{self._service}: {' '.join(failure.told.split())[:500]}"
                raise CallError(message, failure.status)
            time.sleep(pause)
            longest = min(longest * PAUSE_GROWTH, LONGEST_PAUSE)

    def _attempt(
        self, method: str, url: str, body: object, query: Mapping[str, str] | None
    ) -> tuple[dict[str, Any] | None, "_Failure"]:
        """The answer, or why there is none."""
        try:
            response = self._http.request(
                method, url, timeout=TIMEOUT, retries=False, json=body, fields=query, headers=_HEADERS
            )
            if response.status != HTTPStatus.OK:
                told = f"{response.status} {response.reason}: {response.data.decode(errors='replace')}"
                return None, _Failure(told, response.status, may_pass=_may_pass(response))
            found = _writable(response.json(), response.data)
        except (HTTPError, GoogleAuthError, ValueError, RecursionError) as error:
            return None, _Failure(f"{type(error).__name__}: {error}", may_pass=isinstance(error, _PASSING_ERRORS))
        return (found if isinstance(found, dict) else None), _Failure(f"the answer {str(found)[:200]} is no object")


def _writable(found: Any, body: bytes) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Return what was read, with what no UTF-8 can hold replaced: JSON lets half of a surrogate pair stand alone."""
    if not _HALF.search(body):
        return found
    return json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))


class Turning:
    """The pages of one list that were asked for; to come back to one is to turn in a circle, without end."""

    def __init__(self, service: str) -> None:
        """Begin with the first page, which has no token."""
        self._service = service
        self._tokens = {""}

    def to(self, token: str) -> str:
        """Return the token of the next page; raises CallError when that was asked for before."""
        if token in self._tokens:
            message = f"{self._service}: the page {token[:50]!r} was to follow itself"
            raise CallError(message, 0)
        self._tokens.add(token)
        return token


def readable[Item, Result](
    items: Iterable[Item], read: Callable[[Item], Result], report: Callable[[str], None]
) -> Iterator[Result]:
    """Yield what is read of each item of a list; one that cannot be read is reported, and hides no other.

    When there are many of them, or more than a tenth, the service is out of order: then that is raised, at the end at
    the latest. A plan made without a page of instances would stop others in their place.
    """
    count, refusals = 0, list[UnavailableError]()
    for count, item in enumerate(items, 1):  # noqa: B007 (used when all are read)
        try:
            result = read(item)
        except UnavailableError as error:
            refusals.append(error)
            if len(refusals) > MOST_UNREADABLE:
                raise
            report(str(error))
        else:
            yield result
    if len(refusals) > max(1, count // TOLERATED):
        raise refusals[-1]


class _Failure(NamedTuple):
    told: str
    status: int = 0
    may_pass: bool = False


def _may_pass(response: BaseHTTPResponse) -> bool:
    return response.status in PASSING_STATUSES or not (RATE_LIMITS | _JOB_FAILURES).isdisjoint(_reasons(response))


def _reasons(response: BaseHTTPResponse) -> set[str]:
    """Why a call was refused: `{"error": {"errors": [{"reason": …}]}}`, whatever else may come instead."""
    try:
        errors = response.json()["error"]["errors"]
        return {str(error["reason"]) for error in errors}
    except (ValueError, TypeError, KeyError, RecursionError):
        return set()
