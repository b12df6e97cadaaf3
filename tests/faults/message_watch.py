"""The stops and starts requested while messages are delivered, and the plans on record at that moment."""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter

from infra.local.fleet.fleet import Vm
from tests.faults.places import Place

_CALL = re.compile(r"/projects/([^/]+)/(?:.*/)?(?:instances/([^/]+)/(stop|start)|(stop|start)Instances)$")
_MEMBER = re.compile(r"zones/([^/]+)/instances/([^/]+)")
PLANNED = {"stop": "planned", "start": "restart_planned"}
_PLANS = """
SELECT DISTINCT message_id
FROM enforcement_actions
WHERE event = @event AND mode = 'enforce' AND instance_id = @instance_id AND message_id IN UNNEST(@message_ids)
  AND happened_at >= '2000-01-01'
"""


@dataclass(frozen=True, slots=True)
class VmRequest:
    """A request to stop or start one VM; `plans` are the messages whose plan says so."""

    verb: str
    vm: Vm
    status: str | None
    request_id: str
    plans: frozenset[str]


@dataclass(slots=True)
class Watch:
    """Records every call that changes something in Compute Engine before it is carried out."""

    place: Place
    dataset: str
    message_ids: Sequence[str] = ()
    _vm_requests: dict[tuple[str, int], VmRequest] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, path: str, body: bytes) -> None:
        """Record the stops and starts that a call requests, once however often it is sent."""
        where = urlsplit(path)
        if found := _CALL.search(where.path):
            request_id = parse_qs(where.query)["requestId"][0]
            for vm in self._vms(found, body):
                self._record(found[3] or found[4], vm, request_id)

    def vm_requests(self) -> list[VmRequest]:
        """Return the requests since they were last returned."""
        with self._lock:
            found, self._vm_requests = list(self._vm_requests.values()), {}
            return found

    def _vms(self, found: re.Match[str], body: bytes) -> list[Vm]:
        state = self.place.cloud.state
        if found[2]:
            vm = state.fleet.by_id(int(found[2]))
            return [vm] if vm else []
        named = [_MEMBER.search(url) for url in json.loads(body)["instances"]]
        lives = [vm for each in named if each for vm in state.fleet.named(found[1], each[1], each[2])]
        return [vm for vm in lives if vm.exists(state.clock.now)]

    def _record(self, verb: str, vm: Vm, request_id: str) -> None:
        with self._lock:
            if (request_id, vm.instance_id) not in self._vm_requests:
                status = vm.status(self.place.cloud.state.clock.now)
                request = VmRequest(verb, vm, status, request_id, self._plans(verb, vm))
                self._vm_requests[request_id, vm.instance_id] = request

    def _plans(self, verb: str, vm: Vm) -> frozenset[str]:
        parameters = [
            ScalarQueryParameter("event", "STRING", PLANNED[verb]),
            ScalarQueryParameter("instance_id", "STRING", str(vm.instance_id)),
            ArrayQueryParameter("message_ids", "STRING", list(self.message_ids)),
        ]
        return frozenset(row["message_id"] for row in asked(self.place, self.dataset, _PLANS, parameters))


def asked(place: Place, dataset: str, query: str, parameters: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Return the rows of a query, which no fault reaches."""
    configuration = QueryJobConfig(
        default_dataset=f"{place.client.project}.{dataset}", query_parameters=list(parameters)
    )
    return [dict(row) for row in place.client.query(query, job_config=configuration).result()]
