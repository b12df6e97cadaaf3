"""Thawing: groups that were frozen are thawed before the end of their period, because a person wants it."""

from dataclasses import dataclass, replace

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.freezing import Freezing, named
from spotkeeper.enforcement.notifications import Command
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.recording import record_delivery, waiting_for_records
from spotkeeper.enforcement.verdicts import Verdict, VerdictName


@dataclass(frozen=True, slots=True)
class Thawing:
    """The way of one command from the freezes on record to the changes of autoscalers and their record."""

    ports: EnforcerPorts
    command: Command

    def run(self, delivery: Delivery, freezing: Freezing) -> Verdict:
        """Thaw the groups, or record that there are none; a redelivery thaws what is still frozen of them.

        Raises UnavailableError when nothing could be recorded, and an ExceptionGroup of what failed after that.
        """
        with waiting_for_records(delivery.message_id):
            recorded = self.ports.records.freezes(delivery.received_at)
        earlier = [each for each in recorded if each.planned_at <= self.command.published_at]
        freezes = named(earlier, self.command.target or None)
        verdict = Verdict(VerdictName.NOTHING_TO_THAW, "no group of this name is frozen")
        if not self.command.target:
            verdict = replace(verdict, reason="no group is frozen")
        if freezes:
            groups = ", ".join(each.group.name for each in freezes)
            verdict = Verdict(VerdictName.THAWED, f"groups to thaw, none frozen again in this period: {groups}")
        record_delivery(self.ports.records, replace(delivery, verdict=verdict))
        freezing.thaw(delivery, freezes, f"command {delivery.message_id}")
        return verdict
