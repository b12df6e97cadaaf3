"""Google's services over their real protocols, as a world has them: REST by JSON, Cloud Monitoring by gRPC.

Only what the tracker reads is served, one page an answer; the clock is moved by hand.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import grpc
from google.cloud import monitoring_v3
from google.protobuf.message import Message

from tests.simulation.tracker.lives import HOUR, Vm
from tests.simulation.tracker.prices import catalog
from tests.simulation.tracker.world import Access, Service, Version, World, boot_disk, resource

NO_END = "2262-04-11T23:47:16.854775807Z"
"""The end of a version that still holds, in recorded answers: the largest number of nanoseconds in 64 bits."""

SAMPLE_SECONDS = 60

_LISTS = re.compile(r"/compute/v1/projects/(?P<project>[^/]+)/aggregated/(?P<kind>[a-z]+)")
_HISTORY = re.compile(r"/v1/projects/(?P<project>[^/]+):batchGetAssetsHistory")
_ASSET = re.compile(r"//compute\.googleapis\.com/projects/[^/]+/zones/(?P<zone>[^/]+)/instances/(?P<name>[^/]+)")
_IDS = re.compile(r'"(\d{10,})"')
_ListRequest = monitoring_v3.ListTimeSeriesRequest.pb()
_ListResponse = monitoring_v3.ListTimeSeriesResponse.pb()

type Json = Mapping[str, object]


class RefusedError(Exception):
    """A call that is answered with an HTTP status and a reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        """Keep what the answer says."""
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(slots=True)
class Services:
    """What the services of a world answer now; `rest` and `grpc` are their addresses."""

    world: World
    now: datetime
    rest: str = ""
    grpc: str = ""
    calls: list[str] = field(default_factory=list)

    def get(self, path: str, query: Mapping[str, list[str]]) -> Json:
        """Answer a call of the REST services; raises RefusedError."""
        if found := _LISTS.fullmatch(path):
            self._allow(Service.COMPUTE, found["project"])
            if found["kind"] == "addresses":
                return {"kind": "compute#addressAggregatedList"}
            answers = {"disks": self._disks, "instances": self._instances, "operations": self._operations}
            return answers[found["kind"]](found["project"])
        if found := _HISTORY.fullmatch(path):
            self._allow(Service.ASSETS, found["project"])
            return {"assets": list(self._assets(found["project"], query.get("assetNames", [])))}
        self._allow(Service.CATALOG, "")
        return {"skus": catalog(self.now, self.world.moves)}

    def post(self, body: Mapping[str, Any]) -> Json:
        """Answer entries.list with the creation of the VMs whose ids the filter names; raises RefusedError."""
        project_id = body["resourceNames"][0].removeprefix("projects/")
        self._allow(Service.LOGGING, project_id)
        wanted = set(_IDS.findall(body["filter"]))
        created = [vm for vm in self.world.vms if vm.project_id == project_id and vm.instance_id in wanted]
        return {"entries": [_insert(vm) for vm in created if vm.created <= self.now]}

    def time_series(
        self, project_id: str, hours: Sequence[datetime]
    ) -> Iterator[tuple[tuple[str, str, str], Mapping[datetime, float]]]:
        """Yield each series of the uptime metric with its seconds in each hour, by its end; raises RefusedError."""
        self._allow(Service.MONITORING, project_id)
        by_series: dict[tuple[str, str, str], dict[datetime, float]] = {}
        for hour in hours:
            for series, seconds in self.world.uptimes(project_id, hour, self.now).items():
                by_series.setdefault(series, {})[hour + HOUR] = float(seconds)
        yield from by_series.items()

    def samples(
        self, project_id: str, hour: datetime, instance_ids: Sequence[str]
    ) -> Iterator[tuple[tuple[str, str, str], Mapping[datetime, float]]]:
        """Yield each series of these instances with its seconds in each minute of an hour and two more."""
        self._allow(Service.MONITORING, project_id)
        for vm in self.world.vms:
            if vm.project_id == project_id and vm.instance_id in instance_ids:
                found = self.world.samples(project_id, vm.instance_id, hour, self.now)
                yield (vm.zone, vm.instance_id, vm.name), {end: float(seconds) for end, seconds in found.items()}

    def _allow(self, service: Service, project_id: str) -> None:
        access = self.world.projects.get(project_id, Access.OPEN)
        if access is Access.DENIED:
            raise RefusedError(403, "forbidden", f"Permission denied on project {project_id}")
        if access is Access.API_OFF and service is Service.COMPUTE:
            raise RefusedError(403, "accessNotConfigured", f"Compute Engine API has not been used in {project_id}")
        if any(not outage.zone for outage in self.world.out_of_order(service, self.now, project_id)):
            raise RefusedError(503, "backendError", "The service is currently unavailable")

    def _instances(self, project_id: str) -> Json:
        missing = sorted({outage.zone for outage in self.world.out_of_order(Service.COMPUTE, self.now, project_id)})
        zones: dict[str, list[Json]] = {}
        for vm in self.world.listed(project_id, self.now):
            if vm.zone not in missing:
                zones.setdefault(f"zones/{vm.zone}", []).append(resource(vm, self.now))
        return {
            "kind": "compute#instanceAggregatedList",
            "items": {zone: {"instances": instances} for zone, instances in zones.items()},
            "unreachables": [f"zones/{zone}" for zone in missing],
        }

    def _disks(self, project_id: str) -> Json:
        missing = sorted({outage.zone for outage in self.world.out_of_order(Service.COMPUTE, self.now, project_id)})
        zones: dict[str, list[Json]] = {}
        for vm in self.world.listed(project_id, self.now):
            if vm.zone not in missing:
                zones.setdefault(f"zones/{vm.zone}", []).append(boot_disk(vm))
        return {
            "kind": "compute#diskAggregatedList",
            "items": {zone: {"disks": disks} for zone, disks in zones.items()},
            "unreachables": [f"zones/{zone}" for zone in missing],
        }

    def _operations(self, project_id: str) -> Json:
        zones: dict[str, list[Json]] = {}
        for vm in self.world.vms:
            for number, run in enumerate(vm.runs):
                if vm.project_id == project_id and run.preempted and run.end <= self.now:
                    operation = {
                        "id": f"{int(vm.instance_id) + number}",
                        "name": f"systemevent-{vm.instance_id}-{number}",
                        "operationType": "compute.instances.preempted",
                        "zone": f"zones/{vm.zone}",
                        "targetId": vm.instance_id,
                        "targetLink": f"zones/{vm.zone}/instances/{vm.name}",
                        "insertTime": run.end.isoformat(timespec="milliseconds"),
                    }
                    zones.setdefault(f"zones/{vm.zone}", []).append(operation)
        return {
            "kind": "compute#operationAggregatedList",
            "items": {zone: {"operations": operations} for zone, operations in zones.items()},
        }

    def _assets(self, project_id: str, names: Sequence[str]) -> Iterator[Json]:
        for asset_name in names:
            found = _ASSET.fullmatch(asset_name)
            versions = found and self.world.history(project_id, found["name"], found["zone"], self.now)
            if not versions:
                raise RefusedError(400, "INVALID_ARGUMENT", f"The asset does not exist: {asset_name}")
            for version in versions:
                yield {"window": _window(version), "asset": _asset(asset_name, version)}


@contextmanager
def serving(world: World) -> Iterator[Services]:
    """Serve a world on free ports, its clock at the world's start."""
    services = Services(world, world.start)
    rest = ThreadingHTTPServer(("127.0.0.1", 0), _rest_handler(services))
    thread = threading.Thread(target=rest.serve_forever, daemon=True)
    thread.start()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers([_monitoring(services)])
    services.rest = f"http://127.0.0.1:{rest.server_port}"
    services.grpc = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield services
    finally:
        server.stop(grace=None).wait()
        rest.shutdown()
        thread.join()
        rest.server_close()


def _rest_handler(services: Services) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(lambda: services.get(unquote(parts.path), parse_qs(parts.query)))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(lambda: services.post(asked))

        def _answer(self, found: Callable[[], Json]) -> None:
            try:
                status, answer = 200, found()
            except RefusedError as refused:
                status, answer = refused.status, _error(refused)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _error(refused: RefusedError) -> Json:
    """An error in the form of Google's JSON APIs; a disabled API is named in its details."""
    status = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED"}.get(refused.status, "UNAVAILABLE")
    error: dict[str, object] = {"code": refused.status, "message": str(refused), "status": status}
    error["errors"] = [{"domain": "usageLimits", "reason": refused.reason}]
    if refused.reason == "accessNotConfigured":
        info = {"reason": "SERVICE_DISABLED", "metadata": {"service": "compute.googleapis.com"}}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info}]
    return {"error": error}


def _monitoring(services: Services) -> "grpc.GenericRpcHandler[Any, Any]":
    def list_time_series(request: Any, context: grpc.ServicerContext) -> Message:  # noqa: ANN401 (a message class that is made when it runs)
        response = _ListResponse()
        first, last = (
            datetime.fromtimestamp(getattr(request.interval, side).seconds, UTC) for side in ("start_time", "end_time")
        )
        hours = [first + HOUR * number for number in range((last - first) // HOUR)]
        project_id = request.name.removeprefix("projects/")
        try:
            if request.aggregation.alignment_period.seconds == SAMPLE_SECONDS:
                ids = re.findall(r'"(\d+)"', request.filter.partition("instance_id = one_of")[2])
                found = list(services.samples(project_id, first, ids))
            else:
                found = list(services.time_series(project_id, hours))
        except RefusedError as refused:
            denied = refused.status == 403
            context.abort(grpc.StatusCode.PERMISSION_DENIED if denied else grpc.StatusCode.UNAVAILABLE, str(refused))
        for (zone, instance_id, name), seconds in found:
            series = response.time_series.add()
            series.metric.labels["instance_name"] = name
            labels = {"project_id": project_id, "zone": zone, "instance_id": instance_id}
            series.resource.labels.update(labels)
            for end in sorted(seconds, reverse=True):
                point = series.points.add()
                point.interval.end_time.FromDatetime(end)
                point.value.double_value = seconds[end]
        answer: Message = response
        return answer

    method = grpc.unary_unary_rpc_method_handler(
        list_time_series, _ListRequest.FromString, _ListResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler("google.monitoring.v3.MetricService", {"ListTimeSeries": method})


def _insert(vm: Vm) -> Json:
    """The entry of a single insert: the labels are a list in the log."""
    described = resource(vm, vm.created)
    labels = [{"key": key, "value": value} for key, value in vm.labels_at(vm.created).items()]
    return {
        "timestamp": vm.created.isoformat(),
        "resource": {"type": "gce_instance", "labels": {"zone": vm.zone, "instance_id": vm.instance_id}},
        "protoPayload": {
            "methodName": "v1.compute.instances.insert",
            "resourceName": f"projects/{vm.project_id}/zones/{vm.zone}/instances/{vm.name}",
            "request": {**described, "labels": labels},
        },
    }


def _window(version: Version) -> Json:
    """The time a version held; one that still holds ends in the year 2262 or nowhere."""
    start = {"startTime": version.start.isoformat()}
    if version.end is not None:
        return {**start, "endTime": version.end.isoformat()}
    return start if int(version.vm.instance_id) % 2 else {**start, "endTime": NO_END}


def _asset(name: str, version: Version) -> Json:
    data = resource(version.vm, version.start)
    return {
        "name": name,
        "assetType": "compute.googleapis.com/Instance",
        "resource": {"version": "v1", "data": data},
    }
