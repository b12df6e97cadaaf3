"""The worlds that are lived through: one for each thing that happens, one for all, and what is not promised yet.

A world is small in the suite; `python -m tests.simulation.tracker` makes it as large as wanted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tests.simulation.tracker.parameters import Parameters

SMALL = Parameters(
    vms=30, long_lived=5, hours=18, start=datetime(2026, 7, 19, 14, tzinfo=UTC), mean_life=timedelta(minutes=30)
)


@dataclass(frozen=True, slots=True)
class NamedWorld:
    """Parameters, and the judgements that the tracker does not pass there yet; they are measured all the same."""

    parameters: Parameters
    pending: frozenset[str] = frozenset()


def _world(parameters: Parameters, *pending: str) -> NamedWorld:
    return NamedWorld(parameters, frozenset(pending))


WORLDS: Mapping[str, NamedWorld] = {
    "nothing special": _world(replace(SMALL, relabels=True)),
    "lives of 5 minutes": _world(replace(SMALL, mean_life=timedelta(minutes=5))),
    "no asset history": _world(replace(SMALL, asset_history=False), "vms_are_identified"),
    "asset inventory 20 minutes late": _world(replace(SMALL, asset_delay=timedelta(minutes=20))),
    "asset inventory 100 minutes late": _world(replace(SMALL, asset_delay=timedelta(minutes=100))),
    "asset inventory 8 hours late": _world(replace(SMALL, asset_delay=timedelta(hours=8)), "vms_are_identified"),
    "asset inventory 8 hours late, with the audit log": _world(
        replace(SMALL, asset_delay=timedelta(hours=8), audit_log=True)
    ),
    "machines changed while stopped": _world(replace(SMALL, changes=True, long_lived=20, hours=40)),
    "prices moved": _world(replace(SMALL, moves=True)),
    "prices moved at odd minutes": _world(replace(SMALL, moves=True, odd_minutes=True, hours=52)),
    "prices moved at odd minutes, with their history": _world(
        replace(SMALL, moves=True, odd_minutes=True, hours=52, capacity_history=True)
    ),
    "outages": _world(replace(SMALL, outages=True)),
    "prices moved in an outage": _world(replace(SMALL, moves=True, outages=True)),
    "points late": _world(replace(SMALL, late_points=True)),
    "points lost": _world(replace(SMALL, lost_points=True)),
    "samples at any second of the minute": _world(replace(SMALL, sample_phases=True)),
    "projects that cannot be read": _world(replace(SMALL, unreadable_projects=True)),
    "local SSD in a month of 28 days": _world(replace(SMALL, local_ssd=True, start=datetime(2026, 2, 10, tzinfo=UTC))),
    "local SSD from a month of 30 days into one of 31": _world(
        replace(SMALL, local_ssd=True, start=datetime(2026, 6, 30, 12, tzinfo=UTC))
    ),
    "virtual workstations": _world(replace(SMALL, workstations=True)),
    "preempted in the first minute": _world(replace(SMALL, first_minute=True)),
    "metadata without key or value": _world(replace(SMALL, odd_metadata=True)),
    "runs late, doubled and out of order": _world(replace(SMALL, runs="irregular", relabels=True, hours=60)),
    "runs killed": _world(replace(SMALL, runs="interrupted", budgets="constant")),
    "budget raised": _world(replace(SMALL, budgets="raised")),
    "budget lowered": _world(replace(SMALL, budgets="lowered")),
    "no run for 62 hours": _world(replace(SMALL, runs="silent", hours=72)),
    "everything": _world(
        replace(
            SMALL,
            long_lived=20,
            changes=True,
            relabels=True,
            moves=True,
            late_points=True,
            lost_points=True,
            outages=True,
            unreadable_projects=True,
            local_ssd=True,
            workstations=True,
            first_minute=True,
            odd_metadata=True,
            sample_phases=True,
            asset_delay=timedelta(minutes=20),
            budgets="raised",
            runs="irregular",
        ),
        # A late inventory says of a machine that was changed already that it still holds: 0.05 % of the seconds.
        "rows_have_uptime",
        "rows_hold_what_was_metered",
        "rows_are_within_one_sample",
        "seconds_are_accounted_for",
        "machines_are_as_they_ran",
    ),
}
