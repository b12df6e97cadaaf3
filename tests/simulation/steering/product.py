"""The only module that knows the product: it asks it, message by message, which VMs to stop."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from spotkeeper.enforcement.deliveries import Delivery
from spotkeeper.enforcement.estimates.spending import BilledCost, RecordedHour, RecordedStops, Spending
from spotkeeper.enforcement.history import History, Reported, StopCounts
from spotkeeper.enforcement.notifications import BudgetNotification, Message
from spotkeeper.enforcement.plans import Situation, plan
from spotkeeper.enforcement.policies import Policy, Source
from spotkeeper.enforcement.recording import with_estimate
from spotkeeper.enforcement.settings import Mode
from spotkeeper.enforcement.spot_vms import SpotVm
from spotkeeper.enforcement.verdicts import VerdictName, first_verdict, is_near_step, verdict_with
from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Shape
from tests.simulation.steering.fleets import Vm
from tests.simulation.steering.months import Message as BudgetMessage
from tests.simulation.steering.months import Month
from tests.simulation.steering.scenarios import STEPS

_START = datetime(2026, 10, 1, 7, tzinfo=UTC)
"""Midnight in Los Angeles; the month has 31 days of 24 hours."""

_RECORDED_AFTER_HOURS = 0.35
_BUCKET_HOURS = 3
_BUDGET_ID = "11111111-2222-3333-4444-555555555555"
_PROJECT = "my-project-1"


@dataclass
class Product:
    """The product's decisions in one month; without `estimating`, it has no history to estimate from."""

    month: Month
    estimating: bool = True
    _billed: dict[int, BilledCost] = field(default_factory=dict)
    _heard: list[Reported] = field(default_factory=list)
    _hours: list[RecordedHour] = field(default_factory=list)
    _instances: dict[tuple[int, int], Instance] = field(default_factory=dict)
    _stopped_costs: dict[int, float] = field(default_factory=dict)
    _counted: set[int] = field(default_factory=set)
    _shares: tuple[int, dict[str, float]] = (-1, {})

    def __post_init__(self) -> None:
        self._policy = _policy(self.month)

    def decide(self, message: BudgetMessage) -> list[Vm]:
        """Return which VMs to stop because of a message, in order."""
        now, said = _time(message.received), self._notification(message)
        newer = tuple(each for each in self._heard if each.published_at > said.published_at)
        known = any(each.published_at == said.published_at for each in self._heard)
        self._heard = [*self._heard[-20:], Reported(said.published_at, said.cost, said.budget)]
        self._billed.setdefault(
            int(message.published // _BUCKET_HOURS), BilledCost(said.published_at, float(said.cost))
        )
        verdict = first_verdict(said, self._policy, now)
        if not verdict.may_stop and not is_near_step(verdict, said, self._policy, now):
            return []
        spending = self._spending(message.received) if self.estimating else Spending()
        stopped = sum(at > message.received - 24 for _, at in self.month.requests)
        history = History(known, newer, StopCounts(stopped, stopped), spending=spending)
        delivery = Delivery("delivery", now, Mode.ENFORCE, said, verdict, now)
        delivery = with_estimate(delivery, said, self._policy, spending)
        verdict = verdict_with(history, delivery.verdict, said, self._policy)
        if not verdict.may_stop or verdict.name is VerdictName.SUPERSEDED or verdict.period is None:
            return []
        situation = Situation(said.cost, said.budget, verdict.period, now, estimate=delivery.known_estimate)
        made = plan(verdict, situation, self._vms(message.received, spending), self._policy, history.counts)
        return [self.month.fleet[int(each.vm.instance.key.instance_id) // 1000] for each in made.stops]

    def _notification(self, message: BudgetMessage) -> BudgetNotification:
        return BudgetNotification(
            message=Message(f"message-{message.published}", None, {}, ""),
            published_at=_time(message.published),
            source=Source.BILLING,
            billing_account_id="",
            budget_id=_BUDGET_ID,
            display_name="",
            cost=round(Decimal(message.cost), 6),
            budget=round(Decimal(self.month.budget), 6),
            currency="USD",
            interval_start=_START,
        )

    def _spending(self, at: float) -> Spending:
        self._record(int(at - _RECORDED_AFTER_HOURS))
        stops: dict[int, float] = {}
        for slot, stopped in self.month.requests:
            if stopped > at - 24:
                stops[int(stopped)] = stops.get(int(stopped), 0.0) + self.month.fleet[slot].price
        group_stops = tuple(RecordedStops(_time(hour), saved) for hour, saved in stops.items())
        return Spending(tuple(self._billed.values()), tuple(self._hours), self._uptime_shares(int(at)), group_stops)

    def _record(self, hours: int) -> None:
        """Keep the rows up to an hour; of what is stopped, and not started again, also the cost by hour."""
        month = self.month
        gone = {slot for slot in month.stops if slot not in month.refills}
        changed = gone - self._counted
        for slot in changed:
            for hour in range(len(self._hours)):
                cost = month.row(month.fleet[slot], hour)
                self._stopped_costs[hour] = self._stopped_costs.get(hour, 0.0) + cost
        self._counted |= changed
        if changed:
            self._hours = [self._hour(hour) for hour in range(len(self._hours))]
        for hour in range(len(self._hours), hours):
            self._stopped_costs[hour] = sum(month.row(month.fleet[slot], hour) for slot in self._counted)
            self._hours.append(self._hour(hour))

    def _hour(self, hour: int) -> RecordedHour:
        cost = self.month.rows[hour] if self.month.is_recorded(hour) else None
        return RecordedHour(_time(hour), cost, self._stopped_costs[hour])

    def _uptime_shares(self, at: int) -> dict[str, float]:
        if self._shares[0] == at:
            return self._shares[1]
        shares: dict[str, float] = {}
        for vm in self.month.fleet:
            if vm.slot in self._counted:
                continue
            generation = vm.generations[at]
            worked = [vm.works[hour] and vm.generations[hour] == generation for hour in range(max(at - 48, 0), at)]
            before, last = sum(worked[:-24]), sum(worked[-24:])
            if 0 < before <= 2 * last and last < 22:
                shares[_instance_id(vm, generation)] = last / 24
        self._shares = at, shares
        return shares

    def _vms(self, at: float, spending: Spending) -> list[SpotVm]:
        found = []
        for vm in self.month.fleet:
            if not self.month.is_recreatable(vm, at):
                continue
            instance = self._instance(vm, vm.generations[int(at)])
            running = self.month.runs(vm, at)
            found.append(
                SpotVm(
                    instance,
                    "RUNNING" if running else "TERMINATED",
                    _START - timedelta(hours=1),
                    Decimal(str(vm.price)),
                    uptime_share=spending.uptime_shares.get(instance.key.instance_id, float(running)),
                )
            )
        return found

    def _instance(self, vm: Vm, generation: int) -> Instance:
        if (vm.slot, generation) not in self._instances:
            self._instances[vm.slot, generation] = Instance(
                InstanceKey(_PROJECT, "europe-west4-a", _instance_id(vm, generation)),
                f"vm-{vm.slot}",
                ProvisioningModel.SPOT,
                Shape("n2-standard-4", None, None),
                labels=(("priority", vm.priority),),
                managed_by="zones/europe-west4-a/instanceGroupManagers/group",
            )
        return self._instances[vm.slot, generation]


def _instance_id(vm: Vm, generation: int) -> str:
    return str(vm.slot * 1000 + generation)


def _policy(month: Month) -> Policy:
    steps = [{"threshold": share, "priorities": list(names)} for share, names in STEPS[month.scenario.steps]]
    rule = {"projects": [_PROJECT], "steps": steps}
    return Policy.from_json(json.dumps({"budgets": {_BUDGET_ID: rule}, "burst": month.scenario.burst}))


def _time(hours: float) -> datetime:
    return _START + timedelta(hours=hours)
