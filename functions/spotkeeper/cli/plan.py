"""`plan`: which VMs would be stopped at a given spend; nothing is stopped or recorded."""

import argparse
import base64
from collections.abc import Iterator, Sequence
from decimal import Decimal

from spotkeeper.cli.commands import Subparsers, add_command
from spotkeeper.cli.deployed_settings import enforcer_settings
from spotkeeper.cli.enforcer_arguments import add_budget_arguments, attributes, body, chosen_rule, time_of
from spotkeeper.cli.output import Format, as_csv, as_json
from spotkeeper.cli.planned_groups import group_lines, planned_groups
from spotkeeper.cli.planned_vms import FIELDS, Choice, PlannedVm, total_line, vm_lines
from spotkeeper.cli.terminal import progress, width
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.estimate import Estimate, NoEstimate
from spotkeeper.enforcement.notifications import Malformed, read_notification
from spotkeeper.enforcement.plans import Decision, Plan
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.protection import has_priority
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339

WOULD_STOP = 3
"""The exit code of a plan that stops something."""


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = add_command(
        subparsers,
        "plan",
        summary="which VMs would be stopped at a given spend",
        description="Print the plan that the enforcer would make: every stop with its reason, and how many Spot VMs "
        "are spared for which reason. Settings are those of the deployed function. Nothing is stopped or recorded. "
        "Exit code 0: no VM would be stopped; 3: some would.",
        examples=(
            "--project my-project-1 --cost 1200 --budget 1000",
            "--project my-project-1 --cost 1200 --budget 1000 --all",
        ),
    )
    add_budget_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict and the plan; 3 when it stops something."""
    from spotkeeper.enforcement.enforce import preview
    from spotkeeper.gcp.enforcer import enforcer_ports

    with progress("Reading the settings of the function"):
        settings = enforcer_settings(arguments)
    rule = chosen_rule(settings, arguments.budget_id)
    at = time_of(arguments)
    message = {
        "data": base64.b64encode(body(arguments, rule, at)).decode(),
        "attributes": dict(attributes(settings, rule)),
        "messageId": "plan",
        "publishTime": rfc3339(at),
    }
    notification = read_notification({"message": message})
    if isinstance(notification, Malformed):
        raise RefusedRequestError(notification.reason)
    with progress("Reading the fleet and the records"):
        delivery = preview(settings, enforcer_ports(settings), notification, at)
    match Format(arguments.format):
        case Format.JSON:
            print(as_json(as_object(delivery)))
        case Format.CSV:
            print(as_csv(FIELDS, [vm.fields() for vm in planned_vms(delivery)]))
        case Format.TABLE:
            for line in plan_lines(delivery, settings.policy, every=arguments.all, columns=width()):
                print(line)
    return WOULD_STOP if delivery.plan and delivery.plan.stops else 0


def plan_lines(delivery: Delivery, policy: Policy, *, every: bool = False, columns: int | None = None) -> Iterator[str]:
    """Yield the verdict, the totals, each stop, the spared VMs by reason or every one, and the totals again."""
    made = delivery.plan
    yield f"{delivery.verdict.name}: {delivery.verdict.reason}"
    yield from _estimate_lines(delivery.estimate)
    if made is None:
        return
    vms = planned_vms(delivery)
    yield total_line(vms)
    yield (
        f"Running Spot VMs: {made.hourly_cost_usd:.4f} USD/h"
        f"{f' ({made.unpriced} without a price)' if made.unpriced else ''}."
    )
    yield from _going_on_line(made)
    if delivery.blocker is not None:
        yield f"nothing can be stopped: {delivery.blocker}"
    yield from _unlabelled_line(delivery, policy)
    for gap in delivery.gaps:
        yield f"could not be read: {gap}"
    yield from group_lines(planned_groups(delivery), width=columns)
    yield from vm_lines(vms, every=every, width=columns)
    if vms:
        yield ""
        yield total_line(vms)


def planned_vms(delivery: Delivery) -> Sequence[PlannedVm]:
    """Return every VM of the plan, the stops first."""
    made = delivery.plan
    if made is None:
        return ()
    return [
        *(_planned(Choice.STOP, each) for each in made.stops),
        *(_planned(Choice.SPARE, each) for each in made.spared),
    ]


def as_object(delivery: Delivery) -> dict[str, object]:
    """Return the verdict and the plan for a program to read."""
    made = delivery.plan
    return {
        "verdict": str(delivery.verdict.name),
        "reason": delivery.verdict.reason,
        "hourly_cost_usd": made.hourly_cost_usd if made else None,
        "hourly_savings_usd": made.hourly_savings if made else None,
        "hourly_disks_going_on_usd": made.going_on if made else None,
        "hourly_addresses_usd": made.addresses if made else None,
        "attached_unknown": made.attached_unknown if made else 0,
        "stops": len(made.stops) if made else 0,
        "deferred": made.deferred if made else 0,
        "unpriced": made.unpriced if made else 0,
        "blocker": str(delivery.blocker) if delivery.blocker else None,
        "gaps": list(delivery.gaps),
        "estimate": _estimate_object(delivery.estimate),
        "groups": [group.fields() for group in planned_groups(delivery)],
        "vms": [vm.fields() for vm in planned_vms(delivery)],
    }


def _estimate_object(estimate: Estimate | NoEstimate | None) -> dict[str, object] | None:
    """Return the terms of the estimate by the names of their columns, and its basis, which says why there are none."""
    if estimate is None:
        return None
    terms = dict(estimate.terms()) if isinstance(estimate, Estimate) else {}
    return {**terms, "estimate_basis": estimate.basis}


def _estimate_lines(estimate: Estimate | NoEstimate | None) -> Iterator[str]:
    if isinstance(estimate, Estimate):
        yield (
            f"Estimated: {estimate.spent:,.2f} ± {estimate.spent_sd:,.2f} spent, {estimate.end():,.2f} "
            f"± {estimate.end_sd:,.2f} at the end of the period with nothing more stopped."
        )
        yield f"Basis: {estimate.basis}."
    elif estimate is not None:
        yield f"{estimate.basis}; below the budget, the forecast from list prices decides."


def _going_on_line(made: Plan) -> Iterator[str]:
    """Say what the stops do not end, or may not end."""
    parts = [f"disks at {made.going_on:.4f} USD/h go on"] if made.going_on else []
    parts += [f"addresses at {made.addresses:.4f} USD/h end unless they are reserved"] if made.addresses else []
    if made.attached_unknown:
        parts.append(f"of {made.attached_unknown} of them, not all that is attached is known")
    if parts:
        yield f"Not in what the stops save: {'; '.join(parts)}."


def _unlabelled_line(delivery: Delivery, policy: Policy) -> Iterator[str]:
    made = delivery.plan
    decisions = (*made.stops, *made.spared) if made else ()
    count = sum(not has_priority(each.vm.instance.labels, policy) for each in decisions)
    if count:
        yield (
            f"{count} of {len(decisions)} Spot VMs have no label {policy.priority_label} and count as "
            f"{policy.unlabelled_priority}."
        )


def _attached(each: Decision, decision: Choice) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    attached = each.vm.attached if decision is Choice.STOP else None
    return (attached.ending, attached.disks, attached.addresses) if attached is not None else (None, None, None)


def _planned(decision: Choice, each: Decision) -> PlannedVm:
    instance = each.vm.instance
    return PlannedVm(
        decision,
        each.rank,
        instance.name,
        instance.key.project_id,
        instance.key.zone,
        instance.shape.machine_type,
        str(each.priority),
        each.vm.hourly_cost_usd if decision is Choice.STOP else None,
        *_attached(each, decision),
        each.reason,
    )
