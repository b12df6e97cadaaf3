"""What the report of the two days should show, worked out from the rows that the scenario makes: no SQL, no view."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from infra.local.fleet.fleet import Fleet
from tests.end_to_end.independent import HOUR, Expected, Preempted, rounded, spot_price_at

MONTH_HOURS = 730
MONTH_START, MONTH_END = datetime(2026, 7, 1, 7, tzinfo=UTC), datetime(2026, 8, 1, 7, tzinfo=UTC)
DAY_START, DAY_END = datetime(2026, 7, 22, 7, tzinfo=UTC), datetime(2026, 7, 23, 7, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a budget's line should say."""

    spent: Decimal
    projected: Decimal


@dataclass(frozen=True, slots=True)
class Unresolved:
    """VMs that ran and that no scan found: in how many hours, each VM counted for itself, and for how long."""

    times: int
    hours: Decimal


def costs_by(rows: Iterable[Expected], key: Callable[[Expected], str]) -> dict[str, Decimal | None]:
    """Return the sum of each group, None for one without any price, and the sum of all."""
    sums: dict[str, Decimal | None] = {}
    for row in rows:
        before = sums.get(key(row))
        sums[key(row)] = before if row.cost is None else (before or Decimal(0)) + row.cost
    sums["all"] = sum((amount for amount in sums.values() if amount is not None), Decimal(0))
    return sums


def team_of(row: Expected) -> str:
    """Return the label team."""
    return dict(row.labels).get("team") or "(unlabelled)"


def savings_by_day(rows: Iterable[Expected], preempted: Iterable[Preempted]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return of each day what was saved against on-demand, and what of it is left when lost work is done again."""
    lost = {(at.replace(minute=0, second=0, microsecond=0), *key[:3]) for at, *key in preempted}
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        if row.cost is None or row.ondemand_cost is None:
            continue
        saved, net = found.get(day_of(row), (Decimal(0), Decimal(0)))
        is_lost = (row.hour, row.project_id, row.zone, row.instance_id) in lost
        kept = Decimal(0) if is_lost else row.ondemand_cost
        found[day_of(row)] = saved + row.ondemand_cost - row.cost, net + kept - row.cost
    return found


def day_of(row: Expected) -> str:
    """Return the UTC day."""
    return row.hour.date().isoformat()


def budgets(rows: Sequence[Expected], idle: Mapping[datetime, Decimal]) -> Mapping[str, Budget]:
    """Return what the budgets, of the total cost, should say of the month and the day at the end of the two days.

    `idle` is what disks and reserved addresses cost in each hour while no VM ran with them.
    """
    last = max(row.hour for row in rows)
    end = last + HOUR
    of_last_hour = _cost(rows, idle, last, end)
    of_last_day = _cost(rows, idle, end - timedelta(hours=24), end) / 24
    month, day = _cost(rows, idle, MONTH_START, end), _cost(rows, idle, DAY_START, end)
    return {
        "month": Budget(month, month + of_last_day * int((MONTH_END - end) / HOUR)),
        "day": Budget(day, day + of_last_hour * int((DAY_END - end) / HOUR)),
    }


def cost_of_price_changes(
    fleet: Fleet, rows: Iterable[Expected], scans: Sequence[datetime], first_hour: datetime
) -> Decimal:
    """Return what the VMs of the last hour cost more a month of 730 hours than at the rates of the first hour."""
    known = list(rows)
    last_hour = max(row.hour for row in known)
    change = Decimal(0)
    for row in known:
        if row.hour == last_hour and row.spot_price is not None:
            vm = fleet.by_id(int(row.instance_id))
            assert vm is not None
            scan = max(scan for scan in scans if vm.exists(scan))
            before, after = (spot_price_at(vm, scan, hour) for hour in (first_hour, last_hour))
            assert before is not None
            assert after is not None
            change += (after - before) * row.uptime_hours * MONTH_HOURS
    return change


def vm_hours(fleet: Fleet, rows: Iterable[Expected]) -> dict[tuple[str, str], Decimal]:
    """Return how long VMs without GPU or local SSD ran, by machine type and region, of those of the last hour."""
    known = list(rows)
    last_hour = max(row.hour for row in known)
    found: dict[tuple[str, str], Decimal] = {}
    in_use: set[tuple[str, str]] = set()
    for row in known:
        vm = fleet.by_id(int(row.instance_id))
        if vm is not None and vm.gpu is None and not vm.attached_local_ssds:
            place = row.machine_type, vm.region
            found[place] = found.get(place, Decimal(0)) + row.uptime_hours
            if row.hour == last_hour:
                in_use.add(place)
    return {place: hours for place, hours in found.items() if place in in_use}


def preemptions_by_type(preempted: Iterable[Preempted]) -> Counter[str]:
    """Return how often each machine type was preempted."""
    return Counter(machine_type or "(never identified)" for *_, machine_type in preempted)


def unresolved(uptime: Mapping[tuple[datetime, str], Sequence[Fraction]]) -> Unresolved:
    """Return the sums of the uptime of VMs that no scan found."""
    times = sum(len(uptimes) for uptimes in uptime.values())
    return Unresolved(times, sum((rounded(sum(uptimes, Fraction(0))) for uptimes in uptime.values()), Decimal(0)))


def priced_share(rows: Sequence[Expected], unidentified: Decimal) -> Decimal:
    """Return the share of all hours of uptime that have a price; those of VMs that no scan found have none."""
    priced = sum((row.uptime_hours for row in rows if row.cost is not None), Decimal(0))
    return priced / (sum((row.uptime_hours for row in rows), Decimal(0)) + unidentified)


def estimated_cost(rows: Iterable[Expected], uptime: Mapping[tuple[datetime, str], Sequence[Fraction]]) -> Decimal:
    """Return what the VMs that no scan found would cost at the mean price of the Spot VMs of their project."""
    priced: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        if row.cost is not None:
            cost, hours = priced.get(row.project_id, (Decimal(0), Decimal(0)))
            priced[row.project_id] = cost + row.cost, hours + row.uptime_hours
    return sum(
        (
            rounded(sum(uptimes, Fraction(0))) * priced[project_id][0] / priced[project_id][1]
            for (_, project_id), uptimes in uptime.items()
            if project_id in priced
        ),
        Decimal(0),
    )


def _cost(rows: Iterable[Expected], idle: Mapping[datetime, Decimal], start: datetime, end: datetime) -> Decimal:
    of_vms = sum((row.known_cost for row in rows if start <= row.hour < end), Decimal(0))
    return of_vms + sum((cost for hour, cost in idle.items() if start <= hour < end), Decimal(0))
