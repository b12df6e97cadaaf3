"""The settings of `track_spot_costs`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from spotkeeper.periods import LONGEST_RANGE, PeriodKind
from spotkeeper.settings import (
    Clock,
    Endpoints,
    raise_problems,
    read_clock,
    read_dataset,
    read_dataset_location,
    read_endpoints,
    read_retry_timeout_seconds,
    setting_fields,
)
from spotkeeper.values import (
    Fields,
    amount,
    billing_account_id,
    boolean,
    budget_id,
    choice,
    from_text,
    integer,
    json_object,
    label_key,
    label_value,
    list_of,
    matching,
    project_id,
    string,
)

_TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
_LARGEST_AMOUNT = Decimal(10) ** 18
_BUDGET_VARIABLES = {
    PeriodKind.HOUR: "HOURLY_BUDGET_USD",
    PeriodKind.DAY: "DAILY_BUDGET_USD",
    PeriodKind.MONTH: "MONTHLY_BUDGET_USD",
}

_AMOUNT_FIELDS = {
    PeriodKind.HOUR: "hourly_usd",
    PeriodKind.DAY: "daily_usd",
    PeriodKind.MONTH: "monthly_usd",
}

_MOST_LABEL_BUDGETS = 200
_LABEL_BUDGET_ID = re.compile(r"(?![0-9a-f]{8}-|[0-9a-f]{32}$)[a-z0-9][a-z0-9_-]{0,99}")
_EXPECTED_AMOUNT = "an amount above 0 such as 250 or 99.50, with nine decimals at most"

_HIGHEST_SHARE = Decimal(10)

_MOST_CAPACITY_CALLS = 1000
_MOST_PRICE_RISE = 1000

_MOST_CATCH_UP_HOURS = LONGEST_RANGE.days * 24


class Covers(StrEnum):
    """Which cost a budget is compared with: that of the machine types, or also of all that is attached."""

    TOTAL = "total"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """What the VMs with one value of a label may cost in USD by period; its alerts carry `budget_id`.

    At `stop_thresholds` the enforcer may stop instances.
    """

    budget_id: str
    label: str
    value: str
    amounts_usd: Mapping[PeriodKind, Decimal]
    stop_thresholds: tuple[Decimal, ...] = ()

    @property
    def name(self) -> str:
        """The label and its value, such as `team=vision`."""
        return f"{self.label}={self.value}"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets in USD by period, what they cover, and the thresholds, topic and identity of their alerts.

    At `stop_thresholds` the enforcer may stop instances. `hour_share` is the share of the budget of a day that an hour
    may cost, and `projection_share` the one that the day may be projected to cost. `labels` are the budgets of label
    values, with amounts, stop thresholds and ids of their own.
    """

    amounts_usd: Mapping[PeriodKind, Decimal] = field(default_factory=dict)
    covers: Covers = Covers.TOTAL
    thresholds: tuple[Decimal, ...] = (Decimal("0.5"), Decimal("0.8"), Decimal("1.0"))
    stop_thresholds: tuple[Decimal, ...] = ()
    hour_share: Decimal = Decimal("0.041666667")
    projection_share: Decimal = Decimal(1)
    topic: str | None = None
    budget_id: str = "spotkeeper"
    billing_account_id: str = ""
    display_name: str = "spotkeeper"
    labels: tuple[LabelBudget, ...] = ()

    def each(self) -> Iterator[tuple[LabelBudget | None, "Budgets"]]:
        """Yield the budgets of all VMs, as None, and those of each label value, with what their alerts carry."""
        yield None, self
        for budget in self.labels:
            yield (
                budget,
                replace(
                    self,
                    amounts_usd=budget.amounts_usd,
                    stop_thresholds=budget.stop_thresholds,
                    budget_id=budget.budget_id,
                    display_name=f"{self.display_name}: {budget.name}",
                    labels=(),
                ),
            )

    def by_id(self) -> dict[str, "Budgets"]:
        """Return the budgets of each label value by the id of its label budget, and those of all VMs by an empty id."""
        return {label.budget_id if label else "": each for label, each in self.each()}

    @property
    def all_thresholds(self) -> tuple[Decimal, ...]:
        """The thresholds at which people are notified or instances may be stopped, ascending."""
        return tuple(sorted({*self.thresholds, *self.stop_thresholds}))


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """The settings of `track_spot_costs`."""

    project_id: str
    projects: tuple[str, ...]
    dataset: str = "cost_tracking"
    dataset_location: str | None = None
    catch_up_hours: int = 48
    price_refresh_hours: int = 6
    asset_history: bool = True
    audit_log_history: bool = False
    capacity_history: bool = False
    capacity_history_calls: int = 50
    contract_prices: bool = False
    price_rise_alert_percent: int = 10
    record_creators: bool = False
    interim_checks: bool = False
    interim_check_share: Decimal = Decimal("0.9")
    custom_metrics: bool = True
    retry_timeout_seconds: int = 60
    clock: Clock = Clock.SYSTEM
    budgets: Budgets = field(default_factory=Budgets)
    endpoints: Endpoints = field(default_factory=Endpoints)

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str]) -> "TrackerSettings":
        """Read the settings; raises SettingsError naming every variable that is wrong, and what is expected."""
        found = setting_fields(variables)
        home = found.required("PROJECT_ID", project_id, "")
        endpoints = read_endpoints(found)
        settings = cls(
            project_id=home,
            projects=found.read("PROJECTS", _projects, (home,)),
            dataset=read_dataset(found),
            dataset_location=read_dataset_location(found),
            catch_up_hours=found.read("CATCH_UP_HOURS", from_text(integer(1, _MOST_CATCH_UP_HOURS)), 48),
            price_refresh_hours=found.read("PRICE_REFRESH_HOURS", from_text(integer(1, 168)), 6),
            asset_history=found.read("ASSET_HISTORY", from_text(boolean), default=True),
            audit_log_history=found.read("AUDIT_LOG_HISTORY", from_text(boolean), default=False),
            capacity_history=found.read("CAPACITY_HISTORY", from_text(boolean), default=False),
            capacity_history_calls=found.read(
                "CAPACITY_HISTORY_CALLS", from_text(integer(1, _MOST_CAPACITY_CALLS)), 50
            ),
            contract_prices=found.read("CONTRACT_PRICES", from_text(boolean), default=False),
            price_rise_alert_percent=found.read(
                "PRICE_RISE_ALERT_PERCENT", from_text(integer(1, _MOST_PRICE_RISE)), 10
            ),
            record_creators=found.read("RECORD_CREATORS", from_text(boolean), default=False),
            interim_checks=found.read("INTERIM_CHECKS", from_text(boolean), default=False),
            interim_check_share=found.read("INTERIM_CHECK_SHARE", _interim_share, Decimal("0.9")),
            custom_metrics=found.read("CUSTOM_METRICS", from_text(boolean), default=True),
            retry_timeout_seconds=read_retry_timeout_seconds(found),
            clock=read_clock(found, endpoints),
            budgets=_budgets(found),
            endpoints=endpoints,
        )
        for name in ("BUDGET_ID", "LABEL_BUDGETS"):
            if settings.budgets.topic is None and found.has(name):
                found.problems.append(f"{name} is set without BUDGET_TOPIC: say where its alerts go")
        if settings.contract_prices and not settings.budgets.billing_account_id:
            found.problems.append("CONTRACT_PRICES is true without BILLING_ACCOUNT_ID: say whose contract it is")
        raise_problems(found)
        return settings


def _budgets(found: Fields) -> Budgets:
    unset = Budgets()
    of_money = from_text(amount(_LARGEST_AMOUNT, _EXPECTED_AMOUNT))
    own_id = found.read("BUDGET_ID", budget_id, unset.budget_id)
    amounts = {kind: found.read(name, of_money, None) for kind, name in _BUDGET_VARIABLES.items()}
    return Budgets(
        amounts_usd={kind: amount_usd for kind, amount_usd in amounts.items() if amount_usd is not None},
        covers=found.read("BUDGET_COVERS", choice(Covers), unset.covers),
        thresholds=found.read("ALERT_THRESHOLDS", _thresholds, unset.thresholds),
        stop_thresholds=found.read("STOP_THRESHOLDS", _thresholds, unset.stop_thresholds),
        hour_share=found.read("DAILY_BUDGET_HOUR_SHARE", _share, unset.hour_share),
        projection_share=found.read("DAILY_BUDGET_PROJECTION_SHARE", _share, unset.projection_share),
        topic=found.read("BUDGET_TOPIC", matching(_TOPIC, "projects/PROJECT/topics/TOPIC"), None),
        budget_id=own_id,
        billing_account_id=found.read("BILLING_ACCOUNT_ID", billing_account_id, unset.billing_account_id),
        display_name=found.read("BUDGET_DISPLAY_NAME", string, unset.display_name),
        labels=found.read("LABEL_BUDGETS", lambda text: _label_budgets(str(text), own_id), ()),
    )


def _label_budgets(text: str, own_id: str) -> tuple[LabelBudget, ...]:
    """Read the budgets of label values from JSON, by id; raises SettingsError naming every field that is wrong."""
    fields = Fields(json_object(text))
    fields.check_names(_label_budget_id)
    budgets = tuple(_label_budget(name, fields.inner(name)) for name in fields.names())
    named: dict[str, str] = {}
    for budget in budgets:
        if budget.budget_id == own_id:
            fields.problems.append(f"{own_id} is BUDGET_ID: give the budget of {budget.name} an id of its own")
        if (other := named.setdefault(budget.name, budget.budget_id)) != budget.budget_id:
            fields.problems.append(f"{other} and {budget.budget_id} are both of {budget.name}: make them one")
    if len(budgets) > _MOST_LABEL_BUDGETS:
        fields.problems.append(f"there are {len(budgets)} budgets of label values, but at most {_MOST_LABEL_BUDGETS}")
    fields.raise_problems()
    return budgets


def _label_budget_id(value: object) -> str:
    """Refuse a UUID too: it is a budget of Cloud Billing, whose messages the enforcer judges by other rules."""
    if not isinstance(value, str) or not _LABEL_BUDGET_ID.fullmatch(value):
        expected = "an id of its own such as cap-vision: lowercase letters, digits, - and _, and no UUID"
        raise ValueError(expected)
    return budget_id(value)


def _label_budget(name: str, fields: Fields) -> LabelBudget:
    of_money = amount(_LARGEST_AMOUNT, _EXPECTED_AMOUNT)
    amounts = {kind: fields.read(field_name, of_money, None) for kind, field_name in _AMOUNT_FIELDS.items()}
    stopping = list_of(amount(_HIGHEST_SHARE, "a share of the budget such as 0.8 (1.0 is all of it)"))
    budget = LabelBudget(
        budget_id=name,
        label=fields.required("label", label_key, ""),
        value=fields.required("value", _carried_value, ""),
        amounts_usd={kind: amount_usd for kind, amount_usd in amounts.items() if amount_usd is not None},
        stop_thresholds=tuple(sorted(set(fields.read("stop_thresholds", stopping, ())))),
    )
    if not any(map(fields.has, _AMOUNT_FIELDS.values())):
        fields.problems.append(f"{name} has no amount: set one of {', '.join(_AMOUNT_FIELDS.values())}")
    fields.refuse_others()
    return budget


def _carried_value(value: object) -> str:
    if not label_value(value):
        expected = "a label value such as vision: instances without the label have no budget of their own"
        raise ValueError(expected)
    return label_value(value)


def _projects(value: object) -> tuple[str, ...]:
    found = {project_id(name.strip()) for name in string(value).split(",") if name.strip()}
    if not found:
        expected = "project ids such as my-project-1,my-project-2"
        raise ValueError(expected)
    return tuple(sorted(found))


def _share(value: object) -> Decimal:
    return from_text(amount(_HIGHEST_SHARE, "a share of the daily budget such as 0.1 (1.0 is all of it)"))(value)


def _interim_share(value: object) -> Decimal:
    return from_text(amount(Decimal(1), "a share of the budget such as 0.9, at most 1"))(value)


def _thresholds(value: object) -> tuple[Decimal, ...]:
    share = from_text(amount(_HIGHEST_SHARE, "shares of the budget such as 0.5,0.8,1.0 (1.0 is all of it)"))
    return tuple(sorted({share(each.strip()) for each in string(value).split(",")}))
