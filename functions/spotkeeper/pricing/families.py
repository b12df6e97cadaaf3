"""The components that the machine types of each family are billed for."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from spotkeeper.instances import Shape
from spotkeeper.pricing.reference_data import rows


def architecture_of(machine_type: str) -> str | None:
    """Return X86_64 or ARM64, as Compute Engine names it; None when there is no rule for the machine type."""
    family = family_of(machine_type)
    return family.architecture if family else None


def custom_prefixes() -> list[str]:
    """Return the prefixes of the custom types that have a rule, such as `n2-custom-`."""
    return [family.prefix for family in _families() if family.prefix.endswith(_CUSTOM) and not family.unknown]


@dataclass(frozen=True, slots=True)
class ShapeComponent:
    """One billed component of a shape, and its quantity per instance."""

    shape: Shape
    component: str
    quantity: Decimal


def components_of(shape: Shape) -> tuple[ShapeComponent, ...]:
    """Return the billed components of a shape; none when they are not known."""
    bill = bill_of(shape)
    return () if isinstance(bill, Unpriceable) else tuple(ShapeComponent(shape, *part) for part in bill.items())


def left_out(shape: Shape) -> str:
    """Return what the price of a shape does not include; empty when it includes all that is billed."""
    gpu_type = shape.gpu_type or ""
    return f"the license of {gpu_type} is not priced" if gpu_type.endswith(WORKSTATION) else ""


_CUSTOM = "custom-"
WORKSTATION = "-vws"
"""A virtual workstation (`nvidia-tesla-t4-vws`) is billed as the plain GPU and a license, which has no Spot price.
https://cloud.google.com/compute/gpus-pricing"""


@dataclass(frozen=True, slots=True)
class Unpriceable:
    """A shape whose billed components are not known, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Family:
    """A row of `data/families.csv`."""

    prefix: str
    architecture: str
    core: str
    ram: str
    premium: str
    flat: str
    extended: str
    gib_per_vcpu: str
    local_ssd: str
    slices: str
    per_gpu: str
    bundled_gpu: str
    unknown: str


def bill_of(shape: Shape) -> dict[str, Decimal] | Unpriceable:
    """Return the quantity of each billed component of a shape, or why they are not known."""
    family = family_of(shape.machine_type)
    if family is None or not _has_rule(family, shape.machine_type):
        return Unpriceable(f"no rule for machine type {shape.machine_type}")
    if family.unknown:
        return Unpriceable(f"{shape.machine_type}: {family.unknown}")
    vcpus, memory_gib = shape.vcpus, shape.memory_gib
    if vcpus is None or memory_gib is None or not is_amount(vcpus) or not is_amount(memory_gib):
        return Unpriceable(f"the size of machine type {shape.machine_type} is not known")
    if unpriceable := _unknown_attachments(family, shape):
        return unpriceable
    if family.per_gpu:
        return {family.per_gpu: Decimal(family.slices or shape.gpu_count)}
    bill = {family.flat: Decimal(1)} if family.flat else _cores_and_memory(family, shape, vcpus, memory_gib)
    if shape.gpu_count:
        bill[f"gpu:{(shape.gpu_type or 'unknown').removesuffix(WORKSTATION)}"] = Decimal(shape.gpu_count)
    if shape.local_ssd_gib:
        bill[family.local_ssd] = Decimal(shape.local_ssd_gib)
    return bill


def _unknown_attachments(family: Family, shape: Shape) -> Unpriceable | None:
    """Why the GPUs or the local SSD of a shape cannot be billed; None when they can."""
    if shape.gpu_count < bool(family.bundled_gpu) or shape.local_ssd_gib < 0:
        return Unpriceable(f"the GPUs or the local SSD of machine type {shape.machine_type} are not known")
    if shape.local_ssd_gib and (family.slices or not (family.local_ssd or family.per_gpu)):
        return Unpriceable(f"no rule for local SSD of machine type {shape.machine_type}")
    return None


def _has_rule(family: Family, machine_type: str) -> bool:
    """Whether the row has a rule for a custom type and its extended memory."""
    if _CUSTOM not in machine_type or family.unknown:
        return True
    return _CUSTOM in family.prefix and bool(family.extended or not machine_type.endswith("-ext"))


def is_amount(value: Decimal | None) -> bool:
    """Whether a number is finite and above 0."""
    return value is not None and value.is_finite() and value > 0


def _cores_and_memory(family: Family, shape: Shape, vcpus: Decimal, memory_gib: Decimal) -> dict[str, Decimal]:
    bill = {family.core: vcpus, family.ram: memory_gib}
    if family.premium:
        bill |= {f"{family.premium}:core": vcpus, f"{family.premium}:ram": memory_gib}
    if family.extended and shape.machine_type.endswith("-ext"):
        ordinary = min(memory_gib, vcpus * Decimal(family.gib_per_vcpu))
        bill[family.ram] = ordinary
        if memory_gib > ordinary:
            bill[family.extended] = memory_gib - ordinary
    return bill


@cache
def family_of(machine_type: str) -> Family | None:
    """Return the row with the longest matching prefix; None when none matches."""
    fitting = [family for family in _families() if machine_type.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


@cache
def _families() -> tuple[Family, ...]:
    return tuple(Family(**row) for row in rows("families"))
