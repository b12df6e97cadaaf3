"""The tables of the tracker in BigQuery.

A run needs the same few jobs whatever the size of the fleet: it reads the states of the hours and the rates (and, when
it catches up or misses an instance, earlier observations), loads one staging table, commits it in one transaction, and
records itself in another.
"""

import gzip
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import IO, Any

from google.cloud.bigquery import (
    ArrayQueryParameter,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

from spotkeeper.gcp.bigquery.alert_tables import reserve_alerts, sent_parameter
from spotkeeper.gcp.bigquery.instance_rows import fingerprint, observation_from
from spotkeeper.gcp.bigquery.jobs import Jobs, Parameter
from spotkeeper.gcp.bigquery.kinds import RowKinds
from spotkeeper.gcp.bigquery.optional_prices import contract_price_from, recorded_price_from
from spotkeeper.gcp.bigquery.rates import dated_rate_from
from spotkeeper.gcp.bigquery.rollups import ROLLUP_STATEMENTS, days_between, rollup_parameters
from spotkeeper.gcp.bigquery.spending_tables import spending_parameters, spends_in
from spotkeeper.gcp.bigquery.staging_schema import staging_schema
from spotkeeper.gcp.bigquery.tracker_rows import staged
from spotkeeper.gcp.client_calls import translate_errors
from spotkeeper.instances import Instance, InstanceKey
from spotkeeper.periods import Period, PeriodKind, rfc3339
from spotkeeper.pricing.contract_history import DatedContractPrice
from spotkeeper.pricing.families import ShapeComponent
from spotkeeper.pricing.price_book import DatedRate
from spotkeeper.pricing.price_history import UncertainPrice
from spotkeeper.pricing.price_list import MachineTypePrice
from spotkeeper.tracking.addresses import AddressSighting
from spotkeeper.tracking.alerts import Alert, Spend
from spotkeeper.tracking.backlog import HourState, RecordedHours
from spotkeeper.tracking.costs import CostRow
from spotkeeper.tracking.creators import Creation
from spotkeeper.tracking.disks import DiskKind, DiskSighting
from spotkeeper.tracking.inventory import OBSERVATION_REACH, Comparison, Observation, Since
from spotkeeper.tracking.ports import KnownPrices, Record
from spotkeeper.tracking.preemptions import Preemption
from spotkeeper.tracking.run_summary import Gap
from spotkeeper.tracking.settings import Budgets, LabelBudget
from spotkeeper.tracking.standings import Standing, standings

_LINES_PER_WRITE = 200

_OPTIONAL_RECORDS: Mapping[str, type] = {"contract_price": DatedContractPrice, "creation": Creation}
"""Records that the staging table has only in a run that stages them: each takes a call for the columns of its table."""

_PARTS: Mapping[type, str] = {
    DatedRate: "commit_rates",
    DatedContractPrice: "commit_contract_prices",
    ShapeComponent: "commit_components",
    MachineTypePrice: "commit_price_list",
    Preemption: "commit_preemptions",
    Creation: "commit_creators",
    UncertainPrice: "commit_uncertain",
    DiskSighting: "commit_disks",
    AddressSighting: "commit_addresses",
}
"""Statements that the transaction needs for some records only: each takes BigQuery about a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_GAP = StructQueryParameterType(
    ScalarQueryParameterType("STRING", name="source"),
    ScalarQueryParameterType("STRING", name="project_id"),
    ScalarQueryParameterType("STRING", name="detail"),
    ScalarQueryParameterType("BOOL", name="final"),
)

_BUDGET = StructQueryParameterType(
    ScalarQueryParameterType("STRING", name="period"),
    ScalarQueryParameterType("NUMERIC", name="budget"),
    ScalarQueryParameterType("STRING", name="budget_id"),
    ScalarQueryParameterType("STRING", name="display_name"),
    ScalarQueryParameterType("STRING", name="label_key"),
    ScalarQueryParameterType("STRING", name="label_value"),
    ScalarQueryParameterType("TIMESTAMP", name="period_start"),
    ScalarQueryParameterType("NUMERIC", name="cost"),
    ScalarQueryParameterType("NUMERIC", name="next_threshold"),
)


class TrackerTables:
    """The dataset of the tracker; every verb raises UnavailableError."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def hour_states(self, since: datetime) -> RecordedHours:
        """Return the recorded state of each hour since then, and when prices were read."""
        with translate_errors("BigQuery"):
            rows = list(self._jobs.query("hour_states", [_time("since", since)]))
            states = [
                HourState(
                    row["hour"],
                    row["notified"],
                    frozenset(row["settled"] or ()),
                    frozenset(row["provisional"] or ()),
                    frozenset(row["incomplete"] or ()),
                    frozenset((each["project_id"], each["recorded_at"]) for each in row["recorded"] or ()),
                    frozenset(row["unlisted"] or ()),
                )
                for row in rows
            ]
            return RecordedHours(
                states,
                sorted({reading for row in rows for reading in row["readings"]}),
                sorted({reading for row in rows for reading in row["contract_readings"] or ()}),
            )

    def rates(self, since: datetime) -> list[DatedRate]:
        """Return the rates that held at that time or later."""
        with translate_errors("BigQuery"):
            return [dated_rate_from(row) for row in self._jobs.query("rates", [_time("since", since)])]

    def known_prices(self, since: datetime, *, recorded: bool, contract: bool) -> KnownPrices:
        """Return the rates that held then or later, and Google's own prices and contract prices, in one query."""
        parameters: list[Parameter] = [
            _time("since", since),
            ScalarQueryParameter("recorded", "BOOL", recorded),
            ScalarQueryParameter("contract", "BOOL", contract),
        ]
        by_source: dict[str, list[Any]] = {"list": [], "history": [], "contract": []}
        with translate_errors("BigQuery"):
            for row in self._jobs.query("known_prices", parameters):
                by_source[row["source"]].append(row)
            return KnownPrices(
                [dated_rate_from(row) for row in by_source["list"]],
                [recorded_price_from(row) for row in by_source["history"]],
                [contract_price_from(row) for row in by_source["contract"]],
            )

    def comparisons(self, projects: Sequence[str], hour: datetime) -> Iterator[tuple[str, Comparison]]:
        """Yield, by project id, what compares an instance with the observations since that hour."""
        parameters: list[Parameter] = [
            ArrayQueryParameter("projects", "STRING", list(projects)),
            _time("hour", hour),
        ]
        parts = _fingerprints(self._jobs.query("fingerprints", parameters))
        for project_id, of_project in groupby(parts, key=itemgetter(0)):
            yield project_id, partial(_compare, {name: value for _, part in of_project for name, value in part}, hour)

    def observations_of(self, keys: Sequence[InstanceKey], hour: datetime) -> Iterator[Observation]:
        """Yield the observations of these instances that matter from that hour on, in order of the instance."""
        projects = sorted({key.project_id for key in keys})
        instance_ids = sorted({key.instance_id for key in keys})
        parameters: list[Parameter] = [
            ArrayQueryParameter("projects", "STRING", projects),
            ArrayQueryParameter("instance_ids", "STRING", instance_ids),
            _time("since", hour - OBSERVATION_REACH),
        ]
        wanted = frozenset(keys)
        observations = _observations(self._jobs.query("observations_of", parameters))
        return (observation for observation in observations if observation.instance.key in wanted)

    @contextmanager
    def stage(self, run_id: str, recorded_at: datetime) -> Iterator["StagingTable"]:
        """Open the stage of a run: a compressed local file, and a staging table from `commit` on."""
        with tempfile.TemporaryFile() as file:
            stage = StagingTable(self._jobs, run_id, recorded_at, file)
            try:
                yield stage
            finally:
                stage.sweep()


class StagingTable:
    """The staged records of one run."""

    def __init__(self, jobs: Jobs, run_id: str, recorded_at: datetime, file: IO[bytes]) -> None:
        self._jobs = jobs
        self._run_id = run_id
        self._recorded_at = recorded_at
        self._staged_at = rfc3339(recorded_at)
        self._table = f"staging_{run_id}"
        self._file = file
        self._lines = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
        self._hours: Sequence[datetime] = ()
        self._unwritten: list[str] = []
        self._kinds = RowKinds.staged_in(self._unwritten)
        self._record_types = set[type]()
        self._repriced_days = set[date]()
        self._uncertain_since: datetime | None = None
        self._disk_kinds = set[DiskKind]()
        self._disks_since: datetime | None = None
        self._listed_since = recorded_at
        self._oldest_observation = recorded_at
        self._spends: list[Spend] = []
        self._addresses_since: datetime | None = None
        self._created_since: datetime | None = None

    def add(self, record: Record) -> None:
        """Stage a record."""
        if type(record) is DiskSighting:
            if record.kind not in self._disk_kinds:
                self._extend_times_of_disks(record.kind)
        elif type(record) is not CostRow:
            self._record_types.add(type(record))
            self._extend_times(record)
        self._unwritten.append(staged(record, self._run_id, self._staged_at, self._kinds))
        if len(self._unwritten) >= _LINES_PER_WRITE:
            self._write()

    def _extend_times(self, record: Record) -> None:
        """Extend the times whose rows the transaction reads or changes to those of a record."""
        match record:
            case Observation():
                self._oldest_observation = min(self._oldest_observation, record.last_seen)
            case AddressSighting():
                first = record.prices[0].start
                self._addresses_since = min(first, self._addresses_since or first)
                self._listed_since = min(record.since, self._listed_since)
            case Creation():
                self._created_since = min(record.created_at, self._created_since or record.created_at)
            case UncertainPrice():
                self._uncertain_since = min(record.start, self._uncertain_since or record.start)
                self._repriced_days.update(days_between(record.start, record.end))
            case _:
                pass

    def _extend_times_of_disks(self, kind: DiskKind) -> None:
        """Extend the times to those of all disks that are alike."""
        self._record_types.add(DiskSighting)
        self._disk_kinds.add(kind)
        first = kind.prices[0].start
        self._disks_since = min(first, self._disks_since or first)
        self._listed_since = min(kind.since, self._listed_since)

    def _write(self) -> None:
        """Compress the rows that are not yet, many at once: each call of the compressor has its price."""
        self._lines.write("\n".join([*self._unwritten, ""]).encode())
        self._unwritten.clear()

    def commit(
        self, hours: Sequence[datetime], periods: Sequence[Period], budgets: Budgets
    ) -> tuple[list[Spend], bool]:
        """Load the staging table, and write it to the tables in one transaction.

        Return the spend of each period, of all VMs and of those of each label budget, and whether alerts that an
        earlier run reserved were not sent.
        """
        self._write()
        self._lines.close()
        left_out = [name for name, kind in _OPTIONAL_RECORDS.items() if kind not in self._record_types]
        self._jobs.load(self._table, staging_schema(self._jobs.fields, left_out), self._file)
        self._hours = hours
        parameters = [
            *self._run_parameters(),
            _time("last_hour", max(hours)),
            *spending_parameters(periods, budgets, self._recorded_at),
            _time("observed_since", min(*hours, self._oldest_observation) - OBSERVATION_REACH),
        ]
        if self._disks_since is not None:
            parameters.append(_time("disks_since", self._disks_since))
        if self._addresses_since is not None:
            parameters.append(_time("addresses_since", self._addresses_since))
        if self._created_since is not None:
            parameters.append(_time("created_since", self._created_since))
        if self._uncertain_since is not None:
            parameters.append(_time("uncertain_since", self._uncertain_since))
        parameters += rollup_parameters(self._changed_days())
        parts = [*(part for kind, part in _PARTS.items() if kind in self._record_types), *ROLLUP_STATEMENTS]
        with translate_errors("BigQuery"):
            [row] = self._jobs.transaction("commit", parameters, self._table, parts, answer="spending")
        self._spends, unsent = spends_in(self._jobs, row, periods, budgets, self._recorded_at)
        return self._spends, unsent

    def reserve(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Reserve alerts in one transaction, and return those that this run is to send."""
        return reserve_alerts(self._jobs, self._run_id, self._recorded_at, alerts)

    def close(self, alerts: Mapping[str, Alert], gaps: Sequence[Gap], budgets: Budgets) -> None:
        """Record the run, its alerts by message id, the gaps since the commit, and where the budgets stand."""
        missed = [
            StructQueryParameter(
                None,
                ScalarQueryParameter("source", "STRING", gap.source),
                ScalarQueryParameter("project_id", "STRING", gap.project_id),
                ScalarQueryParameter("detail", "STRING", gap.detail),
                ScalarQueryParameter("final", "BOOL", gap.final),
            )
            for gap in gaps
        ]
        standing = {
            (each.period.kind, each.budget_id): each for each in standings(self._spends, budgets, alerts.values())
        }
        amounts = [
            _budget(period, amount, label, each, standing.get((period, each.budget_id)))
            for label, each in budgets.each()
            for period, amount in each.amounts_usd.items()
        ]
        parameters = [
            *self._run_parameters(),
            _time("recorded_at", self._recorded_at),
            sent_parameter(alerts),
            ArrayQueryParameter("gaps", _GAP, missed),
            ArrayQueryParameter("budgets", _BUDGET, amounts),
            ScalarQueryParameter("covers", "STRING", budgets.covers),
        ]
        self._jobs.transaction("close", parameters, self._table, ("confirm_alerts",))

    def _changed_days(self) -> set[date]:
        """Return the UTC days whose rows the transaction may change."""
        days = self._repriced_days | {hour.date() for hour in self._hours}
        if self._disks_since or self._addresses_since:
            # A row of a disk or an address goes on through hours that were recorded before, and that lacked its list.
            days.update(days_between(min(*self._hours, self._listed_since), max(self._hours)))
        if Preemption in self._record_types:
            # Each may have been at any time since; some get the machine type that is known by now.
            days.update(days_between(min(self._hours), self._recorded_at))
        return days

    def _run_parameters(self) -> list[Parameter]:
        return [
            ScalarQueryParameter("run_id", "STRING", self._run_id),
            _time("first_hour", min(self._hours)),
        ]

    def sweep(self) -> None:
        """Delete the staging table."""
        self._lines.close()
        self._jobs.drop(self._table)


def _fingerprints(rows: Iterator[Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the fingerprints of some instances of a project by their ids, as the statement gives them."""
    for row in rows:
        with translate_errors("BigQuery"):
            part = [(name, value) for name, value in (each.split(" ", 1) for each in row["fingerprints"].split(","))]
            project_id = row["project_id"]
        yield project_id, part


def _compare(known: Mapping[str, str], hour: datetime, instance: Instance) -> Since | datetime:
    earlier = known.get(instance.key.instance_id)
    if earlier is None:
        return Since.NEW
    digest, _, first_seen = earlier.partition(" ")
    # One whose disks this scan could not read has those of its observations.
    if digest != fingerprint(instance):
        return Since.CHANGED
    if not first_seen:
        return hour
    with translate_errors("BigQuery"):
        return _EPOCH + timedelta(microseconds=int(first_seen))


def _budget(
    period: PeriodKind, amount_usd: Decimal, label: LabelBudget | None, budgets: Budgets, standing: Standing | None
) -> StructQueryParameter:
    return StructQueryParameter(
        None,
        ScalarQueryParameter("period", "STRING", period),
        _amount("budget", amount_usd),
        ScalarQueryParameter("budget_id", "STRING", budgets.budget_id),
        ScalarQueryParameter("display_name", "STRING", budgets.display_name),
        ScalarQueryParameter("label_key", "STRING", label.label if label else None),
        ScalarQueryParameter("label_value", "STRING", label.value if label else None),
        ScalarQueryParameter("period_start", "TIMESTAMP", standing.period.start if standing else None),
        ScalarQueryParameter("cost", "NUMERIC", standing.recorded_usd if standing else None),
        ScalarQueryParameter("next_threshold", "NUMERIC", standing.next_threshold if standing else None),
    )


def _observations(rows: Iterator[Any]) -> Iterator[Observation]:
    for row in rows:
        with translate_errors("BigQuery"):
            observation = observation_from(row)
        yield observation


def _time(name: str, value: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "TIMESTAMP", value)


def _amount(name: str, value: Decimal) -> ScalarQueryParameter:
    return ScalarQueryParameter(name, "NUMERIC", value)
