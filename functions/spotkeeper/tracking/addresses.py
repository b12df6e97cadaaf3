"""The reserved external addresses of a project: who uses them, and what they cost while no running instance does.

A reserved address costs while nothing uses it or while its instance is stopped; while its Spot VM runs, it is in the
address cost of the VM. Recorded are addresses that nothing uses and those of Spot VMs; one of a Standard VM, a load
balancer, a NAT or a VPN gateway is recorded without a cost, and only when it was recorded before: no time in which
another has it may count as unused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from spotkeeper.instances import ProvisioningModel, Sighting
from spotkeeper.periods import days_of
from spotkeeper.pricing.attached_prices import NOTHING_ATTACHED, AttachedPrice, AttachedStatus
from spotkeeper.tracking.disks import DayPrice, Place

type AddressPricing = Callable[[str, datetime], AttachedPrice]
"""The price of a reserved address that no running instance uses, in a region in an hour."""


class AddressUse(StrEnum):
    """What uses an address: it costs by itself unless a VM runs with it."""

    NONE = "none"
    STOPPED_VM = "stopped_vm"
    RUNNING_VM = "running_vm"
    OTHER = "other"


_COST_NOTHING_HERE = frozenset({AddressUse.RUNNING_VM, AddressUse.OTHER})
"""While its Spot VM runs, an address is in the VM's row; what is not a Spot VM is not tracked."""


class ListedAddress(NamedTuple):
    """A reserved external address as Compute Engine lists it; `created` is in UTC.

    `special` is what makes it billed otherwise than a regional IPv4 address of Google's, empty for one that is not.
    `users` are the instances that it is assigned to, and `other_users` is whether anything else has it.
    """

    project_id: str
    region: str
    address_id: str
    name: str
    created: datetime
    users: tuple[Place, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    special: str = ""
    other_users: bool = False


class AddressHolder(NamedTuple):
    """The Spot VM that holds an address as of a scan, and since when it is stopped if known; None for no such VM."""

    use: AddressUse
    instance_id: str | None = None
    instance_name: str | None = None
    stopped: datetime | None = None


class AddressSighting(NamedTuple):
    """An address as a scan found it at `seen`; `since` is the beginning of the hours that the run records.

    `begun` is when it was reserved, if that was within those hours: no earlier scan can tell of its use.
    """

    listed: ListedAddress
    holder: AddressHolder
    begun: datetime | None
    since: datetime
    seen: datetime
    prices: tuple[DayPrice, ...]


def holder_of(listed: ListedAddress, sightings: Mapping[Place, Sighting]) -> AddressHolder | None:
    """Return what holds an address; None for that of an instance that was not listed: it is not known what it is."""
    if listed.other_users or len(listed.users) > 1:
        return AddressHolder(AddressUse.OTHER)
    if not listed.users:
        return AddressHolder(AddressUse.NONE)
    sighting = sightings.get(listed.users[0])
    if sighting is None:
        return None
    if sighting.instance.provisioning_model is not ProvisioningModel.SPOT:
        return AddressHolder(AddressUse.OTHER)
    use = AddressUse.STOPPED_VM if sighting.is_stopped else AddressUse.RUNNING_VM
    instance = sighting.instance
    return AddressHolder(use, instance.key.instance_id, instance.name, sighting.stopped)


@dataclass(slots=True)
class AddressScan:
    """Makes the sightings of one scan at `now`, for a run that records the time from `since` on."""

    pricing: AddressPricing
    since: datetime
    now: datetime
    _days: tuple[tuple[datetime, datetime], ...] = field(init=False)
    _known: dict[tuple[str, str, bool], tuple[DayPrice, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Work out the days of Cloud Billing once."""
        self._days = tuple(days_of(self.since, self.now))

    def sighting(self, listed: ListedAddress, holder: AddressHolder) -> AddressSighting:
        """Return an address as it is recorded."""
        created = listed.created if listed.created >= self.since else None
        prices = self._prices(listed, holder.use in _COST_NOTHING_HERE)
        return AddressSighting(listed, holder, created, self.since, self.now, prices)

    def _prices(self, listed: ListedAddress, is_free: bool) -> tuple[DayPrice, ...]:  # noqa: FBT001 (part of the key)
        """Return the price in each day; while another pays for it, an address costs nothing here."""
        key = listed.region, listed.special, is_free
        known = self._known.get(key)
        if known is None:
            known = tuple(DayPrice(start, end, self._price(listed, start, is_free)) for start, end in self._days)
            self._known[key] = known
        return known

    def _price(self, listed: ListedAddress, day: datetime, is_free: bool) -> AttachedPrice:  # noqa: FBT001 (as above)
        if is_free:
            return NOTHING_ATTACHED
        if listed.special:
            return AttachedPrice(None, AttachedStatus.UNKNOWN, f"no rule for addresses that are {listed.special}")
        return self.pricing(listed.region, day)
