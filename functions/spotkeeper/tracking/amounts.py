"""Hours and money of cost rows as whole billionths, and what some seconds come to at a rate."""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import overload

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_SECONDS_PER_HOUR = 3600
_PER_UNIT = 10**9
_PER_SECOND = 10**6

type Billionths = int
"""Whole billionths of a dollar or an hour: NUMERIC has nine decimals, and whole numbers are fast to add and divide."""

type Seconds = tuple[int, int]
"""Seconds exactly as they are written, as a fraction: numerator and denominator."""


@overload
def as_decimal(amount: Billionths) -> Decimal: ...
@overload
def as_decimal(amount: Billionths | None) -> Decimal | None: ...
def as_decimal(amount: Billionths | None) -> Decimal | None:
    """Return an amount as a decimal with nine decimals."""
    return None if amount is None else Decimal(amount) * _NUMERIC


def hours(seconds: float) -> tuple[Billionths, Seconds]:
    """Return seconds in hours, and exactly as they are written, as a fraction.

    What is written with six decimals at most is the only such number that is read as these seconds: a float tells any
    two numbers of up to 15 digits apart.
    """
    millionths = round(seconds * _PER_SECOND)
    if millionths / _PER_SECOND == seconds:
        fraction = millionths, _PER_SECOND
    else:
        fraction = Decimal(repr(seconds)).as_integer_ratio()
    return _charged(_PER_UNIT, fraction), fraction


def charge(per_hour: Billionths | None, seconds: Seconds) -> Billionths | None:
    """Return what some seconds come to at this rate an hour; None where it is not known."""
    return _charged(per_hour, seconds) if per_hour else per_hour


def _charged(per_hour: Billionths, seconds: Seconds) -> Billionths:
    """Return what some seconds, a fraction, come to at this rate an hour, rounded half up.

    It is one division of whole numbers: 75 s are a repeating fraction of an hour, and rounding it first would round the
    amount twice.
    """
    numerator, denominator = seconds
    hour = _SECONDS_PER_HOUR * denominator
    return (2 * per_hour * numerator + hour) // (2 * hour)


def in_billionths(amount: Decimal | None) -> Billionths | None:
    """Return an amount that has nine decimals at most in whole billionths."""
    return None if amount is None else int(amount.scaleb(9, _EXACT))


def rounded(amount: Decimal | None) -> Decimal | None:
    """Return an amount rounded half up to nine decimals."""
    return None if amount is None else amount.quantize(_NUMERIC, context=_EXACT)
