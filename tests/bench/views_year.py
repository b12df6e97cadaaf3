"""Each view over a year of 2,000 Spot VMs, 17.5 million cost rows, in the local BigQuery with 2 GiB for DuckDB.

CPU time is compared with one sum over the labels of the year's rows in the same run; memory is the engine's process.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.cloud import bigquery

from infra.local.bigquery.tables import create_views, local_client
from infra.local.stack.processes import Processes
from tests.bench.engine import Engine
from tests.bench.rows import Row
from tests.bench.year import DATASET, DAYS, NOW, PROJECT, ask, fill
from tests.sql.cases import queries

VMS = 2_000
_BIGQUERY = "bigquery"
_MIB = 1024**2
_MOST_MIB = 2_560
"""2 GiB for DuckDB, and what Python and the server take beside it."""

_MOST_OF_A_SUM = 6.0
_SHOWN = 10
_YARDSTICK = """
SELECT label.value, SUM(cost) AS cost
FROM spot_vm_costs
CROSS JOIN UNNEST(labels) AS label
WHERE usage_start_time >= '2025-07-21'
GROUP BY label.value
"""
_ASKED = {
    "daily_cost_breakdown": "usage_date >= '2025-07-21'",
    "daily_cost_by_team": "usage_date >= '2025-07-21'",
    "daily_spot_savings": "usage_date >= '2025-07-21'",
    "unattributed_cost": "usage_date >= '2025-07-21'",
    "focus_costs": "ChargePeriodStart >= '2026-06-21'",
}
"""What is asked of a view that does not bound its days itself: the year, and of `focus_costs` a month."""


def rows() -> Sequence[Row]:
    """Fill the tables, ask for every view, and return the slowest."""
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        data = ["--data-dir", f"{folder}/data", "--project", PROJECT, "--dataset", DATASET]
        address = processes.announced(_BIGQUERY, [sys.executable, "-m", "infra.local.bigquery", *data])[_BIGQUERY]
        client, engine = local_client(address, PROJECT), Engine(processes.pid(_BIGQUERY))
        fill(client, address, VMS)
        create_views(client, DATASET, NOW)
        unit, _ = _measured(client, engine, _YARDSTICK)
        deployed = {table.table_id for table in client.list_tables(DATASET)}
        names = [view.stem for view in queries("views") if view.stem in deployed]
        found = {name: _measured(client, engine, _question(name)) for name in names}
        return list(_rows(unit, found))


def _rows(unit: float, found: dict[str, tuple[float, float]]) -> Iterator[Row]:
    yield Row("cost rows of the year", f"{VMS * 24 * DAYS:,}")
    yield Row("the yardstick: their cost by label", f"{unit:.1f} CPU s")
    slowest = sorted(found, key=lambda name: -found[name][0])
    for name in slowest:
        seconds, mib = found[name]
        passed = seconds <= unit * _MOST_OF_A_SUM and mib <= _MOST_MIB
        if slowest.index(name) < _SHOWN or not passed:
            limit = f"{_MOST_OF_A_SUM:.0f} yardsticks, {_MOST_MIB:,} MiB"
            yield Row(name, f"{seconds:.1f} CPU s, {mib:,.0f} MiB", limit, passed)
    rest = [found[name] for name in slowest[_SHOWN:]]
    yield Row(f"the other {len(rest)}", f"up to {rest[0][0]:.1f} CPU s, {max(mib for _, mib in rest):,.0f} MiB")


def _question(name: str) -> str:
    where = f" WHERE {_ASKED[name]}" if name in _ASKED else ""
    return f"CREATE OR REPLACE TABLE answer AS SELECT * FROM {name}{where}"


def _measured(client: bigquery.Client, engine: Engine, question: str) -> tuple[float, float]:
    """The CPU seconds of a question, and the peak memory in MiB."""
    engine.reset_peak()
    before = engine.cpu_seconds()
    ask(client, question)
    return engine.cpu_seconds() - before, engine.peak_bytes() / _MIB
