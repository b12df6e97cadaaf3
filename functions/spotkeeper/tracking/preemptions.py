"""Preemptions: Compute Engine stops a Spot VM when it needs the capacity."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spotkeeper.instances import InstanceKey

OPERATIONS_KEPT = timedelta(days=14)
"""How long Compute Engine lists an operation at most; for sure it does for an hour.
https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses#handling_api_responses"""

OPERATIONS_TRUSTED = timedelta(hours=3)
"""Hours that ended earlier are read from the log, where there is one: a run on time has none of them."""


@dataclass(frozen=True, slots=True)
class Preemption:
    """One operation of type `compute.instances.preempted`; the log has its name for an id."""

    key: InstanceKey
    instance_name: str
    operation_id: str
    operation_name: str
    preempted_at: datetime
