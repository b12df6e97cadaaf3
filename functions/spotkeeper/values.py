"""Values from outside: parsers that return a typed value or say what was expected, and the fields of an object.

A parser takes a value of any type and raises ValueError with what it "must be"; `Fields` adds the name and the value.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from reprlib import Repr
from typing import override

from spotkeeper.errors import SettingsError
from spotkeeper.instances import PROJECT_ID

type Parser[Value] = Callable[[object], Value]

_LONGEST_SHOWN = 80
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,9})?")
_BOOLEANS = {"true": True, "false": False}
_DECIMALS = 9
"""The scale of BigQuery's NUMERIC: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types"""


def shown(value: object) -> str:
    """Return a value as JSON has it, in at most 80 characters that UTF-8 can hold."""
    written = _SHOWN.repr(value).encode(errors="replace").decode()
    return written if len(written) <= _LONGEST_SHOWN else f"{written[: _LONGEST_SHOWN - 1]}…"


class _Json(Repr):
    def __init__(self) -> None:
        longest = 2 * _LONGEST_SHOWN
        super().__init__(maxlevel=4, maxdict=8, maxlist=8, maxstring=longest, maxlong=longest, maxother=longest)

    @override
    def repr_str(self, x: str, level: int) -> str:
        return f'"{x[: self.maxstring]}"'

    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802 (reprlib finds it by the type's name)
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:  # noqa: FBT001 (as reprlib calls it)
        return "true" if value else "false"

    def repr_Decimal(self, value: Decimal, _level: int) -> str:  # noqa: N802 (as above)
        return str(value)


_SHOWN = _Json()


class Fields:
    """Reads the named values of one object and collects a problem for each that is wrong, by its path."""

    def __init__(
        self,
        values: Mapping[str, object],
        path: str = "",
        problems: list[str] | None = None,
        absent: str = "is missing",
    ) -> None:
        """Read from these values; `absent` is the predicate of a required field that is not there."""
        self._values = values
        self._path = path
        self._absent = absent
        self._read: set[str] = set()
        self._obsolete: set[str] = set()
        self.problems = [] if problems is None else problems

    def names(self) -> tuple[str, ...]:
        """Return the names of all fields that are there."""
        return tuple(self._values)

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return self._values.get(name) is not None

    def read[Value, Default](self, name: str, parse: Parser[Value], default: Default) -> Value | Default:
        """Return what `parse` makes of a field, or the default."""
        self._read.add(name)
        if name not in self._values:
            return default
        value = self._values[name]
        try:
            return parse(value)
        except SettingsError as problem:
            self.problems.append(f"{self._path}{name}: {problem}")
        except ValueError as expected:
            self.problems.append(f"{self._path}{name} is {shown(value)}, but must be {expected}")
        return default

    def required[Value](self, name: str, parse: Parser[Value], default: Value) -> Value:
        """Return what `parse` makes of a field that has to be there."""
        if name not in self._values:
            self.problems.append(f"{self._path}{name} {self._absent}")
        return self.read(name, parse, default)

    def inner(self, name: str) -> "Fields":
        """Return the fields of an object within this one; none when it is not there."""
        found = self.read(name, mapping, {})
        return Fields(found, f"{self._path}{name}.", self.problems)

    def refuse_renamed(self, names: Mapping[str, str]) -> None:
        """Collect a problem for every field that has an old name; `names` has the new one."""
        self._refuse_obsolete({old: f"was renamed: use {self._path}{new}" for old, new in names.items()})

    def refuse_removed(self, reasons: Mapping[str, str]) -> None:
        """Collect a problem for every field that exists no more; `reasons` says why."""
        self._refuse_obsolete({name: f"was removed: {reason}" for name, reason in reasons.items()})

    def refuse_others(self) -> None:
        """Collect a problem for every field that nobody has read."""
        known = ", ".join(sorted(self._read))
        self.problems.extend(
            f"{self._path}{name} is not a field of the policy: here it takes {known}"
            for name in self._values
            if name not in self._read | self._obsolete
        )

    def raise_problems(self) -> None:
        """Raise SettingsError with every problem, if there is one."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))

    def _refuse_obsolete(self, problems: Mapping[str, str]) -> None:
        found = [name for name in self._values if name in problems and name not in self._read]
        self._obsolete.update(found)
        self.problems.extend(f"{self._path}{name} {problems[name]}" for name in found)


def mapping(value: object) -> Mapping[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        expected = "an object"
        raise ValueError(expected)  # noqa: TRY004 (a wrong value, like all others)
    return value


def string(value: object) -> str:
    """Read a string that is not empty."""
    if not isinstance(value, str) or not value:
        expected = "a non-empty string"
        raise ValueError(expected)
    return value


def matching(pattern: re.Pattern[str], expected: str) -> Parser[str]:
    """Return a parser of strings that match the whole pattern."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return parse


project_id = matching(PROJECT_ID, "a project id such as my-project-1")


def boolean(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        expected = "true or false"
        raise ValueError(expected)  # noqa: TRY004 (a wrong value, like all others)
    return value


def integer(least: int, most: int) -> Parser[int]:
    """Return a parser of integers within these bounds."""

    def parse(value: object) -> int:
        number = value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None
        if number is None or not least <= number <= most or number != int(number):
            expected = f"a whole number from {least} to {most}"
            raise ValueError(expected)
        return int(number)

    return parse


def choice[Choice: StrEnum](choices: type[Choice]) -> Parser[Choice]:
    """Return a parser of one of these."""

    def parse(value: object) -> Choice:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(" or ".join(choices))
        return choices(value)

    return parse


def amount(most: Decimal, expected: str) -> Parser[Decimal]:
    """Return a parser of numbers above 0, up to this one, that NUMERIC can hold exactly."""

    def parse(value: object) -> Decimal:
        number = value if isinstance(value, Decimal) and value.is_finite() else None
        if number is None or not 0 < number <= most or number != round(number, _DECIMALS):
            raise ValueError(expected)
        return number

    return parse


def from_text[Value](parse: Parser[Value]) -> Parser[Value]:
    """Return a parser that also takes a number, true or false as text, as environment variables have them."""

    def parse_text(value: object) -> Value:
        if not isinstance(value, str):
            return parse(value)
        if _NUMBER.fullmatch(value):
            return parse(Decimal(value))
        return parse(_BOOLEANS.get(value.lower(), value))

    return parse_text
