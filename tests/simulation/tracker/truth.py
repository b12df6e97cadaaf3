"""What a world's Spot VMs really cost: seconds and money per VM, hour and run, as fractions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from tests.simulation.tracker.lives import HOUR, Run, Vm
from tests.simulation.tracker.prices import mean_price
from tests.simulation.tracker.world import Access, World


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of a VM within one hour: seconds it ran, seconds that Cloud Monitoring ever says, and the price."""

    vm: Vm
    run: Run
    hour: datetime
    ran: Fraction
    metered: Fraction
    usd_per_hour: Fraction

    @property
    def key(self) -> tuple[str, str, datetime]:
        """The project, the instance and the hour."""
        return self.vm.project_id, self.vm.instance_id, self.hour


def segments(world: World) -> Iterator[Segment]:
    """Yield every segment of every VM, Spot or not, in the projects that may be read."""
    for project_id, access in world.projects.items():
        if access is not Access.OPEN:
            continue
        for hour in world.hours:
            for vm, run in world.running(project_id, hour):
                yield Segment(
                    vm,
                    run,
                    hour,
                    run.seconds(hour, hour + HOUR),
                    vm.metered(run, hour, hour + HOUR),
                    mean_price(run.machine, vm.region, _spans(world, run, hour), world.moves),
                )


def _spans(world: World, run: Run, hour: datetime) -> Iterator[tuple[datetime, Fraction]]:
    """Yield the parts of an hour between moves of prices, with the seconds that a VM ran in each."""
    cuts = [hour, *(move.at for move in world.moves if hour < move.at < hour + HOUR), hour + HOUR]
    for start, end in pairwise(cuts):
        yield start, run.seconds(start, end)
