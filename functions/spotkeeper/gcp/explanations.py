"""Failures of Google's services in words: no class names, no addresses, no job ids."""

import re
from collections.abc import Iterator
from http import HTTPStatus

import grpc
import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from urllib3.exceptions import HTTPError

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.http_calls import ERROR_MESSAGE, CallError

LOGIN = "gcloud auth application-default login"

_ADDRESS = re.compile(r"^(?:GET|POST|PUT|PATCH|DELETE) \S+: ")
_DETAILS = re.compile(r"\n|; reason: ")
"""What BigQuery's client library adds to a message."""

_CLASS_NAME = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Timeout)\b(?:\(.*\))?(?:: )?")
_NO_CONNECTION = (
    *(requests.ConnectionError, requests.Timeout, HTTPError, TransportError, RetryError),
    *(ConnectionError, TimeoutError, grpc.RpcError),
)
_NOT_REACHED = "could not be reached, or did not respond in time"
_OPENING = {
    HTTPStatus.UNAUTHORIZED: f"the login is missing or has expired: {LOGIN}",
    HTTPStatus.FORBIDDEN: "permission denied",
    HTTPStatus.NOT_FOUND: "not found",
}


def explained(error: UnavailableError) -> str:
    """Return one sentence: the service, what happened, and what the service said about it."""
    if isinstance(error.__cause__, CallError):
        return str(error)  # It is in our own words.
    service = str(error).partition(": ")[0]
    sentences = (_explained(cause) for cause in _causes(error))
    known = next((sentence for sentence in sentences if sentence), None)
    return f"{service}: {known}" if known else " ".join(_CLASS_NAME.sub("", str(error)).split())


def _explained(cause: BaseException) -> str | None:
    """What happened, without the service; None when the words of the error itself say it."""
    sentence = None
    match cause:
        case CallError(status=0):
            sentence = _NOT_REACHED if _CLASS_NAME.search(str(cause)) else None
        case CallError():
            sentence = _answered(cause.status, _message(str(cause).partition(": ")[2]))
        case GoogleAPICallError(code=int() as code):
            sentence = _answered(code, _message(str(cause.message)))
        case DefaultCredentialsError() | RefreshError():
            sentence = f"{_first_sentence(str(cause))} Log in: {LOGIN}"
        case _ if isinstance(cause, _NO_CONNECTION):
            sentence = _NOT_REACHED
        case GoogleAuthError():
            sentence = _OPENING[HTTPStatus.UNAUTHORIZED]
        case _:
            pass
    return sentence


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The causes of an error, the last first, then the error."""
    if error is not None:
        yield from _causes(error.__cause__)
        yield error


def _answered(status: int, message: str) -> str:
    """What a service answered; a status that has no opening of ours is explained by the message alone."""
    known = HTTPStatus(status) if status in HTTPStatus else None
    opening = _OPENING.get(known) if known else None
    if opening is None:
        return f"unavailable ({status}): {message}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else message
    if known is HTTPStatus.UNAUTHORIZED:
        return opening
    return message if message.lower().startswith(opening) else f"{opening}: {message}"


def _message(text: str) -> str:
    """The message in a response, without the address that was called and the details after its first line."""
    found = ERROR_MESSAGE.search(text)
    plain = found[1] if found else _ADDRESS.sub("", text)
    return " ".join(_DETAILS.split(plain)[0].split())[:500]


def _first_sentence(text: str) -> str:
    return f"{text.partition('. ')[0].rstrip('.')}."
