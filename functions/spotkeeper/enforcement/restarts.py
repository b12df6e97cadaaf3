"""Which of the instances that the enforcer stopped are started again, when a new budget period has begun."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spotkeeper.enforcement.plans import SpotVm
from spotkeeper.enforcement.policies import Caps, Priority
from spotkeeper.instances import Instance
from spotkeeper.periods import rfc3339

_AT_REST = frozenset({"TERMINATED", "STOPPED"})


@dataclass(frozen=True, slots=True)
class StoppedVm:
    """An instance as it was when this function stopped it; `tried` says that starting it failed in this period."""

    instance: Instance
    priority: Priority
    stopped_at: datetime
    hourly_cost_usd: Decimal | None = None
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """An instance to start again, and why it is its turn."""

    stopped: StoppedVm
    reason: str
    rank: int


def restarts(stopped: Iterable[StoppedVm], caps: Caps, starts_today: int) -> tuple[Restart, ...]:
    """Return what to start: most important first, then what costs most; what failed before comes last."""
    ordered = sorted(stopped, key=_order)
    allowance = max(min(caps.per_alert, caps.per_day - starts_today), 0)
    return tuple(_restart(vm, place, ordered) for place, vm in enumerate(ordered[:allowance], 1))


def why_not_restart(vm: SpotVm, stopped: StoppedVm) -> str | None:
    """Return why an instance is not what was stopped any more; None when it may be started."""
    if vm.status not in _AT_REST:
        return f"its status is {vm.status} already"
    if vm.started > stopped.stopped_at:
        return f"somebody started it at {rfc3339(vm.started)}, and it was stopped again since"
    if vm.instance.provisioning_model is not stopped.instance.provisioning_model:
        return f"it is {vm.instance.provisioning_model} now, and was {stopped.instance.provisioning_model} when stopped"
    if vm.instance.shape.machine_type != stopped.instance.shape.machine_type:
        now, then = vm.instance.shape.machine_type, stopped.instance.shape.machine_type
        return f"its machine type is {now} now, and was {then} when it was stopped"
    return None


def _order(vm: StoppedVm) -> tuple[object, ...]:
    cost = vm.hourly_cost_usd or Decimal(0)
    return vm.tried, -vm.priority.rank, -cost, vm.instance.name, vm.instance.key


def _restart(vm: StoppedVm, place: int, ordered: Sequence[StoppedVm]) -> Restart:
    reason = (
        f"place {place} of {len(ordered)} in the order of starting: {vm.priority} priority, "
        f"stopped at {rfc3339(vm.stopped_at)} in an earlier budget period"
    )
    return Restart(vm, reason, place)
