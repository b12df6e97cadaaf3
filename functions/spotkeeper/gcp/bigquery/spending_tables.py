"""What the periods of budgets have cost by the tables, and which of their alerts were sent."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from spotkeeper.gcp.bigquery.alert_tables import alerts_since
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.periods import Period
from spotkeeper.tracking.alerts import AlertKind, HourSpend, Notified, Sent, Spend, spend_of
from spotkeeper.tracking.settings import Budgets


def spending_parameters(periods: Sequence[Period], budgets: Budgets, now: datetime) -> list[Parameter]:
    """Return the parameters of the statement `spending`."""
    return [
        ScalarQueryParameter("covers", "STRING", budgets.covers),
        # The empty ones stand for all VMs.
        ArrayQueryParameter("labels", "STRING", ["", *(each.name for each in budgets.labels)]),
        ArrayQueryParameter("counted_keys", "STRING", ["", *sorted({each.label for each in budgets.labels})]),
        ScalarQueryParameter("periods_start", "TIMESTAMP", min(period.start for period in periods)),
        ScalarQueryParameter("periods_end", "TIMESTAMP", max(period.end for period in periods)),
        ScalarQueryParameter("recorded_at", "TIMESTAMP", now),
        alerts_since(now),
    ]


def spends_in(
    jobs: Jobs, row: Mapping[str, Any], periods: Sequence[Period], budgets: Budgets, now: datetime
) -> tuple[list[Spend], bool]:
    """Return the spends in the row of `spending`, and whether alerts that an earlier run reserved were not sent.

    Hours of before the rollups, and of labels that these lack, are read from the cost rows. Raises UnavailableError.
    """
    with translate_errors("BigQuery"):
        spent: dict[str, list[HourSpend]] = defaultdict(list)
        parameters = spending_parameters(periods, budgets, now)
        for each in row["hours"] if row["rolled_up"] else jobs.query("spent_hours", parameters):
            spent[each["label"]].append(_hour_spend(each))
        sent = [
            Sent(
                each["period"],
                each["period_start"],
                Notified(AlertKind(each["kind"]), each["threshold"], each["budget"], each["label_budget"]),
                each["estimated_at"],
            )
            for each in row["notified"]
        ]
        return [*_spends(periods, budgets, spent, sent)], row["unsent"]


def _spends(
    periods: Sequence[Period],
    budgets: Budgets,
    spent: Mapping[str, Sequence[HourSpend]],
    sent: Sequence[Sent],
) -> Iterator[Spend]:
    """Yield the spend of each period, and of each label budget of such a period."""
    for period in periods:
        yield spend_of(period, spent.get("", ()), sent)
        for label in budgets.labels:
            if period.kind in label.amounts_usd:
                yield spend_of(period, spent.get(label.name, ()), sent, label.budget_id)


def _hour_spend(row: Mapping[str, Any]) -> HourSpend:
    return HourSpend(
        row["hour"],
        row["cost"],
        row["uptime_hours"],
        row["unpriced_hours"],
        row["unresolved_hours"],
        row["partial_hours"],
        row["compute_only_hours"],
        row["unpriced_resource_hours"],
    )
