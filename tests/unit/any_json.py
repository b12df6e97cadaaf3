"""What anybody may send: any JSON value, and a good sample with one thing wrong with it."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

type Place = tuple[str | int, ...]

TIMES = ("2026-07-21T05:00:00Z", "2026-07-21T05:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now")
WORDS = (
    *TIMES,
    "",
    "0",
    "-1",
    "1e400",
    "NaN",
    "sNaN",
    "Infinity",
    "9" * 5000,
    "2026-02-30",
    "USD",
    "true",
    "é",
    "\ud800",
)
NUMBERS = (0, -1, 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e-300, 1e308, float("nan"), float("inf"))

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(WORDS),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=12),
)
any_json: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw: st.DrawFn, whole: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Return a copy of a sample of which one part is missing, of another type, doubled, or in another's place."""
    found = copy.deepcopy(whole)
    everywhere = list(places(found))
    place = draw(st.sampled_from(everywhere))
    holder: Any = at(found, place[:-1])
    name: Any = place[-1]
    match draw(st.sampled_from(("delete", "retype", "retype", "double", "swap"))):
        case "delete":
            del holder[name]
        case "retype":
            holder[name] = draw(any_json)
        case "double" if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[name]))
        case _:
            holder[name] = copy.deepcopy(at(whole, draw(st.sampled_from(everywhere))))
    return found


def places(whole: Any, where: Place = ()) -> Iterator[Place]:  # noqa: ANN401 (any JSON)
    """Yield the way to every part of a value."""
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(whole, dict | list):
        inner = whole.items() if isinstance(whole, dict) else enumerate(whole)
    for name, value in inner:
        yield (*where, name)
        yield from places(value, (*where, name))


def at(whole: Any, place: Place) -> Any:  # noqa: ANN401 (any JSON)
    """Return the part at the end of a way."""
    for name in place:
        whole = whole[name]
    return whole


def written(value: object) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


def nested(depth: int, around: str = "[]") -> str:
    """Return JSON that is nested so deeply."""
    begin, end = ("[", "]") if around == "[]" else ('{"a":', "}")
    return begin * depth + "1" + end * depth
