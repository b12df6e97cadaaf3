"""Draws a world from its parameters; the same seed makes the same world."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

from tests.simulation.tracker.lives import HOUR, STAGING, Run, Vm, Withheld
from tests.simulation.tracker.machines import ACCELERATED, LARGE, ORDINARY, WITH_LOCAL_SSD, WORKSTATIONS, Machine
from tests.simulation.tracker.parameters import Parameters
from tests.simulation.tracker.prices import BILLING_TIME, Move, midnight_in_billing_time
from tests.simulation.tracker.world import Access, Outage, Service, World

PROJECTS = ("ci-runners", "batch-jobs", "render-farm")
UNREADABLE = {"denied-project": Access.DENIED, "no-compute": Access.API_OFF}
ZONES = ("us-central1-a", "us-central1-b", "europe-west4-a")
SHORTEST_LIFE = timedelta(minutes=3)
QUIET_HOURS = 4
"""Before the end of a world no VM is created, so that what is learned late is learned before it is over."""

_TEAMS = ("search", "ads", "maps")
_METADATA: tuple[Mapping[str, str], ...] = ({}, {"key": "created-by"}, {"key": "created-by", "value": ""})
"""Items without key, without value and with an empty one occur in recorded answers."""


def draw(parameters: Parameters) -> World:
    """Return the world of these parameters."""
    end = parameters.start + HOUR * parameters.hours
    projects = dict.fromkeys(PROJECTS, Access.OPEN)
    if parameters.unreadable_projects:
        projects |= UNREADABLE
    return World(
        start=parameters.start,
        end=end,
        projects=projects,
        vms=tuple(_Draw(parameters, Random(parameters.seed)).vms()),  # noqa: S311 (no secret)
        moves=_moves(parameters) if parameters.moves else (),
        outages=tuple(_outages(parameters.start, parameters.hours)) if parameters.outages else (),
        asset_delay=parameters.asset_delay,
        capacity_history=parameters.capacity_history,
    )


@dataclass(slots=True)
class _Draw:
    """Draws VMs one after another."""

    parameters: Parameters
    random: Random
    next_id: int = 4_000_000_000_000_000_000

    def vms(self) -> Iterator[Vm]:
        """Yield ephemeral VMs, those that come back under the same name, and long-lived ones."""
        for number in range(self.parameters.vms):
            vm = self._ephemeral(f"worker-{number}")
            yield vm
            if vm.runs[0].preempted and self.random.random() < 0.5:
                yield self._successor(vm)
        for number in range(self.parameters.long_lived):
            yield self._long_lived(f"server-{number}")

    def _ephemeral(self, name: str) -> Vm:
        mean = (self.parameters.mean_life - SHORTEST_LIFE).total_seconds()
        life = SHORTEST_LIFE + self._milliseconds(self.random.expovariate(1 / mean) if mean > 0 else 0)
        preempted = self.random.random() < 0.2
        if preempted and self.parameters.first_minute and self.random.random() < 0.4:
            life = STAGING + self._milliseconds(self.random.uniform(5, 50))
        created = self.parameters.start + self._milliseconds(
            self.random.uniform(0, (self.parameters.hours - QUIET_HOURS) * HOUR.total_seconds())
        )
        machine = self._machine()
        run = Run(created + STAGING, created + life, machine, preempted=preempted and machine.spot)
        return self._vm(name, created, created + life + timedelta(seconds=30), (run,))

    def _successor(self, vm: Vm) -> Vm:
        """The VM that a managed instance group makes in the place of a preempted one: same name, new id."""
        created = vm.deleted + timedelta(seconds=20)
        life = SHORTEST_LIFE + self._milliseconds(self.random.uniform(0, 1800))
        run = Run(created + STAGING, created + life, vm.runs[0].machine)
        again = self._vm(vm.name, created, created + life + timedelta(seconds=30), (run,))
        return replace(again, project_id=vm.project_id, zone=vm.zone)

    def _long_lived(self, name: str) -> Vm:
        """A VM that is stopped and started over days; between two runs it may become another machine."""
        created = self.parameters.start + self._milliseconds(self.random.uniform(0, 6 * HOUR.total_seconds()))
        end = self.parameters.start + self.parameters.hours * HOUR
        machine = self._machine()
        runs = []
        at = created + STAGING
        while at < end:
            stop = at + self._milliseconds(self.random.uniform(1, 14) * HOUR.total_seconds())
            runs.append(Run(at, stop, machine, preempted=machine.spot and self.random.random() < 0.3))
            at = stop + self._milliseconds(self.random.uniform(60, 5400))
            machine = self._changed(machine)
        labels = [(created, self._labels())]
        if self.parameters.relabels:
            labels.append((created + self._milliseconds(self.random.uniform(2, 40) * HOUR.total_seconds()), {}))
        return replace(self._vm(name, created, at + 10 * HOUR, tuple(runs)), labels=tuple(labels))

    def _changed(self, machine: Machine) -> Machine:
        if not self.parameters.changes:
            return machine
        match self.random.randrange(3):
            case 0:
                return LARGE.bought(spot=machine.spot)
            case 1:
                return machine.bought(spot=not machine.spot)
            case _:
                return self.random.choice(ORDINARY).bought(spot=machine.spot)

    def _machine(self) -> Machine:
        kinds = [*ORDINARY, *ACCELERATED]
        kinds += 3 * WITH_LOCAL_SSD if self.parameters.local_ssd else ()
        kinds += 5 * WORKSTATIONS if self.parameters.workstations else ()
        return self.random.choice(kinds).bought(spot=self.random.random() < 0.75)

    def _vm(self, name: str, created: datetime, deleted: datetime, runs: tuple[Run, ...]) -> Vm:
        self.next_id += self.random.randrange(1, 1000)
        return Vm(
            project_id=self.random.choice(PROJECTS),
            zone=self.random.choice(ZONES),
            name=name,
            instance_id=str(self.next_id),
            created=created,
            deleted=deleted,
            runs=runs,
            labels=((created, self._labels()),),
            items=(self.random.choice(_METADATA),)
            if self.parameters.odd_metadata and self.random.random() < 0.05
            else (),
            withheld=tuple(self._withheld(runs)),
            lag=timedelta(seconds=self.random.randrange(60) if self.parameters.sample_phases else 0),
        )

    def _withheld(self, runs: tuple[Run, ...]) -> Iterator[Withheld]:
        """Some points are visible only after the next run of the tracker, some never."""
        if self.parameters.late_points and self.random.random() < 0.2:
            hour = runs[0].start.replace(minute=0, second=0, microsecond=0)
            visible_at = hour + HOUR + timedelta(minutes=self.random.randrange(10, 60))
            yield Withheld(hour + timedelta(minutes=self.random.randrange(20, 55)), hour + HOUR, visible_at)
        elif self.parameters.lost_points and self.random.random() < 0.2:
            after = runs[0].start.replace(second=0, microsecond=0) + timedelta(minutes=self.random.randrange(5))
            yield Withheld(after, after + timedelta(minutes=self.random.randrange(1, 10)))

    def _labels(self) -> Mapping[str, str]:
        return {"team": self.random.choice(_TEAMS)} if self.random.random() < 0.9 else {}

    def _milliseconds(self, seconds: float) -> timedelta:
        return timedelta(milliseconds=round(seconds * 1000))


def _moves(parameters: Parameters) -> tuple[Move, ...]:
    """Spot prices move on the second day, between two readings of the catalog, and on Mondays at midnight Pacific.

    At odd minutes they move twice between two readings, so that none has the price in between, once after them, and
    in the hours before and after a midnight Pacific.
    """
    start, hours = parameters.start, parameters.hours
    moves = [Move(_scaled(start, hours, 27), Fraction(23, 20))]
    if parameters.odd_minutes:
        first = moves[0].at + timedelta(minutes=83)
        later = first + timedelta(minutes=74), first + timedelta(minutes=370)
        moves = [Move(first, Fraction(23, 20)), Move(later[0], Fraction(6, 5)), Move(later[1], Fraction(11, 10))]
        night = midnight_in_billing_time(later[1] + timedelta(hours=30))
        moves += [
            Move(night - timedelta(minutes=19), Fraction(7, 6)),
            Move(night + timedelta(minutes=23), Fraction(8, 7)),
        ]
    midnight = midnight_in_billing_time(start)
    while (midnight := midnight_in_billing_time(midnight + timedelta(hours=30))) < start + hours * HOUR:
        if midnight.astimezone(BILLING_TIME).weekday() == 0:
            moves.append(Move(midnight, Fraction(9, 10)))
    return tuple(sorted(moves, key=lambda move: move.at))


def _outages(start: datetime, hours: int) -> Iterator[Outage]:
    """Each source fails once: whole, in one project or in one zone; the catalog while a price moves."""

    def outage(service: Service, begin: int, end: int, project_id: str = "", zone: str = "") -> Outage:
        return Outage(service, _scaled(start, hours, begin), _scaled(start, hours, end), project_id, zone)

    yield outage(Service.MONITORING, 8, 12)
    yield outage(Service.MONITORING, 18, 22, project_id=PROJECTS[0])
    yield outage(Service.COMPUTE, 12, 16, project_id=PROJECTS[1])
    yield outage(Service.COMPUTE, 16, 20, zone=ZONES[0])
    yield outage(Service.CATALOG, 24, 40)
    yield outage(Service.ASSETS, 44, 48)


def _scaled(start: datetime, hours: int, of_72: int) -> datetime:
    """Return the hour of a world that is as far in it as this hour is in one of 72."""
    return start + of_72 * hours // 72 * HOUR
