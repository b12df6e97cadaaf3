"""What calls by Google's client libraries share: how they connect, how long they try, and what a failure becomes."""

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
    "failing_as_unavailable",
    "insecure_channel",
    "is_local",
    "retry",
]

_TYPES_PASSING = if_exception_type(
    *map(exception_class_for_http_status, PASSING_STATUSES),
    TransportError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def _passing(error: Exception) -> bool:
    """Whether a failure may pass by itself; Compute Engine says with 403 as well that calls came too fast."""
    if isinstance(error, Forbidden):
        return any(isinstance(each, dict) and each.get("reason") in RATE_LIMITS for each in error.errors)
    return bool(_TYPES_PASSING(error))


_FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    grpc.RpcError,
    ParseError,
    ConnectionError,
    TimeoutError,
)

_MISREADINGS = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""What the client libraries raise when an answer lacks what every answer has, or holds what none should."""


def retry(patience: timedelta) -> Retry:
    """Return the way in which a call that may be repeated is repeated: with growing pauses, for so long in all."""
    return Retry(
        predicate=_passing,
        initial=FIRST_PAUSE,
        maximum=LONGEST_PAUSE,
        multiplier=PAUSE_GROWTH,
        timeout=patience.total_seconds(),
    )


@contextmanager
def failing_as_unavailable(service: str) -> Iterator[None]:
    """Turn every way in which a call can fail into an UnavailableError that names the service and the cause."""
    try:
        yield
    except _FAILURES as error:
        cause = error.__cause__ if isinstance(error.__cause__, _FAILURES) else error
        message = f"{service}: {type(cause).__name__}: {' '.join(str(cause).split())[:500]}"
        raise UnavailableError(message) from error
    except _MISREADINGS as error:
        message = f"{service}: an answer of another form than promised: {type(error).__name__}: {error}"
        raise UnavailableError(message) from error


def client_options(endpoint: str | None) -> ClientOptions | None:
    """Return the options of a client that talks HTTP to this endpoint; None is Google's own."""
    return ClientOptions(api_endpoint=endpoint) if endpoint else None


def insecure_channel(endpoint: str) -> grpc.Channel:
    """Open a gRPC channel to a plain-text server, without the 4 MB limit, as Google's own transports do."""
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    return grpc.insecure_channel(endpoint.removeprefix("http://"), options=unlimited)
