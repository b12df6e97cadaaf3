"""The services of a deployment, for reading: functions, roles, topics, budgets and a scheduler job.

    python -m infra.local.emulators.platform_api --project data-platform --region us-central1

`Platform.resources` is what is deployed, each resource under the path at which the real service has it, in its shape;
`healthy` makes that of a deployment as Terraform leaves it. All services are served at one address, and change nothing.
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.routing import Route

from infra.local.emulators.platform_resources import ACCOUNT, NUMBER, Resources, healthy
from infra.local.emulators.rest import ApiError, Call, Method
from infra.local.emulators.rest_server import RestServer, stop_signal
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import Clock, parse, rfc3339
from infra.local.fleet.fleet import FLEET_START, Fleet

MOST_BUDGETS = 100
MAY_NOT = "The caller does not have permission"


class Platform:
    """The emulator, running between `start` and `stop` or inside a `with` block."""

    def __init__(self, project: str, region: str, dataset: str, now: datetime) -> None:
        """Prepare to serve a healthy deployment."""
        self.project, self.region, self.dataset, self.now = project, region, dataset, now
        self.state = CloudState(Fleet((), ()), Clock(now))
        self.resources: Resources = {}
        self.unreachable: Sequence[str] = ()
        self.restore()
        self._server = RestServer()
        self.url = ""

    def restore(self) -> None:
        """Be healthy again."""
        self.resources = healthy(self.project, self.region, self.dataset, self.now)
        self.unreachable = ()
        self.state.faults.replace(())

    def start(self, port: int = 0) -> None:
        """Listen on the port, or on a free one."""
        self.url = self._server.start(Starlette(routes=routes(self)), port)

    def stop(self) -> None:
        """Stop answering."""
        self._server.stop()

    def __enter__(self) -> Self:
        """Start on a free port."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


def routes(platform: Platform) -> list[Route]:
    """The paths that are answered; faults know them by service and method."""

    def route(path: str, service: str, method: str, handler: Callable[[Platform, Call], object], verb: str) -> Route:
        answer = functools.partial(_answer, platform, handler)
        return Route(path, Method(platform.state, service, method, answer).answer, methods=[verb])

    at = "/v1/projects/{project}"
    return [
        route("/v3/projects/{project}", "resource_manager", "projects.get", _project, "GET"),
        route("/v3/projects/{project}:getIamPolicy", "resource_manager", "getIamPolicy", _project_policy, "POST"),
        route(f"{at}/roles/{{role}}", "iam", "roles.get", _one("roles/{role}"), "GET"),
        route("/v2/projects/{project}/locations/{region}/functions", "functions", "list", _functions, "GET"),
        route(
            "/v2/projects/{project}/locations/{region}/services/{name}:getIamPolicy",
            "run",
            "getIamPolicy",
            _policy("services/{name}"),
            "GET",
        ),
        route(f"{at}/topics/{{name}}:getIamPolicy", "pubsub", "topics.getIamPolicy", _policy("topics/{name}"), "GET"),
        route(f"{at}/subscriptions/{{name}}", "pubsub", "subscriptions.get", _one("subscriptions/{name}"), "GET"),
        route("/v3/projects/{project}/timeSeries", "monitoring", "timeSeries.list", _waiting, "GET"),
        route(f"{at}/billingInfo", "billing", "getBillingInfo", _one("billingInfo"), "GET"),
        route("/v1/billingAccounts/{account}/budgets", "budgets", "budgets.list", _budgets, "GET"),
        route(f"{at}/locations/{{region}}/jobs/{{name}}", "scheduler", "jobs.get", _one("jobs/{name}"), "GET"),
    ]


def _answer(platform: Platform, handler: Callable[[Platform, Call], object], call: Call) -> bytes:
    return json.dumps(handler(platform, call)).encode()


def _known_project(platform: Platform, call: Call) -> None:
    """Refuse another project as Google does: it does not say whether there is one."""
    if call.path["project"] not in (platform.project, NUMBER):
        raise ApiError(403, f"{MAY_NOT} on project {call.path['project']}, or it may not exist.")


def _resource(platform: Platform, name: str) -> dict[str, Any]:
    if name not in platform.resources:
        raise ApiError(404, f"Resource not found (resource={name}).")
    return platform.resources[name]


def _one(pattern: str) -> Callable[[Platform, Call], object]:
    def read(platform: Platform, call: Call) -> object:
        call.only()
        _known_project(platform, call)
        if call.path.get("region", platform.region) != platform.region:
            raise ApiError(404, f"Resource not found (resource={pattern.format(**call.path)}).")
        return _resource(platform, pattern.format(**call.path))

    return read


def _policy(pattern: str) -> Callable[[Platform, Call], object]:
    def read(platform: Platform, call: Call) -> object:
        call.only("options.requestedPolicyVersion")
        _known_project(platform, call)
        name = pattern.format(**call.path)
        return _resource(platform, f"{name}:policy")

    return read


def _project(platform: Platform, call: Call) -> object:
    call.only()
    _known_project(platform, call)
    return {"name": f"projects/{NUMBER}", "projectId": platform.project, "state": "ACTIVE"}


def _project_policy(platform: Platform, call: Call) -> object:
    """The policy; below version 3, a role with a condition has another name."""
    call.only()
    _known_project(platform, call)
    policy = _resource(platform, "policy")
    if call.json().get("options", {}).get("requestedPolicyVersion") == 3:  # noqa: PLR2004 (the version of conditions)
        return policy
    bindings = [
        {"role": f"{each['role']}_withcond_5c2a3f1e0b9d7c46", "members": each["members"]}
        if "condition" in each
        else each
        for each in policy["bindings"]
    ]
    return {**policy, "version": 1, "bindings": bindings}


def _functions(platform: Platform, call: Call) -> object:
    """The functions of a region, or of all that can be reached."""
    call.only("pageSize", "pageToken")
    _known_project(platform, call)
    names = sorted(name for name in platform.resources if name.startswith("functions/"))
    wanted, away = call.path["region"], platform.unreachable
    found = [platform.resources[name] for name in names]
    near = [each for each in found if wanted in ("-", region_of(each)) and region_of(each) not in away]
    return {**({"functions": near} if near else {}), **({"unreachable": list(away)} if away else {})}


def region_of(function: Mapping[str, Any]) -> str:
    """Return where a function is."""
    return str(function["name"]).split("/")[3]


def _waiting(platform: Platform, call: Call) -> object:
    call.only("filter", "interval.startTime", "interval.endTime", "pageSize", "pageToken")
    _known_project(platform, call)
    wanted = call.query.get("filter", "")
    if "send_request_count" in wanted:
        return _failed_requests(platform, call)
    if "num_undelivered_messages" not in wanted:
        raise ApiError(400, "The emulator has two metrics only.")
    if parse(call.query["interval.startTime"]) > parse(call.query["interval.endTime"]):
        raise ApiError(400, "Field interval.startTime must not be later than interval.endTime.")
    waiting = platform.resources["waiting"]["messages"]
    if waiting is None:
        return {"unit": "1"}  # No point in the interval: the list is left out.
    point = {"interval": {"endTime": call.query["interval.endTime"]}, "value": {"int64Value": str(waiting)}}
    metric = {"type": "pubsub.googleapis.com/subscription/num_undelivered_messages"}
    return {"timeSeries": [{"metric": metric, "metricKind": "GAUGE", "valueType": "INT64", "points": [point]}]}


def _failed_requests(platform: Platform, call: Call) -> object:
    """The requests to publish that failed, of which one series is for each kind of failure."""
    if 'metric.labels.response_class!="success"' not in call.query["filter"]:
        raise ApiError(400, "The emulator knows failed requests only.")
    interval = {"startTime": call.query["interval.startTime"], "endTime": call.query["interval.endTime"]}
    series = [
        {
            "metric": {
                "type": "pubsub.googleapis.com/topic/send_request_count",
                "labels": {"response_class": "invalid", "response_code": code},
            },
            "metricKind": "DELTA",
            "valueType": "INT64",
            "points": [{"interval": interval, "value": {"int64Value": str(count)}}],
        }
        for code, count in platform.resources["failed publishes"].items()
    ]
    return {"timeSeries": series} if series else {"unit": "1"}


def _budgets(platform: Platform, call: Call) -> object:
    call.only("pageSize", "pageToken", "scope")
    if call.path["account"] != ACCOUNT:
        raise ApiError(403, MAY_NOT)
    start = int(call.query.get("pageToken", "0"))
    size = min(int(call.query.get("pageSize", MOST_BUDGETS)), MOST_BUDGETS)
    found = platform.resources["budgets"]["budgets"]
    more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
    return {"budgets": found[start : start + size], **more}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a healthy deployment until SIGTERM; the first line printed is the address."""
    parser = argparse.ArgumentParser(prog="infra.local.emulators.platform_api", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--project", default="data-platform")
    parser.add_argument("--region", default="us-central1")
    parser.add_argument("--dataset", default="cost_tracking")
    parser.add_argument("--now", default=rfc3339(FLEET_START + timedelta(hours=49)), help="the present, RFC 3339")
    options = parser.parse_args(arguments)
    stopping = stop_signal()
    platform = Platform(options.project, options.region, options.dataset, parse(options.now))
    platform.start(options.port)
    sys.stdout.write(json.dumps({"platform": platform.url}) + "\n")
    sys.stdout.flush()
    stopping.wait()
    platform.stop()


if __name__ == "__main__":
    main()
