"""Rows of BigQuery as what the enforcer knows: its history, plans that wait for approval, stopped instances."""

from collections.abc import Iterable, Mapping
from typing import Any

from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedHour, RecordedStops, Spending
from spotkeeper.enforcement.freezes import GroupKey, RecordedFreeze, group_key
from spotkeeper.enforcement.history import (
    AttachedCost,
    FailedStop,
    History,
    ProposedPlan,
    RecordedAction,
    Reported,
    StopCounts,
)
from spotkeeper.enforcement.policies import Priority
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape


def history_from(row: Mapping[str, Any]) -> History:
    """Return what is on record when a notification arrives, from the row of its statement."""
    return History(
        received_before=row["received_before"],
        newer=tuple(map(reported_by, row["newer"])),
        counts=StopCounts(
            len(row["stops_of_budget"]),
            row["stops_in_total"],
            frozenset(map(_key, row["stops_of_budget"])),
        ),
        plans=row["plans"],
        plan=tuple(map(_recorded, row["plan"])),
        pending_stops={_key(each): each["message_id"] for each in row["pending_stops"]},
        failed_stops={_key(each): FailedStop(each["failed_at"], each["messages"]) for each in row["failed_stops"]},
        unfinished=tuple(map(_recorded, row["unfinished"])),
        tracker_cost=row["tracker_cost"],
        spending=_spending(row),
        attached={each["instance_id"]: _attached(each) for each in row["attached"]},
        proposed=_proposed(row),
        snoozed={_key(each): each["snoozed_until"] for each in row["snoozed"]},
    )


def reported_by(row: Mapping[str, Any]) -> Reported:
    """Return what a notification reported."""
    return Reported(row["published_at"], row["cost"], row["budget"], row["tracker_cost"])


def proposed_plan(plan: Mapping[str, Any], stops: Iterable[Mapping[str, Any]]) -> ProposedPlan:
    """Return a plan that waits for approval from its row and those of its stops and freezes."""
    planned = tuple(map(_proposed_stop, stops))
    return ProposedPlan(
        plan["message_id"],
        plan["plan_hash"],
        plan["approval_expires_at"],
        tuple(each for each in planned if each.autoscaling_mode is None),
        tuple(each for each in planned if each.autoscaling_mode is not None),
        plan["executed_by"],
        plan["newer_plan"],
        plan["period_end"],
    )


def stopped_vm(row: Mapping[str, Any]) -> StoppedVm:
    """Return an instance as it was when it was stopped."""
    instance = Instance(
        key=_key(row),
        name=row["instance_name"],
        provisioning_model=ProvisioningModel.SPOT,
        shape=Shape(row["machine_type"], None, None),
        managed_by=row["managed_by"],
    )
    priority, tried = Priority(row["priority"]), bool(row["tried"])
    return StoppedVm(instance, priority, row["stopped_at"], row["hourly_savings"], tried)


def recorded_freeze(row: Mapping[str, Any]) -> RecordedFreeze:
    """Return the latest freeze of an autoscaler."""
    project_id, name = row["project_id"], row["instance_name"]
    return RecordedFreeze(
        message_id=row["message_id"],
        budget_id=row["budget_id"],
        group=group_key(project_id, row["managed_by"]) or GroupKey(project_id, "zones", row["zone"], name),
        number=row["instance_id"],
        mode=row["autoscaling_mode"],
        priority=Priority(row["priority"]),
        planned_at=row["planned_at"],
        period_end=row["period_end"],
        frozen=row["frozen"],
        failed=row["failed"],
        ended_by=None if row["ended_by"] is None else ActionEvent(row["ended_by"]),
        ended_at=row["ended_at"],
    )


def _spending(row: Mapping[str, Any]) -> Spending:
    return Spending(
        tuple(BilledCost(each["published_at"], float(each["cost"])) for each in row["billed"]),
        tuple(RecordedHour(each["start"], float(each["cost"]), float(each["stopped_cost"])) for each in row["hours"]),
        {each["instance_id"]: float(each["uptime_share"]) for each in row["uptime_shares"]},
        tuple(RecordedStops(each["stopped_hour"], float(each["hourly_savings"] or 0)) for each in row["group_stops"]),
    )


def _attached(row: Mapping[str, Any]) -> AttachedCost:
    return AttachedCost(row["ending"], row["disks"], row["addresses"])


def _recorded(row: Mapping[str, Any]) -> RecordedAction:
    return RecordedAction(
        message_id=row["message_id"],
        key=_key(row),
        name=row["instance_name"],
        planned_at=row["planned_at"],
        done=row["done"],
        restart=row["restart"],
        failed=row["has_failed"],
        stopped=row["stopped"],
        operation=row["operation"],
        priority=Priority(row["priority"]),
        rank=row["rank"],
        machine_type=row["machine_type"],
        managed_by=row["managed_by"],
        hourly_savings=row["hourly_savings"],
    )


def _proposed(row: Mapping[str, Any]) -> ProposedPlan | None:
    if not row["proposed"]:
        return None
    [plan] = row["proposed"]
    return proposed_plan(plan, row["proposed_stops"])


def _proposed_stop(row: Mapping[str, Any]) -> RecordedAction:
    return RecordedAction(
        message_id=row["message_id"],
        key=_key(row),
        name=row["instance_name"],
        planned_at=row["planned_at"],
        done=False,
        priority=Priority(row["priority"]),
        rank=row["rank"],
        machine_type=row["machine_type"],
        managed_by=row["managed_by"],
        hourly_savings=row["hourly_savings"],
        reason=row["reason"],
        autoscaling_mode=row["autoscaling_mode"],
    )


def _key(row: Mapping[str, Any]) -> InstanceKey:
    return InstanceKey(row["project_id"], row["zone"], row["instance_id"])
