"""Hours and money of cost rows as whole billionths, and what some seconds come to at a rate."""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import overload

_NUMERIC = Decimal("1e-9")
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_SECONDS_PER_HOUR = 3600
_PER_UNIT = 10**9
_PER_SECOND = 10**6
_MILLIONTHS_PER_HOUR = _SECONDS_PER_HOUR * _PER_SECOND

type Billionths = int
"""Whole billionths of a dollar or an hour: NUMERIC has nine decimals, and whole numbers are fast to add and divide."""

type Hours = tuple[int, int]
"""Hours exactly as their seconds are written, as a fraction: numerator and denominator."""


@overload
def as_decimal(amount: Billionths) -> Decimal: ...
@overload
def as_decimal(amount: Billionths | None) -> Decimal | None: ...
def as_decimal(amount: Billionths | None) -> Decimal | None:
    """Return an amount as a decimal with nine decimals."""
    return None if amount is None else Decimal(amount) * _NUMERIC


def hours(seconds: float) -> tuple[Billionths, Hours]:
    """Return seconds in hours, rounded half up, and exactly as they are written, as a fraction.

    What is written with six decimals at most is the only such number that is read as these seconds: a float tells any
    two numbers of up to 15 digits apart. A millionth of a second is 5/18 billionths of an hour.
    """
    millionths = round(seconds * _PER_SECOND)
    if millionths / _PER_SECOND == seconds:
        return (10 * millionths + 18) // 36, (millionths, _MILLIONTHS_PER_HOUR)
    numerator, denominator = Decimal(repr(seconds)).as_integer_ratio()
    fraction = numerator, _SECONDS_PER_HOUR * denominator
    return charge(_PER_UNIT, fraction), fraction


@overload
def charge(per_hour: Billionths, time: Hours) -> Billionths: ...
@overload
def charge(per_hour: Billionths | None, time: Hours) -> Billionths | None: ...
def charge(per_hour: Billionths | None, time: Hours) -> Billionths | None:
    """Return what some hours come to at this rate, rounded half up; None where it is not known.

    It is one division of whole numbers: 75 s are a repeating fraction of an hour, and rounding it first would round the
    amount twice.
    """
    if not per_hour:
        return per_hour
    numerator, denominator = time
    return (2 * per_hour * numerator + denominator) // (2 * denominator)


def in_billionths(amount: Decimal | None) -> Billionths | None:
    """Return an amount that has nine decimals at most in whole billionths."""
    return None if amount is None else int(amount.scaleb(9, _EXACT))


def rounded(amount: Decimal | None) -> Decimal | None:
    """Return an amount rounded half up to nine decimals."""
    return None if amount is None else amount.quantize(_NUMERIC, context=_EXACT)
