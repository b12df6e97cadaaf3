"""The cloud as it really is: VMs, who stopped them, groups that refill, and what does not answer."""

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.enforcer.stories import Deed, NewScaler, NewVm
from tests.simulation.enforcer.vms import RUNNING, STOPPING, SUSPENDED, TERMINATED, Actor, Answer, Scaler, Vm

_REFILL = timedelta(minutes=3)
_BUSY_ATTEMPTS = 2
_LABELS = {
    Deed.PROTECT: {"spotkeeper-protect": "true"},
    Deed.RAISE: {"priority": "high"},
    Deed.LOWER: {"priority": "low"},
    Deed.MOVE: {"team": "elsewhere", "experiment": "elsewhere"},
}
_ANSWERS = {Deed.REPAIR: Answer.STOPS, Deed.FORBID: Answer.FORBIDDEN}


class RefusedError(Exception):
    """Compute Engine refuses a request, or the operation fails or does not end; `waited` says that time passed."""

    def __init__(self, message: str, *, accepted: bool = False, waited: bool = False) -> None:
        super().__init__(message)
        self.accepted, self.waited = accepted, waited


@dataclass(order=True)
class _Entry:
    at: datetime
    order: int
    tie: str
    do: Callable[[], object] = field(compare=False)


@dataclass
class World:
    """The time, the fleet, and what will happen; everything is done in the order of its time."""

    now: datetime
    vms: dict[str, Vm] = field(default_factory=dict)
    silent: dict[str, datetime] = field(default_factory=dict)
    scalers: dict[str, Scaler] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    mode_changes: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """By their request ids: the autoscalers whose mode was set, and when."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    _agenda: list[_Entry] = field(default_factory=list)

    def plan(self, at: datetime, order: int, tie: str, do: Callable[[], object]) -> None:
        """Let something happen at a time; of what happens at once, the lower order comes first."""
        with self.lock:
            heapq.heappush(self._agenda, _Entry(at, order, tie, do))

    def run(self, until: datetime | None = None) -> None:
        """Let happen what is due up to a time, or all there is."""
        while self._agenda and (until is None or self._agenda[0].at <= until):
            entry = heapq.heappop(self._agenda)
            self.now = max(self.now, entry.at)
            entry.do()
        if until is not None:
            self.now = max(self.now, until)

    def add(self, new: NewVm) -> Vm:
        """Put a VM into the fleet."""
        vm = new.born(f"{len(self.vms) + 1}", self.now)
        self.vms[vm.number] = vm
        return vm

    def scale(self, new: NewScaler) -> None:
        """Give a group an autoscaler."""
        number = f"scaler-{len(self.scalers) + 1}"
        self.scalers[number] = new.born(number)

    def scaler_of(self, vm: Vm) -> Scaler | None:
        """Return the autoscaler of the group of a VM, if it has one."""
        return next((each for each in self.scalers.values() if each.exists and each.owns(vm)), None)

    def switch(self, group: str, mode: str) -> None:
        """Let a person set the mode of the autoscalers of the groups of a name, or delete them."""
        with self.lock:
            for each in self.scalers.values():
                if each.exists and each.group == group and mode == "DELETED":
                    each.exists = False
                elif each.exists and each.group == group:
                    each.change(mode, self.now)

    def named(self, name: str) -> Vm | None:
        """Return the VM that has a name now."""
        return next((vm for vm in reversed(self.vms.values()) if vm.name == name and vm.status != "DELETED"), None)

    def existing(self, projects: Iterable[str]) -> Iterator[Vm]:
        """Yield the VMs of projects, running or not."""
        wanted = set(projects)
        return (vm for vm in self.vms.values() if vm.project in wanted and vm.status != "DELETED")

    def answers(self, what: str) -> bool:
        """Whether a service, a project or a zone answers now."""
        return self.now >= self.silent.get(what, self.now)

    def do(self, deed: Deed, name: str) -> None:
        """Let somebody do something to a VM, if there is one."""
        with self.lock:
            vm = self.named(name)
            if vm is not None:
                self._do(deed, vm)

    def stop(self, vm: Vm, request: str) -> None:
        """Take a request to stop a VM; raises RefusedError."""
        with self.lock:
            vm.attempts += 1
            vm.requested_at = self.now
            if vm.answer is Answer.FORBIDDEN:
                raise self._failed(vm, "403: the caller does not have permission")
            if vm.answer is Answer.UNAVAILABLE or (vm.answer is Answer.BUSY and vm.attempts <= _BUSY_ATTEMPTS):
                raise self._failed(vm, "429 or 503: try again later")
            if vm.answer is Answer.OPERATION_FAILS:
                raise self._failed(vm, "the operation failed", accepted=True)
            self.accepted[request] = vm.number
            if vm.answer is Answer.OPERATION_ENDLESS:
                raise self._failed(vm, "the operation did not finish", accepted=True, waited=True)
            if vm.delay and vm.status == RUNNING:
                self.plan(self.now + vm.delay, 0, vm.number, lambda: self._stopped(vm))
            if vm.delay:
                message = "its group has not stopped it yet"
                raise RefusedError(message, accepted=True, waited=True)
            self._stopped(vm)

    def start(self, vm: Vm) -> None:
        """Take a request to start a VM."""
        with self.lock:
            if vm.status == TERMINATED:
                vm.status, vm.started = RUNNING, self.now

    def _failed(self, vm: Vm, message: str, *, accepted: bool = False, waited: bool = False) -> RefusedError:
        vm.failed_at = self.now
        return RefusedError(message, accepted=accepted, waited=waited)

    def _stopped(self, vm: Vm) -> None:
        if vm.status not in (RUNNING, STOPPING):
            return
        vm.status, vm.stopped_by, vm.stopped_at = TERMINATED, Actor.ENFORCER, self.now
        scaler = self.scaler_of(vm)
        if vm.refilled or (scaler is not None and scaler.mode != "OFF"):
            self.plan(self.now + _REFILL, 0, vm.number, lambda: self._recreated(vm))

    def _recreated(self, vm: Vm) -> None:
        if vm.status == "DELETED":
            return
        vm.status = "DELETED"
        copy = NewVm(
            name=vm.name,
            project=vm.project,
            zone=vm.zone,
            labels=tuple(vm.labels.items()),
            created_by=vm.created_by,
            vcpus=vm.vcpus,
            age=timedelta(0),
            answer=vm.answer,
            refilled=vm.refilled,
            spot=vm.spot,
            local_ssd=vm.local_ssd,
        )
        self.add(copy)

    def _do(self, deed: Deed, vm: Vm) -> None:
        if deed in _LABELS:
            vm.labels.update(_LABELS[deed])
        elif deed in _ANSWERS:
            vm.answer = _ANSWERS[deed]
        elif deed is Deed.DELETE:
            vm.status = "DELETED"
        elif deed is Deed.RECREATE:
            self._recreated(vm)
        elif deed is Deed.STANDARD:
            vm.spot = False
        else:
            self._change_status(deed, vm)

    def _change_status(self, deed: Deed, vm: Vm) -> None:
        if deed in (Deed.STOP, Deed.PREEMPT, Deed.RESTART) and vm.status == RUNNING:
            vm.status, vm.stopped_at = TERMINATED, self.now
            vm.stopped_by = Actor.GOOGLE if deed is Deed.PREEMPT else Actor.PERSON
        if deed is Deed.SUSPEND and vm.status == RUNNING:
            vm.status = SUSPENDED
        if deed in (Deed.START, Deed.RESTART, Deed.USE) and vm.status in (TERMINATED, SUSPENDED):
            vm.status, vm.started = RUNNING, self.now
            if deed is Deed.USE:
                self._change_status(Deed.STOP, vm)
