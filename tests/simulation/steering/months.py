"""A month as it really is: what runs, what it costs, what the bill says of it, and when messages come."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.steering.fleets import Vm, fleet_of
from tests.simulation.steering.scenarios import MONTH_HOURS, Delay, Disturbance, Scenario

_NEW_FROM = 16 * 24
_NEW_SHARE = 0.15
_CREDIT_AT = 18 * 24
_CREDIT_SHARE = 0.05
_MISSING = (19 * 24, 19 * 24 + 12)
_REFILL_HOURS = 0.2


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the budget: published and received at these hours of the month."""

    published: float
    received: float
    cost: float


@dataclass
class Month:
    """A month in progress, up to `now`; a VM works until its stop."""

    scenario: Scenario
    fleet: list[Vm] = field(init=False)
    stops: dict[int, float] = field(default_factory=dict)
    refills: dict[int, float] = field(default_factory=dict)
    requests: list[tuple[int, float]] = field(default_factory=list)
    hour: int = 0
    rows: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=lambda: [0.0])

    def __post_init__(self) -> None:
        self.fleet = fleet_of(self.scenario)
        spot = [self._list_cost(hour) for hour in range(MONTH_HOURS)]
        mean = self.scenario.factor * sum(spot) / MONTH_HOURS
        self._rest = mean * self.scenario.rest / (1 - self.scenario.rest)
        chance = random.Random(f"rest {self.scenario.seed}")  # noqa: S311 (the same month each time)
        varies = self.scenario.disturbance is Disturbance.VARYING_REST
        days = [chance.uniform(0.8, 1.2) if varies else 1.0 for _ in range(MONTH_HOURS // 24)]
        self._rests = [self._rest * days[hour // 24] for hour in range(MONTH_HOURS)]
        if self.scenario.disturbance is Disturbance.NEW_BESIDE_SPOT:
            for hour in range(_NEW_FROM, MONTH_HOURS):
                self._rests[hour] += _NEW_SHARE * mean
        self._chance = random.Random(f"messages {self.scenario.seed}")  # noqa: S311 (the same month each time)
        unmanaged = [0.0]
        for hour in range(MONTH_HOURS):
            unmanaged.append(unmanaged[-1] + self._billable(hour, spot[hour]))
        day = 4 if self.scenario.disturbance is Disturbance.SUDDEN else self.scenario.used_up
        self.budget = unmanaged[day * 24]
        self._arrivals = self._batches()

    def runs(self, vm: Vm, at: float) -> bool:
        """Whether a VM runs at a time."""
        return vm.works[min(int(at), MONTH_HOURS - 1)] and not self._is_stopped(vm, at)

    def is_recreatable(self, vm: Vm, at: float) -> bool:
        """Whether a VM exists at a time, running or not: it was created, and works again in the next days."""
        hour = min(int(at), MONTH_HOURS - 1)
        return any(vm.works[max(hour - 48, 0) : hour + 1])

    def stop(self, vm: Vm, at: float) -> None:
        """Stop a VM for the rest of the month; a group that refills starts another one in its place."""
        self.stops[vm.slot] = at
        self.requests.append((vm.slot, at))
        if self.scenario.disturbance is Disturbance.REFILLED:
            self.refills[vm.slot] = at + _REFILL_HOURS

    def close_hour(self) -> None:
        """Let an hour pass."""
        cost = self._list_cost(self.hour)
        self.rows.append(cost)
        credited = self.scenario.disturbance is Disturbance.CREDIT and self.hour == _CREDIT_AT
        credit = _CREDIT_SHARE * self.budget if credited else 0.0
        self.totals.append(self.totals[-1] + self._billable(self.hour, cost) - credit)
        self.hour += 1

    def is_recorded(self, hour: int) -> bool:
        """Whether the tracker recorded an hour."""
        missing = self.scenario.disturbance is Disturbance.MISSING_ROWS
        return not (missing and _MISSING[0] <= hour < _MISSING[1])

    def row(self, vm: Vm, hour: int) -> float:
        """Return the cost of one VM in one hour at list price."""
        if not vm.works[hour]:
            return 0.0
        stopped = self.stops.get(vm.slot)
        if stopped is None or vm.slot in self.refills:
            return vm.price
        return vm.price * min(max(stopped - hour, 0.0), 1.0)

    def spent(self, at: float) -> float:
        """Return what is truly spent up to a time, which is not after the present hour."""
        whole = min(int(at), self.hour)
        if whole < self.hour:
            return self.totals[whole] + (self.totals[whole + 1] - self.totals[whole]) * (at - whole)
        now = self._billable(self.hour, self._list_cost(self.hour)) if self.hour < MONTH_HOURS else 0.0
        return self.totals[self.hour] + now * (at - self.hour)

    def messages(self) -> Iterator[Message]:
        """Yield the messages of the present hour as they arrive; some come late, some twice."""
        for published, received in self._arrivals.get(self.hour, ()):
            yield Message(published, received, self._billed(published))

    def _billed(self, at: float) -> float:
        covered = at
        if self.scenario.delay is Delay.DAY:
            covered = at - 24
        elif self.scenario.delay is Delay.VARYING:
            covered = self._covered[max(bisect_right(self._covered_at, at) - 1, 0)]
        return self.spent(max(covered, 0.0))

    def _batches(self) -> dict[int, list[tuple[float, float]]]:
        """Draw when messages are published and received, and up to which hour the bill reaches."""
        chance, at, covered = self._chance, 0.0, 0.0
        self._covered_at, self._covered = [0.0], [0.0]
        while at < MONTH_HOURS:
            at += chance.uniform(1, 8)
            covered = max(covered, at - chance.uniform(6, 24))
            self._covered_at.append(at)
            self._covered.append(covered)
        arrivals: dict[int, list[tuple[float, float]]] = {}
        at = 0.0
        while (at := at + chance.uniform(1 / 3, 2 / 3)) < MONTH_HOURS:
            late = chance.uniform(0.5, 1.5) if chance.random() < 0.05 else 0.0
            for _ in range(2 if chance.random() < 0.03 else 1):
                if at + late < MONTH_HOURS:
                    arrivals.setdefault(int(at + late), []).append((at, at + late))
        for each in arrivals.values():
            each.sort(key=lambda times: times[1])
        return arrivals

    def _billable(self, hour: int, list_cost: float) -> float:
        return self.scenario.factor * list_cost + self._rests[hour]

    def _list_cost(self, hour: int) -> float:
        return sum(self.row(vm, hour) for vm in self.fleet)

    def _is_stopped(self, vm: Vm, at: float) -> bool:
        stopped = self.stops.get(vm.slot)
        return stopped is not None and stopped <= at and self.refills.get(vm.slot, MONTH_HOURS) > at
