"""The managed instance groups of a plan, as `plan`, `drill` and `approve` print them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spotkeeper.cli.output import Row
from spotkeeper.cli.text_tables import aligned
from spotkeeper.enforcement.actions import ActionEvent
from spotkeeper.enforcement.deliveries import Delivery

_DECISIONS = {ActionEvent.FREEZE_PLANNED: "freeze", ActionEvent.FREEZE_SPARED: "do not freeze"}


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A group of a plan: whether it is frozen, the mode of its autoscaler, and the reason."""

    decision: str
    name: str
    project_id: str
    place: str
    mode: str
    reason: str

    def fields(self) -> Row:
        """Return its fields for JSON."""
        return {
            "decision": self.decision,
            "name": self.name,
            "project_id": self.project_id,
            "place": self.place,
            "autoscaling_mode": self.mode,
            "reason": self.reason,
        }


def planned_groups(delivery: Delivery) -> Sequence[PlannedGroup]:
    """Return the groups of a plan that was made now."""
    return [
        PlannedGroup(
            _DECISIONS[ActionEvent.FREEZE_PLANNED if each.freeze else ActionEvent.FREEZE_SPARED],
            each.autoscaler.group.name,
            each.autoscaler.group.project_id,
            each.autoscaler.group.place,
            each.autoscaler.mode,
            each.reason,
        )
        for each in delivery.freezes
    ]


def recorded_groups(rows: Sequence[Mapping[str, Any]]) -> Sequence[PlannedGroup]:
    """Return the groups of a plan that is on record."""
    return [
        PlannedGroup(
            _DECISIONS[row["event"]],
            row["instance_name"],
            row["project_id"],
            row["zone"],
            row["autoscaling_mode"],
            row["action_reason"],
        )
        for row in rows
        if row["event"] in _DECISIONS
    ]


def group_lines(groups: Sequence[PlannedGroup], *, width: int | None) -> Iterator[str]:
    """Yield each group with its reason, under an empty line."""
    if groups:
        yield ""
        rows = [(each.decision, each.name, f"{each.project_id}/{each.place}", each.reason) for each in groups]
        yield from aligned(rows, width=width)
