"""The control interface: how a test or a person changes the state of the emulators."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from starlette.routing import Route

from infra.local.emulators import control_compute
from infra.local.emulators.control_routes import Action, acting, reading
from infra.local.emulators.faults import rule
from infra.local.emulators.monitoring_api import Monitoring
from infra.local.emulators.pubsub_api import PubSub
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import parse, rfc3339


def routes(state: CloudState, monitoring: Monitoring, pubsub: PubSub) -> list[Route]:
    """Everything under `/_control`; every answer is the state afterwards."""

    def summary() -> dict[str, object]:
        counted: dict[str, dict[str, int]] = {}
        for (service, method), number in sorted(state.requests.items()):
            counted.setdefault(service, {})[method] = number
        return {
            "now": rfc3339(state.clock.now),
            "projects": [{"project_id": p.project_id, "number": p.number} for p in state.fleet.projects],
            "vms": len(state.fleet.vms),
            "faults": [{"service": r.service, "method": r.method, "kind": r.kind} for r in state.faults.rules],
            "metrics_scopes": state.metrics_scopes,
            "requests": counted,
            "messages": len(pubsub.published),
            "metrics": {project: len(series) for project, series in monitoring.written.items()},
        }

    def route(path: str, **actions: Action) -> Route:
        return acting(path, summary, **actions)

    def set_clock(wanted: Any) -> None:  # noqa: ANN401 (JSON)
        if "now" in wanted:
            state.clock.now = parse(wanted["now"])
        else:
            state.clock.advance(float(wanted["advance_seconds"]))

    def set_scopes(wanted: Any) -> None:  # noqa: ANN401 (JSON)
        state.metrics_scopes = {str(project): tuple(others) for project, others in wanted.items()}

    def set_faults(wanted: Any) -> None:  # noqa: ANN401 (JSON)
        state.faults.replace([rule(one) for one in wanted])

    def forget(_: Any) -> None:  # noqa: ANN401 (JSON)
        state.requests.clear()

    return [
        *control_compute.routes(state, summary),
        route("state", GET=lambda _: None),
        route("clock", POST=set_clock, GET=lambda _: None),
        route(
            "faults",
            POST=set_faults,
            DELETE=lambda _: set_faults(()),
        ),
        route("requests", GET=lambda _: None, DELETE=forget),
        route("metrics-scopes", POST=set_scopes),
        reading("metrics", lambda _: _metrics(monitoring)),
        reading("messages", lambda _: pubsub.published),
    ]


def _metrics(monitoring: Monitoring) -> dict[str, list[object]]:
    return {project: [MessageToDict(one) for one in series.values()] for project, series in monitoring.written.items()}
