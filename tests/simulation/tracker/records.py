"""What the tracker recorded, in the world's own terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one Spot VM cost from `start` to `end`; hours and money with nine decimals, None where unknown."""

    project_id: str
    zone: str
    instance_id: str
    hour: datetime
    start: datetime
    end: datetime
    machine_type: str
    gpus: tuple[str, int] | None
    local_ssd_gib: int
    labels: Mapping[str, str]
    uptime_hours: Decimal
    billed_hours: Decimal
    price: Decimal | None
    price_status: str
    cost: Decimal | None
    known_cost: Decimal
    """`cost` and that of what is attached, as far as they are known: what a budget is compared with."""


@dataclass(frozen=True, slots=True)
class ProjectHour:
    """What is recorded of one project and hour: whether it was read in full, named gaps, and unresolved seconds.

    A `final` one lacks what its gaps name, and no run will read it.
    """

    complete: bool
    gaps: tuple[str, ...] = ()
    unresolved: Mapping[str, Fraction] = field(default_factory=dict)
    final: bool = False


@dataclass(frozen=True, slots=True)
class SentAlert:
    """A budget alert: the period it is about, the share of the budget that was reached, the budget, and the cost."""

    kind: str
    start: datetime
    threshold: Decimal
    budget: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Records:
    """All that is recorded when the world is over; `reads` counts how often a project and hour was read."""

    rows: Sequence[CostRow]
    hours: Mapping[tuple[str, datetime], ProjectHour]
    alerts: Sequence[SentAlert]
    reads: Mapping[tuple[str, datetime], int]
