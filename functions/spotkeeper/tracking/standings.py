"""Where budgets stand after an hourly run: what was spent of each, and the next threshold that is to be notified."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spotkeeper.periods import Period
from spotkeeper.tracking.alerts import Alert, AlertKind, Spend
from spotkeeper.tracking.settings import Budgets


@dataclass(frozen=True, slots=True)
class Standing:
    """The recorded spend of a period beside its budget, both in USD.

    `next_threshold` is the lowest threshold that was not notified; None when all were.
    """

    period: Period
    budget_id: str
    budget_usd: Decimal
    recorded_usd: Decimal
    next_threshold: Decimal | None

    def is_near(self, share: Decimal, now: datetime) -> bool:
        """Whether so much of the budget of the present period is spent, and something is left to be notified."""
        is_present = self.period.start <= now < self.period.end
        return is_present and self.next_threshold is not None and self.recorded_usd >= self.budget_usd * share


def standings(spends: Iterable[Spend], budgets: Budgets, sent: Iterable[Alert]) -> list[Standing]:
    """Return where each budget stands in its latest period, once these alerts are sent."""
    by_id = budgets.by_id()
    sent = list(sent)
    sent_now = _thresholds(each for each in sent if each.kind is AlertKind.THRESHOLD)
    withdrawn = _thresholds(each for each in sent if each.kind is AlertKind.WITHDRAWAL)
    latest: dict[tuple[str, str], Standing] = {}
    for spend in sorted(spends, key=lambda each: each.period.start):
        own = by_id[spend.label_budget]
        budget = own.amounts_usd.get(spend.period.kind)
        if budget is None:
            continue
        earlier = {
            each.threshold for each in spend.notified if each.kind is AlertKind.THRESHOLD and each.budget_usd == budget
        }
        place = spend.period, spend.label_budget
        notified = (earlier | sent_now[place]) - withdrawn[place]
        still_open = (each for each in own.all_thresholds if each not in notified)
        latest[spend.period.kind, own.budget_id] = Standing(
            spend.period, own.budget_id, budget, spend.cost_usd, min(still_open, default=None)
        )
    return list(latest.values())


def _thresholds(alerts: Iterable[Alert]) -> Mapping[tuple[Period, str], set[Decimal]]:
    """Return the thresholds of alerts by period and label budget."""
    found = defaultdict[tuple[Period, str], set[Decimal]](set)
    for alert in alerts:
        found[alert.period, alert.label_budget].update(alert.thresholds)
    return found
