"""The stretch of time that a command answers for: `--since`, up to `--at` or now."""

import argparse
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import floor_hour, parse_time

_LAST = re.compile(r"([1-9]\d{0,3})([hd])")
_MOST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Days:
    """The day of the end and those before it, so many in all; days begin at midnight UTC."""

    count: int


type Since = datetime | timedelta | Days
"""A time, how long before the end, or days."""


def add_since_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --since."""
    parser.add_argument(
        "--since",
        metavar="WHEN",
        type=since_argument,
        default=default,
        help="24h; 7d for today and the six days before, UTC; a date; or a time (default: %(default)s)",
    )


def since_argument(text: str) -> Since:
    """Read `24h`, `7d`, `2026-11-01` or `2026-11-01T08:00:00Z`."""
    if last := _LAST.fullmatch(text):
        days, hours = (int(last[1]), 0) if last[2] == "d" else (0, int(last[1]))
        if timedelta(days, hours=hours) <= timedelta(_MOST_DAYS):
            return timedelta(hours=hours) if hours else Days(days)
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if "T" not in text else parse_time("", text)
    except (ValueError, RefusedRequestError) as error:
        message = f"{text!r} is not 24h, 7d (at most {_MOST_DAYS}d), a date or a time such as 2026-11-01T08:00:00Z"
        raise argparse.ArgumentTypeError(message) from error


def first_time(since: Since, end: datetime) -> datetime:
    """Return when the stretch begins; raises RefusedRequestError when that is not before its end."""
    match since:
        case timedelta():
            return floor_hour(end) - since
        case Days(count):
            return datetime.combine(end.astimezone(UTC).date(), time(), UTC) - timedelta(days=count - 1)
        case datetime() if since >= end:
            message = f"--since {since:%Y-%m-%dT%H:%MZ} is not before {end:%Y-%m-%dT%H:%MZ}"
            raise RefusedRequestError(message)
        case datetime():
            return since
