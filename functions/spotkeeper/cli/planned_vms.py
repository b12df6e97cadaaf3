"""The VMs of a plan as `plan` and `drill` print them: stops one by one, spared VMs by their reason."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from spotkeeper.cli.output import Row
from spotkeeper.cli.text_tables import aligned

FIELDS = (
    *("decision", "rank", "name", "project_id", "zone", "machine_type", "priority"),
    *("hourly_savings_usd", "hourly_licenses_usd", "hourly_disks_going_on_usd", "hourly_addresses_usd", "reason"),
)
"""The fields of a VM in JSON and CSV."""

_OF_ONE_VM = re.compile(r" \((?:rank \d+|started \S+)\)")
"""What a reason says of one VM alone."""


class Choice(StrEnum):
    """What a plan decides about a VM."""

    STOP = "stop"
    START = "start"
    SPARE = "spare"


@dataclass(frozen=True, slots=True)
class PlannedVm:
    """One VM of a plan, and the reason; amounts are in USD per hour, None if unknown or spared.

    `hourly_licenses` are the licenses and Tier_1 bandwidth in `hourly_savings`. A stop does not end `hourly_disks`, and
    `hourly_addresses` only where none is reserved.
    """

    decision: Choice
    rank: int | None
    name: str
    project_id: str
    zone: str
    machine_type: str | None
    priority: str | None
    hourly_savings: Decimal | None
    hourly_licenses: Decimal | None
    hourly_disks: Decimal | None
    hourly_addresses: Decimal | None
    reason: str

    def fields(self) -> Row:
        """Return the values of FIELDS."""
        place = (self.decision, self.rank, self.name, self.project_id, self.zone)
        attached = (self.hourly_licenses, self.hourly_disks, self.hourly_addresses)
        more = (self.machine_type, self.priority, self.hourly_savings, *attached, self.reason)
        return dict(zip(FIELDS, (*place, *more), strict=True))


def total_line(vms: Sequence[PlannedVm]) -> str:
    """Return how many are stopped and what that saves."""
    stops = [vm for vm in vms if vm.decision is Choice.STOP]
    if not stops:
        return f"Stops none of {_count(len(vms))}."
    known = [vm.hourly_savings for vm in stops if vm.hourly_savings is not None]
    unknown = len(stops) - len(known)
    more = f" and what {_count(unknown)} without a price cost" if unknown else ""
    return f"Stops {len(stops)} of {_count(len(vms))}: saves {sum(known, Decimal(0)):.4f} USD/h{more}."


def vm_lines(vms: Sequence[PlannedVm], *, every: bool, width: int | None) -> Iterator[str]:
    """Yield the stops in their order, then the spared VMs: how many for each reason, or every one."""
    stops = [vm for vm in vms if vm.decision is Choice.STOP]
    spared = [vm for vm in vms if vm.decision is Choice.SPARE]
    if stops:
        yield ""
        yield from aligned([_cells(vm) for vm in stops], width=width)
    if spared:
        yield ""
        rows = [_cells(vm) for vm in spared] if every else list(_by_reason(spared))
        yield from aligned(rows, width=width)


def _by_reason(spared: Sequence[PlannedVm]) -> Iterator[tuple[str, ...]]:
    names = defaultdict[str, list[str]](list)
    for vm in spared:
        names[_OF_ONE_VM.sub("", vm.reason)].append(vm.name)
    for reason, of_reason in sorted(names.items(), key=lambda each: -len(each[1])):
        first = of_reason[0] if len(of_reason) == 1 else f"{len(of_reason)} VMs, such as {of_reason[0]}"
        yield str(Choice.SPARE), first, reason


def _cells(vm: PlannedVm) -> tuple[str, ...]:
    return str(vm.decision), vm.name, f"{vm.project_id}/{vm.zone}", vm.machine_type or "", vm.reason


def _count(number: int) -> str:
    return f"{number} Spot VM{'' if number == 1 else 's'}"
