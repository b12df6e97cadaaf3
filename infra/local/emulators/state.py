"""What all emulators share: the fleet, the clock, the faults, and a record of what was asked and sent."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from infra.local.emulators.contract import Contract
from infra.local.emulators.faults import Faults
from infra.local.emulators.operations import Operations
from infra.local.emulators.permissions import Permissions
from infra.local.emulators.relay import Relay
from infra.local.fleet.clock import Clock
from infra.local.fleet.fleet import Fleet, Vm
from infra.local.fleet.groups import Groups


@dataclass(slots=True)
class CloudState:
    """The state of the emulated cloud, changed through the control interface and by calls of Compute Engine.

    `original` is the fleet as the scenario has it. `metrics_scopes` names the projects whose metrics a project also
    reads, as a Cloud Monitoring metrics scope does. `calls` are those that were meant to change something. Such a
    call is shown to `on_change` before it is carried out: its path with the query, and its body. Callers of gRPC come
    through the `relay`. What is done `later` is done once the clock has reached its time.
    """

    original: Fleet
    clock: Clock
    contract: Contract = field(default_factory=Contract)
    faults: Faults = field(default_factory=Faults)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    metrics_scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calls: list[dict[str, object]] = field(default_factory=list)
    permissions: Permissions = field(default_factory=Permissions)
    operations: Operations = field(default_factory=Operations)
    on_change: Callable[[str, bytes], None] | None = None
    relay: Relay = field(default_factory=Relay)
    groups: Groups = field(init=False)
    later: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    _fleet: Fleet = field(init=False)
    _settling: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    def __post_init__(self) -> None:
        """Begin with the fleet of the scenario."""
        self._fleet = self.original
        self.groups = Groups.of(self.original)

    @property
    def fleet(self) -> Fleet:
        """The fleet as it is now: what operations were to bring about and are over has come about."""
        self.settle()
        return self._fleet

    def change(self, changed: Iterable[Vm], gone: Iterable[Vm] = ()) -> None:
        """Put VMs in the places of others, and take some out."""
        with self._lock:
            self._fleet = self._fleet.replaced(changed, gone)

    def reset(self) -> None:
        """Make everything as it was at first, but the clock."""
        with self._lock:
            self._fleet = self.original
            self.groups = Groups.of(self.original)
            self.contract = Contract()
            self.permissions.denials = ()
            self.operations.forget()
            self.faults.replace(())
            self.requests.clear()
            self.calls.clear()
            self.metrics_scopes = {}
            self.later.clear()

    def settle(self) -> None:
        """Bring about what operations that are over were to bring about."""
        with self._lock:
            if not self._settling:
                self._settle()

    def _settle(self) -> None:
        self._settling = True
        try:
            for operation in self.operations.due(self.clock.now):
                operation.ended = self.clock.now
                if operation.task.effect is not None and operation.task.failure is None:
                    operation.task.effect(min(operation.ended, operation.over))
            for entry in [each for each in self.later if each[0] <= self.clock.now]:
                self.later.remove(entry)
                entry[1]()
        finally:
            self._settling = False
