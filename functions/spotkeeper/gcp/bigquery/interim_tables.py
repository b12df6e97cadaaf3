"""The tables of the tracker as the interim check reads them: a few small tables, and the reservation of alerts."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from google.cloud.bigquery import ScalarQueryParameter

from spotkeeper.gcp.bigquery.alert_tables import confirm_alerts, reserve_alerts
from spotkeeper.gcp.bigquery.jobs import Jobs
from spotkeeper.gcp.bigquery.rates import dated_rate_from
from spotkeeper.gcp.bigquery.spending_tables import spending_parameters, spends_in
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.periods import Period, PeriodKind, budget_period
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.settings import Budgets
from spotkeeper.tracking.standings import Standing


class InterimTables:
    """Reads what hourly runs recorded and reserves alerts; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def standings(self) -> list[Standing]:
        """Return where the budgets of days and months stood after the latest hourly run."""
        with translate_errors("BigQuery"):
            return [
                Standing(
                    budget_period(PeriodKind(row["period"]), row["period_start"]),
                    row["budget_id"],
                    row["budget"],
                    row["cost"],
                    row["next_threshold"],
                )
                for row in self._jobs.query("standings", ())
            ]

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        with translate_errors("BigQuery"):
            parameter = ScalarQueryParameter("since", "TIMESTAMP", since)
            return [dated_rate_from(row) for row in self._jobs.query("rates", [parameter])]

    def spends(self, now: datetime, periods: Sequence[Period], budgets: Budgets) -> tuple[list[Spend], bool]:
        """Return the recorded spend of each period, and whether reserved alerts of earlier runs were not sent."""
        [row] = self._jobs.query("spending", spending_parameters(periods, budgets, now))
        return spends_in(self._jobs, row, periods, budgets, now)

    def reserve(self, run_id: str, now: datetime, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve alerts in one transaction, and return those that this check is to send."""
        return reserve_alerts(self._jobs, run_id, now, alerts)

    def confirm(self, run_id: str, now: datetime, sent: Mapping[str, Alert]) -> None:
        """Record the alerts that were sent, by message id, and free the others."""
        confirm_alerts(self._jobs, run_id, now, sent)
