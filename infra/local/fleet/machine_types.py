"""The machine types of the emulator, as Compute Engine knows them and as they are billed."""

import csv
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

MACHINE_TYPES = Path(__file__).with_name("machine_types.csv")
LOCAL_SSD_GIB = 375


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type; prices are per `billed_vcpus`, and `guest_cpus` is what the API says."""

    name: str
    guest_cpus: int
    memory_mb: int
    shared_cpu: bool
    gpu_type: str
    gpu_count: int
    local_ssd_partitions: int
    billed_vcpus: Decimal
    architecture: str
    cpu_platform: str

    @property
    def memory_gib(self) -> Decimal:
        """Memory as it is billed, where it is billed: an f1-micro has one price for everything."""
        return Decimal(self.memory_mb) / 1024

    @property
    def local_ssd_gib(self) -> int:
        """The local SSD that comes with the type."""
        return self.local_ssd_partitions * LOCAL_SSD_GIB


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a data file, without the comment that heads it."""
    with path.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


@functools.cache
def machine_types() -> dict[str, MachineType]:
    """All machine types by name."""
    return {row["name"]: _from_row(row) for row in read_csv(MACHINE_TYPES)}


def _from_row(row: dict[str, str]) -> MachineType:
    return MachineType(
        name=row["name"],
        guest_cpus=int(row["guest_cpus"]),
        memory_mb=int(row["memory_mb"]),
        shared_cpu=row["shared_cpu"] == "true",
        gpu_type=row["gpu_type"],
        gpu_count=int(row["gpu_count"]),
        local_ssd_partitions=int(row["local_ssd_partitions"]),
        billed_vcpus=Decimal(row["billed_vcpus"]),
        architecture=row["architecture"],
        cpu_platform=row["cpu_platform"],
    )
