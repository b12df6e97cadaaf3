"""What the operator decides: read from a mapping, checked once, all faults told at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from spotkeeper.errors import SettingsError
from spotkeeper.instances import PROJECT_ID

_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_ENDPOINT = re.compile(r"(https?://)?[^/\s:]+(:\d+)?")
_SHORT_WHOLE = re.compile(r"\d{1,9}")
_LARGEST_AMOUNT = Decimal(10) ** 18
_DECIMALS = 9
"""As many as NUMERIC keeps, which refuses more; it also refuses what is far above the largest amount."""


class Clock(StrEnum):
    """Where the present time comes from."""

    SYSTEM = "system"
    SCHEDULE = "schedule"
    """The time in the schedule header is the present, however long ago: for a replay of a recorded fleet."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where each service is reached; None is Google's own address. `http://…` means no credentials and no TLS."""

    bigquery: str | None = None
    compute: str | None = None
    monitoring: str | None = None
    billing: str | None = None
    assets: str | None = None
    resource_manager: str | None = None


def _dataset(reader: "_Reader") -> str:
    return reader.optional("DATASET", _matching(_DATASET, "letters, digits and underscores"), "cost_tracking")


def _patience(reader: "_Reader") -> int:
    return reader.optional("CALL_PATIENCE_SECONDS", _whole(0, 300), 60)


def _endpoints(reader: "_Reader") -> Endpoints:
    address = _matching(_ENDPOINT, "an address such as http://127.0.0.1:9050")
    return Endpoints(
        bigquery=reader.optional("BIGQUERY_ENDPOINT", address, None),
        compute=reader.optional("COMPUTE_ENDPOINT", address, None),
        monitoring=reader.optional("MONITORING_ENDPOINT", address, None),
        billing=reader.optional("BILLING_ENDPOINT", address, None),
        assets=reader.optional("ASSETS_ENDPOINT", address, None),
        resource_manager=reader.optional("RESOURCE_MANAGER_ENDPOINT", address, None),
    )


class _Reader:
    """Reads one variable at a time and remembers every fault; an empty variable counts as unset."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.faults: list[str] = []

    def is_set(self, name: str) -> bool:
        return bool(self._variables.get(name, "").strip())

    def required[Value](self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        if not self.is_set(name):
            self.faults.append(f"{name} is not set")
        return self.optional(name, parse, default)

    def optional[Value, Default](self, name: str, parse: Callable[[str], Value], default: Default) -> Value | Default:
        if not self.is_set(name):
            return default
        value = self._variables[name].strip()
        try:
            return parse(value)
        except SettingsError as fault:
            self.faults.append(f"{name}: {fault}")
            return default
        except ValueError as fault:
            self.faults.append(f"{name} is {value!r}, but must be {fault}")
            return default

    def raise_faults(self) -> None:
        if self.faults:
            raise SettingsError("; ".join(self.faults))


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return parse


_project = _matching(PROJECT_ID, "a project id such as my-project-1")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not _SHORT_WHOLE.fullmatch(value) or not least <= int(value) <= most:
            expected = f"a whole number from {least} to {most}"
            raise ValueError(expected)
        return int(value)

    return parse


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        expected = "true or false"
        raise ValueError(expected)
    return value.lower() == "true"


def _one_of[Choice: StrEnum](choices: type[Choice]) -> Callable[[str], Choice]:
    def parse(value: str) -> Choice:
        if value not in choices:
            expected = " or ".join(choices)
            raise ValueError(expected)
        return choices(value)

    return parse


def _amount(value: str) -> Decimal:
    expected = "an amount above 0 such as 250 or 99.50, with nine decimals at most"
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(expected) from None
    if not _fits(amount, _LARGEST_AMOUNT):
        raise ValueError(expected)
    return amount


def _fits(number: Decimal, most: Decimal) -> bool:
    """Whether a number is above 0, at most this, and can be recorded as it is."""
    return number.is_finite() and 0 < number <= most and number == round(number, _DECIMALS)
