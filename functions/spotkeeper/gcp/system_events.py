"""The system event audit log: preemptions, for longer than Compute Engine lists their operations."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from spotkeeper.gcp.audit_log import HOST, SERVICE, LogEntries, during
from spotkeeper.gcp.compute.lists import Json, last_part, translate_parse_errors
from spotkeeper.gcp.http_calls import HttpCalls, parse_each
from spotkeeper.instances import InstanceKey
from spotkeeper.ports import Report
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.values import identifier, string, time


class SystemEventPreemptions:
    """Reads the preemptions of a project from the _Required bucket, which keeps them for 400 days.

    https://cloud.google.com/logging/docs/audit#system-event
    """

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._entries = LogEntries(HttpCalls(SERVICE, HOST, endpoint, retry_timeout))

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`, each operation once."""
        conditions = [
            f'logName="projects/{project_id}/logs/cloudaudit.googleapis.com%2Fsystem_event"',
            'protoPayload.methodName:"compute.instances.preempted"',
            'resource.type="gce_instance"',
            *during(start, end),
        ]
        operations = set[str]()

        def read(entry: Json) -> Preemption:
            return _preemption(project_id, entry)

        for found in parse_each(self._entries.items(project_id, conditions), read, report):
            if start <= found.preempted_at < end and found.operation_name not in operations:
                operations.add(found.operation_name)
                yield found


def _preemption(project_id: str, entry: Json) -> Preemption:
    with translate_parse_errors(f"audit log entry {str(entry.get('insertId'))[:80]}", SERVICE):
        labels, operation = entry["resource"]["labels"], string(entry["operation"]["id"])
        return Preemption(
            key=InstanceKey(project_id, string(labels["zone"]), identifier(labels["instance_id"])),
            instance_name=string(last_part(entry["protoPayload"]["resourceName"])),
            operation_id=operation,
            operation_name=operation,
            preempted_at=time(entry["timestamp"]),
        )
