"""Records of work: one attempt of one piece of work on one VM, checked field by field."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import blake2b
from zoneinfo import ZoneInfo

from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import parse_time

IDLE = "(idle)"
"""What the views call the time in which no work ran: no work may be called so."""

KEY_PREFIX = "keys."
"""In CSV, the column `keys.experiment` has the value of the key experiment."""

FIELDS = frozenset(
    {
        *("work_id", "attempt", "kind", "project_id", "zone", "instance_id", "instance_name", "vm_label"),
        *("start_time", "end_time", "weight", "outcome", "saved_at", "checkpoint_interval_seconds"),
        *("checkpoint_seconds", "keys"),
    }
)

_TEXTS = ("work_id", "kind", "project_id", "zone", "instance_name")
_AMOUNTS = ("weight", "checkpoint_interval_seconds", "checkpoint_seconds")
_MOST_DECIMALS = 9
_MOST_ATTEMPTS = 1_000_000
_MOST_WEIGHT = Decimal(10**9)

type Fields = Mapping[str, object]


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """One attempt of one piece of work on one VM, or on all VMs that have a label.

    `weight` is its part of a VM that several share.
    """

    work_id: str
    attempt: int
    kind: str | None
    project_id: str
    zone: str | None
    instance_id: str | None
    instance_name: str | None
    vm_label: str | None
    start_time: datetime
    end_time: datetime | None
    weight: Decimal | None
    outcome: Outcome | None
    saved_at: datetime | None
    checkpoint_interval_seconds: Decimal | None
    checkpoint_seconds: Decimal | None
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The fields of one record and the number of its line, or of its place in a list."""

    number: int
    fields: Fields


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field of a line."""

    line: int
    field: str
    detail: str

    def __str__(self) -> str:
        """Name the line, the field, and what was expected."""
        return f"line {self.line}: {self.field}: {self.detail}"


def checked_records(
    lines: Iterable[Line], defaults: Mapping[str, str], time_zone: ZoneInfo | None = None
) -> Iterator[WorkRecord | Problem]:
    """Yield the record of each line, or a problem for every field that is wrong.

    `defaults` are fields that a line may leave out, such as the project of the VMs; `time_zone` is that of times that
    do not say theirs, which are wrong without it. The same record twice is yielded once; two different ones of the same
    attempt and VM are a problem. Of a record that was yielded only its digest is kept: a million takes about 200 MB.
    """
    seen: dict[bytes, int] = {}
    for line in lines:
        reader = _Reader(line, defaults, time_zone)
        record = reader.record()
        yield from reader.problems
        if record is None:
            continue
        key, content = blake2b(repr(_key(record)).encode(), digest_size=16).digest(), hash(record)
        if key not in seen:
            seen[key] = content
            yield record
        elif seen[key] != content:
            detail = f"{record.work_id}, attempt {record.attempt} has another record on the same VM; number attempts"
            yield Problem(line.number, "attempt", detail)


def _key(record: WorkRecord) -> tuple[str | int | None, ...]:
    vm = (record.instance_id,) if record.instance_id else (record.zone, record.instance_name, record.vm_label)
    return (record.work_id, record.attempt, record.project_id, *vm)


class _AmbiguousTimeError(ValueError):
    """A local time that a change of the clocks skips or repeats."""


def _local_time(value: object, zone: ZoneInfo | None) -> datetime | None:
    """The time in UTC when it does not say its zone and there is one to read it in."""
    if zone is None or not isinstance(value, str):
        return None
    try:
        local = datetime.fromisoformat(value)
    except ValueError:
        return None
    if local.tzinfo is not None:
        return None
    if local.replace(tzinfo=zone).utcoffset() != local.replace(tzinfo=zone, fold=1).utcoffset():
        raise _AmbiguousTimeError
    return local.replace(tzinfo=zone).astimezone(UTC)


class _Reader:
    """Reads the fields of one line and collects what is wrong with them."""

    def __init__(self, line: Line, defaults: Mapping[str, str], time_zone: ZoneInfo | None) -> None:
        self._number = line.number
        self._time_zone = time_zone
        given = {name: value for name, value in line.fields.items() if value is not None and value != ""}
        self._fields: Fields = {**defaults, **given}
        self.problems: list[Problem] = []

    def record(self) -> WorkRecord | None:
        """Return the record; None when a field is wrong."""
        self._require()
        start, end = self._time("start_time"), self._time("end_time")
        attempt, instance_id, outcome, keys = self._attempt(), self._instance_id(), self._outcome(), self._keys()
        vm_label = self._vm_label()
        saved_at = self._time("saved_at")
        amounts = {name: self._amount(name) for name in _AMOUNTS}
        texts = {name: self._text(name) for name in _TEXTS}
        if start and end and end < start:
            self._wrong("end_time", f"{self._fields['end_time']} is before start_time {self._fields['start_time']}")
        if self.problems or start is None:
            return None
        return WorkRecord(
            work_id=texts["work_id"] or "",
            attempt=attempt,
            kind=texts["kind"],
            project_id=texts["project_id"] or "",
            zone=texts["zone"],
            instance_id=instance_id,
            instance_name=texts["instance_name"],
            vm_label=vm_label,
            start_time=start,
            end_time=end,
            weight=amounts["weight"],
            outcome=outcome,
            saved_at=saved_at,
            checkpoint_interval_seconds=amounts["checkpoint_interval_seconds"],
            checkpoint_seconds=amounts["checkpoint_seconds"],
            keys=keys,
        )

    def _require(self) -> None:
        fields = self._fields
        for name in ("work_id", "project_id", "start_time"):
            if name not in fields:
                self._wrong(name, "is missing")
        if fields.get("work_id") == IDLE:
            self._wrong("work_id", f"{IDLE} stands for the time in which no work ran")
        if not fields.keys() & {"instance_id", "instance_name", "vm_label"}:
            self._wrong("instance_id", "is missing, and so are instance_name and vm_label: one of them names the VM")
        elif "instance_name" in fields and not fields.keys() & {"instance_id", "zone"}:
            self._wrong("zone", "is missing: a VM without instance_id is named by its zone and instance_name")
        for name in sorted(fields.keys() - FIELDS):
            if not name.startswith(KEY_PREFIX):
                self._wrong(name, f"is not a field; a key of your own is {KEY_PREFIX}{name}")

    def _text(self, name: str) -> str | None:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, str):
            self._wrong(name, f"{value!r} must be a string")
            return None
        return value

    def _attempt(self) -> int:
        value = self._fields.get("attempt", 1)
        text = str(value)
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_ATTEMPTS)) else 0
        if isinstance(value, bool) or not 1 <= number <= _MOST_ATTEMPTS:
            self._wrong("attempt", f"{value!r} must be a whole number from 1 to {_MOST_ATTEMPTS}")
            return 1
        return number

    def _instance_id(self) -> str | None:
        value = self._fields.get("instance_id")
        text = str(value)
        if value is None:
            return None
        if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
            self._wrong("instance_id", f"{value!r} must be the numeric id of a VM; its name is instance_name")
            return None
        return text

    def _vm_label(self) -> str | None:
        """The label that names the VMs; None where the VM itself is known, which counts."""
        value = self._text("vm_label")
        if value is None or self._fields.keys() & {"instance_id", "instance_name"}:
            return None
        key, equals, label = value.partition("=")
        if not key or not equals or not label:
            self._wrong("vm_label", f"{value!r} must be KEY=VALUE, such as ray-cluster-name=sweep")
        return value

    def _time(self, name: str) -> datetime | None:
        if name not in self._fields:
            return None
        value = self._fields[name]
        try:
            return _local_time(value, self._time_zone) or parse_time(name, value)
        except RefusedRequestError:
            self._wrong(name, f"{value!r} must be a time with its offset, such as 2026-07-22T05:00:00Z")
        except _AmbiguousTimeError:
            self._wrong(name, f"{value!r} is not one moment in {self._time_zone}: the clocks were changed")
        return None

    def _amount(self, name: str) -> Decimal | None:
        if name not in self._fields:
            return None
        value = self._fields[name]
        try:
            amount = round(Decimal(str(value)), _MOST_DECIMALS)
        except InvalidOperation:
            amount = Decimal("NaN")
        if isinstance(value, bool) or not amount.is_finite() or not 0 < amount < _MOST_WEIGHT:
            self._wrong(name, f"{value!r} must be a number above 0 and below {_MOST_WEIGHT:,}")
            return None
        return amount

    def _outcome(self) -> Outcome | None:
        value = self._fields.get("outcome")
        if value is None:
            return None
        if value not in [str(each) for each in Outcome]:
            self._wrong("outcome", f"{value!r} must be one of {', '.join(Outcome)}")
            return None
        return Outcome(str(value))

    def _keys(self) -> tuple[tuple[str, str], ...]:
        value = self._fields.get("keys", {})
        if not isinstance(value, Mapping):
            self._wrong("keys", f"{value!r} must be an object of strings; in CSV, columns {KEY_PREFIX}NAME")
            return ()
        named = {f"{KEY_PREFIX}{key}": each for key, each in value.items()}
        named |= {name: each for name, each in self._fields.items() if name.startswith(KEY_PREFIX)}
        for name, each in named.items():
            if not isinstance(each, str):
                self._wrong(name, f"{each!r} must be a string")
        return tuple(sorted((name.removeprefix(KEY_PREFIX), str(each)) for name, each in named.items()))

    def _wrong(self, name: str, detail: str) -> None:
        self.problems.append(Problem(self._number, name, detail))
