"""Preemptions: Compute Engine stops a Spot VM when it needs the capacity."""

from dataclasses import dataclass
from datetime import datetime

from spotkeeper.instances import InstanceKey


@dataclass(frozen=True, slots=True)
class Preemption:
    """One operation of type `compute.instances.preempted`."""

    key: InstanceKey
    instance_name: str
    operation_id: str
    operation_name: str
    preempted_at: datetime
