"""The table of addresses in memory: what one scan found, recorded day by day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from spotkeeper.pricing.attached_prices import AttachedPrice
from spotkeeper.tracking.addresses import AddressHolder, AddressSighting, AddressUse
from spotkeeper.tracking.disks import DayPrice

_NUMERIC = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class AddressRow:
    """One address while it was unchanged, in one day."""

    address_id: str
    name: str
    region: str
    use: AddressUse
    instance_id: str | None
    last_user: str | None
    idle_since: datetime | None
    start: datetime
    end: datetime
    price: AttachedPrice
    labels: tuple[tuple[str, str], ...]
    project_id: str

    @property
    def cost(self) -> Decimal | None:
        """What the address cost in the whole seconds of the row."""
        if self.price.usd is None:
            return None
        seconds = int((self.end - self.start).total_seconds())
        return (self.price.usd * seconds / 3600).quantize(_NUMERIC, ROUND_HALF_UP)


def record_addresses(rows: list[AddressRow], sightings: Iterable[AddressSighting]) -> list[AddressRow]:
    """Return the rows after a scan: the latest row of an address goes on, or a new one begins."""
    found = {(row.address_id, row.start): row for row in rows}
    for sighting in sightings:
        before = _latest(found.values(), sighting)
        if before is not None:
            for day in sighting.prices:
                before = _longer(before, sighting, day)
            found[before.address_id, before.start] = before
        if before is None and sighting.holder.use is AddressUse.OTHER:
            continue
        for row in _rows(before, sighting):
            found[row.address_id, row.start] = row
    return list(found.values())


def _latest(rows: Iterable[AddressRow], sighting: AddressSighting) -> AddressRow | None:
    first = sighting.prices[0].start
    own = (row for row in rows if row.address_id == sighting.listed.address_id and row.start >= first)
    return max(own, key=lambda row: row.start, default=None)


def _longer(latest: AddressRow, sighting: AddressSighting, day: DayPrice) -> AddressRow:
    """The latest row, as far as it goes on in a day."""
    goes_on = (
        _is_same_use(latest, sighting)
        and (latest.name, latest.labels) == (sighting.listed.name, sighting.listed.labels)
        and latest.start >= day.start
        and not _ran_since(latest, sighting.holder)
        and latest.price[:2] == day.price[:2]
    )
    return replace(latest, end=max(latest.end, min(day.end, sighting.seen))) if goes_on else latest


def _is_same_use(latest: AddressRow, sighting: AddressSighting) -> bool:
    held = sighting.holder.use, sighting.holder.instance_id
    return (latest.use, latest.instance_id) == held and latest.end >= sighting.since


def _ran_since(latest: AddressRow, holder: AddressHolder) -> bool:
    return holder.use is AddressUse.STOPPED_VM and holder.stopped is not None and holder.stopped > latest.end


def _rows(before: AddressRow | None, sighting: AddressSighting) -> Iterator[AddressRow]:
    listed, holder, seen = sighting.listed, sighting.holder, sighting.seen
    same = before is not None and _is_same_use(before, sighting)
    stopped = holder.stopped if holder.use is AddressUse.STOPPED_VM else None
    begins: datetime
    idle_since: datetime | None
    kept = before is not None and holder.instance_id == before.instance_id and before.end >= sighting.since
    if stopped is not None and ((kept and holder.instance_id) or (before is None and sighting.begun)):
        begins, idle_since = min(stopped, seen), stopped
    elif same and before is not None:
        begins, idle_since = before.end, before.idle_since
    elif before is None:
        begins = seen if holder.use is AddressUse.STOPPED_VM else sighting.begun or seen
        idle_since = sighting.begun
    else:
        begins, idle_since = seen, before.end
    idle_since = stopped or idle_since
    for day in sighting.prices:
        start = max(day.start, sighting.since, listed.created, begins, before.end if before else sighting.since)
        end = min(day.end, seen)
        is_new = not same and start == end == seen and (before is None or before.start < seen)
        if start < end or is_new:
            yield AddressRow(
                listed.address_id,
                listed.name,
                listed.region,
                holder.use,
                holder.instance_id,
                holder.instance_name or (before.last_user if before else None),
                None if holder.use in {AddressUse.RUNNING_VM, AddressUse.OTHER} else idle_since,
                start,
                end,
                day.price,
                listed.labels,
                listed.project_id,
            )
