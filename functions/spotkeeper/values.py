"""Values from outside: parsers that return a typed value or say what was expected, and the fields of an object.

A parser takes a value of any type and raises ValueError whose text completes "must be": `parsed`, `field` and `Fields`
add the name and the value.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
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
_LONGEST_TIME = 64
_DECIMALS = 9
"""The scale of BigQuery's NUMERIC: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#decimal_types"""

_ACCOUNT_ID = re.compile(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
_BUDGET_ID = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?![0-9a-f]{8}-|[0-9a-f]{32}$)[a-z0-9][a-z0-9_-]{0,99}"
)
"""A UUID, or a word that does not look like one with a digit too many or too few."""

_LONGEST_LABEL = 63
_LABEL_CATEGORIES = frozenset({"Ll", "Lo", "Nd", "Nl", "No"})
_NOT_FIRST = frozenset({"", "-", "_"})

_LARGEST_COUNT = 10**9
"""More than one instance has of anything."""


def json_object(
    written: str | bytes, what: str = "it", error: type[ValueError] = SettingsError
) -> Mapping[str, object]:
    """Return the JSON object, its numbers as Decimal; raises `error` when `what` is none or has a key twice."""
    try:
        found = json.loads(
            written, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError, ArithmeticError) as reason:
        message = f"{what} is not JSON: {replace_surrogates(str(reason))[:200]}"
        raise error(message) from reason
    if not isinstance(found, dict):
        message = f"{what} is {shown(found)}, but must be a JSON object"
        raise error(message)
    return found


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        message = f"duplicate key {shown(next(name for name in names if names.count(name) > 1))}"
        raise ValueError(message)
    return found


def _no_constant(name: str) -> object:
    message = f"{name} is not a number"
    raise ValueError(message)


def replace_surrogates(text: str) -> str:
    """Return a text that UTF-8 can hold: JSON allows lone surrogates, which become question marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def shown(value: object) -> str:
    """Return a value as JSON has it, in at most 80 characters that UTF-8 can hold."""
    written = replace_surrogates(_SHOWN.repr(value))
    return written if len(written) <= _LONGEST_SHOWN else f"{written[: _LONGEST_SHOWN - 1]}…"


def parsed[Value](name: str, value: object, parse: Parser[Value], error: type[ValueError] = ValueError) -> Value:
    """Return what `parse` makes of a value; raises `error` naming it."""
    try:
        return parse(value)
    except ValueError as expected:
        raise error(_wrong(name, value, expected)) from None


def field[Value](holder: Mapping[str, object], name: str, parse: Parser[Value], path: str = "") -> Value:
    """Return what `parse` makes of a field that has to be there; raises ValueError naming it by its path."""
    if name not in holder:
        message = f"{path}{name} is missing"
        raise ValueError(message)
    value = holder[name]
    try:
        return parse(value)
    except ValueError as expected:
        raise ValueError(_wrong(f"{path}{name}", value, expected)) from None


def _wrong(name: str, value: object, expected: ValueError | str) -> str:
    return f"{name} is {shown(value)}, but must be {expected}"


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
            self.problems.append(_wrong(f"{self._path}{name}", value, expected))
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
            f"{self._path}{name} is not a field: here it takes {known}"
            for name in self._values
            if name not in self._read | self._obsolete
        )

    def check_names(self, parse: Parser[str]) -> None:
        """Collect a problem for every field whose name `parse` refuses."""
        for name in self._values:
            try:
                parse(name)
            except ValueError as expected:
                self.problems.append(
                    f"{self._path.rstrip('.') or 'it'} has {shown(name)}, but each name must be {expected}"
                )

    def add_problem(self, name: str, value: object, expected: str) -> None:
        """Collect that a field's value cannot hold together with others; `expected` completes "must be"."""
        self.problems.append(_wrong(f"{self._path}{name}", value, expected))

    def raise_problems(self, error: type[ValueError] = SettingsError) -> None:
        """Raise `error` with every problem, if there is one."""
        if self.problems:
            raise error("; ".join(self.problems))

    def _refuse_obsolete(self, problems: Mapping[str, str]) -> None:
        found = [name for name in self._values if name in problems]
        self._obsolete.update(found)
        self.problems.extend(f"{self._path}{name} {problems[name]}" for name in found)


def mapping(value: object) -> Mapping[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        expected = "an object"
        raise ValueError(expected)  # noqa: TRY004 (a wrong value, like all others)
    return value


def items(value: object) -> Sequence[object]:
    """Read a list."""
    if not isinstance(value, list | tuple):
        expected = "a list"
        raise ValueError(expected)  # noqa: TRY004 (as above)
    return value


def list_of[Value](parse: Parser[Value]) -> Parser[tuple[Value, ...]]:
    """Return a parser of lists whose every item `parse` reads."""

    def parse_items(value: object) -> tuple[Value, ...]:
        try:
            return tuple(map(parse, items(value)))
        except ValueError as expected:
            message = f"{expected}" if not isinstance(value, list | tuple) else f"a list, each item {expected}"
            raise ValueError(message) from None

    return parse_items


def names(value: object) -> tuple[str, ...]:
    """Read a list of at least one name; sorted, each once."""
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        expected = "a list of at least one name"
        raise ValueError(expected)
    return tuple(sorted(set(map(text, value))))


def text(value: object) -> str:
    """Read a string that UTF-8 can hold; it may be empty."""
    if not isinstance(value, str) or not (value.isascii() or value == replace_surrogates(value)):
        expected = "a string of whole characters" if isinstance(value, str) else "a string"
        raise ValueError(expected)
    return value


def string(value: object) -> str:
    """Read a string that is not empty and that UTF-8 can hold."""
    if not isinstance(value, str) or not value or not (value.isascii() or value == replace_surrogates(value)):
        expected = "a string of whole characters" if isinstance(value, str) and value else "a non-empty string"
        raise ValueError(expected)
    return value


def optional_string(value: object) -> str:
    """Read a string that may be absent or empty."""
    return string(value) if value not in (None, "") else ""


def string_or_none(value: object) -> str | None:
    """Read a string that may be absent."""
    return None if value is None else string(value)


def identifier(value: object) -> str:
    """Read an id as a string: JSON has one of 64 bits as a string, or yet as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else string(value)


def matching(pattern: re.Pattern[str], expected: str) -> Parser[str]:
    """Return a parser of strings that match the whole pattern."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return parse


project_id = matching(PROJECT_ID, "a project id such as my-project-1")
currency_code = matching(re.compile(r"[A-Z]{3}"), "a currency code such as USD")


def billing_account_id(value: object) -> str:
    """Read the id of a billing account, as budget notifications have it: without `billingAccounts/`, in capitals."""
    expected = "a billing account id such as 012345-6789AB-CDEF01"
    if isinstance(value, str) and _ACCOUNT_ID.fullmatch(value):
        return value
    raise ValueError(_with_suggestion(expected, value, _ACCOUNT_ID, str.upper))


def budget_id(value: object) -> str:
    """Read the id of a budget: Cloud Billing's is a UUID, the tracker's a word; a display name or path is neither.

    https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets
    """
    expected = (
        "the id of a budget: 11111111-2222-3333-4444-555555555555 of Cloud Billing, "
        "or the tracker's BUDGET_ID in lowercase letters, digits, - and _"
    )
    if isinstance(value, str) and _BUDGET_ID.fullmatch(value):
        return value
    raise ValueError(_with_suggestion(expected, value, _BUDGET_ID, str.lower))


def _with_suggestion(expected: str, value: object, pattern: re.Pattern[str], fold: Callable[[str], str]) -> str:
    """Add what to write instead, where the value is a resource name or in the wrong case."""
    suggested = fold(str(value).rpartition("/")[2])
    return f"{expected}: write {suggested}" if pattern.fullmatch(suggested) else expected


def label_key(value: object) -> str:
    """Read the key of a label; others no VM can have.

    https://cloud.google.com/resource-manager/docs/labels-overview#requirements
    """
    if not isinstance(value, str) or not _is_label(value) or value[:1] in _NOT_FIRST or value[:1].isnumeric():
        expected = "a label key such as priority: lowercase letters, digits, - and _, a letter first, at most 63"
        raise ValueError(expected)
    return value


def label_value(value: object) -> str:
    """Read the value of a label; others no VM can have."""
    if not isinstance(value, str) or not _is_label(value):
        expected = "a label value such as dev: lowercase letters, digits, - and _, at most 63"
        raise ValueError(expected)
    return value


def _is_label(value: str) -> bool:
    return len(value) <= _LONGEST_LABEL and all(
        character in "-_" or unicodedata.category(character) in _LABEL_CATEGORIES for character in value
    )


def boolean(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        expected = "true or false"
        raise ValueError(expected)  # noqa: TRY004 (as above)
    return value


def optional_boolean(value: object) -> bool:
    """Read true or false; what is absent is false."""
    return boolean(value) if value is not None else False


def choice[Choice: StrEnum](choices: type[Choice]) -> Parser[Choice]:
    """Return a parser of one of these."""

    def parse(value: object) -> Choice:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(" or ".join(choices))
        return choices(value)

    return parse


def integer(least: int, most: int) -> Parser[int]:
    """Return a parser of integers within these bounds."""

    def parse(value: object) -> int:
        found = _decimal(value)
        if found is None or not least <= found <= most or found != int(found):
            expected = f"a whole number from {least} to {most}"
            raise ValueError(expected)
        return int(found)

    return parse


def number(least: int, most: int) -> Parser[Decimal]:
    """Return a parser of numbers within these bounds."""

    def parse(value: object) -> Decimal:
        found = _decimal(value)
        if found is None or not least <= found <= most:
            expected = f"a number from {least} to {most}"
            raise ValueError(expected)
        return found

    return parse


def amount(most: Decimal, expected: str) -> Parser[Decimal]:
    """Return a parser of numbers above 0, up to this one, that NUMERIC can hold exactly."""

    def parse(value: object) -> Decimal:
        found = _decimal(value)
        if found is None or not 0 < found <= most or found != round(found, _DECIMALS):
            raise ValueError(expected)
        return found

    return parse


def share(most: Decimal) -> Parser[Decimal]:
    """Return a parser of shares above 0 and up to this one; for a percentage it says the share."""

    def parse(value: object) -> Decimal:
        found = _decimal(value)
        if found is None or not 0 < found <= most:
            expected = f"a share above 0 and up to {most}, where 1.0 is all of it"
            if found is not None and most < found <= 100 * most:
                expected += f": write {found / 100}"
            raise ValueError(expected)
        return found

    return parse


def time(value: object) -> datetime:
    """Read an RFC 3339 time, in UTC whatever its offset."""
    expected = "a time such as 2026-07-21T05:00:00Z"
    if not isinstance(value, str) or len(value) > _LONGEST_TIME or ("T" not in value and "t" not in value):
        raise ValueError(expected)
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(expected)


def from_text[Value](parse: Parser[Value]) -> Parser[Value]:
    """Return a parser that also takes a number, true or false as text.

    Environment variables are text, and so are the integers of 64 bits in Google's JSON:
    https://protobuf.dev/programming-guides/json/
    """

    def parse_text(value: object) -> Value:
        if not isinstance(value, str):
            return parse(value)
        if _NUMBER.fullmatch(value):
            return parse(Decimal(value))
        return parse(_BOOLEANS.get(value.lower(), value))

    return parse_text


count = from_text(integer(0, _LARGEST_COUNT))
size = from_text(amount(Decimal(_LARGEST_COUNT), "a number above 0"))


def _decimal(value: object) -> Decimal | None:
    """The number as JSON has it; None for what is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    found = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    return found if found.is_finite() else None
