"""Spot instances as they are now, and why one is not stopped whatever the budget. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from spotkeeper.enforcement.history import AttachedCost, FailedStop
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.protection import protection
from spotkeeper.instances import Instance
from spotkeeper.periods import rfc3339

RUNNING = "RUNNING"
STOPPED_STATES = frozenset({"TERMINATED", "STOPPED", "SUSPENDED"})
_GKE_LABELS = ("goog-gke-node", "goog-k8s-cluster-name")
_GKE_GROUPS = ("gke-", "gk3-")
"""Nodes of Standard clusters and of Autopilot."""


@dataclass(frozen=True, slots=True)
class SpotVm:
    """A Spot instance as it is now: its status, when it started, and what a stop saves in USD per hour, if known.

    `hourly_cost_usd` is the price of its machine type and `attached.ending`, as far as that is known: what goes on
    costing while it is stopped is no reason to stop it. `attached` is None where no cost row of the last day has it.
    `pending_stop` is the id of another message whose stop of it is pending, `failed_stop` a stop of it that failed.
    `uptime_share` is the part of the last day that it ran, 1 unless it is known to run only a part of each day.
    `snoozed_until` is until when it is not to be stopped, because a person undid its stop.
    With `in_frozen_group`, its group is frozen, or would be in this plan: no autoscaler replaces it.
    `unreadable` says what of it could not be read: then the rest may be incomplete, and it is never stopped.
    """

    instance: Instance
    status: str
    started: datetime
    hourly_cost_usd: Decimal | None = None
    attached: AttachedCost | None = None
    pending_stop: str | None = None
    failed_stop: FailedStop | None = None
    uptime_share: float = 1.0
    snoozed_until: datetime | None = None
    in_frozen_group: bool = False
    unreadable: str | None = None

    @property
    def daily_rate(self) -> float:
        """What a stop of it saves per hour over a day, in USD; 0 where its price is unknown."""
        return float(self.hourly_cost_usd or 0) * self.uptime_share

    def is_held_back(self, now: datetime) -> bool:
        """Whether a stop of it failed so lately that it ranks behind those not tried."""
        return self.failed_stop is not None and now < self.failed_stop.retry_at

    def failed_lately(self, now: datetime) -> bool:
        """Whether a stop of it failed within a day: it ranks behind those of its priority that were not tried."""
        return self.failed_stop is not None and now < self.failed_stop.forgotten_at


def reason_to_spare(vm: SpotVm, policy: Policy, now: datetime) -> str | None:
    """Return why this instance is spared whatever the budget; None if it may be stopped."""
    labels = vm.instance.labels
    if vm.status != RUNNING:
        return f"status {vm.status}: only {RUNNING} instances are stopped"
    if is_gke_node(vm.instance):
        return "GKE node, which the cluster would replace: resize its node pool instead"
    if protected := protection(labels, policy, now):
        return protected
    if now - vm.started < timedelta(minutes=policy.minimum_age_minutes):
        minimum = policy.minimum_age_minutes
        return f"younger than the minimum age of {minimum} minutes (started {rfc3339(vm.started)})"
    if policy.spare_local_ssd and vm.instance.shape.local_ssd_gib:
        return f"a stop discards its {vm.instance.shape.local_ssd_gib} GiB of local SSD, which the policy spares"
    return None


def snooze(until: datetime | None, now: datetime) -> str | None:
    """Return that an instance is snoozed, if it is."""
    return f"snoozed until {rfc3339(until)}: its stop was undone" if until is not None and now < until else None


def is_gke_node(instance: Instance) -> bool:
    """Whether a label or the name of its group says that an instance is a node of a GKE cluster."""
    group = (instance.managed_by or "").rpartition("/instanceGroupManagers/")[2]
    return group.startswith(_GKE_GROUPS) or _has_gke_label(instance.labels)


@lru_cache(maxsize=4096)
def _has_gke_label(labels: tuple[tuple[str, str], ...]) -> bool:
    return any(key.startswith(_GKE_LABELS) for key, _ in labels)
