"""The composition root of the tracker: its ports on the real services."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from spotkeeper.gcp.alert_channel import Channel
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
    patience = timedelta(seconds=settings.retry_timeout_seconds)
    metrics = metric_client(endpoints.monitoring)
    instances = ComputeInstances(endpoints.compute, patience)
    tables = TrackerTables(Jobs(settings.project_id, settings.dataset, endpoints.bigquery, patience))
    return Ports(
        uptime=MonitoringUptime(metrics, patience),
        instances=instances,
        preemptions=ComputePreemptions(endpoints.compute, patience),
        catalog=_CatalogWhenDue(endpoints.billing, patience),
        ledger=tables,
        inventory=tables,
        alerts=Channel(metrics if settings.custom_metrics else None, settings.project_id, settings.budgets, patience),
        assets=_AssetsWhenMissing(endpoints.assets, instances, patience) if settings.asset_history else None,
        stopwatch=lambda: timedelta(seconds=time.monotonic()),
    )


class _CatalogWhenDue:
    def __init__(self, endpoint: str | None, patience: timedelta) -> None:
        self._endpoint = endpoint
        self._patience = patience

    def read(self) -> CatalogReading:
        from spotkeeper.gcp.billing_catalog import BillingCatalog  # noqa: PLC0415 (half a second that most runs do not need)

        return BillingCatalog(self._endpoint, self._patience).read()


class _AssetsWhenMissing:
    def __init__(self, endpoint: str | None, instances: ComputeInstances, patience: timedelta) -> None:
        self._endpoint = endpoint
        self._instances = instances
        self._patience = patience

    def observations(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Observation]:
        from spotkeeper.gcp.assets import InstanceHistory  # noqa: PLC0415 (a second that most runs do not need)

        history = InstanceHistory(self._endpoint, self._instances.shapes, self._patience)
        return history.observations(project_id, uptimes, report)
