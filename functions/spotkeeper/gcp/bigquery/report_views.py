"""The rows of the report: one query for each view, of the columns and days that are shown and no others."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from google.cloud import bigquery
from google.cloud.bigquery import QueryJob, ScalarQueryParameter

from spotkeeper.errors import RefusedRequestError
from spotkeeper.gcp.client_calls import TIMEOUT, client_options, credentials, retry, translate_errors
from spotkeeper.periods import rfc3339
from spotkeeper.report.rows import (
    BudgetState,
    CheaperPlace,
    CostlyVm,
    DaySavings,
    Enforced,
    EnforcedAction,
    HourBurn,
    HourQuality,
    IdleResource,
    Interruptions,
    LabelCost,
    PlaceCost,
    PriceChange,
    PriceDrift,
    PriceHeld,
    ReportRows,
    RunCost,
    Scope,
    Source,
    Spared,
    StopEffect,
    TeamCost,
    TeamWork,
    Unattributed,
    UnattributedCreator,
    ViewRow,
    WeekCost,
)

QUERY_SECONDS = 300.0
"""Seconds that one query may take."""

_OF_HOURS: tuple[type[ViewRow], ...] = (
    *(PlaceCost, TeamCost, DaySavings, BudgetState, Unattributed, UnattributedCreator),
    *(Interruptions, PriceChange, PriceDrift, PriceHeld, CheaperPlace, WeekCost, CostlyVm, RunCost, TeamWork),
)
_UNTIL_NOW: tuple[type[ViewRow], ...] = (EnforcedAction, Spared, Enforced, StopEffect, IdleResource, HourQuality)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class ReportViews:
    """The views of a dataset; every verb raises UnavailableError.

    With `texts`, the queries of the views at an earlier time by name, these are read in place of the views.
    """

    def __init__(
        self,
        project_id: str,
        dataset: str,
        endpoint: str | None,
        retry_timeout: timedelta,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self._client = bigquery.Client(
            project=project_id, credentials=credentials(endpoint), client_options=client_options(endpoint)
        )
        self._dataset = bigquery.DatasetReference(project_id, dataset)
        self._retry = retry(retry_timeout)
        self._texts = texts

    def read(self, days: int, now: datetime, *, labels: bool = False) -> tuple[Scope, ReportRows]:
        """Return what the report shows of the last days on record; `labels` reads the costs of VMs in 13 months.

        Raises RefusedRequestError when later hours than those of an earlier time are on record.

        The last day is that of the latest hour on record, not of the clock: a tracker that stands still hides nothing.
        The hours that it missed since then are listed as missing.
        """
        burn, scope = self._latest(days, now)
        first_day, last_day = scope.first_day, scope.last_day
        # What is done about a budget comes after its hours; missed hours come after the latest on record.
        today = max(last_day, now.astimezone(UTC).date())

        days_of = dict.fromkeys(_OF_HOURS, last_day) | dict.fromkeys(_UNTIL_NOW, today)
        if labels:
            days_of[LabelCost] = last_day
        # All questions are asked before the first answer is waited for: BigQuery works on them at the same time.
        asked = {kind: self._ask(kind, first_day, last) for kind, last in days_of.items()}

        def rows[Row: ViewRow](kind: type[Row]) -> Sequence[Row]:
            return self._answer(kind, asked[kind])

        found = ReportRows(
            places=rows(PlaceCost),
            teams=rows(TeamCost),
            savings=rows(DaySavings),
            burn=burn,
            budgets=rows(BudgetState),
            unattributed=rows(Unattributed),
            creators=rows(UnattributedCreator),
            interruptions=rows(Interruptions),
            price_changes=rows(PriceChange),
            price_drift=rows(PriceDrift),
            price_history=rows(PriceHeld),
            cheaper=rows(CheaperPlace),
            actions=rows(EnforcedAction),
            spared=rows(Spared),
            enforced=rows(Enforced),
            effects=rows(StopEffect),
            idle=rows(IdleResource),
            quality=rows(HourQuality),
            weeks=rows(WeekCost),
            costly_vms=rows(CostlyVm),
            runs=rows(RunCost),
            team_work=rows(TeamWork),
            labels=rows(LabelCost) if labels else (),
        )
        return scope, found

    def read_work(self, days: int, now: datetime) -> tuple[Scope, ReportRows]:
        """Return only what the digest shows of the last days on record: runs and the work of teams."""
        _, scope = self._latest(days, now)
        runs, teams = (self._ask(kind, scope.first_day, scope.last_day) for kind in (RunCost, TeamWork))
        return scope, ReportRows(runs=self._answer(RunCost, runs), team_work=self._answer(TeamWork, teams))

    def _latest(self, days: int, now: datetime) -> tuple[list[HourBurn], Scope]:
        burn = self._answer(HourBurn, self._ask(HourBurn, now.date(), now.date()))
        as_of = max((row.usage_start_time + _HOUR for row in burn if row.state != "missing"), default=None)
        last_day = (as_of - _HOUR if as_of else now).astimezone(UTC).date()
        first_day = last_day - (days - 1) * _DAY
        if self._texts is not None and as_of is not None and as_of > now:
            message = (
                f"hours up to {rfc3339(as_of)} are on record: the views show the latest ones, so a report as of "
                f"{rfc3339(now)} would not be one of that time"
            )
            raise RefusedRequestError(message)
        return burn, Scope(self._dataset.project, self._dataset.dataset_id, first_day, last_day, now, as_of)

    def _ask(self, kind: type[ViewRow], first_day: date, last_day: date) -> QueryJob:
        end_day = last_day + _DAY
        parameters = [
            ScalarQueryParameter("first_day", "DATE", first_day),
            ScalarQueryParameter("end_day", "DATE", end_day),
            ScalarQueryParameter("first_time", "TIMESTAMP", datetime.combine(first_day, time(), UTC)),
            ScalarQueryParameter("end_time", "TIMESTAMP", datetime.combine(end_day, time(), UTC)),
        ]
        configuration = bigquery.QueryJobConfig(default_dataset=self._dataset, query_parameters=parameters)
        with translate_errors("BigQuery"):
            return self._client.query(
                self._statement(kind), job_config=configuration, retry=self._retry, job_retry=None, timeout=TIMEOUT
            )

    def _statement(self, kind: type[ViewRow]) -> str:
        if self._texts is None:
            return statement(kind)
        return with_views(statement(kind), kind.source.view, self._texts, self._dataset.dataset_id)

    def _answer[Row: ViewRow](self, kind: type[Row], job: QueryJob) -> list[Row]:
        with translate_errors("BigQuery"):
            return list(_typed(kind, job.result(retry=self._retry, timeout=QUERY_SECONDS)))


def statement(kind: type[ViewRow]) -> str:
    """Return the query of a kind of row: its columns, its days, and as many rows as are shown."""
    source: Source = kind.source
    expressions = {**source.computed, **source.summed}
    columns = [field.name for field in fields(kind)]  # type: ignore[arg-type] # every kind is a dataclass
    chosen = ", ".join(f"{expressions[name]} AS {name}" if name in expressions else name for name in columns)
    conditions = [each for each in (_days(source), source.where) if each]
    parts = [f"SELECT {chosen} FROM `{source.view}`"]  # noqa: S608 (names of this package)
    if conditions:
        parts.append(f"WHERE {' AND '.join(conditions)}")
    if source.summed:
        parts.append(f"GROUP BY {', '.join(name for name in columns if name not in source.summed)}")
    if source.first_of_each and source.limit:
        ranked = f"ROW_NUMBER() OVER (PARTITION BY {source.first_of_each} ORDER BY {source.order})"
        parts.append(f"QUALIFY {ranked} <= {source.limit}")
    if source.order:
        parts.append(f"ORDER BY {source.order}")
    if source.limit and not source.first_of_each:
        parts.append(f"LIMIT {source.limit}")
    return " ".join(parts)


def with_views(query: str, view: str, texts: Mapping[str, str], dataset: str) -> str:
    """Return a query of one view with its text, and those of the views that it reads, inside it."""
    steps: dict[str, str] = {}

    def add(name: str) -> None:
        text = texts[name]
        for other in re.findall(rf"`{re.escape(dataset)}\.(\w+)`", text):
            if other in texts:
                text = text.replace(f"`{dataset}.{other}`", f"`{other}`")
                if other not in steps:
                    add(other)
        steps[name] = f"`{name}` AS (\n{text}\n)"

    add(view)
    return f"WITH {',\n'.join(steps.values())}\n{query}"


def _days(source: Source) -> str:
    if not source.day:
        return ""
    first, end = ("@first_day", "@end_day") if source.is_date else ("@first_time", "@end_time")
    return f"{source.day} >= {first} AND {source.day} < {end}"


def _typed[Row: ViewRow](kind: type[Row], found: Iterator[Any]) -> Iterator[Row]:
    """Make rows of what BigQuery answers: a quotient may come as a float, with the digits that its text shows."""
    for row in found:
        values = (Decimal(str(value)) if isinstance(value, float) else value for value in row.values())
        yield kind(*values)
