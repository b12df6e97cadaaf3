"""`plan`: which VMs would be stopped at a given spend; nothing is stopped or recorded."""

import argparse
import base64
from collections.abc import Iterator

from spotkeeper.cli.commands import Subparsers
from spotkeeper.cli.enforcer_arguments import (
    add_budget_arguments,
    attributes,
    body,
    chosen_rule,
    enforcer_settings,
    time_of,
)
from spotkeeper.cli.text_tables import aligned
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.notifications import Malformed, read_notification
from spotkeeper.enforcement.plans import Decision
from spotkeeper.enforcement.policies import Policy
from spotkeeper.enforcement.protection import has_priority
from spotkeeper.errors import RefusedRequestError
from spotkeeper.periods import rfc3339


def add_to(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Describe the command."""
    parser = subparsers.add_parser(
        "plan",
        help="which VMs would be stopped at a given spend",
        description="Print the plan that the enforcer would make, with a reason for every Spot VM, stopped or spared. "
        "Settings are those of the function, from the environment. Nothing is stopped or recorded.",
    )
    add_budget_arguments(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict and the plan."""
    from spotkeeper.enforcement.enforce import preview
    from spotkeeper.gcp.enforcer import enforcer_ports

    settings = enforcer_settings()
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
    for line in plan_lines(preview(settings, enforcer_ports(settings), notification, at), settings.policy):
        print(line)
    return 0


def plan_lines(delivery: Delivery, policy: Policy) -> Iterator[str]:
    """Yield the verdict, the money, and every VM with its reason."""
    made = delivery.plan
    yield f"{delivery.verdict.name}: {delivery.verdict.reason}"
    if made is None:
        return
    yield (
        f"Running Spot VMs: {made.hourly_cost_usd:.4f} USD/h"
        f"{f' ({made.unpriced} without a price)' if made.unpriced else ''}; "
        f"the plan saves {made.hourly_savings:.4f} USD/h."
    )
    if delivery.blocker is not None:
        yield f"nothing can be stopped: {delivery.blocker}"
    yield from _unlabelled_line(delivery, policy)
    for gap in delivery.gaps:
        yield f"could not be read: {gap}"
    yield ""
    yield from aligned([_row("stop", each) for each in made.stops] + [_row("spare", each) for each in made.spared])


def _unlabelled_line(delivery: Delivery, policy: Policy) -> Iterator[str]:
    made = delivery.plan
    decisions = (*made.stops, *made.spared) if made else ()
    count = sum(not has_priority(each.vm.instance.labels, policy) for each in decisions)
    if count:
        yield (
            f"{count} of {len(decisions)} Spot VMs have no label {policy.priority_label} and count as "
            f"{policy.unlabelled_priority}."
        )


def _row(what: str, each: Decision) -> tuple[str, ...]:
    key = each.vm.instance.key
    return what, each.vm.instance.name, f"{key.project_id}/{key.zone}", each.vm.instance.shape.machine_type, each.reason
