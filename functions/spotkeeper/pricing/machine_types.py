"""Machine types: the vCPUs, memory, GPUs and local SSD that are billed of each."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from spotkeeper.pricing.reference_data import rows

_CUSTOM = re.compile(
    r"(?:(?:[a-z][a-z0-9]*-)?custom-(?P<vcpus>[1-9][0-9]{0,2})|e2-custom-(?P<shared>micro|small|medium))"
    r"-(?P<mib>[1-9][0-9]{0,7})(?:-ext)?"
)
_SHARED_VCPUS = {"micro": Decimal("0.25"), "small": Decimal("0.5"), "medium": Decimal(1)}
_MIB_PER_GIB = Decimal(1024)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The billed sizes of a machine type, with the GPUs and local SSD that it includes."""

    vcpus: Decimal
    memory_gib: Decimal
    gpu_type: str | None = None
    gpu_count: int = 0
    local_ssd_gib: int = 0


def sizes(machine_type: str) -> Sizes | None:
    """Return the sizes of a machine type; None when it is neither in our table nor a custom type.

    The name of a custom type has its sizes, the memory in MiB: `n2-custom-8-16384`, `custom-4-8192` (N1),
    `e2-custom-small-2048`; `-ext` at the end allows more memory for each vCPU.
    """
    if custom := _CUSTOM.fullmatch(machine_type):
        return Sizes(
            vcpus=_SHARED_VCPUS[custom["shared"]] if custom["shared"] else Decimal(custom["vcpus"]),
            memory_gib=Decimal(custom["mib"]) / _MIB_PER_GIB,
        )
    return _known_sizes().get(machine_type)


def known_machine_types() -> tuple[str, ...]:
    """Return the names in our table, which has no custom types."""
    return tuple(_known_sizes())


@cache
def _known_sizes() -> dict[str, Sizes]:
    return {
        row["machine_type"]: Sizes(
            vcpus=Decimal(row["vcpus"]),
            memory_gib=Decimal(row["memory_gib"]),
            gpu_type=row["gpu_type"] or None,
            gpu_count=int(row["gpu_count"]),
            local_ssd_gib=int(row["local_ssd_gib"]),
        )
        for row in rows("machine_types")
    }
