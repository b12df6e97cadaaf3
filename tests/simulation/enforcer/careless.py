"""Functions that do everything wrong: with them, every invariant is violated sooner or later."""

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from tests.simulation.enforcer.adapter import Host
from tests.simulation.enforcer.journal import Delivery, Row
from tests.simulation.enforcer.vms import Vm
from tests.simulation.enforcer.world import RefusedError

_BUSY_DELIVERIES = 2
_WRONG_OUTCOMES = (("stopped", ""), ("changed", "it is gone"))


@dataclass
class CarelessFunction:
    """It plans, stops, starts and records at random what it sees, whatever the message says."""

    host: Host

    def deliver(self, delivery: Delivery, own: Decimal | None) -> str:
        """Do something wrong."""
        del own
        if delivery.number % 7 == 0:
            message = "nothing foresees this"
            raise RuntimeError(message)
        vms = [vm for vm in self.host.world.vms.values() if vm.status != "DELETED"]
        for project in sorted({vm.project for vm in vms}):
            self.host.lists(delivery, project)
        if delivery.message.command is not None and delivery.message.command.undo:
            delivery.verdicts.append("undone")
        if delivery.number % 5 == 0:
            delivery.verdicts.append("superseded")
            return "superseded"
        planned = vms[delivery.number % 2 :: 2]
        self.host.records(delivery, [self._row(delivery, vm, "planned", "planned") for vm in planned])
        for vm in planned[:-1]:
            self._act(delivery, vm)
        for number, scaler in enumerate(self.host.world.scalers.values()):
            self.host.sets_mode(delivery, scaler, "OFF" if (delivery.number + number) % 4 else "ONLY_UP")
        return "over_budget"

    def _act(self, delivery: Delivery, vm: Vm) -> None:
        if vm.status == "TERMINATED":
            self.host.starts(delivery, vm)
            return
        with suppress(RefusedError):
            self.host.stops(delivery, vm, lambda: self.host.world.stop(vm, delivery.message.name))
        event, reason = _WRONG_OUTCOMES[delivery.number % 2]
        self.host.records(delivery, [self._row(delivery, vm, event, reason)])

    def _row(self, delivery: Delivery, vm: Vm, event: str, reason: str) -> Row:
        mode = "enforce" if delivery.message.command is not None else delivery.policy.mode
        return Row(delivery.message.name, vm.number, event, reason, mode, self.host.world.now)


@dataclass
class IdleFunction:
    """It reads the fleet and stops nothing."""

    host: Host

    def deliver(self, delivery: Delivery, own: Decimal | None) -> str:
        """Do nothing."""
        del own
        for project in sorted({vm.project for vm in self.host.world.vms.values()}):
            self.host.lists(delivery, project)
        return "ignored"


@dataclass
class TiringFunction:
    """It is careless at first, and idle after two deliveries."""

    host: Host

    def deliver(self, delivery: Delivery, own: Decimal | None) -> str:
        """Do something wrong, later nothing."""
        function = CarelessFunction if delivery.number <= _BUSY_DELIVERIES else IdleFunction
        return function(self.host).deliver(delivery, own)
