"""The enforcer's ports, made of the real services.

Most messages stop nothing, and Compute Engine's library takes seconds to import, so it waits until it is needed.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from spotkeeper.actions import Verb
from spotkeeper.enforcer_ports import EnforcerPorts, Report
from spotkeeper.gcp.enforcement_records import EnforcementRecords
from spotkeeper.gcp.jobs import Jobs
from spotkeeper.instances import InstanceKey
from spotkeeper.plans import SpotVm
from spotkeeper.settings import EnforcerSettings

if TYPE_CHECKING:
    from spotkeeper.gcp.actuator import ComputeActuator
    from spotkeeper.gcp.fleet import SpotFleet


def enforcer_ports(settings: EnforcerSettings) -> EnforcerPorts:
    """Connect to BigQuery, and to the rest when it is needed."""
    compute = _ComputeWhenNeeded(settings)
    return EnforcerPorts(
        fleet=compute,
        actuator=compute,
        permissions=_PermissionsWhenNeeded(settings),
        records=EnforcementRecords(jobs_of(settings)),
        stopwatch=lambda: timedelta(seconds=time.monotonic()),
        wait=lambda pause: time.sleep(pause.total_seconds()),
    )


def jobs_of(settings: EnforcerSettings) -> Jobs:
    """Return the way to the enforcer's dataset."""
    patience = timedelta(seconds=settings.call_patience_seconds)
    return Jobs(settings.project_id, settings.dataset, settings.endpoints.bigquery, patience)


class _ComputeWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._settings = settings
        self._patience = timedelta(seconds=settings.call_patience_seconds)

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        return self._fleet.spot_vms(project_id, report)

    def taken(self, projects: Iterable[str], since: datetime) -> frozenset[str]:
        return self._fleet.taken(projects, since)

    def find(self, key: InstanceKey) -> SpotVm | None:
        return self._actuator.find(key)

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        return self._actuator.warn(key, stop_at, since)

    def act(self, verb: Verb, vm: SpotVm, request_id: str, patience: timedelta) -> str | None:
        return self._actuator.act(verb, vm, request_id, patience)

    @cached_property
    def _fleet(self) -> "SpotFleet":
        from spotkeeper.gcp.fleet import SpotFleet  # noqa: PLC0415 (see above)

        return SpotFleet(self._settings.endpoints.compute, self._patience)

    @cached_property
    def _actuator(self) -> "ComputeActuator":
        from spotkeeper.gcp.actuator import ComputeActuator  # noqa: PLC0415 (see above)

        settings = self._settings
        return ComputeActuator(settings.endpoints.compute, self._patience, self._fleet.shapes, settings.parallel_stops)


class _PermissionsWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._endpoint = settings.endpoints.resource_manager

    def missing(self, projects: Iterable[str]) -> tuple[str, ...]:
        from spotkeeper.gcp.permissions import ProjectPermissions  # noqa: PLC0415 (a drill alone needs it)

        return ProjectPermissions(self._endpoint).missing(projects)
