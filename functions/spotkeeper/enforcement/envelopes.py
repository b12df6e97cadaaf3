"""Envelopes of a Pub/Sub message in an HTTP request: a plain push, or a CloudEvent, binary or structured."""

import base64
import binascii
import json
from collections.abc import Mapping


def event_data(headers: Mapping[str, str], body: bytes) -> object:
    """Return the push body in a request: `{"message": …, "subscription": …}`; None if it cannot be read.

    Never raises: a redelivery of what cannot be read would not help. A message that has only attributes is pushed
    without a `data` field: https://cloud.google.com/pubsub/docs/push#receive_push
    """
    found = _json(body)
    is_binary = any(name.lower() == "ce-specversion" for name in headers)
    if is_binary or not isinstance(found, dict) or "specversion" not in found:
        return found
    if "data_base64" in found:
        return _json(_bytes(found["data_base64"]))
    data: object = found.get("data")
    return _json(data) if isinstance(data, str) else data


def _json(text: bytes | str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return b""
