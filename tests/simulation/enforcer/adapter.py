"""The only module that knows the product: it runs the real use case on ports made of the world."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Protocol, cast

from spotkeeper.enforcement.actions import Verb, VmRequest
from spotkeeper.enforcement.commanding import execute_command
from spotkeeper.enforcement.enforce import enforce
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedHour, Spending
from spotkeeper.enforcement.freezes import Autoscaler, GroupKey, RecordedFreeze
from spotkeeper.enforcement.notifications import read_command, read_notification
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.settings import EnforcerSettings
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.errors import UnavailableError, UnfinishedError
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from spotkeeper.ports import Report
from tests.simulation.enforcer.calendar import as_rfc3339
from tests.simulation.enforcer.journal import Delivery, Row
from tests.simulation.enforcer.policies import AMOUNT, Policy, budget_id
from tests.simulation.enforcer.stories import Command, Side
from tests.simulation.enforcer.vms import Scaler, Vm
from tests.simulation.enforcer.world import RefusedError, World
from tests.unit.enforcer_samples import RATES
from tests.unit.enforcer_tables import Tables

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_LAGGING_SHARE = 0.97
_MESSAGE_MEMORY = timedelta(days=8)
"""How far back the statements look for a message; what was stopped or frozen is looked for over a year."""

_OPERATIONS_ARE_KEPT = timedelta(hours=1)
"""How long Compute Engine keeps an operation for sure."""

_LONG_MEMORY = frozenset({"stopped"})


class Killed(BaseException):
    """The process is killed in the middle of a call."""


class CallFailedError(Exception):
    """A call is to fail."""


class NotAcknowledgedError(Exception):
    """The delivery failed in a way that the function foresees: Pub/Sub delivers the message again."""


class Host(Protocol):
    """What the adapter reports to, and what lets calls fail."""

    world: World

    def passes(self, delivery: Delivery, call: str, side: Side, vm: str | None = None) -> None:
        """Let happen what is set for this call; raises CallFailedError and Killed."""
        ...

    def lists(self, delivery: Delivery, project: str) -> None:
        """Take note that the fleet of a project is read."""
        ...

    def stops(self, delivery: Delivery, vm: Vm, request: Callable[[], None]) -> None:
        """Take note of a request to stop a VM, and make it."""
        ...

    def starts(self, delivery: Delivery, vm: Vm) -> None:
        """Take note of a request to start a VM, and make it."""
        ...

    def sets_mode(self, delivery: Delivery, scaler: Scaler, mode: str) -> None:
        """Take note of a request to set the mode of an autoscaler, and make it."""
        ...

    def records(self, delivery: Delivery, rows: list[Row]) -> None:
        """Take note of what is recorded."""
        ...


@dataclass
class Function:
    """The deployed function and its tables."""

    host: Host
    tables: Tables = field(default_factory=Tables)
    _policies: dict[int, tuple[Policy, EnforcerSettings]] = field(default_factory=dict)

    def deliver(self, delivery: Delivery, own: Decimal | None) -> str:
        """Deliver a message, `own` of its budget being spent by our rows; return the verdict.

        Raises NotAcknowledgedError and Killed; anything else is a defect.
        """
        self.tables.tracker_cost = None if own is None else own * AMOUNT
        settings = self._settings(delivery.policy)
        call = _Call(self.host, self.tables, delivery)
        ports = EnforcerPorts(
            fleet=_Fleet(call),
            actuator=cast("Any", _Actuator(call)),
            autoscalers=_Autoscalers(call),
            permissions=_Permissions(),
            records=cast("Any", _Records(call)),
            parallel_requests=1,
            stopwatch=lambda: self.host.world.now - _EPOCH,
            wait=call.wait,
        )
        number, now = f"delivery-{delivery.number}", self.host.world.now
        try:
            if (command := delivery.message.command) is not None:
                said = read_command(_command_envelope(delivery, self._hash(command)))
                records = cast("Any", _Records(call))
                return str(execute_command(settings, ports, records, number, said, now).name)
            return str(enforce(settings, ports, number, read_notification(_envelope(delivery)), now).name)
        except UnavailableError as error:
            raise NotAcknowledgedError from error
        except ExceptionGroup as errors:
            if errors.split(UnavailableError)[1] is not None:
                raise
            raise NotAcknowledgedError from errors

    def _hash(self, command: Command) -> str:
        """The hash of the plan that a command is about, as the log has it, or another one."""
        found = [each.proposed for each in self.tables.deliveries if each.message_id == command.target]
        known = [each.plan_hash for each in found if each is not None]
        return known[-1] if known and not command.wrong else "0123"

    def _settings(self, policy: Policy) -> EnforcerSettings:
        """The settings of a policy, read once for each."""
        if id(policy) not in self._policies:
            self._policies[id(policy)] = policy, _settings(policy.mode, json.dumps(policy.as_json()))
        return self._policies[id(policy)][1]


@dataclass
class _Call:
    """What the ports of one delivery share."""

    host: Host
    tables: Tables
    delivery: Delivery
    waited: timedelta = timedelta(0)

    @contextmanager
    def passing(self, call: str, vm: str | None = None) -> Iterator[None]:
        try:
            self.host.passes(self.delivery, call, Side.BEFORE, vm)
            yield
            self.host.passes(self.delivery, call, Side.AFTER, vm)
        except CallFailedError as error:
            raise UnavailableError(str(error)) from error

    def wait(self, pause: timedelta) -> None:
        with self.passing("wait"):
            self.host.world.run(self.host.world.now + pause)

    def follow(self) -> None:
        """Let the time pass for which operations were followed, all at once."""
        if self.waited:
            self.host.world.run(self.host.world.now + self.waited)
            self.waited = timedelta(0)


@dataclass
class _Fleet:
    call: _Call

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        host = self.call.host
        with self.call.passing("spot_vms"):
            if not host.world.answers(project_id):
                message = f"{project_id} does not answer"
                raise UnavailableError(message)
            host.lists(self.call.delivery, project_id)
            silent = set()
            for vm in list(host.world.existing([project_id])):
                if not host.world.answers(vm.zone):
                    silent.add(vm.zone)
                elif vm.spot:
                    yield _spot_vm(vm)
            for zone in sorted(silent):
                report(f"{project_id}: {zone} does not answer")


@dataclass
class _Actuator:
    call: _Call

    def find(self, key: InstanceKey) -> SpotVm | None:
        world = self.call.host.world
        vm = world.vms.get(key.instance_id)
        with self._passing("find", vm):
            if not world.answers(key.zone):
                if vm is not None:
                    vm.failed_at = world.now  # Whoever asks for its stop cannot tell this from a stop that failed.
                message = f"{key.zone} does not answer"
                raise UnavailableError(message)
            return None if vm is None or vm.status == "DELETED" else _spot_vm(vm)

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        vm = self.call.host.world.vms[key.instance_id]
        with self._passing("warn", vm):
            if vm.warned_until is None or vm.warned_until < since:
                vm.warned_until = stop_at
            return vm.warned_until

    def act(self, verb: Verb, vm: SpotVm, request_id: str, timeout: timedelta) -> str | None:
        host, found = self.call.host, self.call.host.world.vms[vm.instance.key.instance_id]
        with self._passing("act", found):
            if found.status == "DELETED":
                return None
            if verb is Verb.START:
                host.starts(self.call.delivery, found)
            elif host.world.accepted.get(request_id) != found.number or found.status == "RUNNING":
                self._stop(found, request_id, timeout)
            return f"operation-{request_id}"

    def operation_of(self, request: VmRequest, managed_by: str | None) -> str | None:
        del managed_by
        found = self.call.host.world.vms[request.key.instance_id]
        with self._passing("operation_of", found):
            accepted = self.call.host.world.accepted.get(request.request_id) == found.number
            return f"operation-{request.request_id}" if accepted else None

    def _stop(self, vm: Vm, request_id: str, timeout: timedelta) -> None:
        host = self.call.host
        try:
            host.stops(self.call.delivery, vm, lambda: host.world.stop(vm, request_id))
        except RefusedError as error:
            if error.waited:
                self.call.waited = max(self.call.waited, timeout)
            if error.accepted and error.waited:
                raise UnfinishedError(str(error), f"operation-{request_id}") from error
            raise UnavailableError(str(error)) from error

    def _passing(self, call: str, vm: Vm | None) -> AbstractContextManager[None]:
        return self.call.passing(call, vm.name if vm else None)


@dataclass
class _Autoscalers:
    call: _Call

    def autoscalers(self, project_id: str, report: Report) -> list[Autoscaler]:
        world = self.call.host.world
        with self.call.passing("autoscalers"):
            if not world.answers(project_id):
                message = f"{project_id} does not answer"
                raise UnavailableError(message)
            for zone in sorted({each.zone for each in world.scalers.values() if not world.answers(each.zone)}):
                report(f"{project_id}: {zone} does not answer")
            found = [each for each in world.scalers.values() if each.project == project_id and each.exists]
            return [_autoscaler(each) for each in found if world.answers(each.zone)]

    def find(self, freeze: RecordedFreeze) -> Autoscaler | None:
        found = self._scaler(freeze.number)
        with self.call.passing("find_autoscaler"):
            return _autoscaler(found) if found.exists else None

    def set_mode(self, autoscaler: Autoscaler, mode: str, request_id: str, timeout: timedelta) -> str:
        del timeout
        host, found = self.call.host, self._scaler(autoscaler.number)
        with self.call.passing("set_mode"):
            if request_id not in host.world.mode_changes:
                host.sets_mode(self.call.delivery, found, mode)
                host.world.mode_changes[request_id] = found.number, host.world.now
            return f"operation-{request_id}"

    def operation_of(self, freeze: RecordedFreeze, request_id: str) -> str | None:
        found = self._scaler(freeze.number)
        with self.call.passing("operation_of_autoscaler"):
            world = self.call.host.world
            number, changed_at = world.mode_changes.get(request_id, ("", world.now))
            is_kept = world.now - changed_at <= _OPERATIONS_ARE_KEPT
            return f"operation-{request_id}" if number == found.number and is_kept else None

    def _scaler(self, number: str) -> Scaler:
        world = self.call.host.world
        found = world.scalers[number]
        if not world.answers(found.zone):
            message = f"{found.zone} does not answer"
            raise UnavailableError(message)
        return found


class _Permissions:
    def missing(self, projects: Iterable[str], needed: Sequence[str]) -> tuple[str, ...]:
        del projects, needed
        return ()


@dataclass
class _Records:
    """Every verb of the records, by the tables in memory; what is new in them is reported."""

    call: _Call

    def __getattr__(self, verb: str) -> Callable[..., object]:
        def called(*arguments: object, **named: object) -> object:
            if verb == "record_outcomes":
                self.call.follow()
            with self.call.passing(verb):
                if not self.call.host.world.answers("records"):
                    message = "BigQuery does not answer"
                    raise UnavailableError(message)
                return list(RATES) if verb == "rates" else self._in_tables(verb, *arguments, **named)

        return called

    def _in_tables(self, verb: str, *arguments: object, **named: object) -> object:
        tables, since = self.call.tables, self.call.delivery.began - _MESSAGE_MEMORY
        if verb == "history":
            tables.spending = _spending(self.call.delivery)
        if any(each.received_at < since for each in tables.deliveries[:1]):
            tables.deliveries = [each for each in tables.deliveries if each.received_at >= since]
        forgotten: list[Any] = []
        if verb not in _LONG_MEMORY and any(row.happened_at < since for row in tables.actions[:1]):
            kept: list[Any] = []
            for row in tables.actions:
                (kept if row.happened_at >= since or row.autoscaling_mode is not None else forgotten).append(row)
            tables.actions = kept
        known, known_deliveries = len(tables.actions), len(tables.deliveries)
        try:
            return getattr(tables, verb)(*arguments, **named)
        finally:
            rows = tables.actions[known:]
            recorded = [each.verdict for each in tables.deliveries[known_deliveries:]]
            self.call.delivery.verdicts += [str(verdict.name) for verdict in recorded if verdict.reason.strip()]
            tables.actions = forgotten + tables.actions if forgotten else tables.actions
            if rows:
                about_vms = [_row(each) for each in rows if each.autoscaling_mode is None]
                if about_vms:
                    self.call.host.records(self.call.delivery, about_vms)


def _settings(mode: str, policy: str) -> EnforcerSettings:
    return EnforcerSettings.from_mapping(
        {
            "PROJECT_ID": "operations-1",
            "ENFORCEMENT_MODE": mode,
            "ENFORCEMENT_POLICY": policy,
            "APPROVALS_SUBSCRIPTION": "projects/operations-1/subscriptions/approvals",
        }
    )


def _spending(delivery: Delivery) -> Spending:
    """Return what every second delivery finds on record: a steady month, of which the bill is a little ahead.

    By the estimate as much is spent as the bill says: the same priorities may be stopped, but not as many.
    """
    start, cost = delivery.interval_start, float(delivery.message.spent * AMOUNT)
    hours = int((delivery.published - start) / _HOUR)
    if delivery.number % 2 or hours <= 0:
        return Spending()
    rate = _LAGGING_SHARE * cost / hours
    times = _hours_from(start)
    return Spending(
        tuple(BilledCost(times[hour], rate * hour) for hour in range(1, hours, 3)),
        tuple(RecordedHour(time, rate) for time in times[:hours]),
    )


@cache
def _hours_from(start: datetime) -> tuple[datetime, ...]:
    """The hours of the longest period that starts then, and of the one after it: a message may be about the former."""
    return tuple(start + hour * _HOUR for hour in range(2 * 367 * 24))


def _envelope(delivery: Delivery) -> dict[str, object]:
    message = delivery.message
    body = {
        "budgetDisplayName": message.budget,
        "costAmount": float(message.spent * AMOUNT),
        "costIntervalStart": as_rfc3339(delivery.interval_start - message.early),
        "budgetAmount": float(AMOUNT),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": message.currency,
    }
    attributes = {
        "billingAccountId": "000000-AAAAAA-111111",
        "budgetId": budget_id(message.budget),
        "schemaVersion": "1.0",
    }
    if message.source == "tracker":
        attributes |= {"source": "spotkeeper.track_spot_costs", "period": message.kind}
    if message.drill:
        attributes |= {"spotkeeper-drill": "true"}
    return {
        "message": {
            "data": base64.b64encode(json.dumps(body).encode()).decode(),
            "attributes": attributes,
            "messageId": message.name,
            "publishTime": as_rfc3339(delivery.published),
        }
    }


def _command_envelope(delivery: Delivery, plan_hash: str) -> dict[str, object]:
    command = delivery.message.command
    assert command is not None
    body = {"command": "approve", "plan": f"{command.target}:{plan_hash}"}
    if command.undo:
        body = {"command": "undo", "message_id": command.target}
    if command.thaw:
        body = {"command": "thaw"}
    return {
        "message": {
            "data": base64.b64encode(json.dumps(body).encode()).decode(),
            "attributes": {},
            "messageId": delivery.message.name,
            "publishTime": as_rfc3339(command.sent),
        }
    }


def _spot_vm(vm: Vm) -> SpotVm:
    model = ProvisioningModel.SPOT if vm.spot else ProvisioningModel.STANDARD
    shape = Shape(f"e2-standard-{vm.vcpus}", Decimal(vm.vcpus), Decimal(4 * vm.vcpus), local_ssd_gib=375 * vm.local_ssd)
    key = InstanceKey(vm.project, vm.zone, vm.number)
    return SpotVm(
        Instance(key, vm.name, model, shape, tuple(sorted(vm.labels.items())), vm.created_by), vm.status, vm.started
    )


def _autoscaler(scaler: Scaler) -> Autoscaler:
    scaler.unseen = None
    group = GroupKey(scaler.project, "zones", scaler.zone, scaler.group)
    return Autoscaler(group, scaler.number, scaler.group, scaler.mode)


def _row(action: Any) -> Row:  # noqa: ANN401 (a row of the tables in memory)
    return Row(
        message=action.message_id,
        number=action.instance.key.instance_id,
        event=str(action.event),
        reason=action.reason,
        mode=str(action.mode),
        at=action.happened_at,
    )
