"""Cloud Logging filters, as far as the product and its tests use them; every other form is refused.

https://cloud.google.com/logging/docs/view/logging-query-language
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.local.fleet.clock import parse

LONGEST = 20_000
"""The most characters of a filter: https://cloud.google.com/logging/quotas#log-limits"""

_VALUE = r'"[^"]*"|[\w.-]+'
_COMPARISON = re.compile(
    rf"\s*(?P<path>[A-Za-z_]+(?:\.[A-Za-z_]+)*)\s*(?P<operator>>=|<=|=|:)\s*"
    rf"(?P<values>{_VALUE}|\(\s*(?:{_VALUE})(?:\s+OR\s+(?:{_VALUE}))*\s*\))\s*(?:\bAND\b)?"
)

type Entry = Mapping[str, object]
type Test = Callable[[object, str], bool]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on a field: any of the values will do."""

    path: Sequence[str]
    test: Test
    values: Sequence[str]

    def accepts(self, entry: Entry) -> bool:
        """Whether an entry meets it; a field that is not there meets none."""
        found: object = entry
        for name in self.path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found is not None and any(self.test(found, value) for value in self.values)


def read(text: str) -> list[Comparison]:
    """Read a filter; all of its conditions have to be met."""
    if len(text) > LONGEST:
        message = f"The filter is too long: {len(text)} characters, and at most {LONGEST} are allowed."
        raise ValueError(message)
    comparisons = []
    position = 0
    while position < len(text.rstrip()):
        found = _COMPARISON.match(text, position)
        if found is None:
            message = f"Unparseable filter: syntax error at {text[position : position + 40]!r}"
            raise ValueError(message)
        position = found.end()
        values = [value.strip('"') for value in re.findall(rf"(?!\bOR\b)(?:{_VALUE})", found["values"])]
        comparisons.append(Comparison(found["path"].split("."), _test(found["path"], found["operator"]), values))
    return comparisons


def _test(path: str, operator: str) -> Test:
    match operator:
        case "=":
            return lambda found, value: _written(found) == value
        case ":":
            return lambda found, value: value.lower() in _written(found).lower()
        case _ if path != "timestamp":
            message = f"Unparseable filter: {path} is not compared with {operator} here"
            raise ValueError(message)
        case ">=":
            return lambda found, value: _moment(found) >= parse(value)
        case _:
            return lambda found, value: _moment(found) <= parse(value)


def _written(found: object) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)


def _moment(found: object) -> datetime:
    return parse(str(found))
