"""Compute Engine: the autoscalers of managed instance groups, zonal and regional, and their mode."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import compute_v1

from spotkeeper.enforcement.freezes import Autoscaler, GroupKey, RecordedFreeze, group_key
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors
from spotkeeper.gcp.compute.lists import AutoscalerList, Json, compute_calls, translate_parse_errors
from spotkeeper.gcp.compute.operations import Operations, Place, widen
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.ports import Report

_FIELDS = "id,name,target,autoscalingPolicy(mode)"
_ON = "ON"
"""The mode of an autoscaler whose policy names none."""


class ComputeAutoscalers:
    """Lists autoscalers and sets their mode.

    A change is a patch of the mode alone: https://cloud.google.com/compute/docs/reference/rest/v1/autoscalers/patch
    """

    def __init__(self, endpoint: str | None, retry_timeout: timedelta, parallel: int) -> None:
        settings: dict[str, Any] = {"credentials": credentials(endpoint), "client_options": client_options(endpoint)}
        self._zonal = compute_v1.AutoscalersClient(**settings)
        self._regional = compute_v1.RegionAutoscalersClient(**settings)
        for client in (self._zonal, self._regional):
            widen(client, parallel)
        self._operations = Operations(settings, parallel, retry_timeout)
        self._list = AutoscalerList(compute_calls(endpoint, retry_timeout), _FIELDS)
        self._retry = retry(retry_timeout)

    def autoscalers(self, project_id: str, report: Report) -> Sequence[Autoscaler]:
        """Return all of a project; a zone that does not answer is reported."""
        found = []
        for item in self._list.items(project_id, report):
            with translate_parse_errors(f"autoscaler {item.get('name')}"):
                found.append(_from_json(project_id, item))
        return [each for each in found if each is not None]

    def find(self, freeze: RecordedFreeze) -> Autoscaler | None:
        """Return the autoscaler of a freeze as it is now, None if it no longer exists.

        By its id: one that was made again under the same name is another one.
        """
        group = freeze.group
        where = {"project": group.project_id, "autoscaler": freeze.number, group.scope.removesuffix("s"): group.place}
        with translate_errors("Compute Engine"):
            try:
                if group.scope == "zones":
                    zonal = compute_v1.GetAutoscalerRequest(where)
                    found = self._zonal.get(request=zonal, retry=self._retry, timeout=TIMEOUT)
                else:
                    regional = compute_v1.GetRegionAutoscalerRequest(where)
                    found = self._regional.get(request=regional, retry=self._retry, timeout=TIMEOUT)
            except NotFound:
                return None
        return Autoscaler(group, str(found.id), str(found.name), str(found.autoscaling_policy.mode or _ON))

    def set_mode(self, autoscaler: Autoscaler, mode: str, request_id: str, timeout: timedelta) -> str:
        """Set its mode and nothing else, follow the operation to its end, and return its name."""
        deadline = time.monotonic() + timeout.total_seconds()
        return self._operations.followed(
            _place(autoscaler.group), lambda each: self._patch(autoscaler, mode, each), request_id, deadline
        )

    def operation_of(self, freeze: RecordedFreeze, request_id: str) -> str | None:
        """Return the operation that a request began, if it did not fail; raises UnfinishedError while it has not ended.

        Until then the autoscaler shows its former mode, as if somebody else had set it.
        """
        return self._operations.finished(_place(freeze.group), request_id)

    def _patch(self, autoscaler: Autoscaler, mode: str, request_id: str) -> RawMessage:
        group = autoscaler.group
        change: dict[str, Any] = {
            "project": group.project_id,
            "autoscaler": autoscaler.name,
            "autoscaler_resource": {"autoscaling_policy": {"mode": mode}},
            "request_id": request_id,
        }
        if group.scope == "zones":
            zonal = compute_v1.PatchAutoscalerRequest({**change, "zone": group.place})
            return self._zonal.patch_unary(request=zonal, retry=self._retry, timeout=TIMEOUT)
        regional = compute_v1.PatchRegionAutoscalerRequest({**change, "region": group.place})
        return self._regional.patch_unary(request=regional, retry=self._retry, timeout=TIMEOUT)


def _place(group: GroupKey) -> Place:
    return Place(group.project_id, group.scope, group.place)


def _from_json(project_id: str, item: Json) -> Autoscaler | None:
    """Return an autoscaler; None for one that scales no managed instance group."""
    group = group_key(project_id, item["target"])
    if group is None:
        return None
    return Autoscaler(
        group, str(item["id"]), str(item["name"]), str(item.get("autoscalingPolicy", {}).get("mode", _ON))
    )
