"""Budget messages at random: what each of them means is known from how it was made, not from reading it again."""

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
SOURCE = "spotkeeper.track_spot_costs"
KNOWN_BUDGETS = ("all", "etl", "euro", "quarter")
_BUDGETS = (*KNOWN_BUDGETS, "all", "etl", "nobody-knows", "all ")
_CURRENCIES = {"euro": "EUR"}
_AMOUNTS = ("1000", "1000.00", "0.01", "250.5", "1e3", "100000000000000", "4e-9", "0", "-1", "0.0")
_SHARES = ("0", "-3", "0.3", "0.79999", "0.8", "0.95", "0.99999", "1", "1.00001", "1.2", "1.5", "12", "1000")
_ODD: tuple[object, ...] = (
    None,
    True,
    [],
    {},
    [[[]]],
    "",
    "x",
    "12",
    "NaN",
    10**18,
    -(10**30),
    "\ud800",
    {"costAmount": 1},
    "9" * 400,
)
_BODIES = (b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b"{}" * 2, b'{"costAmount": NaN}')
LONG_BODY = json.dumps({"more": "x" * 200_000}).encode()


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says; `period` is the length of time that a message of the tracker names."""

    budget_id: str
    cost: Decimal
    budget: Decimal
    currency: str
    interval_start: datetime
    published: datetime
    period: str | None = None
    drill: bool = False

    @property
    def source(self) -> str:
        """Whose message it is."""
        return "tracker" if self.period else "billing"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message: what Pub/Sub delivers, and what it says; None when it says nothing that could be understood."""

    message_id: str
    envelope: Mapping[str, Any]
    said: Said | None
    as_event: bool


@dataclass(slots=True)
class Messages:
    """Makes messages, the same ones for a seed."""

    chance: random.Random
    made: int = 0

    def one(self, now: datetime) -> Sent:
        """Return a new message, which was published by now."""
        self.made += 1
        message_id, chance = f"message-{self.made}", self.chance
        published = now - timedelta(seconds=chance.choice((1, 5, 5, 5, 30, 1800, 4000, 90_000)))
        said = self._said(published)
        as_event = chance.random() < 0.5
        if chance.random() < 0.2:
            return self._broken(said, message_id)
        return Sent(message_id, envelope(message_id, body(said), attributes(said), published), said, as_event)

    def copy(self, sent: Sent) -> Sent:
        """Return the same message as somebody published it again: under another id."""
        self.made += 1
        message_id = f"message-{self.made}"
        if sent.said is None:
            return sent
        again = envelope(message_id, body(sent.said), attributes(sent.said), sent.said.published)
        return replace(sent, message_id=message_id, envelope=again)

    def _said(self, published: datetime) -> Said:
        chance = self.chance
        budget_id = chance.choice(_BUDGETS)
        budget = Decimal(chance.choice(_AMOUNTS if chance.random() < 0.3 else ("1000", "250.5")))
        cost = (budget * Decimal(chance.choice(_SHARES))).quantize(Decimal("1e-9"))
        currency = _CURRENCIES.get(budget_id, "USD") if chance.random() < 0.95 else "CHF"
        period = chance.choice(("month", "month", "day", "hour")) if chance.random() < 0.25 else None
        kind = period or ("quarter" if budget_id == "quarter" else "month")
        start = period_of(kind, published)[0]
        if chance.random() < 0.2:
            days = chance.choice((-400, -31, -1, 1, 40, 95))
            start = chance.choice((start + timedelta(days=days), period_of("month", start - timedelta(hours=1))[0]))
        return Said(budget_id, cost, budget, currency, start, published, period, chance.random() < 0.03)

    def _broken(self, said: Said, message_id: str) -> Sent:
        """A message that is none, in one way."""
        found = envelope(message_id, body(said), attributes(said), said.published)
        break_it = self.chance.choice(
            (self._spoil_body, self._spoil_field, self._spoil_attributes, self._spoil_envelope)
        )
        break_it(found, said)
        message = found.get("message")
        sent_id = message.get("messageId") if isinstance(message, dict) else None
        return Sent(sent_id if isinstance(sent_id, str) else "", found, None, as_event=True)

    def _spoil_body(self, found: dict[str, Any], said: Said) -> None:
        whole = body(said)
        spoilt = self.chance.choice((*_BODIES, LONG_BODY, whole[: len(whole) // 2], whole + b"]"))
        found["message"]["data"] = base64.b64encode(spoilt).decode()

    def _spoil_field(self, found: dict[str, Any], said: Said) -> None:
        fields = json.loads(body(said))
        name = self.chance.choice(("costAmount", "budgetAmount", "costIntervalStart", "currencyCode"))
        fits: Callable[[object], bool] = lambda odd: name == "currencyCode" and isinstance(odd, str) and odd != ""  # noqa: E731
        odd = self.chance.choice([each for each in _ODD if not fits(each) or len(str(each)) > 200])
        fields[name] = odd
        if odd is None and self.chance.random() < 0.5:
            del fields[name]
        found["message"]["data"] = base64.b64encode(json.dumps(fields).encode()).decode()

    def _spoil_attributes(self, found: dict[str, Any], said: Said) -> None:
        known = attributes(said)
        match self.chance.randrange(4):
            case 0:
                found["message"]["attributes"] = self.chance.choice((None, [], "x", {}))
            case 1:
                found["message"]["attributes"] = known | {"schemaVersion": self.chance.choice(("", "2.0", 1, None))}
            case 2:
                found["message"]["attributes"] = known | {"budgetId": self.chance.choice(("", None, 5, ["all"]))}
            case _:
                wrong = self.chance.choice(("", "week", "MONTH", None))
                found["message"]["attributes"] = known | {"source": SOURCE, "period": wrong}

    def _spoil_envelope(self, found: dict[str, Any], said: Said) -> None:
        del said
        match self.chance.randrange(4):
            case 0:
                found["message"] = self.chance.choice((None, [], "x", 5, {}))
            case 1:
                found["message"]["data"] = self.chance.choice((None, "", 5, "%%%", "abc", ["x"], "é", "\ud800"))
            case 2:
                found["message"]["messageId"] = self.chance.choice((None, "", 5, ["x"]))
            case _:
                found["message"]["publishTime"] = self.chance.choice((None, "", "now", 5, "0001-01-01T00:00:00Z"))


def body(said: Said) -> bytes:
    """Return the body of a message, its amounts as integers where they are whole."""
    fields = {"budgetDisplayName": f"Budget {said.budget_id}", "currencyCode": said.currency}
    fields["costIntervalStart"] = _text(said.interval_start)
    amounts = f'"costAmount": {_number(said.cost)}, "budgetAmount": {_number(said.budget)}'
    threshold = ', "alertThresholdExceeded": 0.5' if said.cost > said.budget / 2 else ""
    return f"{json.dumps(fields)[:-1]}, {amounts}{threshold}}}".encode()


def attributes(said: Said) -> dict[str, Any]:
    """Return the attributes of a message."""
    known = {"budgetId": said.budget_id, "billingAccountId": "account", "schemaVersion": "1.0"}
    known |= {"source": SOURCE, "period": said.period} if said.period else {}
    return known | ({"spotkeeper-drill": "true"} if said.drill else {})


def envelope(message_id: str, data: bytes, known: Mapping[str, Any], published: datetime) -> dict[str, Any]:
    """Return a message as Pub/Sub pushes it."""
    message = {
        "data": base64.b64encode(data).decode(),
        "messageId": message_id,
        "publishTime": _text(published),
        "attributes": dict(known),
    }
    return {"message": message, "subscription": "projects/data-platform/subscriptions/enforcer"}


def period_of(kind: str, at: datetime) -> tuple[datetime, datetime]:
    """Return the start and the end of the period of a budget; of hours, the latest that is closed."""
    if kind == "hour":
        end = (at - timedelta(minutes=6)).replace(minute=0, second=0, microsecond=0)
        return end - timedelta(hours=1), end
    day = at.astimezone(PACIFIC).date()
    if kind == "day":
        return _midnight(day.year, day.month, day.day), _midnight(*(day + timedelta(days=1)).timetuple()[:3])
    months = 3 if kind == "quarter" else 1
    first = (day.month - 1) // months * months
    return _midnight(day.year, first + 1, 1), _midnight(day.year + (first + months) // 12, (first + months) % 12 + 1, 1)


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=PACIFIC).astimezone(UTC)


def _number(amount: Decimal) -> str:
    return str(int(amount)) if amount == int(amount) else format(amount, "f")


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
