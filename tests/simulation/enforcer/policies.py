"""The operator's policy as the model knows it: budgets, thresholds, caps, and what they mean for one VM."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tests.simulation.enforcer.vms import Vm

PRIORITIES = ("low", "medium", "high")
AMOUNT = Decimal(1000)
"""The amount of every budget, in USD."""

_UNSET_FIELDS = {
    "per_day_total": "max_stops_per_day_total",
    "max_age_minutes": "max_message_age_minutes",
    "spare_local_ssd": "spare_local_ssd",
    "approval_minutes": "approval_minutes",
    "execute_unapproved": "execute_unapproved",
    "freeze_groups": "freeze_groups",
}

type Threshold = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One budget: what it covers, from which share of it which priorities may be stopped, and its caps.

    Where it has `values`, it covers the VMs whose `label` has one of them.
    """

    budget: str
    projects: tuple[str, ...]
    values: tuple[str, ...] = ()
    label: str = "team"
    thresholds: tuple[Threshold, ...] = (("1.0", ("low",)),)
    per_alert: int = 3
    per_day: int = 30
    fleet_share: str = "1.0"
    billing: str = "stop"
    tracker: str = "warn"
    period: str = "month"

    def covers(self, vm: Vm) -> bool:
        """Whether a VM counts against this budget."""
        return vm.project in self.projects and (not self.values or vm.labels.get(self.label) in self.values)

    def allowed(self, spent: Decimal) -> frozenset[str]:
        """Return the priorities that may be stopped once this share of the budget is spent."""
        return frozenset(name for share, names in self.thresholds if spent >= Decimal(share) for name in names)

    def may_stop(self, source: str) -> bool:
        """Whether messages of this source may stop VMs."""
        return (self.billing if source == "billing" else self.tracker) == "stop"

    def __str__(self) -> str:
        steps = ", ".join(f"{'+'.join(names)} at {share}" for share, names in self.thresholds)
        values = f" {self.label} {'/'.join(self.values)}" if self.values else ""
        return (
            f"{self.budget} covers {'+'.join(self.projects)}{values}, {steps}, at most {self.per_alert} per alert, "
            f"{self.per_day} per day, {self.fleet_share} of the fleet, billing {self.billing}, tracker {self.tracker}, "
            f"each {self.period}"
        )

    def as_json(self) -> dict[str, object]:
        """Return the rule as the policy states it."""
        found: dict[str, object] = {
            "projects": list(self.projects),
            "period": self.period,
            "steps": [{"threshold": float(share), "priorities": list(names)} for share, names in self.thresholds],
            "max_stops_per_alert": self.per_alert,
            "max_stops_per_day": self.per_day,
            "max_fleet_share": float(self.fleet_share),
            "sources": {"billing": self.billing, "tracker": self.tracker},
        }
        return found | ({"labels": {self.label: list(self.values)}} if self.values else {})


@dataclass(frozen=True, slots=True)
class Policy:
    """All budgets, and what is the same for them; `snoozed_until` is a time of the life."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    mode: str = "enforce"
    unlabelled: str = "low"
    minimum_age_minutes: int = 0
    grace_seconds: int = 0
    restart: bool = False
    snoozed_until: datetime | None = None
    per_day_total: int = 50
    max_age_minutes: int = 120
    spare_local_ssd: bool = False
    approval_minutes: int = 240
    execute_unapproved: bool = False
    freeze_groups: float | None = None

    def as_json(self) -> dict[str, object]:
        """Return the policy as the function reads it."""
        found: dict[str, object] = {
            "budgets": {budget_id(name): rule.as_json() for name, rule in self.rules.items()},
            "unlabelled_priority": self.unlabelled,
            "minimum_age_minutes": self.minimum_age_minutes,
            "grace_seconds": self.grace_seconds,
            "restart": self.restart,
        }
        unset = Policy()
        if self.snoozed_until is not None:
            found["snooze_until"] = self.snoozed_until.isoformat()
        for attribute, name in _UNSET_FIELDS.items():
            if getattr(self, attribute) != getattr(unset, attribute):
                found[name] = getattr(self, attribute)
        return found

    def snoozed(self, now: datetime) -> bool:
        """Whether nothing may be stopped or started yet."""
        return self.snoozed_until is not None and now < self.snoozed_until

    def __str__(self) -> str:
        unset = Policy()
        changed = (
            f"{name}={value}"
            for name in self.__slots__
            if name != "rules" and (value := getattr(self, name)) != getattr(unset, name)
        )
        return "; ".join((*map(str, self.rules.values()), *changed))

    def priority(self, vm: Vm) -> str:
        """Return the priority of a VM; a value that is none counts as high."""
        value = vm.labels.get("priority")
        if value is None:
            return self.unlabelled
        return value if value in PRIORITIES else "high"

    def spares(self, vm: Vm, now: datetime) -> str | None:
        """Return why a VM is never stopped, whatever the budget; None when it may be."""
        if not vm.spot:
            return "is no Spot VM"
        if vm.is_gke_node:
            return "is a GKE node"
        if vm.local_ssd and self.spare_local_ssd:
            return "has local SSDs"
        if vm.is_protected(now):
            return "is protected"
        if now - vm.started < timedelta(minutes=self.minimum_age_minutes):
            return "is younger than the minimum age"
        return None


def budget_id(budget: str) -> str:
    """Return the id that Cloud Billing gives a budget, which is called b1 here."""
    return f"11111111-2222-3333-4444-{budget.removeprefix('b'):0>12}"


def rank(priority: str) -> int:
    """Return the position of a priority in the order of stopping."""
    return PRIORITIES.index(priority)
