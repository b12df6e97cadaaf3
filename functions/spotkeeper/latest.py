"""Keeping what was worked out for the latest object of many that are handled one after the other."""

from collections.abc import Callable
from functools import wraps


def kept_for_the_latest[Object, Value](work: Callable[[Object], Value]) -> Callable[[Object], Value]:
    """Return the function, its latest value kept for as long as it is asked about the same object, not an equal one.

    A cache that looks for equal ones takes the hash of each, and that of an instance or a disk costs more than the rest
    of what is done with it here.
    """
    latest: tuple[Object, Value] | None = None

    @wraps(work)
    def kept(asked: Object) -> Value:
        nonlocal latest
        found = latest
        if found is not None and found[0] is asked:
            return found[1]
        value = work(asked)
        latest = asked, value
        return value

    return kept
