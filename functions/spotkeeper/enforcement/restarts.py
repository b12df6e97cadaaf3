"""Restarts: which instances the enforcer starts again in a new budget period, and in which order. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.policies import Caps, Priority
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.instances import Instance
from spotkeeper.periods import rfc3339

IN_EARLIER_PERIOD = "stopped in an earlier period"
"""Why an instance is started, unless a person undoes its stop."""

_STOPPED_STATES = frozenset({"TERMINATED", "STOPPED"})


@dataclass(frozen=True, slots=True)
class StoppedVm:
    """An instance as it was when this function stopped it; `tried` if starting it has failed since."""

    instance: Instance
    priority: Priority
    stopped_at: datetime
    hourly_cost_usd: Decimal | None = None
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """An instance to start again, and the reason."""

    stopped: StoppedVm
    reason: str
    rank: int


@dataclass(frozen=True, slots=True)
class Spared:
    """An instance that is not started yet, and why."""

    stopped: StoppedVm
    reason: str


def restarts(
    stopped: Iterable[StoppedVm], caps: Caps, starts_today: int, occasion: str = IN_EARLIER_PERIOD
) -> tuple[tuple[Restart, ...], tuple[Spared, ...]]:
    """Return what to start, and what a limit defers.

    Most important first, then most expensive; what failed before comes last.
    """
    ordered = restart_order(stopped)
    allowance, limit = allowed_starts(caps, starts_today)
    planned = tuple(_restart(vm, rank, len(ordered), occasion) for rank, vm in enumerate(ordered[:allowance], 1))
    return planned, tuple(_deferred(vm, rank, limit) for rank, vm in enumerate(ordered[allowance:], allowance + 1))


def allowed_starts(caps: Caps, starts_today: int) -> tuple[int, str]:
    """Return how many may be started now, and the limit that says so."""
    of_day = f"limit of {caps.per_day} starts per day ({starts_today} planned in the last 24 hours)"
    allowances = (
        (caps.per_alert, f"limit of {caps.per_alert} starts per message"),
        (caps.per_day - starts_today, of_day),
    )
    allowance, limit = min(allowances, key=lambda each: each[0])
    return max(allowance, 0), limit


def restart_order(stopped: Iterable[StoppedVm]) -> list[StoppedVm]:
    """Return all of them in the order of starting."""
    return sorted(stopped, key=_sort_key)


def reason_not_to_restart(vm: SpotVm, stopped: StoppedVm) -> str | None:
    """Return why an instance is not started: it changed since it was stopped; None if it may be started."""
    if vm.status not in _STOPPED_STATES:
        return f"status is {vm.status} already"
    if vm.started >= stopped.stopped_at:
        return f"started by someone else at {rfc3339(vm.started)}, and stopped again since"
    if vm.instance.provisioning_model is not stopped.instance.provisioning_model:
        return f"now {vm.instance.provisioning_model}, but {stopped.instance.provisioning_model} when it was stopped"
    if vm.instance.shape.machine_type != stopped.instance.shape.machine_type:
        now, then = vm.instance.shape.machine_type, stopped.instance.shape.machine_type
        return f"machine type is now {now}, but was {then} when it was stopped"
    return None


def _sort_key(vm: StoppedVm) -> tuple[object, ...]:
    cost = vm.hourly_cost_usd or Decimal(0)
    return vm.tried, -vm.priority.rank, -cost, vm.instance.name, vm.instance.key


def _restart(vm: StoppedVm, rank: int, count: int, occasion: str) -> Restart:
    reason = f"start {rank} of {count}: {vm.priority} priority, {occasion} ({rfc3339(vm.stopped_at)})"
    return Restart(vm, reason, rank)


def _deferred(vm: StoppedVm, rank: int, limit: str) -> Spared:
    return Spared(vm, f"start deferred to the next message (rank {rank}): {limit}")
