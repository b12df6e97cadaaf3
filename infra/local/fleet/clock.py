"""The emulated clock: it stands still until it is moved."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(slots=True)
class Clock:
    """One moment that all emulators agree on."""

    now: datetime

    def advance(self, seconds: float) -> None:
        """Move forward, or back when negative."""
        self.now += timedelta(seconds=seconds)


def parse(text: str) -> datetime:
    """Return the moment an RFC 3339 text names; one without an offset is refused."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = f"a moment needs an offset, as in 2026-07-21T00:00:00Z: {text!r}"
        raise ValueError(message)
    return moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """Write a moment as Google's JSON does: 2026-07-21T00:00:00.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
