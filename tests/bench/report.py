"""How long the report of a large fleet takes to write and to open, and how large it is."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter

from google.cloud.bigquery import Client

from infra.local.bigquery.tables import create_dataset, create_views, local_client, roll_up
from infra.local.stack.processes import Processes
from infra.local.stack.stack import DATASET, HOME_PROJECT, serve_bigquery
from spotkeeper.gcp.bigquery.report_views import ReportViews
from spotkeeper.report.page import page
from tests.bench.rows import Row
from tests.report.browsers import CHROMIUM, running_browser

VMS, DAYS = 10_000, 30
NOW = datetime(2026, 7, 31, 0, 10, tzinfo=UTC)
_FIRST = datetime(2026, 7, 1, tzinfo=UTC)
_MOST_BYTES, _MOST_DRAWING, _MOST_OPENING = 1_500_000, 20.0, 1.5
_ROUNDS = 3

COSTS = """
INSERT INTO spot_vm_costs
  (usage_start_time, usage_end_time, project_id, zone, region, instance_id, instance_name, machine_type,
   provisioning_model, vcpus, memory_gib, gpu_count, local_ssd_gib, uptime_hours, spot_price, ondemand_price, cost,
   ondemand_cost, currency, price_status, price_as_of, labels, run_id, recorded_at)
SELECT
  hour, TIMESTAMP_ADD(hour, INTERVAL 1 HOUR), CONCAT('load-', CAST(MOD(vm, 40) AS STRING)),
  CONCAT('region-', CAST(MOD(vm, 12) AS STRING), '-', SUBSTR('abc', 1 + MOD(vm, 3), 1)),
  CONCAT('region-', CAST(MOD(vm, 12) AS STRING)), CAST(vm AS STRING), CONCAT('worker-', CAST(vm AS STRING)),
  CONCAT('n', CAST(MOD(vm, 60) AS STRING), '-standard-8'), 'SPOT', 8, 32, 0, 0, 1,
  CAST(0.1 + MOD(vm, 60) / 100 AS NUMERIC), CAST(0.4 + MOD(vm, 60) / 100 AS NUMERIC),
  CAST(0.1 + MOD(vm, 60) / 100 AS NUMERIC), CAST(0.4 + MOD(vm, 60) / 100 AS NUMERIC), 'USD', 'exact', hour,
  IF(MOD(vm, 50) = 0, [], [STRUCT('team' AS key, CONCAT('team-', CAST(MOD(vm, 200) AS STRING)) AS value)]), 'run', hour
FROM UNNEST(GENERATE_ARRAY(1, {vms})) AS vm
CROSS JOIN UNNEST(
  GENERATE_TIMESTAMP_ARRAY(TIMESTAMP '{day} 00:00:00+00', TIMESTAMP '{day} 23:00:00+00', INTERVAL 1 HOUR)
) AS hour
"""
RUNS = """
INSERT INTO tracker_runs
  (run_id, hour, recorded_at, provisional, complete, row_count, cost, ondemand_cost, unpriced, unresolved,
   duration_seconds)
SELECT 'run', hour, hour, FALSE, MOD(EXTRACT(DAY FROM hour), 9) > 0, {vms}, 0, 0, 0, 0, 60
FROM UNNEST(GENERATE_TIMESTAMP_ARRAY(TIMESTAMP '{day} 00:00:00+00', TIMESTAMP '{day} 23:00:00+00', INTERVAL 1 HOUR))
  AS hour
"""
PREEMPTIONS = """
INSERT INTO spot_preemptions
  (preempted_at, project_id, zone, region, instance_id, instance_name, machine_type, operation_id, operation_name,
   run_id, recorded_at)
SELECT
  TIMESTAMP_ADD(TIMESTAMP '{day} 00:00:00+00', INTERVAL MOD(vm, 1440) MINUTE),
  CONCAT('load-', CAST(MOD(vm, 40) AS STRING)),
  CONCAT('region-', CAST(MOD(vm, 12) AS STRING), '-', SUBSTR('abc', 1 + MOD(vm, 3), 1)),
  CONCAT('region-', CAST(MOD(vm, 12) AS STRING)), CAST(vm AS STRING), CONCAT('worker-', CAST(vm AS STRING)),
  CONCAT('n', CAST(MOD(vm, 60) AS STRING), '-standard-8'), '{day}', 'preempted', 'run', TIMESTAMP '{day} 23:00:00+00'
FROM UNNEST(GENERATE_ARRAY(1, {vms})) AS vm
WHERE MOD(vm, 10) = MOD({number}, 10)
"""
PLANS = """
INSERT INTO enforcement_actions
  (happened_at, message_id, delivery_id, budget_id, period_end, project_id, zone, instance_id, instance_name, event,
   reason, mode, priority, machine_type, hourly_savings)
SELECT
  TIMESTAMP '{day} 12:00:00+00', '{day}', '{day}', 'b', TIMESTAMP '2026-08-01 07:00:00+00',
  CONCAT('load-', CAST(MOD(vm, 40) AS STRING)), 'region-0-a', CAST(vm AS STRING), CONCAT('worker-', CAST(vm AS STRING)),
  IF(vm <= 3, event, 'spared'), CONCAT('place ', CAST(vm AS STRING), ' in the order of stopping'), 'enforce', 'low',
  'n2-standard-8', 0.1
FROM UNNEST(GENERATE_ARRAY(1, {vms})) AS vm
CROSS JOIN UNNEST(['planned', 'stopped']) AS event
WHERE vm <= 3 OR event = 'planned'
"""


def rows() -> Sequence[Row]:
    """Fill a dataset with 10,000 VMs that run for 30 days, and measure the way from its views to an open page."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder) / "logs") as processes:
        endpoint = serve_bigquery(processes, Path(folder))
        client = local_client(endpoint, HOME_PROJECT)
        create_dataset(client, DATASET)
        _fill(client)
        roll_up(endpoint, HOME_PROJECT, DATASET, (_day(number) for number in range(DAYS)))
        create_views(client, DATASET, NOW)
        start = perf_counter()
        scope, found = ReportViews(HOME_PROJECT, DATASET, endpoint, timedelta(seconds=60)).read(DAYS, NOW)
        read_seconds = perf_counter() - start
        start = perf_counter()
        written = page(found, scope)
        drawing = perf_counter() - start
        path = Path(folder) / "report.html"
        path.write_text(written, encoding="utf-8")
        size = path.stat().st_size
        opening = _opening(path) if CHROMIUM else None
    return [
        Row("rows of spot_vm_costs", f"{VMS * DAYS * 24:,}"),
        Row("rows that the views answer", f"{sum(len(getattr(found, name)) for name in found.__slots__):,}"),
        Row("reading the views, on this machine's DuckDB", f"{read_seconds:.1f} s"),
        Row("drawing the page", f"{drawing:.1f} s", f"{_MOST_DRAWING:.0f} s", passed=drawing < _MOST_DRAWING),
        Row("size", f"{size / 1e6:.2f} MB", f"{_MOST_BYTES / 1e6:.1f} MB", passed=size < _MOST_BYTES),
        Row(
            "until it is loaded in Chromium",
            "no Chromium here" if opening is None else f"{opening:.2f} s",
            f"{_MOST_OPENING:.1f} s",
            passed=None if opening is None else opening < _MOST_OPENING,
        ),
    ]


def _fill(client: Client) -> None:
    for number in range(DAYS):
        day = _day(number)
        for statement in (COSTS, RUNS, PREEMPTIONS, PLANS):
            text = statement.format(vms=VMS, day=day, number=number)
            client.query(text.replace("INSERT INTO ", f"INSERT INTO {DATASET}.")).result()


def _day(number: int) -> date:
    return (_FIRST + timedelta(days=number)).date()


def _opening(path: Path) -> float:
    with running_browser() as browser:
        seconds = []
        for _ in range(_ROUNDS):
            window = browser.new_page()
            start = perf_counter()
            window.goto(path.as_uri(), wait_until="load")
            window.evaluate("() => document.body.getBoundingClientRect().height")
            seconds.append(perf_counter() - start)
            window.close()
    return sorted(seconds)[_ROUNDS // 2]
