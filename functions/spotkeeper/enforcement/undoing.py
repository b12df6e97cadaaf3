"""Undoing: instances that a message stopped are started again and are not stopped before the end of the period."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotkeeper.enforcement.command_ports import CommandRecords, StopsOfMessage
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.executor import Executor
from spotkeeper.enforcement.following_up import follow_up
from spotkeeper.enforcement.freezes import RecordedFreeze
from spotkeeper.enforcement.freezing import Freezing
from spotkeeper.enforcement.notifications import Command
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.recording import (
    MAX_PLANNING_ATTEMPTS,
    collecting,
    planned_meanwhile,
    raise_collected,
    record_delivery,
    waiting_for_records,
)
from spotkeeper.enforcement.restarting import Restarting
from spotkeeper.enforcement.verdicts import Verdict, VerdictName
from spotkeeper.periods import Period, rfc3339


@dataclass(frozen=True, slots=True)
class Undoing:
    """The way of one undo from the stops of its message to the starts and their record."""

    policy: Policy
    ports: EnforcerPorts
    records: CommandRecords
    command: Command

    def run(self, delivery: Delivery, executor: Executor) -> Verdict:
        """Snooze and start, or finish what an earlier delivery of the undo began; or record why not.

        Raises UnavailableError when nothing could be recorded, and an ExceptionGroup of what failed after that.
        """
        for _ in range(MAX_PLANNING_ATTEMPTS):
            with waiting_for_records(delivery.message_id):
                stops = self.records.stops_of(self.command.target, delivery.received_at)
                recorded = self.ports.records.freezes(delivery.received_at)
            freezes = [each for each in recorded if each.is_open and each.message_id == self.command.target]
            rule = self.policy.budgets.get(stops.notification.budget_id) if stops else None
            if freezes and (stops is None or rule is None):
                return self._only_thawed(delivery, freezes, executor)
            if stops is None or rule is None:
                verdict = Verdict(VerdictName.NOTHING_TO_UNDO, self._why_nothing(delivery, stops))
                record_delivery(self.ports.records, replace(delivery, verdict=verdict))
                return verdict
            failures: list[Exception] = []
            found = None
            with collecting(failures):
                found = self._begun(delivery, stops, rule, executor)
            if found is None and not failures:
                continue
            with collecting(failures):
                self._thaw(delivery, freezes, executor)
            raise_collected(delivery, failures)
            if found is not None:
                return found
        raise planned_meanwhile()

    def _why_nothing(self, delivery: Delivery, stops: StopsOfMessage | None) -> str:
        """Say why a message has no stop to undo: that of a plan is one of the message that executed the plan."""
        if stops is not None:
            return f"the policy has no budget {stops.notification.budget_id!r}"
        with waiting_for_records(delivery.message_id):
            proposal = self.records.proposal(self.command.target, delivery.received_at)
        if proposal is None:
            return f"message {self.command.target} planned no stop"
        if proposal.plan.executed_by is None:
            return f"the plan of message {self.command.target} was not executed: nothing was stopped"
        executed_by = proposal.plan.executed_by
        return f"the plan of message {self.command.target} was executed by message {executed_by}: undo that one"

    def _only_thawed(self, delivery: Delivery, freezes: Sequence[RecordedFreeze], executor: Executor) -> Verdict:
        """Thaw what a message froze that planned no stop."""
        groups = ", ".join(each.group.name for each in freezes)
        verdict = Verdict(
            VerdictName.UNDONE, f"message {self.command.target} planned no stop; groups to thaw: {groups}"
        )
        record_delivery(self.ports.records, replace(delivery, verdict=verdict))
        self._thaw(delivery, freezes, executor)
        return verdict

    def _thaw(self, delivery: Delivery, freezes: Sequence[RecordedFreeze], executor: Executor) -> None:
        freezing = Freezing(self.ports.autoscalers, self.ports.records, executor.deadline, self.ports.parallel_requests)
        freezing.thaw(delivery, freezes, f"undo of message {self.command.target}")

    def _begun(self, delivery: Delivery, stops: StopsOfMessage, rule: BudgetRule, executor: Executor) -> Verdict | None:
        """Record the snooze and the starts, and start; None if another plan was recorded meanwhile."""
        said = replace(stops.notification, message=self.command.message)
        with waiting_for_records(delivery.message_id):
            history = self.ports.records.history(said, rule, delivery.received_at)
            # Read after the history: of two undos at once, the second one counts the starts of the first.
            stops = self.records.stops_of(self.command.target, delivery.received_at) or stops
            self.records.snooze(delivery, stops.planned, stops.until)
            latest = self.ports.records.latest(delivery.received_at, self.policy.min_share_of_tracker_cost)
        resumed = history.received_before
        verdict = self._verdict(stops, rule, resumed=resumed)
        current = replace(delivery, verdict=verdict, target=self.command.target)
        # What one message stopped, one command starts; the limit of a day holds.
        caps = replace(rule.caps, per_alert=max(rule.caps.per_alert, len(stops.stopped)))
        occasion = f"undo of message {self.command.target}, stopped"
        restarting = Restarting(
            self.policy,
            self.ports.records,
            executor,
            said,
            replace(rule, caps=caps),
            occasion=occasion,
            is_command=True,
        )
        blocked = restarting.blocked(each for each in latest if each.budget_id != rule.budget_id)
        planned = (
            restarting.resume(current, history, stops.stopped)
            if resumed
            else restarting.begin(current, history, stops.stopped, stops.starts, blocked)
        )
        if planned is None:
            return None
        follow_up(self.ports.records, current, history, self.policy, executor)
        restarting.start(current, planned, blocked, resumed=resumed)
        return verdict

    def _verdict(self, stops: StopsOfMessage, rule: BudgetRule, *, resumed: bool) -> Verdict:
        own = rule.period_at(stops.notification.interval_start)
        period = Period(own.kind, own.start, stops.until)
        if resumed:
            return Verdict(VerdictName.REDELIVERED, "this message was received before", rule, period)
        to_undo = f"stops of message {self.command.target} to undo: {len(stops.stopped)}"
        reason = f"{to_undo}; VMs snoozed until {rfc3339(stops.until)}: {len(stops.planned)}"
        return Verdict(VerdictName.UNDONE, reason, rule, period)
