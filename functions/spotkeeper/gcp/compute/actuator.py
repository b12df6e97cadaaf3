"""Compute Engine: stopping and starting single instances."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import compute_v1
from google.protobuf.json_format import MessageToDict

from spotkeeper.enforcement.actions import Verb, VmRequest
from spotkeeper.enforcement.spot_vms import RUNNING, SpotVm
from spotkeeper.errors import UnavailableError, UnfinishedError
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors
from spotkeeper.gcp.compute.groups import Group, Groups, group_of, is_stranger
from spotkeeper.gcp.compute.operations import Operations, Place, derived, widen
from spotkeeper.gcp.compute.shapes import Shapes
from spotkeeper.gcp.compute.spot_fleet import to_spot_vm
from spotkeeper.gcp.protobufs import RawMessage
from spotkeeper.instances import InstanceKey
from spotkeeper.periods import rfc3339

STOP_AT = "spotkeeper-stop-at"
"""The metadata key that announces to a guest when it will be stopped: a time such as 2026-07-21T05:00:00Z."""

_PAUSE = 1.0


class ComputeActuator:
    """Acts on one instance at a time, by its numeric id, so that one recreated under the same name is never hit."""

    def __init__(self, endpoint: str | None, retry_timeout: timedelta, shapes: Shapes, parallel: int) -> None:
        settings: dict[str, Any] = {
            "credentials": credentials(endpoint),
            "client_options": client_options(endpoint),
        }
        self._instances = compute_v1.InstancesClient(**settings)
        widen(self._instances, parallel)
        self._operations = Operations(settings, parallel, retry_timeout)
        self._groups = Groups(settings, parallel, retry_timeout)
        self._shapes = shapes
        self._retry = retry(retry_timeout)

    def find(self, key: InstanceKey) -> SpotVm | None:
        """Return the instance with this id as it is now, None if it no longer exists."""
        found = self._get(key)
        return None if found is None else to_spot_vm(key.project_id, MessageToDict(found), self._shapes, _ignored)

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        """Announce the stop to the guest, and return the time announced: an earlier one if set since then."""
        found = self._get(key)
        if found is None:
            return since
        items = {item.key: item.value for item in found.metadata.items}
        announced = _time(items.get(STOP_AT, ""))
        if announced is not None and announced >= since:
            return announced
        items[STOP_AT] = rfc3339(stop_at.replace(microsecond=0))
        metadata = compute_v1.Metadata(
            fingerprint=found.metadata.fingerprint,
            items=[compute_v1.Items(key=name, value=value) for name, value in items.items()],
        )
        with translate_errors("Compute Engine"):
            self._instances.set_metadata_unary(
                project=key.project_id,
                zone=key.zone,
                instance=key.instance_id,
                metadata_resource=metadata,
                retry=self._retry,
                timeout=TIMEOUT,
            )
        return stop_at

    def act(self, verb: Verb, vm: SpotVm, request_id: str, timeout: timedelta) -> str | None:
        """Stop or start an instance, follow the operation to its end, and return its name; None if it no longer exists.

        A member of a managed group is stopped through the group, whose operation ends once the stop is on its way; so
        the instance itself is watched until it has stopped running. An instance that its group does not know is
        stopped by itself: `created-by` stays when a group is deleted or abandons a member.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        group = group_of(vm.instance.key, vm.instance.managed_by)
        if group is not None:
            try:
                operation = self._operations.followed(
                    group.place, lambda each: self._groups.request(verb, group, vm.instance, each), request_id, deadline
                )
            except UnavailableError as error:
                if not is_stranger(error.__cause__):
                    raise
            else:
                if verb is Verb.STOP:
                    self._await_stop(vm.instance.key, operation, deadline)
                return operation
        try:
            return self._operations.followed(
                _place(vm.instance.key),
                lambda each: self._directly(verb, vm, each),
                _own_id(group, request_id),
                deadline,
            )
        except UnavailableError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise

    def operation_of(self, request: VmRequest, managed_by: str | None) -> str | None:
        """Return the operation of a request for an instance, by its group or by itself, if it did not fail."""
        group = group_of(request.key, managed_by)
        by_group = self._operations.accepted(group.place, request.request_id) if group is not None else None
        return by_group or self._operations.accepted(_place(request.key), _own_id(group, request.request_id))

    def _directly(self, verb: Verb, vm: SpotVm, request_id: str) -> RawMessage:
        key = vm.instance.key
        where: dict[str, Any] = {
            "project": key.project_id,
            "zone": key.zone,
            "instance": key.instance_id,
            "request_id": request_id,
        }
        if verb is Verb.START:
            return self._instances.start_unary(
                request=compute_v1.StartInstanceRequest(where), retry=self._retry, timeout=TIMEOUT
            )
        # Compute Engine refuses to stop an instance with local SSDs unless the request discards their data.
        if vm.instance.shape.local_ssd_gib:
            where["discard_local_ssd"] = True
        return self._instances.stop_unary(
            request=compute_v1.StopInstanceRequest(where), retry=self._retry, timeout=TIMEOUT
        )

    def _await_stop(self, key: InstanceKey, operation: str, deadline: float) -> None:
        while (vm := self.find(key)) is not None and vm.status == RUNNING:
            if time.monotonic() >= deadline:
                message = "its group has not stopped it before the deadline"
                raise UnfinishedError(message, operation)
            time.sleep(_PAUSE)

    def _get(self, key: InstanceKey) -> RawMessage | None:
        with translate_errors("Compute Engine"):
            try:
                found = self._instances.get(
                    project=key.project_id,
                    zone=key.zone,
                    instance=key.instance_id,
                    retry=self._retry,
                    timeout=TIMEOUT,
                )
            except NotFound:
                return None
        return compute_v1.Instance.pb(found)


def _place(key: InstanceKey) -> Place:
    return Place(key.project_id, "zones", key.zone)


def _own_id(group: Group | None, request_id: str) -> str:
    """Return the id of a request for an instance by itself; one of a group has used the other id already."""
    return request_id if group is None else derived(request_id, "by itself")


def _ignored(_: str) -> None:
    """Ignore an unknown machine type: its size matters to no stop."""


def _time(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None
