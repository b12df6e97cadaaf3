"""Single values of an answer in JSON: each is of its promised kind, or a ValueError says what it is instead.

The kinds alone are named, for a wrong value may be of any length and depth.
"""

from datetime import UTC, datetime
from decimal import Decimal

_MOST = 10**9
"""More than there is of anything that one instance is made of."""


def text(value: object) -> str:
    """Read a text that is not empty, and that UTF-8 can hold: JSON lets half of a surrogate pair stand."""
    if not isinstance(value, str) or not value:
        raise ValueError(_promised(value, "a text"))
    if not value.isascii():
        value.encode()
    return value


def text_or_none(value: object) -> str | None:
    """Read a text, or nothing."""
    return None if value is None else text(value)


def optional_text(value: object) -> str:
    """Read a text that may be absent or empty."""
    return text(value) if value not in (None, "") else ""


def number_as_text(value: object) -> str:
    """Read an id, which JSON has as a text because it is too large for its numbers, or yet as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


def truth(value: object) -> bool:
    """Read true or false, which may be absent."""
    if not isinstance(value, bool | None):
        raise ValueError(_promised(value, "true or false"))  # noqa: TRY004 (as above)
    return bool(value)


def count(value: object) -> int:
    """Read a whole number that is not negative, as a number or as a text."""
    number = amount(value)
    if number != int(number):
        raise ValueError(_promised(value, "a whole number"))
    return int(number)


def size(value: object) -> Decimal:
    """Read a number above 0, as a number or as a text."""
    number = amount(value)
    if not number:
        raise ValueError(_promised(value, "a number above 0"))
    return number


def amount(value: object) -> Decimal:
    """Read a number that is not negative, as a number or as a text."""
    number = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    if number is None or not number.is_finite() or not 0 <= number < _MOST:
        raise ValueError(_promised(value, f"a number from 0 to {_MOST}"))
    return number


def moment(value: object) -> datetime:
    """Read a time with its offset, in UTC."""
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError(_promised(value, "a time with its offset"))
    return found.astimezone(UTC)


def _promised(value: object, wanted: str) -> str:
    return f"a value of the type {type(value).__name__} where {wanted} was promised"
