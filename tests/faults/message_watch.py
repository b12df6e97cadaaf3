"""What Compute Engine is told to do while messages are delivered, and which plans were on record just then."""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter

from infra.local.fleet.fleet import Vm
from tests.faults.places import Place, sort_rest

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
class Order:
    """One VM that Compute Engine was told to stop or to start; `plans` are the messages whose plan says so."""

    verb: str
    vm: Vm
    status: str | None
    request_id: str
    plans: frozenset[str]


@dataclass(slots=True)
class Watch:
    """Looks at every call to Compute Engine before it is passed on."""

    place: Place
    dataset: str
    message_ids: Sequence[str] = ()
    _orders: dict[tuple[str, int], Order] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str, body: bytes) -> str:
        """Say which operation a call is; take down what it orders, once however often it is sent."""
        where = urlsplit(path)
        if method == "POST" and (found := _CALL.search(where.path)):
            request_id = parse_qs(where.query)["requestId"][0]
            for vm in self._vms(found, body):
                self._take_down(found[3] or found[4], vm, request_id)
        return sort_rest(method, path, body)

    def orders(self) -> list[Order]:
        """Return what was ordered since they were returned last."""
        with self._lock:
            found, self._orders = list(self._orders.values()), {}
            return found

    def _vms(self, found: re.Match[str], body: bytes) -> list[Vm]:
        state = self.place.cloud.state
        if found[2]:
            vm = state.fleet.by_id(int(found[2]))
            return [vm] if vm else []
        named = [_MEMBER.search(url) for url in json.loads(body)["instances"]]
        lives = [vm for each in named if each for vm in state.fleet.named(found[1], each[1], each[2])]
        return [vm for vm in lives if vm.exists(state.clock.now)]

    def _take_down(self, verb: str, vm: Vm, request_id: str) -> None:
        with self._lock:
            if (request_id, vm.instance_id) not in self._orders:
                status = vm.status(self.place.cloud.state.clock.now)
                order = Order(verb, vm, status, request_id, self._plans(verb, vm))
                self._orders[request_id, vm.instance_id] = order

    def _plans(self, verb: str, vm: Vm) -> frozenset[str]:
        parameters = [
            ScalarQueryParameter("event", "STRING", PLANNED[verb]),
            ScalarQueryParameter("instance_id", "STRING", str(vm.instance_id)),
            ArrayQueryParameter("message_ids", "STRING", list(self.message_ids)),
        ]
        return frozenset(row["message_id"] for row in asked(self.place, self.dataset, _PLANS, parameters))


def asked(place: Place, dataset: str, query: str, parameters: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Return the rows of a query, past the wires."""
    configuration = QueryJobConfig(
        default_dataset=f"{place.client.project}.{dataset}", query_parameters=list(parameters)
    )
    return [dict(row) for row in place.client.query(query, job_config=configuration).result()]
