"""The composition root of the tracker: its ports on the real services."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from spotkeeper.gcp.alert_channel import PubSubAlertChannel
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.gcp.compute.addresses import ComputeAddresses
from spotkeeper.gcp.compute.disks import ComputeDisks
from spotkeeper.gcp.compute.instances import ComputeInstances
from spotkeeper.gcp.compute.preemptions import ComputePreemptions
from spotkeeper.gcp.monitoring import MonitoringUptime, metric_client
from spotkeeper.periods import HOUR
from spotkeeper.ports import Report
from spotkeeper.pricing.skus import CatalogReading
from spotkeeper.tracking.creators import Creators
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import ContractPriceReader, Ports, PreemptionReader
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.uptime import Uptime

if TYPE_CHECKING:
    from spotkeeper.tracking.capacity import CapacityPorts
    from spotkeeper.tracking.interim import InterimPorts

ASSET_RETENTION = timedelta(days=35) - HOUR
"""Cloud Asset Inventory keeps 35 days, and refuses a window that begins earlier; the hour is spare.
https://cloud.google.com/asset-inventory/docs/reference/rest/v1/TopLevel/batchGetAssetsHistory"""

_CAPACITY_RETRY_TIMEOUT = timedelta(seconds=10)
"""A quota that is exhausted is not retried for long: it waits until the next day."""

_CREATORS_RETRY_TIMEOUT = timedelta(seconds=10)
"""What the costs do not need is not retried for long in each project: a later run of the day asks again."""

AUDIT_LOG_RETENTION = timedelta(days=400)
"""How long the _Required bucket keeps admin activity: https://cloud.google.com/logging/quotas#logs_retention_periods"""


def tracker_ports(settings: TrackerSettings) -> Ports:
    """Connect to the services; those that few runs need are connected on first use."""
    endpoints = settings.endpoints
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    metrics = metric_client(endpoints.monitoring)
    instances = ComputeInstances(endpoints.compute, retry_timeout, attachments=True)
    tables = TrackerTables(
        Jobs(settings.project_id, settings.dataset, endpoints.bigquery, retry_timeout, settings.dataset_location)
    )
    return Ports(
        uptime=MonitoringUptime(metrics, retry_timeout),
        instances=instances,
        disks=ComputeDisks(endpoints.compute, retry_timeout),
        addresses=ComputeAddresses(endpoints.compute, retry_timeout),
        preemptions=ComputePreemptions(endpoints.compute, retry_timeout),
        preemption_log=_preemption_log(settings, retry_timeout),
        creators=_creators(settings, min(retry_timeout, _CREATORS_RETRY_TIMEOUT)),
        catalog=_CatalogWhenDue(endpoints.billing, retry_timeout),
        ledger=tables,
        inventory=tables,
        alerts=PubSubAlertChannel(
            metrics if settings.custom_metrics else None, settings.project_id, settings.budgets, retry_timeout
        ),
        histories=list(_histories(settings, instances, retry_timeout)),
        stopwatch=lambda: timedelta(seconds=time.monotonic()),
        contract_prices=_contract_prices(settings, retry_timeout),
    )


def interim_ports(settings: TrackerSettings) -> "InterimPorts":
    """Connect to what the interim check needs."""
    from spotkeeper.gcp.bigquery.interim_tables import InterimTables  # noqa: PLC0415 (off by default)
    from spotkeeper.tracking.interim import InterimPorts  # noqa: PLC0415 (as above)

    endpoints = settings.endpoints
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return InterimPorts(
        InterimTables(
            Jobs(settings.project_id, settings.dataset, endpoints.bigquery, retry_timeout, settings.dataset_location)
        ),
        ComputeInstances(endpoints.compute, retry_timeout, attachments=True),
        PubSubAlertChannel(None, settings.project_id, settings.budgets, retry_timeout),
        lambda: timedelta(seconds=time.monotonic()),
    )


def _contract_prices(settings: TrackerSettings, retry_timeout: timedelta) -> ContractPriceReader | None:
    if not settings.contract_prices:
        return None
    from spotkeeper.gcp.billing_prices import BillingPrices  # noqa: PLC0415 (off by default)

    return BillingPrices(settings.budgets.billing_account_id, settings.endpoints.billing, retry_timeout)


def _preemption_log(settings: TrackerSettings, retry_timeout: timedelta) -> PreemptionReader | None:
    if not settings.audit_log_history:
        return None
    from spotkeeper.gcp.system_events import SystemEventPreemptions  # noqa: PLC0415 (off by default)

    return SystemEventPreemptions(settings.endpoints.logging, retry_timeout)


def _creators(settings: TrackerSettings, retry_timeout: timedelta) -> Creators | None:
    if not settings.record_creators:
        return None
    from spotkeeper.gcp.compute.creations import ComputeCreations  # noqa: PLC0415 (off by default)
    from spotkeeper.gcp.logged_creations import LoggedCreations  # noqa: PLC0415 (off by default)

    log = LoggedCreations(settings.endpoints.logging, retry_timeout) if settings.audit_log_history else None
    return Creators(ComputeCreations(settings.endpoints.compute, retry_timeout), log)


def capacity_ports(settings: TrackerSettings) -> "CapacityPorts":
    """Connect to what the daily reading of Google's capacity history needs."""
    from spotkeeper.gcp.bigquery.capacity_tables import CapacityTables  # noqa: PLC0415 (once a day, off by default)
    from spotkeeper.gcp.compute.capacity import ComputeCapacity  # noqa: PLC0415 (as above)
    from spotkeeper.tracking.capacity import CapacityPorts  # noqa: PLC0415 (as above)

    endpoints = settings.endpoints
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    return CapacityPorts(
        ComputeCapacity(endpoints.compute, min(retry_timeout, _CAPACITY_RETRY_TIMEOUT)),
        CapacityTables(
            Jobs(settings.project_id, settings.dataset, endpoints.bigquery, retry_timeout, settings.dataset_location)
        ),
        lambda: timedelta(seconds=time.monotonic()),
    )


class _CatalogWhenDue:
    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._endpoint = endpoint
        self._retry_timeout = retry_timeout

    def read(self) -> CatalogReading:
        from spotkeeper.gcp.billing_catalog import BillingCatalog  # noqa: PLC0415 (half a second that most runs do not need)

        return BillingCatalog(self._endpoint, self._retry_timeout).read()


class _History(Protocol):
    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]: ...


@dataclass(slots=True)
class _HistoryWhenNeeded:
    """A history that is connected when it is first asked: most runs know every instance."""

    name: str
    retention: timedelta
    connect: Callable[[], _History]
    connected: _History | None = None

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        if self.connected is None:
            self.connected = self.connect()
        return self.connected.observations(project_id, uptimes, now, report)


def _histories(
    settings: TrackerSettings, instances: ComputeInstances, retry_timeout: timedelta
) -> Iterator[_HistoryWhenNeeded]:
    def assets() -> _History:
        from spotkeeper.gcp.assets import AssetHistory  # noqa: PLC0415 (a second that most runs do not need)

        return AssetHistory(settings.endpoints.assets, instances.shapes, retry_timeout)

    def audit_log() -> _History:
        from spotkeeper.gcp.audit_log import AuditLogHistory  # noqa: PLC0415 (as above)

        return AuditLogHistory(settings.endpoints.logging, instances.shapes, retry_timeout)

    if settings.asset_history:
        yield _HistoryWhenNeeded("asset history", ASSET_RETENTION, assets)
    if settings.audit_log_history:
        yield _HistoryWhenNeeded("audit log", AUDIT_LOG_RETENTION, audit_log)
