"""Disks with lives of their own, drawn from a seed, against what they cost: worked out here from the lives alone.

The truth is in fractions and shares no code with the product: it knows prices, the calendar of Los Angeles, and two
rules of the record: what a scan finds holds since the scan before, and a disk ends with the last scan that found it.
Each row is compared, its times to the second and its cost to nine digits.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from spotkeeper.instances import Disk, ProvisioningModel
from tests.unit.tracker_fakes import ZONE, Cloud, StoredDisk, Vm
from tests.unit.whole_cost_samples import SOLD

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)
HOURS = 60
USD_A_GIB_AND_MONTH = Fraction(1, 10)
PRICED = "pd-balanced"
VMS = ("a", "b", "c", "standard")

STARTS = {
    "from February into March": datetime(2026, 2, 27, 20, tzinfo=UTC),
    "the night that clocks go forward": datetime(2026, 3, 7, 12, tzinfo=UTC),
    "a leap year's February": datetime(2028, 2, 28, 9, tzinfo=UTC),
    "from October into November": datetime(2026, 10, 30, 20, tzinfo=UTC),
}

type Row = tuple[str, datetime, datetime, Decimal | None]


@dataclass(frozen=True)
class Seen:
    """What one scan finds of a disk: type and size, and the VMs that have it."""

    disk_type: str
    gib: int
    users: tuple[str, ...]


def nine_digits(amount: Fraction) -> Decimal:
    return (Decimal(amount.numerator) / Decimal(amount.denominator)).quantize(Decimal("1e-9"), ROUND_HALF_UP)


def day_of(moment: datetime) -> tuple[datetime, datetime]:
    """The day in Los Angeles that a moment is in, from midnight to midnight."""
    local = moment.astimezone(LOS_ANGELES).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return local.astimezone(UTC), (local + timedelta(days=1)).astimezone(UTC)


def price_of(seen: Seen, moment: datetime) -> Decimal | None:
    """USD an hour by the real length of the month, to nine digits."""
    if seen.disk_type != PRICED:
        return None
    local = moment.astimezone(LOS_ANGELES)
    first = datetime(local.year, local.month, 1, tzinfo=LOS_ANGELES)
    following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=LOS_ANGELES)
    hours = (following.astimezone(UTC) - first.astimezone(UTC)) // HOUR
    return nine_digits(USD_A_GIB_AND_MONTH * seen.gib / hours)


def lives(draw: random.Random, start: datetime) -> list[StoredDisk]:
    """Disks that are made, resized, changed in type, handed from VM to VM, shared, detached and deleted."""
    return [_life(draw, start, number) for number in range(12)]


def _life(draw: random.Random, start: datetime, number: int) -> StoredDisk:
    def moment(first: datetime) -> datetime:
        return first + timedelta(seconds=draw.randrange(int(HOURS * 3600 * 0.6)))

    created = start - timedelta(days=30) if number % 3 else moment(start)
    specs, users, since, gib = [], [], created, draw.randrange(10, 500)
    for _ in range(draw.randrange(1, 5)):
        disk_type = PRICED if draw.random() < 0.85 else "pd-of-tomorrow"
        specs.append((since, Disk(disk_type, Decimal(gib))))
        since, gib = moment(max(since, start)), gib + draw.randrange(1, 100)
    since = created
    for _ in range(draw.randrange(1, 6)):
        names = draw.sample(VMS, draw.choice((0, 1, 1, 1, 2)))
        users.append((since, tuple(sorted((ZONE, name) for name in names))))
        since = moment(max(since, start))
    deleted = moment(max(since, start)) if draw.random() < 0.4 else None
    return StoredDisk(f"disk-{number}", tuple(specs), tuple(users), created, deleted)


def found(disk: StoredDisk, moment: datetime) -> Seen | None:
    """What a scan finds and records: not a disk that no Spot VM has while others have it."""
    if moment < disk.created or (disk.deleted is not None and moment >= disk.deleted):
        return None
    spec = [spec for since, spec in disk.specs if since <= moment][-1]
    users = tuple(name for _, name in [users for since, users in disk.users if since <= moment][-1])
    return None if users == ("standard",) else Seen(spec.disk_type, int(spec.size_gib), users)


def true_rows(disks: Sequence[StoredDisk], scans: Sequence[datetime]) -> Iterator[Row]:
    for disk in disks:
        rows: list[tuple[Seen, datetime, datetime]] = []
        for scan in scans:
            seen = found(disk, scan)
            if seen is None:
                continue
            # The hours of a punctual run are the latest one and the one before; the first run has one.
            since = scan.replace(minute=0) - (HOUR if scan == scans[0] else 2 * HOUR)
            at = max(since, disk.created, rows[-1][2] if rows else since)
            while at < scan:
                end = min(day_of(at)[1], scan)
                goes_on = rows and rows[-1][0] == seen and rows[-1][2] == at and day_of(rows[-1][1]) == day_of(at)
                if goes_on:
                    rows[-1] = (seen, rows[-1][1], end)
                else:
                    rows.append((seen, at, end))
                at = end
        for seen, start, end in rows:
            price = price_of(seen, day_of(start)[0])
            seconds = int((end - start).total_seconds())
            yield disk.name, start, end, None if price is None else nine_digits(Fraction(price) * seconds / 3600)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_disks_are_recorded_as_they_lived_and_vms_bear_their_parts(start: datetime, seed: int) -> None:
    draw = random.Random(f"{start}{seed}")  # noqa: S311 (lives, no secrets)
    disks = lives(draw, start)
    long_ago = start - timedelta(days=30)
    vms = [
        Vm(
            name,
            runs=((long_ago, None),),
            model=ProvisioningModel.STANDARD if name == "standard" else ProvisioningModel.SPOT,
        )
        for name in VMS
    ]
    cloud = Cloud(vms, disks=disks, rates=SOLD)
    cloud.settings = replace(cloud.settings, price_refresh_hours=1)
    scans = [start + HOUR * number + timedelta(minutes=7) for number in range(1, HOURS)]

    for scan in scans:
        cloud.run_at(scan)

    recorded = [(row.name, row.start, row.end, row.cost) for row in cloud.ledger.tables.disks]
    assert sorted(recorded, key=lambda row: row[:2]) == sorted(true_rows(disks, scans), key=lambda row: row[:2])
    for (hour, key), row in cloud.ledger.tables.costs.items():
        name = next(vm.name for vm in vms if vm.key == key)
        assert row.attached.disk == true_share(disks, name, hour), (name, hour)


def true_share(disks: Sequence[StoredDisk], name: str, hour: datetime) -> Decimal | None:
    """What a VM bears of its disks in a whole hour: as the first scan after the hour found them, an equal part each."""
    scan = hour + HOUR + timedelta(minutes=7)
    by_users: dict[int, Fraction] = defaultdict(Fraction)
    for disk in disks:
        seen = found(disk, scan)
        if seen is not None and name in seen.users:
            if seen.disk_type != PRICED:
                return None
            by_users[len(seen.users)] += seen.gib
    gib = sum((gib / users for users, gib in by_users.items()), Fraction(0))
    if not gib:
        return Decimal(0)
    local = hour.astimezone(LOS_ANGELES)
    first = datetime(local.year, local.month, 1, tzinfo=LOS_ANGELES)
    following = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=LOS_ANGELES)
    hours = (following.astimezone(UTC) - first.astimezone(UTC)) // HOUR
    return nine_digits(USD_A_GIB_AND_MONTH * gib / hours)
