"""The settings of `track_spot_costs`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from spotkeeper.periods import LONGEST_RANGE, PeriodKind
from spotkeeper.settings import (
    _TOPIC,
    Clock,
    Endpoints,
    _amount,
    _dataset,
    _endpoints,
    _fits,
    _matching,
    _one_of,
    _patience,
    _project,
    _Reader,
    _truth,
    _whole,
)

_BUDGET_VARIABLES = {
    PeriodKind.HOUR: "HOURLY_BUDGET_USD",
    PeriodKind.DAY: "DAILY_BUDGET_USD",
    PeriodKind.MONTH: "MONTHLY_BUDGET_USD",
}

_HIGHEST_SHARE = 10

_MOST_CATCH_UP_HOURS = LONGEST_RANGE.days * 24


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


def _projects(value: str) -> tuple[str, ...]:
    found = {_project(name.strip()) for name in value.split(",") if name.strip()}
    if not found:
        expected = "project ids such as my-project-1,my-project-2"
        raise ValueError(expected)
    return tuple(sorted(found))


def _thresholds(value: str) -> tuple[Decimal, ...]:
    expected = "shares of the budget such as 0.5,0.8,1.0 (1.0 is all of it)"
    try:
        shares = [Decimal(share.strip()) for share in value.split(",")]
    except InvalidOperation:
        raise ValueError(expected) from None
    if not all(_fits(share, Decimal(_HIGHEST_SHARE)) for share in shares):
        raise ValueError(expected)
    return tuple(sorted(set(shares)))
