"""Compute Engine instances (VMs) as values."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

IN_STORAGE_POOL, CONFIDENTIAL = "storage-pool", "confidential"
"""Disks that are billed otherwise than their type."""

PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


class ProvisioningModel(StrEnum):
    """How an instance was bought; each model has a price of its own."""

    SPOT = "SPOT"
    STANDARD = "STANDARD"
    FLEX_START = "FLEX_START"
    RESERVATION_BOUND = "RESERVATION_BOUND"


class InstanceKey(NamedTuple):
    """What identifies one instance for ever: a recreated one has the same name and another id."""

    project_id: str
    zone: str
    instance_id: str

    @property
    def region(self) -> str:
        """The region of the zone: `us-central1` of `us-central1-a`."""
        return region_of(self.zone)


@lru_cache(maxsize=1024)
def region_of(zone: str) -> str:
    """Return the region of a zone: `us-central1` of `us-central1-a`."""
    return zone.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Shape:
    """What an instance is made of, as far as it is priced.

    `gpu_type` is the accelerator type as Compute Engine names it (`nvidia-tesla-t4`), for attached and bundled GPUs;
    `local_ssd_gib` is all local SSD, attached or bundled. `vcpus` is what is billed: 0.25 for an e2-micro. Both sizes
    are None for a machine type whose size nobody could tell; its price is then unknown.
    """

    machine_type: str
    vcpus: Decimal | None
    memory_gib: Decimal | None
    gpu_type: str | None = None
    gpu_count: int = 0
    local_ssd_gib: int = 0

    def __hash__(self) -> int:
        """Return an equal number for equal shapes, without the sizes: it is asked for in every row."""
        return hash(self.machine_type)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk: its type, such as `pd-balanced`, its size in GiB, and what is provisioned of IOPS and MiB/s.

    A regional disk is kept in two zones. `users` instances share it. A `special` one is billed otherwise than its type:
    IN_STORAGE_POOL or CONFIDENTIAL.
    """

    disk_type: str
    size_gib: Decimal
    iops: int = 0
    throughput_mibps: int = 0
    regional: bool = False
    users: int = 1
    special: str = ""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the hash, of what most disks differ in: it is asked for several times a disk."""
        object.__setattr__(self, "_hash", hash((self.disk_type, self.size_gib)))

    def __hash__(self) -> int:
        """Return an equal number for equal disks."""
        return self._hash

    @property
    def name(self) -> str:
        """The type as `data/disks.csv` has it."""
        return f"{self.disk_type}{'-regional' if self.regional else ''}{self.special and f' {self.special}'}"


@dataclass(frozen=True, slots=True)
class Attachments:
    """What is attached to an instance beside its machine type, as far as it is priced; None where it is not known.

    `addresses` are external IPv4 addresses while it runs, `reserved_addresses` those that it keeps while it is stopped.
    `licenses` are names of `data/licenses.csv`, or Compute Engine's: `windows-cloud/windows-server-2022-dc`.
    `bandwidth_gbps` is that of Tier_1, 0 where it is not known; `tier_1` is whether there is any.
    """

    disks: tuple[Disk, ...] | None = ()
    addresses: int | None = 0
    licenses: tuple[str, ...] | None = ()
    bandwidth_gbps: int = 0
    tier_1: bool | None = False
    reserved_addresses: int = 0
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the hash, of what most attachments differ in: it is asked for several times a row."""
        object.__setattr__(self, "_hash", hash((self.disks, self.addresses, self.licenses)))

    def __hash__(self) -> int:
        """Return an equal number for equal attachments."""
        return self._hash


UNKNOWN_ATTACHMENTS = Attachments(None, None, None, tier_1=None)
"""Of an instance that nobody observed with its attachments."""


class Instance(NamedTuple):
    """One instance as it was when somebody looked; a tuple, for a run makes two of each that it lists."""

    key: InstanceKey
    name: str
    provisioning_model: ProvisioningModel
    shape: Shape
    labels: tuple[tuple[str, str], ...] = ()
    managed_by: str | None = None
    attachments: Attachments = UNKNOWN_ATTACHMENTS

    def __hash__(self) -> int:
        """Return an equal number for equal instances, without the shape and labels: it is asked for in every row."""
        return hash(self.key)

    @property
    def region(self) -> str:
        """The region of the zone: `us-central1` of `us-central1-a`."""
        return self.key.region


@dataclass(slots=True)
class Sighting:
    """An instance as it is now, and since when it has run; None when it does not run, or was suspended since.

    `started` is its last start, whether or not it runs, and `created` its creation; None where Compute Engine has none.
    `disk_count` is how many disks are attached, local SSD apart; `disks` are those that another list had so far.
    `is_stopped` is whether it is stopped or suspended, since `stopped` if Compute Engine has it.
    """

    instance: Instance
    running_since: datetime | None
    started: datetime | None = None
    created: datetime | None = None
    disk_count: int = 0
    is_stopped: bool = False
    stopped: datetime | None = None
    disks: tuple[Disk, ...] = ()
