"""Compute Engine's own record of the Spot VMs it took back."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from spotkeeper.gcp.compute.lists import Json, OperationList, compute_calls, last_part, translate_parse_errors
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import InstanceKey
from spotkeeper.ports import Report
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.values import identifier, string, time

_FIELDS = "id,name,zone,targetId,targetLink,insertTime,startTime"
_FILTER = 'operationType = "compute.instances.preempted"'


class ComputePreemptions:
    """Reads the preemptions of a project over all zones."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._operations = OperationList(compute_calls(endpoint, retry_timeout), _FIELDS)

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`; a zone that does not answer is reported.

        Compute Engine forgets operations after 14 days or earlier, and lists all that it remembers: how it compares a
        time in a filter is not documented, so times are compared here.
        """

        def read(operation: Json) -> Preemption:
            return _preemption(project_id, operation)

        for found in parse_each(self._operations.items(project_id, report, filter=_FILTER), read, report):
            if start <= found.preempted_at < end:
                yield found


def _preemption(project_id: str, operation: Json) -> Preemption:
    with translate_parse_errors("an operation"):
        return Preemption(
            key=InstanceKey(project_id, string(last_part(operation["zone"])), identifier(operation["targetId"])),
            instance_name=string(last_part(operation["targetLink"])),
            operation_id=identifier(operation["id"]),
            operation_name=string(operation["name"]),
            preempted_at=time(operation.get("startTime") or operation["insertTime"]),
        )
