"""Connection options, retries and error translation for calls through Google's client libraries."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Forbidden, GoogleAPIError, exception_class_for_http_status
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError, TransportError
from google.protobuf.json_format import ParseError

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PASSING_STATUSES,
    PAUSE_GROWTH,
    RATE_LIMITS,
    TIMEOUT,
    credentials,
    is_local,
)

__all__ = [
    "TIMEOUT",
    "client_options",
    "credentials",
    "insecure_channel",
    "is_local",
    "retry",
    "translate_errors",
]

_TRANSIENT_TYPES = if_exception_type(
    *map(exception_class_for_http_status, PASSING_STATUSES),
    TransportError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def _transient(error: Exception) -> bool:
    """Whether a failure is retried; Compute Engine reports rate limits with 403 as well."""
    if isinstance(error, Forbidden):
        return any(isinstance(each, dict) and each.get("reason") in RATE_LIMITS for each in error.errors)
    return bool(_TRANSIENT_TYPES(error))


_MISSING_COLUMN = re.compile(
    r"Unrecognized name: (\w+)|Column (\w+) is not present in table|Name (\w+) not found inside"
)
"""How GoogleSQL says that a table has no such column: by itself, in an INSERT, and behind an alias."""

_FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    grpc.RpcError,
    ParseError,
    ConnectionError,
    TimeoutError,
)

_PARSE_ERRORS = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""Raised by the client libraries when a response lacks a required field or holds an unexpected value."""


def retry(retry_timeout: timedelta) -> Retry:
    """Return the retry policy of idempotent calls: exponential backoff, until the timeout has passed."""
    return Retry(
        predicate=_transient,
        initial=FIRST_PAUSE,
        maximum=LONGEST_PAUSE,
        multiplier=PAUSE_GROWTH,
        timeout=retry_timeout.total_seconds(),
    )


@contextmanager
def translate_errors(service: str) -> Iterator[None]:
    """Translate the errors of the client libraries into an UnavailableError that names the service and the cause."""
    try:
        yield
    except _FAILURES as error:
        cause = error.__cause__ if isinstance(error.__cause__, _FAILURES) else error
        said = " ".join(str(cause).split())
        message = f"{service}: {type(cause).__name__}: {said[:500]}{_on_missing_column(said)}"
        raise UnavailableError(message) from error
    except _PARSE_ERRORS as error:
        message = f"{service}: unexpected response: {type(error).__name__}: {error}"
        raise UnavailableError(message) from error


def _on_missing_column(said: str) -> str:
    """What fixes a statement that names a column which its table does not have; empty for any other error."""
    found = _MISSING_COLUMN.search(said)
    if found is None:
        return ""
    name = next(filter(None, found.groups()))
    return (
        f"; the tables lack the column {name}: they are of an earlier version. Deploy them with the functions "
        "(make deploy; first spotkeeper partition-tables, if its plan replaces a table)"
    )


def client_options(endpoint: str | None) -> ClientOptions | None:
    """Return the client options for an HTTP endpoint; None for Google's own."""
    return ClientOptions(api_endpoint=endpoint) if endpoint else None


def insecure_channel(endpoint: str) -> grpc.Channel:
    """Open a gRPC channel to a plain-text server, without the 4 MB message limit, as Google's transports do."""
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    return grpc.insecure_channel(endpoint.removeprefix("http://"), options=unlimited)
