"""A month as the product has it: rows of its tables, and a file of work as a user loads it."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from tests.simulation.work.month import Attempt, Month, Vm
from tests.simulation.work.truth import amounts, hours_of, uptime
from tests.sql.usual_rows import Row

RULES: list[Row] = [{"rank": 1, "system": "ci", "match_name": "^ci-runner-[0-9]+"}]

_FIELDS = (
    *("work_id", "attempt", "kind", "project_id", "zone", "instance_id", "instance_name", "vm_label", "start_time"),
    *("end_time", "weight", "outcome", "saved_at", "checkpoint_interval_seconds", "checkpoint_seconds"),
    *("keys.team", "keys.experiment"),
)
_UNKNOWN_VM = "999"


def cost_rows(vms: Iterable[Vm]) -> Iterator[Row]:
    """Yield the cost row of each VM and hour, as the tracker writes it."""
    for vm in vms:
        for hour in hours_of(vm):
            money = amounts(vm, hour)
            hours = _text(round(Decimal(uptime(vm, hour)) / 3600, 9))
            yield {
                "usage_start_time": utc(hour),
                "project_id": vm.project,
                "zone": vm.zone,
                "instance_id": vm.id,
                "instance_name": vm.name,
                "uptime_hours": hours,
                "spot_price": _text(vm.spot),
                "ondemand_price": _text(vm.ondemand),
                "cost": _text(money["cost"]),
                "ondemand_cost": _text(money["ondemand"]),
                "license_cost": _text(money["license"]),
                "disk_cost": _text(money["disk"]),
                "known_cost": _text(money["known"]),
                "labels": [{"key": key, "value": value} for key, value in vm.labels],
            }


def preemptions(vms: Iterable[Vm]) -> Iterator[Row]:
    """Yield the preemption of each VM that had one."""
    for vm in vms:
        if vm.preempted:
            names = {"instance_id": vm.id, "instance_name": vm.name, "zone": vm.zone, "project_id": vm.project}
            yield {"preempted_at": utc(vm.end), **names}


def work_file(attempts: Iterable[Attempt]) -> str:
    """Return a CSV file of work."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _FIELDS)
    writer.writeheader()
    writer.writerows(map(_record, attempts))
    return text.getvalue()


def present(month: Month) -> str:
    """Return the time at which the views are read: two hours after the month."""
    return utc(month.end + 7200)


def utc(second: int) -> str:
    """Return seconds since 1970 as a time of UTC."""
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")


def _record(attempt: Attempt) -> dict[str, object]:
    keys = dict(attempt.keys)
    return {
        "work_id": attempt.work,
        "attempt": attempt.number,
        "kind": attempt.kind,
        "project_id": attempt.vm.project if attempt.vm else "research",
        **_vm(attempt),
        "start_time": utc(attempt.start),
        "end_time": None if attempt.end is None else utc(attempt.end),
        "weight": attempt.weight,
        "outcome": attempt.outcome,
        "saved_at": None if attempt.saved_at is None else utc(attempt.saved_at),
        "checkpoint_interval_seconds": attempt.interval,
        "checkpoint_seconds": attempt.checkpoint,
        "keys.team": keys.get("team"),
        "keys.experiment": keys.get("experiment"),
    }


def _vm(attempt: Attempt) -> dict[str, object]:
    if attempt.vm is None:
        return {"instance_id": _UNKNOWN_VM}
    match attempt.known_by:
        case "id":
            return {"instance_id": attempt.vm.id}
        case "name":
            return {"zone": attempt.vm.zone, "instance_name": attempt.vm.name}
        case key:
            return {"vm_label": f"{key}={attempt.vm.label(key)}"}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
