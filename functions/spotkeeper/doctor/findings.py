"""Findings about the parts of a deployment."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from spotkeeper.doctor.facts import Unread


class State(StrEnum):
    """The state of a part."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one part, and the command that fixes a problem."""

    about: str
    state: State
    sentence: str
    fix: str = ""


def ok(about: str, sentence: str) -> Finding:
    """Return that a part is as it should be."""
    return Finding(about, State.OK, sentence)


def problem(about: str, sentence: str, fix: str) -> Finding:
    """Return a problem and the command that fixes it."""
    return Finding(about, State.PROBLEM, sentence, fix)


def unknown(about: str, unread: Unread, role: str) -> Finding:
    """Return why a part could not be read, and the role that would allow it."""
    advice = f" Ask for {role}." if unread.denied else ""
    return Finding(about, State.UNKNOWN, f"Could not be read: {_ended(unread.reason)}{advice}")


def ago(age: timedelta) -> str:
    """Return how long ago something was: `3 h 5 min ago`."""
    minutes = max(0, int(age.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * (not days)
    return f"{' '.join(parts)} ago"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
