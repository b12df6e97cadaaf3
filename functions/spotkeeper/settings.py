"""What the operator decides: read from a mapping, checked once, all faults told at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from spotkeeper.errors import SettingsError
from spotkeeper.periods import LONGEST_RANGE, PeriodKind

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_ENDPOINT = re.compile(r"(https?://)?[^/\s:]+(:\d+)?")
_BUDGET_VARIABLES = {
    PeriodKind.HOUR: "HOURLY_BUDGET_USD",
    PeriodKind.DAY: "DAILY_BUDGET_USD",
    PeriodKind.MONTH: "MONTHLY_BUDGET_USD",
}
_HIGHEST_SHARE = 10
_MOST_CATCH_UP_HOURS = LONGEST_RANGE.days * 24


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


@dataclass(frozen=True, slots=True)
class Budgets:
    """The amounts that the tracker compares its own figures with, and how it tells when one is passed."""

    amounts_usd: Mapping[PeriodKind, Decimal] = field(default_factory=dict)
    thresholds: tuple[Decimal, ...] = (Decimal("0.5"), Decimal("0.8"), Decimal("1.0"))
    topic: str | None = None
    budget_id: str = "spotkeeper"
    billing_account_id: str = ""
    display_name: str = "spotkeeper"


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Everything `track_spot_costs` is told by its environment."""

    project_id: str
    projects: tuple[str, ...]
    dataset: str = "cost_tracking"
    catch_up_hours: int = 48
    price_refresh_hours: int = 6
    asset_history: bool = False
    custom_metrics: bool = True
    call_patience_seconds: int = 60
    clock: Clock = Clock.SYSTEM
    budgets: Budgets = field(default_factory=Budgets)
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "TrackerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what it should be."""
        reader = _Reader(variables)
        project_id = reader.required("PROJECT_ID", _project)
        settings = cls(
            project_id=project_id,
            projects=reader.optional("PROJECTS", _projects, (project_id,)),
            dataset=reader.optional("DATASET", _matching(_DATASET, "letters, digits and underscores"), "cost_tracking"),
            catch_up_hours=reader.optional("CATCH_UP_HOURS", _whole(0, _MOST_CATCH_UP_HOURS), 48),
            price_refresh_hours=reader.optional("PRICE_REFRESH_HOURS", _whole(1, 168), 6),
            asset_history=reader.optional("ASSET_HISTORY", _truth, default=False),
            custom_metrics=reader.optional("CUSTOM_METRICS", _truth, default=True),
            call_patience_seconds=reader.optional("CALL_PATIENCE_SECONDS", _whole(0, 300), 60),
            clock=reader.optional("CLOCK", _clock, Clock.SYSTEM),
            budgets=_budgets(reader),
            endpoints=_endpoints(reader),
        )
        if settings.budgets.topic is None and reader.is_set("BUDGET_ID"):
            reader.faults.append("BUDGET_ID is set without BUDGET_TOPIC: say where its alerts go")
        if reader.faults:
            raise SettingsError("; ".join(reader.faults))
        return settings


def _budgets(reader: "_Reader") -> Budgets:
    unset = Budgets()
    amounts = {kind: reader.optional(name, _amount, None) for kind, name in _BUDGET_VARIABLES.items()}
    return Budgets(
        amounts_usd={kind: amount for kind, amount in amounts.items() if amount is not None},
        thresholds=reader.optional("ALERT_THRESHOLDS", _thresholds, unset.thresholds),
        topic=reader.optional("BUDGET_TOPIC", _matching(_TOPIC, "projects/PROJECT/topics/TOPIC"), None),
        budget_id=reader.optional("BUDGET_ID", str, unset.budget_id),
        billing_account_id=reader.optional("BILLING_ACCOUNT_ID", str, unset.billing_account_id),
        display_name=reader.optional("BUDGET_DISPLAY_NAME", str, unset.display_name),
    )


def _endpoints(reader: "_Reader") -> Endpoints:
    address = _matching(_ENDPOINT, "an address such as http://127.0.0.1:9050")
    return Endpoints(
        bigquery=reader.optional("BIGQUERY_ENDPOINT", address, None),
        compute=reader.optional("COMPUTE_ENDPOINT", address, None),
        monitoring=reader.optional("MONITORING_ENDPOINT", address, None),
        billing=reader.optional("BILLING_ENDPOINT", address, None),
        assets=reader.optional("ASSETS_ENDPOINT", address, None),
    )


class _Reader:
    """Reads one variable at a time and remembers every fault; an empty variable counts as unset."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.faults: list[str] = []

    def is_set(self, name: str) -> bool:
        return bool(self._variables.get(name, "").strip())

    def required(self, name: str, parse: Callable[[str], str]) -> str:
        if not self.is_set(name):
            self.faults.append(f"{name} is not set")
            return ""
        return self.optional(name, parse, "")

    def optional[Value, Default](self, name: str, parse: Callable[[str], Value], default: Default) -> Value | Default:
        if not self.is_set(name):
            return default
        value = self._variables[name].strip()
        try:
            return parse(value)
        except ValueError as fault:
            self.faults.append(f"{name} is {value!r}, but must be {fault}")
            return default


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(expected)
        return value

    return parse


_project = _matching(_PROJECT, "a project id such as my-project-1")


def _projects(value: str) -> tuple[str, ...]:
    return tuple(sorted({_project(name.strip()) for name in value.split(",") if name.strip()}))


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isdecimal() or not least <= int(value) <= most:
            expected = f"a whole number from {least} to {most}"
            raise ValueError(expected)
        return int(value)

    return parse


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        expected = "true or false"
        raise ValueError(expected)
    return value.lower() == "true"


def _clock(value: str) -> Clock:
    if value not in Clock:
        expected = " or ".join(Clock)
        raise ValueError(expected)
    return Clock(value)


def _amount(value: str) -> Decimal:
    expected = "an amount above 0 such as 250 or 99.50"
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(expected) from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError(expected)
    return amount


def _thresholds(value: str) -> tuple[Decimal, ...]:
    expected = "shares of the budget such as 0.5,0.8,1.0 (1.0 is all of it)"
    try:
        shares = sorted({Decimal(share.strip()) for share in value.split(",")})
    except InvalidOperation:
        raise ValueError(expected) from None
    if not all(share.is_finite() and 0 < share <= _HIGHEST_SHARE for share in shares):
        raise ValueError(expected)
    return tuple(shares)
