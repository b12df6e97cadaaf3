"""A fleet that lives: VMs come, run, are preempted, come back under the same name with a new id, and go.

Everything here is plain data and pure functions of it: the same seed makes the same fleet, and time is always given.
A test computes what the product should say from `Fleet.vms` alone, without any server.
"""

import copy
import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from infra.local.fleet.machine_types import LOCAL_SSD_GIB, MachineType, machine_types

FLEET_START = datetime(2026, 7, 21, tzinfo=UTC)
FLEET_END = FLEET_START + timedelta(hours=48)
SAMPLE = timedelta(seconds=60)
VISIBLE_AFTER = timedelta(seconds=240)
PROVISIONING_TIME = timedelta(seconds=4)
STAGING_TIME = timedelta(seconds=20)
STOPPING_TIME = timedelta(seconds=30)

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Project:
    """A project: Google Cloud writes its id in some places and its number in others."""

    project_id: str
    number: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """GPUs attached to a VM, beyond those its machine type brings along."""

    gpu_type: str
    count: int


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of running, `[start, end)`; one without an end goes on.

    After its end the VM shuts down until `shutdown_end`, for 30 seconds when that is not given.
    """

    start: datetime
    end: datetime | None = None
    preempted: bool = False
    suspended: bool = False
    shutdown_end: datetime | None = None

    @property
    def terminated_at(self) -> datetime | None:
        """When the VM has shut down after it, None while it goes on."""
        return self.shutdown_end or (self.end + STOPPING_TIME if self.end is not None else None)


@dataclass(frozen=True, slots=True)
class Gap:
    """Minutes that never reached Cloud Monitoring: the points stamped in `(after, until]` are lost for good."""

    after: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """What a disk is made of; IOPS and MiB/s as far as they are provisioned."""

    disk_type: str = "pd-balanced"
    size_gib: int = 50
    iops: int = 0
    throughput_mibps: int = 0


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk with a life of its own; `place` is its zone, or the region of one that is kept in two zones.

    `specs` and `users` say what it was made of, and the zones and names of the VMs that had it attached, from when on.
    """

    project_id: str
    place: str
    name: str
    created: datetime
    specs: tuple[tuple[datetime, DiskSpec], ...]
    users: tuple[tuple[datetime, tuple[tuple[str, str], ...]], ...] = ()
    deleted: datetime | None = None
    labels: Labels = field(default_factory=dict)

    @property
    def disk_id(self) -> int:
        """Its id, that of one disk for ever."""
        return instance_id("disk", self.project_id, self.place, self.name, self.created)

    @property
    def regional(self) -> bool:
        """Whether it is kept in two zones."""
        return not self.place.rpartition("-")[2].isalpha()

    @property
    def scope(self) -> str:
        """Where the API lists it."""
        return f"{'regions' if self.regional else 'zones'}/{self.place}"

    def exists(self, at: datetime) -> bool:
        """Whether Compute Engine lists it."""
        return self.created <= at and (self.deleted is None or at < self.deleted)

    def spec(self, at: datetime) -> DiskSpec:
        """What it is made of at a moment."""
        return _held(self.specs, at)

    def users_at(self, at: datetime) -> tuple[tuple[str, str], ...]:
        """The zones and names of the VMs that have it attached at a moment."""
        return next((users for since, users in reversed(self.users) if since <= at), ())

    def last_change(self, at: datetime, *, attached: bool) -> datetime | None:
        """When it was last attached, or detached."""
        before = [()] + [users for _, users in self.users]
        changed = [
            since
            for (since, users), earlier in zip(self.users, before, strict=False)
            if since <= at and (set(users) - set(earlier) if attached else set(earlier) - set(users))
        ]
        return max(changed, default=None)


@dataclass(frozen=True, slots=True)
class Address:
    """A reserved external address with a life of its own; `region` is empty for a global one.

    `users` are the zones and names of the VMs that had it, from when on; `other_user` is the path of another resource
    that has it, such as a forwarding rule.
    """

    project_id: str
    region: str
    name: str
    created: datetime
    users: tuple[tuple[datetime, tuple[tuple[str, str], ...]], ...] = ()
    released: datetime | None = None
    labels: Labels = field(default_factory=dict)
    other_user: str = ""
    address_type: str = "EXTERNAL"
    ip_version: str = ""
    ip_collection: str = ""

    @property
    def address_id(self) -> int:
        """Its id, that of one address for ever."""
        return instance_id("address", self.project_id, self.region, self.name, self.created)

    @property
    def scope(self) -> str:
        """Where the API lists it."""
        return f"regions/{self.region}" if self.region else "global"

    def exists(self, at: datetime) -> bool:
        """Whether Compute Engine lists it."""
        return self.created <= at and (self.released is None or at < self.released)

    def users_at(self, at: datetime) -> tuple[tuple[str, str], ...]:
        """The zones and names of the VMs that have it at a moment."""
        return next((users for since, users in reversed(self.users) if since <= at), ())


@dataclass(frozen=True, slots=True)
class Vm:
    """One VM for all its life.

    `machine_types` and `labels` say what held from when on; `provisioning_model` is what the API says (`SPOT`,
    `STANDARD`, `FLEX_START`, or nothing) and `legacy_preemptible` marks the older form, which says `preemptible: true`
    only. A VM is listed from `created` until `deleted`, running or not. `bulk_insert` is the name pattern of the bulk
    insert that made it with others, `user` whoever asked for it. `shown_status` is what the API shows instead of what
    the runs say, `metadata` the items that were set, None when they still are those it was made with.
    `graceful_shutdown` is how long its guest takes to end its work when it is stopped, unless that is cut. `disks` are
    made and deleted with it, the boot disk first, which has the `licenses`; its external address is `ephemeral`,
    `reserved`, or none.
    """

    project_id: str
    zone: str
    name: str
    instance_id: int
    created: datetime
    runs: tuple[Run, ...]
    machine_types: tuple[tuple[datetime, str], ...]
    labels: tuple[tuple[datetime, Labels], ...]
    deleted: datetime | None = None
    provisioning_model: str = "SPOT"
    legacy_preemptible: bool = False
    gpu: Gpu | None = None
    attached_local_ssds: int = 0
    created_by: str | None = None
    user: str = "builder@example.com"
    gaps: tuple[Gap, ...] = ()
    has_history: bool = True
    bulk_insert: str = ""
    termination_action: str = ""
    shown_status: str | None = None
    metadata: tuple[tuple[str, str], ...] | None = None
    graceful_shutdown: timedelta = timedelta(0)
    disks: tuple[DiskSpec, ...] = (DiskSpec(),)
    licenses: tuple[str, ...] = ("debian-cloud/debian-12-bookworm",)
    address: str = ""
    tier_1: bool = False

    @property
    def region(self) -> str:
        """The region of its zone."""
        return self.zone.rpartition("-")[0]

    @property
    def is_spot(self) -> bool:
        """Whether it is charged Spot prices, whichever way the API says so."""
        return self.provisioning_model == "SPOT" or self.legacy_preemptible

    @property
    def place(self) -> tuple[str, str, str, datetime]:
        """Where it stands in the lists of the API."""
        return self.project_id, self.zone, self.name, self.created

    def exists(self, at: datetime) -> bool:
        """Whether Compute Engine lists it."""
        return self.created <= at and (self.deleted is None or at < self.deleted)

    def machine_type(self, at: datetime) -> str:
        """The name of the machine type it has at a moment."""
        return _held(self.machine_types, at)

    def labels_at(self, at: datetime) -> Labels:
        """The labels it has at a moment."""
        return _held(self.labels, at)

    def shape(self, at: datetime) -> MachineType:
        """What its machine type is made of; attached GPUs and SSDs come on top."""
        return machine_types()[self.machine_type(at)]

    def gpus(self, at: datetime) -> Gpu | None:
        """All its GPUs, attached or part of the machine type."""
        shape = self.shape(at)
        return self.gpu or (Gpu(shape.gpu_type, shape.gpu_count) if shape.gpu_count else None)

    def local_ssd_gib(self, at: datetime) -> int:
        """All its local SSD, attached or part of the machine type."""
        return self.attached_local_ssds * LOCAL_SSD_GIB + self.shape(at).local_ssd_gib

    def status(self, at: datetime) -> str | None:
        """The status Compute Engine shows, None when the VM is not listed."""
        if not self.exists(at):
            return None
        if self.shown_status is not None:
            return self.shown_status
        if at < self.created + PROVISIONING_TIME:
            return "PROVISIONING"
        return next((_status_of(run, at) for run in reversed(self.runs) if at >= run.start - STAGING_TIME), "STAGING")

    def started(self, at: datetime) -> datetime | None:
        """When it was last started, None when it never ran."""
        return max((run.start for run in self.runs if run.start <= at), default=None)

    def stopped(self, at: datetime) -> datetime | None:
        """When it last was terminated, None when it never did."""
        return max((run.end for run in self.runs if run.end is not None and run.end <= at), default=None)

    def running_seconds(self, start: datetime, end: datetime) -> Decimal:
        """How long it really ran in `[start, end)`: what Google charges for."""
        return sum((_overlap(run, start, end) for run in self.runs), start=Decimal(0))

    def uptime_points(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Decimal]]:
        """Yield the metric's points with a stamp in `(start, end]`, oldest first: the seconds of the minute before."""
        stamp = _minute_after(start)
        while stamp <= end:
            seconds = self.running_seconds(stamp - SAMPLE, stamp)
            if seconds and not any(gap.after < stamp <= gap.until for gap in self.gaps):
                yield stamp, seconds
            stamp += SAMPLE

    def uptime_seconds(self, start: datetime, end: datetime) -> Decimal:
        """The sum of the metric's points with a stamp in `(start, end]`, without counting minutes one by one."""
        first, last = _minute_after(start) - SAMPLE, _minute_after(end) - SAMPLE
        lost = sum(
            (self.running_seconds(max(gap.after, first), min(gap.until, last)) for gap in self.gaps), start=Decimal(0)
        )
        return self.running_seconds(first, last) - lost

    def changes(self) -> list[datetime]:
        """Every moment at which its description changed, in order."""
        moments = {self.created, self.created + PROVISIONING_TIME}
        moments |= {since for since, _ in self.machine_types} | {since for since, _ in self.labels}
        for run in self.runs:
            moments |= {run.start - STAGING_TIME, run.start}
            if run.end is not None and run.terminated_at is not None:
                moments |= {run.end, run.terminated_at}
        last = self.deleted or datetime.max.replace(tzinfo=UTC)
        return sorted(moment for moment in moments if self.created <= moment < last)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something Compute Engine did to a VM by itself."""

    operation_type: str
    vm: Vm
    at: datetime


@dataclass(frozen=True)
class Fleet:
    """All VMs of some projects, in the order the API lists them."""

    projects: tuple[Project, ...]
    vms: tuple[Vm, ...]
    disks: tuple[Disk, ...] = ()
    addresses: tuple[Address, ...] = ()
    _by_project: dict[str, tuple[Vm, ...]] = field(init=False, repr=False, compare=False)
    _positions: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Sort the VMs as the API lists them and keep them by project."""
        ordered = sorted(self.vms, key=lambda vm: vm.place)
        self._hold(tuple(ordered), (project.project_id for project in self.projects))
        object.__setattr__(self, "_positions", {vm.instance_id: number for number, vm in enumerate(ordered)})

    def project(self, name: str) -> Project | None:
        """The project with this id or number."""
        return next((project for project in self.projects if name in (project.project_id, project.number)), None)

    def of_project(self, project_id: str) -> tuple[Vm, ...]:
        """Every VM a project ever had."""
        return self._by_project[project_id]

    def named(self, project_id: str, zone: str, name: str) -> tuple[Vm, ...]:
        """Every VM that ever had this name in this zone, oldest first."""
        owned = self.of_project(project_id)
        first = bisect_left(owned, (zone, name), key=lambda vm: (vm.zone, vm.name))
        last = bisect_right(owned, (zone, name), lo=first, key=lambda vm: (vm.zone, vm.name))
        return owned[first:last]

    def by_id(self, instance_id: int) -> Vm | None:
        """The VM with this id."""
        position = self._positions.get(instance_id)
        return None if position is None else self.vms[position]

    def listed(self, project_id: str, at: datetime) -> Iterator[Vm]:
        """Yield the VMs Compute Engine lists at a moment, by zone and name."""
        return (vm for vm in self.of_project(project_id) if vm.exists(at))

    def disks_of(self, vm: Vm, at: datetime) -> tuple[Disk, ...]:
        """The disks with a life of their own that a VM has attached at a moment."""
        place = vm.zone, vm.name
        return tuple(
            disk
            for disk in self.disks
            if disk.project_id == vm.project_id and disk.exists(at) and place in disk.users_at(at)
        )

    def preemptions(self, project_id: str, until: datetime) -> Iterator[Operation]:
        """Yield the preemptions of a project up to a moment."""
        for vm in self.of_project(project_id):
            for run in vm.runs:
                if run.preempted and run.end is not None and run.end <= until:
                    yield Operation("compute.instances.preempted", vm, run.end)

    def replaced(self, changed: Iterable[Vm], gone: Iterable[Vm] = ()) -> "Fleet":
        """The same fleet with some VMs changed, new ones added, and those that are gone left out."""
        new = {vm.instance_id: vm for vm in changed}
        left_out = {vm.instance_id for vm in gone}
        held = {vm.instance_id: vm for vm in map(self.by_id, new) if vm is not None}
        if left_out or any(number not in held or held[number].place != vm.place for number, vm in new.items()):
            kept = {vm.instance_id: vm for vm in self.vms if vm.instance_id not in left_out}
            return Fleet(self.projects, tuple({**kept, **new}.values()), self.disks, self.addresses)
        return self._with(new)

    def _with(self, new: Mapping[int, Vm]) -> "Fleet":
        """Put VMs in the places of others: for a fleet of 50,000 a hundred times faster than to sort it again."""
        vms = list(self.vms)
        for number, vm in new.items():
            vms[self._positions[number]] = vm
        fleet = copy.copy(self)
        fleet._hold(tuple(vms), {vm.project_id for vm in new.values()})  # noqa: SLF001 (its own kind)
        return fleet

    def _hold(self, vms: tuple[Vm, ...], touched: Iterable[str]) -> None:
        """Keep sorted VMs, and apart those of the projects that changed."""
        by_project = dict(self._by_project) if hasattr(self, "_by_project") else {}
        for project_id in touched:
            first = bisect_left(vms, project_id, key=lambda vm: vm.project_id)
            last = bisect_right(vms, project_id, lo=first, key=lambda vm: vm.project_id)
            by_project[project_id] = vms[first:last]
        object.__setattr__(self, "vms", vms)
        object.__setattr__(self, "_by_project", by_project)


def instance_id(*parts: object) -> int:
    """Make an id of the form Compute Engine gives out: any unsigned 64-bit number, so half of them above 2**63."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8])


def _held[T](history: tuple[tuple[datetime, T], ...], at: datetime) -> T:
    return next((value for since, value in reversed(history) if since <= at), history[0][1])


def _status_of(run: Run, at: datetime) -> str:
    if at < run.start:
        return "STAGING"
    if run.end is None or at < run.end:
        return "RUNNING"
    if run.terminated_at is not None and at < run.terminated_at:
        return "SUSPENDING" if run.suspended else "STOPPING"
    return "SUSPENDED" if run.suspended else "TERMINATED"


def _overlap(run: Run, start: datetime, end: datetime) -> Decimal:
    stretch = (end if run.end is None else min(run.end, end)) - max(run.start, start)
    return Decimal(max(stretch, timedelta()) // timedelta(microseconds=1)) / 1_000_000


def _minute_after(moment: datetime) -> datetime:
    return datetime.fromtimestamp(math.floor(moment.timestamp() / 60) * 60 + 60, UTC)
