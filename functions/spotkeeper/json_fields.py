"""A JSON object that a person wrote: its fields are read one by one, and every fault is remembered by its path."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from spotkeeper.errors import SettingsError

_LONGEST_SHOWN = 80
_LARGEST_SHOWN_WHOLE = 10**15


def json_object(text: str) -> Mapping[str, object]:
    """Read a JSON object, numbers as Decimal; raises SettingsError when it is none, or names a field twice."""
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_once)
    except (ValueError, RecursionError, ArithmeticError) as error:
        message = f"it is not JSON: {error}"
        raise SettingsError(message) from error
    if not isinstance(found, dict):
        message = f"it is not a JSON object, but {type(found).__name__}"
        raise SettingsError(message)
    return found


class Fields:
    """Reads the fields of one JSON object and remembers every fault by the field's path."""

    def __init__(self, values: Mapping[str, object], path: str, faults: list[str]) -> None:
        self._values = values
        self._path = path
        self._read: set[str] = set()
        self._refused: set[str] = set()
        self.faults = faults

    def names(self) -> tuple[str, ...]:
        """Return the names of all fields that are there."""
        return tuple(self._values)

    def read[Value, Default](self, name: str, parse: Callable[[object], Value], default: Default) -> Value | Default:
        """Return what `parse` makes of a field, or the default; its ValueError says what was expected."""
        self._read.add(name)
        if name not in self._values:
            return default
        value = self._values[name]
        try:
            return parse(value)
        except ValueError as fault:
            self.faults.append(f"{self._path}{name} is {shown(value)}, but must be {fault}")
            return default

    def required[Value](self, name: str, parse: Callable[[object], Value], default: Value) -> Value:
        """Return what `parse` makes of a field that has to be there."""
        if name not in self._values:
            self.faults.append(f"{self._path}{name} is missing")
        return self.read(name, parse, default)

    def inner(self, name: str) -> "Fields":
        """Return the fields of an object within this one; none when it is not there."""
        found = self.read(name, mapping, {})
        return Fields(found, f"{self._path}{name}.", self.faults)

    def refuse(self, changed: Mapping[str, str]) -> None:
        """Record a problem for every field of an earlier version that is there: by its name, what became of it."""
        found = {name: change for name, change in changed.items() if name in self._values}
        self._refused |= found.keys()
        self.faults.extend(f"{self._path}{name} is {change}" for name, change in found.items())

    def refuse_others(self) -> None:
        """Remember every field as a fault that nobody has read."""
        known = ", ".join(sorted(self._read))
        self.faults.extend(
            f"{self._path}{name} is not a field of the policy: here it takes {known}"
            for name in self._values
            if name not in self._read | self._refused
        )


def shown(value: object) -> str:
    """Return a value as it stands in the JSON, or the beginning of it."""
    written = json.dumps(value, default=_plain)
    return written if len(written) <= _LONGEST_SHOWN else f"{written[:_LONGEST_SHOWN]}…"


def mapping(value: object) -> Mapping[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        expected = "an object"
        raise ValueError(expected)  # noqa: TRY004 (a fault of the settings, like all others)
    return value


def string(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        expected = "a text"
        raise ValueError(expected)
    return value


def names(value: object) -> tuple[str, ...]:
    """Read a list of at least one name."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        expected = "a list of at least one name"
        raise ValueError(expected)
    return tuple(sorted(set(value)))


def truth(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        expected = "true or false"
        raise ValueError(expected)  # noqa: TRY004 (a fault of the settings, like all others)
    return value


def whole(least: int, most: int) -> Callable[[object], int]:
    """Return a reader of whole numbers within these bounds."""

    def parse(value: object) -> int:
        if not isinstance(value, Decimal) or value != value.to_integral_value() or not least <= value <= most:
            expected = f"a whole number from {least} to {most}"
            raise ValueError(expected)
        return int(value)

    return parse


def share(most: Decimal) -> Callable[[object], Decimal]:
    """Return a reader of shares above 0 and up to this one; a percentage is told apart."""

    def parse(value: object) -> Decimal:
        if not isinstance(value, Decimal) or not value.is_finite() or not 0 < value <= most:
            expected = f"a share above 0 and up to {most}, where 1.0 is all of it"
            if isinstance(value, Decimal) and most < value <= 100 * most:
                expected += f": write {value / 100}"
            raise ValueError(expected)
        return value

    return parse


def choice[Choice: StrEnum](choices: type[Choice]) -> Callable[[object], Choice]:
    """Return a reader of one of these."""

    def parse(value: object) -> Choice:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(" or ".join(choices))
        return choices(value)

    return parse


def _plain(number: Decimal) -> float:
    is_short = number.copy_abs() < _LARGEST_SHOWN_WHOLE and number == number.to_integral_value()
    return int(number) if is_short else float(number)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = sorted(name for name in found if sum(name == each for each, _ in pairs) > 1)
        message = f"{twice[0]!r} is there more than once"
        raise ValueError(message)
    return found
