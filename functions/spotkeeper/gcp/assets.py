"""Cloud Asset Inventory: instances that were created and deleted between two scans; it keeps 35 days."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched, groupby
from typing import Any

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import asset_v1
from google.protobuf.json_format import MessageToDict

from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, is_local, retry, translate_errors
from spotkeeper.gcp.compute.instances import attachments_of, start_and_creation, to_instance
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.http_calls import parse_each
from spotkeeper.logs import log_event
from spotkeeper.periods import HOUR, spans
from spotkeeper.ports import Report
from spotkeeper.tracking.inventory import Observation
from spotkeeper.tracking.uptime import Uptime

ASSETS_PER_CALL = 100
"""The limit of batchGetAssetsHistory on names per call."""

WINDOW_HOURS = 4
"""The most hours of one call: a name that is used again and again has an answer of all instances in the window."""

MARGIN = timedelta(minutes=10)
"""How much longer than its hours a window is: uptime is counted up to a minute late, and a version recorded later."""

MAX_SPLIT_CALLS = 100
"""The most calls that unknown assets may cost in one request; what is left then is requested by the next run."""


class AssetHistory:
    """Reads the recorded versions of instances."""

    def __init__(self, endpoint: str | None, shapes: Shapes, retry_timeout: timedelta) -> None:
        self._client = asset_v1.AssetServiceClient(
            credentials=credentials(endpoint),
            transport="rest" if is_local(endpoint) else None,
            client_options=client_options(endpoint),
        )
        self._shapes = shapes
        self._retry = retry(retry_timeout)

    def observations(
        self, project_id: str, uptimes: Sequence[Uptime], now: datetime, report: Report
    ) -> Iterator[Observation]:
        """Yield each version of these instances in their hours, as an observation over the time it held.

        The version that still holds ends in the year 2262 or has no end: it was observed to the end of the window, now
        at the latest, so that a later observation of a change counts.
        """
        keys = {uptime.key for uptime in uptimes}
        splits = _Splits()
        for hours in spans((uptime.hour for uptime in uptimes), WINDOW_HOURS):
            names = sorted({_asset_name(uptime) for uptime in uptimes if uptime.hour in hours})
            end = min(hours[-1] + HOUR + MARGIN, now)
            window = asset_v1.TimeWindow(start_time=hours[0] - MARGIN, end_time=end)
            for some in batched(names, ASSETS_PER_CALL, strict=False):
                versions = self._versions(project_id, some, window, splits)
                existing = (version for version in versions if not version.deleted)
                found = parse_each(existing, partial(self._observation, project_id, end, report), report)
                yield from _merged(
                    observation
                    for observation in found
                    if observation.instance.key in keys
                    and observation.instance.shape.machine_type not in self._shapes.unread
                )

    def _versions(
        self, project_id: str, names: Sequence[str], window: asset_v1.TimeWindow, splits: "_Splits"
    ) -> Iterator[asset_v1.TemporalAsset]:
        """The history of these assets. An unknown asset fails the whole call; then each half is requested."""
        request = asset_v1.BatchGetAssetsHistoryRequest(
            parent=f"projects/{project_id}",
            asset_names=names,
            content_type=asset_v1.ContentType.RESOURCE,
            read_time_window=window,
        )
        with translate_errors("Cloud Asset Inventory"):
            try:
                response = self._client.batch_get_assets_history(request=request, retry=self._retry, timeout=TIMEOUT)
            except (BadRequest, NotFound):
                response = None
        if response is not None:
            yield from response.assets
        elif len(names) > 1:
            middle = len(names) // 2
            for half in (names[:middle], names[middle:]):
                if splits.take():
                    yield from self._versions(project_id, half, window, splits)
                else:
                    log_event("assets left to the next run", project_id=project_id, assets=len(half))

    def _observation(
        self, project_id: str, end: datetime, report: Report, version: asset_v1.TemporalAsset
    ) -> Observation:
        with translate_errors("Cloud Asset Inventory"):
            found = MessageToDict(asset_v1.Resource.pb(version.asset.resource).data)
            window: Any = version.window  # its times are datetimes, whatever their annotations say
            instance = to_instance(project_id, found, self._shapes, report, attachments_of(found))
            last_seen = min(window.end_time.astimezone(UTC), end) if window.end_time else end
            return Observation(instance, window.start_time.astimezone(UTC), last_seen, *start_and_creation(found))


@dataclass(slots=True)
class _Splits:
    """How many calls may still be made because an asset is unknown."""

    left: int = MAX_SPLIT_CALLS

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def _merged(observations: Iterable[Observation]) -> Iterator[Observation]:
    """Join the versions of an instance that differ only in fields that are not recorded, such as its status."""
    for instance, same in groupby(observations, key=lambda observation: observation.instance):
        versions = list(same)
        first_seen = min(each.first_seen for each in versions)
        starts = sorted(each.started for each in versions if each.started is not None)
        yield Observation(
            instance,
            first_seen,
            max(each.last_seen for each in versions),
            next((started for started in starts if started >= first_seen), starts[-1] if starts else None),
            versions[0].created,
        )


def _asset_name(uptime: Uptime) -> str:
    key = uptime.key
    return f"//compute.googleapis.com/projects/{key.project_id}/zones/{key.zone}/instances/{uptime.instance_name}"
