"""The enforcer's ports, made of the real services.

Most messages stop nothing: they need one statement in BigQuery. The client libraries take far longer to import than
that takes, so they wait until they are needed.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from spotkeeper.enforcement.actions import Outcome, PlannedEvent, Verb, VmRequest
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.freezes import Autoscaler, RecordedFreeze
from spotkeeper.enforcement.history import History, Reported, ReportedPeriod
from spotkeeper.enforcement.notifications import BudgetNotification
from spotkeeper.enforcement.policies import BudgetRule
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.gcp.bigquery.delivery_records import DeliveryRecords
from spotkeeper.gcp.bigquery.rest_query import RestQuery
from spotkeeper.gcp.event_channel import PubSubEventChannel
from spotkeeper.instances import InstanceKey
from spotkeeper.ports import Report
from spotkeeper.pricing.price_book import DatedRate

if TYPE_CHECKING:
    from spotkeeper.gcp.bigquery.command_tables import CommandTables
    from spotkeeper.gcp.bigquery.enforcer_tables import EnforcementRecords
    from spotkeeper.gcp.bigquery.jobs import Jobs
    from spotkeeper.gcp.compute.actuator import ComputeActuator
    from spotkeeper.gcp.compute.autoscalers import ComputeAutoscalers
    from spotkeeper.gcp.compute.spot_fleet import SpotFleet


PARALLEL_REQUESTS = 32
"""How many instances are stopped or started at a time; each client keeps as many connections."""


def enforcer_ports(settings: EnforcerSettings) -> EnforcerPorts:
    """Connect to each service when it is needed."""
    compute = _ComputeWhenNeeded(settings)
    return EnforcerPorts(
        fleet=compute,
        actuator=compute,
        autoscalers=_AutoscalersWhenNeeded(settings),
        permissions=_PermissionsWhenNeeded(settings),
        records=_RecordsWhenNeeded(settings),
        parallel_requests=PARALLEL_REQUESTS,
        stopwatch=lambda: timedelta(seconds=time.monotonic()),
        wait=lambda pause: time.sleep(pause.total_seconds()),
        events=PubSubEventChannel(settings.events_topic) if settings.events_topic is not None else None,
    )


def enforcement_records(settings: EnforcerSettings) -> "EnforcementRecords":
    """Return the enforcer's dataset, by BigQuery's client library."""
    from spotkeeper.gcp.bigquery.enforcer_tables import EnforcementRecords  # noqa: PLC0415 (see above)

    return EnforcementRecords(_jobs(settings))


def command_records(settings: EnforcerSettings) -> "CommandTables":
    """Return what the enforcer's dataset has for commands of operators."""
    from spotkeeper.gcp.bigquery.command_tables import CommandTables  # noqa: PLC0415 (see above)

    return CommandTables(_jobs(settings))


def _jobs(settings: EnforcerSettings) -> "Jobs":
    from spotkeeper.gcp.bigquery.jobs import Jobs  # noqa: PLC0415 (see above)

    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    bigquery = settings.endpoints.bigquery
    return Jobs(settings.project_id, settings.dataset, bigquery, retry_timeout, settings.dataset_location)


class _RecordsWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._settings = settings

    def record(self, delivery: Delivery) -> bool:
        return self._deliveries.record(delivery)

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        return self._all.history(notification, rule, now)

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        return self._all.newer(notification, rule, now)

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        return self._all.latest(now, min_share)

    def rates(self, since: datetime) -> list[DatedRate]:
        return self._all.rates(since)

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        return self._all.record_plan(delivery, events, history)

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        self._all.record_outcomes(delivery, outcomes)

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        return self._all.stopped(rule, now)

    def freezes(self, now: datetime) -> Sequence[RecordedFreeze]:
        return self._all.freezes(now)

    def record_freezes(self, delivery: Delivery, outcomes: Sequence[FreezeOutcome]) -> None:
        self._all.record_freezes(delivery, outcomes)

    @cached_property
    def _deliveries(self) -> DeliveryRecords:
        settings = self._settings
        retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
        bigquery = settings.endpoints.bigquery
        return DeliveryRecords(
            RestQuery(settings.project_id, settings.dataset, bigquery, retry_timeout, settings.dataset_location)
        )

    @cached_property
    def _all(self) -> "EnforcementRecords":
        return enforcement_records(self._settings)


class _ComputeWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._settings = settings
        self._retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        return self._fleet.spot_vms(project_id, report)

    def find(self, key: InstanceKey) -> SpotVm | None:
        return self._actuator.find(key)

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        return self._actuator.warn(key, stop_at, since)

    def operation_of(self, request: VmRequest, managed_by: str | None) -> str | None:
        return self._actuator.operation_of(request, managed_by)

    def act(self, verb: Verb, vm: SpotVm, request_id: str, timeout: timedelta) -> str | None:
        return self._actuator.act(verb, vm, request_id, timeout)

    @cached_property
    def _fleet(self) -> "SpotFleet":
        from spotkeeper.gcp.compute.spot_fleet import SpotFleet  # noqa: PLC0415 (see above)

        return SpotFleet(self._settings.endpoints.compute, self._retry_timeout)

    @cached_property
    def _actuator(self) -> "ComputeActuator":
        from spotkeeper.gcp.compute.actuator import ComputeActuator  # noqa: PLC0415 (see above)

        settings = self._settings
        return ComputeActuator(settings.endpoints.compute, self._retry_timeout, self._fleet.shapes, PARALLEL_REQUESTS)


class _AutoscalersWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._settings = settings

    def autoscalers(self, project_id: str, report: Report) -> Sequence[Autoscaler]:
        return self._autoscalers.autoscalers(project_id, report)

    def find(self, freeze: RecordedFreeze) -> Autoscaler | None:
        return self._autoscalers.find(freeze)

    def set_mode(self, autoscaler: Autoscaler, mode: str, request_id: str, timeout: timedelta) -> str:
        return self._autoscalers.set_mode(autoscaler, mode, request_id, timeout)

    def operation_of(self, freeze: RecordedFreeze, request_id: str) -> str | None:
        return self._autoscalers.operation_of(freeze, request_id)

    @cached_property
    def _autoscalers(self) -> "ComputeAutoscalers":
        from spotkeeper.gcp.compute.autoscalers import ComputeAutoscalers  # noqa: PLC0415 (see above)

        retry_timeout = timedelta(seconds=self._settings.retry_timeout_seconds)
        return ComputeAutoscalers(self._settings.endpoints.compute, retry_timeout, PARALLEL_REQUESTS)


class _PermissionsWhenNeeded:
    def __init__(self, settings: EnforcerSettings) -> None:
        self._endpoint = settings.endpoints.resource_manager

    def missing(self, projects: Iterable[str], needed: Sequence[str]) -> tuple[str, ...]:
        from spotkeeper.gcp.permissions import ProjectPermissions  # noqa: PLC0415 (a drill alone needs it)

        return ProjectPermissions(self._endpoint).missing(projects, needed)
