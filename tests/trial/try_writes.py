"""Call what changes something, through the product's own adapters, with the login of a trial or without its check.

Run as a program with `guarded` or `unguarded`: it prints each call that was answered, one a line.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from infra.local.trial.reading import ReadingLogin
from spotkeeper.enforcement.actions import Verb
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.alert_channel import PubSubAlertChannel
from spotkeeper.gcp.compute.actuator import ComputeActuator
from spotkeeper.gcp.compute.lists import compute_calls
from spotkeeper.gcp.compute.spot_fleet import SpotFleet
from spotkeeper.gcp.http_calls import calling_with, credentials
from spotkeeper.gcp.monitoring import metric_client
from spotkeeper.settings import read_endpoints, setting_fields
from spotkeeper.tracking.settings import Budgets

NO_RETRY = timedelta(0)


def writes(project_id: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield calls that change something, by what they do."""
    endpoints = read_endpoints(setting_fields(os.environ))
    fleet = SpotFleet(endpoints.compute, NO_RETRY)
    vm = next(
        each
        for each in fleet.spot_vms(project_id, _ignore)
        if each.status == "RUNNING" and each.instance.managed_by is None
    )
    actuator = ComputeActuator(endpoints.compute, NO_RETRY, fleet.shapes, 1)
    metrics = PubSubAlertChannel(metric_client(endpoints.monitoring), project_id, Budgets(), NO_RETRY)
    calls = compute_calls(endpoints.compute, NO_RETRY)
    now = datetime.now(UTC)
    yield "warn", lambda: actuator.warn(vm.instance.key, now, now)
    yield "stop", lambda: actuator.act(Verb.STOP, vm, str(uuid.uuid4()), timedelta(seconds=1))
    yield "metrics", lambda: metrics.write_metrics([], [], now)
    yield "delete", lambda: calls.call("DELETE", f"/compute/v1/projects/{project_id}/zones/us-central1-a/instances/1")


def _ignore(_detail: str) -> None:
    """What cannot be read of the fleet makes no difference here."""


def main(how: str, project_id: str) -> None:
    """Try each of them."""
    with calling_with(ReadingLogin(credentials(None))) if how == "guarded" else nullcontext():
        for name, write in writes(project_id):
            try:
                write()
            except UnavailableError as error:
                sys.stdout.write(f"{name}: {'refused' if 'was not sent' in str(error) else f'answered: {error}'}\n")
            else:
                sys.stdout.write(f"{name}: answered\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
