"""The table of disks in memory: what one scan found, recorded day by day."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from spotkeeper.instances import Disk, Instance, ProvisioningModel
from spotkeeper.pricing.attached_prices import AttachedPrice
from spotkeeper.tracking.disks import DiskSighting

_NUMERIC = Decimal("1e-9")


class DiskUser(NamedTuple):
    """An instance that has a disk attached."""

    instance_id: str
    instance_name: str
    provisioning_model: ProvisioningModel


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One disk while it was unchanged, in one day."""

    project_id: str
    place: str
    disk_id: str
    name: str
    disk: Disk
    users: tuple[DiskUser, ...]
    last_user: str | None
    start: datetime
    end: datetime
    price: AttachedPrice
    labels: tuple[tuple[str, str], ...]

    @property
    def cost(self) -> Decimal | None:
        """What the disk cost in the whole seconds of the row."""
        if self.price.usd is None:
            return None
        seconds = int((self.end - self.start).total_seconds())
        return (self.price.usd * seconds / 3600).quantize(_NUMERIC, ROUND_HALF_UP)


def record_disks(rows: list[DiskRow], sightings: Iterable[DiskSighting]) -> list[DiskRow]:
    """Return the rows after a scan: the latest row of a disk goes on, or a new one begins where it ended."""
    found = {(row.disk_id, row.start): row for row in rows}
    for sighting in sightings:
        for day in sighting.kind.prices:
            latest = max(
                (row for row in found.values() if row.disk_id == sighting.listed.disk_id), key=_start, default=None
            )
            end = min(day.end, sighting.kind.seen)
            new = _row(sighting, latest, day.start, end, day.price)
            if latest is not None and _goes_on(latest, new, day.start, sighting.kind.since):
                found[latest.disk_id, latest.start] = replace(latest, end=max(latest.end, end))
            elif new.start < new.end:
                found[new.disk_id, new.start] = new
    return list(found.values())


def _row(
    sighting: DiskSighting, latest: DiskRow | None, day_start: datetime, end: datetime, price: AttachedPrice
) -> DiskRow:
    listed = sighting.listed
    spot = [user.name for user in sighting.users if user.provisioning_model is ProvisioningModel.SPOT]
    start = max(day_start, sighting.kind.since, listed.created, latest.end if latest else sighting.kind.since)
    last_user = min(spot) if spot else latest.last_user if latest else None
    users = tuple(map(_user, sighting.users))
    what = listed.project_id, listed.place, listed.disk_id, listed.name, listed.disk, users
    return DiskRow(*what, last_user, start, end, price, listed.labels)


def _goes_on(latest: DiskRow, new: DiskRow, day_start: datetime, since: datetime) -> bool:
    return (
        latest.start >= day_start
        and latest.end >= since
        and (latest.name, latest.disk, latest.users, latest.labels) == (new.name, new.disk, new.users, new.labels)
        and latest.price[:2] == new.price[:2]
    )


def _user(instance: Instance) -> DiskUser:
    return DiskUser(instance.key.instance_id, instance.name, instance.provisioning_model)


def _start(row: DiskRow) -> datetime:
    return row.start
