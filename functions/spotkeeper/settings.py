"""What the operator decides: read from a mapping, checked once, all faults told at once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from spotkeeper.errors import SettingsError
from spotkeeper.instances import PROJECT_ID
from spotkeeper.periods import LONGEST_RANGE, PeriodKind
from spotkeeper.policies import Policy

_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_ENDPOINT = re.compile(r"(https?://)?[^/\s:]+(:\d+)?")
_BUDGET_VARIABLES = {
    PeriodKind.HOUR: "HOURLY_BUDGET_USD",
    PeriodKind.DAY: "DAILY_BUDGET_USD",
    PeriodKind.MONTH: "MONTHLY_BUDGET_USD",
}
_SHORT_WHOLE = re.compile(r"\d{1,9}")
_HIGHEST_SHARE = 10
_LARGEST_AMOUNT = Decimal(10) ** 18
_DECIMALS = 9
"""As many as NUMERIC keeps, which refuses more; it also refuses what is far above the largest amount."""

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
    resource_manager: str | None = None


class Mode(StrEnum):
    """Whether the enforcer stops anything, or only says what it would stop."""

    DRY_RUN = "dry_run"
    ENFORCE = "enforce"


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
    reading_seconds: int = 540
    clock: Clock = Clock.SYSTEM
    budgets: Budgets = field(default_factory=Budgets)
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "TrackerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what it should be."""
        reader = _Reader(variables)
        project_id = reader.required("PROJECT_ID", _project, "")
        settings = cls(
            project_id=project_id,
            projects=reader.optional("PROJECTS", _projects, (project_id,)),
            dataset=_dataset(reader),
            catch_up_hours=reader.optional("CATCH_UP_HOURS", _whole(0, _MOST_CATCH_UP_HOURS), 48),
            price_refresh_hours=reader.optional("PRICE_REFRESH_HOURS", _whole(1, 168), 6),
            asset_history=reader.optional("ASSET_HISTORY", _truth, default=False),
            custom_metrics=reader.optional("CUSTOM_METRICS", _truth, default=True),
            call_patience_seconds=_patience(reader),
            reading_seconds=reader.optional("READING_SECONDS", _whole(10, 3000), 540),
            clock=reader.optional("CLOCK", _one_of(Clock), Clock.SYSTEM),
            budgets=_budgets(reader),
            endpoints=_endpoints(reader),
        )
        if settings.budgets.topic is None and reader.is_set("BUDGET_ID"):
            reader.faults.append("BUDGET_ID is set without BUDGET_TOPIC: say where its alerts go")
        reader.raise_faults()
        return settings


@dataclass(frozen=True, slots=True)
class EnforcerSettings:
    """Everything `enforce_budget_limit` is told by its environment."""

    project_id: str
    mode: Mode
    policy: Policy
    dataset: str = "cost_tracking"
    acting_seconds: int = 480
    parallel_stops: int = 32
    call_patience_seconds: int = 60
    clock: Clock = Clock.SYSTEM
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "EnforcerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what it should be."""
        reader = _Reader(variables)
        settings = cls(
            project_id=reader.required("PROJECT_ID", _project, ""),
            mode=reader.required("ENFORCEMENT_MODE", _one_of(Mode), Mode.DRY_RUN),
            policy=reader.required("ENFORCEMENT_POLICY", Policy.from_json, Policy({})),
            dataset=_dataset(reader),
            acting_seconds=reader.optional("ACTING_SECONDS", _whole(10, 540), 480),
            parallel_stops=reader.optional("PARALLEL_STOPS", _whole(1, 100), 32),
            call_patience_seconds=_patience(reader),
            clock=reader.optional("CLOCK", _one_of(Clock), Clock.SYSTEM),
            endpoints=_endpoints(reader),
        )
        reader.raise_faults()
        return settings


def _dataset(reader: "_Reader") -> str:
    return reader.optional("DATASET", _matching(_DATASET, "letters, digits and underscores"), "cost_tracking")


def _patience(reader: "_Reader") -> int:
    return reader.optional("CALL_PATIENCE_SECONDS", _whole(0, 300), 60)


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


def _projects(value: str) -> tuple[str, ...]:
    found = {_project(name.strip()) for name in value.split(",") if name.strip()}
    if not found:
        expected = "project ids such as my-project-1,my-project-2"
        raise ValueError(expected)
    return tuple(sorted(found))


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


def _thresholds(value: str) -> tuple[Decimal, ...]:
    expected = "shares of the budget such as 0.5,0.8,1.0 (1.0 is all of it)"
    try:
        shares = [Decimal(share.strip()) for share in value.split(",")]
    except InvalidOperation:
        raise ValueError(expected) from None
    if not all(_fits(share, Decimal(_HIGHEST_SHARE)) for share in shares):
        raise ValueError(expected)
    return tuple(sorted(set(shares)))


def _fits(number: Decimal, most: Decimal) -> bool:
    """Whether a number is above 0, at most this, and can be recorded as it is."""
    return number.is_finite() and 0 < number <= most and number == round(number, _DECIMALS)
