"""What the Spot VMs that run now have cost since the last recorded hour: an estimate, by their time and their price."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from spotkeeper.instances import Instance, InstanceKey, ProvisioningModel, Sighting
from spotkeeper.periods import Period, floor_hour
from spotkeeper.pricing.price_history import PriceHistory
from spotkeeper.tracking.alerts import HourSpend, Spend
from spotkeeper.tracking.billing import Billed
from spotkeeper.tracking.costs import CostRow, HourlyRates, Usage, cost_row, hourly_rates
from spotkeeper.tracking.settings import Budgets, Covers

type Rates = Callable[[Instance], HourlyRates]
"""What makes up the cost of an instance by the hour."""


def rates_at(history: PriceHistory, now: datetime) -> Rates:
    """Return the rates of instances at a time, by a history that need not be of that time."""
    hour = floor_hour(now)

    def rates(instance: Instance) -> HourlyRates:
        price = history.price(instance.shape, instance.region, hour)
        attached = history.attached_prices(instance.attachments, instance.shape, instance.region, hour)
        return hourly_rates(price, attached)

    return rates


@dataclass(slots=True)
class RunningCosts:
    """Adds up what running Spot VMs have cost since `since`, in each period and for each label budget.

    `instances` counts the Spot VMs that are in the sums, `unpriced` those of them whose price is not known, and
    `undated` those that do not say since when they run, such as resumed ones: they are left out.
    """

    budgets: Budgets
    periods: tuple[Period, ...]
    since: datetime
    now: datetime
    rates: Rates
    instances: int = 0
    unpriced: int = 0
    undated: int = 0
    _seen: set[InstanceKey] = field(init=False, default_factory=set)
    _sums: dict[tuple[Period, str], HourSpend] = field(init=False, default_factory=dict)
    _labelled: Mapping[tuple[str, str], list[str]] = field(init=False)

    def __post_init__(self) -> None:
        """Find label budgets by what VMs carry."""
        labelled = defaultdict(list)
        for budget in self.budgets.labels:
            labelled[budget.label, budget.value].append(budget.budget_id)
        self._labelled = labelled

    def add(self, sighting: Sighting) -> None:
        """Add one instance, once though a list may name it twice, unless it is no Spot VM or does not run."""
        instance = sighting.instance
        if (
            instance.provisioning_model is not ProvisioningModel.SPOT
            or sighting.is_stopped
            or instance.key in self._seen
        ):
            return
        self._seen.add(instance.key)
        if sighting.running_since is None:
            self.undated += 1
            return
        self.instances += 1
        started = max(sighting.running_since, self.since)
        rates = self.rates(instance)
        self.unpriced += rates.spot is None
        carried = ["", *(budget_id for label in instance.labels for budget_id in self._labelled.get(label, ()))]
        for period in self.periods:
            if row := self._row(instance, max(started, period.start), rates):
                for budget_id in carried:
                    self._add(period, budget_id, row)

    def added_to(self, spends: Iterable[Spend]) -> list[Spend]:
        """Return recorded spends with what the running VMs have cost since."""
        return [self._added_to(spend) for spend in spends]

    def _row(self, instance: Instance, start: datetime, rates: HourlyRates) -> CostRow | None:
        seconds = (self.now - start).total_seconds()
        if seconds <= 0:
            return None
        return cost_row(Usage(instance, start, self.now, seconds), Billed(seconds, seconds), rates)

    def _add(self, period: Period, budget_id: str, row: CostRow) -> None:
        hour = max(self.since, period.start)
        known = self._sums.get((period, budget_id), HourSpend(hour, Decimal(0)))
        is_partial = self.budgets.covers is Covers.TOTAL and row.cost is not None and row.total_cost is None
        self._sums[period, budget_id] = known._replace(
            cost_usd=known.cost_usd + _covered(row, self.budgets.covers),
            uptime_hours=known.uptime_hours + row.uptime_hours,
            unpriced_hours=known.unpriced_hours + (row.uptime_hours if row.cost is None else 0),
            partial_hours=known.partial_hours + (row.uptime_hours if is_partial else 0),
        )

    def _added_to(self, spend: Spend) -> Spend:
        since = self._sums.get((spend.period, spend.label_budget))
        if since is None:
            return spend
        return replace(spend, cost_usd=spend.cost_usd + since.cost_usd, hours=(*spend.hours, since))


def _covered(row: CostRow, covers: Covers) -> Decimal:
    """The cost of a row that budgets are compared with, as far as it is known."""
    return row.known_cost if covers is Covers.TOTAL else row.cost or Decimal(0)
