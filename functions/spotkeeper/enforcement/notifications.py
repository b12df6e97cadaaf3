"""Budget notifications, parsed from Pub/Sub messages.

The format is Cloud Billing's; the tracker's alerts use it too:
https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#notification_format
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial

from spotkeeper.budget_messages import SCHEMA_VERSION, SOURCE
from spotkeeper.enforcement.policies import Source
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import YEARS, PeriodKind, parse_time
from spotkeeper.values import choice, field, json_object, number, replace_surrogates, string, time

DRILL = "spotkeeper-drill"
"""The attribute of a test message, which is planned and recorded, but stops nothing."""

REPLAYED_AT = "spotkeeper-replayed-at"
"""The attribute with the original publish time of a replayed message; ignored outside a replay."""

_ANOMALY = "anomal"
"""In the names of attributes or fields of what Cloud Billing's anomaly detection publishes."""

_UNWRAPPED = {"costAmount", "budgetAmount"}
_WITHOUT_WRAPPER = (
    "pushed without its wrapper, so that no attribute names the budget: "
    "switch off payload unwrapping of the subscription"
)

_LARGEST_AMOUNT = 10**18
_SMALLEST_AMOUNT = Decimal("1e-9")
_LONGEST_BODY = 10_000
_LONGEST_ID = 200


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


class CommandName(StrEnum):
    """What an operator may have the function do."""

    APPROVE = "approve"
    UNDO = "undo"
    THAW = "thaw"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of an operator about the message `target`; `plan_hash` is that of the plan to approve.

    To thaw, `target` is the name or the path of a group, and empty for all groups.
    """

    message: Message
    published_at: datetime
    name: CommandName
    target: str
    plan_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not what its topic is for, and why."""

    message: Message
    reason: str


def read_notification(data: object, *, replay: bool = False) -> BudgetNotification | Malformed:
    """Return the notification in the body of a push: `{"message": {"data": base64, "attributes": {…}, …}}`.

    Never raises: a message that cannot be read is Malformed, with the reason. In a replay, the publish time is that of
    the attribute `spotkeeper-replayed-at`.
    """
    pushed = _object(data)
    if pushed.keys() >= _UNWRAPPED and "message" not in pushed:
        return Malformed(Message("", None, {}, json.dumps(pushed)[:_LONGEST_BODY]), _WITHOUT_WRAPPER)
    return _read(pushed, partial(_notification, replay=replay))


def read_command(data: object, *, replay: bool = False) -> Command | Malformed:
    """Return the command in the body of a push: `{"command": "approve", "plan": …}`, as `read_notification` does."""
    return _read(_object(data), partial(_command, replay=replay))


def subscription_of(data: object) -> str:
    """Return the subscription that delivered a push, as Pub/Sub names it; empty if it does not."""
    return _text_or_empty(_object(data).get("subscription"))


def _read[Read](
    pushed: Mapping[str, object], reading: Callable[[Message, Mapping[str, object]], Read]
) -> Read | Malformed:
    envelope = _object(pushed.get("message"))
    attributes = {
        name: _writable(value) for name, value in _object(envelope.get("attributes")).items() if isinstance(value, str)
    }
    try:
        body = _body(envelope)
    except RefusedRequestError as problem:
        return Malformed(_message(envelope, attributes, ""), str(problem))
    message = _message(envelope, attributes, body.decode(errors="replace")[:_LONGEST_BODY])
    try:
        return reading(message, json_object(body, "the body"))
    except ValueError as problem:
        return Malformed(message, str(problem))


def _command(message: Message, body: Mapping[str, object], *, replay: bool) -> Command:
    published_at = _published_at(message, replay=replay)
    name = field(body, "command", choice(CommandName))
    if name is CommandName.UNDO:
        return Command(message, published_at, name, field(body, "message_id", _id))
    if name is CommandName.THAW:
        return Command(message, published_at, name, field(body, "group", _id) if "group" in body else "")
    target, _, plan_hash = field(body, "plan", _plan_id).rpartition(":")
    return Command(message, published_at, name, target, plan_hash)


def _published_at(message: Message, *, replay: bool) -> datetime:
    """Return when a message was published; raises RefusedRequestError when it has no usable id or time."""
    published_at = message.published_at
    if replay and REPLAYED_AT in message.attributes:
        published_at = parse_time(REPLAYED_AT, message.attributes[REPLAYED_AT])
    if not message.message_id or published_at is None:
        absent = "messageId" if not message.message_id else "publishTime"
        refusal = f"the message has no usable {absent}"
        raise RefusedRequestError(refusal)
    return published_at


def _id(value: object) -> str:
    if len(string(value)) > _LONGEST_ID:
        expected = "the id of a message"
        raise ValueError(expected)
    return replace_surrogates(string(value))


def _plan_id(value: object) -> str:
    target, _, plan_hash = _id(value).rpartition(":")
    if not target or not plan_hash:
        expected = "the id of a plan, MESSAGE:HASH"
        raise ValueError(expected)
    return _id(value)


def _message(envelope: Mapping[str, object], attributes: Mapping[str, str], body: str) -> Message:
    found = envelope.get("messageId") or envelope.get("message_id")
    try:
        published_at = parse_time("publishTime", envelope.get("publishTime") or envelope.get("publish_time"))
    except RefusedRequestError:
        published_at = None
    return Message(_text_or_empty(found), published_at, attributes, body)


def _notification(message: Message, body: Mapping[str, object], *, replay: bool) -> BudgetNotification:
    attributes = message.attributes
    if "budgetId" not in attributes and any(_ANOMALY in name.lower() for name in (*attributes, *body)):
        refusal = "a notification of a cost anomaly, not of a budget: give anomalies a topic of their own"
        raise RefusedRequestError(refusal)
    published_at = _published_at(message, replay=replay)
    field(attributes, "schemaVersion", _schema_version, "attribute ")
    source = Source.TRACKER if attributes.get("source") == SOURCE else Source.BILLING
    return BudgetNotification(
        message=message,
        published_at=published_at,
        source=source,
        billing_account_id=attributes.get("billingAccountId", ""),
        budget_id=field(attributes, "budgetId", string, "attribute "),
        display_name=_text_or_empty(body.get("budgetDisplayName")),
        cost=field(body, "costAmount", _amount),
        budget=field(body, "budgetAmount", _amount),
        currency=field(body, "currencyCode", _currency),
        interval_start=field(body, "costIntervalStart", _interval_start),
        period=field(attributes, "period", _period, "attribute ") if source is Source.TRACKER else None,
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


def _schema_version(value: object) -> str:
    if value != SCHEMA_VERSION:
        raise ValueError(SCHEMA_VERSION)
    return SCHEMA_VERSION


def _amount(value: object) -> Decimal:
    return number(-_LARGEST_AMOUNT, _LARGEST_AMOUNT)(value).quantize(_SMALLEST_AMOUNT)


def _currency(value: object) -> str:
    """Any short code: whether it is the budget's, the policy says."""
    if len(string(value)) > _LONGEST_ID:
        expected = "a currency code such as USD"
        raise ValueError(expected)
    return string(value)


def _interval_start(value: object) -> datetime:
    found = time(value)
    if found.year not in YEARS:
        expected = f"in the years {YEARS.start} to {YEARS.stop - 1}"
        raise ValueError(expected)
    return found


def _period(value: object) -> PeriodKind:
    if value not in (PeriodKind.HOUR, PeriodKind.DAY, PeriodKind.MONTH):
        expected = "hour, day or month"
        raise ValueError(expected)
    return PeriodKind(str(value))


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text_or_empty(value: object) -> str:
    return _writable(value) if isinstance(value, str) else ""


def _writable(text: str) -> str:
    return replace_surrogates(text)[:_LONGEST_ID]
