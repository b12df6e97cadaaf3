"""Compute Engine and BigQuery as the enforcer sees them, in memory: they keep what was done to them.

Every call passes a gate on its way in and out, where a test can end the delivery, or let another one go first.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.actions import Outcome, PlannedEvent, Verb, VmRequest
from spotkeeper.enforcement.command_ports import StopsOfMessage
from spotkeeper.enforcement.commanding import execute_command
from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.enforce import enforce
from spotkeeper.enforcement.events import CloudEvent
from spotkeeper.enforcement.freeze_ports import FreezeOutcome
from spotkeeper.enforcement.freezes import Autoscaler, RecordedFreeze
from spotkeeper.enforcement.history import History, Reported, ReportedPeriod
from spotkeeper.enforcement.notifications import BudgetNotification, Command, Malformed
from spotkeeper.enforcement.policies import BudgetRule, Policy
from spotkeeper.enforcement.ports import EnforcerPorts
from spotkeeper.enforcement.proposals import Proposal
from spotkeeper.enforcement.restarts import StoppedVm
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import Verdict
from spotkeeper.errors import UnavailableError, UnfinishedError
from spotkeeper.instances import InstanceKey, ProvisioningModel
from spotkeeper.ports import Report
from spotkeeper.pricing.price_book import DatedRate
from tests.unit.enforcer_samples import NOW, RATES, policy, settings
from tests.unit.enforcer_tables import Tables

type Gate = Callable[[str], AbstractContextManager[None]]

OPERATIONS_ARE_KEPT = timedelta(hours=1)
_NUMBERS = itertools.count(1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _open(_: str) -> AbstractContextManager[None]:
    return nullcontext()


class Killed(BaseException):
    """The process ends, in the middle of whatever it does."""


@dataclass
class Killer:
    """Ends a delivery at one boundary of its calls; each call has one before it and one after it."""

    boundary: int
    passed: int = 0

    @contextmanager
    def __call__(self, _: str) -> Iterator[None]:
        self._pass()
        yield
        self._pass()

    def _pass(self) -> None:
        self.passed += 1
        if self.passed > self.boundary:
            raise Killed


@dataclass
class Cloud:
    """All that lasts: the fleet, Compute Engine's operations, and the tables."""

    vms: dict[InstanceKey, SpotVm] = field(default_factory=dict)
    autoscalers: dict[InstanceKey, Autoscaler] = field(default_factory=dict)
    modes: list[tuple[str, str]] = field(default_factory=list)
    now: datetime = NOW
    operations: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    stop_notices: dict[InstanceKey, datetime] = field(default_factory=dict)
    changes: list[tuple[Verb, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    silent_zones: set[str] = field(default_factory=set)
    refusing: dict[str, Exception] = field(default_factory=dict)
    unfound: dict[str, Exception] = field(default_factory=dict)
    call_times: dict[str, timedelta] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    slow_autoscalers: bool = False
    running_changes: dict[str, tuple[Autoscaler, str]] = field(default_factory=dict)
    deaf: dict[str, Exception] = field(default_factory=dict)
    missing_permissions: tuple[str, ...] = ()
    tables: Tables = field(default_factory=Tables)
    down: set[str] = field(default_factory=set)
    answer_lost: set[str] = field(default_factory=set)
    rates: Sequence[DatedRate] = RATES
    lock: threading.Lock = field(default_factory=threading.Lock)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    parallel_requests: int = 1
    events: list[CloudEvent] | None = None

    def has(self, *vms: SpotVm) -> "Cloud":
        """Put VMs into the fleet, in place of those with their ids."""
        for vm in vms:
            self.vms[vm.instance.key] = vm
        return self

    def scales(self, *autoscalers: Autoscaler) -> "Cloud":
        """Give groups these autoscalers, in place of those with their ids."""
        for each in autoscalers:
            self.autoscalers[each.key] = each
        return self

    def mode_of(self, group: str) -> str:
        """Return the mode of the autoscaler of the group with this name."""
        [found] = [each.mode for each in self.autoscalers.values() if each.group.name == group]
        return found

    def finish_changes(self) -> None:
        """End the operations that change autoscalers: only now do they take effect."""
        for autoscaler, mode in self.running_changes.values():
            self.autoscalers[autoscaler.key] = replace(self.autoscalers[autoscaler.key], mode=mode)
            self.modes.append((autoscaler.group.name, mode))
        self.running_changes.clear()

    def ports(self, gate: Gate = _open) -> EnforcerPorts:
        """Return the ports of one delivery; waiting lets the time go on."""
        gates = _Gates(self, gate)
        return EnforcerPorts(
            fleet=FakeFleet(self, gates),
            actuator=FakeActuator(self, gates),
            autoscalers=FakeAutoscalers(self, gates),
            permissions=FakePermissions(self, gates),
            records=FakeRecords(self, gates),
            parallel_requests=self.parallel_requests,
            stopwatch=lambda: self.now - _LONG_AGO,
            wait=FakeWait(self, gates),
            events=None if self.events is None else FakeEvents(self.events, gates),
        )

    def deliver(
        self,
        said: BudgetNotification | Malformed,
        used: Policy | None = None,
        *,
        mode: Mode = Mode.ENFORCE,
        gate: Gate = _open,
    ) -> Verdict:
        """Deliver a message now."""
        number = f"delivery-{next(_NUMBERS)}"
        return enforce(settings(used or policy(), mode), self.ports(gate), number, said, self.now)

    def command(
        self,
        said: Command | Malformed,
        used: Policy | None = None,
        *,
        mode: Mode = Mode.APPROVE,
        gate: Gate = _open,
    ) -> Verdict:
        """Deliver a command of an operator now."""
        number = f"delivery-{next(_NUMBERS)}"
        records = FakeCommandRecords(self, _Gates(self, gate))
        used_settings = settings(used or policy(), mode)
        return execute_command(used_settings, self.ports(gate), records, number, said, self.now)

    def stopped_names(self) -> list[str]:
        """Return the names of what was stopped, in order, once for each time."""
        return [name for verb, name in self.changes if verb is Verb.STOP]

    def started_names(self) -> list[str]:
        """Return the names of what was started, in order, once for each time."""
        return [name for verb, name in self.changes if verb is Verb.START]


@dataclass
class _Gates:
    cloud: Cloud
    gate: Gate

    @contextmanager
    def __call__(self, name: str, *about: str) -> Iterator[None]:
        """Let a call through the gate, unless the service is down; what a test wants to happen before it, does."""
        with self.gate(name):
            self.cloud.calls.append(" ".join((name, *about)))
            if change := self.cloud.before.pop(name, None):
                change()
            with self.cloud.lock:
                self.cloud.now += self.cloud.call_times.get(name, timedelta(0))
            if name in self.cloud.down:
                message = f"{name} is down"
                raise UnavailableError(message)
            yield
            if name in self.cloud.answer_lost:
                message = f"the answer to {name} was lost"
                raise UnavailableError(message)


@dataclass
class FakeWait:
    """Waits by letting the time of the cloud go on."""

    cloud: Cloud
    gates: _Gates

    def __call__(self, pause: timedelta) -> None:
        """Wait."""
        with self.gates("wait", str(pause)):
            self.cloud.now += pause


@dataclass
class FakeFleet:
    """The fleet, project by project."""

    cloud: Cloud
    gates: _Gates

    def spot_vms(self, project_id: str, report: Report) -> Iterator[SpotVm]:
        """Yield the VMs of a project without their price; fails after the first one where the test says so."""
        with self.gates("spot_vms", project_id):
            for vm in [vm for vm in self.cloud.vms.values() if vm.instance.key.project_id == project_id]:
                if vm.instance.key.zone in self.cloud.silent_zones:
                    report(f"{project_id}: {vm.instance.key.zone} does not answer")
                    continue
                if vm.instance.provisioning_model is ProvisioningModel.SPOT:
                    yield replace(vm, hourly_cost_usd=None)
            if project_id in self.cloud.unreadable:
                message = "no page any more"
                raise UnavailableError(message)


@dataclass
class FakeActuator:
    """Stops and starts; a request with an id that is known changes nothing, as with Compute Engine."""

    cloud: Cloud
    gates: _Gates

    def find(self, key: InstanceKey) -> SpotVm | None:
        """Return the instance with this id."""
        with self.gates("find", key.instance_id):
            if key.instance_id in self.cloud.unfound:
                raise self.cloud.unfound[key.instance_id]
            return self.cloud.vms.get(key)

    def warn(self, key: InstanceKey, stop_at: datetime, since: datetime) -> datetime:
        """Tell the guest once."""
        with self.gates("warn", key.instance_id):
            if key.instance_id in self.cloud.deaf:
                raise self.cloud.deaf[key.instance_id]
            notice = self.cloud.stop_notices.get(key)
            if notice is None or notice < since:
                self.cloud.stop_notices[key] = notice = stop_at
            return notice

    def operation_of(self, request: VmRequest, managed_by: str | None) -> str | None:
        """Return the operation of a request that was accepted."""
        del managed_by
        with self.gates("operation_of", request.key.instance_id):
            found = self.cloud.operations.get(request.request_id)
            return found[0] if found else None

    def act(self, verb: Verb, vm: SpotVm, request_id: str, timeout: timedelta) -> str | None:
        """Stop or start it at once, or after a while if the test says so."""
        key = vm.instance.key
        with self.gates("act", verb, key.instance_id):
            if timeout <= timedelta(0):
                message = "no time left"
                raise UnavailableError(message)
            with self.cloud.lock:
                return self._changed(verb, key, request_id)

    def _changed(self, verb: Verb, key: InstanceKey, request_id: str) -> str | None:
        found = self.cloud.vms.get(key)
        if found is None:
            return None
        if request_id in self.cloud.operations and key.instance_id not in self.cloud.slow:
            return self.cloud.operations[request_id][0]
        if key.instance_id in self.cloud.refusing:
            raise self.cloud.refusing[key.instance_id]
        self.cloud.operations[request_id] = (f"operation-{len(self.cloud.operations)}", self.cloud.now)
        if key.instance_id in self.cloud.slow:
            message = "its group has not stopped it yet"
            raise UnfinishedError(message, self.cloud.operations[request_id][0])
        before, after = ("RUNNING", "TERMINATED") if verb is Verb.STOP else ("TERMINATED", "RUNNING")
        if found.status == before:
            started = self.cloud.now if verb is Verb.START else found.started
            self.cloud.vms[key] = replace(found, status=after, started=started)
            self.cloud.changes.append((verb, found.instance.name))
        return self.cloud.operations[request_id][0]


@dataclass
class FakeAutoscalers:
    """Autoscalers of groups; a request with an id that is known changes nothing, as with Compute Engine."""

    cloud: Cloud
    gates: _Gates

    def autoscalers(self, project_id: str, report: Report) -> list[Autoscaler]:
        """Return those of a project."""
        with self.gates("autoscalers", project_id):
            for zone in sorted(self.cloud.silent_zones):
                report(f"{project_id}: {zone} does not answer")
            found = [each for each in self.cloud.autoscalers.values() if each.group.project_id == project_id]
            return [each for each in found if each.group.place not in self.cloud.silent_zones]

    def find(self, freeze: RecordedFreeze) -> Autoscaler | None:
        """Return the one with this id."""
        with self.gates("find_autoscaler", freeze.group.name):
            return self.cloud.autoscalers.get(freeze.key)

    def set_mode(self, autoscaler: Autoscaler, mode: str, request_id: str, timeout: timedelta) -> str:
        """Set its mode once for each request."""
        with self.gates("set_mode", autoscaler.group.name):
            assert timeout > timedelta(0)
            if request_id not in self.cloud.operations:
                self.cloud.operations[request_id] = (f"operation-{len(self.cloud.operations)}", self.cloud.now)
                self.cloud.running_changes[request_id] = (autoscaler, mode)
                if not self.cloud.slow_autoscalers:
                    self.cloud.finish_changes()
            name = self.cloud.operations[request_id][0]
            if request_id in self.cloud.running_changes:
                message = f"operation {name} did not finish before the deadline"
                raise UnfinishedError(message, name)
            return name

    def operation_of(self, freeze: RecordedFreeze, request_id: str) -> str | None:
        """Return the operation of a request that was accepted, for as long as Compute Engine keeps it for sure."""
        with self.gates("operation_of_autoscaler", freeze.group.name):
            found = self.cloud.operations.get(request_id)
            if found and self.cloud.now - found[1] > OPERATIONS_ARE_KEPT:
                return None
            if found and request_id in self.cloud.running_changes:
                message = f"operation {found[0]} has not ended yet"
                raise UnfinishedError(message, found[0])
            return found[0] if found else None


@dataclass
class FakeEvents:
    """The topic of events, which keeps what was sent."""

    events: list[CloudEvent]
    gates: _Gates

    def publish(self, event: CloudEvent) -> None:
        """Keep an event."""
        with self.gates("publish", event.event_id):
            self.events.append(event)

    def flush(self) -> None:
        """Do nothing: all of it was sent at once."""


@dataclass
class FakePermissions:
    """What the function may not do."""

    cloud: Cloud
    gates: _Gates

    def missing(self, projects: Iterable[str], needed: Sequence[str]) -> tuple[str, ...]:
        """Return which of the needed permissions are missing."""
        asked = [f"{project_id}: {permission}" for project_id in projects for permission in needed]
        with self.gates("missing", *projects):
            return tuple(each for each in asked if each in self.cloud.missing_permissions)


@dataclass
class FakeRecords:
    """The tables, behind the gate."""

    cloud: Cloud
    gates: _Gates

    def history(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> History:
        """Return what is on record of a message and of its budget."""
        with self.gates("history"):
            return self.cloud.tables.history(notification, rule, now)

    def newer(self, notification: BudgetNotification, rule: BudgetRule, now: datetime) -> tuple[Reported, ...]:
        """Return what newer notifications reported."""
        with self.gates("newer"):
            return self.cloud.tables.newer(notification, rule, now)

    def latest(self, now: datetime, min_share: Decimal) -> tuple[ReportedPeriod, ...]:
        """Return the newest credible notification on everything."""
        with self.gates("latest"):
            return self.cloud.tables.latest(now, min_share)

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        with self.gates("rates"):
            return [rate for rate in self.cloud.rates if rate.valid_to is None or rate.valid_to > since]

    def record(self, delivery: Delivery) -> bool:
        """Record a delivery."""
        with self.gates("record"):
            return self.cloud.tables.record(delivery)

    def record_plan(self, delivery: Delivery, events: Sequence[PlannedEvent], history: History) -> bool:
        """Record a delivery with its plan."""
        with self.gates("record_plan"):
            return self.cloud.tables.record_plan(delivery, events, history)

    def record_outcomes(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        """Record what came of orders."""
        with self.gates("record_outcomes"):
            self.cloud.tables.record_outcomes(delivery, outcomes)

    def stopped(self, rule: BudgetRule, now: datetime) -> tuple[list[StoppedVm], int]:
        """Return what is stopped since a period that is over."""
        with self.gates("stopped"):
            return self.cloud.tables.stopped(rule, now)

    def freezes(self, now: datetime) -> list[RecordedFreeze]:
        """Return the latest freeze of every autoscaler."""
        with self.gates("freezes"):
            return self.cloud.tables.freezes(now)

    def record_freezes(self, delivery: Delivery, outcomes: Sequence[FreezeOutcome]) -> None:
        """Record what came of freezes."""
        with self.gates("record_freezes"):
            self.cloud.tables.record_freezes(delivery, outcomes)


@dataclass
class FakeCommandRecords:
    """What the tables have for commands, behind the gate."""

    cloud: Cloud
    gates: _Gates

    def proposal(self, message_id: str, now: datetime) -> Proposal | None:
        """Return the plan of a message that was to be approved."""
        with self.gates("proposal"):
            return self.cloud.tables.proposal(message_id, now)

    def stops_of(self, message_id: str, now: datetime) -> StopsOfMessage | None:
        """Return what a message was to stop."""
        with self.gates("stops_of"):
            return self.cloud.tables.stops_of(message_id, now)

    def snooze(self, delivery: Delivery, instances: Iterable[InstanceKey], until: datetime) -> None:
        """Record that instances are not to be stopped until then."""
        with self.gates("snooze"):
            self.cloud.tables.snooze(delivery, instances, until)
