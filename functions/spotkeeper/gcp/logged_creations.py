"""The admin activity audit log: who created instances, for longer than Compute Engine lists their operations."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from spotkeeper.gcp.audit_log import CREATING_METHODS, HOST, SERVICE, LogEntries, during, first_entries
from spotkeeper.gcp.compute.lists import Json, last_part, translate_parse_errors
from spotkeeper.gcp.http_calls import HttpCalls, parse_each
from spotkeeper.instances import InstanceKey
from spotkeeper.ports import Report
from spotkeeper.tracking.creators import Creation, CreatorSource
from spotkeeper.values import identifier, optional_string, string, time


class LoggedCreations:
    """Reads the creations of a project from the _Required bucket, which keeps them for 400 days.

    https://cloud.google.com/logging/docs/audit#admin-activity
    """

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._entries = LogEntries(HttpCalls(SERVICE, HOST, endpoint, retry_timeout))

    def creations(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Creation]:
        """Yield the creations from `start` up to, but without, `end`, each instance of a bulk insert by itself."""
        conditions = [
            *first_entries(project_id, CREATING_METHODS),
            'resource.type="gce_instance"',
            *during(start, end),
        ]

        def read(entry: Json) -> Creation | None:
            return _creation(project_id, entry)

        for found in parse_each(self._entries.items(project_id, conditions), read, report):
            if found is not None and start <= found.created_at < end:
                yield found


def _creation(project_id: str, entry: Json) -> Creation | None:
    """Return who created which instance; None of a request that was refused, and of one without a principal.

    A federated identity has no e-mail address: https://cloud.google.com/logging/docs/audit#user-id.
    """
    with translate_parse_errors(f"audit log entry {str(entry.get('insertId'))[:80]}", SERVICE):
        payload, labels = entry["protoPayload"], entry["resource"]["labels"]
        who = payload.get("authenticationInfo", {})
        principal = optional_string(who.get("principalEmail") or who.get("principalSubject"))
        if not principal or payload.get("status", {}).get("code"):
            return None
        return Creation(
            key=InstanceKey(project_id, string(labels["zone"]), identifier(labels["instance_id"])),
            instance_name=string(last_part(payload["resourceName"])),
            created_at=time(entry["timestamp"]),
            created_by=principal,
            source=CreatorSource.AUDIT_LOG,
        )
