"""The freezes of one message: which groups it plans to freeze, and whether it still would right before it does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Deadline
from spotkeeper.enforcement.freezes import (
    Autoscaler,
    FreezeDecision,
    RecordedFreeze,
    freeze_decisions,
    frozen_groups,
    group_key,
    is_reached,
)
from spotkeeper.enforcement.freezing import Freezing
from spotkeeper.enforcement.history import History, Reported
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.recording import collecting, raise_collected, waiting_for_records
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import newest_credible
from spotkeeper.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class MessageFreezes:
    """The groups that one notification freezes before its stops."""

    policy: Policy
    ports: EnforcerPorts
    notification: BudgetNotification
    rule: BudgetRule

    def recorded(self, delivery: Delivery) -> Sequence[RecordedFreeze]:
        """Return the freezes of all messages on record; raises UnavailableError."""
        with waiting_for_records(delivery.message_id):
            return self.ports.records.freezes(delivery.received_at)

    def planned(
        self, delivery: Delivery, vms: Sequence[SpotVm], *, has_gaps: bool
    ) -> tuple[Iterable[SpotVm], tuple[FreezeDecision, ...], tuple[str, ...]]:
        """Return the instances, those marked that no autoscaler would replace; which groups are to be frozen; the gaps.

        A gap is a project whose autoscalers could not be listed. Raises UnavailableError.
        """
        recorded = self.recorded(delivery)
        decisions, gaps = self._decisions(delivery, vms, recorded, has_gaps=has_gaps)
        return _in_frozen_groups(vms, decisions, recorded), decisions, gaps

    def carry_out(
        self,
        delivery: Delivery,
        history: History,
        deadline: Deadline,
        fleet: Callable[[], tuple[list[SpotVm], tuple[str, ...]]],
        newer: Callable[[], tuple[Reported, ...]],
    ) -> None:
        """Freeze what this message planned to, if it would plan the same again; leave what somebody else changed.

        `fleet` lists the instances and the gaps, `newer` what newer notifications reported. Raises UnavailableError
        when these or the records cannot be read, and an ExceptionGroup of what failed.
        """
        if self.policy.freeze_groups is None:
            return
        recorded = self.recorded(delivery)
        if not any(each.is_open for each in recorded):
            return
        vms, fleet_gaps = fleet()
        snoozed = [replace(vm, snoozed_until=history.snoozed.get(vm.instance.key)) for vm in vms]
        decisions, gaps = self._decisions(delivery, snoozed, recorded, has_gaps=bool(fleet_gaps))
        freezing = Freezing(self.ports.autoscalers, self.ports.records, deadline, self.ports.parallel_requests)
        failures: list[Exception] = []
        with collecting(failures):
            freezing.freeze(delivery, recorded, partial(self._reason_not_to, delivery, decisions, gaps, newer))
        with collecting(failures):
            freezing.leave(delivery, recorded, decisions)
        raise_collected(delivery, failures)

    def _decisions(
        self, delivery: Delivery, vms: Sequence[SpotVm], recorded: Iterable[RecordedFreeze], *, has_gaps: bool
    ) -> tuple[tuple[FreezeDecision, ...], tuple[str, ...]]:
        """Return which groups are to be frozen, and the projects whose autoscalers could not be listed."""
        gaps: list[str] = []
        found: list[Autoscaler] = []
        for project_id in sorted({vm.instance.key.project_id for vm in vms if vm.instance.managed_by}):
            try:
                found += self.ports.autoscalers.autoscalers(project_id, gaps.append)
            except UnavailableError as error:
                gaps.append(f"{project_id}: autoscalers: {error}")
        decisions = freeze_decisions(
            found,
            vms,
            delivery.verdict,
            self.policy,
            {each.key: each for each in recorded},
            delivery.received_at,
            message_id=delivery.message_id,
            has_gaps=has_gaps,
        )
        return decisions, tuple(dict.fromkeys(gaps))

    def _reason_not_to(
        self,
        delivery: Delivery,
        decisions: Iterable[FreezeDecision],
        gaps: Iterable[str],
        newer: Callable[[], tuple[Reported, ...]],
        freeze: RecordedFreeze,
    ) -> str | None:
        """Return why a planned freeze is not carried out now; None if it is.

        Raises UnavailableError while that is unknown: its autoscaler was not listed, and a list has gaps.
        """
        now, verdict = delivery.received_at, delivery.verdict
        if self.policy.snoozed(now):
            return "the policy is snoozed"
        if freeze.period_end <= now:
            return "the budget period is over"
        estimate = delivery.known_estimate
        newest = newest_credible(newer(), self.rule, self.policy)
        said = self.notification
        if newest is not None and newest.published_at > said.published_at:
            said, estimate = replace(said, cost=newest.cost, budget=newest.budget), None
        if not is_reached(verdict, said, self.policy, estimate):
            return "the share of the budget from which on groups are frozen is no longer reached"
        decision = next((each for each in decisions if each.autoscaler.key == freeze.key), None)
        if decision is None and (unread := "; ".join(gaps)):
            raise UnavailableError(unread)
        if decision is None:
            return "the budget covers no Spot VM of the group any more, or its autoscaler is off or gone"
        return None if decision.freeze else decision.reason


def _in_frozen_groups(
    vms: Iterable[SpotVm], freezes: Iterable[FreezeDecision], recorded: Iterable[RecordedFreeze]
) -> Iterator[SpotVm]:
    """Yield the instances, those marked that no autoscaler would replace."""
    frozen = frozen_groups(recorded) | {each.autoscaler.group for each in freezes if each.freeze}
    for vm in vms:
        group = group_key(vm.instance.key.project_id, vm.instance.managed_by)
        yield replace(vm, in_frozen_group=True) if group in frozen else vm
