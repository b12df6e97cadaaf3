"""The rows of the report: one dataclass for each view, with the selected columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, Protocol

MOST_ACTIONS = 200
"""The most stops and starts listed, newest first."""

MOST_RUNS = 5
"""The most runs listed of each team, the most expensive first."""

MOST_VALUES = 300
"""The most values read of each label, the most expensive first."""

MOST_SPARED = 200
"""The most reasons for sparing listed, newest plans first."""


@dataclass(frozen=True, slots=True)
class Source:
    """A query of one view; `day` names the column that is limited to the days of the report."""

    view: str
    day: str = ""
    is_date: bool = True
    where: str = ""
    order: str = ""
    first_of_each: str = ""
    """The column of which each value has rows up to the limit, by the order; all rows together without it."""

    limit: int | None = None
    computed: Mapping[str, str] = field(default_factory=dict)
    """Computed columns with their expression over one row of the view."""

    summed: Mapping[str, str] = field(default_factory=dict)
    """Aggregated columns with their expression; all other columns are the GROUP BY keys."""


class ViewRow(Protocol):
    """A row of a view."""

    source: ClassVar[Source]


UNRESOLVED = "(unresolved)"
"""What the views name a machine type, zone or team of VMs that no source could identify."""

_ATTEMPT = "CONCAT(work_id, '#', CAST(attempt AS STRING))"

_ADDED_UP = {name: f"SUM({name})" for name in ("vm_hours", "priced_hours", "cost", "ondemand_cost")}
"""Figures of all projects and of both days of Cloud Billing that a UTC day is part of."""


@dataclass(frozen=True, slots=True)
class PlaceCost:
    """The cost of a machine type in a zone on a day; `contract_cost` is of `contract_hours`, at contract prices."""

    source: ClassVar = Source(
        "daily_cost_breakdown",
        day="usage_date",
        summed=_ADDED_UP | {name: f"SUM({name})" for name in ("contract_hours", "contract_cost")},
    )

    usage_date: date
    machine_type: str | None
    zone: str
    vm_hours: Decimal
    priced_hours: Decimal
    cost: Decimal | None
    contract_hours: Decimal | None = None
    contract_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TeamCost:
    """The cost of a team on a day."""

    source: ClassVar = Source("daily_cost_by_team", day="usage_date", summed=_ADDED_UP)

    usage_date: date
    team: str
    vm_hours: Decimal
    priced_hours: Decimal
    cost: Decimal | None
    ondemand_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class DaySavings:
    """The savings of a day against on-demand prices."""

    source: ClassVar = Source(
        "daily_spot_savings",
        day="usage_date",
        order="usage_date",
        summed={name: f"SUM({name})" for name in ("vm_hours", "compared_cost", "compared_ondemand_cost")}
        | {name: f"SUM({name})" for name in ("savings", "lost_hours", "net_savings")}
        | {"savings_percent": "ROUND(SAFE_DIVIDE(SUM(savings), SUM(compared_ondemand_cost) / 100), 2)"},
    )

    usage_date: date
    vm_hours: Decimal
    compared_cost: Decimal | None
    compared_ondemand_cost: Decimal | None
    savings: Decimal | None
    savings_percent: Decimal | None
    lost_hours: Decimal
    net_savings: Decimal | None


@dataclass(frozen=True, slots=True)
class HourBurn:
    """The cost of an hour; all hours of the last 35 days."""

    source: ClassVar = Source("hourly_burn_rate", order="usage_start_time")

    usage_start_time: datetime
    state: str
    instances: int | None
    burn_rate: Decimal | None
    total_burn_rate: Decimal | None
    license_burn_rate: Decimal | None = None
    address_burn_rate: Decimal | None = None
    disk_burn_rate: Decimal | None = None
    bandwidth_burn_rate: Decimal | None = None
    partial_hours: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The spend of a budget in its current period."""

    source: ClassVar = Source(
        "budget_status", order="label_key IS NOT NULL, label_value, period_end DESC, period, budget_id"
    )

    period: str
    budget_id: str
    label_key: str | None
    label_value: str | None
    covers: str
    period_start: datetime
    period_end: datetime
    counts_from: datetime | None
    total_from: datetime | None
    as_of: datetime | None
    budget: Decimal
    spent: Decimal | None
    spent_percent: Decimal | None
    priced_share: Decimal | None
    missing_hours: int | None
    partial_hours: Decimal | None
    incomplete_hours: int | None
    burn_rate: Decimal | None
    projected_cost: Decimal | None
    projected_percent: Decimal | None
    hours_until_spent: Decimal | None
    state: str
    not_known: str | None

    @property
    def label(self) -> str:
        """The label value that the budget is about, such as `team=vision`; empty when it is about all VMs."""
        return f"{self.label_key}={self.label_value}" if self.label_key else ""


@dataclass(frozen=True, slots=True)
class Unattributed:
    """The cost of VMs without a team on a day."""

    source: ClassVar = Source("unattributed_cost", day="usage_date", summed=_ADDED_UP | {"example": "MIN(example)"})

    usage_date: date
    project_id: str
    created_by_group: str | None
    name_pattern: str
    example: str | None
    vm_hours: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class UnattributedCreator:
    """Who created VMs without a team, and what these cost in the 30 days up to now; None when it is not recorded."""

    source: ClassVar = Source("unattributed_creators")

    project_id: str
    created_by: str | None
    created_by_group: str | None
    instances: int
    vm_hours: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Preemptions of VMs in the last 90 days."""

    source: ClassVar = Source("interruptions")

    grouped_by: str
    machine_type: str | None
    zone: str | None
    hour_of_day: int | None
    vm_hours: Decimal
    preemptions: int
    unseen_preemptions: int
    mean_hours_between: Decimal | None
    lost_hours: Decimal
    lost_share: Decimal | None
    daly_minutes_at_1: Decimal | None
    daly_minutes_at_5: Decimal | None
    daly_minutes_at_15: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A list price that changed."""

    source: ClassVar = Source("price_changes", day="changed_at", is_date=False, order="changed_at DESC")

    changed_at: datetime
    region: str
    component: str
    market: str
    unit: str
    previous_rate: Decimal
    rate: Decimal
    change_percent: Decimal | None
    fleet_quantity: Decimal | None
    monthly_cost_change: Decimal | None


@dataclass(frozen=True, slots=True)
class PriceDrift:
    """How the price of a machine type in use moved, by Google's own history, and whether ours is the same."""

    source: ClassVar = Source("price_drift", order="machine_type, region")

    machine_type: str
    region: str
    vms: Decimal
    price: Decimal | None
    week_change_percent: Decimal | None
    since: datetime | None
    change_percent: Decimal | None
    monthly_cost_change: Decimal | None
    discount_percent: Decimal | None
    price_check: str | None


@dataclass(frozen=True, slots=True)
class PriceHeld:
    """A Spot price of a machine type in use while it held, by Google's own history."""

    source: ClassVar = Source("price_history", order="machine_type, region, valid_from")

    machine_type: str
    region: str
    vms: Decimal
    valid_from: datetime
    known_to: datetime
    price: Decimal
    change_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class CheaperPlace:
    """A zone or machine type in which running VMs would be cheaper."""

    source: ClassVar = Source("placement_options")

    machine_type: str
    region: str
    weekly_vm_hours: Decimal
    spot_price: Decimal
    preemptions_per_1000_hours: Decimal | None
    option_machine_type: str
    option_region: str
    change: str
    option_spot_price: Decimal
    option_preemptions_per_1000_hours: Decimal | None
    savings_percent: Decimal | None
    monthly_savings: Decimal


@dataclass(frozen=True, slots=True)
class EnforcedAction:
    """A stop or start of a VM, and its outcome."""

    source: ClassVar = Source(
        "enforcement_log",
        day="planned_at",
        is_date=False,
        where="decision IN ('stop', 'start')",
        order="planned_at DESC, message_id, rank",
        limit=MOST_ACTIONS,
    )

    planned_at: datetime
    message_id: str
    budget_display_name: str | None
    spent: Decimal | None
    budget: Decimal | None
    drill: bool | None
    mode: str
    project_id: str
    zone: str
    instance_name: str
    machine_type: str | None
    priority: str | None
    decision: str
    reason: str
    outcome: str
    error: str | None
    hourly_savings: Decimal | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Spared:
    """The VMs that a plan spared for one reason."""

    source: ClassVar = Source(
        "enforcement_log",
        day="planned_at",
        is_date=False,
        where="decision = 'spare'",
        order="planned_at DESC, message_id, instances DESC",
        limit=MOST_SPARED,
        # The rank of each VM would make a reason of its own for each of them.
        computed={"spared_because": "REGEXP_REPLACE(reason, r' \\(rank [0-9]+\\)', '')"},
        summed={"instances": "COUNT(*)", "example": "MIN(instance_name)", "hourly_cost": "SUM(hourly_savings)"},
    )

    planned_at: datetime
    message_id: str
    spared_because: str
    instances: int
    example: str
    hourly_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Enforced:
    """The number of VMs in the log of these days, listed or not."""

    source: ClassVar = Source(
        "enforcement_log",
        day="planned_at",
        is_date=False,
        where="decision IN ('stop', 'start', 'spare')",
        summed={"instances": "COUNT(*)"},
    )

    decision: str
    outcome: str
    instances: int


@dataclass(frozen=True, slots=True)
class StopEffect:
    """The cost that a stop avoided, in the last 62 days."""

    source: ClassVar = Source("enforcement_effect", day="stopped_at", is_date=False, order="stopped_at DESC")

    stopped_at: datetime
    project_id: str
    zone: str
    instance_name: str
    hours_stopped: Decimal | None
    avoided: Decimal | None
    cost_after_stop: Decimal | None
    net_avoided: Decimal | None


@dataclass(frozen=True, slots=True)
class IdleResource:
    """A disk or a reserved address that no running VM uses, at the latest scan of its project."""

    source: ClassVar = Source("stopped_but_costing", order="monthly_cost DESC, project_id, resource_name")

    resource_type: str
    project_id: str
    region: str | None
    zone: str | None
    resource_name: str
    held_by: str
    instance_name: str | None
    idle_since: datetime | None
    owner: str
    team: str
    monthly_cost: Decimal | None
    price_reason: str | None


@dataclass(frozen=True, slots=True)
class HourQuality:
    """The data quality of an hour."""

    source: ClassVar = Source("data_quality", day="usage_start_time", is_date=False, order="usage_start_time")

    usage_start_time: datetime
    state: str
    gaps: str | None
    instances: int | None
    priced_share: Decimal | None
    unresolved: int | None
    unresolved_hours: Decimal | None
    estimated_unresolved_cost: Decimal | None
    unpriced: int
    unpriced_machine_types: str | None
    stale: int
    fallback: int
    uncertain: int
    prices_age_hours: int | None
    exact_cost: Decimal | None
    confirmed_cost: Decimal | None
    from_history_cost: Decimal | None
    uncertain_cost: Decimal | None
    fallback_cost: Decimal | None
    stale_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class WeekCost:
    """The cost of a project, team and machine type in the last seven days, and in the seven before."""

    source: ClassVar = Source("weekly_cost_by_project")

    project_id: str
    team: str
    machine_type: str | None
    vm_hours: Decimal
    vm_hours_before: Decimal
    cost: Decimal | None
    cost_before: Decimal | None
    cost_change: Decimal | None
    change_by_hours: Decimal | None
    change_by_price: Decimal | None
    recorded_hours: int
    recorded_hours_before: int


@dataclass(frozen=True, slots=True)
class CostlyVm:
    """One of the most expensive VMs of the last 92 days."""

    source: ClassVar = Source("vm_costs", where="cost_rank <= 10", order="cost_rank, instance_name", limit=10)

    project_id: str
    zone: str
    instance_name: str
    machine_type: str | None
    vm_hours: Decimal
    cost: Decimal
    preemptions: int


@dataclass(frozen=True, slots=True)
class RunCost:
    """One of the most expensive runs of a team: work with all its parts."""

    source: ClassVar = Source(
        "work_hours",
        day="hour",
        is_date=False,
        where="attempt IS NOT NULL",
        order="SUM(work_hours.cost) DESC, run",
        first_of_each="team",
        limit=MOST_RUNS,
        computed={"run": "REGEXP_EXTRACT(work_id, r'^[^/]+')"},
        summed={
            "kind": "MAX(kind)",
            "vms": "COUNT(DISTINCT CONCAT(project_id, '/', zone, '/', instance_id))",
            "attempts": f"COUNT(DISTINCT {_ATTEMPT})",
            "preempted": f"COUNT(DISTINCT IF(is_preempted, {_ATTEMPT}, NULL))",
            **{name: f"SUM({name})" for name in ("vm_hours", "cost", "lost_cost")},
        },
    )

    team: str
    run: str
    kind: str | None
    vms: int
    attempts: int
    preempted: int
    vm_hours: Decimal
    cost: Decimal | None
    lost_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class TeamWork:
    """What the VMs of a team cost at work, idle, and for what was lost."""

    source: ClassVar = Source(
        "work_hours",
        day="hour",
        is_date=False,
        order="SUM(work_hours.cost) DESC, team",
        summed={
            "works": "COUNT(DISTINCT IF(attempt IS NULL, NULL, work_id))",
            "idle_hours": "SUM(IF(attempt IS NULL, vm_hours, 0))",
            "idle_cost": "SUM(IF(attempt IS NULL, cost, NULL))",
            **{name: f"SUM({name})" for name in ("vm_hours", "priced_hours", "cost", "lost_cost")},
        },
    )

    team: str
    works: int
    vm_hours: Decimal
    priced_hours: Decimal
    cost: Decimal | None
    idle_hours: Decimal
    idle_cost: Decimal | None
    lost_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class LabelCost:
    """The cost of one value of a label in the month of Cloud Billing in which the report ends, of all projects."""

    source: ClassVar = Source(
        "cost_by_label",
        where="month = DATE_TRUNC(DATE_SUB(@end_day, INTERVAL 1 DAY), MONTH)",
        order="SUM(cost_by_label.cost) DESC, label_key, label_value",
        first_of_each="label_key",
        limit=MOST_VALUES,
        summed={name: f"SUM(cost_by_label.{name})" for name in ("vm_hours", "priced_hours", "cost")},
    )

    month: date
    label_key: str
    label_value: str
    vm_hours: Decimal
    priced_hours: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class ReportRows:
    """All rows of the report."""

    places: Sequence[PlaceCost] = ()
    teams: Sequence[TeamCost] = ()
    savings: Sequence[DaySavings] = ()
    burn: Sequence[HourBurn] = ()
    budgets: Sequence[BudgetState] = ()
    unattributed: Sequence[Unattributed] = ()
    creators: Sequence[UnattributedCreator] = ()
    interruptions: Sequence[Interruptions] = ()
    price_changes: Sequence[PriceChange] = ()
    price_drift: Sequence[PriceDrift] = ()
    price_history: Sequence[PriceHeld] = ()
    cheaper: Sequence[CheaperPlace] = ()
    actions: Sequence[EnforcedAction] = ()
    spared: Sequence[Spared] = ()
    enforced: Sequence[Enforced] = ()
    effects: Sequence[StopEffect] = ()
    idle: Sequence[IdleResource] = ()
    quality: Sequence[HourQuality] = ()
    weeks: Sequence[WeekCost] = ()
    costly_vms: Sequence[CostlyVm] = ()
    runs: Sequence[RunCost] = ()
    team_work: Sequence[TeamWork] = ()
    labels: Sequence[LabelCost] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The project, the days and the time of the report."""

    project_id: str
    dataset: str
    first_day: date
    last_day: date
    written_at: datetime
    as_of: datetime | None = None
    """The end of the latest recorded hour; None when there is none."""
