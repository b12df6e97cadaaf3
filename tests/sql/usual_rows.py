"""What the columns hold that a case leaves out: a row of each table as it usually is."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

type Row = Mapping[str, Any]


def complete(table: str, row: Row) -> Row:
    """Return a row with the usual values where it has none."""
    return _COMPLETE[table](row) if table in _COMPLETE else row


def _later(at: str, **amount: float) -> str:
    return (datetime.fromisoformat(at) + timedelta(**amount)).isoformat().replace("+00:00", "Z")


def _product(left: str | None, right: str | None) -> str | None:
    if left is None or right is None:
        return None
    return str((Decimal(left) * Decimal(right)).quantize(Decimal("1e-9"), ROUND_HALF_UP))


def _cost_row(row: Row) -> Row:
    spot, ondemand = row.get("spot_price"), row.get("ondemand_price")
    hours = row.get("billed_hours") or row.get("uptime_hours")
    usual = {
        "usage_end_time": _later(row["usage_start_time"], hours=1),
        "project_id": "research",
        "zone": "us-central1-a",
        "region": row.get("zone", "us-central1-a").rpartition("-")[0],
        "instance_name": f"vm-{row['instance_id']}",
        "machine_type": "n2-standard-8",
        "provisioning_model": "SPOT",
        "gpu_count": 0,
        "local_ssd_gib": 0,
        "cost": _product(hours, spot),
        "ondemand_cost": _product(hours, ondemand),
        "currency": "USD",
        "price_status": "unknown" if spot is None else "exact",
        "price_reason": "no Spot rate" if spot is None else None,
        "price_as_of": None if spot is None else _later(row["usage_start_time"], minutes=67),
        "run_id": "run-1",
        "recorded_at": _later(row["usage_start_time"], minutes=67),
    }
    return usual | dict(row)


def _run(row: Row) -> Row:
    usual = {
        "run_id": "run-1",
        "recorded_at": _later(row["hour"], minutes=67),
        "complete": True,
        "row_count": 0,
        "cost": "0",
        "ondemand_cost": "0",
        "unpriced": 0,
        "unresolved": 0,
        "provisional": False,
        "duration_seconds": "5",
    }
    return usual | dict(row)


def _charge(row: Row) -> Row:
    usual = {"_PARTITIONTIME": _later(row["usage_start_time"], days=1), "cost_at_list": row["cost"]}
    return usual | dict(row)


def _price(row: Row) -> Row:
    usual = {"region": "us-central1", "market": "spot", "unit": "vcpu_hour", "currency": "USD", "run_id": "run-1"}
    return usual | dict(row)


def _preemption(row: Row) -> Row:
    usual = {
        "project_id": "research",
        "zone": "us-central1-a",
        "region": row.get("zone", "us-central1-a").rpartition("-")[0],
        "instance_name": f"vm-{row['instance_id']}",
        "machine_type": "n2-standard-8",
        "operation_id": f"{row['instance_id']}{row['preempted_at']}",
        "operation_name": "systemevent",
        "run_id": "run-1",
        "recorded_at": _later(row["preempted_at"], minutes=67),
    }
    return usual | dict(row)


def _creator(row: Row) -> Row:
    usual = {
        "project_id": "research",
        "zone": "us-central1-a",
        "instance_name": f"vm-{row['instance_id']}",
        "created_by_source": "operation",
        "run_id": "run-1",
        "recorded_at": _later(row["created_at"], minutes=67),
    }
    return usual | dict(row)


def _type_price(row: Row) -> Row:
    usual = {"gpu_count": 0, "local_ssd_gib": 0, "architecture": "X86_64", "as_of": "2026-07-22T04:07:00Z"}
    return usual | {"run_id": "run-1"} | dict(row)


def _look(row: Row) -> Row:
    usual = {
        "project_id": "research",
        "zone": "us-central1-a",
        "region": row.get("zone", "us-central1-a").rpartition("-")[0],
        "first_seen": "2026-07-20T00:07:00Z",
        "last_seen": "2026-07-22T05:07:00Z",
        "instance_name": f"vm-{row['instance_id']}",
        "machine_type": "n2-standard-8",
        "provisioning_model": "SPOT",
        "gpu_count": 0,
        "local_ssd_gib": 0,
        "fingerprint": "same",
    }
    return usual | dict(row)


def _budget(row: Row) -> Row:
    usual = {
        "budget_id": "spotkeeper",
        "budget_display_name": "spotkeeper",
        "recorded_at": "2026-07-22T05:07:00Z",
        "run_id": "run-1",
    }
    return usual | dict(row)


def _notification(row: Row) -> Row:
    usual = {
        "message_id": row["delivery_id"],
        "source": "tracker",
        "budget_id": "spotkeeper",
        "budget_display_name": "spotkeeper (month)",
        "cost": "120",
        "budget": "100",
        "currency": "USD",
        "verdict": "over_budget",
        "reason": "120 USD of 100 USD are spent",
        "mode": "enforce",
        "drill": False,
    }
    return usual | dict(row)


def _action(row: Row) -> Row:
    usual = {
        "delivery_id": row["message_id"],
        "budget_id": "spotkeeper",
        "period_end": "2026-08-01T07:00:00Z",
        "project_id": "research",
        "zone": "us-central1-a",
        "instance_name": f"vm-{row['instance_id']}",
        "reason": row["event"],
        "mode": "enforce",
        "priority": "low",
        "machine_type": "n2-standard-8",
    }
    return usual | dict(row)


def _work(row: Row) -> Row:
    usual = {
        "attempt": 1,
        "project_id": "research",
        "zone": "us-central1-a",
        "recorded_at": "2026-07-22T05:07:00Z",
    }
    return usual | dict(row)


_COMPLETE: Mapping[str, Callable[[Row], Row]] = {
    "spot_vm_costs": _cost_row,
    "tracker_runs": _run,
    "project_hours": lambda row: {
        "project_id": "research",
        "state": "complete",
        "unresolved": 0,
        "unresolved_hours": "0",
        "run_id": "run-1",
        "recorded_at": _later(row["hour"], minutes=67),
        **row,
    },
    "billing_export": _charge,
    "spot_prices": _price,
    "contract_prices": lambda row: {"currency": "USD", "by_month": False, "run_id": "run-1", **row},
    "spot_preemptions": _preemption,
    "vm_creators": _creator,
    "machine_type_prices": _type_price,
    "shape_components": lambda row: {"gpu_count": 0, "local_ssd_gib": 0, "run_id": "run-1", **row},
    "vm_inventory": _look,
    "budgets": _budget,
    "budget_notifications": _notification,
    "enforcement_actions": _action,
    "work": _work,
}
