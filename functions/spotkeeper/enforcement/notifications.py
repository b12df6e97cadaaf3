"""Budget notifications, parsed from Pub/Sub messages.

The format is Cloud Billing's; the tracker's alerts use it too:
https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#notification_format
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from reprlib import Repr

from spotkeeper.budget_messages import SCHEMA_VERSION, SOURCE
from spotkeeper.enforcement.policies import Source
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import YEARS, PeriodKind, parse_time

DRILL = "spotkeeper-drill"
"""The attribute of a test message, which is planned and recorded, but stops nothing."""

REPLAYED_AT = "spotkeeper-replayed-at"
"""The attribute with the original publish time of a replayed message; ignored outside a replay."""

_LARGEST_AMOUNT = Decimal(10) ** 18
_SMALLEST_AMOUNT = Decimal("1e-9")
_LONGEST_BODY = 10_000
_LONGEST_ID = 200
_REPR = Repr(maxlevel=1, maxlist=2, maxdict=2, maxstring=80, maxother=80, maxlong=40)


@dataclass(frozen=True, slots=True)
class Message:
    """A Pub/Sub message as received; `body` is at most its first 10,000 characters."""

    message_id: str
    published_at: datetime | None
    attributes: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class BudgetNotification:
    """A budget notification: `cost` of `budget` was spent since `interval_start`, both in `currency`.

    `period` is the kind of period that the tracker's alerts name; Cloud Billing's messages have none.
    """

    message: Message
    published_at: datetime
    source: Source
    billing_account_id: str
    budget_id: str
    display_name: str
    cost: Decimal
    budget: Decimal
    currency: str
    interval_start: datetime
    period: PeriodKind | None = None
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not a budget notification, and why."""

    message: Message
    reason: str


def read_notification(data: object, *, replay: bool = False) -> BudgetNotification | Malformed:
    """Return the notification in the body of a push: `{"message": {"data": base64, "attributes": {…}, …}}`.

    Never raises: a message that cannot be read is Malformed, with the reason. In a replay, the publish time is that of
    the attribute `spotkeeper-replayed-at`.
    """
    envelope = _mapping(_mapping(data).get("message"))
    attributes = {
        name: _writable(value) for name, value in _mapping(envelope.get("attributes")).items() if isinstance(value, str)
    }
    try:
        body = _body(envelope)
    except RefusedRequestError as problem:
        return Malformed(_message(envelope, attributes, ""), str(problem))
    message = _message(envelope, attributes, body.decode(errors="replace")[:_LONGEST_BODY])
    try:
        return _notification(message, _object(body), replay=replay)
    except RefusedRequestError as problem:
        return Malformed(message, str(problem))


def _message(envelope: Mapping[str, object], attributes: Mapping[str, str], body: str) -> Message:
    found = envelope.get("messageId") or envelope.get("message_id") or ""
    try:
        published_at = _time("publishTime", envelope.get("publishTime") or envelope.get("publish_time"))
    except RefusedRequestError:
        published_at = None
    message_id = _writable(found) if isinstance(found, str) else ""
    return Message(message_id, published_at, attributes, body)


def _notification(message: Message, fields: Mapping[str, object], *, replay: bool) -> BudgetNotification:
    attributes = message.attributes
    published_at = message.published_at
    if replay and REPLAYED_AT in attributes:
        published_at = _time(REPLAYED_AT, attributes[REPLAYED_AT])
    if not message.message_id or published_at is None:
        absent = "messageId" if not message.message_id else "publishTime"
        refusal = f"the message has no usable {absent}"
        raise RefusedRequestError(refusal)
    if attributes.get("schemaVersion") != SCHEMA_VERSION:
        refusal = f"attribute schemaVersion is {attributes.get('schemaVersion')!r}, but must be {SCHEMA_VERSION!r}"
        raise RefusedRequestError(refusal)
    if not attributes.get("budgetId"):
        refusal = "attribute budgetId is missing"
        raise RefusedRequestError(refusal)
    source = Source.TRACKER if attributes.get("source") == SOURCE else Source.BILLING
    return BudgetNotification(
        message=message,
        published_at=published_at,
        source=source,
        billing_account_id=attributes.get("billingAccountId", ""),
        budget_id=attributes["budgetId"],
        display_name=_optional_string(fields, "budgetDisplayName"),
        cost=_amount(fields, "costAmount"),
        budget=_amount(fields, "budgetAmount"),
        currency=_string(fields, "currencyCode"),
        interval_start=_time("costIntervalStart", fields.get("costIntervalStart")),
        period=_period(attributes) if source is Source.TRACKER else None,
        drill=DRILL in attributes,
    )


def _body(envelope: Mapping[str, object]) -> bytes:
    data = envelope.get("data")
    if not isinstance(data, str) or not data:
        message = "the message has no data"
        raise RefusedRequestError(message)
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"the message's data is not base64: {error}"
        raise RefusedRequestError(message) from error


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, ArithmeticError) as error:
        message = f"the body is not JSON: {str(error)[:200]}"
        raise RefusedRequestError(message) from error
    if not isinstance(found, dict):
        message = f"the body is not a JSON object, but {type(found).__name__}"
        raise RefusedRequestError(message)
    return found


def _no_constant(name: str) -> object:
    message = f"{name} is not a number"
    raise ValueError(message)


def _amount(fields: Mapping[str, object], name: str) -> Decimal:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = f"{name} is {_shown(value)}, but must be a number"
        raise RefusedRequestError(message)
    if not -_LARGEST_AMOUNT < value < _LARGEST_AMOUNT:
        message = f"{name} is {_shown(value)}, which is not an amount of money"
        raise RefusedRequestError(message)
    return Decimal(value).quantize(_SMALLEST_AMOUNT)


def _string(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID:
        message = f"{name} is {_shown(value)}, but must be a non-empty string"
        raise RefusedRequestError(message)
    return _writable(value)


def _optional_string(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return _writable(value) if isinstance(value, str) else ""


def _time(name: str, value: object) -> datetime:
    if not isinstance(value, str):
        message = f"{name} is {_shown(value)}, but must be a time such as 2026-07-21T05:00:00Z"
        raise RefusedRequestError(message)
    found = parse_time(name, value[:_LONGEST_ID])
    if found.year not in YEARS:
        message = f"{name} {value[:_LONGEST_ID]} is not in the years {YEARS.start} to {YEARS.stop - 1}"
        raise RefusedRequestError(message)
    return found


def _period(attributes: Mapping[str, str]) -> PeriodKind:
    named = attributes.get("period", "")
    if named not in (PeriodKind.HOUR, PeriodKind.DAY, PeriodKind.MONTH):
        message = f"attribute period is {named[:_LONGEST_ID]!r}, but must be hour, day or month"
        raise RefusedRequestError(message)
    return PeriodKind(named)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _shown(value: object) -> str:
    return "missing" if value is None else _REPR.repr(value)


def _writable(text: str) -> str:
    """Return the string with lone surrogates replaced, which JSON allows and UTF-8 cannot encode."""
    return text.encode(errors="replace").decode()[:_LONGEST_ID]
