"""Cloud Asset Inventory: how instances were that lived and died between two looks; it keeps 35 days."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import batched

from google.cloud import asset_v1, compute_v1
from google.protobuf.json_format import MessageToDict

from spotkeeper.costs import Uptime
from spotkeeper.gcp.calls import TIMEOUT, client_options, credentials, failing_as_unavailable, is_local, retry
from spotkeeper.gcp.compute import Shapes, to_instance
from spotkeeper.periods import HOUR
from spotkeeper.rosters import Look
from spotkeeper.tracking import Report

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

    def looks(self, project_id: str, uptimes: Sequence[Uptime], report: Report) -> Iterator[Look]:  # noqa: ARG002 (an answer is whole or none)
        """Yield each version of these instances that held in their hours, as a look that lasted as long as it did."""
        names = sorted({_asset_name(uptime) for uptime in uptimes})
        keys = {uptime.key for uptime in uptimes}
        window = asset_v1.TimeWindow(
            start_time=min(uptime.hour for uptime in uptimes), end_time=max(uptime.hour for uptime in uptimes) + HOUR
        )
        for some in batched(names, ASSETS_PER_CALL, strict=False):
            request = asset_v1.BatchGetAssetsHistoryRequest(
                parent=f"projects/{project_id}",
                asset_names=some,
                content_type=asset_v1.ContentType.RESOURCE,
                read_time_window=window,
            )
            with failing_as_unavailable("Cloud Asset Inventory"):
                answer = self._client.batch_get_assets_history(request=request, retry=self._retry, timeout=TIMEOUT)
            for version in answer.assets:
                if not version.deleted and (look := self._look(project_id, version)).instance.key in keys:
                    yield look

    def _look(self, project_id: str, version: asset_v1.TemporalAsset) -> Look:
        data = MessageToDict(asset_v1.Resource.pb(version.asset.resource).data)
        found = compute_v1.Instance.from_json(json.dumps(data), ignore_unknown_fields=True)
        instance = to_instance(project_id, compute_v1.Instance.pb(found), self._shapes)
        return Look(instance, version.window.start_time, version.window.end_time)


def _asset_name(uptime: Uptime) -> str:
    key = uptime.key
    return (
        f"//compute.googleapis.com/projects/{key.project_id}/zones/{key.zone}/instances/{uptime.instance_name}"
    )
