"""The filters of Compute Engine's lists, in their simple forms: terms joined by AND, or one `eq`/`ne` expression."""

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from infra.local.emulators.rest import ApiError

type Json = dict[str, object]
type Test = Callable[[Json], bool]

TERM = re.compile(
    r"\s*(?P<field>[A-Za-z][\w.\-]*)\s*(?P<operator>!=|<=|>=|<|>|=|:|\beq\b|\bne\b)\s*"
    r"""(?P<value>"[^"]*"|'[^']*'|[^\s()"']+)\s*"""
)
ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@functools.lru_cache(maxsize=64)
def read(text: str, fields: frozenset[str]) -> Test:
    """Return the test that a filter stands for; a form or a field that is not known is refused."""
    tests = tuple(_terms(text, fields))
    return lambda resource: all(test(resource) for test in tests)


def _terms(text: str, fields: frozenset[str]) -> Iterator[Test]:
    for part in re.split(r"\s+AND\s+|\)\s*\(", text.strip()):
        term = TERM.fullmatch(part.strip().removeprefix("(").removesuffix(")"))
        if term is None or term["field"].partition(".")[0] not in fields:
            message = f"Invalid value for field 'filter': '{text}'. Invalid list filter expression."
            raise ApiError(400, message)
        yield functools.partial(_holds, term["field"], term["operator"], term["value"].strip("\"'"))


def _holds(name: str, compared: str, value: str, resource: Json) -> bool:
    found = _text_of(_value_at(resource, name.split(".", 1)))
    if compared == ":":
        return found is not None and (value == "*" or value.lower() in found.lower())
    if compared in ("eq", "ne"):
        return (re.fullmatch(value, found or "") is not None) == (compared == "eq")
    if compared in ORDERS:
        left, right = _number(found), _number(value)
        return left is not None and right is not None and ORDERS[compared](left, right)
    return (found == value) == (compared == "=")


def _number(text: str | None) -> float | None:
    """A number, or a moment as one."""
    for reading in (float, lambda stamp: datetime.fromisoformat(stamp).timestamp()):
        try:
            return reading(text or "")
        except ValueError:
            continue
    return None


def _value_at(resource: object, path: list[str]) -> object:
    if not isinstance(resource, dict):
        return None
    value = resource.get(path[0])
    return _value_at(value, path[1].split(".", 1)) if len(path) > 1 else value


def _text_of(value: object) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
