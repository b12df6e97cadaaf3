"""What the tables should hold after the fleet was played, worked out from the scenario and the list prices alone.

Nothing of the product is used: uptime comes from the VMs' own intervals, prices from the fixture's rates per component,
and both are put together with fractions.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from infra.local.fleet.fleet import Fleet, Vm

RATES = Path(__file__).parents[2] / "infra" / "local" / "emulators" / "catalog_data" / "component_rates.csv"
HOUR = timedelta(hours=1)
MINUTE_OF_LOOK = timedelta(minutes=7)
GIB_PER_GB = Fraction(1024**3, 1000**3)
HOURS_PER_MONTH = 730
SPOT, ON_DEMAND = "Preemptible", "OnDemand"

GPUS = {"nvidia-tesla-t4": "t4.gpu", "nvidia-l4": "l4.gpu", "nvidia-tesla-a100": "a100.gpu"}
FLAT = {"f1-micro"}
UNCOMMITTED = {"t2a", "f1"}
SHARED_CORE = {"e2-micro", "e2-small", "e2-medium"}
LICENSES = {
    "windows-cloud/windows-server-2019-dc": Fraction("0.046"),
    "rhel-cloud/rhel-9-server": Fraction("0.0144"),
}
DISKS = {"pd-balanced": Fraction("0.1"), "pd-ssd": Fraction("0.17")}
SPOT_ADDRESS = Fraction("0.0025")
CUSTOM = {"custom-4-8192": "n1-custom", "n2-custom-8-16384": "n2-custom"}

type Preempted = tuple[datetime, str, str, str, str, str | None]


@dataclass(frozen=True, slots=True)
class Expected:
    """One row of spot_vm_costs, as far as it can be worked out."""

    start: datetime
    project_id: str
    zone: str
    instance_id: str
    instance_name: str
    machine_type: str
    labels: tuple[tuple[str, str], ...]
    uptime_hours: Decimal
    spot_price: Decimal | None
    ondemand_price: Decimal | None
    cost: Decimal | None
    ondemand_cost: Decimal | None
    license_cost: Decimal | None
    address_cost: Decimal | None
    disk_cost: Decimal | None

    @property
    def known_cost(self) -> Decimal:
        """What is known of all that it cost."""
        parts = (self.cost, self.license_cost, self.address_cost, self.disk_cost)
        return sum((part for part in parts if part is not None), Decimal(0))

    @property
    def hour(self) -> datetime:
        """The hour that the row is in."""
        return self.start.replace(minute=0, second=0, microsecond=0)


def expected_rows(fleet: Fleet, hours: Sequence[datetime], scans: Sequence[datetime]) -> Iterator[Expected]:
    """Yield a row for each Spot VM and hour in which it ran, if any scan or the asset inventory knows the VM."""
    rates = _read_rates()
    for vm in fleet.vms:
        if not vm.is_spot or not _is_known(vm, scans):
            continue
        for hour in hours:
            found = _found_at(vm, hour, scans)
            for start, end, at in _machines(vm, hour, found):
                if seconds := Fraction(vm.uptime_seconds(start, end)):
                    row = _row(vm, start, seconds, found, at, rates)
                    # Asset history has licenses and addresses, but no types of disks.
                    yield row if any(map(vm.exists, scans)) else replace(row, disk_cost=None)


def _machines(vm: Vm, hour: datetime, found: datetime) -> list[tuple[datetime, datetime, datetime]]:
    """The parts of an hour in which a VM was one machine: from when to when, and a moment at which it was that one.

    Its machine changes while it is stopped, and counts from its next start.
    """
    starts = [run.start for run in vm.runs if run.start < hour + HOUR] or [found]
    changes = [later for earlier, later in pairwise(starts) if vm.machine_type(earlier) != vm.machine_type(later)]
    parts = zip([hour, *changes], [*changes, hour + HOUR], [starts[0], *changes], strict=True)
    return [(max(start, hour), end, at) for start, end, at in parts if end > hour]


def expected_unresolved(fleet: Fleet, hours: Sequence[datetime], scans: Sequence[datetime]) -> set[str]:
    """Return the names of the VMs that ran and that no source knows."""
    return {
        vm.name
        for vm in fleet.vms
        if not _is_known(vm, scans) and any(vm.uptime_seconds(hour, hour + HOUR) for hour in hours)
    }


def expected_unresolved_uptime(
    fleet: Fleet, hours: Sequence[datetime], scans: Sequence[datetime]
) -> dict[tuple[datetime, str], list[Fraction]]:
    """Return how long each VM that no source knows ran, in hours, by hour and project; Spot or not, nobody knows."""
    found: dict[tuple[datetime, str], list[Fraction]] = {}
    for vm in fleet.vms:
        if _is_known(vm, scans):
            continue
        for hour in hours:
            if seconds := Fraction(vm.uptime_seconds(hour, hour + HOUR)):
                found.setdefault((hour, vm.project_id), []).append(seconds / 3600)
    return found


def expected_readings(hours: Sequence[datetime], calls: Iterable[int]) -> list[datetime]:
    """Return the hours that the calls read, each call all since the one before, and the newest of that once more."""
    readings: list[datetime] = []
    before = 0
    for number in calls:
        readings += hours[max(before - 1, 0) : number]
        before = number
    return sorted(readings)


def expected_preemptions(fleet: Fleet, hours: Sequence[datetime], scans: Sequence[datetime]) -> set[Preempted]:
    """Return when each VM was preempted in these hours, and its type as the last scan before that found it."""
    return {
        (run.end, vm.project_id, vm.zone, str(vm.instance_id), vm.name, _type_before(vm, run.end, scans))
        for vm in fleet.vms
        for run in vm.runs
        if run.preempted and run.end is not None and hours[0] <= run.end < hours[-1] + HOUR
    }


def expected_type_prices(fleet: Fleet, hour: datetime) -> dict[tuple[str, str], tuple[Decimal | None, ...]]:
    """Return what the types of the fleet cost in an hour without attachments: Spot, on demand, for 1 and 3 years."""
    rates = _read_rates()
    bare = [replace(vm, attached_local_ssds=0) for vm in fleet.vms if vm.gpu is None]
    found = {}
    for vm in bare:
        for _, machine_type in vm.machine_types:
            if machine_type in CUSTOM:
                continue
            one = replace(vm, machine_types=((vm.created, machine_type),))
            spot, ondemand = (_price(one, vm.created, hour, market, rates) for market in (SPOT, ON_DEMAND))
            if spot is None and ondemand is None:
                continue
            committed = ondemand is not None and machine_type.partition("-")[0] not in UNCOMMITTED
            shared = machine_type in SHARED_CORE
            terms = [
                rounded(_unrounded(one, vm.created, hour, rates) * percent / 100) if committed and not shared else None
                for percent in (63, 45)
            ]
            found[machine_type, vm.region] = (spot, ondemand, *terms)
    return found


def spot_price_at(vm: Vm, scan: datetime, hour: datetime) -> Decimal | None:
    """Return what a VM, as a scan finds it, costs at the rates of an hour."""
    return _price(vm, scan, hour, SPOT, _read_rates())


def scans_after(hours: Iterable[datetime]) -> list[datetime]:
    """Return when the schedule scans the fleet: in minute 7 after each hour."""
    return [hour + HOUR + MINUTE_OF_LOOK for hour in hours]


def rounded(amount: Fraction) -> Decimal:
    """Round half up to nine decimals."""
    billionths = (amount * 10**9 + Fraction(1, 2)).__floor__()
    return Decimal(billionths).scaleb(-9)


def _is_known(vm: Vm, scans: Sequence[datetime]) -> bool:
    return vm.has_history or any(vm.exists(scan) for scan in scans)


def _found_at(vm: Vm, hour: datetime, scans: Sequence[datetime]) -> datetime:
    """The first scan after the hour that found the VM, else the last one before, else its creation."""
    found = [scan for scan in scans if vm.exists(scan)] or [vm.created]
    return next((scan for scan in found if scan >= hour + HOUR), found[-1])


def _row(vm: Vm, start: datetime, seconds: Fraction, scan: datetime, at: datetime, rates: "_Rates") -> Expected:  # noqa: PLR0913, PLR0917 (each says one thing about the row)
    """The row from a start on: the labels are those of the scan, the machine is the one of the moment `at`."""
    rates = replace(rates, hours_of_month=_hours_of_month(start))
    hour = start.replace(minute=0, second=0, microsecond=0)
    spot, ondemand = (_price(vm, at, hour, market, rates) for market in (SPOT, ON_DEMAND))
    return Expected(
        start=start,
        project_id=vm.project_id,
        zone=vm.zone,
        instance_id=str(vm.instance_id),
        instance_name=vm.name,
        machine_type=vm.machine_type(at),
        labels=tuple(sorted(vm.labels_at(scan).items())),
        uptime_hours=rounded(seconds / 3600),
        spot_price=spot,
        ondemand_price=ondemand,
        cost=None if spot is None else rounded(seconds / 3600 * Fraction(spot)),
        ondemand_cost=None if ondemand is None else rounded(seconds / 3600 * Fraction(ondemand)),
        license_cost=rounded(seconds / 3600 * _license_price(vm, at)),
        address_cost=rounded(seconds / 3600 * (SPOT_ADDRESS if vm.address else 0)),
        disk_cost=_disk_cost(vm, seconds, rates.hours_of_month),
    )


def _license_price(vm: Vm, at: datetime) -> Fraction:
    """USD per hour: Windows and RHEL by the vCPU, all others of the fleet for nothing."""
    of_vcpu = sum((LICENSES.get(name, Fraction(0)) for name in vm.licenses), Fraction(0))
    return of_vcpu * Fraction(vm.shape(at).billed_vcpus) if of_vcpu else Fraction(0)


def _disk_cost(vm: Vm, seconds: Fraction, hours_of_month: int) -> Decimal:
    """The disks of a VM by the hours of its month; in the Netherlands they are a tenth dearer."""
    of_region = Fraction("1.1") if vm.region == "europe-west4" else Fraction(1)
    price = sum((Fraction(spec.size_gib) * DISKS[spec.disk_type] for spec in vm.disks), Fraction(0)) * of_region
    return rounded(seconds / 3600 * Fraction(rounded(price / hours_of_month)))


def _type_before(vm: Vm, moment: datetime, scans: Sequence[datetime]) -> str | None:
    """The machine type that was on record when the VM was preempted; what only later scans know counts then."""
    found = [scan for scan in scans if vm.exists(scan)] or ([vm.created] if vm.has_history else [])
    if not found:
        return None
    return vm.machine_type(max((scan for scan in found if scan <= moment), default=found[-1]))


def _unrounded(vm: Vm, scan: datetime, hour: datetime, rates: "_Rates") -> Fraction:
    """The on-demand price with all its digits: a commitment's parts are each a share of it."""
    parts = _parts(vm, scan).items()
    known = [(rates.at(component, vm.region, ON_DEMAND, hour), quantity) for component, quantity in parts]
    return sum((rate * quantity for rate, quantity in known if rate is not None), Fraction(0))


def _price(vm: Vm, scan: datetime, hour: datetime, market: str, rates: "_Rates") -> Decimal | None:
    total = Fraction(0)
    for component, quantity in _parts(vm, scan).items():
        rate = rates.at(component, vm.region, market, hour)
        if rate is None:
            return None
        total += rate * quantity * (Fraction(HOURS_PER_MONTH, rates.hours_of_month) if component == "local-ssd" else 1)
    return rounded(total)


def _hours_of_month(hour: datetime) -> int:
    """How long the month of an hour is where Cloud Billing counts it."""
    first = hour.astimezone(ZoneInfo("America/Los_Angeles")).replace(day=1, hour=0, minute=0)
    following = (first + timedelta(days=31)).replace(day=1)
    return (following.astimezone(UTC) - first.astimezone(UTC)) // HOUR


def _parts(vm: Vm, scan: datetime) -> Mapping[str, Fraction]:
    """What the VM is billed for, in the fixture's own names."""
    machine_type, shape = vm.machine_type(scan), vm.shape(scan)
    if machine_type in FLAT:
        return {machine_type: Fraction(1)}
    family = CUSTOM.get(machine_type) or machine_type.partition("-")[0]
    parts = {
        f"{family}.core": Fraction(shape.billed_vcpus),
        f"{family}.ram": Fraction(shape.memory_mb, 1024),
    }
    if gpus := vm.gpus(scan):
        parts[GPUS[gpus.gpu_type]] = Fraction(gpus.count)
    if gib := vm.local_ssd_gib(scan):
        parts["local-ssd"] = Fraction(gib)
    return parts


@dataclass(frozen=True, slots=True)
class _Rates:
    """USD per vCPU-hour, GiB-hour, GPU-hour or instance-hour, by component, region and market, since when.

    What is sold by the month is divided by 730 hours, as in price lists, or by those of a real month.
    """

    known: Mapping[tuple[str, str, str], Sequence[tuple[datetime, Fraction]]]
    hours_of_month: int = HOURS_PER_MONTH

    def at(self, component: str, region: str, market: str, hour: datetime) -> Fraction | None:
        held = [rate for since, rate in self.known.get((component, region, market), ()) if since <= hour]
        return held[-1] if held else None


def _read_rates() -> _Rates:
    known: dict[tuple[str, str, str], list[tuple[datetime, Fraction]]] = {}
    with RATES.open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            since = row["valid_from"]
            start = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
            rate = Fraction(Decimal(row["usd_per_unit"])) * _per_catalog_unit(row["component"])
            known.setdefault((row["component"], row["region"], row["usage_type"]), []).append((start, rate))
    return _Rates({key: sorted(rates) for key, rates in known.items()})


def _per_catalog_unit(component: str) -> Fraction:
    """The catalog sells C4's memory by the GB-hour and local SSD by the GiB-month."""
    if component == "c4.ram":
        return GIB_PER_GB
    return Fraction(1, HOURS_PER_MONTH) if component == "local-ssd" else Fraction(1)
