"""Cloud Asset Inventory: how instances were that lived and died between two looks; it keeps 35 days."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, timedelta
from itertools import batched, groupby
from typing import Any

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import asset_v1
from google.protobuf.json_format import MessageToDict

from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, is_local, retry, translate_errors
from spotkeeper.gcp.compute.instances import to_instance
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.periods import HOUR
from spotkeeper.ports import Report
from spotkeeper.tracking.costs import Uptime
from spotkeeper.tracking.inventory import Look

ASSETS_PER_CALL = 100
"""The most names that batchGetAssetsHistory takes."""


class InstanceHistory:
    """Reads the recorded versions of instances."""

    def __init__(self, endpoint: str | None, shapes: Shapes, patience: timedelta) -> None:
        self._client = asset_v1.AssetServiceClient(
            credentials=credentials(endpoint),
            transport="rest" if is_local(endpoint) else None,
            client_options=client_options(endpoint),
        )
        self._shapes = shapes
        self._retry = retry(patience)

    def looks(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Look]:
        """Yield each version of these instances that held in their hours, as a look that lasted as long as it did."""
        names = sorted({_asset_name(uptime) for uptime in uptimes})
        keys = {uptime.key for uptime in uptimes}
        window = asset_v1.TimeWindow(
            start_time=min(uptime.hour for uptime in uptimes), end_time=max(uptime.hour for uptime in uptimes) + HOUR
        )
        for some in batched(names, ASSETS_PER_CALL, strict=False):
            versions = self._versions(project_id, some, window)
            there = (version for version in versions if not version.deleted)
            found = parse_each(there, lambda version: self._look(project_id, version, report), report)
            yield from _merged(
                look
                for look in found
                if look.instance.key in keys and look.instance.shape.machine_type not in self._shapes.unread
            )

    def _versions(
        self, project_id: str, names: Sequence[str], window: asset_v1.TimeWindow
    ) -> Iterator[asset_v1.TemporalAsset]:
        """The history of these assets. One that is not on record fails the whole call; then each half is asked for."""
        request = asset_v1.BatchGetAssetsHistoryRequest(
            parent=f"projects/{project_id}",
            asset_names=names,
            content_type=asset_v1.ContentType.RESOURCE,
            read_time_window=window,
        )
        with translate_errors("Cloud Asset Inventory"):
            try:
                answer = self._client.batch_get_assets_history(request=request, retry=self._retry, timeout=TIMEOUT)
            except (BadRequest, NotFound):
                answer = None
        if answer is not None:
            yield from answer.assets
        elif len(names) > 1:
            middle = len(names) // 2
            yield from self._versions(project_id, names[:middle], window)
            yield from self._versions(project_id, names[middle:], window)

    def _look(self, project_id: str, version: asset_v1.TemporalAsset, report: Report) -> Look:
        with translate_errors("Cloud Asset Inventory"):
            found = MessageToDict(asset_v1.Resource.pb(version.asset.resource).data)
            window: Any = version.window  # its times are datetimes, whatever their annotations say
            instance = to_instance(project_id, found, self._shapes, report)
            return Look(instance, *(moment.astimezone(UTC) for moment in (window.start_time, window.end_time)))


def _merged(looks: Iterable[Look]) -> Iterator[Look]:
    """Join the versions of an instance that differ only in what is not kept of it, such as its status."""
    for instance, same in groupby(looks, key=lambda look: look.instance):
        versions = list(same)
        yield Look(instance, min(each.first_seen for each in versions), max(each.last_seen for each in versions))


def _asset_name(uptime: Uptime) -> str:
    key = uptime.key
    return f"//compute.googleapis.com/projects/{key.project_id}/zones/{key.zone}/instances/{uptime.instance_name}"
