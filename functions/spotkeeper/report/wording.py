"""The formats of figures and times in the report."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

UNKNOWN = "unknown"
NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_JOINED = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which a line break must not separate."""

_PARTS = {"core": "vCPU", "ram": "memory"}
_CENT = Decimal("0.01")
_HUNDRED = Decimal(100)
_SHARE = Decimal("0.1")
_HOURS_PER_DAY = 24
_MINUTES_PER_HOUR = 60
_FEW_HOURS = 48


def money(amount: Decimal | None) -> str:
    """Return an amount of US dollars with cents; an amount below a cent is `<$0.01`."""
    if amount is None:
        return UNKNOWN
    if amount and abs(amount) < _CENT:
        return f"<{_signed(amount)}$0.01" if amount > 0 else f"{_MINUS}<$0.01"
    return f"{_signed(amount)}${abs(amount):,.2f}"


def change(amount: Decimal | None) -> str:
    """Return a change of an amount, with its sign."""
    if amount is None:
        return NOTHING
    return f"+{money(amount)}" if amount > 0 else money(amount)


def price(amount: Decimal | None) -> str:
    """Return a price per hour, with four decimals."""
    return UNKNOWN if amount is None else f"${amount:,.4f}"


def rate(amount: Decimal) -> str:
    """Return the rate of a component with all its decimals."""
    return f"${amount.normalize():f}"


def component(name: str) -> str:
    """Return the part of a machine that a rate is of: `n2:core` is N2 vCPU, `n2-custom:ram` N2 custom memory."""
    family, _, part = name.partition(":")
    if family == "gpu":
        return f"GPU {part}"
    if part not in _PARTS:
        return {"local-ssd": "local SSD"}.get(name, name)
    sort, _, rest = family.partition("-")
    return " ".join(filter(None, (sort.upper(), rest.replace("-", " "), _PARTS[part])))


def hours(amount: Decimal | None) -> str:
    """Return a number of hours."""
    return NOTHING if amount is None else f"{amount:,.1f}"


def count(number: Decimal | int | None) -> str:
    """Return a count."""
    return NOTHING if number is None else f"{number:,.0f}"


def percent(number: Decimal | None) -> str:
    """Return a percentage with one decimal."""
    return NOTHING if number is None else f"{_signed(number)}{abs(number):,.1f}{_JOINED}%"


def percent_change(number: Decimal | None) -> str:
    """Return a change in percent, with its sign."""
    if number is None:
        return NOTHING
    return f"+{percent(number)}" if number > 0 else percent(number)


def covered(share: Decimal | None) -> str:
    """Return a share of 1 as percent, rounded down: 100 % means all."""
    if share is None:
        return NOTHING
    return f"{(share * _HUNDRED).quantize(_SHARE, ROUND_FLOOR):.1f}{_JOINED}%"


def day(value: date) -> str:
    """Return a day: 21 Jul 2026."""
    return f"{value.day}{_JOINED}{value:%b}{_JOINED}{value:%Y}"


def short_day(value: date) -> str:
    """Return a day within the year: 21 Jul."""
    return f"{value.day}{_JOINED}{value:%b}"


def days(first: date, last: date) -> str:
    """Return a range of days, without repeating the year."""
    if first == last:
        return day(first)
    start = day(first) if first.year != last.year else short_day(first)
    return f"{start} \N{EN DASH} {day(last)}"


def moment(value: datetime) -> str:
    """Return a time: 21 Jul 2026, 05:00 UTC."""
    at = value.astimezone(UTC)
    return f"{day(at.date())}, {at:%H:%M}{_JOINED}UTC"


def short_moment(value: datetime) -> str:
    """Return a time without its year, in UTC: 21 Jul, 05:00."""
    at = value.astimezone(UTC)
    return f"{short_day(at.date())}, {at:%H:%M}"


def duration(amount: Decimal | None) -> str:
    """Return a duration in hours as minutes, hours or days."""
    if amount is None:
        return NOTHING
    if amount >= _FEW_HOURS:
        return f"{amount / _HOURS_PER_DAY:,.1f} days"
    if amount < 1:
        return f"{amount * _MINUTES_PER_HOUR:.0f} min"
    return f"{amount:,.1f} h"


def every(minutes: Decimal | None) -> str:
    """Return a duration in minutes as minutes, hours or days."""
    return NOTHING if minutes is None else duration(minutes / _MINUTES_PER_HOUR)


def things(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def ago(since: timedelta) -> str:
    """Return an age, in whole hours or days."""
    whole = since // timedelta(hours=1)
    if whole < _FEW_HOURS:
        return f"{things(whole, 'hour')} ago"
    return f"{things(whole // _HOURS_PER_DAY, 'day')} ago"


def _signed(amount: Decimal) -> str:
    return _MINUS if amount < 0 else ""
