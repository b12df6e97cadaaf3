"""What disks and reserved addresses cost while no VM runs with them, worked out row by row and hour by hour."""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from spotkeeper.instances import ProvisioningModel
from spotkeeper.periods import HOUR
from spotkeeper.tracking.addresses import AddressUse
from spotkeeper.tracking.costs import CostRow
from tests.unit.address_ledger import AddressRow
from tests.unit.disk_ledger import DiskRow

_NUMERIC = Decimal("1e-9")


class IdleCost(NamedTuple):
    """The cost of an hour of a project, and the hours of disks and addresses without a price."""

    usd: Decimal
    unpriced_hours: Decimal


def idle_cost(
    project_id: str, hour: datetime, costs: Iterable[CostRow], disks: Iterable[DiskRow], addresses: Iterable[AddressRow]
) -> IdleCost:
    """Return what an hour of a project cost beside its cost rows: never less than nothing."""
    spot, unpriced, reserved = Decimal(0), Decimal(0), Decimal(0)
    for disk in disks:
        if disk.project_id != project_id or disk.last_user is None or (share := _share(disk)) == 0:
            continue
        if (part := _part(disk, hour)) is None:
            unpriced += _hours(disk, hour)
        else:
            spot += (part * share).quantize(_NUMERIC, ROUND_HALF_UP)
    for address in addresses:
        if address.project_id != project_id or address.last_user is None:
            continue
        if address.use in {AddressUse.NONE, AddressUse.STOPPED_VM}:
            if (part := _part(address, hour)) is None:
                unpriced += _hours(address, hour)
            else:
                reserved += part
    carried = sum((row.attached.disk or Decimal(0) for row in costs if _is_of(row, project_id, hour)), Decimal(0))
    return IdleCost(max(spot - carried, Decimal(0)) + reserved, unpriced)


def _is_of(row: CostRow, project_id: str, hour: datetime) -> bool:
    return row.instance.key.project_id == project_id and row.hour == hour


def _share(disk: DiskRow) -> Decimal:
    """The part of a disk that Spot VMs bear; the last one bears a disk that nothing has."""
    spot = sum(user.provisioning_model is ProvisioningModel.SPOT for user in disk.users)
    return Decimal(spot) / len(disk.users) if disk.users else Decimal(1)


def _part(row: DiskRow | AddressRow, hour: datetime) -> Decimal | None:
    """What a row cost up to the end of an hour, less what it did up to its start."""
    if row.price.usd is None:
        return None
    return _cost_until(row, row.price.usd, hour + HOUR) - _cost_until(row, row.price.usd, hour)


def _cost_until(row: DiskRow | AddressRow, price: Decimal, until: datetime) -> Decimal:
    seconds = max(int((min(until, row.end) - row.start).total_seconds()), 0)
    return (price * seconds / 3600).quantize(_NUMERIC, ROUND_HALF_UP)


def _hours(row: DiskRow | AddressRow, hour: datetime) -> Decimal:
    seconds = max(int((min(hour + HOUR, row.end) - max(hour, row.start)).total_seconds()), 0)
    return (Decimal(seconds) / 3600).quantize(_NUMERIC, ROUND_HALF_UP)
