"""Managed instance groups: a member is stopped and started through its group.

A group recreates a member that was stopped otherwise:
https://cloud.google.com/compute/docs/instance-groups/suspend-stop-vms-in-mig
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import compute_v1

from spotkeeper.enforcement.actions import Verb
from spotkeeper.gcp.client_calls import TIMEOUT, retry
from spotkeeper.gcp.compute.operations import Place, widen
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.instances import Instance, InstanceKey

_GROUP = re.compile(r"projects/[^/]+/(?P<scope>zones|regions)/(?P<place>[^/]+)/instanceGroupManagers/(?P<name>[^/]+)")


@dataclass(frozen=True, slots=True)
class Group:
    """A managed instance group, zonal or regional."""

    place: Place
    name: str


def group_of(key: InstanceKey, managed_by: str | None) -> Group | None:
    """Return the group that created an instance, by its metadata; None if there is none."""
    found = _GROUP.search(managed_by or "")
    if found is None:
        return None
    return Group(Place(key.project_id, found["scope"], found["place"]), found["name"])


def is_stranger(error: BaseException | None) -> bool:
    """Whether a group answers that it does not exist, or that the instance is not one of its members."""
    return isinstance(error, NotFound) or (isinstance(error, BadRequest) and "not a member" in str(error).lower())


class Groups:
    """Sends requests to groups."""

    def __init__(self, settings: dict[str, Any], parallel: int, retry_timeout: timedelta) -> None:
        zonal = compute_v1.InstanceGroupManagersClient(**settings)
        regional = compute_v1.RegionInstanceGroupManagersClient(**settings)
        for client in (zonal, regional):
            widen(client, parallel)
        self._calls: dict[tuple[Verb, str], Callable[..., RawMessage]] = {
            (Verb.STOP, "zones"): zonal.stop_instances_unary,
            (Verb.START, "zones"): zonal.start_instances_unary,
            (Verb.STOP, "regions"): regional.stop_instances_unary,
            (Verb.START, "regions"): regional.start_instances_unary,
        }
        self._retry = retry(retry_timeout)

    def request(self, verb: Verb, group: Group, instance: Instance, request_id: str) -> RawMessage:
        """Ask a group to stop or to start one of its members, and return the operation."""
        call = self._calls[verb, group.place.scope]
        key = instance.key
        member = f"zones/{key.zone}/instances/{instance.name}"  # the partial URL that the reference describes
        prefix = "region_" if group.place.scope == "regions" else ""
        request = {
            "project": group.place.project_id,
            group.place.scope.removesuffix("s"): group.place.name,
            "instance_group_manager": group.name,
            "request_id": request_id,
            f"{prefix}instance_group_managers_{verb}_instances_request_resource": {"instances": [member]},
        }
        return call(request=request, retry=self._retry, timeout=TIMEOUT)
