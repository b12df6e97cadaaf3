"""The disks of a project: which instances they are attached to, and what they cost while they exist.

A disk costs from its creation to its deletion, whether its instance runs or not. Recorded are disks that a Spot VM has
attached, and disks that nothing has: what a deleted VM left, and what nobody uses. A disk that has several users, Spot
or not, is recorded whole when one of them is a Spot VM; each bears an equal part.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, final

from spotkeeper.instances import Attachments, Disk, Instance, ProvisioningModel, Sighting, region_of
from spotkeeper.periods import days_of
from spotkeeper.pricing.attached_prices import AttachedPrice

type Place = tuple[str, str]
"""The zone and the name of an instance: what a list of disks says of it."""

type DiskPricing = Callable[[Disk, str, datetime], AttachedPrice]
"""The price of a disk in a region in an hour."""


class ListedDisk(NamedTuple):
    """A disk as Compute Engine lists it; `place` is its zone, or the region of one that is kept in two zones.

    `last_detached` is when the last instance lost it, None where one has it or none ever had. Times are in UTC.
    """

    project_id: str
    place: str
    disk_id: str
    name: str
    disk: Disk
    created: datetime
    users: tuple[Place, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    last_detached: datetime | None = None


class DayPrice(NamedTuple):
    """The price of a disk or an address in one day of Cloud Billing, or in the part of it that a run records."""

    start: datetime
    end: datetime
    price: AttachedPrice


@dataclass(frozen=True, slots=True, eq=False)
class DiskKind:
    """What disks that are alike have in common: where and what they are, and their prices while a run records them.

    That is the time from `since` up to `seen`; `prices` are those of a whole disk in each day of it. Alike disks share
    one object, so that what is kept of it is found without a comparison.
    """

    project_id: str
    place: str
    disk: Disk
    since: datetime
    seen: datetime
    prices: tuple[DayPrice, ...]

    @property
    def region(self) -> str:
        """The region that the disks are in."""
        return self.place if self.disk.regional else region_of(self.place)


@final
class DiskSighting(NamedTuple):
    """A disk as a scan found it, to be recorded for a time, or since it was last recorded; and the VMs that have it."""

    listed: ListedDisk
    users: tuple[Instance, ...]
    kind: DiskKind


class DiskScan:
    """Matches the disks of a project with its instances, whichever were listed."""

    def __init__(self, sightings: dict[Place, Sighting]) -> None:
        self._sightings = sightings
        self._known: dict[tuple[Attachments, tuple[Disk, ...]], Attachments] = {}

    def users(self, listed: ListedDisk) -> tuple[Instance, ...] | None:
        """Attach a disk to its users, and return those of a disk that is recorded: a Spot VM has it, or nothing has.

        None when it is not recorded, as when one of its users was not listed.
        """
        found: tuple[Instance, ...] = ()
        recorded = not listed.users
        for place in listed.users:
            sighting = self._sightings.get(place)
            if sighting is None:
                return None
            instance = sighting.instance
            sighting.disks = (*sighting.disks, listed.disk)
            found = (*found, instance)
            recorded = recorded or instance.provisioning_model is ProvisioningModel.SPOT
        return found if recorded else None

    def instances(self, others: Iterable[Sighting] = ()) -> Iterator[tuple[Instance, Sighting]]:
        """Yield every instance with its disks, and the others without them; each is forgotten as it is yielded."""
        yield from ((sighting.instance, sighting) for sighting in others)
        while self._sightings:
            _, sighting = self._sightings.popitem()
            yield self._with_disks(sighting), sighting

    def _with_disks(self, sighting: Sighting) -> Instance:
        """An instance with its disks; they stay unknown unless as many were listed as it has."""
        instance, disks = sighting.instance, sighting.disks
        if len(disks) != sighting.disk_count:
            return instance
        key = instance.attachments, disks
        known = self._known.get(key)
        if known is None:
            known = replace(instance.attachments, disks=tuple(sorted(disks, key=_order)))
            self._known[key] = known
        return Instance(
            instance.key,
            instance.name,
            instance.provisioning_model,
            instance.shape,
            instance.labels,
            instance.managed_by,
            known,
        )


class DiskKinds:
    """The kinds of a project's disks that a run records from `since` up to `until`, each priced once.

    A day of Cloud Billing has the price that held when it began, and the real length of its month.
    """

    def __init__(self, pricing: DiskPricing, since: datetime, until: datetime) -> None:
        self._pricing = pricing
        self._since = since
        self._until = until
        self._days = tuple(days_of(since, until))
        self._known: dict[tuple[str, Disk], DiskKind] = {}

    def of(self, listed: ListedDisk) -> DiskKind:
        """Return the kind of a disk."""
        alike = listed.place, listed.disk
        known = self._known.get(alike)
        if known is None:
            known = self._known[alike] = self._priced(listed.project_id, *alike)
        return known

    def _priced(self, project_id: str, place: str, disk: Disk) -> DiskKind:
        unpriced = DiskKind(project_id, place, disk, self._since, self._until, ())
        whole = replace(disk, users=1)
        days = [DayPrice(start, end, self._pricing(whole, unpriced.region, start)) for start, end in self._days]
        return replace(unpriced, prices=tuple(days))


def _order(disk: Disk) -> tuple[object, ...]:
    return disk.disk_type, disk.size_gib, disk.iops, disk.throughput_mibps, disk.regional, disk.users, disk.special
