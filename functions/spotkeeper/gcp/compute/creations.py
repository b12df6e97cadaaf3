"""Compute Engine's own record of who created its instances."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from spotkeeper.gcp.compute.lists import Json, OperationList, compute_calls, last_part, translate_parse_errors
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.instances import InstanceKey
from spotkeeper.ports import Report
from spotkeeper.tracking.creators import Creation, CreatorSource
from spotkeeper.values import identifier, optional_string, string, time

MOST_OPERATIONS = 10_000
"""So many are read of a project in a run, 20 pages: an insert may be of any resource, and one of a large fleet may have
made more in 14 days. Newest first: https://cloud.google.com/compute/docs/reference/rest/v1/globalOperations/aggregatedList"""

_FIELDS = "zone,operationType,targetId,targetLink,insertTime,user,httpErrorStatusCode"
_FILTER = 'operationType eq "insert|bulkInsert"'
_NEWEST_FIRST = "creationTimestamp desc"


class ComputeCreations:
    """Reads the creations of a project over all zones from their operations.

    A bulk insert is one operation for the request, whose target is no instance, and one for each instance.
    """

    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._operations = OperationList(compute_calls(endpoint, retry_timeout), _FIELDS)

    def creations(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Creation]:
        """Yield the creations from `start` up to, but without, `end`; a zone that does not answer is reported.

        How Compute Engine compares a time in a filter is not documented, so times are compared here.
        """
        listed = self._operations.items(project_id, report, filter=_FILTER, orderBy=_NEWEST_FIRST)

        def read(operation: Json) -> Creation | None:
            return _creation(project_id, operation)

        for found in parse_each(islice(listed, MOST_OPERATIONS), read, report):
            if found is not None and start <= found.created_at < end:
                yield found
        if next(listed, None) is not None:
            report(f"Compute Engine: more than {MOST_OPERATIONS} operations that create something")


def _creation(project_id: str, operation: Json) -> Creation | None:
    """Return who created which instance; None of another resource, a request that failed, or without a user."""
    with translate_parse_errors("an operation"):
        of_instance = "/instances/" in str(operation.get("targetLink"))
        user = optional_string(operation.get("user"))
        if not of_instance or not user or operation.get("httpErrorStatusCode"):
            return None
        return Creation(
            key=InstanceKey(project_id, string(last_part(operation["zone"])), identifier(operation["targetId"])),
            instance_name=string(last_part(operation["targetLink"])),
            created_at=time(operation["insertTime"]),
            created_by=user,
            source=CreatorSource.OPERATION,
        )
