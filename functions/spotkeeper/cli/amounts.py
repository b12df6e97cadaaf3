"""Amounts as they are shown."""

from decimal import ROUND_HALF_UP, Decimal

HOURS_PER_MONTH = 730
"""As Google counts a month: https://cloud.google.com/compute/vm-instance-pricing"""

_NANO = Decimal("1e-9")
_CENT = Decimal("0.01")


def exact(amount: Decimal) -> str:
    """Return an amount with up to nine decimals, as costs are rounded."""
    whole, _, decimals = format(amount.quantize(_NANO, ROUND_HALF_UP), "f").partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def cents(amount: Decimal) -> str:
    """Return an amount with two decimals."""
    return format(amount.quantize(_CENT, ROUND_HALF_UP), "f")
