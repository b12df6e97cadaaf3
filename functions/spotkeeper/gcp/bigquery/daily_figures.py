"""What `status`, `costs` and `top` read: the cost by a key, and the state of the records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import QueryJob, ScalarQueryParameter
from google.cloud.bigquery.table import Row

from spotkeeper.errors import UnavailableError
from spotkeeper.gcp.bigquery.enforcer_tables import LONGEST_STOP
from spotkeeper.gcp.bigquery.rest_query import statement_text
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors

QUERY_SECONDS = 300.0
"""Seconds that one query may take."""

LABEL = "label"
"""The key of the value of a label, whose own key is a parameter."""

_LABEL_VALUE = (
    "COALESCE(NULLIF((SELECT MAX(label.value) FROM UNNEST(costs.labels) AS label WHERE label.key = @label), ''), "
    "'(unlabelled)')"
)
_LABELLED = (
    "COALESCE((SELECT ANY_VALUE(label.value HAVING MIN STRPOS(keys.{column}, CONCAT(',', label.key, ','))) "
    "FROM UNNEST(costs.labels) AS label "
    "WHERE STRPOS(keys.{column}, CONCAT(',', label.key, ',')) > 0 AND label.value != ''), '(unlabelled)')"
)
_COLUMNS = ("team", "project_label", "experiment", "cost_center")
"""The columns of the view label_keys, which says by which labels a VM has them."""

KEYS: Mapping[str, str] = {
    "day": "CAST(DATE(costs.usage_start_time) AS STRING)",
    "billing-day": "CAST(DATE(costs.usage_start_time, 'America/Los_Angeles') AS STRING)",
    "project": "costs.project_id",
    "region": "costs.region",
    "zone": "costs.zone",
    "machine-type": "costs.machine_type",
    "vm": "costs.instance_id",
    **{column.replace("_", "-"): _LABELLED.format(column=column) for column in _COLUMNS},
    LABEL: _LABEL_VALUE,
}
"""What cost can be summed by, and the expression of it."""

_OF_A_VM = {
    "{vm}": "MAX(costs.instance_name)",
    "{place}": "CONCAT(costs.project_id, '/', costs.zone)",
    "{machine_type}": "MAX(costs.machine_type)",
}
_OF_ANY_OTHER = dict.fromkeys(_OF_A_VM, "CAST(NULL AS STRING)")
_KEY, _KEY_AND_PLACE = "1", "1, 3"
"""The columns that are grouped by: the id of a VM is unique in its project and zone."""
_WEEK, _THREE_DAYS = timedelta(days=7), timedelta(days=3)
_BUDGETS = """
SELECT
  period, CONCAT(label_key, '=', label_value) AS label, covers, budget, spent, spent_percent, projected_cost,
  projected_percent, hours_until_spent, state, not_known
FROM budget_status
ORDER BY label IS NOT NULL, label, period, budget
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost in USD of one value of a key, or of all; `saved` is against on demand, of what has both prices.

    `cost` is that of the machine types at Spot prices, `whole_cost` with what is attached, as far as it is known.
    """

    vm_hours: Decimal
    unpriced_hours: Decimal
    cost: Decimal | None
    whole_cost: Decimal | None
    ondemand_cost: Decimal | None
    saved: Decimal | None
    compared_cost: Decimal | None

    @property
    def saved_percent(self) -> Decimal | None:
        """The share that Spot saves of the on-demand cost, in percent."""
        return self.saved / self.compared_cost * 100 if self.saved is not None and self.compared_cost else None


@dataclass(frozen=True, slots=True)
class KeyCost:
    """The cost of one value of a key; for the key vm with the name, the place and the machine type."""

    key: str | None
    name: str | None
    place: str | None
    machine_type: str | None
    vms: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Costs:
    """The dearest values of a key, how many there are, and the cost of all."""

    dearest: tuple[KeyCost, ...]
    key_count: int
    total: Cost


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its period, in USD, as the view budget_status has it; `label` is None when it is about all VMs."""

    period: str
    label: str | None
    covers: str
    budget: Decimal
    spent: Decimal | None
    spent_percent: Decimal | None
    projected_cost: Decimal | None
    projected_percent: Decimal | None
    hours_until_spent: Decimal | None
    state: str
    not_known: str | None


@dataclass(frozen=True, slots=True)
class LastPlan:
    """The latest recorded plan, and how many of its stops are done."""

    received_at: datetime
    budget: str
    verdict: str
    reason: str
    mode: str
    stops: int
    deferred: int | None
    hourly_savings: Decimal | None
    stopped: int


@dataclass(frozen=True, slots=True)
class RecordState:
    """The latest hour on record, and what the day that ends with it cost and lacks."""

    hour: datetime | None
    recorded_at: datetime | None
    prices_as_of: datetime | None
    hour_vms: int
    hour_cost: Decimal | None
    hour_ondemand_cost: Decimal | None
    day_cost: Decimal | None
    previous_day_cost: Decimal | None
    unpriced_hours: Decimal
    incomplete_hours: int
    unresolved_hours: Decimal


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the records, of the budgets, and the last plan of the last week."""

    records: RecordState
    budgets: tuple[BudgetState, ...]
    last_plan: LastPlan | None
    frozen_groups: tuple[str, ...] = ()


class DailyFigures:
    """Reads one dataset; every verb raises UnavailableError."""

    def __init__(self, project_id: str, dataset: str, endpoint: str | None, retry_timeout: timedelta) -> None:
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._dataset = bigquery.DatasetReference(project_id, dataset)
        self._retry = retry(retry_timeout)

    def costs(self, by: str, label: str | None, first_time: datetime, end_time: datetime, most: int) -> Costs:
        """Return the cost from `first_time` until `end_time` by one of KEYS, the dearest `most` of its values."""
        parameters = [
            _time("first_time", first_time),
            _time("end_time", end_time),
            ScalarQueryParameter("most", "INT64", most),
            *([ScalarQueryParameter("label", "STRING", label)] if by == LABEL else []),
        ]
        rows = self._answer(self._ask(costs_statement(by), parameters))
        dearest = tuple(
            KeyCost(row["key"], row["name"], row["place"], row["machine_type"], row["vms"], _cost(row)) for row in rows
        )
        return Costs(dearest, rows[0]["all_keys"] if rows else 0, _cost(rows[0], "all_") if rows else NOTHING)

    def status(self, now: datetime) -> Status:
        """Return the state of the records; all questions are asked before the first answer is waited for."""
        records = self._ask(statement_text("status"), [_time("since", now - _THREE_DAYS), _time("now", now)])
        budgets = self._ask(_BUDGETS, [])
        plan = self._ask(statement_text("last_plan"), [_time("since", now - _WEEK), _time("now", now)])
        frozen = self._ask(statement_text("freezes"), [_time("since", now - LONGEST_STOP)])
        [state] = self._answer(records)
        return Status(
            RecordState(*_values(state)),
            tuple(BudgetState(*_values(row)) for row in self._answer(budgets)),
            next((LastPlan(*_values(row)) for row in self._answer(plan)), None),
            tuple(row["managed_by"] for row in self._answer(frozen) if row["frozen"] and row["ended_by"] is None),
        )

    def _ask(self, query: str, parameters: Sequence[ScalarQueryParameter]) -> QueryJob:
        configuration = bigquery.QueryJobConfig(default_dataset=self._dataset, query_parameters=list(parameters))
        with translate_errors("BigQuery"):
            return self._client.query(
                query, job_config=configuration, retry=self._retry, job_retry=None, timeout=TIMEOUT
            )

    def _answer(self, job: QueryJob) -> list[Row]:
        with translate_errors("BigQuery"):
            rows = job.result(retry=self._retry, timeout=QUERY_SECONDS)
            found = list(rows)
        if not rows.schema:
            message = "BigQuery: unexpected response: a query result without a schema"
            raise UnavailableError(message)
        return found


NOTHING = Cost(Decimal(0), Decimal(0), None, None, None, None, None)
"""The cost of no usage."""


def costs_statement(by: str) -> str:
    """Return the query of the cost by one of KEYS."""
    text = statement_text("costs").replace("{key}", KEYS[by])
    text = text.replace("{grouping}", _KEY_AND_PLACE if by == "vm" else _KEY)
    for place, expression in (_OF_A_VM if by == "vm" else _OF_ANY_OTHER).items():
        text = text.replace(place, expression)
    return text


def _cost(row: Row, prefix: str = "") -> Cost:
    return Cost(*(row[f"{prefix}{field.name}"] for field in fields(Cost)))


def _values(row: Row) -> list[Any]:
    """The values of a row: a quotient may come as a float, with the digits that its text shows."""
    return [Decimal(str(value)) if isinstance(value, float) else value for value in row.values()]


def _time(name: str, value: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "TIMESTAMP", value)
