"""Read the dataset of a deployment: its access entries and the latest records."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import ScalarQueryParameter
from google.cloud.bigquery.table import Row

from spotkeeper.doctor.deployment import Installation
from spotkeeper.doctor.facts import (
    Found,
    LastVerdict,
    Notification,
    OpenFreeze,
    Plan,
    PriceChecks,
    Prices,
    Pruning,
    Records,
    Run,
    Unlabelled,
    Unread,
)
from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.enforcer_tables import LONGEST_STOP
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 120.0
"""Seconds that one query may take."""

_WEEK, _TWO_DAYS, _DAY, _HOUR = timedelta(days=7), timedelta(days=2), timedelta(days=1), timedelta(hours=1)

_RUN = """
SELECT
  runs.hour,
  runs.recorded_at,
  runs.complete,
  ARRAY(SELECT DISTINCT gap.source FROM UNNEST(runs.gaps) AS gap ORDER BY gap.source) AS gaps,
  runs.prices_as_of,
  runs.contract_prices_as_of,
  runs.contract_prices_problem
FROM tracker_runs AS runs
WHERE runs.hour >= @since
ORDER BY runs.recorded_at DESC, runs.hour DESC
LIMIT 1
"""
_HOURS = """
SELECT runs.hour, COUNTIF(known.state = 'incomplete') = 0 AS complete
FROM tracker_runs AS runs
LEFT JOIN project_hours AS known
  ON known.hour = runs.hour
  AND known.hour >= @since
WHERE runs.hour >= @since
GROUP BY runs.hour
ORDER BY runs.hour
"""
_PRICES = """
SELECT
  COUNT(*) AS row_count,
  COUNTIF(costs.price_status = 'unknown') AS unpriced,
  COUNTIF(costs.price_status = 'stale') AS stale
FROM spot_vm_costs AS costs
WHERE costs.usage_start_time >= @since
"""
_PRICE_CHECKS = """
SELECT checks.machine_type, checks.region, checks.status
FROM price_checks AS checks
WHERE checks.day >= DATE(@since)
QUALIFY ROW_NUMBER() OVER (PARTITION BY checks.machine_type, checks.region ORDER BY checks.day DESC) = 1
ORDER BY checks.machine_type, checks.region
"""
_NOTIFICATION = """
SELECT
  messages.received_at,
  COALESCE(messages.budget_display_name, messages.budget_id, 'without an id') AS budget,
  messages.verdict,
  messages.reason
FROM budget_notifications AS messages
WHERE messages.received_at >= @since AND NOT messages.drill
ORDER BY messages.received_at DESC
LIMIT 1
"""
_PLAN = """
SELECT messages.received_at, messages.stops, messages.mode, messages.drill, messages.missing_permissions
FROM budget_notifications AS messages
WHERE messages.received_at >= @since AND messages.stops IS NOT NULL
ORDER BY messages.received_at DESC
LIMIT 1
"""


_VERDICTS = """
SELECT messages.budget_id, messages.verdict, messages.reason, messages.cost
FROM budget_notifications AS messages
WHERE messages.received_at >= @since
  AND NOT messages.drill
  AND messages.budget_id IS NOT NULL
  -- A command says nothing of its budget.
  AND messages.source != 'operator'
QUALIFY ROW_NUMBER() OVER (PARTITION BY messages.budget_id ORDER BY messages.received_at DESC) = 1
"""
_UNLABELLED = """
WITH vms AS (
  SELECT
    CONCAT(costs.project_id, '/', costs.zone, '/', costs.instance_id) AS vm,
    EXISTS (SELECT 1 FROM UNNEST(costs.labels) AS label WHERE label.key = @priority_label) AS has_priority
  FROM spot_vm_costs AS costs
  WHERE costs.usage_start_time >= @since
)
SELECT
  COUNT(DISTINCT vms.vm) AS instances,
  COUNT(DISTINCT IF(vms.has_priority, NULL, vms.vm)) AS unlabelled
FROM vms
"""
_FILTERED = {
    "spot_vm_costs": """
SELECT costs.instance_id
FROM spot_vm_costs AS costs
WHERE costs.usage_start_time >= @since AND costs.usage_start_time < @until
""",
    "vm_inventory": """
SELECT inventory.instance_id
FROM vm_inventory AS inventory
WHERE inventory.last_seen >= @since AND inventory.last_seen < @until
""",
}
"""A query on each of the largest tables, filtered by the column of its partitions."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every row: the tables refuse a query without a filter, even in a dry run."""


class RecordsReader:
    """Reads one dataset; what cannot be read becomes Unread, and what does not exist None."""

    def __init__(self, installation: Installation, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = bigquery.Client(
            project=installation.project_id,
            credentials=credentials(endpoint),
            client_options=client_options(endpoint),
        )
        self._dataset = bigquery.DatasetReference(installation.project_id, installation.dataset)
        self._retry = retry(retry_timeout)

    def read(self, now: datetime, priority_label: str) -> Records:
        """Return the access entries of the dataset, and the latest records up to now.

        `priority_label` is the label that a priority is read from.
        """
        since = now - _WEEK
        return Records(
            access=self._found(self._access),
            run=self._found(lambda: _run(self._rows(_RUN, since))),
            open_hours=_there(self._found(lambda: _open(self._rows(_HOURS, now - _TWO_DAYS))), []),
            prices=_there(self._found(lambda: _prices(self._rows(_PRICES, now - _DAY))), Prices(0, 0, 0)),
            notification=self._found(lambda: _notification(self._rows(_NOTIFICATION, since))),
            verdicts=_there(self._found(lambda: _verdicts(self._rows(_VERDICTS, since))), {}),
            unlabelled=self._found(
                lambda: _unlabelled(self._rows(_UNLABELLED, now - _DAY, {"priority_label": priority_label}))
            ),
            plan=self._found(lambda: _plan(self._rows(_PLAN, since))),
            price_checks=_there(self._found(lambda: _price_checks(self._rows(_PRICE_CHECKS, since))), PriceChecks()),
            freezes=_there(
                self._found(lambda: _freezes(self._rows(statement_text("freezes"), now - LONGEST_STOP))), []
            ),
            pruning={name: self._found(partial(self._pruning, query, now)) for name, query in _FILTERED.items()},
        )

    def _found[Fact](self, read: Callable[[], Fact | None]) -> Found[Fact]:
        try:
            with translate_errors("BigQuery"):
                return read()
        except UnavailableError as error:
            match error.__cause__:
                case NotFound():
                    return None
                case Forbidden() as refused:
                    return Unread(f"BigQuery: {refused.message}", denied=True)
                case BadRequest() as wrong:
                    return Unread(f"BigQuery: {wrong.message}")
                case _:
                    return Unread(str(error))

    def _access(self) -> frozenset[tuple[str, str]]:
        dataset = self._client.get_dataset(self._dataset, retry=self._retry, timeout=TIMEOUT)
        return frozenset((str(each.role), str(each.entity_id)) for each in dataset.access_entries)

    def _pruning(self, query: str, now: datetime) -> Pruning:
        """Compare the two latest partitions with those before and with all: three dry runs, which cost nothing.

        https://cloud.google.com/bigquery/docs/running-queries#dry-run
        """
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, until = today - _DAY, today + _DAY
        return Pruning(
            since.date(),
            recent_bytes=self._bytes(query, since, until),
            earlier_bytes=self._bytes(query, _EARLIEST, since),
            all_bytes=self._bytes(query, _EARLIEST, until),
        )

    def _bytes(self, query: str, since: datetime, until: datetime) -> int:
        times = {"since": since, "until": until}
        configuration = bigquery.QueryJobConfig(
            default_dataset=self._dataset,
            dry_run=True,
            query_parameters=[ScalarQueryParameter(name, "TIMESTAMP", time) for name, time in times.items()],
            use_query_cache=False,
        )
        job = self._client.query(query, job_config=configuration, retry=self._retry, job_retry=None, timeout=TIMEOUT)
        size = job.total_bytes_processed
        if size is None:
            message = "BigQuery: unexpected response: a dry run without totalBytesProcessed"
            raise UnavailableError(message)
        return int(size)

    def _rows(self, query: str, since: datetime, texts: Mapping[str, str] | None = None) -> list[Row]:
        parameters = [ScalarQueryParameter(name, "STRING", text) for name, text in (texts or {}).items()]
        configuration = bigquery.QueryJobConfig(
            default_dataset=self._dataset,
            query_parameters=[ScalarQueryParameter("since", "TIMESTAMP", since), *parameters],
        )
        job = self._client.query(query, job_config=configuration, retry=self._retry, job_retry=None, timeout=TIMEOUT)
        rows = job.result(retry=self._retry, timeout=QUERY_SECONDS)
        found = list(rows)
        if not rows.schema:
            message = "BigQuery: unexpected response: a query result without a schema"
            raise UnavailableError(message)
        return found


def _there[Fact](found: Found[Fact], otherwise: Fact) -> Fact | Unread:
    return otherwise if found is None else found


def _run(rows: list[Row]) -> Run | None:
    return next(
        (
            Run(
                row["hour"],
                row["recorded_at"],
                row["complete"],
                tuple(row["gaps"]),
                row["prices_as_of"],
                row["contract_prices_as_of"],
                row["contract_prices_problem"],
            )
            for row in rows
        ),
        None,
    )


def _open(rows: list[Row]) -> list[datetime]:
    """The hours that are missing or incomplete, from the first on record to the one before the latest."""
    complete = {row["hour"] for row in rows if row["complete"]}
    hours = [row["hour"] for row in rows]
    first, last = (min(hours), max(hours)) if hours else (None, None)
    found = []
    while first is not None and last is not None and first < last:
        if first not in complete:
            found.append(first)
        first += _HOUR
    return found


def _prices(rows: list[Row]) -> Prices:
    [row] = rows
    return Prices(row["row_count"], row["unpriced"], row["stale"])


def _price_checks(rows: list[Row]) -> PriceChecks:
    differing = (f"{row['machine_type']} in {row['region']}" for row in rows if row["status"] == "differs")
    return PriceChecks(len(rows), tuple(differing), sum(row["status"] == "uncertain" for row in rows))


def _notification(rows: list[Row]) -> Notification | None:
    return next((Notification(*row.values()) for row in rows), None)


def _verdicts(rows: list[Row]) -> dict[str, LastVerdict]:
    return {row["budget_id"]: LastVerdict(row["verdict"], row["reason"], row["cost"]) for row in rows}


def _freezes(rows: list[Row]) -> list[OpenFreeze]:
    return [
        OpenFreeze(row["managed_by"], row["period_end"]) for row in rows if row["frozen"] and row["ended_by"] is None
    ]


def _unlabelled(rows: list[Row]) -> Unlabelled:
    [row] = rows
    return Unlabelled(row["instances"], row["unlabelled"])


def _plan(rows: list[Row]) -> Plan | None:
    for row in rows:
        return Plan(
            row["received_at"], row["stops"], row["mode"], row["drill"], tuple(row["missing_permissions"] or ())
        )
    return None
