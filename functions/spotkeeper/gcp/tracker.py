"""The composition root of the tracker: its ports on the real services."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from spotkeeper.gcp.alert_channel import PubSubAlertChannel
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.tracker_tables import TrackerTables
from spotkeeper.gcp.compute.instances import ComputeInstances
from spotkeeper.gcp.compute.preemptions import ComputePreemptions
from spotkeeper.gcp.monitoring import MonitoringUptime, metric_client
from spotkeeper.ports import Report
from spotkeeper.pricing.skus import CatalogReading
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.ports import Ports
from spotkeeper.tracking.settings import TrackerSettings
from spotkeeper.tracking.uptime import Uptime


def tracker_ports(settings: TrackerSettings) -> Ports:
    """Connect to the services; those that few runs need are connected on first use."""
    endpoints = settings.endpoints
    retry_timeout = timedelta(seconds=settings.retry_timeout_seconds)
    metrics = metric_client(endpoints.monitoring)
    instances = ComputeInstances(endpoints.compute, retry_timeout)
    tables = TrackerTables(Jobs(settings.project_id, settings.dataset, endpoints.bigquery, retry_timeout))
    return Ports(
        uptime=MonitoringUptime(metrics, retry_timeout),
        instances=instances,
        preemptions=ComputePreemptions(endpoints.compute, retry_timeout),
        catalog=_CatalogWhenDue(endpoints.billing, retry_timeout),
        ledger=tables,
        inventory=tables,
        alerts=PubSubAlertChannel(
            metrics if settings.custom_metrics else None, settings.project_id, settings.budgets, retry_timeout
        ),
        assets=_AssetsWhenMissing(endpoints.assets, instances, retry_timeout) if settings.asset_history else None,
        stopwatch=lambda: timedelta(seconds=time.monotonic()),
    )


class _CatalogWhenDue:
    def __init__(self, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._endpoint = endpoint
        self._retry_timeout = retry_timeout

    def read(self) -> CatalogReading:
        from spotkeeper.gcp.billing_catalog import BillingCatalog  # noqa: PLC0415 (half a second that most runs do not need)

        return BillingCatalog(self._endpoint, self._retry_timeout).read()


class _AssetsWhenMissing:
    def __init__(self, endpoint: str | None, instances: ComputeInstances, retry_timeout: timedelta) -> None:
        self._endpoint = endpoint
        self._instances = instances
        self._retry_timeout = retry_timeout

    def observations(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Observation]:
        from spotkeeper.gcp.assets import InstanceHistory  # noqa: PLC0415 (a second that most runs do not need)

        history = InstanceHistory(self._endpoint, self._instances.shapes, self._retry_timeout)
        return history.observations(project_id, uptimes, report)
