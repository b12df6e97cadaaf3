"""What is said of one part of a deployment."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from spotkeeper.doctor.facts import Unread


class State(StrEnum):
    """How it is."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one part, and the command that mends it where there is one."""

    about: str
    state: State
    sentence: str
    mend: str = ""


def ok(about: str, sentence: str) -> Finding:
    """Say that a part is as it should be."""
    return Finding(about, State.OK, sentence)


def problem(about: str, sentence: str, mend: str) -> Finding:
    """Say what is wrong, and what mends it."""
    return Finding(about, State.PROBLEM, sentence, mend)


def unknown(about: str, unread: Unread, role: str) -> Finding:
    """Say why a part could not be looked at, and which role would allow it."""
    advice = f" Ask for {role}." if unread.denied else ""
    return Finding(about, State.UNKNOWN, f"It could not be looked at: {_ended(unread.reason)}{advice}")


def ago(age: timedelta) -> str:
    """Return how long ago something was: `3 h 5 min ago`."""
    minutes = max(0, int(age.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * (not days)
    return f"{' '.join(parts)} ago"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
