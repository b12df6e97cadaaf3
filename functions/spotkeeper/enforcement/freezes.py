"""Freezes: which managed instance groups are to add no more instances, and why. Pure.

A group is frozen by switching its autoscaler off: Compute Engine has no mode that only scales in. Lowering the maximum
instead would let the autoscaler replace each stopped member up to it, and asks for a minimum that is as low. The mode
is one field, so that nothing else of the autoscaler is lost, and what people change of it meanwhile stays.
https://cloud.google.com/compute/docs/autoscaler/managing-autoscalers
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from spotkeeper.enforcement.actions import ActionEvent, PlannedEvent
from spotkeeper.enforcement.estimates.estimate import Estimate
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Policy, Priority
from spotkeeper.enforcement.protection import importance, protection
from spotkeeper.enforcement.spot_vms import SpotVm, is_gke_node, snooze
from spotkeeper.enforcement.verdicts import Verdict
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.periods import rfc3339

OFF = "OFF"
"""The mode of an autoscaler that neither adds nor removes instances."""

_GROUP = re.compile(r"projects/[^/]+/(?P<scope>zones|regions)/(?P<place>[^/]+)/instanceGroupManagers/(?P<name>[^/]+)")
_NAMESPACE = uuid.UUID("b3a4b1f0-5a0e-4d3c-8f0e-6f5b7b7f4d57")


class GroupKey(NamedTuple):
    """A managed instance group: `scope` is zones or regions, `place` the zone or the region."""

    project_id: str
    scope: str
    place: str
    name: str

    @property
    def path(self) -> str:
        """Its partial URL."""
        return f"projects/{self.project_id}/{self.scope}/{self.place}/instanceGroupManagers/{self.name}"


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """The autoscaler of a group as it is now; `number` is its id, which one made again under its name does not have."""

    group: GroupKey
    number: str
    name: str
    mode: str

    @property
    def key(self) -> InstanceKey:
        """What identifies it among all rows about instances and groups."""
        return InstanceKey(self.group.project_id, self.group.place, self.number)


@dataclass(frozen=True, slots=True)
class FreezeDecision:
    """Whether a group is to be frozen, and why; `priority` is that of its most important Spot instance."""

    autoscaler: Autoscaler
    freeze: bool
    reason: str
    priority: Priority


@dataclass(frozen=True, slots=True)
class RecordedFreeze:
    """The latest freeze of an autoscaler on record, planned by a message for a budget period.

    `mode` is the mode that it had. `frozen` once it was switched off, `failed` if its latest request failed; `ended_by`
    and `ended_at` say which event ended it, and when.
    """

    message_id: str
    budget_id: str
    group: GroupKey
    number: str
    mode: str
    priority: Priority
    planned_at: datetime
    period_end: datetime
    frozen: bool = False
    failed: bool = False
    ended_by: ActionEvent | None = None
    ended_at: datetime | None = None

    @property
    def key(self) -> InstanceKey:
        """What identifies its autoscaler among all rows."""
        return InstanceKey(self.group.project_id, self.group.place, self.number)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ended_by is None

    @property
    def is_released(self) -> bool:
        """Whether it was ended before its period was over, by a command or by whoever changed the autoscaler."""
        early = self.ended_at is not None and self.ended_at < self.period_end
        return early and self.ended_by in (ActionEvent.THAWED, ActionEvent.THAW_SKIPPED)

    def request_id(self, what: str) -> str:
        """Return the id of the request to freeze or to thaw it; every delivery makes the same one."""
        return str(uuid.uuid5(_NAMESPACE, "/".join((what, self.message_id, *self.key))))


def group_key(project_id: str, path: str | None) -> GroupKey | None:
    """Return the group that a path or URL names, None if it names none; the project may be a number there."""
    found = _GROUP.search(path or "")
    return None if found is None else GroupKey(project_id, found["scope"], found["place"], found["name"])


def is_reached(
    verdict: Verdict, notification: BudgetNotification, policy: Policy, estimate: Estimate | None = None
) -> bool:
    """Whether groups may be frozen: so much is spent, by the bill or, as for the first step, by the estimate."""
    if policy.freeze_groups is None or verdict.rule is None or not verdict.priorities:
        return False
    spent = notification.cost
    if estimate is not None:
        is_first = policy.freeze_groups <= verdict.rule.steps[0].threshold < 1
        spent = max(spent, Decimal(estimate.spent if is_first else estimate.at_least))
    return spent >= notification.budget * policy.freeze_groups


def freeze_decisions(  # noqa: PLR0913, PLR0917 (all of it decides)
    autoscalers: Iterable[Autoscaler],
    vms: Iterable[SpotVm],
    verdict: Verdict,
    policy: Policy,
    freezes: Mapping[InstanceKey, RecordedFreeze],
    now: datetime,
    *,
    message_id: str = "",
    has_gaps: bool = False,
) -> tuple[FreezeDecision, ...]:
    """Return a decision for every group with an autoscaler and with a Spot instance that the rule covers.

    None for one that is frozen already, or whose autoscaler was off before: nothing is to be done about it.
    """
    rule = verdict.rule
    if rule is None:
        return ()
    members = _members(vms)
    found = []
    for each in sorted(autoscalers, key=lambda each: each.group):
        of_group = members.get(each.group, ())
        if not any(rule.covers(vm.instance) for vm in of_group):
            continue
        known = freezes.get(each.key)
        is_ours = known is not None and known.is_open
        if each.mode == OFF:
            continue
        priority = max((importance(vm.instance.labels, policy).priority for vm in of_group), key=lambda one: one.rank)
        reason = "part of the fleet could not be read" if has_gaps else None
        reason = reason or next(
            (why for vm in of_group if (why := _reason_to_spare(vm, rule, verdict, policy, now))), None
        )
        if known is not None and is_ours and not known.frozen and known.message_id != message_id:
            reason = reason or f"freeze pending: planned by message {known.message_id}"
        if known is not None and is_ours and known.frozen:
            reason = reason or f"frozen {rfc3339(known.planned_at)}, and set to {each.mode} by somebody else since"
        if known is not None and known.is_released and now < known.period_end and known.ended_at is not None:
            what = "thawed" if known.ended_by is ActionEvent.THAWED else "changed by somebody else"
            reason = reason or f"{what} {rfc3339(known.ended_at)}: not frozen before {rfc3339(known.period_end)}"
        why = f"its autoscaler, in mode {each.mode}, would replace what is stopped ({len(of_group)} Spot VMs)"
        found.append(FreezeDecision(each, reason is None, reason or why, priority))
    return tuple(found)


def frozen_groups(freezes: Iterable[RecordedFreeze]) -> frozenset[GroupKey]:
    """Return the groups that are frozen."""
    return frozenset(each.group for each in freezes if each.is_open and each.frozen)


def freeze_events(decisions: Iterable[FreezeDecision]) -> list[PlannedEvent]:
    """Return decisions as they are recorded."""
    return [
        PlannedEvent(
            _as_row(each.autoscaler),
            ActionEvent.FREEZE_PLANNED if each.freeze else ActionEvent.FREEZE_SPARED,
            each.reason,
            each.priority,
            autoscaling_mode=each.autoscaler.mode,
        )
        for each in decisions
    ]


def _as_row(autoscaler: Autoscaler) -> Instance:
    group = autoscaler.group
    return Instance(autoscaler.key, group.name, ProvisioningModel.SPOT, Shape("", None, None), managed_by=group.path)


def _members(vms: Iterable[SpotVm]) -> Mapping[GroupKey, Sequence[SpotVm]]:
    found: dict[GroupKey, list[SpotVm]] = {}
    for vm in vms:
        key = group_key(vm.instance.key.project_id, vm.instance.managed_by)
        if key is not None:
            found.setdefault(key, []).append(vm)
    return found


def _reason_to_spare(vm: SpotVm, rule: BudgetRule, verdict: Verdict, policy: Policy, now: datetime) -> str | None:
    """Return why a group is not frozen because of one of its Spot instances."""
    instance, name = vm.instance, vm.instance.name
    if is_gke_node(instance):
        return f"{name} is a GKE node: its cluster sizes the group"
    if vm.unreadable:
        return f"{name} could not be read"
    if not rule.covers(instance):
        return f"the budget does not cover {name}"
    if protected := protection(instance.labels, policy, now) or snooze(vm.snoozed_until, now):
        return f"{name} is {protected}"
    important = importance(instance.labels, policy)
    if important.priority not in verdict.priorities:
        return f"{name} has {important.priority} priority ({important.source}): not stopped at this step"
    return None
