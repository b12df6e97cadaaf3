"""The periods of a budget in America/Los_Angeles, computed without the product's code."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def period_start(kind: str, at: datetime) -> datetime:
    """Return the start, in UTC, of the day, month, quarter or year in Los Angeles that `at` is in."""
    local = at.astimezone(LOS_ANGELES)
    months = _MONTHS.get(kind, 1)
    month = (local.month - 1) // months * months + 1
    return datetime(local.year, month, local.day if kind == "day" else 1, tzinfo=LOS_ANGELES).astimezone(UTC)


def previous_period_start(kind: str, at: datetime) -> datetime:
    """Return the start, in UTC, of the period before the one that `at` is in."""
    return period_start(kind, period_start(kind, at) - timedelta(hours=1))


def period_end(kind: str, at: datetime) -> datetime:
    """Return the end, in UTC, of the period that `at` is in."""
    start = period_start(kind, at)
    longest = {"day": timedelta(days=1), "month": timedelta(days=31), "quarter": timedelta(days=92)}
    return period_start(kind, start + longest.get(kind, timedelta(days=366)) + timedelta(hours=3))


def as_rfc3339(at: datetime) -> str:
    """Return a time in UTC as RFC 3339."""
    return at.isoformat().replace("+00:00", "Z")
