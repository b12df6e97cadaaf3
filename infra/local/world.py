"""What all stand-ins share: the fleet, the clock, the faults, and a record of what was asked and sent."""

from collections import Counter
from dataclasses import dataclass, field

from infra.local.clock import Clock
from infra.local.faults import Faults
from infra.local.fleet import Fleet


@dataclass(slots=True)
class World:
    """One world, changed only through its control interface.

    `metrics_scopes` names the projects whose metrics a project also reads, as a Cloud Monitoring metrics scope does.
    """

    fleet: Fleet
    clock: Clock
    faults: Faults = field(default_factory=Faults)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    metrics_scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
