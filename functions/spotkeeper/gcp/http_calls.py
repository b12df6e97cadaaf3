"""JSON calls over HTTP without a client library, and the retry rules that all calls share.

Most budget messages need one call, and importing a Google client library takes longer than handling such a message;
parsing pages of JSON into protobuf messages took most of an hourly run. So this module imports no client library, no
gRPC and no requests: docs/speed.md has the figures.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.urllib3 import AuthorizedHttp
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as LateError

from spotkeeper.errors import UnavailableError
from spotkeeper.values import replace_surrogates

TIMEOUT = 60.0
"""Timeout of one attempt of one call, in seconds."""

PASSING_STATUSES = (429, 500, 502, 503, 504)
"""HTTP statuses that are retried."""

RATE_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
"""Error reasons of rate limits; they are retried under any status."""

FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH = 0.2, 10.0, 2.0
"""Exponential backoff: the longest first pause and the longest pause, in seconds, and the multiplier."""

MAX_UNREADABLE, MAX_UNREADABLE_SHARE = 20, 0.1
"""The most items of one list that may fail to parse, by number and by share; beyond either the list is refused."""

_TRANSIENT_ERRORS = (TransportError, NewConnectionError, ProtocolError, LateError)
_HEADERS = {"Accept-Encoding": "gzip", "User-Agent": "spotkeeper (gzip)"}
"""Google compresses a response only when both headers ask for gzip: https://cloud.google.com/compute/docs/api/best-practices#use-gzip"""

_UNESCAPED = "/,()*"
"""Characters of a field mask that a query may have as they are: urllib3 is faster with a URL without `%`."""

ERROR_MESSAGE = re.compile(r'"message":\s*"((?:[^"\\]|\\.)*)"')
"""The error message in the JSON of a response: https://cloud.google.com/apis/design/errors#http_mapping"""

_HALVES = (b"\\ud", b"\\uD")
"""How a surrogate begins in JSON."""

_JOB_FAILURES = frozenset({"backendError", "internalError", "jobBackendError", "jobInternalError"})
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_chosen_credentials: list[Credentials] = []


def is_local(endpoint: str | None) -> bool:
    """Whether the endpoint is a plain-text server, called without credentials."""
    return endpoint is not None and endpoint.startswith("http://")


def credentials(endpoint: str | None) -> Credentials:
    """Return the credentials for calls: the function's service account, or application-default credentials.

    Raises UnavailableError when there are none.
    """
    if is_local(endpoint):
        return AnonymousCredentials()
    return _chosen_credentials[-1] if _chosen_credentials else _own_credentials()


@contextmanager
def calling_with(chosen: Credentials) -> Iterator[None]:
    """Make the clients that are created meanwhile call with these credentials instead of `credentials`' own."""
    _chosen_credentials.append(chosen)
    try:
        yield
    finally:
        _chosen_credentials.remove(chosen)


@cache
def _own_credentials() -> Credentials:
    try:
        signer, _ = google.auth.default(scopes=[_SCOPE])
    except GoogleAuthError as error:
        message = f"Google Cloud: {error} At a terminal: gcloud auth application-default login"
        raise UnavailableError(message) from error
    return signer


class CallError(UnavailableError):
    """A call that failed after its retries.

    `status` is the HTTP status, 0 without a response; `disabled_service` is the API that is not enabled, empty for any
    other failure.
    """

    def __init__(self, message: str, status: int, disabled_service: str = "") -> None:
        """Keep the status beside the message."""
        super().__init__(message)
        self.status = status
        self.disabled_service = disabled_service


class HttpCalls:
    """Calls a JSON API; transient failures are retried, all others raise CallError."""

    def __init__(self, service: str, host: str, endpoint: str | None, retry_timeout: timedelta) -> None:
        """Connect to a Google host, or to the endpoint when one is set."""
        self._service = service
        address = endpoint or host
        self._address = address if "://" in address else f"https://{address}"
        self._http = AuthorizedHttp(credentials(endpoint))
        self._retry_timeout = retry_timeout.total_seconds()

    def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object of the response; raises CallError."""
        deadline = time.monotonic() + self._retry_timeout
        longest = FIRST_PAUSE
        url = f"{self._address}{path}?{urlencode(query, safe=_UNESCAPED)}" if query else f"{self._address}{path}"
        while True:
            found, failure = self._attempt(method, url, body)
            if found is not None:
                return found
            pause = random.uniform(0, longest)  # noqa: S311 (jitter needs no secrecy)
            if not failure.transient or time.monotonic() + pause > deadline:
                message = f"{self._service}: {' '.join(failure.detail.split())[:500]}"
                raise CallError(message, failure.status, failure.disabled_service)
            time.sleep(pause)
            longest = min(longest * PAUSE_GROWTH, LONGEST_PAUSE)

    def _attempt(self, method: str, url: str, body: object) -> tuple[dict[str, Any] | None, "_Failure"]:
        """The response, or the failure."""
        try:
            response = self._http.request(method, url, timeout=TIMEOUT, retries=False, json=body, headers=_HEADERS)
            if response.status != HTTPStatus.OK:
                detail = f"{response.status} {response.reason}: {response.data.decode(errors='replace')}"
                return None, _Failure(detail, response.status, _transient(response), _disabled_service(response))
            found = _writable(response.json(), response.data)
        except (HTTPError, GoogleAuthError, ValueError, RecursionError) as error:
            return None, _Failure(f"{type(error).__name__}: {error}", transient=isinstance(error, _TRANSIENT_ERRORS))
        if isinstance(found, dict):
            return found, _NO_FAILURE
        return None, _Failure(f"unexpected response: {str(found)[:200]} is not a JSON object")


def _writable(found: object, body: bytes) -> object:
    """Return the value with lone surrogates replaced: JSON allows them, UTF-8 does not."""
    # One character is found much faster than two: most lists of disks have no escapes at all.
    if b"\\" not in body or b"\\u" not in body or not any(half in body for half in _HALVES):
        return found
    written: object = json.loads(replace_surrogates(json.dumps(found, ensure_ascii=False)))
    return written


class PageTokens:
    """The page tokens of one list; a token that comes twice would make the paging endless."""

    def __init__(self, service: str) -> None:
        """Start at the first page, which has no token."""
        self._service = service
        self._tokens = {""}

    def follow(self, token: str) -> str:
        """Return the token of the next page; raises CallError when it was returned before."""
        if token in self._tokens:
            message = f"{self._service}: page token {token[:50]!r} was returned twice"
            raise CallError(message, 0)
        self._tokens.add(token)
        return token


def parse_each[Item, Result](
    items: Iterable[Item], parse: Callable[[Item], Result], report: Callable[[str], None]
) -> Iterator[Result]:
    """Yield each parsed item of a list; an item that cannot be parsed is reported and skipped.

    Raises UnavailableError when more than MAX_UNREADABLE items, or more than MAX_UNREADABLE_SHARE of the list, fail to
    parse: a plan made without a page of instances would stop other instances instead.
    """
    count, failures = 0, list[UnavailableError]()
    for count, item in enumerate(items, 1):  # noqa: B007 (used after the loop)
        try:
            result = parse(item)
        except UnavailableError as error:
            failures.append(error)
            if len(failures) > MAX_UNREADABLE:
                raise
            report(str(error))
        else:
            yield result
    if len(failures) > max(1, int(count * MAX_UNREADABLE_SHARE)):
        raise failures[-1]


class _Failure(NamedTuple):
    detail: str
    status: int = 0
    transient: bool = False
    disabled_service: str = ""


_NO_FAILURE = _Failure("")


def _transient(response: BaseHTTPResponse) -> bool:
    return response.status in PASSING_STATUSES or not (RATE_LIMITS | _JOB_FAILURES).isdisjoint(_reasons(response))


def _reasons(response: BaseHTTPResponse) -> set[str]:
    """The reasons of an error response, `{"error": {"errors": [{"reason": …}]}}`; none in any other form."""
    try:
        errors = response.json()["error"]["errors"]
        return {str(error["reason"]) for error in errors}
    except (ValueError, TypeError, KeyError, RecursionError):
        return set()


def _disabled_service(response: BaseHTTPResponse) -> str:
    """The API that an error response says is not enabled in the project; empty for any other response.

    https://cloud.google.com/apis/design/errors#error_info
    """
    try:
        details = response.json()["error"]["details"]
        services = [each["metadata"]["service"] for each in details if each.get("reason") == "SERVICE_DISABLED"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ""
    return str(services[0]) if services else ""
