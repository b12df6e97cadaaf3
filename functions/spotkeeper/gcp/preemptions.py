"""Compute Engine's own record of the Spot VMs it took back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.compute import Json, OperationList, a_text, compute_calls, last_part, read_as_expected
from spotkeeper.gcp.plain_calls import readable
from spotkeeper.instances import InstanceKey
from spotkeeper.preemptions import Preemption
from spotkeeper.tracker_ports import Report

_FIELDS = "id,name,zone,targetId,targetLink,insertTime,startTime"
_FILTER = 'operationType = "compute.instances.preempted"'


class ComputePreemptions:
    """Reads the preemptions of a project over all zones."""

    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        self._operations = OperationList(compute_calls(endpoint, patience), _FIELDS)

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`; a zone that does not answer is reported.

        Compute Engine forgets operations after some weeks, and lists all that it remembers: how it compares a time in a
        filter is not documented, so times are compared here.
        """

        def read(operation: Json) -> Preemption:
            return _preemption(project_id, operation)

        for found in readable(self._operations.items(project_id, report, filter=_FILTER), read, report):
            if start <= found.preempted_at < end:
                yield found


def _preemption(project_id: str, operation: Json) -> Preemption:
    with read_as_expected("an operation"):
        return Preemption(
            key=InstanceKey(project_id, last_part(operation.get("zone", "")), str(operation.get("targetId", ""))),
            instance_name=last_part(operation.get("targetLink", "")),
            operation_id=str(operation.get("id", "")),
            operation_name=a_text(operation.get("name", "")),
            preempted_at=_moment(operation),
        )


def _moment(operation: Json) -> datetime:
    text = operation.get("startTime") or operation.get("insertTime", "")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        message = f"Compute Engine: operation {operation.get('name')} began at {text!r}, which is no time"
        raise UnavailableError(message) from error
