"""What all calls to Google Cloud share: how they connect, how long they try, and what a failure becomes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc
import requests
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import (
    BadGateway,
    Forbidden,
    GatewayTimeout,
    GoogleAPIError,
    InternalServerError,
    ServiceUnavailable,
    TooManyRequests,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.protobuf.json_format import ParseError

from spotkeeper.errors import UnavailableError

TIMEOUT = 60.0
"""Seconds that one attempt of one call may take."""

_TYPES_PASSING = if_exception_type(
    TooManyRequests,
    InternalServerError,
    BadGateway,
    ServiceUnavailable,
    GatewayTimeout,
    TransportError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
_RATE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"}


def _passing(error: Exception) -> bool:
    """Whether a failure may pass by itself; Compute Engine says with 403 as well that calls came too fast."""
    if isinstance(error, Forbidden):
        return any(isinstance(each, dict) and each.get("reason") in _RATE_LIMITS for each in error.errors)
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


def retry(patience: timedelta) -> Retry:
    """Return the way in which a call that may be repeated is repeated: with growing pauses, for so long in all."""
    return Retry(predicate=_passing, initial=0.2, maximum=10.0, multiplier=2.0, timeout=patience.total_seconds())


@contextmanager
def failing_as_unavailable(service: str) -> Iterator[None]:
    """Turn every way in which a call can fail into an UnavailableError that names the service and the cause."""
    try:
        yield
    except _FAILURES as error:
        cause = error.__cause__ if isinstance(error.__cause__, _FAILURES) else error
        message = f"{service}: {type(cause).__name__}: {' '.join(str(cause).split())[:500]}"
        raise UnavailableError(message) from error


def is_local(endpoint: str | None) -> bool:
    """Whether the endpoint is a plain-text server, which takes no credentials."""
    return endpoint is not None and endpoint.startswith("http://")


def credentials(endpoint: str | None) -> Credentials | None:
    """Return what to sign calls with; None is the function's own service account."""
    return AnonymousCredentials() if is_local(endpoint) else None


def client_options(endpoint: str | None) -> ClientOptions | None:
    """Return the options of a client that talks HTTP to this endpoint; None is Google's own."""
    return ClientOptions(api_endpoint=endpoint) if endpoint else None


def insecure_channel(endpoint: str) -> grpc.Channel:
    """Open a gRPC channel to a plain-text server, without the 4 MB limit, as Google's own transports do."""
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    return grpc.insecure_channel(endpoint.removeprefix("http://"), options=unlimited)
