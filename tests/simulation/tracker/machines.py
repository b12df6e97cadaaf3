"""Machine types of the world and the parts that Compute Engine bills for each, as fractions.

Sizes are those that Google publishes; a shared-core type is billed for a share of its vCPUs.
https://cloud.google.com/compute/docs/machine-resource
"""

from dataclasses import dataclass, replace
from fractions import Fraction

LOCAL_SSD_GIB = 375
LOCAL_SSD = "local ssd"
WORKSTATION = "-vws"


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type: vCPUs and GiB by part, and the GPUs and local SSDs that come with it."""

    name: str
    parts: tuple[tuple[str, Fraction], ...]
    gpu: str | None = None
    gpus: int = 0
    local_ssds: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What one run of a VM is made of and how it was bought; GPUs and local SSDs are those attached to it."""

    machine_type: MachineType
    spot: bool = True
    gpu: str | None = None
    gpus: int = 0
    local_ssds: int = 0

    @property
    def accelerator(self) -> tuple[str, int] | None:
        """The accelerator type and count, attached or part of the machine type."""
        if self.gpu is not None:
            return self.gpu, self.gpus
        return (self.machine_type.gpu, self.machine_type.gpus) if self.machine_type.gpu is not None else None

    @property
    def scratch_disks(self) -> int:
        """The number of local SSDs, attached or part of the machine type."""
        return self.local_ssds + self.machine_type.local_ssds

    @property
    def parts(self) -> dict[str, Fraction]:
        """What is billed, by part; a virtual workstation is billed for the plain GPU, its licence apart."""
        parts = dict(self.machine_type.parts)
        if self.accelerator is not None:
            name, count = self.accelerator
            parts[name.removesuffix(WORKSTATION)] = Fraction(count)
        if self.scratch_disks:
            parts[LOCAL_SSD] = Fraction(self.scratch_disks * LOCAL_SSD_GIB)
        return parts

    def bought(self, *, spot: bool) -> "Machine":
        """Return the same machine as a Spot or a Standard VM."""
        return replace(self, spot=spot)


def _predefined(name: str, family: str, vcpus: str, gib: str) -> MachineType:
    return MachineType(name, ((f"{family} core", Fraction(vcpus)), (f"{family} ram", Fraction(gib))))


_N2_STANDARD_2 = _predefined("n2-standard-2", "n2", "2", "8")
_N2_STANDARD_4 = _predefined("n2-standard-4", "n2", "4", "16")
_N2_STANDARD_64 = _predefined("n2-standard-64", "n2", "64", "256")
_N1_STANDARD_4 = _predefined("n1-standard-4", "n1", "4", "15")
_N2_EXTENDED = MachineType(
    "n2-custom-2-32768-ext",
    (("n2-custom core", Fraction(2)), ("n2-custom ram", Fraction(16)), ("n2-custom extended ram", Fraction(16))),
)

ORDINARY = (
    Machine(_N2_STANDARD_2),
    Machine(_N2_STANDARD_4),
    Machine(_predefined("e2-micro", "e2", "0.25", "1")),
    Machine(_predefined("e2-standard-4", "e2", "4", "16")),
    Machine(_predefined("t2d-standard-4", "t2d", "4", "16")),
    Machine(_predefined("n2-custom-8-16384", "n2-custom", "8", "16")),
    Machine(_predefined("custom-4-8192", "custom", "4", "8")),
    Machine(_N2_EXTENDED),
)
ACCELERATED = (
    Machine(_N1_STANDARD_4, gpu="nvidia-tesla-t4", gpus=1),
    Machine(MachineType("g2-standard-8", (("g2 core", Fraction(8)), ("g2 ram", Fraction(32))), "nvidia-l4", 1)),
    Machine(
        MachineType("a2-highgpu-1g", (("a2 core", Fraction(12)), ("a2 ram", Fraction(85))), "nvidia-tesla-a100", 1)
    ),
)
WORKSTATIONS = (Machine(_N1_STANDARD_4, gpu="nvidia-tesla-t4-vws", gpus=1),)
WITH_LOCAL_SSD = (
    Machine(_N2_STANDARD_4, local_ssds=2),
    Machine(MachineType("c3-standard-8-lssd", (("c3 core", Fraction(8)), ("c3 ram", Fraction(32))), local_ssds=2)),
)
LARGE = Machine(_N2_STANDARD_64)
"""32 times an n2-standard-2: what a small VM of the world is resized to."""


def has_history(machine: Machine) -> bool:
    """Whether Google keeps a history of the price of a machine: of predefined types without attachments."""
    return (
        machine.spot
        and "custom-" not in machine.machine_type.name
        and machine.gpu is None
        and not machine.scratch_disks
    )
