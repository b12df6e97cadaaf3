"""A world: projects, VMs, prices and outages, and what each Google service says about them at a moment."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from tests.simulation.tracker.lives import HOUR, Run, Vm
from tests.simulation.tracker.machines import LOCAL_SSD_GIB
from tests.simulation.tracker.prices import Move

MINUTE = timedelta(minutes=1)
COMPUTE = "https://www.googleapis.com/compute/v1"

type Json = dict[str, object]


class Access(StrEnum):
    """What the service account of the tracker may read of a project."""

    OPEN = "open"
    DENIED = "denied"
    API_OFF = "Compute Engine API disabled"


class Service(StrEnum):
    """A service that can be out of order."""

    MONITORING = "monitoring"
    COMPUTE = "compute"
    CATALOG = "catalog"
    ASSETS = "assets"
    LOGGING = "logging"


@dataclass(frozen=True, slots=True)
class Outage:
    """A service fails in `[start, end)`, in all projects and zones or in one."""

    service: Service
    start: datetime
    end: datetime
    project_id: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A VM as Cloud Asset Inventory recorded it, from `start` on; a version that still holds has no end."""

    vm: Vm
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class World:
    """Everything that happened; `asset_delay` is how late Cloud Asset Inventory learns of it."""

    start: datetime
    end: datetime
    projects: Mapping[str, Access]
    vms: Sequence[Vm]
    moves: tuple[Move, ...] = ()
    outages: Sequence[Outage] = ()
    asset_delay: timedelta = timedelta(0)
    capacity_history: bool = False
    _by_hour: dict[tuple[str, datetime], list[tuple[Vm, Run]]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the runs by project and hour."""
        by_hour: dict[tuple[str, datetime], list[tuple[Vm, Run]]] = defaultdict(list)
        for vm in self.vms:
            for run in vm.runs:
                hour = run.start.replace(minute=0, second=0, microsecond=0)
                while hour < run.end + vm.lag:
                    by_hour[vm.project_id, hour].append((vm, run))
                    hour += HOUR
        object.__setattr__(self, "_by_hour", dict(by_hour))

    @property
    def hours(self) -> tuple[datetime, ...]:
        """The hours of the world."""
        return tuple(self.start + HOUR * number for number in range((self.end - self.start) // HOUR))

    def running(self, project_id: str, hour: datetime) -> Sequence[tuple[Vm, Run]]:
        """Return every VM that ran in an hour, with the run; one that was stopped and started comes twice."""
        return self._by_hour.get((project_id, hour), ())

    def out_of_order(self, service: Service, at: datetime, project_id: str = "") -> list[Outage]:
        """Return the outages of a service that a call at this moment meets."""
        return [
            outage
            for outage in self.outages
            if outage.service is service and outage.start <= at < outage.end and outage.project_id in {"", project_id}
        ]

    def uptimes(self, project_id: str, hour: datetime, now: datetime) -> dict[tuple[str, str, str], Fraction]:
        """Return the seconds that Cloud Monitoring shows of an hour, by zone, instance id and name; none of zero."""
        seconds: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
        for vm, run in self.running(project_id, hour):
            seconds[vm.zone, vm.instance_id, vm.name] += vm.metered(run, hour, hour + HOUR, now)
        return {series: total for series, total in seconds.items() if total}

    def samples(self, project_id: str, instance_id: str, hour: datetime, now: datetime) -> dict[datetime, Fraction]:
        """Return the seconds that Cloud Monitoring shows of an hour and two more minutes, by the end of each minute."""
        found: dict[datetime, Fraction] = {}
        for number in range(62):
            start, of_hour = hour + number * MINUTE, hour + number // 60 * HOUR
            for vm, run in self.running(project_id, of_hour):
                if vm.instance_id == instance_id and (seconds := vm.metered(run, start, start + MINUTE, now)):
                    found[start + MINUTE] = found.get(start + MINUTE, Fraction(0)) + seconds
        return found

    def listed(self, project_id: str, now: datetime) -> Iterator[Vm]:
        """Yield the VMs that Compute Engine lists."""
        return (vm for vm in self.vms if vm.project_id == project_id and vm.exists(now))

    def history(self, project_id: str, name: str, zone: str, now: datetime) -> list[Version]:
        """Return the versions that Cloud Asset Inventory has of all VMs of this name; a name may be used twice."""
        known_until = now - self.asset_delay
        versions = []
        for vm in self.vms:
            if (vm.project_id, vm.name, vm.zone) != (project_id, name, zone):
                continue
            moments = [moment for moment in vm.changes() if moment <= known_until]
            for number, moment in enumerate(moments):
                if moment == vm.deleted:
                    break
                following = moments[number + 1] if number + 1 < len(moments) else None
                versions.append(Version(vm, moment, following))
        return versions


def boot_disk(vm: Vm) -> Json:
    """Return the boot disk of a VM as Compute Engine lists it; it is made and deleted with the VM.

    https://cloud.google.com/compute/docs/reference/rest/v1/disks
    """
    zone = f"{COMPUTE}/projects/{vm.project_id}/zones/{vm.zone}"
    return {
        "id": f"{vm.instance_id}1",
        "name": vm.name,
        "zone": zone,
        "type": f"{zone}/diskTypes/pd-balanced",
        "sizeGb": "20",
        "creationTimestamp": vm.created.isoformat(timespec="milliseconds"),
        "users": [f"{zone}/instances/{vm.name}"],
    }


def resource(vm: Vm, at: datetime) -> Json:
    """Return a VM as Compute Engine describes it, as far as anybody reads it.

    https://cloud.google.com/compute/docs/reference/rest/v1/instances
    """
    zone = f"{COMPUTE}/projects/{vm.project_id}/zones/{vm.zone}"
    machine = vm.machine_at(at)
    described: Json = {
        "id": vm.instance_id,
        "name": vm.name,
        "zone": zone,
        "machineType": f"{zone}/machineTypes/{machine.machine_type.name}",
        "status": "RUNNING" if vm.run_at(at) else "STAGING" if at < vm.runs[0].start else "TERMINATED",
        "creationTimestamp": vm.created.isoformat(timespec="milliseconds"),
        "scheduling": {"provisioningModel": "SPOT" if machine.spot else "STANDARD", "preemptible": machine.spot},
        "disks": [
            {"type": "PERSISTENT", "diskSizeGb": "20"},
            *({"type": "SCRATCH", "diskSizeGb": str(LOCAL_SSD_GIB)} for _ in range(machine.scratch_disks)),
        ],
        "metadata": {"items": list(vm.items)},
    }
    if machine.accelerator is not None:
        name, count = machine.accelerator
        accelerator = f"{zone}/acceleratorTypes/{name}"
        described["guestAccelerators"] = [{"acceleratorType": accelerator, "acceleratorCount": count}]
    if labels := vm.labels_at(at):
        described["labels"] = dict(labels)
    if begun := [run for run in vm.runs if run.start <= at]:
        described["lastStartTimestamp"] = begun[-1].start.isoformat(timespec="milliseconds")
    return described
