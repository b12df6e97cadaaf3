"""The tracker with its real adapters, on a world that is served over the real protocols, and on a local BigQuery."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.cloud import bigquery

from infra.local.bigquery.tables import create_dataset, create_views, local_client
from infra.local.stack.processes import Processes
from infra.local.stack.stack import DATASET, HOME_PROJECT, serve_bigquery
from spotkeeper.gcp.tracker import tracker_ports
from spotkeeper.tracking.ports import Ports
from spotkeeper.tracking.run import TrackRequest, track
from spotkeeper.tracking.settings import TrackerSettings
from tests.simulation.tracker.calls import Call, calls_of
from tests.simulation.tracker.fleet import draw
from tests.simulation.tracker.judgements import Finding, Outcome
from tests.simulation.tracker.parameters import Parameters
from tests.simulation.tracker.play import outcome_of
from tests.simulation.tracker.records import CostRow, ProjectHour, Records
from tests.simulation.tracker.services import Services, serving
from tests.simulation.tracker.world import World
from tests.sql.cases import SQL, rendered

type Row = Mapping[str, Any]


class ServedTracker:
    """Runs the use case through the real adapters; every call moves the clock of the services."""

    def __init__(self, services: Services, settings: TrackerSettings, ports: Ports, client: bigquery.Client) -> None:
        """Begin with empty tables."""
        self._services = services
        self._settings = settings
        self._ports = ports
        self._client = client
        self._runs = 0

    def call(self, call: Call) -> None:
        """Run once."""
        self._services.now = call.at
        self._runs += 1
        track(self._settings, self._ports, f"run{self._runs}", TrackRequest(call.at, call.due, call.hours))

    def records(self, world: World) -> Records:
        """Return what the tables hold."""
        rows = [_row(row) for row in self.query("SELECT * FROM spot_vm_costs WHERE usage_start_time > '2000-01-01'")]
        runs = self.query("SELECT * FROM tracker_runs WHERE hour > '2000-01-01' ORDER BY recorded_at")
        return Records(rows=rows, hours=_project_hours(runs, list(world.projects)), alerts=(), reads=_reads(runs))

    def query(self, sql: str) -> list[Row]:
        """Return the rows of a query of the dataset."""
        configuration = bigquery.QueryJobConfig(default_dataset=f"{HOME_PROJECT}.{DATASET}")
        return [dict(row) for row in self._client.query(sql, job_config=configuration).result()]

    def create_views(self, now: datetime) -> None:
        """Make the views, as if it were now."""
        create_views(self._client, DATASET, now)


def outcome_through_adapters(parameters: Parameters) -> tuple[Outcome, Mapping[str, list[Finding]]]:
    """Return what was recorded of a world, and what only this mode can judge: the views, and the tables in memory."""
    world = draw(parameters)
    calls = calls_of(world, parameters.runs, budgets="")  # no budget is set there, and alerts are not judged
    with TemporaryDirectory() as state, served_tracker(world, parameters, Path(state)) as tracker:
        for call in calls:
            tracker.call(call)
        outcome = Outcome(world, tracker.records(world), calls, parameters.audit_log)
        tracker.create_views(calls[-1].at + timedelta(hours=1))
        findings = {
            "rollups_equal_rows": list(_rollups_equal_rows(tracker, calls[-1].at)),
            "views_add_up": list(_views_add_up(tracker, outcome.records)),
            "rows_are_as_in_memory": list(_rows_are_as_in_memory(outcome.records, outcome_of(parameters).records)),
        }
        return outcome, findings


def _rollups_equal_rows(tracker: ServedTracker, now: datetime) -> Iterator[Finding]:
    """The rollups are the sums of the rows, as the product's check says."""
    for row in tracker.query(rendered(SQL / "checks" / "rollups_equal_rows.sql", now.isoformat(), DATASET)):
        yield Finding(f"{row}", usd=Fraction(row["cost"]))


def _views_add_up(tracker: ServedTracker, records: Records) -> Iterator[Finding]:
    """The costs of the views are the sums of the rows, hour by hour and day by day."""
    hourly: dict[object, Decimal] = defaultdict(Decimal)
    daily: dict[object, Decimal] = defaultdict(Decimal)
    for row in records.rows:
        hourly[row.hour] += row.cost or 0
        daily[row.hour.date(), row.machine_type, row.zone] += row.cost or 0
    shown_hourly: dict[object, Decimal] = {
        row["usage_start_time"]: row["burn_rate"] or Decimal(0)
        for row in tracker.query("SELECT * FROM hourly_burn_rate")
    }
    shown_daily: dict[object, Decimal] = defaultdict(Decimal)
    for part in tracker.query("SELECT * FROM daily_cost_breakdown"):
        shown_daily[part["usage_date"], part["machine_type"], part["zone"]] += part["cost"] or 0
    for name, shown, summed in (
        ("hourly_burn_rate", shown_hourly, hourly),
        ("daily_cost_breakdown", shown_daily, daily),
    ):
        for key in shown.keys() | summed.keys():
            difference = shown.get(key, Decimal(0)) - summed.get(key, Decimal(0))
            if difference:
                yield Finding(
                    f"{name} {key}: {shown.get(key)}, but the rows make {summed.get(key)}", usd=Fraction(difference)
                )


def _rows_are_as_in_memory(records: Records, in_memory: Records) -> Iterator[Finding]:
    """The real adapters and BigQuery leave the rows that the ports and tables in memory do."""
    ours, theirs = ({(row.instance_id, row.start): row for row in each.rows} for each in (records, in_memory))
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        if one != other:
            yield Finding(f"{one} through adapters, but {other} in memory")


@contextmanager
def served_tracker(world: World, parameters: Parameters, state: Path) -> Iterator[ServedTracker]:
    """Serve a world and a BigQuery, and connect the tracker to both."""
    with Processes(state / "logs") as processes, serving(world) as services:
        endpoint = serve_bigquery(processes, state)
        client = local_client(endpoint, HOME_PROJECT)
        create_dataset(client, DATASET)
        settings = TrackerSettings.from_mapping(
            {
                "PROJECT_ID": HOME_PROJECT,
                "PROJECTS": ",".join(world.projects),
                "DATASET": DATASET,
                "CUSTOM_METRICS": "false",
                "ASSET_HISTORY": str(parameters.asset_history).lower(),
                "AUDIT_LOG_HISTORY": str(parameters.audit_log).lower(),
                "RETRY_TIMEOUT_SECONDS": "0",
                "BIGQUERY_ENDPOINT": endpoint,
                "MONITORING_ENDPOINT": services.grpc,
                **{f"{name}_ENDPOINT": services.rest for name in ("COMPUTE", "BILLING", "ASSETS", "LOGGING")},
            }
        )
        yield ServedTracker(services, settings, tracker_ports(settings), client)


def _row(row: Row) -> CostRow:
    return CostRow(
        project_id=row["project_id"],
        zone=row["zone"],
        instance_id=row["instance_id"],
        hour=row["usage_start_time"].replace(minute=0, second=0, microsecond=0),
        start=row["usage_start_time"],
        end=row["usage_end_time"],
        machine_type=row["machine_type"],
        gpus=(row["gpu_type"], row["gpu_count"]) if row["gpu_type"] else None,
        local_ssd_gib=row["local_ssd_gib"] or 0,
        labels={label["key"]: label["value"] for label in row["labels"]},
        uptime_hours=row["uptime_hours"],
        billed_hours=row.get("billed_hours", row["uptime_hours"]),
        price=row["spot_price"],
        price_status=row["price_status"],
        cost=row["cost"],
        known_cost=row["known_cost"],
    )


def _project_hours(runs: list[Row], projects: list[str]) -> dict[tuple[str, datetime], ProjectHour]:
    """What is recorded of each project and hour: by the last run that read it in full, else by the last."""
    found: dict[tuple[str, datetime], ProjectHour] = {}
    for run in runs:
        for project_id in projects:
            before = found.get((project_id, run["hour"]))
            if project_id in run["projects"] or before is None or not before.complete:
                found[project_id, run["hour"]] = _project_hour(run, project_id)
    return found


def _project_hour(run: Row, project_id: str) -> ProjectHour:
    unresolved: dict[str, Fraction] = defaultdict(Fraction)
    for each in run["unresolved_instances"]:
        if each["project_id"] == project_id:
            unresolved[each["instance_id"]] += Fraction(Decimal(each["uptime_hours"])) * 3600
    return ProjectHour(
        complete=project_id in run["projects"],
        gaps=tuple(
            f"{gap['source']}: {gap['detail']}" for gap in run["gaps"] if gap["project_id"] in {"", None, project_id}
        ),
        unresolved=dict(unresolved),
    )


def _reads(runs: list[Row]) -> Mapping[tuple[str, datetime], int]:
    return Counter((project_id, run["hour"]) for run in runs for project_id in run["projects"])
