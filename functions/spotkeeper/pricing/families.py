"""What the machines of each family are billed for."""

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
    """Return how the names of custom types begin that have a rule: `n2-custom-`."""
    return [family.prefix for family in _families() if family.prefix.endswith(_CUSTOM) and not family.unknown]


@dataclass(frozen=True, slots=True)
class ShapeComponent:
    """One part of what a shape is billed for, and how much of it an instance has."""

    shape: Shape
    component: str
    quantity: Decimal


def components_of(shape: Shape) -> tuple[ShapeComponent, ...]:
    """Return all parts that a shape is billed for; none when that is not known."""
    bill = bill_of(shape)
    return () if isinstance(bill, Unpriceable) else tuple(ShapeComponent(shape, *part) for part in bill.items())


_CUSTOM = "custom-"


@dataclass(frozen=True, slots=True)
class Unpriceable:
    """A shape whose components are not known, and why."""

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
    """Return the components that a shape is billed for and how much of each, or why that is not known."""
    family = family_of(shape.machine_type)
    if family is None or not _has_rule(family, shape.machine_type):
        return Unpriceable(f"no rule for machine type {shape.machine_type}")
    reason = _unbillable(family, shape)
    if reason or shape.vcpus is None or shape.memory_gib is None:
        return Unpriceable(reason)
    if family.per_gpu:
        return {family.per_gpu: Decimal(family.slices or shape.gpu_count)}
    bill = {family.flat: Decimal(1)} if family.flat else _cores_and_memory(family, shape, shape.vcpus, shape.memory_gib)
    if shape.gpu_count:
        bill[f"gpu:{shape.gpu_type}"] = Decimal(shape.gpu_count)
    if shape.local_ssd_gib:
        bill[family.local_ssd] = Decimal(shape.local_ssd_gib)
    return bill


def _unbillable(family: Family, shape: Shape) -> str:
    """Why a shape of a family has no bill; empty when it has one."""
    if family.unknown:
        return f"{shape.machine_type}: {family.unknown}"
    if not is_amount(shape.vcpus) or not is_amount(shape.memory_gib):
        return f"the size of machine type {shape.machine_type} is not known"
    if shape.gpu_count < bool(family.bundled_gpu) or shape.local_ssd_gib < 0:
        return f"the GPUs or the local SSD of machine type {shape.machine_type} are not known"
    if shape.local_ssd_gib and (family.slices or not (family.local_ssd or family.per_gpu)):
        return f"no rule for local SSD of machine type {shape.machine_type}"
    return ""


def _has_rule(family: Family, machine_type: str) -> bool:
    """Whether the row says what a custom type, or its extended memory, is billed for."""
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
    """Return the row with the longest prefix that the machine type has; None when there is none."""
    fitting = [family for family in _families() if machine_type.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


@cache
def _families() -> tuple[Family, ...]:
    return tuple(Family(**row) for row in rows("families"))
