"""Priority and protection of an instance, by its labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from spotkeeper.enforcement.policies import NOT_PROTECTED, Policy, Priority, priority_of
from spotkeeper.periods import end_of_day

_LAST_DAY = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})(?P<reason>-.*)?")
_RANGE = re.compile(r"-(to|until|till|through|thru|onwards?)\b|\d{4}-\d{2}|\d{8}|-\d{1,2}-\d{1,2}\b", re.IGNORECASE)
"""A second date or an end in the reason: the first date is then the beginning of a range."""

type Labels = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Importance:
    """The priority of an instance, and the label it comes from."""

    priority: Priority
    source: str


def importance(labels: Labels, policy: Policy) -> Importance:
    """Return the priority by the labels; an unknown value counts as high.

    Of labels whose keys differ only in case, the most important one holds.
    """
    unlabelled = Importance(policy.unlabelled_priority, f"no label {policy.priority_label}")
    found = (_importance(value, policy) for value in _values(labels, policy.priority_label))
    return max(found, key=lambda each: each.priority.rank, default=unlabelled)


def has_priority(labels: Labels, policy: Policy) -> bool:
    """Whether a label gives the priority of an instance, known or not; others count as `unlabelled_priority`."""
    return bool(_values(labels, policy.priority_label))


def protection(labels: Labels, policy: Policy, now: datetime) -> str | None:
    """Return why an instance is protected, None if it is not.

    The label's value may be true, a reason, a last day such as 2026-12-31, or both: `2026-12-31-demo`. The last day
    ends at midnight in America/Los_Angeles, like the days of a budget. A date elsewhere, a range of dates and a day
    that does not exist protect for ever. Of labels whose keys differ only in case, one that protects is enough.
    """
    values = _values(labels, policy.protect_label)
    if not values:
        return None
    found = (_protection(value, policy, now) for value in values)
    return next((reason for reason in found if reason is not None), None)


def lapsed_protection(labels: Labels, policy: Policy, now: datetime) -> str | None:
    """Return which protection of an instance has ended, None if it never had one or still has it."""
    values = _values(labels, policy.protect_label)
    if not values:
        return None
    days = [(value, _last_day(value)) for value in values]
    lapsed = ((day, value) for value, day in days if day is not None and now >= end_of_day(day))
    return next((f"protection ended on {day} (label {policy.protect_label}={value})" for day, value in lapsed), None)


def _importance(value: str, policy: Policy) -> Importance:
    label = f"label {policy.priority_label}={value}"
    known = label if value.lower() in Priority else f"{label} is not {', '.join(Priority)}"
    return Importance(priority_of(value), known)


def _protection(value: str, policy: Policy, now: datetime) -> str | None:
    if value.lower() in NOT_PROTECTED:
        return None
    label = f"label {policy.protect_label}={value}" if value else f"label {policy.protect_label}"
    last_day = _last_day(value)
    if last_day is None:
        return f"protected ({label})"
    return f"protected to the end of {last_day} ({label})" if now < end_of_day(last_day) else None


def _last_day(value: str) -> date | None:
    found = _LAST_DAY.fullmatch(value)
    if found is None or _RANGE.search(found["reason"] or ""):
        return None
    try:
        return date.fromisoformat(found["day"])
    except ValueError:
        return None


def _values(labels: Labels, wanted: str) -> tuple[str, ...]:
    """Return the values of a label, its key in any case; Compute Engine itself allows lowercase only."""
    return _values_of(tuple(labels), wanted)


@lru_cache(maxsize=4096)
def _values_of(labels: tuple[tuple[str, str], ...], wanted: str) -> tuple[str, ...]:
    """Look for the values once in each set of labels: many instances have the same."""
    sought = wanted.lower()
    return tuple(value.strip() for key, value in labels if key.lower() == sought)
