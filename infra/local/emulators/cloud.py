"""Google Cloud on this machine, in one process: Compute Engine, Monitoring, the price catalog, assets and Pub/Sub.

    python -m infra.local.emulators.cloud --rest-port 8080 --grpc-port 8081

The first line printed is the addresses, as JSON. `/_control/…` on the REST port sets the clock and makes calls fail.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType
from typing import Self

import grpc
from starlette.applications import Starlette
from starlette.routing import Route

from infra.local.emulators import assets_api, catalog_api, control_api, logging_api, pricing_api, resource_manager_api
from infra.local.emulators.compute import reads
from infra.local.emulators.monitoring_api import Monitoring
from infra.local.emulators.pubsub_api import PubSub
from infra.local.emulators.rest_server import RestServer, stop_signal
from infra.local.emulators.sockets import HOST
from infra.local.emulators.state import CloudState
from infra.local.fleet.clock import Clock, parse, rfc3339
from infra.local.fleet.company import company_fleet
from infra.local.fleet.fleet import FLEET_START, Fleet
from infra.local.fleet.scenario import living_fleet, synthetic_fleet

FIRST_SCAN = FLEET_START + timedelta(hours=1, minutes=7)


class Cloud:
    """The emulators, running between `start` and `stop` or inside a `with` block; `state` is what they serve."""

    def __init__(
        self,
        fleet: Fleet | None = None,
        clock: Clock | None = None,
        more_routes: Callable[[CloudState], Sequence[Route]] = lambda _: (),
    ) -> None:
        """Prepare to serve a fleet, by default the living one; `more_routes` are served beside the emulators."""
        self.state = CloudState(fleet or living_fleet(), clock or Clock(FIRST_SCAN))
        self.monitoring = Monitoring(self.state)
        self.pubsub = PubSub(self.state)
        self.more_routes = more_routes
        self._rest = RestServer()
        self.rest_url = ""
        self.grpc_target = ""

    def start(self, rest_port: int = 0, grpc_port: int = 0) -> None:
        """Listen on the ports, or on free ones, and return when both answer."""
        self.rest_url = self._rest.start(self._application(), rest_port)
        self._grpc = grpc.server(
            ThreadPoolExecutor(max_workers=16),
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        self._grpc.add_generic_rpc_handlers([self.monitoring.grpc_service(), *self.pubsub.grpc_services()])
        behind = self._grpc.add_insecure_port(f"{HOST}:0")
        self._grpc.start()
        self.grpc_target = f"{HOST}:{self.state.relay.listen(grpc_port, behind)}"

    def stop(self) -> None:
        """Stop answering; what is being answered is finished first."""
        self.pubsub.close()
        self._grpc.stop(grace=1).wait()
        self.state.relay.close()
        self._rest.stop()

    def __enter__(self) -> Self:
        """Start on free ports."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                *reads.routes(self.state),
                *catalog_api.routes(self.state),
                *pricing_api.routes(self.state),
                *assets_api.routes(self.state),
                *logging_api.routes(self.state),
                *resource_manager_api.routes(self.state),
                *control_api.routes(self.state, self.monitoring, self.pubsub),
                *self.more_routes(self.state),
            ]
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="infra.local.emulators.cloud", description=main.__doc__)
    parser.add_argument("--rest-port", type=int, default=0)
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1, help="what the ordinary VMs of the living fleet are drawn from")
    parser.add_argument("--now", default=rfc3339(FIRST_SCAN), help="where the clock stands at first")
    parser.add_argument("--company", action="store_true", help="serve the fleet of the demo")
    parser.add_argument("--synthetic-vms", type=int, default=0, help="serve this many alike VMs, for load tests")
    parser.add_argument("--synthetic-projects", type=int, default=1)
    options = parser.parse_args(arguments)
    fleet = (
        synthetic_fleet(options.synthetic_vms, options.synthetic_projects)
        if options.synthetic_vms
        else company_fleet()
        if options.company
        else living_fleet(options.seed)
    )
    stopping = stop_signal()
    cloud = Cloud(fleet, Clock(parse(options.now)))
    cloud.start(options.rest_port, options.grpc_port)
    sys.stdout.write(json.dumps({"rest": cloud.rest_url, "grpc": cloud.grpc_target}) + "\n")
    sys.stdout.flush()
    stopping.wait()
    cloud.stop()


if __name__ == "__main__":
    main()
