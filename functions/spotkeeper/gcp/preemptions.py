"""Compute Engine's own record of the Spot VMs it took back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from google.cloud import compute_v1

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.calls import TIMEOUT, client_options, credentials, failing_as_unavailable, retry
from spotkeeper.gcp.compute import QueryParameters, last_part, mount, report_missing
from spotkeeper.instances import InstanceKey
from spotkeeper.preemptions import Preemption
from spotkeeper.tracking import Report

OPERATIONS_PER_PAGE = 500
"""The most that aggregatedList gives."""

_FIELDS = (
    "nextPageToken,unreachables,warning(code,message),items/*/warning(code,message),"
    "items/*/operations(id,name,zone,targetId,targetLink,insertTime,startTime)"
)
_FILTER = 'operationType = "compute.instances.preempted"'


class ComputePreemptions:
    """Reads the preemptions of a project over all zones."""

    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        self._client = compute_v1.GlobalOperationsClient(
            credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        mount(self._client, QueryParameters(fields=_FIELDS, returnPartialSuccess="true"))
        self._retry = retry(patience)

    def preemptions(self, project_id: str, start: datetime, end: datetime, report: Report) -> Iterator[Preemption]:
        """Yield the preemptions from `start` up to, but without, `end`; a zone that does not answer is reported.

        Compute Engine forgets operations after some weeks, and lists all that it remembers: how it compares a time in a
        filter is not documented, so times are compared here.
        """
        request = compute_v1.AggregatedListGlobalOperationsRequest(
            project=project_id, filter=_FILTER, max_results=OPERATIONS_PER_PAGE
        )
        with failing_as_unavailable("Compute Engine"):
            for page in self._client.aggregated_list(request=request, retry=self._retry, timeout=TIMEOUT).pages:
                decoded = compute_v1.OperationAggregatedList.pb(page)
                report_missing(decoded, report)
                for scope in decoded.items.values():
                    for operation in scope.operations:
                        found = _preemption(project_id, operation)
                        if start <= found.preempted_at < end:
                            yield found


def _preemption(project_id: str, operation: Any) -> Preemption:  # noqa: ANN401 (protobuf of compute_v1.Operation)
    return Preemption(
        key=InstanceKey(project_id, last_part(operation.zone), str(operation.target_id)),
        instance_name=last_part(operation.target_link),
        operation_id=str(operation.id),
        operation_name=operation.name,
        preempted_at=_moment(operation),
    )


def _moment(operation: Any) -> datetime:  # noqa: ANN401 (as above)
    text = operation.start_time or operation.insert_time
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        message = f"Compute Engine: operation {operation.name} began at {text!r}, which is no time"
        raise UnavailableError(message) from error
