"""What a world is drawn from, and how the tracker is called in it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Parameters:
    """The size of a world and what happens in it; each happening can be left out, so that its effect can be measured.

    `mean_life` is that of ephemeral VMs, of which there are `vms`; `long_lived` ones live for days beside them. With
    `odd_minutes` prices move within an hour. `runs`
    and `budgets` name what `calls.py` has.
    """

    vms: int = 500
    long_lived: int = 25
    hours: int = 72
    mean_life: timedelta = timedelta(minutes=30)
    seed: int = 1
    start: datetime = datetime(2026, 7, 19, tzinfo=UTC)
    changes: bool = False
    relabels: bool = False
    moves: bool = False
    odd_minutes: bool = False
    capacity_history: bool = False
    late_points: bool = False
    lost_points: bool = False
    outages: bool = False
    unreadable_projects: bool = False
    local_ssd: bool = False
    workstations: bool = False
    first_minute: bool = False
    odd_metadata: bool = False
    asset_history: bool = True
    asset_delay: timedelta = timedelta(0)
    audit_log: bool = False
    runs: str = "hourly"
    sample_phases: bool = False
    budgets: str = ""
